//! The local engine as its users see it: what it takes, what it tells, how it ends.

use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use transcode_api::TranscodeJobStatus;
use transcode_contract::{RunnerEvent, Site};
use transcode_engine::{Action, BatchId, Facts, Outcome, Progress, ResolvedSpec, bundle::Bundle, observe::TaskFailure};

use crate::run::Run;

/// Runs jobs on this machine.
#[derive(Debug, Clone)]
pub struct LocalEngine {
    /// The runner's executable.
    pub runner: PathBuf,
    /// Tasks at a time.
    pub workers: u32,
    /// Memory that all tasks together may take, MiB.
    pub memory_mib: u64,
    /// Where scratch, logs and the bundle go.
    pub work_dir: PathBuf,
    /// What the site allows.
    pub site: Site,
    /// What is known of the source already: Probe and Split don't run again.
    pub facts: Facts,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To the end of the job.
    End,
    /// Only until the plan is complete: nothing is encoded.
    Planned,
}

/// Something that a person may want to see.
#[derive(Debug, Clone)]
pub enum Event {
    /// The job as it stands, after every pass.
    Status(Box<(Bundle, TranscodeJobStatus, Progress)>),
    /// A task began.
    TaskStarted {
        /// Its batch.
        batch: BatchId,
        /// Its index.
        index: u32,
        /// Failed attempts before.
        attempt: u32,
    },
    /// A runner told something.
    TaskEvent {
        /// Its batch.
        batch: BatchId,
        /// Its index.
        index: u32,
        /// What.
        event: RunnerEvent,
    },
    /// A task ended.
    TaskEnded {
        /// Its batch.
        batch: BatchId,
        /// Its index.
        index: u32,
        /// The failure, if it is one.
        failure: Option<TaskFailure>,
    },
    /// An action of the engine and why.
    Decided {
        /// What.
        action: Box<Action>,
        /// Why.
        why: String,
    },
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// The job ended.
    Job(Outcome, Box<(Bundle, TranscodeJobStatus)>),
    /// The plan is complete ([`Until::Planned`]).
    Planned(Box<Bundle>),
    /// The user stopped it; the same command goes on from here.
    Interrupted,
}

/// Why the driver itself gave up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The work folder can't be used.
    #[error("the work folder {path} can't be used: {source}; choose another with --work-dir")]
    WorkDir {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What watches a runner broke: a defect.
    #[error("a task can't be watched any more: {0}")]
    Watch(#[from] tokio::task::JoinError),
    /// Nothing runs and nothing will.
    #[error("nothing is left to do and the job has not ended; please report this with `kubectl-transcode bundle`")]
    Idle,
}

impl LocalEngine {
    /// Runs one job. Cancelling `stop` stops every task cleanly.
    pub async fn run(
        &self,
        spec: &ResolvedSpec,
        until: Until,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) -> Result<Ended, Error> {
        // What a killed run left; this run is the only one.
        let _ = tokio::fs::remove_dir_all(self.work_dir.join("scratch")).await;
        for folder in ["tasks", "logs", "scratch"] {
            let path = self.work_dir.join(folder);
            tokio::fs::create_dir_all(&path).await.map_err(|source| Error::WorkDir { path, source })?;
        }
        let mut run = Run::new(self, spec, events, stop);
        let result = run.drive(until).await;
        if result.is_err() {
            run.stop_all().await;
        }
        result
    }
}
