//! `watch`: a job until its end, whatever happens to the connection meanwhile.
//!
//! ```text
//! sight.rs   the job itself, as it changes     follow.rs  running pods, and how far their tasks are
//!                        └──▶ state.rs: what is known ──▶ bars.rs, plain.rs, json.rs
//! ```

mod bars;
mod follow;
mod json;
mod plain;
mod sight;
mod state;

use std::{io::IsTerminal, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;
use tokio::{sync::mpsc, task::JoinSet, time::interval};

use crate::{
    Exit,
    args::{RunOutput, WatchArgs},
    cluster::{Cluster, status::took},
    progress, run,
};
use sight::Sight;
use state::{Change, End, State};

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(500);

/// What shows a job's states.
trait View {
    /// Something changed.
    fn changed(&mut self, state: &State, change: &Change) -> std::io::Result<()>;
    /// Time passed.
    fn tick(&mut self, _state: &State) {}
    /// The job ended, or watching did.
    fn close(&mut self) {}
}

/// Watches a job that is there.
pub async fn run(args: WatchArgs) -> anyhow::Result<Exit> {
    let cluster = Cluster::connect(&args.cluster).await?;
    let job = cluster.job(&args.job).await?;
    jobs(&cluster, vec![(job.namespace().unwrap_or_default(), job.name_any())], args.output).await
}

/// Watches jobs, each named by namespace and name, until the last has ended; the worst exit code wins.
pub async fn jobs(cluster: &Cluster, jobs: Vec<(String, String)>, output: RunOutput) -> anyhow::Result<Exit> {
    let stop = run::stop_on_signal()?;
    let names: Vec<String> = jobs.iter().map(|(_, name)| name.clone()).collect();
    let bars = bars::Bars::new();
    let mut watching = JoinSet::new();
    for (namespace, name) in jobs {
        let view: Box<dyn View + Send> = match output {
            RunOutput::Json => Box::new(json::Lines::new(&namespace)),
            RunOutput::Text if std::io::stderr().is_terminal() => Box::new(bars.job(&name)),
            RunOutput::Text => Box::new(plain::Plain),
        };
        let cluster = Cluster { namespace, ..cluster.clone() };
        watching.spawn(watch(cluster, name, view, output));
    }
    let mut worst = Exit::Done;
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                watching.shutdown().await;
                let (goes, them) = if names.len() == 1 { ("goes", "it") } else { ("go", "them") };
                eprintln!("\nstopped watching; {} {goes} on, `kubectl transcode watch` shows {them} again", names.join(", "));
                return Ok(Exit::Interrupted);
            }
            ended = watching.join_next() => match ended {
                Some(exit) => worst = worst.max(exit??),
                None => return Ok(worst),
            },
        }
    }
}

/// Watches one job to its end, and tells it.
async fn watch(
    cluster: Cluster,
    name: String,
    mut view: Box<dyn View + Send>,
    output: RunOutput,
) -> anyhow::Result<Exit> {
    let (sender, mut sights) = mpsc::channel(256);
    // Dropped with everything that it watches when the job has ended.
    let mut sources = JoinSet::new();
    sources.spawn(sight::job(cluster.clone(), name.clone(), sender.clone()));
    let mut state = State::new(&name);
    let mut tick = interval(TICK);
    let mut followed = false;
    let end = loop {
        tokio::select! {
            sight = sights.recv() => {
                let Some(sight) = sight else { anyhow::bail!("{name} can't be watched any more") };
                if let Sight::Lost(why) = sight {
                    view.close();
                    anyhow::bail!("{why}");
                }
                if let Sight::Job(job) = &sight
                    && let Some(uid) = job.uid()
                    && !followed
                {
                    sources.spawn(follow::pods(cluster.clone(), uid, sender.clone()));
                    followed = true;
                }
                for change in state.note(sight, Timestamp::now()) {
                    view.changed(&state, &change)?;
                }
                if let Some(end) = state.end() {
                    break end;
                }
            }
            _ = tick.tick() => {
                view.tick(&state);
                if let Some(hint) = state.hint(Timestamp::now()) {
                    view.changed(&state, &hint)?;
                }
            }
        }
    };
    view.close();
    Ok(told(&state, &end, output))
}

/// Prints how a job ended.
fn told(state: &State, end: &End, output: RunOutput) -> Exit {
    let text = output == RunOutput::Text;
    let name = &state.name;
    let status = state.status();
    if text {
        progress::warnings(&status);
    }
    match end {
        End::Complete if text => {
            let wall = took(status.started_at.as_deref(), status.finished_at.as_deref(), Timestamp::now());
            let wall = wall.map_or(String::new(), |wall| format!(" in {}", progress::short(wall)));
            let media = status.media.as_ref().map_or("the media", |media| media.duration.as_str());
            match status.message.as_deref() {
                Some(message) if message.starts_with("published and") => {
                    println!("{name}: published and verified, {media}{wall}");
                }
                message => println!("{name}: {}", message.unwrap_or("done")),
            }
            progress::results(&status);
            Exit::Done
        }
        End::Complete => Exit::Done,
        End::Failed { reason, message } => {
            if text {
                eprintln!("{name}: failed, {reason}: {message}");
            }
            Exit::Failed
        }
        End::Deleted => {
            eprintln!("{name}: was deleted before it was seen to end");
            Exit::Failed
        }
    }
}
