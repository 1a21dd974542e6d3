//! What all passes share, and the watches of one namespace or of all.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    future::{BoxFuture, Shared as Shareable},
};
use k8s_openapi::api::{batch::v1::Job, core::v1::PodTemplateSpec};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{
        Controller, Predicate, WatchStreamExt,
        controller::{Action, Config},
        events::Recorder,
        predicates, reflector,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use transcode_api::{ClusterTranscodeProfile, ProfileKind, ProfileSpec, TranscodeJob, TranscodeProfile, status::Phase};

use crate::{
    args::Args,
    error::Error,
    known::Known,
    metrics::Metrics,
    names::{JOB_UID, SELECTOR},
    reconcile::reconcile,
    view::JobView,
};

/// Passes that run may take so long to end when the process is told to.
const SHUTDOWN: Duration = Duration::from_secs(15);
/// Changes that come together are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(20);
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
    known: Mutex<HashMap<String, Known>>,
    failures: Mutex<HashMap<String, u32>>,
}

impl Shared {
    /// With nothing known yet.
    pub fn new(client: Client, args: Args, defaults: ProfileSpec, metrics: Metrics, recorder: Recorder) -> Self {
        let (known, failures) = (Mutex::default(), Mutex::default());
        Shared { client, args, defaults, metrics, recorder, known, failures }
    }

    /// What is known of a job; whoever takes it brings it back, or it is read anew.
    pub fn take(&self, uid: &str) -> Option<Known> {
        lock(&self.known).remove(uid)
    }

    /// Brings it back after a pass that went well.
    pub fn keep(&self, uid: String, known: Known) {
        lock(&self.failures).remove(&uid);
        lock(&self.known).insert(uid, known);
    }

    /// Seconds to wait after a failed pass: doubling, with jitter, for each job by itself.
    fn backoff(&self, uid: &str) -> Duration {
        let mut failures = lock(&self.failures);
        let count = failures.entry(uid.into()).or_default();
        *count = (*count + 1).min(16);
        let wait = FIRST_BACKOFF.saturating_mul(1 << (*count - 1)).min(LAST_BACKOFF);
        wait.mul_f64(0.5 + fastrand::f64())
    }

    /// Drops what is known of jobs that are gone.
    fn forget(&self, uid: &str) {
        lock(&self.known).remove(uid);
        lock(&self.failures).remove(uid);
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
        let uid = job.uid().unwrap_or_default();
        let own = |child: &Arc<Job>| child.labels().get(JOB_UID) == Some(&uid);
        let there = |child: &Arc<Job>| child.metadata.deletion_timestamp.is_none();
        let children = self.jobs.state().into_iter().filter(own).filter(there);
        children.filter_map(|child| JobView::of(&child)).collect()
    }

    /// An older job that is under way and writes to the same place.
    pub fn shares_output(&self, job: &TranscodeJob) -> Option<String> {
        let place = |job: &TranscodeJob| {
            let s3 = job.spec.outputs.first()?.s3.clone()?;
            let store = job.spec.stores.iter().find(|store| store.name == s3.store);
            Some((store.and_then(|store| store.s3.endpoint.clone()), s3.bucket, s3.prefix))
        };
        let over = |job: &TranscodeJob| {
            let phase = job.status.as_ref().and_then(|status| status.phase);
            matches!(phase, Some(Phase::Succeeded | Phase::Failed)) && job.metadata.deletion_timestamp.is_none()
        };
        let age = |job: &TranscodeJob| (job.creation_timestamp().map(|time| time.0), job.uid());
        let (own, here) = (age(job), place(job)?);
        let mut others = self.transcode_jobs.state().into_iter();
        let other = others.find(|other| {
            let suspended = other.spec.suspend == Some(true);
            age(other) < own && !suspended && !over(other) && place(other).as_ref() == Some(&here)
        })?;
        Some(self.id(&other))
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

/// Completes for everyone who waits, once. A store's own wait wakes only the last one that waits.
type Ready = Shareable<BoxFuture<'static, ()>>;

/// Watches a namespace, or all, until `stop`.
pub async fn run(shared: Arc<Shared>, namespace: Option<&str>, stop: CancellationToken) {
    let client = shared.client.clone();
    let (transcode_jobs, own_writer) = reflector::store();
    let (jobs, job_writer) = reflector::store();
    let known = shared.clone();
    let own = watcher(api::<TranscodeJob>(&client, namespace), watcher::Config::default())
        .default_backoff()
        .modify(|job| job.managed_fields_mut().clear())
        .reflect(own_writer)
        .inspect_ok(move |event| {
            if let watcher::Event::Delete(job) = event {
                known.forget(&job.uid().unwrap_or_default());
            }
        })
        .applied_objects()
        // A status that was written is no news.
        .predicate_filter(predicates::generation.combine(predicates::finalizers), Default::default());
    let children = watcher(api::<Job>(&client, namespace), watcher::Config::default().labels(SELECTOR))
        .default_backoff()
        .modify(trim)
        .reflect(job_writer)
        .touched_objects();
    let ready = ready(&shared, jobs.clone(), namespace.unwrap_or("all namespaces"));
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
            profiles::<TranscodeProfile>(&client, namespace),
            waiting_for(transcode_jobs.clone(), ProfileKind::TranscodeProfile),
        );
    if shared.args.cluster_profiles {
        let profiles = watcher(Api::<ClusterTranscodeProfile>::all(client.clone()), watcher::Config::default());
        let profiles = profiles.default_backoff().touched_objects();
        controller = controller
            .watches_stream(profiles, waiting_for(transcode_jobs.clone(), ProfileKind::ClusterTranscodeProfile));
    }
    let passes = controller
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            |job, scope: Arc<Scope>| async move {
                scope.ready.clone().await;
                scope.shared.metrics.timed(reconcile(job, scope.clone())).await
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
    let _ready = tokio::spawn(ready);
    tokio::select! {
        () = passes => {}
        () = late => tracing::warn!("passes did not end within {SHUTDOWN:?}; they are done again"),
    }
}

fn ready(shared: &Arc<Shared>, jobs: Store<Job>, watched: &str) -> Ready {
    let (shared, watched) = (shared.clone(), watched.to_owned());
    let ready = async move {
        // An error says that the watch ended; then so does everything else.
        let _ = jobs.wait_until_ready().await;
        tracing::info!(%watched, "watches are ready");
        shared.metrics.ready();
    };
    ready.boxed().shared()
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

fn profiles<K>(
    client: &Client,
    namespace: Option<&str>,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    watcher(api::<K>(client, namespace), watcher::Config::default()).default_backoff().touched_objects()
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
