//! Prometheus metrics.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Instant,
};

use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};
use transcode_engine::{BatchId, MediaSummary, Plan, Record, RecordEntry};
use transcode_media::time::Timescale;

use crate::{error::Error, health::Health};

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Namespace {
    /// Its name.
    pub namespace: String,
}

/// Labels of a pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pass {
    result: String,
}

/// Labels of jobs that ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobResult {
    namespace: String,
    result: String,
}

/// Labels of this build.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: String,
}

/// Labels of what a stage did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageResult {
    namespace: String,
    stage: String,
    result: String,
}

/// Labels of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: String,
}

/// Labels of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `patch`, `delete`.
    pub verb: String,
    /// HTTP status.
    pub code: String,
}

/// All of them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    passes: Family<Pass, Counter>,
    pass_seconds: Histogram,
    tasks: Family<StageResult, Counter>,
    stage_seconds: Family<Stage, Histogram>,
    jobs: Family<JobResult, Counter>,
    media_seconds: Family<Namespace, Counter<f64, AtomicU64>>,
    requests: Family<Request, Counter>,
    queue_seconds: Family<Stage, Histogram>,
    /// Jobs that wait in line.
    pub jobs_waiting: Family<Namespace, Gauge>,
    jobs_in_flight: Family<Namespace, Gauge>,
    tasks_in_flight: Family<Namespace, Gauge>,
    flying: Arc<Mutex<HashMap<String, (Namespace, u32)>>>,
    leader: Gauge,
    /// What /healthz and /readyz tell.
    pub health: Health,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("transcode");
        let passes = Family::default();
        let pass_seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let tasks = Family::default();
        let stage_seconds = seconds_by_stage();
        let jobs = Family::default();
        let media_seconds = Family::default();
        let requests = Family::default();
        registry.register("reconciles", "Passes over jobs, by result", passes.clone());
        registry.register("reconcile_seconds", "Time of a pass", pass_seconds.clone());
        registry.register("tasks", "Tasks that ended, by namespace, kind of stage and result", tasks.clone());
        registry.register("stage_seconds", "Time from a stage's start to its end", stage_seconds.clone());
        registry.register("jobs", "Jobs that ended, by namespace and reason", jobs.clone());
        registry.register("media_seconds", "Media that was published, seconds", media_seconds.clone());
        registry.register("api_requests", "Requests to the API server", requests.clone());
        let queue_seconds = seconds_by_stage();
        let (jobs_in_flight, tasks_in_flight) = (Family::default(), Family::default());
        let jobs_waiting = Family::default();
        registry.register("jobs_waiting", "Jobs that wait for their turn", jobs_waiting.clone());
        registry.register(
            "queue_seconds",
            "Time from a batch's start to its first pod that runs",
            queue_seconds.clone(),
        );
        registry.register("jobs_in_flight", "Jobs that have not ended", jobs_in_flight.clone());
        registry.register("tasks_in_flight", "Tasks that run or may run at any moment", tasks_in_flight.clone());
        let leader = Gauge::default();
        registry.register("leader", "1 in the replica that works, 0 in those that wait for the Lease", leader.clone());
        let build = Build { version: env!("CARGO_PKG_VERSION").into() };
        registry.register("build", "This build", Info::new(build));
        let (registry, health, flying) = (Arc::new(registry), Health::default(), Arc::default());
        Metrics {
            registry,
            passes,
            pass_seconds,
            tasks,
            stage_seconds,
            jobs,
            media_seconds,
            requests,
            queue_seconds,
            jobs_waiting,
            jobs_in_flight,
            tasks_in_flight,
            flying,
            leader,
            health,
        }
    }
}

impl Metrics {
    /// In the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A String takes everything.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Counts and times a pass.
    pub async fn timed<T>(&self, pass: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let start = Instant::now();
        let result = self.health.passes(pass).await;
        self.pass_seconds.observe(start.elapsed().as_secs_f64());
        let label = result.as_ref().err().map_or("ok", Error::reason);
        self.passes.get_or_create(&Pass { result: label.into() }).inc();
        result
    }

    /// This replica works.
    pub fn leads(&self) {
        self.leader.set(1);
    }

    /// Counts what goes on the record of a job of a namespace.
    pub fn noted(&self, namespace: &str, entry: &RecordEntry, record: &Record, plan: &Plan) {
        let count = |stage: &transcode_engine::StageId, result: &str, by: u32| {
            let namespace = namespace.into();
            let label = StageResult { namespace, stage: stage.kind.name().into(), result: result.into() };
            self.tasks.get_or_create(&label).inc_by(u64::from(by));
        };
        match entry {
            RecordEntry::Done { batch, tasks } => count(&batch.stage, "Done", tasks.len()),
            RecordEntry::Found { stage, tasks } => count(stage, "Found", tasks.len()),
            RecordEntry::Failed { batch, failure, .. } => count(&batch.stage, failure.failure.reason(), 1),
            RecordEntry::Finished { stage, at } if plan.stages.contains_key(stage) => {
                let started = record.times.get(stage).map_or(*at, |times| times.started);
                let label = Stage { stage: stage.kind.name().into() };
                self.stage_seconds.get_or_create(&label).observe(seconds(started, *at));
            }
            _ => {}
        }
    }

    /// Counts the end of a job of a namespace.
    pub fn ended(&self, namespace: &str, reason: &str, media: Option<&MediaSummary>) {
        self.jobs.get_or_create(&JobResult { namespace: namespace.into(), result: reason.into() }).inc();
        if let Some(media) = media {
            let label = Namespace { namespace: namespace.into() };
            self.media_seconds.get_or_create(&label).inc_by(Timescale(1000).round(media.duration) as f64 / 1000.0);
        }
    }

    /// A batch's first pod runs.
    pub fn runs(&self, batch: &BatchId, created: Timestamp, now: Timestamp) {
        let label = Stage { stage: batch.stage.kind.name().into() };
        self.queue_seconds.get_or_create(&label).observe(seconds(created, now));
    }

    /// A job that has not ended has so many tasks under way.
    pub fn flies(&self, uid: &str, namespace: String, tasks: u32) {
        let label = Namespace { namespace };
        let before = self.flying().insert(uid.into(), (label.clone(), tasks));
        if before.is_none() {
            self.jobs_in_flight.get_or_create(&label).inc();
        }
        let before = before.map_or(0, |(_, before)| i64::from(before));
        self.tasks_in_flight.get_or_create(&label).inc_by(i64::from(tasks) - before);
    }

    /// A job ended or is gone.
    pub fn gone(&self, uid: &str) {
        if let Some((label, tasks)) = self.flying().remove(uid) {
            self.jobs_in_flight.get_or_create(&label).dec();
            self.tasks_in_flight.get_or_create(&label).dec_by(i64::from(tasks));
        }
    }

    fn flying(&self) -> MutexGuard<'_, HashMap<String, (Namespace, u32)>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request.
    pub fn requested(&self, request: &Request) {
        self.requests.get_or_create(request).inc();
    }
}

/// From a second to four days.
fn seconds_by_stage() -> Family<Stage, Histogram> {
    Family::new_with_constructor(|| Histogram::new(exponential_buckets(1.0, 2.0, 19)))
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}
