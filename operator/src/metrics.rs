//! Prometheus metrics.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
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
    },
    registry::Registry,
};
use transcode_engine::{BatchId, MediaSummary, Plan, Record, RecordEntry};
use transcode_media::time::Timescale;

use crate::{error::Error, health::Health};

/// Labels of a pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pass {
    result: String,
}

/// Labels of what a stage did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageResult {
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
    jobs: Family<Pass, Counter>,
    media_seconds: Counter<f64, AtomicU64>,
    requests: Family<Request, Counter>,
    queue_seconds: Family<Stage, Histogram>,
    jobs_in_flight: Gauge,
    tasks_in_flight: Gauge,
    flying: Arc<Mutex<HashMap<String, u32>>>,
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
        let media_seconds = Counter::default();
        let requests = Family::default();
        registry.register("reconciles", "Passes over jobs, by result", passes.clone());
        registry.register("reconcile_seconds", "Time of a pass", pass_seconds.clone());
        registry.register("tasks", "Tasks that ended, by kind of stage and result", tasks.clone());
        registry.register("stage_seconds", "Time from a stage's start to its end", stage_seconds.clone());
        registry.register("jobs", "Jobs that ended, by reason", jobs.clone());
        registry.register("media_seconds", "Media that was published, seconds", media_seconds.clone());
        registry.register("api_requests", "Requests to the API server", requests.clone());
        let queue_seconds = seconds_by_stage();
        let (jobs_in_flight, tasks_in_flight) = (Gauge::default(), Gauge::default());
        registry.register(
            "queue_seconds",
            "Time from a batch's start to its first pod that runs",
            queue_seconds.clone(),
        );
        registry.register("jobs_in_flight", "Jobs that have not ended", jobs_in_flight.clone());
        registry.register("tasks_in_flight", "Tasks that run or may run at any moment", tasks_in_flight.clone());
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
            jobs_in_flight,
            tasks_in_flight,
            flying,
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

    /// Counts what goes on a record.
    pub fn noted(&self, entry: &RecordEntry, record: &Record, plan: &Plan) {
        let count = |stage: &transcode_engine::StageId, result: &str, by: u32| {
            let label = StageResult { stage: stage.kind.name().into(), result: result.into() };
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

    /// Counts a job's end.
    pub fn ended(&self, reason: &str, media: Option<&MediaSummary>) {
        self.jobs.get_or_create(&Pass { result: reason.into() }).inc();
        if let Some(media) = media {
            self.media_seconds.inc_by(Timescale(1000).round(media.duration) as f64 / 1000.0);
        }
    }

    /// A batch's first pod runs.
    pub fn runs(&self, batch: &BatchId, created: Timestamp, now: Timestamp) {
        let label = Stage { stage: batch.stage.kind.name().into() };
        self.queue_seconds.get_or_create(&label).observe(seconds(created, now));
    }

    /// A job that has not ended has so many tasks under way.
    pub fn flies(&self, uid: &str, tasks: u32) {
        self.fly(|flying| _ = flying.insert(uid.into(), tasks));
    }

    /// A job ended or is gone.
    pub fn gone(&self, uid: &str) {
        self.fly(|flying| _ = flying.remove(uid));
    }

    fn fly(&self, change: impl FnOnce(&mut HashMap<String, u32>)) {
        let mut flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut flying);
        self.jobs_in_flight.set(i64::try_from(flying.len()).unwrap_or(i64::MAX));
        self.tasks_in_flight.set(flying.values().map(|tasks| i64::from(*tasks)).sum());
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
