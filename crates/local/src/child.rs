//! One task as a child process of the runner, exactly as a pod runs it: job file, facts, task
//! and attempt; exit code and report.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use transcode_contract::{Report, RunnerEvent, Site};
use transcode_engine::{BatchId, Failure, Summary, TaskSet, observe::TaskFailure};

/// How long a runner may take to stop its children and remove partial files.
const GRACE: Duration = Duration::from_secs(10);

/// A task to run.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its batch.
    pub batch: BatchId,
    /// Its index.
    pub index: u32,
    /// Failed attempts before this one.
    pub attempt: u32,
    /// The job file.
    pub job: PathBuf,
    /// What Probe and Split told.
    pub facts: PathBuf,
    /// Chunks that are gaps in every rendition.
    pub gaps: TaskSet,
    /// Folder for its partial files; made by the runner, removed by it.
    pub scratch: PathBuf,
    /// Where its log goes.
    pub log: PathBuf,
    /// What the site allows.
    pub site: Site,
}

/// How a task ended.
#[derive(Debug, Clone)]
pub struct TaskEnded {
    /// The task.
    pub task: Task,
    /// What it told, or why it failed.
    pub result: Result<Vec<Summary>, TaskFailure>,
}

/// Runs a task to its end. When `stop` is cancelled the runner gets SIGTERM and some grace.
pub async fn run(
    runner: &Path,
    task: Task,
    events: mpsc::Sender<(BatchId, u32, RunnerEvent)>,
    stop: CancellationToken,
) -> TaskEnded {
    let result = match spawn(runner, &task) {
        Ok(child) => watch(child, &task, events, stop).await,
        Err(error) => Err(not_started(runner, &error)),
    };
    // The runner removes it; after a kill -9 the driver does.
    let _ = tokio::fs::remove_dir_all(&task.scratch).await;
    TaskEnded { task, result }
}

fn not_started(runner: &Path, error: &std::io::Error) -> TaskFailure {
    let (failure, advice) = match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            (Failure::Misconfigured, "; it has to lie beside kubectl-transcode or on PATH")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (Failure::NoSpace, ""),
        _ => (Failure::Transient, ""),
    };
    TaskFailure { failure, message: format!("{} can't be started: {error}{advice}", runner.display()) }
}

fn spawn(runner: &Path, task: &Task) -> std::io::Result<Child> {
    let log = std::fs::File::create(&task.log)?;
    Command::new(runner)
        .arg("--job")
        .arg(&task.job)
        .arg("--facts")
        .arg(&task.facts)
        .arg("--stage")
        .arg(task.batch.stage.to_string())
        .arg("--tasks")
        .arg(task.index.to_string())
        .arg("--gaps")
        .arg(task.gaps.to_string())
        .arg("--attempt")
        .arg(task.attempt.to_string())
        .arg("--scratch")
        .arg(&task.scratch)
        .arg("--report")
        .arg(report_path(task))
        .args(task.site.arguments())
        // The runner stops when this pipe closes: it does not outlive a driver that was killed.
        .arg("--watch-stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        // Ctrl-C on the terminal is for the driver; it stops its runners itself.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

fn report_path(task: &Task) -> PathBuf {
    task.log.with_extension("report.json")
}

async fn watch(
    mut child: Child,
    task: &Task,
    events: mpsc::Sender<(BatchId, u32, RunnerEvent)>,
    stop: CancellationToken,
) -> Result<Vec<Summary>, TaskFailure> {
    // Held open until the task ends.
    let _stdin = child.stdin.take();
    let lines = child.stdout.take().map(|out| BufReader::new(out).lines());
    let reader = async {
        if let Some(mut lines) = lines {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(event) = serde_json::from_str(&line) {
                    let _ = events.send((task.batch.clone(), task.index, event)).await;
                }
            }
        }
    };
    let waiter = async {
        tokio::select! {
            status = child.wait() => status,
            () = stop.cancelled() => {
                terminate(&child);
                match tokio::time::timeout(GRACE, child.wait()).await {
                    Ok(status) => status,
                    Err(_) => {
                        child.start_kill()?;
                        child.wait().await
                    }
                }
            }
        }
    };
    let ((), status) = tokio::join!(reader, waiter);
    match judge(status.ok().and_then(|s| s.code()), task).await {
        // A runner that is stopped before it listens is killed by the signal, which is no failure of its own.
        Err(_) if stop.is_cancelled() => {
            Err(TaskFailure { failure: Failure::Disrupted, message: "the task was stopped".into() })
        }
        judged => judged,
    }
}

fn terminate(child: &Child) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // It may have ended in this very moment; then there is nothing to stop.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

async fn judge(code: Option<i32>, task: &Task) -> Result<Vec<Summary>, TaskFailure> {
    let report = tokio::fs::read(report_path(task)).await.ok();
    Report::judge(code, report.as_deref(), &format!("its log is {}", task.log.display()))
}
