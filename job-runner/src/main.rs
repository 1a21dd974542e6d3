//! The media edge: one process, one task. ffmpeg, ffprobe and storage; no Kubernetes.
//!
//! ```text
//! main.rs     arguments, signals, report, exit code      error.rs    failures and their words
//! context.rs  the task with its store and its layout     process.rs  the only place that spawns
//! source.rs   the source behind the loopback server      fault.rs    faults that tests ask for
//! tasks/      one module for each kind of stage
//! ```

mod context;
mod error;
mod fault;
mod process;
mod source;
mod tasks;

use std::{io::Read, path::PathBuf, process::ExitCode as Status};

use clap::Parser;
use tokio_util::sync::CancellationToken;
use transcode_contract::{ExitCode, Report, TaskFile, VERSION};
use transcode_engine::{Failure, Summary};

use crate::{context::Context, error::TaskError};

/// Runs one task of a transcoding job.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The task file.
    #[arg(long)]
    task: PathBuf,
    /// Index of the task in its stage.
    #[arg(long, env = "JOB_COMPLETION_INDEX", default_value_t = 0)]
    index: u32,
    /// Failed attempts before this one.
    #[arg(long, default_value_t = 0)]
    attempt: u32,
    /// Folder for partial files; made and removed by the task.
    #[arg(long)]
    scratch: PathBuf,
    /// Where the report goes.
    #[arg(long, default_value = "/dev/termination-log")]
    report: PathBuf,
    /// Stop when standard input closes: the driver is gone.
    #[arg(long)]
    watch_stdin: bool,
}

#[tokio::main]
async fn main() -> Status {
    tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("TRANSCODE_LOG").unwrap_or_else(|_| "info".into()))
        .init();
    let args = Args::parse();
    let stop = CancellationToken::new();
    tokio::spawn(watch_signals(args.watch_stdin, stop.clone()));
    let result = run(&args, &stop).await;
    let _ = tokio::fs::remove_dir_all(&args.scratch).await;
    let (report, code) = match result {
        Ok(summary) => (Report::done(summary), ExitCode::Done),
        Err(error) => {
            let error = if stop.is_cancelled() { TaskError::terminated() } else { error };
            tracing::error!(reason = error.failure.reason(), "{}", error.message);
            let code = ExitCode::of(&error.failure);
            (Report::failed(error.failure, &error.message), code)
        }
    };
    match write_report(&args, &report) {
        Ok(()) => code.into(),
        Err(error) => {
            tracing::error!("the report can't be written to {}: {error}", args.report.display());
            ExitCode::Transient.into()
        }
    }
}

fn write_report(args: &Args, report: &Report) -> std::io::Result<()> {
    std::fs::write(&args.report, serde_json::to_vec(report)?)
}

async fn run(args: &Args, stop: &CancellationToken) -> Result<Option<Summary>, TaskError> {
    let wrong = |what: String| TaskError::new(Failure::Misconfigured, what);
    let bytes = std::fs::read(&args.task)
        .map_err(|e| wrong(format!("the task file {} can't be read: {e}", args.task.display())))?;
    let task: TaskFile = serde_json::from_slice(&bytes)
        .map_err(|e| wrong(format!("the task file {} is not understood: {e}", args.task.display())))?;
    if task.version > VERSION {
        return Err(wrong(format!(
            "the task file has version {}, this runner knows {VERSION}: use a newer runner image",
            task.version
        )));
    }
    std::fs::create_dir_all(&args.scratch).map_err(|e| TaskError::scratch(&args.scratch, &e))?;
    let context = Context::new(task, args.index, args.attempt, args.scratch.clone())?;
    tokio::select! {
        result = tasks::run(&context) => result,
        // The task is dropped, and its children are killed with it.
        () = stop.cancelled() => Err(TaskError::terminated()),
    }
}

/// SIGTERM, SIGINT, or the end of standard input.
async fn watch_signals(watch_stdin: bool, stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    let closed = CancellationToken::new();
    if watch_stdin {
        let closed = closed.clone();
        // A thread of its own: the runtime would wait for a blocked read when it shuts down.
        std::thread::spawn(move || {
            let mut byte = [0];
            while matches!(std::io::stdin().read(&mut byte), Ok(1..)) {}
            closed.cancel();
        });
    }
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = closed.cancelled() => {}
    }
    stop.cancel();
}
