//! `run`: the local engine, job after job.

use std::{fs::File, path::Path, time::Instant};

use anyhow::Context;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use transcode_api::WorkDataDeletion;
use transcode_engine::{Outcome, ResolvedSpec};
use transcode_local::{Ended, Until};

use crate::{Exit, args::RunArgs, jobs, progress, report, site};

/// Runs every job of the files; the worst exit code wins.
pub async fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let Some(specs) = jobs::load(&args.files)? else { return Ok(Exit::WrongUse) };
    if let Some(report) = &args.report {
        anyhow::ensure!(specs.len() == 1, "--report is for one job; {} are in the given files", specs.len());
        report::check(report)?;
    }
    let stop = stop_on_signal()?;
    let mut worst = Exit::Done;
    for spec in specs {
        let exit = job(&args, spec, stop.clone()).await?;
        worst = worst.max(exit);
        if exit == Exit::Interrupted {
            break;
        }
    }
    Ok(worst)
}

/// Ctrl-C and SIGTERM stop everything cleanly.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}

async fn job(args: &RunArgs, mut spec: ResolvedSpec, stop: CancellationToken) -> anyhow::Result<Exit> {
    if args.keep_work {
        spec.delete_work = WorkDataDeletion::Never;
    }
    let engine = site::engine(&args.site, args.work_dir.as_deref(), &mut spec)?;
    let _lock = lock(&engine.work_dir)?;
    let started = Instant::now();
    let (sender, events) = mpsc::channel(256);
    let (screen, shown) = mpsc::channel(256);
    let watch = tokio::spawn(report::watch(events, screen));
    let view = tokio::spawn(progress::show(args.output, spec.clone(), shown));
    let ended = engine.run(&spec, Until::End, sender, stop).await;
    let wall = started.elapsed();
    let seen = watch.await?;
    view.await?;
    if let Ok(ended) = &ended {
        progress::end(args.output, &spec, &engine.work_dir, wall, ended)?;
    }
    if let Some(report) = &args.report {
        report::of_run(args, report, &spec, seen, wall).await?;
    }
    Ok(match ended? {
        Ended::Job(Outcome::Complete { .. }, _) | Ended::Planned(_) => Exit::Done,
        Ended::Job(Outcome::Failed { .. }, _) => Exit::Failed,
        Ended::Interrupted => Exit::Interrupted,
    })
}

/// One run of a job at a time: two would tread on each other's scratch. Released by the kernel
/// whatever happens to this process.
pub fn lock(work_dir: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(work_dir).with_context(|| {
        format!("the work folder {} can't be made; choose another with --work-dir", work_dir.display())
    })?;
    let path = work_dir.join("lock");
    let file = File::create(&path)
        .with_context(|| format!("{} can't be written; choose another folder with --work-dir", path.display()))?;
    file.try_lock().with_context(|| {
        format!(
            "another run of this job uses {}; wait for it, or choose another folder with --work-dir",
            work_dir.display()
        )
    })?;
    Ok(file)
}
