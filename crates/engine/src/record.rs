//! The record of what was seen before. It only condenses observations: losing it loses attempts and
//! times, never work, because Split finds what is done.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    facts::{Facts, Summary},
    observe::{BatchId, Failure, TaskFailure},
    plan::StageId,
    taskset::TaskSet,
};

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
    #[serde(with = "grouped")]
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
    /// Batches of a stage, by their count, that began before what they are made of was made again: they make nothing.
    pub outdated: BTreeMap<StageId, u32>,
    /// Enhancements that nobody waits for any more.
    pub given_up: BTreeSet<StageId>,
    /// The end.
    pub ended: Option<Outcome>,
    /// When that was.
    pub ended_at: Option<Timestamp>,
    /// The retry token that this run of the job began with.
    pub epoch: String,
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

/// Failures of a stage whose words are kept.
const WORDS_KEPT: usize = 8;

/// Attempts of many tasks are mostly alike: written once for all that share them.
mod grouped {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::Attempts;
    use crate::{
        plan::StageId,
        taskset::{MAX_TASKS, TaskSet},
    };

    /// Tasks with failures at most that a record may name: a hostile one would fill the memory.
    const MAX_ATTEMPTED: u64 = 10 * MAX_TASKS as u64;
    /// Bytes of all their messages together.
    const MAX_WORDS: u64 = 8 << 20;

    type ByTask = BTreeMap<StageId, BTreeMap<u32, Attempts>>;
    type Groups = BTreeMap<StageId, Vec<(TaskSet, Attempts)>>;

    pub fn serialize<S: Serializer>(attempts: &ByTask, serializer: S) -> Result<S::Ok, S::Error> {
        let group = |tasks: &BTreeMap<u32, Attempts>| {
            let mut groups: Vec<(TaskSet, Attempts)> = vec![];
            for (task, attempts) in tasks {
                match groups.iter_mut().find(|(_, known)| known == attempts) {
                    Some((tasks, _)) => _ = tasks.insert(*task),
                    None => groups.push((TaskSet::one(*task), attempts.clone())),
                }
            }
            groups
        };
        let groups: Groups = attempts.iter().map(|(stage, tasks)| (stage.clone(), group(tasks))).collect();
        groups.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByTask, D::Error> {
        let groups = Groups::deserialize(deserializer)?;
        let tasks: u64 = groups.values().flatten().map(|(tasks, _)| u64::from(tasks.len())).sum();
        let words =
            |(tasks, attempts): &(TaskSet, Attempts)| u64::from(tasks.len()) * attempts.last.message.len() as u64;
        let words: u64 = groups.values().flatten().map(words).sum();
        if tasks > MAX_ATTEMPTED || words > MAX_WORDS {
            return Err(de::Error::custom(format_args!("{tasks} tasks with {words} bytes of words are too many")));
        }
        let each = |groups: Vec<(TaskSet, Attempts)>| {
            let tasks = groups
                .into_iter()
                .map(|(tasks, attempts)| tasks.iter().map(|t| (t, attempts.clone())).collect::<Vec<_>>());
            tasks.flatten().collect()
        };
        Ok(groups.into_iter().map(|(stage, groups)| (stage, each(groups))).collect())
    }
}

impl Record {
    /// The job ended.
    pub fn end(&mut self, outcome: Outcome, at: Timestamp) {
        self.ended = Some(outcome);
        self.ended_at = Some(at);
    }

    /// The same with the words of the last few failures of each stage alone, for where there is little room:
    /// a whole stage may fail with a thousand different messages.
    pub fn condensed(&self) -> Self {
        let mut record = self.clone();
        for attempts in record.attempts.values_mut() {
            let mut latest: Vec<&mut Attempts> = attempts.values_mut().collect();
            latest.sort_by_key(|attempts| std::cmp::Reverse(attempts.at));
            latest.into_iter().skip(WORDS_KEPT).for_each(|attempts| attempts.last.message.clear());
        }
        record
    }

    /// A job that failed begins anew: what is done is found again by looking, attempts count from the
    /// start. Numbers of batches go on, so that no name is used twice, and those that were seen stay so.
    pub fn begin_again(&mut self, epoch: &str) {
        let (batches, seen) = (std::mem::take(&mut self.batches), std::mem::take(&mut self.seen));
        *self = Record { batches, seen, epoch: epoch.into(), ..Record::default() };
    }

    /// Adds what was seen. Idempotent for everything but failures.
    pub fn note(&mut self, entry: RecordEntry) {
        match entry {
            RecordEntry::Found { stage, tasks } => self.done.entry(stage).or_default().union(&tasks),
            RecordEntry::Done { batch, tasks } => {
                if batch.number >= self.outdated.get(&batch.stage).copied().unwrap_or(0) {
                    self.done.entry(batch.stage.clone()).or_default().union(&tasks);
                }
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
                let batches = self.batches.get(&stage).copied().unwrap_or(0);
                self.times.entry(stage.clone()).and_modify(|t| t.finished = None);
                self.outdated.insert(stage, batches);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::StageKind;

    #[test]
    fn what_was_begun_before_its_parts_were_made_again_is_not_done() {
        let stage = StageId::job(StageKind::Package);
        let batch = |number| BatchId { stage: stage.clone(), number };
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut record = Record::default();
        record.note(RecordEntry::Started { batch: batch(0), at });
        record.note(RecordEntry::Outdated { stage: stage.clone() });
        record.note(RecordEntry::Done { batch: batch(0), tasks: TaskSet::one(0) });
        record.note(RecordEntry::Ended { batch: batch(0) });
        assert!(!record.done.contains_key(&stage));
        record.note(RecordEntry::Started { batch: batch(1), at });
        record.note(RecordEntry::Done { batch: batch(1), tasks: TaskSet::one(0) });
        assert!(record.done[&stage].contains(0));
    }

    #[test]
    fn a_record_that_would_fill_the_memory_is_none() {
        let read = |words: &str, tasks: &str| {
            let failure = json!({"failure": "transient", "message": words});
            let attempts = json!({"failed": 1, "last": failure, "at": "2026-01-01T00:00:00Z"});
            let groups: BTreeMap<_, _> =
                (0..20).map(|n| (format!("encode-r{n}"), json!([[tasks, attempts]]))).collect();
            serde_json::from_value::<Record>(json!({"attempts": groups})).is_ok()
        };
        assert!(read("short", "0-99"));
        assert!(!read(&"w".repeat(10_000), "0-99"), "20 MB of words");
        assert!(!read("", "0-9999"), "200,000 tasks");
    }

    /// 16 renditions of 1,000 chunks, each of which failed twice with words of its own.
    #[test]
    fn the_record_of_the_worst_job_fits_a_config_map() {
        let mut record = Record::default();
        let stages = (0..16).map(|rendition| format!("rendition-of-20-c-{rendition:02}")).flat_map(|rendition| {
            [StageKind::FirstPass, StageKind::Encode].map(|kind| StageId::rendition(kind, &rendition))
        });
        for stage in stages {
            for round in 0..2 {
                let batch = BatchId { stage: stage.clone(), number: round };
                let at = Timestamp::from_second(1_800_000_000 + i64::from(round) * 60).unwrap();
                for task in 0..1000 {
                    let message = format!("task {task} of round {round}: {}", "x".repeat(1400));
                    let failure = TaskFailure { failure: Failure::Transient, message };
                    record.note(RecordEntry::Failed { batch: batch.clone(), task, failure, at });
                }
            }
            let scattered = (0..1000).filter(|task| task % 2 == 0).collect();
            record.done.insert(stage, scattered);
        }
        let text = serde_json::to_string(&record.condensed()).unwrap();
        assert!(text.len() < 512 * 1024, "{} bytes", text.len());
        let read: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(read, record.condensed());
        assert_eq!(read.attempts.values().next().unwrap()[&999].failed, 2);
    }
}
