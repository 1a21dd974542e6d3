//! What the operator knows of a job besides what it watches. Kept in memory between passes, thrown
//! away after an error and read again: losing it loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use transcode_api::TranscodeJobStatus;
use transcode_engine::{BatchId, BatchState, Facts, Plan, TaskSet, observe::TaskFailure};

use crate::{
    files::{Memory, Seen},
    pods::Obstacle,
};

/// One job.
#[derive(Debug)]
pub struct Known {
    /// As it was when it was first seen.
    pub seen: Seen,
    /// All stages so far.
    pub plan: Plan,
    /// The record and where the facts are.
    pub memory: Memory,
    /// Version of the record's object, once there is one.
    pub version: Option<String>,
    /// Whether the record has something that would be lost with this process.
    pub unsaved: bool,
    /// The facts that pods find in a ConfigMap, and whether the plan beside them is whole.
    pub kept: Option<(Facts, bool)>,
    /// Batches that were started and that the watch does not show yet, with their tasks at a time.
    pub started: BTreeMap<BatchId, (BatchState, u32)>,
    /// Batches that were deleted and that the watch may still show.
    pub deleted: BTreeSet<BatchId>,
    /// Batches that are on the record and whose Jobs stay to be looked at.
    pub shown: BTreeSet<BatchId>,
    /// What a closer look at batches found.
    pub looks: BTreeMap<BatchId, Look>,
    /// The status as it was written last, and when.
    pub status: Option<(TranscodeJobStatus, Timestamp)>,
}

/// What a closer look at a batch's pods found.
#[derive(Debug, Clone)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// Why it does not start.
    pub obstacle: Option<Obstacle>,
    /// Tasks that nobody will tell the end of.
    pub failed: BTreeMap<u32, TaskFailure>,
}

impl Known {
    /// A job with its record as it was read.
    pub fn new(seen: Seen, plan: Plan, memory: Memory, version: Option<String>) -> Self {
        Known {
            seen,
            plan,
            memory,
            version,
            unsaved: false,
            kept: None,
            started: BTreeMap::new(),
            deleted: BTreeSet::new(),
            shown: BTreeSet::new(),
            looks: BTreeMap::new(),
            status: None,
        }
    }
}

/// A batch that was just started.
pub fn fresh(tasks: TaskSet) -> BatchState {
    BatchState { tasks, succeeded: TaskSet::default(), failed: BTreeMap::new(), told: vec![], ended: false }
}
