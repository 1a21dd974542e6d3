//! One pass over one job. Names the steps; each is in a module of its own.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    runtime::{controller::Action as Requeue, events::EventType},
};
use transcode_api::TranscodeJob;
use transcode_engine::{
    Action, Grant, Observation, Outcome, Record, RecordEntry, StageKind, TaskSet, assess, begin, decide, status,
};

use crate::{
    allow::NotAllowed,
    children::{self, Children},
    deletion,
    error::Error,
    files::Files,
    known::{Known, Started, fresh},
    load::Loaded,
    operator::Scope,
    places::SHARES,
    turns,
    view::JobView,
};

/// Decisions in one pass at most; each but the last changes the record.
const MAX_DECISIONS: usize = 50;
/// A job that can't go on because something is refused is looked at again after this.
const REFUSED_PAUSE: Duration = Duration::from_secs(15);
/// The Job controller has made pods for a Job of this age.
const NEW: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);
/// A namespace that goes takes its time.
const SLOW: Duration = Duration::from_secs(300);

/// One pass. After an error everything is read anew.
pub async fn reconcile(job: Arc<TranscodeJob>, scope: Arc<Scope>) -> Result<Requeue, Error> {
    let uid = job.uid().unwrap_or_default();
    let known = scope.shared.take(&uid);
    let pass = Pass { job: &job, scope: &scope, now: Timestamp::now() };
    if job.metadata.deletion_timestamp.is_some() {
        scope.shared.turns.leave(&uid);
        return deletion::step(&pass, known).await;
    }
    let mut known = match known {
        Some(known) => known,
        None => match pass.load().await? {
            Loaded::Known(known) => *known,
            Loaded::Waits(requeue) => return Ok(requeue),
        },
    };
    let (requeue, over) = pass.run(&mut known).await?;
    // One that was deleted meanwhile is looked at no more.
    match over || !scope.knows(&job) {
        true => scope.shared.forget(&uid),
        false => scope.shared.keep(uid, known),
    }
    Ok(requeue)
}

/// One pass over one job.
pub struct Pass<'a> {
    /// The job as the watch shows it.
    pub job: &'a TranscodeJob,
    /// Everything around it.
    pub scope: &'a Scope,
    /// The time of the pass.
    pub now: Timestamp,
}

impl Pass<'_> {
    /// Observe, decide, write down, execute, tell. Says when to look again, and whether all is over.
    async fn run(&self, known: &mut Known) -> Result<(Requeue, bool), Error> {
        let mut wake = BTreeSet::new();
        if self.outlived(known.memory.record.ended_at, &mut wake).await? {
            return Ok((Requeue::await_change(), true));
        }
        self.begin_again(known).await?;
        let views = self.scope.batches(self.job);
        if let Some(requeue) = self.namespace_goes(&views).await? {
            return Ok((requeue, false));
        }
        let mut observation = self.observe(known, &views, &mut wake).await?;
        let before = known.memory.record.ended.is_some();
        let busy = busy(known, &views);
        let mut slots = self.total_slots(known).saturating_sub(busy);
        if let Some(waiting) = self.turn(known, &observation, busy > 0) {
            observation.waiting = Some(waiting);
            wake.insert(self.after(turns::LOOK));
            slots = 0;
        }
        if observation.waiting.as_ref().is_some_and(|waiting| waiting.reason == SHARES) {
            slots = 0;
            wake.insert(self.after(REFUSED_PAUSE));
        }
        let todo = self.decide(known, &mut observation, slots, &mut wake).await;
        let progress = assess(&known.plan, &observation);
        if !known.vouched {
            let told = status(&known.seen.file.spec, &known.plan, &observation, &progress, self.now);
            self.publish(known, told, &mut wake).await?;
            known.vouched = true;
        }
        let refused = Children { pass: self, views: &views }.execute(known, todo, &progress).await?;
        if known.unsaved {
            // A batch could not be started, now or later: the next pass decides what follows.
            wake.insert(self.now);
        }
        if let Some(waiting) = &refused {
            observation.waiting = Some(waiting.clone());
            wake.insert(self.after(REFUSED_PAUSE));
        }
        self.tell_failures(std::mem::take(&mut known.failures)).await;
        if !before && progress.ended.is_some() {
            self.tell_end(&progress, known).await;
        }
        let status = status(&known.seen.file.spec, &known.plan, &observation, &progress, self.now);
        self.publish(known, status, &mut wake).await?;
        self.count(known, &views);
        Ok((self.requeue(&wake), known.is_over(&progress)))
    }

    /// A job whose time after its end is over goes.
    pub async fn outlived(&self, ended: Option<Timestamp>, wake: &mut BTreeSet<Timestamp>) -> Result<bool, Error> {
        let (Some(ended), Some(ttl)) = (ended, self.job.spec.ttl_seconds_after_finished) else {
            return Ok(false);
        };
        let end = ended.checked_add(jiff::SignedDuration::from_secs(i64::from(ttl))).unwrap_or(Timestamp::MAX);
        if self.now < end {
            wake.insert(end);
            return Ok(false);
        }
        let api: Api<TranscodeJob> = self.scope.api(self.job);
        children::delete(&api, &self.job.name_any(), self.job.uid().as_deref()).await?;
        Ok(true)
    }

    /// At the first of some times, or when something changes.
    pub fn requeue(&self, wake: &BTreeSet<Timestamp>) -> Requeue {
        match wake.first() {
            Some(at) => Requeue::requeue(at.duration_since(Timestamp::now()).try_into().unwrap_or_default()),
            None => Requeue::await_change(),
        }
    }

    /// In a namespace that is being deleted the Job controller can't replace pods, keeps those that it
    /// would replace (per-index backoff remembers failures by them), and the namespace waits for
    /// them for ever. The Jobs have to go first.
    async fn namespace_goes(&self, views: &[JobView]) -> Result<Option<Requeue>, Error> {
        let idle = |view: &&JobView| {
            let age = self.now.duration_since(view.created);
            view.over.is_none() && view.active == 0 && !view.open().is_empty() && age > NEW
        };
        if !views.iter().any(|view| idle(&view)) || !self.files().namespace_goes().await? {
            return Ok(None);
        }
        tracing::info!(job = %self.scope.id(self.job), "the namespace is being deleted: Jobs go first");
        for view in views {
            children::delete(&self.scope.children(self.job), &view.name, Some(&view.uid)).await?;
        }
        Ok(Some(Requeue::requeue(SLOW)))
    }

    /// A failed job with a new retry token starts over, with today's runner image: the failure may have been its
    /// runner's. Of any other job the token is only noted.
    async fn begin_again(&self, known: &mut Known) -> Result<(), Error> {
        let token = self.job.spec.retry_token.clone().unwrap_or_default();
        let record = &mut known.memory.record;
        if record.epoch == token {
            return Ok(());
        }
        let failed = matches!(record.ended, Some(Outcome::Failed { .. }));
        match failed && self.job.spec.cancel != Some(true) {
            true => {
                let image = &self.scope.shared.args.runner_image;
                if known.seen.image != *image {
                    known.seen = self.files().see_again(&known.seen, image).await?;
                    known.vouched = false;
                }
                record.begin_again(&token);
                known.plan = begin(&known.seen.file.spec);
                known.shown.clear();
                known.memory.facts = None;
                known.kept = None;
                known.status = None;
                known.unsaved = true;
                let note = "spec.retryToken changed: the job begins again, with what is done already";
                self.event(EventType::Normal, "RetryRequested", "Run", note).await;
            }
            false => record.epoch = token,
        }
        Ok(())
    }

    /// Decides until nothing is left to decide; tells what there is to do.
    async fn decide(
        &self,
        known: &mut Known,
        observation: &mut Observation,
        mut slots: u32,
        wake: &mut BTreeSet<Timestamp>,
    ) -> Vec<Action> {
        let mut todo = vec![];
        for _ in 0..MAX_DECISIONS {
            observation.record = known.memory.record.clone();
            let progress = assess(&known.plan, observation);
            let (spec, grant) = (&known.seen.file.spec, Grant { slots });
            let decision = decide(spec, &known.plan, observation, &progress, grant, self.now);
            wake.extend(decision.wake_at);
            if decision.actions.is_empty() {
                break;
            }
            for (action, why) in decision.actions {
                match &action {
                    Action::Note(entry) => tracing::debug!(job = %self.scope.id(self.job), ?entry, why, "noted"),
                    action => tracing::info!(job = %self.scope.id(self.job), ?action, why, "decided"),
                }
                self.note(known, observation, &action).await;
                if let Action::Start(batch) = &action {
                    slots -= batch.cap.min(slots);
                }
                if matches!(action, Action::Start(_) | Action::Stop(_) | Action::Forget(_)) {
                    todo.push(action);
                }
            }
        }
        observation.record = known.memory.record.clone();
        todo
    }

    /// What an action changes in what is known; executing the rest comes later.
    async fn note(&self, known: &mut Known, observation: &mut Observation, action: &Action) {
        let record = &mut known.memory.record;
        match action {
            Action::Note(entry) => {
                known.unsaved |= matters(entry);
                self.scope.shared.metrics.noted(&self.job.namespace().unwrap_or_default(), entry, record, &known.plan);
                record.note(entry.clone());
                if let RecordEntry::Failed { batch, task, failure, .. } = entry {
                    known.failures.push((batch.stage.clone(), *task, failure.clone()));
                }
            }
            Action::Extend(stages) => known.plan.append(stages.clone()),
            Action::End(outcome) => {
                record.end(outcome.clone(), self.now);
                known.unsaved = true;
            }
            Action::Start(batch) => {
                observation.live.insert(batch.id.clone(), fresh(batch.tasks.clone()));
            }
            Action::Stop(id) => {
                observation.live.remove(id);
                record.note(RecordEntry::Ended { batch: id.clone() });
                known.unsaved = true;
            }
            Action::Forget(id) => {
                observation.live.remove(id);
            }
        }
    }

    /// What metrics show of the job.
    fn count(&self, known: &mut Known, views: &[JobView]) {
        let metrics = &self.scope.shared.metrics;
        for view in views.iter().filter(|view| view.has_run()) {
            if known.ran.insert(view.id.clone()) {
                metrics.runs(&view.id, view.created, self.now);
            }
        }
        known.ran.retain(|id| views.iter().any(|view| view.id == *id));
        let uid = self.job.uid().unwrap_or_default();
        match known.memory.record.ended {
            None => metrics.flies(&uid, self.job.namespace().unwrap_or_default(), busy(known, views)),
            Some(_) => metrics.gone(&uid),
        }
    }

    /// Tasks of this job at a time.
    pub fn total_slots(&self, known: &Known) -> u32 {
        // The job's own may change; a profile's is that of first sight.
        let asked = self.job.spec.scheduling.as_ref().and_then(|scheduling| scheduling.max_parallel);
        let args = &self.scope.shared.args;
        let most = args.allow.parallel.filter(|_| args.allow.otherwise == NotAllowed::Refuse).unwrap_or(u32::MAX);
        asked.map(|asked| asked.min(most)).or(known.seen.file.spec.max_parallel).unwrap_or(args.max_parallel)
    }

    /// The job's ConfigMaps.
    pub fn files(&self) -> Files<'_> {
        Files::of(self.scope.shared.client.clone(), self.job)
    }

    fn after(&self, pause: Duration) -> Timestamp {
        self.now.checked_add(pause).unwrap_or(Timestamp::MAX)
    }
}

/// Pods that a job's batches take or may take at any moment.
fn busy(known: &Known, views: &[JobView]) -> u32 {
    let shown = views.iter().map(|view| running(known, view));
    shown.chain(known.started.values().map(Started::pods)).sum()
}

/// Pods of a batch that run or may run, without those that are [lost](lost_slots).
pub fn running(known: &Known, view: &JobView) -> u32 {
    let record = &known.memory.record;
    if view.over.is_some() || known.deleted.contains(&view.id) || record.seen.contains(&view.id) {
        return 0;
    }
    let lost = lost_slots(&known.memory.record, view);
    view.parallelism.saturating_sub(lost).min(view.open().len().saturating_sub(lost))
}

/// Slots of a batch that nothing uses: the end of a task is on the record, while its pod is on a node that does not
/// answer. The Job controller waits for such a pod, and makes no other in its place.
pub fn lost_slots(record: &Record, view: &JobView) -> u32 {
    let none = TaskSet::default();
    let counted = record.counted.get(&view.id).unwrap_or(&none);
    view.open().iter().filter(|task| counted.contains(*task)).count() as u32
}

/// Whether an entry would be lost with this process, and lost work with it. What Jobs still tell is not, and deleting
/// work data that is gone costs nothing.
fn matters(entry: &RecordEntry) -> bool {
    match entry {
        RecordEntry::Ended { batch } => batch.stage.kind != StageKind::Cleanup,
        RecordEntry::Failed { .. } | RecordEntry::Reopened { .. } | RecordEntry::GivenUp { .. } => true,
        _ => false,
    }
}
