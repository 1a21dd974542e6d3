//! One run of one job: observe, decide, execute, wait.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use transcode_api::TranscodeJobStatus;
use transcode_contract::{FactsFile, JobFile, RunnerEvent, VERSION};
use transcode_engine::{
    Action, Batch, BatchId, BatchState, Decision, Failure, Grant, Observation, Outcome, Plan, Progress, RecordEntry,
    ResolvedSpec, Summary, TaskSet, assess, begin, bundle::Bundle, decide, observe::TaskFailure, status,
};

use crate::{
    child::{self, Task, TaskEnded},
    driver::{Ended, Error, Event, LocalEngine, Until},
    queue::Queue,
};

/// A task that runs now.
struct Running {
    memory_mib: u64,
    stop: CancellationToken,
}

/// The state of a run.
pub(crate) struct Run<'a> {
    engine: &'a LocalEngine,
    spec: &'a ResolvedSpec,
    plan: Plan,
    observation: Observation,
    queue: Queue,
    running: BTreeMap<(BatchId, u32), Running>,
    tasks: JoinSet<TaskEnded>,
    progress_sender: mpsc::Sender<(BatchId, u32, RunnerEvent)>,
    progress: mpsc::Receiver<(BatchId, u32, RunnerEvent)>,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        engine: &'a LocalEngine,
        spec: &'a ResolvedSpec,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) -> Self {
        let (progress_sender, progress) = mpsc::channel(256);
        let mut observation = Observation::default();
        for (stage, summary) in &engine.facts.0 {
            observation.record.note(RecordEntry::Told { stage: stage.clone(), summary: summary.clone() });
            observation.record.note(RecordEntry::Found { stage: stage.clone(), tasks: TaskSet::one(0) });
        }
        Run {
            engine,
            spec,
            plan: begin(spec),
            observation,
            queue: Queue::default(),
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            progress_sender,
            progress,
            events,
            stop,
        }
    }

    /// To the end, or as far as `until` says.
    pub(crate) async fn drive(&mut self, until: Until) -> Result<Ended, Error> {
        loop {
            let now = Timestamp::now();
            // Everything may start: the queue has the workers.
            let grant = Grant { slots: u32::MAX };
            let progress = assess(&self.plan, &self.observation);
            let decision = decide(self.spec, &self.plan, &self.observation, &progress, grant, now);
            let bundle = self.bundle(grant, now);
            self.publish(&bundle, progress).await?;
            if until == Until::Planned && self.plan.is_extended() {
                self.stop_all().await;
                return Ok(Ended::Planned(Box::new(bundle)));
            }
            if let Some(outcome) = self.over(&decision) {
                let status = self.status(&bundle);
                return Ok(Ended::Job(outcome, Box::new((bundle, status))));
            }
            // A batch that is stopped ends by itself, later.
            let idle = decision.actions.iter().all(|(action, _)| matches!(action, Action::Stop(_)));
            for (action, why) in decision.actions {
                self.execute(action, why, until).await?;
            }
            self.fill().await;
            if idle && !self.wait(decision.wake_at).await? {
                self.stop_all().await;
                return Ok(Ended::Interrupted);
            }
        }
    }

    fn bundle(&self, grant: Grant, now: Timestamp) -> Bundle {
        Bundle {
            engine: env!("CARGO_PKG_VERSION").into(),
            spec: self.spec.clone(),
            plan: self.plan.clone(),
            observation: self.observation.clone(),
            grant,
            now,
        }
    }

    fn status(&self, bundle: &Bundle) -> TranscodeJobStatus {
        let progress = assess(&bundle.plan, &bundle.observation);
        status(&bundle.spec, &bundle.plan, &bundle.observation, &progress, bundle.now)
    }

    /// The outcome, once the job ended and nothing is left to do after it.
    fn over(&self, decision: &Decision) -> Option<Outcome> {
        let nothing_left =
            decision.actions.is_empty() && decision.wake_at.is_none() && self.observation.live.is_empty();
        self.observation.record.ended.clone().filter(|_| nothing_left)
    }

    async fn publish(&self, bundle: &Bundle, progress: Progress) -> Result<(), Error> {
        let path = self.engine.work_dir.join("bundle.json");
        write_atomic(&path, &serde_json::to_vec(bundle).unwrap_or_default()).await?;
        let status = self.status(bundle);
        let _ = self.events.send(Event::Status(Box::new((bundle.clone(), status, progress)))).await;
        Ok(())
    }

    async fn execute(&mut self, action: Action, why: String, until: Until) -> Result<(), Error> {
        let _ = self.events.send(Event::Decided { action: Box::new(action.clone()), why }).await;
        match action {
            Action::Note(entry) => self.observation.record.note(entry),
            Action::Extend(stages) => self.plan.append(stages),
            Action::Start(batch) if until == Until::End || !self.plan.is_extended() => self.start(batch).await?,
            Action::Start(_) => {}
            Action::Stop(id) => self.stop_batch(&id),
            Action::Forget(id) => {
                self.observation.live.remove(&id);
            }
            Action::End(outcome) => self.observation.record.end(outcome, Timestamp::now()),
        }
        Ok(())
    }

    async fn start(&mut self, batch: Batch) -> Result<(), Error> {
        let job = JobFile::new(self.spec.clone());
        write_atomic(&self.file("job"), &serde_json::to_vec(&job).unwrap_or_default()).await?;
        let facts = FactsFile { version: VERSION, facts: self.observation.record.facts.of_source() };
        write_atomic(&self.file("facts"), &serde_json::to_vec(&facts).unwrap_or_default()).await?;
        self.queue.add(&batch.id, &batch.tasks, &batch.demand);
        let state = BatchState {
            tasks: batch.tasks,
            succeeded: TaskSet::default(),
            failed: BTreeMap::new(),
            told: vec![],
            ended: false,
        };
        self.observation.live.insert(batch.id, state);
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.engine.work_dir.join("tasks").join(format!("{name}.json"))
    }

    /// Waiting tasks are disrupted at once, running ones when they have stopped.
    fn stop_batch(&mut self, id: &BatchId) {
        let waiting = self.queue.remove(id);
        for ((batch, _), running) in &self.running {
            if batch == id {
                running.stop.cancel();
            }
        }
        for task in waiting.iter() {
            let failure =
                TaskFailure { failure: Failure::Disrupted, message: "it was stopped before it started".into() };
            self.note_end(id, task, Err(failure));
        }
    }

    /// Gives waiting tasks to free workers.
    async fn fill(&mut self) {
        while self.running.len() < self.engine.workers as usize {
            let used: u64 = self.running.values().map(|r| r.memory_mib).sum();
            let free = self.engine.memory_mib.saturating_sub(used);
            let Some((batch, index, memory_mib)) = self.queue.next(free, self.running.is_empty()) else { return };
            let attempt = self.observation.record.runs_before(&batch.stage, index);
            let name = format!("{}-{index}-{attempt}", batch.stage);
            let task = Task {
                job: self.file("job"),
                facts: self.file("facts"),
                gaps: assess(&self.plan, &self.observation).gaps(),
                scratch: self.engine.work_dir.join("scratch").join(&name),
                log: self.engine.work_dir.join("logs").join(format!("{name}.log")),
                batch: batch.clone(),
                index,
                attempt,
                site: self.engine.site.clone(),
            };
            let stop = CancellationToken::new();
            let (runner, sender, token) = (self.engine.runner.clone(), self.progress_sender.clone(), stop.clone());
            self.tasks.spawn(async move { child::run(&runner, task, sender, token).await });
            self.running.insert((batch.clone(), index), Running { memory_mib, stop });
            let _ = self.events.send(Event::TaskStarted { batch, index, attempt }).await;
        }
    }

    /// Waits for a task's end, a time or the user. False when the user wants to stop.
    async fn wait(&mut self, wake_at: Option<Timestamp>) -> Result<bool, Error> {
        if self.running.is_empty() && wake_at.is_none() {
            return Err(Error::Idle);
        }
        loop {
            let pause = wake_at.map(|at| at.duration_since(Timestamp::now()).max(SignedDuration::ZERO).unsigned_abs());
            let timer = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(false),
                Some(ended) = self.tasks.join_next() => {
                    self.ended(ended?).await;
                    return Ok(true);
                }
                Some((batch, index, event)) = self.progress.recv() => {
                    let _ = self.events.send(Event::TaskEvent { batch, index, event }).await;
                }
                () = timer => return Ok(true),
            }
        }
    }

    async fn ended(&mut self, ended: TaskEnded) {
        let (batch, index) = (ended.task.batch, ended.task.index);
        self.running.remove(&(batch.clone(), index));
        let failure = ended.result.as_ref().err().cloned();
        self.note_end(&batch, index, ended.result);
        let _ = self.events.send(Event::TaskEnded { batch, index, failure }).await;
    }

    fn note_end(&mut self, id: &BatchId, task: u32, result: Result<Vec<Summary>, TaskFailure>) {
        let Some(batch) = self.observation.live.get_mut(id) else { return };
        match result {
            Ok(told) => {
                batch.succeeded.insert(task);
                batch.told.extend(told);
            }
            Err(failure) => {
                batch.failed.insert(task, failure);
            }
        }
        batch.ended = batch.succeeded.len() + batch.failed.len() as u32 == batch.tasks.len();
    }

    /// Stops every task and waits for it.
    pub(crate) async fn stop_all(&mut self) {
        for running in self.running.values() {
            running.stop.cancel();
        }
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => if ended.is_none() { return },
                // Runners that still tell something must not wait for a reader.
                Some(_) = self.progress.recv() => {}
            }
        }
    }
}

/// Readers see the old file or the new one, whole.
async fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let wrong = |source| Error::WorkDir { path: path.to_path_buf(), source };
    let temporary = path.with_extension("tmp");
    tokio::fs::write(&temporary, bytes).await.map_err(wrong)?;
    tokio::fs::rename(&temporary, path).await.map_err(wrong)
}
