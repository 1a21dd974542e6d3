//! The plan: stages, what each needs, and how it may fail. It grows only by `extend`.

use std::{cmp::Reverse, collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use transcode_media::time::MediaTime;

use crate::taskset::MAX_TASKS;

/// Version of the plan's form. A newer engine finishes an older plan as it stands.
pub const PLAN_VERSION: u32 = 1;
/// Stages at most: two for each rendition, and a few.
const MAX_STAGES: usize = 64;

/// Every kind of stage; the only place where stages have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StageKind {
    /// Finds out what the source is; makes the packet index.
    Probe,
    /// Makes the chunk table and finds what is there already.
    Split,
    /// Does all of a small job in one task; when that fails, the stages after it do it.
    Whole,
    /// Encodes every audio track in one pass.
    Audio,
    /// The first of two passes over chunks, of one rendition or of all: how hard each is to encode.
    FirstPass,
    /// Encodes chunks, of one rendition or of all.
    Encode,
    /// Draws the thumbnail.
    Thumbnail,
    /// Writes one rendition's progressive MP4.
    Merge,
    /// Writes playlists over finished tracks.
    Package,
    /// Reads what was made, with its own eyes.
    Verify,
    /// Shows it: playlists, then the record.
    Publish,
    /// Deletes work data.
    Cleanup,
}

impl StageKind {
    /// All kinds, in the order of the graph.
    pub const ALL: [StageKind; 12] = [
        StageKind::Probe,
        StageKind::Split,
        StageKind::Whole,
        StageKind::Audio,
        StageKind::FirstPass,
        StageKind::Encode,
        StageKind::Thumbnail,
        StageKind::Merge,
        StageKind::Package,
        StageKind::Verify,
        StageKind::Publish,
        StageKind::Cleanup,
    ];

    /// Stages whose summaries a task of this one tells. Probe does Split's work too, Whole that of all.
    pub fn tells(self) -> &'static [StageKind] {
        match self {
            StageKind::Probe => &[StageKind::Probe, StageKind::Split],
            StageKind::Split => &[StageKind::Split],
            StageKind::Package => &[StageKind::Package],
            StageKind::Publish => &[StageKind::Publish],
            StageKind::Whole => &[StageKind::Package, StageKind::Publish],
            _ => &[],
        }
    }

    /// Whether its tasks are chunks.
    pub fn is_of_chunks(self) -> bool {
        matches!(self, StageKind::FirstPass | StageKind::Encode)
    }

    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            StageKind::Probe => "probe",
            StageKind::Split => "split",
            StageKind::Whole => "whole",
            StageKind::Audio => "audio",
            StageKind::FirstPass => "firstpass",
            StageKind::Encode => "encode",
            StageKind::Thumbnail => "thumbnail",
            StageKind::Merge => "merge",
            StageKind::Package => "package",
            StageKind::Verify => "verify",
            StageKind::Publish => "publish",
            StageKind::Cleanup => "cleanup",
        }
    }
}

/// A stage: its kind, and the rendition that it is about if it is about one. `encode-720p`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId {
    /// Kind.
    pub kind: StageKind,
    /// Rendition; empty when the stage is about the whole job.
    pub subject: String,
}

impl StageId {
    /// A stage about the whole job.
    pub fn job(kind: StageKind) -> Self {
        StageId { kind, subject: String::new() }
    }

    /// A stage about one rendition.
    pub fn rendition(kind: StageKind, name: &str) -> Self {
        StageId { kind, subject: name.into() }
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject.as_str() {
            "" => f.write_str(self.kind.name()),
            subject => write!(f, "{}-{subject}", self.kind.name()),
        }
    }
}

/// A text that names no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no stage; stages are named like `probe` or `encode-720p`")]
pub struct NoStage(String);

impl FromStr for StageId {
    type Err = NoStage;

    fn from_str(text: &str) -> Result<Self, NoStage> {
        let (name, subject) = text.split_once('-').unwrap_or((text, ""));
        let kind = StageKind::ALL.into_iter().find(|k| k.name() == name);
        kind.map(|kind| StageId { kind, subject: subject.into() }).ok_or_else(|| NoStage(text.into()))
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
serde_as_text!(StageId);

/// What has to be before a stage may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Need {
    /// Every task of the stage succeeded, or is a listed gap.
    Done(StageId),
    /// The stage ended in any way, or `within_seconds` have passed since everything else was ready.
    Settled {
        /// Which.
        stage: StageId,
        /// Patience.
        within_seconds: u32,
    },
    /// The stage ended in any way.
    Ended(StageId),
    /// The job is complete.
    #[serde(alias = "jobEnded")]
    JobComplete,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Domain {
    /// The job fails with it.
    Critical,
    /// A warning.
    Enhancement,
}

/// How often and how fast a task is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    /// Tries in all, the first one included.
    pub max_attempts: u32,
    /// Wait before the second try.
    pub initial_delay_seconds: u32,
    /// Each wait is this many times the one before.
    pub factor: u32,
    /// No wait is longer.
    pub max_delay_seconds: u32,
}

impl RetryPolicy {
    /// What the output needs.
    pub const CRITICAL: RetryPolicy =
        RetryPolicy { max_attempts: 5, initial_delay_seconds: 5, factor: 2, max_delay_seconds: 300 };
    /// What may fail softly.
    pub const ENHANCEMENT: RetryPolicy =
        RetryPolicy { max_attempts: 2, initial_delay_seconds: 2, factor: 2, max_delay_seconds: 300 };

    /// Seconds to wait after so many failed attempts.
    pub fn delay_seconds(&self, failed: u32) -> u32 {
        let factor = u64::from(self.factor).saturating_pow(failed.saturating_sub(1));
        (u64::from(self.initial_delay_seconds).saturating_mul(factor)).min(u64::from(self.max_delay_seconds)) as u32
    }
}

/// What one task takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Demand {
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Files that it writes for a while, MiB.
    pub scratch_mib: u64,
    /// It never takes so long, unless it is stuck. It grows with what is estimated, so that the longest task has
    /// the latest.
    pub deadline_seconds: u32,
}

/// A stage of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Which.
    pub id: StageId,
    /// What has to be before.
    pub needs: Vec<Need>,
    /// What a failure means.
    pub domain: Domain,
    /// How often a task is tried.
    pub retry: RetryPolicy,
    /// Number of tasks.
    pub tasks: u32,
    /// Whether tasks that can't be done leave listed gaps (permissive mode) instead of a failure.
    pub gaps_allowed: bool,
    /// What one task takes.
    pub demand: Demand,
    /// Share of the job's progress, in media time that is worked through.
    pub weight: MediaTime,
}

/// All stages so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// See [`PLAN_VERSION`].
    pub version: u32,
    /// By identity, in the order of the graph.
    pub stages: BTreeMap<StageId, Stage>,
}

impl Plan {
    /// Adds stages; one that is there already stays as it is.
    pub fn append(&mut self, stages: Vec<Stage>) {
        for stage in stages {
            self.stages.entry(stage.id.clone()).or_insert(stage);
        }
    }

    /// Stages in the order of the graph, and of one kind those with the longest tasks first, by their deadlines: a
    /// long task that begins last keeps everyone waiting.
    pub fn longest_first(&self) -> Vec<&Stage> {
        let mut stages: Vec<&Stage> = self.stages.values().collect();
        stages.sort_by_key(|stage| (stage.id.kind, Reverse(stage.demand.deadline_seconds)));
        stages
    }

    /// Stages that need a stage, directly or not.
    pub fn dependents(&self, of: &StageId) -> Vec<&Stage> {
        let mut found: Vec<&Stage> = vec![];
        // The map's order is the order of the graph.
        for stage in self.stages.values() {
            let needs = |id: &StageId| stage.needs.contains(&Need::Done(id.clone()));
            if needs(of) || found.iter().any(|s| needs(&s.id)) {
                found.push(stage);
            }
        }
        found
    }

    /// Whether this version can have made it; what lies in a ConfigMap may have been written by anyone.
    pub fn is_sane(&self) -> bool {
        let sizes = self.stages.iter().all(|(id, stage)| *id == stage.id && stage.tasks <= MAX_TASKS);
        self.version <= PLAN_VERSION && self.stages.len() <= MAX_STAGES && sizes
    }

    /// Whether the plan is complete: it has been extended after Split.
    pub fn is_extended(&self) -> bool {
        self.stages.contains_key(&StageId::job(StageKind::Publish))
    }
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StageEnd {
    /// Every task succeeded.
    Done,
    /// All but these succeeded; they are listed gaps.
    DoneWithGaps(crate::taskset::TaskSet),
    /// An enhancement failed: a warning.
    SoftFailed(crate::observe::Failure),
    /// A critical stage failed: the job fails.
    Failed(crate::observe::Failure),
    /// Its need can't come any more, or the job ended first.
    Skipped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_names_read_back() {
        for id in [StageId::job(StageKind::Encode), StageId::rendition(StageKind::Merge, "a-b")] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert!("encoder".parse::<StageId>().is_err());
    }

    #[test]
    fn delays_double_up_to_the_cap() {
        let delays: Vec<_> = (1..9).map(|n| RetryPolicy::CRITICAL.delay_seconds(n)).collect();
        assert_eq!(delays, [5, 10, 20, 40, 80, 160, 300, 300]);
    }
}
