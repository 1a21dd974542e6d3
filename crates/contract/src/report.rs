//! What a runner tells its driver: a bounded report at the end, progress lines before.

use serde::{Deserialize, Serialize};
use transcode_engine::{Failure, Summary, observe::TaskFailure};

/// Size of a report at most: a pod's termination message holds 4,096 bytes in all.
pub const MAX_REPORT: usize = 3_584;
/// Characters of a message in a report.
const MAX_MESSAGE: usize = 1_500;

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// How it ended.
    pub told: Told,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Told {
    /// It succeeded; a few stages tell something.
    Done(Option<Summary>),
    /// It failed.
    Failed(TaskFailure),
}

impl Report {
    /// A success.
    pub fn done(summary: Option<Summary>) -> Self {
        Report { version: crate::VERSION, told: Told::Done(summary) }
    }

    /// A failure; the message is cut to what a report holds.
    pub fn failed(failure: Failure, message: &str) -> Self {
        let message = message.chars().take(MAX_MESSAGE).collect();
        Report { version: crate::VERSION, told: Told::Failed(TaskFailure { failure, message }) }
    }

    /// Reads a report; a hostile one is `None`.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let report: Report = (bytes.len() <= 4 * MAX_REPORT).then(|| serde_json::from_slice(bytes).ok())??;
        (report.version <= crate::VERSION).then_some(report)
    }
}

/// A line on the runner's standard output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum RunnerEvent {
    /// How far the task is.
    #[serde(rename_all = "camelCase")]
    Progress {
        /// Thousandths of the task.
        permille: u32,
        /// Frames so far.
        frame: u64,
        /// Frames a second.
        fps: f32,
        /// Media seconds a second.
        speed: f32,
    },
    /// A program that was started, as a person would type it.
    Command {
        /// Shell-quoted.
        line: String,
    },
}
