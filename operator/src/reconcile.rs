//! One pass over one job. Names the steps; each is in a module of its own.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    runtime::{
        controller::Action as Requeue,
        events::{Event, EventType},
    },
};
use transcode_api::{TranscodeJob, TranscodeJobStatus};
use transcode_engine::{
    Action, Grant, Intent, Observation, Outcome, Progress, RecordEntry, TaskSet, Waiting, assess, begin, decide, status,
};

use crate::{
    admit::{Admission, admit, forbidden},
    children::Children,
    deletion,
    error::Error,
    files::Files,
    known::{Known, fresh},
    observe::Observer,
    operator::Scope,
    status::{Publish, due, write},
    view::JobView,
};

/// Decisions in one pass at most; each but the last changes the record.
const MAX_DECISIONS: usize = 50;
/// A job that can't go on because something is refused is looked at again after this.
const REFUSED_PAUSE: Duration = Duration::from_secs(15);
/// The Job controller has made pods for a Job of this age.
const NEW: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);
/// Another job writes to the same output.
const SHARES: &str = "SharesWorkWith";
/// A job that waits for something that is watched is looked at again after this all the same.
const SLOW: Duration = Duration::from_secs(300);

/// One pass. After an error everything is read anew.
pub async fn reconcile(job: Arc<TranscodeJob>, scope: Arc<Scope>) -> Result<Requeue, Error> {
    let uid = job.uid().unwrap_or_default();
    let known = scope.shared.take(&uid);
    let pass = Pass { job: &job, scope: &scope, now: Timestamp::now() };
    if job.metadata.deletion_timestamp.is_some() {
        return deletion::step(&pass, known).await;
    }
    let mut known = match known {
        Some(known) => known,
        None => match pass.load().await? {
            Loaded::Known(known) => *known,
            Loaded::Waits(requeue) => return Ok(requeue),
        },
    };
    let requeue = pass.run(&mut known).await?;
    scope.shared.keep(uid, known);
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

enum Loaded {
    Known(Box<Known>),
    Waits(Requeue),
}

impl Pass<'_> {
    /// Reads what is known of a job, or sees it for the first time.
    async fn load(&self) -> Result<Loaded, Error> {
        let files = self.files();
        let (memory, version) = files.memory().await?;
        let seen = match files.seen().await? {
            Some(seen) => seen,
            None => {
                if let Some(Outcome::Failed { reason, message }) = memory.record.ended.clone() {
                    return self.refuse(&reason, &message).await;
                }
                match admit(&self.scope.shared.client, &self.scope.shared.args, &self.scope.shared.defaults, self.job)
                    .await?
                {
                    Admission::Seen(seen) => {
                        files.see(&seen).await?;
                        *seen
                    }
                    Admission::Waits { reason, message } => {
                        let status = status::without_plan(None, reason, &message);
                        self.publish_once(&status).await?;
                        return Ok(Loaded::Waits(Requeue::requeue(SLOW)));
                    }
                    Admission::Refused { reason, message } => {
                        let mut memory = memory;
                        let outcome = Outcome::Failed { reason: reason.into(), message: message.clone() };
                        memory.record.end(outcome, self.now);
                        files.remember(&memory, version.as_deref()).await?;
                        self.event(EventType::Warning, reason, "Admit", &message).await;
                        return self.refuse(reason, &message).await;
                    }
                }
            }
        };
        // It may have been changed since, or the site gives less than it did.
        let forbidden = forbidden(&self.scope.shared.args, &seen.file.spec);
        if let (Some((reason, message)), None) = (forbidden, &memory.record.ended) {
            return self.refuse(reason, &message).await;
        }
        let plan = match &memory.facts {
            Some(name) => files.plan(name).await?,
            None => None,
        };
        let plan = plan.unwrap_or_else(|| begin(&seen.file.spec));
        let mut known = Known::new(seen, plan, memory, version);
        if known.version.is_none() {
            known.memory.record.epoch = self.job.spec.retry_token.clone().unwrap_or_default();
        }
        Ok(Loaded::Known(Box::new(known)))
    }

    async fn refuse(&self, reason: &str, message: &str) -> Result<Loaded, Error> {
        let outcome = Outcome::Failed { reason: reason.into(), message: message.into() };
        self.publish_once(&status::without_plan(Some(outcome), reason, message)).await?;
        Ok(Loaded::Waits(Requeue::await_change()))
    }

    /// Observe, decide, write down, execute, tell.
    async fn run(&self, known: &mut Known) -> Result<Requeue, Error> {
        let mut wake = BTreeSet::new();
        if let Some(requeue) = self.outlived(known, &mut wake).await? {
            return Ok(requeue);
        }
        self.begin_again(known);
        let views = self.scope.batches(self.job);
        if let Some(requeue) = self.namespace_goes(&views).await? {
            return Ok(requeue);
        }
        let mut observation = self.observe(known, &views, &mut wake).await?;
        let before = known.memory.record.ended.is_some();
        let mut slots = self.total_slots(known).saturating_sub(busy(known, &views));
        if observation.waiting.as_ref().is_some_and(|waiting| waiting.reason == SHARES) {
            slots = 0;
            wake.insert(self.after(REFUSED_PAUSE));
        }
        let todo = self.decide(known, &mut observation, slots, &mut wake).await;
        let children = Children { pass: self, views: &views };
        let progress = assess(&known.plan, &observation);
        let refused = children.execute(known, todo, &progress).await?;
        if let Some(waiting) = &refused {
            observation.waiting = Some(waiting.clone());
            wake.insert(self.after(REFUSED_PAUSE));
        }
        if !before && progress.ended.is_some() {
            self.tell_end(&progress, known).await;
        }
        let status = status(&known.seen.file.spec, &known.plan, &observation, &progress, self.now);
        self.publish(known, status, &mut wake).await?;
        Ok(match wake.first() {
            Some(at) => Requeue::requeue(at.duration_since(Timestamp::now()).try_into().unwrap_or_default()),
            None => Requeue::await_change(),
        })
    }

    /// A job whose time after its end is over goes.
    async fn outlived(&self, known: &Known, wake: &mut BTreeSet<Timestamp>) -> Result<Option<Requeue>, Error> {
        let (Some(ended), Some(ttl)) = (known.memory.record.ended_at, self.job.spec.ttl_seconds_after_finished) else {
            return Ok(None);
        };
        let end = ended.checked_add(jiff::SignedDuration::from_secs(i64::from(ttl))).unwrap_or(Timestamp::MAX);
        if self.now < end {
            wake.insert(end);
            return Ok(None);
        }
        let api: Api<TranscodeJob> = self.scope.api(self.job);
        crate::children::delete(&api, &self.job.name_any(), self.job.uid().as_deref()).await?;
        Ok(Some(Requeue::await_change()))
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
            crate::children::delete(&self.scope.children(self.job), &view.name, Some(&view.uid)).await?;
        }
        Ok(Some(Requeue::requeue(SLOW)))
    }

    /// A failed job with a new retry token starts over; of any other the token is only noted.
    fn begin_again(&self, known: &mut Known) {
        let token = self.job.spec.retry_token.clone().unwrap_or_default();
        let record = &mut known.memory.record;
        if record.epoch == token {
            return;
        }
        let failed = matches!(record.ended, Some(Outcome::Failed { .. }));
        match failed && self.job.spec.cancel != Some(true) {
            true => {
                record.begin_again(&token);
                known.plan = begin(&known.seen.file.spec);
                known.shown.clear();
                known.memory.facts = None;
                known.kept = None;
                known.status = None;
                known.unsaved = true;
            }
            false => record.epoch = token,
        }
    }

    async fn observe(
        &self,
        known: &mut Known,
        views: &[JobView],
        wake: &mut BTreeSet<Timestamp>,
    ) -> Result<Observation, Error> {
        let shared = &self.scope.shared;
        let namespace = self.job.namespace().unwrap_or_default();
        let start_seconds = shared.args.start_seconds;
        let observer = Observer { client: &shared.client, namespace: &namespace, start_seconds, now: self.now };
        let mut observation = Observation { intent: self.intent(), ..Observation::default() };
        let (mut runs, mut waiting) = (false, None);
        for view in views {
            known.started.remove(&view.id);
            if known.deleted.contains(&view.id) || known.shown.contains(&view.id) {
                continue;
            }
            // After a restart: batches that were started and never written down.
            if known.memory.record.batches.get(&view.id.stage).is_none_or(|count| *count <= view.id.number) {
                known.memory.record.note(RecordEntry::Started { batch: view.id.clone(), at: view.created });
            }
            let state = observer.batch(view, known).await?;
            let seen = known.memory.record.seen.contains(&view.id);
            if !seen && !state.ended {
                wake.insert(observer.next_look(view, known));
                runs |= view.ready > 0;
                let obstacle = known.looks.get(&view.id).and_then(|look| look.obstacle.clone());
                waiting = waiting.or(obstacle.map(|obstacle| obstacle.waiting));
            }
            observation.live.insert(view.id.clone(), state);
        }
        let shown: BTreeSet<_> = views.iter().map(|view| &view.id).collect();
        known.deleted.retain(|id| shown.contains(id));
        known.looks.retain(|id, _| shown.contains(id));
        for (id, (state, _)) in &known.started {
            observation.live.insert(id.clone(), state.clone());
        }
        observation.waiting = waiting.filter(|_| !runs);
        if let Some(other) = self.scope.shares_output(self.job) {
            observation.waiting = Some(Waiting {
                reason: SHARES.into(),
                message: format!("{other} writes to the same output and was there first"),
            });
        }
        Ok(observation)
    }

    fn intent(&self) -> Intent {
        match (self.job.spec.cancel, self.job.spec.suspend) {
            (Some(true), _) => Intent::Cancel,
            (_, Some(true)) => Intent::Suspend,
            _ => Intent::Run,
        }
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
                self.scope.shared.metrics.noted(entry, record, &known.plan);
                record.note(entry.clone());
                if let RecordEntry::Failed { batch, task, failure, .. } = entry {
                    let message = format!("task {task} of {}: {}", batch.stage, failure.message);
                    self.event(EventType::Warning, failure.failure.reason(), "Run", &message).await;
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

    /// Tasks of this job at a time.
    pub fn total_slots(&self, known: &Known) -> u32 {
        // The job's own may change; a profile's is that of first sight.
        let asked = self.job.spec.scheduling.as_ref().and_then(|scheduling| scheduling.max_parallel);
        asked.or(known.seen.file.spec.max_parallel).unwrap_or(self.scope.shared.args.max_parallel)
    }

    async fn publish(
        &self,
        known: &mut Known,
        mut status: TranscodeJobStatus,
        wake: &mut BTreeSet<Timestamp>,
    ) -> Result<(), Error> {
        status.observed_generation = self.job.metadata.generation;
        match due(&status, known.status.as_ref(), self.now) {
            Publish::Same => {}
            Publish::Later(at) => _ = wake.insert(at),
            Publish::Now => {
                write(&self.scope.shared.client, self.job, &status, self.now).await?;
                known.status = Some((status, self.now));
            }
        }
        Ok(())
    }

    /// Writes a status unless the watch shows it already.
    async fn publish_once(&self, status: &TranscodeJobStatus) -> Result<(), Error> {
        let same = |old: &TranscodeJobStatus| {
            let words = |s: &TranscodeJobStatus| {
                s.conditions.iter().map(|c| (c.kind.clone(), c.reason.clone())).collect::<Vec<_>>()
            };
            let generation = old.observed_generation == self.job.metadata.generation;
            words(old) == words(status) && old.message == status.message && generation
        };
        match &self.job.status {
            Some(old) if same(old) => Ok(()),
            _ => write(&self.scope.shared.client, self.job, status, self.now).await,
        }
    }

    async fn tell_end(&self, progress: &Progress, known: &Known) {
        match &progress.ended {
            Some(Outcome::Complete { reason }) => {
                self.scope.shared.metrics.ended(reason, known.memory.record.facts.media());
                self.event(EventType::Normal, reason, "Publish", "published and verified").await;
            }
            Some(Outcome::Failed { reason, message }) => {
                self.scope.shared.metrics.ended(reason, None);
                self.event(EventType::Warning, reason, "Run", message).await;
            }
            None => {}
        }
    }

    /// Tells an Event; one that can't be told is not worth a failure.
    pub async fn event(&self, kind: EventType, reason: &str, action: &str, note: &str) {
        use kube::Resource;
        let note: String = note.chars().take(1000).collect();
        let event =
            Event { type_: kind, reason: reason.into(), note: Some(note), action: action.into(), secondary: None };
        if let Err(error) = self.scope.shared.recorder.publish(&event, &self.job.object_ref(&())).await {
            tracing::warn!(%error, reason, "an Event can't be written");
        }
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
    let started = known.started.values().map(|(state, cap)| (*cap).min(state.tasks.len()));
    shown.chain(started).sum()
}

/// Pods of a batch that run or may run. None for a task whose end is on the record, though its pod be on a
/// node that does not answer.
pub fn running(known: &Known, view: &JobView) -> u32 {
    let record = &known.memory.record;
    if view.over.is_some() || known.deleted.contains(&view.id) || record.seen.contains(&view.id) {
        return 0;
    }
    let mut open = view.open();
    open.subtract(record.counted.get(&view.id).unwrap_or(&TaskSet::default()));
    view.parallelism.min(open.len())
}

/// Whether an entry would be lost with this process. What Jobs still tell is not.
fn matters(entry: &RecordEntry) -> bool {
    matches!(
        entry,
        RecordEntry::Failed { .. }
            | RecordEntry::Ended { .. }
            | RecordEntry::Reopened { .. }
            | RecordEntry::GivenUp { .. }
    )
}
