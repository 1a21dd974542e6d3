//! Plan and observation to progress: the only reader of history.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    observe::{Failure, Observation, TaskFailure},
    plan::{Domain, Need, Plan, Stage, StageEnd, StageId},
    record::{Attempts, Outcome},
    taskset::TaskSet,
};

/// Disruptions of one task at most; a node that kills everything must not keep a job forever.
const MAX_DISRUPTIONS: u32 = 20;
/// How often a stage is opened again for results that are gone.
pub const MAX_REOPENINGS: u32 = 3;

/// Where every stage stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// By stage.
    pub stages: BTreeMap<StageId, StageProgress>,
    /// How the job ended, once it did.
    pub ended: Option<Outcome>,
}

/// Where a stage stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageProgress {
    /// In a word.
    pub state: StageState,
    /// Tasks that are done.
    pub done: TaskSet,
    /// Tasks in a batch that has not ended for them.
    pub running: TaskSet,
    /// Tasks that may start, with the earliest time.
    pub due: BTreeMap<u32, Option<Timestamp>>,
    /// Failed attempts of all its tasks.
    pub failed_attempts: u32,
    /// The last failure.
    pub last_failure: Option<TaskFailure>,
    /// The task that failed last.
    pub last_failed: Option<u32>,
    /// Needs that are not met.
    pub waits_for: Vec<StageId>,
}

/// Where a stage stands, in a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StageState {
    /// A need is not met.
    Waiting,
    /// Tasks run or may run.
    Open,
    /// It ended.
    Ended(StageEnd),
}

impl Progress {
    /// Chunks that are gaps in any rendition, and so in all.
    pub fn gaps(&self) -> TaskSet {
        let mut all = TaskSet::default();
        for standing in self.stages.values() {
            if let Some(StageEnd::DoneWithGaps(gaps)) = standing.end() {
                all.union(gaps);
            }
        }
        all
    }
}

impl StageProgress {
    /// How it ended, if it did.
    pub fn end(&self) -> Option<&StageEnd> {
        match &self.state {
            StageState::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Whether it is done, with gaps or without.
    pub fn is_satisfied(&self) -> bool {
        matches!(self.end(), Some(StageEnd::Done | StageEnd::DoneWithGaps(_)))
    }
}

/// What a task's history says.
enum Verdict {
    Again(Option<Timestamp>),
    Over(TaskFailure),
}

/// Reads plan and observation.
pub fn assess(plan: &Plan, observation: &Observation) -> Progress {
    let mut progress = Progress { stages: BTreeMap::new(), ended: observation.record.ended.clone() };
    // The map's order is the order of the graph, so that needs are judged before what needs them.
    for stage in plan.stages.values() {
        let judged = judge(stage, observation, &progress);
        progress.stages.insert(stage.id.clone(), judged);
    }
    progress
}

fn judge(stage: &Stage, observation: &Observation, before: &Progress) -> StageProgress {
    let record = &observation.record;
    let done = record.done.get(&stage.id).cloned().unwrap_or_default();
    let mut running = TaskSet::default();
    for (id, batch) in &observation.live {
        if id.stage == stage.id && !record.seen.contains(id) {
            let ended = |task: &u32| batch.succeeded.contains(*task) || batch.failed.contains_key(task);
            running.union(&batch.tasks.iter().filter(|task| !ended(task)).collect());
        }
    }
    running.subtract(&done);
    let empty = BTreeMap::new();
    let attempts = record.attempts.get(&stage.id).unwrap_or(&empty);
    let (mut due, mut over) = (BTreeMap::new(), BTreeMap::new());
    for task in 0..stage.tasks {
        if done.contains(task) {
            continue;
        }
        match attempts.get(&task).map_or(Verdict::Again(None), |a| verdict(stage, a)) {
            Verdict::Over(failure) => {
                over.insert(task, failure);
            }
            Verdict::Again(at) if !running.contains(task) => {
                due.insert(task, at);
            }
            Verdict::Again(_) => {}
        }
    }
    let waits_for = unmet(stage, before);
    let given_up = record.given_up.contains(&stage.id);
    let state = match given_up && done.len() < stage.tasks {
        true => StageState::Ended(StageEnd::SoftFailed(Failure::Stuck)),
        false => state(stage, before, &done, &over, &running, &waits_for),
    };
    // What ended the stage, else what happened last.
    let by_end = over.iter().find(|(_, last)| match &state {
        StageState::Ended(StageEnd::Failed(failure) | StageEnd::SoftFailed(failure)) => last.failure == *failure,
        _ => false,
    });
    let latest = || attempts.iter().max_by_key(|(_, a)| a.at).map(|(task, a)| (task, &a.last));
    let (last_failed, mut last_failure) = by_end.or_else(latest).map(|(task, last)| (*task, last.clone())).unzip();
    if given_up {
        let message = "everything else was done long before, so it was given up".into();
        last_failure = Some(TaskFailure { failure: Failure::Stuck, message });
    }
    StageProgress {
        state,
        done,
        running,
        due,
        failed_attempts: attempts.values().map(|a| a.failed).sum(),
        last_failure,
        last_failed,
        waits_for,
    }
}

fn verdict(stage: &Stage, attempts: &Attempts) -> Verdict {
    let last = &attempts.last;
    let too_often = attempts.failed >= stage.retry.max_attempts || attempts.disrupted >= MAX_DISRUPTIONS;
    if last.failure.is_final() || too_often {
        return Verdict::Over(last.clone());
    }
    let wait = match &last.failure {
        Failure::Disrupted => 0,
        _ => stage.retry.delay_seconds(attempts.failed),
    };
    Verdict::Again(attempts.at.checked_add(SignedDuration::from_secs(i64::from(wait))).ok())
}

fn state(
    stage: &Stage,
    before: &Progress,
    done: &TaskSet,
    over: &BTreeMap<u32, TaskFailure>,
    running: &TaskSet,
    waits_for: &[StageId],
) -> StageState {
    if done.len() >= stage.tasks {
        return StageState::Ended(StageEnd::Done);
    }
    let gap = |f: &TaskFailure| stage.gaps_allowed && f.failure == Failure::BadChunk;
    let worst = over.values().find(|f| !gap(f)).or(over.values().next());
    match worst {
        Some(failure) if !gap(failure) || (over.len() as u32 == stage.tasks && running.is_empty()) => {
            return StageState::Ended(match stage.domain {
                Domain::Critical => StageEnd::Failed(failure.failure.clone()),
                Domain::Enhancement => StageEnd::SoftFailed(failure.failure.clone()),
            });
        }
        Some(_) if done.len() + over.len() as u32 == stage.tasks => {
            return StageState::Ended(StageEnd::DoneWithGaps(over.keys().copied().collect()));
        }
        _ => {}
    }
    let complete = matches!(before.ended, Some(Outcome::Complete { .. }));
    let after_end = complete && stage.needs.contains(&Need::JobComplete);
    match (before.ended.is_some(), after_end, waits_for.is_empty()) {
        (true, false, _) => StageState::Ended(StageEnd::Skipped),
        (_, _, true) => StageState::Open,
        _ => StageState::Waiting,
    }
}

/// Stages that a stage waits for. A `Settled` need is in it while that stage is open; `decide` knows
/// how long to be patient.
fn unmet(stage: &Stage, before: &Progress) -> Vec<StageId> {
    let unmet = |need: &Need| match need {
        Need::Done(id) => (!before.stages.get(id).is_some_and(StageProgress::is_satisfied)).then(|| id.clone()),
        Need::Settled { stage, .. } => {
            before.stages.get(stage).is_none_or(|s| s.end().is_none()).then(|| stage.clone())
        }
        Need::Ended(id) => before.stages.get(id).is_none_or(|s| s.end().is_none()).then(|| id.clone()),
        Need::JobComplete => before.ended.is_none().then(|| stage.id.clone()),
    };
    stage.needs.iter().filter_map(unmet).collect()
}
