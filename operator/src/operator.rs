//! What all passes share, and the watches of one namespace or of all.

use std::{
    any::Any,
    collections::{HashMap, HashSet},
    fmt::Debug,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::{batch::v1::Job, core::v1::PodTemplateSpec};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        Controller, Predicate, WatchStreamExt,
        controller::{Action, Config},
        events::{EventType, Recorder},
        predicates, reflector,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use transcode_api::{ClusterTranscodeProfile, ProfileKind, ProfileSpec, TranscodeJob, TranscodeProfile, status::Phase};
use transcode_engine::ResolvedSpec;

use crate::{
    args::Args,
    error::Error,
    known::Known,
    metrics::Metrics,
    names::{self, SELECTOR},
    places::{Place, can_write, is_over, rank},
    reconcile::{Pass, reconcile},
    view::JobView,
};

/// Passes that run may take so long to end when the process is told to.
const SHUTDOWN: Duration = Duration::from_secs(15);
/// Changes that come together are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// The wait after the first failure of a pass; each is twice the one before.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Failures of passes over a job, one after the other, before an Event tells of them.
const TOLD_AFTER: u32 = 2;
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
    known: Mutex<HashMap<String, Known>>,
    failures: Mutex<HashMap<String, u32>>,
    places: Mutex<HashMap<String, Place>>,
}

impl Shared {
    /// With nothing known yet.
    pub fn new(client: Client, args: Args, defaults: ProfileSpec, metrics: Metrics, recorder: Recorder) -> Self {
        let (known, failures, places) = (Mutex::default(), Mutex::default(), Mutex::default());
        Shared { client, args, defaults, metrics, recorder, known, failures, places }
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
    fn went_well(&self, uid: &str) {
        lock(&self.failures).remove(uid);
    }

    /// Passes over a job that failed since the last one that went well.
    fn failed_passes(&self, uid: &str) -> u32 {
        lock(&self.failures).get(uid).copied().unwrap_or(0)
    }

    /// Seconds to wait after a failed pass: doubling, with jitter, for each job by itself.
    fn backoff(&self, uid: &str) -> Duration {
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
    jobs: Store<Job>,
    /// Every Job was shown: without that a batch might be started twice.
    ready: Ready,
}

impl Scope {
    /// Batches of a job that the watch shows.
    pub fn batches(&self, job: &TranscodeJob) -> Vec<JobView> {
        let there = |child: &Arc<Job>| child.metadata.deletion_timestamp.is_none();
        let own = |child: &Arc<Job>| names::is_child(job, &child.metadata);
        let children = self.jobs.state().into_iter().filter(own).filter(there);
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
        let (uid, jobs) = (job.uid(), self.transcode_jobs.state());
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

/// Whether TranscodeJobs and Jobs were all shown once. A store's own wait wakes only the last one that waits.
#[derive(Clone, Default)]
struct Ready {
    transcode_jobs: CancellationToken,
    jobs: CancellationToken,
}

impl Ready {
    async fn wait(&self) {
        tokio::join!(self.transcode_jobs.cancelled(), self.jobs.cancelled());
    }
}

/// UIDs of what a watch shows. What is deleted while a watch is interrupted is missing from the next list, and no event
/// tells of it.
#[derive(Default)]
struct Shown {
    uids: HashSet<String>,
    listed: HashSet<String>,
}

impl Shown {
    /// UIDs that are gone with an event.
    fn gone<K: ResourceExt>(&mut self, event: &watcher::Event<K>) -> Vec<String> {
        let uid = |object: &K| object.uid().unwrap_or_default();
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(object) => _ = self.listed.insert(uid(object)),
            watcher::Event::Apply(object) => _ = self.uids.insert(uid(object)),
            watcher::Event::InitDone => {
                let before = std::mem::replace(&mut self.uids, std::mem::take(&mut self.listed));
                return before.difference(&self.uids).cloned().collect();
            }
            watcher::Event::Delete(object) => return self.uids.take(&uid(object)).into_iter().collect(),
        }
        vec![]
    }
}

/// Watches a namespace, or all, until `stop`.
pub async fn run(shared: Arc<Shared>, namespace: Option<&str>, stop: CancellationToken) {
    let client = shared.client.clone();
    let (transcode_jobs, own_writer) = reflector::store();
    let (jobs, job_writer) = reflector::store();
    let (known, ready, mut shown) = (shared.clone(), Ready::default(), Shown::default());
    let (own_shown, jobs_shown) = (ready.transcode_jobs.clone(), ready.jobs.clone());
    let own = readable(api::<DeserializeGuard<TranscodeJob>>(&client, namespace), &shared)
        .modify(|job| job.managed_fields_mut().clear())
        .reflect(own_writer)
        .inspect_ok(move |event| {
            shown.gone(event).iter().for_each(|uid| known.forget(uid));
            if matches!(event, watcher::Event::InitDone) {
                own_shown.cancel();
            }
        })
        .applied_objects()
        // A status that was written is no news.
        .predicate_filter(predicates::generation.combine(predicates::finalizers), Default::default());
    let children = watcher(api::<Job>(&client, namespace), watcher::Config::default().labels(SELECTOR))
        .default_backoff()
        .modify(trim)
        .reflect(job_writer)
        .inspect_ok(move |event| {
            if matches!(event, watcher::Event::InitDone) {
                jobs_shown.cancel();
            }
        })
        .touched_objects();
    let scope = Arc::new(Scope {
        shared: shared.clone(),
        transcode_jobs: transcode_jobs.clone(),
        jobs: jobs.clone(),
        ready: ready.clone(),
    });
    let mut controller = Controller::for_stream(own, transcode_jobs.clone())
        .with_config(Config::default().concurrency(shared.args.concurrency).debounce(DEBOUNCE))
        .watches_stream(children, |child: Job| parent(&child))
        .watches_stream(
            readable(api::<DeserializeGuard<TranscodeProfile>>(&client, namespace), &shared).touched_objects(),
            waiting_for(transcode_jobs.clone(), ProfileKind::TranscodeProfile),
        );
    if shared.args.cluster_profiles {
        let profiles = Api::<DeserializeGuard<ClusterTranscodeProfile>>::all(client.clone());
        let profiles = readable(profiles, &shared).touched_objects();
        controller = controller
            .watches_stream(profiles, waiting_for(transcode_jobs.clone(), ProfileKind::ClusterTranscodeProfile));
    }
    let passes = controller
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            |job, scope: Arc<Scope>| async move {
                scope.ready.wait().await;
                scope.shared.metrics.timed(pass(job, scope.clone())).await
            },
            failed,
            scope,
        )
        .for_each(|_| std::future::ready(()));
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN).await;
    };
    // Whether or not there is a job to look at, the process is ready when the watches are.
    let told = async {
        ready.wait().await;
        tracing::info!(watched = namespace.unwrap_or("all namespaces"), "watches are ready");
        shared.metrics.health.ready();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = told => {}
        () = passes => {}
        () = late => tracing::warn!("passes did not end within {SHUTDOWN:?}; they are done again"),
    }
}

/// A pass, whatever becomes of it: a defect that one job meets must not end everybody's. What fails again and
/// again is told where people look.
async fn pass(job: Arc<TranscodeJob>, scope: Arc<Scope>) -> Result<Action, Error> {
    let caught = AssertUnwindSafe(reconcile(job.clone(), scope.clone())).catch_unwind().await;
    let result = caught.unwrap_or_else(|panic| Err(Error::Defect { words: words(panic.as_ref()) }));
    let uid = job.uid().unwrap_or_default();
    match &result {
        Ok(_) => scope.shared.went_well(&uid),
        Err(error) if scope.shared.failed_passes(&uid) >= TOLD_AFTER => {
            let pass = Pass { job: &job, scope: &scope, now: jiff::Timestamp::now() };
            pass.event(EventType::Warning, error.reason(), "Reconcile", &error.to_string()).await;
        }
        Err(_) => {}
    }
    result
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no words").into()
}

/// A failed pass is logged and tried again.
fn failed(job: Arc<TranscodeJob>, error: &Error, scope: Arc<Scope>) -> Action {
    let wait = scope.shared.backoff(&job.uid().unwrap_or_default());
    let id = scope.id(&job);
    tracing::warn!(job = %id, reason = error.reason(), %error, ?wait, "a pass failed and is tried again");
    Action::requeue(wait)
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// A watch that goes on without the objects that its type does not take: one that got past the schema must
/// not stop everybody's.
fn readable<K>(
    api: Api<DeserializeGuard<K>>,
    shared: &Arc<Shared>,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    use watcher::Event;
    let shared = shared.clone();
    let events = watcher(api, watcher::Config::default()).default_backoff();
    events.try_filter_map(move |event| {
        let shared = shared.clone();
        async move {
            let (guard, event): (_, fn(K) -> Event<K>) = match event {
                Event::Init => return Ok(Some(Event::Init)),
                Event::InitDone => return Ok(Some(Event::InitDone)),
                Event::InitApply(guard) => (guard, Event::InitApply),
                Event::Apply(guard) => (guard, Event::Apply),
                Event::Delete(guard) => (guard, Event::Delete),
            };
            let reference = guard.object_ref(&());
            match guard.0 {
                Ok(object) => Ok(Some(event(object))),
                Err(unreadable) => {
                    let note =
                        format!("this operator can't read it: {}; are the CRDs of its version?", unreadable.error);
                    shared.event(&reference, EventType::Warning, "Unreadable", "Read", &note).await;
                    Ok(None)
                }
            }
        }
    })
}

/// What is never read of a Job is not kept in memory.
fn trim(job: &mut Job) {
    job.managed_fields_mut().clear();
    if let Some(spec) = &mut job.spec {
        spec.template = PodTemplateSpec::default();
        spec.pod_failure_policy = None;
        spec.selector = None;
    }
}

/// The TranscodeJob of a Job. One without an owner, which cleans up after a deleted one, has it too.
fn parent(child: &Job) -> Option<ObjectRef<TranscodeJob>> {
    let name = child.annotations().get(crate::names::PARENT)?;
    Some(ObjectRef::new(name).within(&child.namespace()?))
}

/// Jobs that have not begun and name a profile.
fn waiting_for<K: Resource>(
    jobs: Store<TranscodeJob>,
    kind: ProfileKind,
) -> impl Fn(K) -> Vec<ObjectRef<TranscodeJob>> + Send + Sync + 'static {
    move |profile| {
        let (name, namespace) = (profile.meta().name.clone(), profile.meta().namespace.clone());
        let pending = |job: &Arc<TranscodeJob>| {
            let phase = job.status.as_ref().and_then(|status| status.phase);
            phase.is_none_or(|phase| phase == Phase::Pending)
        };
        let names = |job: &Arc<TranscodeJob>| {
            let same = |wanted: &transcode_api::ProfileRef| wanted.kind == kind && Some(&wanted.name) == name.as_ref();
            job.spec.profiles.iter().any(same) && (namespace.is_none() || job.namespace() == namespace)
        };
        let found = jobs.state().into_iter().filter(pending).filter(names);
        found.map(|job| ObjectRef::from_obj(&*job)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_list_lacks_is_gone() {
        use watcher::Event;
        let job = |uid: &str| -> Job { serde_json::from_value(json!({"metadata": {"uid": uid}})).unwrap() };
        let mut shown = Shown::default();
        let mut gone = |event: Event<Job>| shown.gone(&event);
        for event in [Event::Init, Event::InitApply(job("a")), Event::InitApply(job("b")), Event::InitDone] {
            assert!(gone(event).is_empty());
        }
        assert!(gone(Event::Apply(job("c"))).is_empty());
        assert_eq!(gone(Event::Delete(job("a"))), ["a"]);
        assert!(gone(Event::Init).is_empty() && gone(Event::InitApply(job("c"))).is_empty());
        assert_eq!(gone(Event::InitDone), ["b"]);
    }
}
