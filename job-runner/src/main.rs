//! The media edge: one process, one task. ffmpeg, ffprobe and storage; no Kubernetes.
//!
//! ```text
//! main.rs     arguments, signals, report, exit code      error.rs    failures and their words
//! context.rs  the task with its store and its layout     process.rs  the only place that spawns
//! source.rs   the source behind the loopback server      fault.rs    faults that tests ask for
//! log.rs      standard error, and its end in work data   tasks/      one module for each kind of stage
//! ```

mod context;
mod error;
mod fault;
mod log;
mod process;
mod source;
mod tasks;

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode as Status,
    time::{Duration, Instant},
};

use clap::Parser;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field::Empty};
use transcode_contract::{CONTRACT, ExitCode, FactsFile, JOB_UID, JobFile, Report, Site, VERSION};
use transcode_engine::{Failure, StageId, Summary, TaskSet};

use crate::{
    context::{Context, Erase, Task},
    error::TaskError,
    log::Log,
};

/// Runs one task of a transcoding job.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The job file.
    #[arg(long)]
    job: PathBuf,
    /// What Probe and Split told; Probe has none.
    #[arg(long)]
    facts: Option<PathBuf>,
    /// SHA-256 of the job file: another one is refused.
    #[arg(long, value_name = "HEX")]
    job_sha256: Option<String>,
    /// SHA-256 of the facts: others are refused.
    #[arg(long, value_name = "HEX")]
    facts_sha256: Option<String>,
    /// Which stage, such as `encode-720p`.
    #[arg(long)]
    stage: StageId,
    /// Tasks of the stage that are run together, such as `0-3,7`.
    #[arg(long)]
    tasks: TaskSet,
    /// Which of these tasks this process runs, counted from 0.
    #[arg(long, env = "JOB_COMPLETION_INDEX", default_value_t = 0)]
    index: u32,
    /// Which try this is, for the name of its log: runs before it, or the batch's number on a cluster.
    #[arg(long, default_value_t = 0)]
    attempt: u32,
    /// Chunks that are gaps in every rendition.
    #[arg(long, default_value = "")]
    gaps: TaskSet,
    /// The job was deleted: what Cleanup deletes.
    #[arg(long, value_enum)]
    erase: Option<Erase>,
    /// Folder for partial files; made and removed by the task.
    #[arg(long)]
    scratch: PathBuf,
    /// A task that takes longer is stuck.
    #[arg(long)]
    deadline_seconds: Option<u64>,
    /// Where the report goes.
    #[arg(long, default_value = "/dev/termination-log")]
    report: PathBuf,
    /// Keep the end of the log in work data when the task fails: the pod goes.
    #[arg(long)]
    keep_log: bool,
    /// Stop when standard input closes: the driver is gone.
    #[arg(long)]
    watch_stdin: bool,
    #[command(flatten)]
    site: Site,
}

#[tokio::main]
async fn main() -> Status {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .with_span_list(false)
        .with_writer(move || writer.clone())
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("TRANSCODE_LOG").unwrap_or_else(|_| "info".into()))
        .init();
    let args = Args::parse();
    let span = span(&args);
    work(&args, log).instrument(span).await
}

/// What every line of the log says: which task of which job.
fn span(args: &Args) -> Span {
    // An error's, so that no filter drops it.
    let span =
        tracing::error_span!("task", stage = %args.stage, task = Empty, job = Empty, namespace = Empty, uid = Empty);
    if let Ok(uid) = std::env::var(JOB_UID) {
        span.record("uid", uid);
    }
    span
}

async fn work(args: &Args, log: Log) -> Status {
    process::hide();
    let stop = CancellationToken::new();
    tokio::spawn(watch_signals(args.watch_stdin, stop.clone()));
    let result = run(args, &log, &stop).await;
    let _ = tokio::fs::remove_dir_all(&args.scratch).await;
    let (report, code) = match result {
        Ok(told) => (Report::done(told), ExitCode::Done),
        Err(error) => {
            // What breaks while everything is being stopped is no fault of the task.
            let broke = stop.is_cancelled() && error.failure == Failure::Transient;
            let error = if broke { TaskError::terminated() } else { error };
            tracing::error!(reason = error.failure.reason(), "{}", error.message);
            let code = ExitCode::of(&error.failure);
            (Report::failed(error.failure, &error.message), code)
        }
    };
    match write_report(args, &report) {
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

async fn run(args: &Args, log: &Log, stop: &CancellationToken) -> Result<Vec<Summary>, TaskError> {
    std::fs::create_dir_all(&args.scratch).map_err(|e| TaskError::scratch(&args.scratch, &e))?;
    let context = Context::new(task(args)?, args.scratch.clone(), log.clone())?;
    let (spec, index) = (&context.task.spec, context.task.index);
    Span::current().record("task", index).record("job", &spec.name).record("namespace", &spec.namespace);
    let begun = Instant::now();
    // Whatever is dropped first: its children are killed with it.
    let mut result = tokio::select! {
        result = tasks::run(&context) => result,
        // Whoever stops a task that is over its time does it for that.
        () = stop.cancelled() => Err(match args.deadline_seconds {
            Some(seconds) if begun.elapsed() >= Duration::from_secs(seconds) => overdue(seconds),
            _ => TaskError::terminated(),
        }),
        error = deadline(args.deadline_seconds) => Err(error),
    };
    if let Err(error) = &mut result
        && args.keep_log
        && !stop.is_cancelled()
    {
        log.keep(&context, error).await;
    }
    result
}

/// What the command line and its files ask for.
fn task(args: &Args) -> Result<Task, TaskError> {
    let job: JobFile = read(&args.job, args.job_sha256.as_deref(), CONTRACT, |job: &JobFile| job.version)?;
    let facts_sha256 = args.facts_sha256.as_deref();
    let facts = args.facts.as_ref().map(|path| read(path, facts_sha256, VERSION, |facts: &FactsFile| facts.version));
    let facts = facts.transpose()?;
    let index = args.tasks.iter().nth(args.index as usize).ok_or_else(|| {
        TaskError::new(Failure::Misconfigured, format!("there is no task {} among {}", args.index, args.tasks))
    })?;
    Ok(Task {
        spec: job.spec,
        facts: facts.map(|file| file.facts).unwrap_or_default(),
        stage: args.stage.clone(),
        index,
        attempt: args.attempt,
        gaps: args.gaps.clone(),
        erase: args.erase,
        site: args.site.clone(),
    })
}

fn read<T: DeserializeOwned>(
    path: &Path,
    sha256: Option<&str>,
    newest: u32,
    version: impl Fn(&T) -> u32,
) -> Result<T, TaskError> {
    let wrong = |what: String| TaskError::new(Failure::Misconfigured, format!("the file {} {what}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| wrong(format!("can't be read: {e}")))?;
    if sha256.is_some_and(|wanted| wanted != hex::encode(Sha256::digest(&bytes))) {
        return Err(wrong("is not the one that the task was made for: somebody changed it".into()));
    }
    let file: T = serde_json::from_slice(&bytes).map_err(|e| wrong(format!("is not understood: {e}")))?;
    match version(&file) {
        newer if newer > newest => {
            Err(wrong(format!("has version {newer}, this runner knows {newest}: use a newer runner image")))
        }
        _ => Ok(file),
    }
}

/// Whatever shows signs of life may still take for ever.
async fn deadline(seconds: Option<u64>) -> TaskError {
    let Some(seconds) = seconds else { return std::future::pending().await };
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    overdue(seconds)
}

fn overdue(seconds: u64) -> TaskError {
    TaskError::new(Failure::Stuck, format!("the task was stopped after {seconds} s, far longer than was estimated"))
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
