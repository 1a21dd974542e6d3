//! `logs`: the log of one task.

use std::{collections::BTreeMap, io::Write, time::Duration};

use futures::{AsyncBufRead, AsyncBufReadExt};
use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{ListParams, LogParams},
};
use transcode_api::{TranscodeJob, status::StageStatus};

use crate::{
    Exit,
    args::LogsArgs,
    cluster::{
        Cluster, JOB_UID,
        lines::Readable,
        paint::{Paint, table},
        tasks::{Batch, Batches, State, TaskPod},
    },
    progress::short,
};

/// Pods and Jobs that are looked at, at most.
const LIMIT: u32 = 1000;
/// Rows of a list.
const ROWS: usize = 20;
/// Time between two looks at a pod that has not begun.
const LOOK: Duration = Duration::from_secs(2);

/// Prints the log of a task.
pub async fn run(args: LogsArgs) -> anyhow::Result<Exit> {
    let cluster = Cluster::connect(&args.cluster).await?;
    let job = cluster.job(&args.job).await?;
    if let Some(stage) = &args.stage {
        known(&job, stage)?;
    }
    loop {
        let pods = pods(&cluster, &job).await?;
        match pick(&pods, &Wish::of(&args)) {
            Pick::One(pod) if pod.state == State::Waiting && args.follow => tokio::time::sleep(LOOK).await,
            Pick::One(pod) if pod.state == State::Waiting => {
                let why = pod.why.as_deref().map_or(String::new(), |why| format!(": {why}"));
                eprintln!("{}: pod {} has not begun{why}", pod.task, pod.pod);
                return Ok(Exit::Failed);
            }
            Pick::One(pod) => return print(&cluster, &args, pod).await,
            Pick::Several(several) => {
                let name = job.name_any();
                eprintln!("{name} has several tasks; say which, such as `logs {name} {}`:", example(&several));
                eprint!("{}", list(&several, Timestamp::now()));
                return Ok(Exit::WrongUse);
            }
            Pick::None => {
                eprint!("{}", gone(&job, &pods, &args));
                return Ok(Exit::Failed);
            }
        }
    }
}

/// Whether the job has such a stage; before its status has any, every name will do.
fn known(job: &TranscodeJob, stage: &str) -> anyhow::Result<()> {
    let stages: Vec<_> = job.status.iter().flat_map(|status| &status.stages).map(|row| row.name.as_str()).collect();
    anyhow::ensure!(
        stages.is_empty() || stages.contains(&stage),
        "{} has no stage `{stage}`; it has {}",
        job.name_any(),
        stages.join(", ")
    );
    Ok(())
}

async fn pods(cluster: &Cluster, job: &TranscodeJob) -> anyhow::Result<Vec<TaskPod>> {
    let list = ListParams::default().labels(&format!("{JOB_UID}={}", job.uid().unwrap_or_default())).limit(LIMIT);
    let jobs: Api<Job> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let jobs = cluster.ask(jobs.list(&list)).await?;
    let batches: Batches = jobs.items.iter().filter_map(|job| Some((job.name_any(), Batch::of(job)?))).collect();
    let pods: Vec<Pod> = cluster.ask(cluster.pods().list(&list)).await?.items;
    Ok(pods.iter().filter_map(|pod| TaskPod::of(pod, &batches)).collect())
}

/// Which task is meant.
#[derive(Debug, Clone, Copy, Default)]
struct Wish<'a> {
    stage: Option<&'a str>,
    chunk: Option<u32>,
    attempt: Option<u32>,
    previous: bool,
}

impl<'a> Wish<'a> {
    fn of(args: &'a LogsArgs) -> Self {
        Wish { stage: args.stage.as_deref(), chunk: args.chunk, attempt: args.attempt, previous: args.previous }
    }
}

/// Which pod it is.
#[derive(Debug, PartialEq, Eq)]
enum Pick<'a> {
    One(&'a TaskPod),
    Several(Vec<&'a TaskPod>),
    None,
}

/// Of each task that may be meant the latest attempt; of these the one that failed last, else the one
/// that runs, else the only one.
fn pick<'a>(pods: &'a [TaskPod], wish: &Wish<'_>) -> Pick<'a> {
    let meant = |pod: &&TaskPod| {
        wish.stage.is_none_or(|stage| pod.task.stage == stage)
            && (wish.chunk.is_none() || pod.task.chunk == wish.chunk)
            && wish.attempt.is_none_or(|attempt| pod.attempt == attempt)
    };
    let mut by_task: BTreeMap<_, Vec<&TaskPod>> = BTreeMap::new();
    for pod in pods.iter().filter(meant) {
        by_task.entry(&pod.task).or_default().push(pod);
    }
    let latest = |mut pods: Vec<&'a TaskPod>| {
        // A pod that was taken away has a successor in the same batch.
        pods.sort_by_key(|pod| (pod.attempt, pod.created));
        pods.into_iter().rev().nth(usize::from(wish.previous))
    };
    let pods: Vec<_> = by_task.into_values().filter_map(latest).collect();
    let of = |state: State| pods.iter().copied().filter(move |pod| pod.state == state);
    let running: Vec<_> = of(State::Running).collect();
    match (pods.as_slice(), of(State::Failed).max_by_key(|pod| pod.ended), running.as_slice()) {
        ([], ..) => Pick::None,
        ([one], ..) | (_, None, [one]) => Pick::One(one),
        (_, Some(failed), _) => Pick::One(failed),
        (_, None, []) => Pick::Several(pods),
        (_, None, _) => Pick::Several(running),
    }
}

/// What there is, when it has to be said which.
fn list(pods: &[&TaskPod], now: Timestamp) -> String {
    let mut rows = vec![["STAGE", "CHUNK", "ATTEMPT", "STATE", "AGE", "POD"].map(str::to_owned).to_vec()];
    rows.extend(pods.iter().take(ROWS).map(|pod| {
        let age = Duration::try_from(now.duration_since(pod.created)).unwrap_or_default();
        vec![
            pod.task.stage.clone(),
            pod.task.chunk.map_or("-".into(), |chunk| chunk.to_string()),
            pod.attempt.to_string(),
            pod.state.name().into(),
            short(age),
            pod.pod.clone(),
        ]
    }));
    let more = match pods.len().checked_sub(ROWS) {
        Some(more @ 1..) => format!("  and {more} more\n"),
        _ => String::new(),
    };
    table(&rows, "  ", |_, _, cell| cell.into()) + &more
}

fn example(pods: &[&TaskPod]) -> String {
    match pods.first().map(|pod| &pod.task) {
        Some(task) => match task.chunk {
            Some(chunk) => format!("{} --chunk {chunk}", task.stage),
            None => task.stage.clone(),
        },
        None => "STAGE".into(),
    }
}

/// Why there is no such log, and what is known without it.
fn gone(job: &TranscodeJob, pods: &[TaskPod], args: &LogsArgs) -> String {
    let name = job.name_any();
    let stages: Vec<&StageStatus> = job
        .status
        .iter()
        .flat_map(|status| &status.stages)
        .filter(|row| args.stage.as_ref().is_none_or(|stage| row.name == *stage))
        .collect();
    let begun = |row: &&StageStatus| row.started_at.is_some() || row.done > 0 || row.failed_attempts > 0;
    let of_stage: Vec<&TaskPod> =
        pods.iter().filter(|pod| args.stage.as_ref().is_none_or(|stage| pod.task.stage == *stage)).collect();
    let what = match (&args.stage, args.chunk) {
        (Some(stage), Some(chunk)) => format!("chunk {chunk} of {stage}"),
        (Some(stage), None) => stage.clone(),
        _ => name.clone(),
    };
    let mut text = match () {
        () if !of_stage.is_empty() => {
            format!("there is no such pod of {what}; there are\n{}", list(&of_stage, Timestamp::now()))
        }
        () if !stages.iter().any(begun) => format!("{what} has not begun: there is no log yet\n"),
        () => format!(
            "no pod of {what} is left: Jobs are deleted once what they told is recorded, and their logs go with them\n"
        ),
    };
    for (row, message) in stages.iter().filter_map(|row| Some((row, row.message.as_ref()?))) {
        text.push_str(&format!("{}, {}, {} failed attempts: {message}\n", row.name, row.state, row.failed_attempts));
    }
    text
}

async fn print(cluster: &Cluster, args: &LogsArgs, pod: &TaskPod) -> anyhow::Result<Exit> {
    if !args.raw {
        eprintln!("{}, attempt {}, {}: pod {}", pod.task, pod.attempt, pod.state.name(), pod.pod);
    }
    let params = LogParams {
        follow: args.follow,
        tail_lines: args.tail.map(i64::from),
        timestamps: !args.raw,
        ..LogParams::default()
    };
    let log = cluster.ask(cluster.pods().log_stream(&pod.pod, &params)).await?;
    let mut readable = (!args.raw).then(|| Readable::new(Paint::stdout()));
    copy(log, &mut readable).await?;
    if let Some(why) = pod.why.as_ref().filter(|_| !args.raw) {
        eprintln!("{}: {why}", pod.task);
    }
    Ok(Exit::Done)
}

/// To standard output, until the log ends or nobody reads on.
async fn copy(log: impl AsyncBufRead, readable: &mut Option<Readable>) -> anyhow::Result<()> {
    let mut log = std::pin::pin!(log);
    let mut bytes = vec![];
    while log.read_until(b'\n', &mut bytes).await? > 0 {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\n', '\r']);
        let words = match readable {
            Some(readable) => readable.line(line),
            None => Some(line.to_owned()),
        };
        if let Some(words) = words
            && writeln!(std::io::stdout(), "{words}").is_err()
        {
            return Ok(());
        }
        bytes.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tasks::Task;

    fn pod(name: &str, stage: &str, chunk: Option<u32>, attempt: u32, state: State) -> TaskPod {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let count = i64::from(attempt);
        TaskPod {
            pod: name.into(),
            task: Task { stage: stage.into(), chunk },
            attempt,
            state,
            why: None,
            created: at(100 + count),
            ended: (state == State::Failed).then(|| at(200 + count)),
        }
    }

    fn name(pick: Pick<'_>) -> String {
        match pick {
            Pick::One(pod) => pod.pod.clone(),
            Pick::Several(pods) => pods.iter().map(|pod| pod.pod.as_str()).collect::<Vec<_>>().join("|"),
            Pick::None => "none".into(),
        }
    }

    #[test]
    fn the_latest_attempt_of_a_chunk() {
        let pods = [
            pod("a", "encode", Some(12), 0, State::Failed),
            pod("b", "encode", Some(12), 2, State::Running),
            pod("c", "encode", Some(13), 0, State::Running),
        ];
        let chunk = Wish { stage: Some("encode"), chunk: Some(12), ..Wish::default() };
        assert_eq!(name(pick(&pods, &chunk)), "b");
        assert_eq!(name(pick(&pods, &Wish { previous: true, ..chunk })), "a");
        assert_eq!(name(pick(&pods, &Wish { attempt: Some(0), ..chunk })), "a");
        assert_eq!(name(pick(&pods, &Wish { attempt: Some(1), ..chunk })), "none");
        assert_eq!(name(pick(&pods, &Wish { chunk: Some(14), ..chunk })), "none");
    }

    #[test]
    fn what_failed_last_or_else_runs() {
        let running = pod("r", "audio", None, 0, State::Running);
        let done = pod("d", "thumbnail", None, 0, State::Succeeded);
        let early = pod("e", "encode", Some(1), 0, State::Failed);
        let late = pod("l", "encode", Some(2), 1, State::Failed);
        let any = Wish::default();
        assert_eq!(name(pick(&[running.clone(), early, late, done.clone()], &any)), "l");
        assert_eq!(name(pick(&[done.clone(), running.clone()], &any)), "r");
        let other = pod("o", "encode", Some(0), 0, State::Running);
        let pods = [running, other, done];
        assert_eq!(name(pick(&pods, &any)), "r|o");
        assert_eq!(name(pick(&pods, &Wish { stage: Some("thumbnail"), ..any })), "d");
    }

    #[test]
    fn a_list_says_what_there_is() {
        let pods =
            [pod("p-1", "encode-720p", Some(12), 1, State::Running), pod("p-2", "audio", None, 0, State::Waiting)];
        let pods: Vec<_> = pods.iter().collect();
        assert_eq!(example(&pods), "encode-720p --chunk 12");
        assert_eq!(
            list(&pods, Timestamp::from_second(171).unwrap()),
            "  STAGE        CHUNK  ATTEMPT  STATE    AGE    POD\n\
             \x20 encode-720p  12     1        Running  1m10s  p-1\n\
             \x20 audio        -      0        Waiting  1m11s  p-2\n"
        );
    }
}
