//! What to do next, and why. Every action carries its reason, so that `explain` only has to print.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use transcode_media::ladder::Rendition;

use crate::{
    assess::{MAX_REOPENINGS, Progress, StageProgress, StageState},
    extend::{extend, renditions},
    facts::SplitSummary,
    observe::{BatchId, BatchState, Failure, Intent, Observation},
    plan::{Demand, Need, Plan, Stage, StageEnd, StageId, StageKind},
    record::{Outcome, RecordEntry},
    spec::ResolvedSpec,
    taskset::TaskSet,
};

/// Running batches of a stage at most: retries overlap first tries.
const MAX_OPEN: usize = 4;
/// Tasks in a batch at most: indexes of a Kubernetes Job that stay handy.
const MAX_BATCH: u32 = 1000;

/// What the site gives this job at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Tasks that may be started now.
    pub slots: u32,
}

/// A batch to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Its identity.
    pub id: BatchId,
    /// Its tasks.
    pub tasks: TaskSet,
    /// Tasks of it at a time.
    pub cap: u32,
    /// What one of its tasks takes.
    pub demand: Demand,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Put this on the record.
    Note(RecordEntry),
    /// Add these stages to the plan.
    Extend(Vec<Stage>),
    /// Start a batch.
    Start(Batch),
    /// Stop a batch; its tasks will be seen as disrupted.
    Stop(BatchId),
    /// Forget a batch: everything it told is on the record.
    Forget(BatchId),
    /// The job ended.
    End(Outcome),
}

/// What to do, in order, and when to look again if nothing happens.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Actions with the reason of each.
    pub actions: Vec<(Action, String)>,
    /// When to look again.
    pub wake_at: Option<Timestamp>,
}

impl Decision {
    fn act(&mut self, action: Action, why: impl Into<String>) {
        self.actions.push((action, why.into()));
    }

    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |w| w.min(at)));
    }
}

/// Decides. Progress must be of this plan and observation.
pub fn decide(
    spec: &ResolvedSpec,
    plan: &Plan,
    observation: &Observation,
    progress: &Progress,
    grant: Grant,
    now: Timestamp,
) -> Decision {
    let mut decision = Decision::default();
    note(&mut decision, plan, observation, now);
    if !decision.actions.is_empty() {
        // What was seen goes on the record first; the next pass decides on it.
        return decision;
    }
    finish(&mut decision, observation, progress, now);
    if progress.ended.is_some() {
        stop_the_rest(&mut decision, plan, observation);
    }
    if observation.intent == Intent::Suspend && progress.ended.is_none() {
        for id in observation.live.keys().filter(|id| !observation.record.seen.contains(id)) {
            decision.act(Action::Stop(id.clone()), "the job is suspended");
        }
        return decision;
    }
    if progress.ended.is_none() {
        if let Some(outcome) = outcome(observation, progress) {
            end(&mut decision, outcome);
            stop_the_rest(&mut decision, plan, observation);
            return decision;
        }
        grow(&mut decision, spec, plan, observation);
    }
    let mut grant = grant;
    for stage in plan.longest_first() {
        if let Some(standing) = progress.stages.get(&stage.id) {
            start(&mut decision, stage, standing, observation, &mut grant, now);
        }
    }
    decision
}

/// Everything that batches tell and the record does not have yet. Each task of a batch is counted
/// once, so that what is opened again later is not closed by an old success.
fn note(decision: &mut Decision, plan: &Plan, observation: &Observation, now: Timestamp) {
    let record = &observation.record;
    for (id, batch) in observation.live.iter().filter(|(id, _)| !record.seen.contains(id)) {
        let counted = record.counted.get(id).cloned().unwrap_or_default();
        let mut news = batch.succeeded.clone();
        news.subtract(&counted);
        if !news.is_empty() {
            note_told(decision, plan, id, batch);
            let why = format!("{} of {} tasks of {id} succeeded", batch.succeeded.len(), batch.tasks.len());
            decision.act(Action::Note(RecordEntry::Done { batch: id.clone(), tasks: news }), why);
        }
        note_failures(decision, plan, observation, id, batch, &counted, now);
        if batch.ended {
            decision.act(Action::Note(RecordEntry::Ended { batch: id.clone() }), format!("{id} ended"));
        }
    }
}

/// What a batch told of its own stage, and of others whose work it did as well.
fn note_told(decision: &mut Decision, plan: &Plan, id: &BatchId, batch: &BatchState) {
    let told = batch.told.iter().filter(|summary| id.stage.kind.tells().contains(&summary.kind()));
    let mut others = BTreeMap::new();
    for summary in told {
        let stage = StageId::job(summary.kind());
        let why = format!("{id} told what it found");
        decision.act(Action::Note(RecordEntry::Told { stage: stage.clone(), summary: summary.clone() }), why);
        if stage != id.stage {
            others.insert(stage, 1);
        }
    }
    if id.stage.kind == StageKind::Whole {
        let before = |stage: &&Stage| stage.id.kind > StageKind::Whole && !stage.needs.contains(&Need::JobComplete);
        others.extend(plan.stages.values().filter(before).map(|stage| (stage.id.clone(), stage.tasks)));
    }
    for (stage, tasks) in others {
        let why = format!("{id} did {stage} too");
        decision.act(Action::Note(RecordEntry::Found { stage, tasks: TaskSet::first(tasks) }), why);
    }
}

fn note_failures(
    decision: &mut Decision,
    plan: &Plan,
    observation: &Observation,
    id: &BatchId,
    batch: &BatchState,
    counted: &TaskSet,
    now: Timestamp,
) {
    let mut lost: BTreeMap<&StageId, TaskSet> = BTreeMap::new();
    for (task, failure) in batch.failed.iter().filter(|(task, _)| !counted.contains(**task)) {
        let entry = RecordEntry::Failed { batch: id.clone(), task: *task, failure: failure.clone(), at: now };
        decision.act(Action::Note(entry), format!("task {task} of {id} failed: {}", failure.failure.reason()));
        if let Failure::Missing { lost: results } = &failure.failure {
            for (stage, tasks) in results {
                lost.entry(stage).or_default().union(tasks);
            }
        }
    }
    let record = &observation.record;
    for (stage, mut tasks) in lost {
        // What is being made again already is no news.
        let done = record.done.get(stage).cloned().unwrap_or_default();
        tasks = tasks.iter().filter(|task| done.contains(*task)).collect();
        if tasks.is_empty() || record.reopened.get(stage).copied().unwrap_or(0) >= MAX_REOPENINGS {
            continue;
        }
        for dependent in plan.dependents(stage) {
            let why = format!("{} was made of what {stage} makes again", dependent.id);
            decision.act(Action::Note(RecordEntry::Outdated { stage: dependent.id.clone() }), why);
        }
        let why = format!("{id} misses results {tasks} of {stage}; they are made again");
        decision.act(Action::Note(RecordEntry::Reopened { stage: stage.clone(), tasks }), why);
    }
}

/// Forgets batches that are on the record, and puts the end of stages on it.
fn finish(decision: &mut Decision, observation: &Observation, progress: &Progress, now: Timestamp) {
    for id in observation.live.keys().filter(|id| observation.record.seen.contains(id)) {
        decision.act(Action::Forget(id.clone()), format!("{id} is on the record"));
    }
    for (id, standing) in &progress.stages {
        let started = observation.record.times.get(id).is_some_and(|t| t.finished.is_none());
        if started && standing.end().is_some() && standing.running.is_empty() {
            decision.act(Action::Note(RecordEntry::Finished { stage: id.clone(), at: now }), format!("{id} ended"));
        }
    }
}

/// What still runs of a job that ended, but for what begins at its end.
fn stop_the_rest(decision: &mut Decision, plan: &Plan, observation: &Observation) {
    let after = |id: &BatchId| plan.stages.get(&id.stage).is_some_and(|stage| stage.needs.contains(&Need::JobComplete));
    for id in observation.live.keys().filter(|id| !observation.record.seen.contains(id) && !after(id)) {
        decision.act(Action::Stop(id.clone()), "the job ended");
    }
}

/// Whether the job is over.
fn outcome(observation: &Observation, progress: &Progress) -> Option<Outcome> {
    if observation.intent == Intent::Cancel {
        return Some(Outcome::Failed { reason: "Cancelled".into(), message: "the job was cancelled".into() });
    }
    for (id, standing) in &progress.stages {
        let failure = match standing.end() {
            Some(StageEnd::Failed(failure)) => failure,
            // What the source is to one task it is to many.
            Some(StageEnd::SoftFailed(failure @ Failure::BadInput)) if id.kind == StageKind::Whole => failure,
            _ => continue,
        };
        let words = standing.last_failure.as_ref().map_or("", |f| f.message.as_str());
        let tries = match standing.failed_attempts {
            0 | 1 => String::new(),
            n => format!(" after {n} failed attempts"),
        };
        let chunk =
            standing.last_failed.filter(|_| id.kind.is_of_chunks()).map_or(String::new(), |n| format!(" of chunk {n}"));
        return Some(Outcome::Failed {
            reason: failure.reason().into(),
            message: format!("{id}{chunk} failed{tries}: {words}"),
        });
    }
    let facts = &observation.record.facts;
    if facts.split().is_some_and(|s| s.published) {
        return Some(Outcome::Complete { reason: "AlreadyPublished".into() });
    }
    let publish = progress.stages.get(&StageId::job(StageKind::Publish))?;
    matches!(publish.end(), Some(StageEnd::Done)).then(|| Outcome::Complete { reason: "Published".into() })
}

fn end(decision: &mut Decision, outcome: Outcome) {
    let why = match &outcome {
        Outcome::Complete { reason } => reason.clone(),
        Outcome::Failed { message, .. } => message.clone(),
    };
    decision.act(Action::End(outcome), why);
}

/// Extends the plan once the source is known; what Split found done goes on the record.
fn grow(decision: &mut Decision, spec: &ResolvedSpec, plan: &Plan, observation: &Observation) {
    let facts = &observation.record.facts;
    let Some(split) = facts.split().filter(|_| !plan.is_extended()) else { return };
    let stages = match extend(spec, plan, facts) {
        Ok(stages) => stages,
        Err(refusal) => {
            let message = refusal.to_string();
            let outcome = Outcome::Failed { reason: "Refused".into(), message: message.clone() };
            decision.act(Action::End(outcome), message);
            return;
        }
    };
    let ladder = facts.media().map_or(vec![], |media| renditions(spec, media).renditions);
    let found: Vec<_> = stages.iter().filter_map(|s| Some((s.id.clone(), found(s, &ladder, split)?))).collect();
    decision.act(Action::Extend(stages), "the source is known");
    for (stage, tasks) in found.into_iter().filter(|(_, t)| !t.is_empty()) {
        decision.act(Action::Note(RecordEntry::Found { stage, tasks: tasks.clone() }), format!("found done: {tasks}"));
    }
}

/// Tasks of a stage whose every artifact was found, or is needed no more: a first pass over a chunk that is encoded.
/// What Split tells nothing of was not found.
fn found(stage: &Stage, ladder: &[Rendition], split: &SplitSummary) -> Option<TaskSet> {
    let listed =
        |found: &BTreeMap<String, TaskSet>, name: &str, task| found.get(name).is_some_and(|t| t.contains(task));
    let encoded = |rendition: &Rendition, task| listed(&split.found, &rendition.name, task);
    let first_pass = |rendition: &Rendition, task| {
        rendition.codec.rate().passes() == 1
            || encoded(rendition, task)
            || listed(&split.first_passes, &rendition.name, task)
    };
    let of_all = |done: &dyn Fn(&Rendition, u32) -> bool| {
        let of_stage = ladder.iter().filter(|r| stage.id.subject.is_empty() || r.name == stage.id.subject);
        (0..stage.tasks).filter(|task| of_stage.clone().all(|rendition| done(rendition, *task))).collect()
    };
    match stage.id.kind {
        StageKind::Audio => split.found.get("audio").cloned(),
        StageKind::FirstPass => Some(of_all(&first_pass)),
        StageKind::Encode => Some(of_all(&encoded)),
        _ => None,
    }
}

/// Starts what may run of a stage.
fn start(
    decision: &mut Decision,
    stage: &Stage,
    standing: &StageProgress,
    observation: &Observation,
    grant: &mut Grant,
    now: Timestamp,
) {
    match standing.state {
        StageState::Open => {}
        StageState::Waiting => return lose_patience(decision, stage, standing, observation, now),
        StageState::Ended(_) => return,
    }
    let live = observation.live.keys().filter(|id| id.stage == stage.id && !observation.record.seen.contains(id));
    if live.count() >= MAX_OPEN {
        return;
    }
    let mut tasks = TaskSet::default();
    for (task, at) in &standing.due {
        match at {
            Some(at) if *at > now => decision.wake(*at),
            _ if tasks.len() < MAX_BATCH => {
                tasks.insert(*task);
            }
            _ => decision.wake(now),
        }
    }
    if tasks.is_empty() || grant.slots == 0 {
        return;
    }
    let number = observation.record.batches.get(&stage.id).copied().unwrap_or(0);
    let id = BatchId { stage: stage.id.clone(), number };
    let again =
        tasks.iter().filter(|t| observation.record.attempts.get(&stage.id).is_some_and(|a| a.contains_key(t))).count();
    let why = match (stage.needs.is_empty(), again) {
        (true, 0) => "it needs nothing".to_string(),
        (false, 0) => "what it needs is there".to_string(),
        (_, again) => format!("{again} of {} tasks are tried again", tasks.len()),
    };
    decision.act(Action::Note(RecordEntry::Started { batch: id.clone(), at: now }), format!("{id} is about to start"));
    let cap = grant.slots.min(tasks.len());
    grant.slots -= cap;
    let demand = demand(stage, &tasks, observation);
    decision.act(Action::Start(Batch { id, tasks, cap, demand }), why);
}

/// What a stage asks for, and twice as much after each attempt that had too little, up to eightfold.
fn demand(stage: &Stage, tasks: &TaskSet, observation: &Observation) -> Demand {
    let attempts = observation.record.attempts.get(&stage.id);
    let lacked = |failure: &Failure| {
        let of_task = |task| attempts.and_then(|a| a.get(&task)).filter(|a| a.last.failure == *failure);
        tasks.iter().filter_map(of_task).map(|a| a.failed.min(3)).max().unwrap_or(0)
    };
    Demand {
        memory_mib: stage.demand.memory_mib << lacked(&Failure::OutOfMemory),
        scratch_mib: stage.demand.scratch_mib << lacked(&Failure::NoSpace),
        deadline_seconds: stage.demand.deadline_seconds << lacked(&Failure::Stuck),
    }
}

/// Gives enhancements up when nothing but them is missing and their time is up.
fn lose_patience(
    decision: &mut Decision,
    stage: &Stage,
    standing: &StageProgress,
    observation: &Observation,
    now: Timestamp,
) {
    let patience = |id: &StageId| {
        stage.needs.iter().find_map(|need| match need {
            Need::Settled { stage, within_seconds } if stage == id => Some(*within_seconds),
            _ => None,
        })
    };
    // Everything else is ready since the last of the other needs ended.
    let ready = stage.needs.iter().filter_map(|need| match need {
        Need::Done(id) => observation.record.times.get(id).and_then(|t| t.finished),
        _ => None,
    });
    let longest = standing.waits_for.iter().map(patience).collect::<Option<Vec<_>>>();
    let (Some(ready), Some(longest)) = (ready.max(), longest.and_then(|all| all.into_iter().max())) else { return };
    let limit = ready.checked_add(SignedDuration::from_secs(i64::from(longest))).unwrap_or(Timestamp::MAX);
    if now < limit {
        return decision.wake(limit);
    }
    let why = |id: &StageId| format!("{} has waited {longest} s for {id}", stage.id);
    for id in observation.live.keys().filter(|id| standing.waits_for.contains(&id.stage)) {
        decision.act(Action::Stop(id.clone()), why(&id.stage));
    }
    for id in &standing.waits_for {
        decision.act(Action::Note(RecordEntry::GivenUp { stage: id.clone() }), why(id));
    }
}
