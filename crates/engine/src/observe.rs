//! What a driver observes: running batches, and the record of what was seen before.
//!
//! The record only condenses observations: losing it loses attempts and times, never work, because
//! Split finds what is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    facts::{Facts, Summary},
    plan::{StageId, serde_as_text},
    taskset::TaskSet,
};

/// What the user wants at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Intent {
    /// Go on.
    #[default]
    Run,
    /// Stop and end as Failed, reason Cancelled.
    Cancel,
}

/// Why a task failed; decides what happens next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    /// The source is at fault: the job fails, nothing is tried again.
    BadInput,
    /// This chunk can't be made, whatever is tried: a gap in permissive mode, else the end.
    BadChunk,
    /// The spec or the site is at fault: the job fails.
    Misconfigured,
    /// Results of an earlier stage are gone: they are made again.
    Missing {
        /// Tasks that made them, by stage.
        lost: BTreeMap<StageId, TaskSet>,
    },
    /// Not enough memory.
    OutOfMemory,
    /// Not enough disk.
    NoSpace,
    /// No progress, or far too long.
    Stuck,
    /// What was made is not what it has to be, and making it again would not mend that.
    Unverified,
    /// Stopped from outside; not an attempt.
    Disrupted,
    /// Anything else; tried again.
    Transient,
}

impl Failure {
    /// CamelCase name: the reason in status, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Failure::BadInput => "BadInput",
            Failure::BadChunk => "BadChunk",
            Failure::Misconfigured => "Misconfigured",
            Failure::Missing { .. } => "Missing",
            Failure::OutOfMemory => "OutOfMemory",
            Failure::NoSpace => "NoSpace",
            Failure::Stuck => "Stuck",
            Failure::Unverified => "Unverified",
            Failure::Disrupted => "Disrupted",
            Failure::Transient => "Transient",
        }
    }

    /// Whether trying again can't help.
    pub fn is_final(&self) -> bool {
        matches!(self, Failure::BadInput | Failure::BadChunk | Failure::Misconfigured | Failure::Unverified)
    }
}

/// A batch of tasks of one stage: an Indexed Job, or a bag of processes. `encode-720p.2`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    /// The stage.
    pub stage: StageId,
    /// Counts the stage's batches from 0.
    pub number: u32,
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.stage, self.number)
    }
}

/// A text that names no batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no batch; batches are named like `encode-720p.0`")]
pub struct NoBatch(String);

impl FromStr for BatchId {
    type Err = NoBatch;

    fn from_str(text: &str) -> Result<Self, NoBatch> {
        let wrong = || NoBatch(text.into());
        let (stage, number) = text.rsplit_once('.').ok_or_else(wrong)?;
        Ok(BatchId { stage: stage.parse().map_err(|_| wrong())?, number: number.parse().map_err(|_| wrong())? })
    }
}

serde_as_text!(BatchId);

/// A failed task of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskFailure {
    /// Why.
    pub failure: Failure,
    /// What, where, what to do: for people.
    pub message: String,
}

/// A batch as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchState {
    /// Its tasks.
    pub tasks: TaskSet,
    /// Those that succeeded.
    pub succeeded: TaskSet,
    /// Those that failed.
    pub failed: BTreeMap<u32, TaskFailure>,
    /// What single tasks told.
    #[serde(default)]
    pub summary: Option<Summary>,
    /// No task of it runs or will run.
    pub ended: bool,
}

/// Everything that a decision is made of, besides plan and time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// What the user wants.
    pub intent: Intent,
    /// What was seen before.
    pub record: Record,
    /// Batches that exist now.
    pub live: BTreeMap<BatchId, BatchState>,
}

/// Failed attempts of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// Failed ones that count.
    pub failed: u32,
    /// Ones that were stopped from outside; capped too.
    #[serde(default)]
    pub disrupted: u32,
    /// The last one.
    pub last: TaskFailure,
    /// When the last one was seen.
    pub at: Timestamp,
}

/// How the job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Published and verified.
    Complete {
        /// `Published` or `AlreadyPublished`.
        reason: String,
    },
    /// Ended without an output.
    Failed {
        /// CamelCase.
        reason: String,
        /// What, where, what to do.
        message: String,
    },
}

/// Start and end of a stage, as a driver saw them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Its first batch was started.
    pub started: Timestamp,
    /// Its last task ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
}

/// What was seen. Grows by [`RecordEntry`] only.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// Tasks that are done.
    pub done: BTreeMap<StageId, TaskSet>,
    /// Failed attempts by stage and task; a task that succeeded later keeps them.
    pub attempts: BTreeMap<StageId, BTreeMap<u32, Attempts>>,
    /// What stages told.
    pub facts: Facts,
    /// Start and end of stages.
    pub times: BTreeMap<StageId, Times>,
    /// Batches started so far, by stage.
    pub batches: BTreeMap<StageId, u32>,
    /// Ended batches of which everything is on the record.
    pub seen: BTreeSet<BatchId>,
    /// Tasks of running batches whose end is on the record.
    pub counted: BTreeMap<BatchId, TaskSet>,
    /// How often a stage was opened again.
    pub reopened: BTreeMap<StageId, u32>,
    /// Enhancements that nobody waits for any more.
    pub given_up: BTreeSet<StageId>,
    /// The end.
    pub ended: Option<Outcome>,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecordEntry {
    /// Tasks were found done.
    Found {
        /// Stage.
        stage: StageId,
        /// Which.
        tasks: TaskSet,
    },
    /// Tasks succeeded.
    Done {
        /// In which batch.
        batch: BatchId,
        /// Which.
        tasks: TaskSet,
    },
    /// A task failed.
    Failed {
        /// In which batch.
        batch: BatchId,
        /// Which.
        task: u32,
        /// Why.
        failure: TaskFailure,
        /// When it was seen.
        at: Timestamp,
    },
    /// A stage told something.
    Told {
        /// Stage.
        stage: StageId,
        /// What.
        summary: Summary,
    },
    /// A batch was started.
    Started {
        /// Which.
        batch: BatchId,
        /// When.
        at: Timestamp,
    },
    /// A stage ended.
    Finished {
        /// Which.
        stage: StageId,
        /// When.
        at: Timestamp,
    },
    /// Everything that a batch told is on the record.
    Ended {
        /// Which.
        batch: BatchId,
    },
    /// Results are gone: these tasks are to be done again.
    Reopened {
        /// Stage.
        stage: StageId,
        /// Which.
        tasks: TaskSet,
    },
    /// A stage was made of what is made again, and so is to be done again as a whole.
    Outdated {
        /// Stage.
        stage: StageId,
    },
    /// An enhancement took too long.
    GivenUp {
        /// Stage.
        stage: StageId,
    },
}

impl Record {
    /// Adds what was seen. Idempotent for everything but failures.
    pub fn note(&mut self, entry: RecordEntry) {
        match entry {
            RecordEntry::Found { stage, tasks } => self.done.entry(stage).or_default().union(&tasks),
            RecordEntry::Done { batch, tasks } => {
                self.done.entry(batch.stage.clone()).or_default().union(&tasks);
                self.counted.entry(batch).or_default().union(&tasks);
            }
            RecordEntry::Told { stage, summary } => {
                self.facts.0.insert(stage, summary);
            }
            RecordEntry::Failed { batch, task, failure, at } => {
                self.failed(batch.stage.clone(), task, failure, at);
                self.counted.entry(batch).or_default().insert(task);
            }
            RecordEntry::Started { batch, at } => {
                let count = self.batches.entry(batch.stage.clone()).or_default();
                *count = (*count).max(batch.number + 1);
                let times = self.times.entry(batch.stage).or_insert(Times { started: at, finished: None });
                times.finished = None;
            }
            RecordEntry::Finished { stage, at } => {
                self.times.entry(stage).or_insert(Times { started: at, finished: None }).finished = Some(at);
            }
            RecordEntry::Ended { batch } => {
                self.counted.remove(&batch);
                self.seen.insert(batch);
            }
            RecordEntry::Reopened { stage, tasks } => {
                self.done.entry(stage.clone()).or_default().subtract(&tasks);
                self.times.entry(stage.clone()).and_modify(|t| t.finished = None);
                *self.reopened.entry(stage).or_default() += 1;
            }
            RecordEntry::Outdated { stage } => {
                self.done.remove(&stage);
                self.times.entry(stage).and_modify(|t| t.finished = None);
            }
            RecordEntry::GivenUp { stage } => {
                self.given_up.insert(stage);
            }
        }
    }

    /// Runs of a task that ended before now: failed, stopped, or done and lost again.
    pub fn runs_before(&self, stage: &StageId, task: u32) -> u32 {
        let attempts = self.attempts.get(stage).and_then(|a| a.get(&task));
        let reopened = self.reopened.get(stage).copied().unwrap_or(0);
        attempts.map_or(0, |a| a.failed + a.disrupted) + reopened
    }

    fn failed(&mut self, stage: StageId, task: u32, failure: TaskFailure, at: Timestamp) {
        let disrupted = failure.failure == Failure::Disrupted;
        let attempts = self.attempts.entry(stage).or_default().entry(task).or_insert_with(|| Attempts {
            failed: 0,
            disrupted: 0,
            last: failure.clone(),
            at,
        });
        attempts.failed += u32::from(!disrupted);
        attempts.disrupted += u32::from(disrupted);
        attempts.last = failure;
        attempts.at = at;
    }
}
