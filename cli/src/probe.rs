//! `probe`: what a source is, by the very task that a job would run.

use serde_json::json;
use tokio::sync::mpsc;
use transcode_api::TranscodeJob;
use transcode_engine::{Outcome, resolve};
use transcode_local::{Ended, Until};
use transcode_media::time::human;

use crate::{
    Exit,
    args::{ProbeArgs, RunOutput},
    plan,
    progress::printable,
    run, site,
};

/// Probes a file or URL.
pub async fn run(args: ProbeArgs) -> anyhow::Result<Exit> {
    let folder = tempfile::tempdir()?;
    let input = match args.source.starts_with("http://") || args.source.starts_with("https://") {
        true => json!({"name": "main", "http": {"url": args.source}}),
        false => json!({"name": "main", "file": {"path": args.source}}),
    };
    let spec = json!({"inputs": [input], "outputs": [{"name": "main", "file": {"path": folder.path().join("out")}}]});
    let job = TranscodeJob::new("probe", serde_json::from_value(spec)?);
    let mut spec = resolve(&job, &[]).map_err(|problems| {
        anyhow::anyhow!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    let engine = site::engine(&args.site, Some(&folder.path().join("work")), &mut spec)?;
    let (sender, mut events) = mpsc::channel(64);
    let drain = tokio::spawn(async move { while events.recv().await.is_some() {} });
    let ended = engine.run(&spec, Until::Planned, sender, run::stop_on_signal()?).await?;
    drain.await?;
    let facts = match &ended {
        Ended::Planned(bundle) => &bundle.observation.record.facts,
        Ended::Job(_, state) => &state.0.observation.record.facts,
        Ended::Interrupted => return Ok(Exit::Interrupted),
    };
    let Some(media) = facts.media() else {
        if let Ended::Job(Outcome::Failed { message, .. }, _) = &ended {
            eprintln!("error: {}", printable(message));
        }
        return Ok(Exit::Failed);
    };
    match args.output {
        RunOutput::Json => println!("{}", serde_json::to_string_pretty(media)?),
        RunOutput::Text => {
            plan::print_media(media);
            if let Some(split) = facts.split() {
                println!(
                    "  cut        {} segments, {} chunks, {} frames decoded twice",
                    split.segments, split.chunks, split.preroll
                );
            }
            println!("  origin     {}", human(media.origin));
            for left in &media.info.left_out {
                println!("  left out   {left}");
            }
        }
    }
    if let Ended::Job(Outcome::Failed { reason, message }, _) = &ended {
        eprintln!("a job with this source would fail, {reason}: {message}");
    }
    Ok(Exit::Done)
}
