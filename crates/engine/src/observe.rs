//! What a driver observes: what the user wants, running batches, and the record of what was seen before.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    facts::Summary,
    plan::{StageId, serde_as_text},
    record::Record,
    taskset::TaskSet,
};

/// What the user wants at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Intent {
    /// Go on.
    #[default]
    Run,
    /// Stop what runs and start nothing until told otherwise.
    Suspend,
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

    /// Says less and means no less: missing tasks become a range with all that lie between them, which find
    /// their results and end; then stages are left out, to be missed later. False when nothing can be left out.
    pub fn shorten(&mut self) -> bool {
        let Failure::Missing { lost } = self else { return false };
        if let Some(tasks) = lost.values_mut().max_by_key(|tasks| tasks.to_string().len()) {
            let first = tasks.iter().next().unwrap_or(0);
            let all: TaskSet = (first..=tasks.iter().last().unwrap_or(first)).collect();
            if *tasks != all {
                *tasks = all;
                return true;
            }
        }
        lost.len() > 1 && lost.pop_last().is_some()
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
    /// What its tasks told.
    #[serde(default)]
    pub told: Vec<Summary>,
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
    /// Why nothing runs although it should.
    #[serde(default)]
    pub waiting: Option<Waiting>,
}

/// Why tasks that should run don't: no node has room, a quota is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// CamelCase.
    pub reason: String,
    /// The words of whoever holds them back.
    pub message: String,
}
