//! What all passes share, and what the watches of a namespace show.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        events::Recorder,
        reflector::{ObjectRef, Store},
    },
};
use transcode_api::{ProfileSpec, TranscodeJob};
use transcode_engine::ResolvedSpec;

use crate::{
    args::Args,
    index::Index,
    known::Known,
    metrics::Metrics,
    names,
    places::{Place, can_write, is_over, rank},
    turns::Turns,
    view::JobView,
};

/// The wait after the first failure of a pass; each is twice the one before.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// No wait after a failure is longer.
const LAST_BACKOFF: Duration = Duration::from_secs(300);

/// What all passes share.
pub struct Shared {
    /// The API server.
    pub client: Client,
    /// Flags.
    pub args: Args,
    /// What holds where neither profile nor job says otherwise.
    pub defaults: ProfileSpec,
    /// Counters.
    pub metrics: Metrics,
    /// Writes Events.
    pub recorder: Recorder,
    /// Who runs and who waits in line.
    pub turns: Turns,
    known: Mutex<HashMap<String, Known>>,
    failures: Mutex<HashMap<String, u32>>,
    places: Mutex<HashMap<String, Place>>,
}

impl Shared {
    /// With nothing known yet.
    pub fn new(client: Client, args: Args, defaults: ProfileSpec, metrics: Metrics, recorder: Recorder) -> Self {
        let (known, failures, places) = (Mutex::default(), Mutex::default(), Mutex::default());
        let turns = Turns::new(args.limits, metrics.jobs_waiting.clone());
        Shared { client, args, defaults, metrics, recorder, turns, known, failures, places }
    }

    /// What is known of a job; whoever takes it brings it back, or it is read anew.
    pub fn take(&self, uid: &str) -> Option<Known> {
        lock(&self.known).remove(uid)
    }

    /// Brings it back after a pass that went well.
    pub fn keep(&self, uid: String, known: Known) {
        lock(&self.known).insert(uid, known);
    }

    /// Where a job writes to, once its profiles are laid under it.
    pub fn writes_to(&self, uid: &str, spec: &ResolvedSpec) {
        if let Some(place) = Place::new(&spec.output, &spec.stores) {
            lock(&self.places).insert(uid.into(), place);
        }
    }

    /// A pass over a job went well.
    pub fn went_well(&self, uid: &str) {
        lock(&self.failures).remove(uid);
    }

    /// Passes over a job that failed since the last one that went well.
    pub fn failed_passes(&self, uid: &str) -> u32 {
        lock(&self.failures).get(uid).copied().unwrap_or(0)
    }

    /// Seconds to wait after a failed pass: doubling, with jitter, for each job by itself.
    pub fn backoff(&self, uid: &str) -> Duration {
        let mut failures = lock(&self.failures);
        let count = failures.entry(uid.into()).or_default();
        *count = (*count + 1).min(16);
        let wait = FIRST_BACKOFF.saturating_mul(1 << (*count - 1)).min(LAST_BACKOFF);
        wait.mul_f64(0.5 + fastrand::f64())
    }

    /// Drops what is known of a job that is over or gone.
    pub fn forget(&self, uid: &str) {
        lock(&self.known).remove(uid);
        lock(&self.failures).remove(uid);
        lock(&self.places).remove(uid);
        self.turns.leave(uid);
        self.metrics.gone(uid);
    }
}

/// A panic elsewhere leaves plain data behind: at worst it is read anew.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One watched namespace, or all of them.
pub struct Scope {
    /// What all passes share.
    pub shared: Arc<Shared>,
    /// TranscodeJobs.
    pub transcode_jobs: Store<TranscodeJob>,
    /// TranscodeJobs by what they [write to](Place::key).
    pub by_place: Arc<Index<TranscodeJob>>,
    /// Jobs that this operator made, by the UID of their TranscodeJob.
    pub by_owner: Arc<Index<Job>>,
}

impl Scope {
    /// Batches of a job that the watch shows.
    pub fn batches(&self, job: &TranscodeJob) -> Vec<JobView> {
        let there = |child: &Arc<Job>| child.metadata.deletion_timestamp.is_none();
        let own = |child: &Arc<Job>| names::is_child(job, &child.metadata);
        let children = self.by_owner.get(&job.uid().unwrap_or_default()).into_iter().filter(own).filter(there);
        children.filter_map(|child| JobView::of(&child)).collect()
    }

    /// Another job that writes to the same place and goes first: whoever runs goes on, then the oldest begins
    /// that was admitted and is not suspended. One of another namespace counts once it [can write](can_write) there.
    pub fn goes_first(&self, job: &TranscodeJob) -> Option<Arc<TranscodeJob>> {
        let (own, here) = (rank(job), self.place(job)?);
        let ready = |other: &TranscodeJob| other.status.as_ref().is_some_and(|status| status.resolved.is_some());
        let goes = |other: &TranscodeJob| other.spec.suspend != Some(true) && ready(other) && rank(other) < own;
        self.others(job, &here).find(|other| goes(other))
    }

    /// Whether another job that has not ended writes to the same place.
    pub fn is_shared(&self, job: &TranscodeJob) -> bool {
        self.place(job).is_some_and(|here| self.others(job, &here).next().is_some())
    }

    fn others(&self, job: &TranscodeJob, here: &Place) -> impl Iterator<Item = Arc<TranscodeJob>> {
        let (uid, jobs) = (job.uid(), self.by_place.get(&here.key()));
        let here = here.clone();
        let namespace = job.namespace();
        jobs.into_iter().filter(move |other| {
            other.uid() != uid
                && !is_over(other)
                && (other.namespace() == namespace || can_write(other))
                && self.place(other).is_some_and(|there| there.meets(&here))
        })
    }

    fn place(&self, job: &TranscodeJob) -> Option<Place> {
        let known = lock(&self.shared.places).get(&job.uid()?).cloned();
        known.or_else(|| Place::new(job.spec.outputs.first()?, &job.spec.stores))
    }

    /// Whether the job is still there.
    pub fn knows(&self, job: &TranscodeJob) -> bool {
        self.transcode_jobs.get(&ObjectRef::from_obj(job)).is_some_and(|found| found.uid() == job.uid())
    }

    /// `namespace/name`
    pub fn id(&self, job: &TranscodeJob) -> String {
        format!("{}/{}", job.namespace().unwrap_or_default(), job.name_any())
    }

    /// Jobs of a job's namespace.
    pub fn children(&self, job: &TranscodeJob) -> Api<Job> {
        Api::namespaced(self.shared.client.clone(), &job.namespace().unwrap_or_default())
    }

    /// TranscodeJobs of a job's namespace.
    pub fn api(&self, job: &TranscodeJob) -> Api<TranscodeJob> {
        Api::namespaced(self.shared.client.clone(), &job.namespace().unwrap_or_default())
    }
}
