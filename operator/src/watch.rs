//! The watches of one namespace or of all, and the passes that they cause.

use std::{any::Any, collections::HashSet, fmt::Debug, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{batch::v1::Job, core::v1::PodTemplateSpec};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        Controller, Predicate, WatchStreamExt,
        controller::{Action, Config},
        events::EventType,
        predicates, reflector,
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use transcode_api::{ClusterTranscodeProfile, ProfileKind, TranscodeJob, TranscodeProfile, status::Phase};

use crate::{
    error::Error,
    index::Index,
    load::shrink,
    names::{self, SELECTOR},
    operator::{Scope, Shared},
    places::Place,
    reconcile::{Pass, reconcile},
    turns::has_begun,
};

/// Passes that run may take so long to end when the process is told to.
const SHUTDOWN: Duration = Duration::from_secs(15);
/// Changes that come together are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// Failures of passes over a job, one after the other, before an Event tells of them.
const TOLD_AFTER: u32 = 2;

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
    let ready = Ready::default();
    let by_place = Arc::new(Index::new(transcode_jobs.clone(), |job: &TranscodeJob| {
        Some(Place::new(job.spec.outputs.first()?, &job.spec.stores)?.key())
    }));
    let by_owner = Arc::new(Index::new(jobs, |child: &Job| child.labels().get(names::JOB_UID).cloned()));
    let own = own(&shared, namespace, own_writer, by_place.clone(), ready.transcode_jobs.clone());
    let children = children(&client, namespace, job_writer, by_owner.clone(), ready.jobs.clone());
    let scope = Arc::new(Scope { shared: shared.clone(), transcode_jobs: transcode_jobs.clone(), by_place, by_owner });
    let mut controller = Controller::for_stream(own, transcode_jobs.clone())
        .with_config(Config::default().concurrency(shared.args.concurrency).debounce(DEBOUNCE))
        .watches_stream(children, |child: Job| parent(&child))
        .reconcile_on(turns(&shared, namespace))
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
    let all_shown = ready.clone();
    let passes = controller
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            move |job, scope: Arc<Scope>| {
                let ready = all_shown.clone();
                async move {
                    // Without every Job, a batch might be started twice.
                    ready.wait().await;
                    scope.shared.metrics.timed(pass(job, scope.clone())).await
                }
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

/// TranscodeJobs whose spec or finalizers changed. `shown` is cancelled once all were listed.
fn own(
    shared: &Arc<Shared>,
    namespace: Option<&str>,
    writer: Writer<TranscodeJob>,
    by_place: Arc<Index<TranscodeJob>>,
    shown: CancellationToken,
) -> impl Stream<Item = Result<TranscodeJob, watcher::Error>> + Send + 'static {
    let (known, mut uids) = (shared.clone(), Shown::default());
    readable(api::<DeserializeGuard<TranscodeJob>>(&shared.client, namespace), shared)
        .modify(shrink)
        .reflect(writer)
        .inspect_ok(move |event| {
            by_place.follow(event);
            uids.gone(event).iter().for_each(|uid| known.forget(uid));
            if let watcher::Event::InitApply(job) = event
                && has_begun(job)
            {
                known.turns.hold(job);
            }
            if matches!(event, watcher::Event::InitDone) {
                shown.cancel();
            }
        })
        .applied_objects()
        // A status that was written is no news.
        .predicate_filter(predicates::generation.combine(predicates::finalizers), Default::default())
}

/// Jobs that this operator made. `shown` is cancelled once all were listed.
fn children(
    client: &Client,
    namespace: Option<&str>,
    writer: Writer<Job>,
    by_owner: Arc<Index<Job>>,
    shown: CancellationToken,
) -> impl Stream<Item = Result<Job, watcher::Error>> + Send + 'static {
    watcher(api::<Job>(client, namespace), watcher::Config::default().labels(SELECTOR))
        .default_backoff()
        .modify(trim)
        .reflect(writer)
        .inspect_ok(move |event| {
            by_owner.follow(event);
            if matches!(event, watcher::Event::InitDone) {
                shown.cancel();
            }
        })
        .touched_objects()
}

/// Jobs of a namespace, or of all, whose turn has come.
fn turns(shared: &Shared, namespace: Option<&str>) -> impl Stream<Item = ObjectRef<TranscodeJob>> + Send + 'static {
    let (announced, namespace) = (shared.turns.announced(), namespace.map(str::to_owned));
    let next = |mut announced: UnboundedReceiver<_>| async { announced.recv().await.map(|job| (job, announced)) };
    stream::unfold(announced, next).filter(move |job: &ObjectRef<TranscodeJob>| {
        std::future::ready(namespace.is_none() || job.namespace == namespace)
    })
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
            // Others need not wait for it; a pass that goes well takes the turn again.
            scope.shared.turns.leave(&uid);
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
    let name = child.annotations().get(names::PARENT)?;
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
