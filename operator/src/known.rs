//! What the operator knows of a job besides what it watches. Kept in memory between passes, thrown
//! away after an error and read again: losing it loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use transcode_api::TranscodeJobStatus;
use transcode_engine::{
    BatchId, BatchState, Facts, Plan, Progress, RecordEntry, StageId, StageProgress, TaskSet, observe::TaskFailure,
};

use crate::{
    files::{Kept, Memory, Seen},
    pods::Obstacle,
    view::JobView,
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
    pub kept: Option<(Facts, bool, Kept)>,
    /// Batches that were started and that the watch does not show yet.
    pub started: BTreeMap<BatchId, Started>,
    /// Batches that were deleted and that the watch may still show.
    pub deleted: BTreeSet<BatchId>,
    /// Batches that are on the record and whose Jobs stay to be looked at.
    pub shown: BTreeSet<BatchId>,
    /// Batches of which a pod ran.
    pub ran: BTreeSet<BatchId>,
    /// Failures that no Event told yet.
    pub failures: Vec<(StageId, u32, TaskFailure)>,
    /// What a closer look at batches found.
    pub looks: BTreeMap<BatchId, Look>,
    /// Whether the status has the digest of what the job was first seen as. Nothing is started before.
    pub vouched: bool,
    /// The status as it was written last, or as the watch showed it at first, and when.
    pub status: Option<(TranscodeJobStatus, Timestamp)>,
}

/// What a closer look at a batch's pods found.
#[derive(Debug, Clone)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// Why it does not start.
    pub obstacle: Option<Obstacle>,
    /// Since when something that waiting can't mend keeps it from starting.
    pub stuck_since: Option<Timestamp>,
    /// Tasks that nobody will tell the end of.
    pub failed: BTreeMap<u32, TaskFailure>,
}

impl Look {
    /// The kubelet can't mount a ConfigMap, which somebody deleted.
    pub fn lacks_config_map(&self) -> bool {
        let words = self.obstacle.as_ref().map(|obstacle| obstacle.waiting.message.as_str()).unwrap_or_default();
        words.contains("configmap") && words.contains("not found")
    }
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
            ran: BTreeSet::new(),
            failures: vec![],
            looks: BTreeMap::new(),
            vouched: false,
            status: None,
        }
    }

    /// Puts batches on the record that were started and never written down: before a restart, or before a write that
    /// failed. A number is never given again.
    pub fn note_started<'a>(&mut self, views: impl IntoIterator<Item = &'a JobView>) {
        for view in views {
            if self.memory.record.batches.get(&view.id.stage).is_none_or(|count| *count <= view.id.number) {
                self.memory.record.note(RecordEntry::Started { batch: view.id.clone(), at: view.created });
            }
        }
    }

    /// Nothing is left to do or to watch: what is kept of it in memory may go.
    pub fn is_over(&self, progress: &Progress) -> bool {
        let quiet = self.started.is_empty() && self.deleted.is_empty() && !self.unsaved;
        let ended = |stage: &StageProgress| stage.end().is_some() && stage.running.is_empty();
        progress.ended.is_some() && quiet && progress.stages.values().all(ended)
    }
}

/// A batch that the watch does not show yet.
#[derive(Debug, Clone)]
pub struct Started {
    /// Its tasks.
    pub tasks: TaskSet,
    /// Tasks of it at a time.
    pub cap: u32,
    /// When it was asked for last whether it is there.
    pub at: Timestamp,
}

impl Started {
    /// A batch that is there.
    pub fn of(view: &JobView, now: Timestamp) -> Self {
        Started { tasks: view.tasks.clone(), cap: view.parallelism, at: now }
    }

    /// Pods that it takes or may take at any moment.
    pub fn pods(&self) -> u32 {
        self.cap.min(self.tasks.len())
    }
}

/// A batch that was just started.
pub fn fresh(tasks: TaskSet) -> BatchState {
    BatchState { tasks, succeeded: TaskSet::default(), failed: BTreeMap::new(), told: vec![], ended: false }
}
