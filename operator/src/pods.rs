//! Pods, read only where a Job does not say enough: what a task told, why it failed, why it does not
//! start, whether its node is gone.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Event, Pod};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams};
use transcode_contract::{Report, report::MAX_REPORT};
use transcode_engine::{Failure, Summary, Waiting, observe::TaskFailure};

use crate::{error::Error, pod::CONTAINER};

/// Pods in a page.
const PAGE: u32 = 500;
/// Events that are looked through for the words of the kubelet or of an admission.
const EVENTS: u32 = 50;
/// An event of that age tells of something that is over: the kubelet and controllers repeat what lasts.
const OLD: SignedDuration = SignedDuration::from_secs(600);
/// Bytes of the termination messages of a pod, which its containers share
/// (<https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>).
const MESSAGES: usize = 12 * 1024;
/// Reasons of events that need only time.
const PASSING: [&str; 5] =
    ["FailedScheduling", "FailedCreatePodSandBox", "FailedAttachVolume", "NetworkNotReady", "NodeNotReady"];
/// A pod that is still there so long after its grace period is on a node that does not answer.
const LOST: SignedDuration = SignedDuration::from_secs(60);

/// Pods of a Job.
pub async fn of(client: &Client, namespace: &str, job: &str) -> Result<Vec<Pod>, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut list = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}")).limit(PAGE);
    let mut pods = vec![];
    loop {
        let page = api.list(&list).await?;
        pods.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => list = list.continue_token(&token),
            None => return Ok(pods),
        }
    }
}

/// Index of a pod's task in its batch.
pub fn index(pod: &Pod) -> Option<usize> {
    pod.labels().get("batch.kubernetes.io/job-completion-index")?.parse().ok()
}

/// The runner's container: a mesh or a policy may put others beside it, in any order.
fn runner(pod: &Pod) -> Option<&ContainerState> {
    let mut all = pod.status.as_ref()?.container_statuses.iter().flatten();
    all.find(|container| container.name == CONTAINER)?.state.as_ref()
}

fn ended(pod: &Pod) -> Option<&ContainerStateTerminated> {
    runner(pod)?.terminated.as_ref()
}

/// What a pod that ended means, or `None` when it was taken away: that is no failure of its task.
pub fn result(pod: &Pod) -> Option<Result<Vec<Summary>, TaskFailure>> {
    let status = pod.status.as_ref()?;
    let words = status.message.clone().unwrap_or_default();
    let disrupted = status.conditions.iter().flatten().any(|c| c.type_ == "DisruptionTarget" && c.status == "True");
    let fail = |failure, message: String| Some(Err(TaskFailure { failure, message }));
    match status.reason.as_deref() {
        // The kubelet names what there was too little of.
        Some("Evicted") if words.contains("ephemeral") || words.contains("EmptyDir") => {
            return fail(Failure::NoSpace, words);
        }
        Some("DeadlineExceeded") => return fail(Failure::Stuck, format!("the kubelet ended it: {words}")),
        _ if disrupted => return None,
        _ => {}
    }
    let end = ended(pod)?;
    if end.reason.as_deref() == Some("OOMKilled") {
        return fail(Failure::OutOfMemory, "the kernel ended the task: it took more memory than its limit".into());
    }
    let code = end.signal.is_none_or(|signal| signal == 0).then_some(end.exit_code);
    Some(Report::judge(code, end.message.as_deref().map(str::as_bytes), &where_to_look(pod)))
}

/// Where a person finds why a pod left no report.
fn where_to_look(pod: &Pod) -> String {
    let all = pod.spec.iter().map(|spec| {
        let [init, ephemeral] =
            [spec.init_containers.as_ref().map_or(0, Vec::len), spec.ephemeral_containers.as_ref().map_or(0, Vec::len)];
        spec.containers.len() + init + ephemeral
    });
    let (count, name) = (all.sum::<usize>().max(1), pod.name_any());
    match MESSAGES / count {
        room if room < MAX_REPORT => format!(
            "its pod has {count} containers, and the kubelet cuts the report of each at {room} bytes: inject fewer \
             containers into runner pods, or see `kubectl logs {name}`"
        ),
        _ => format!("see `kubectl logs {name}`"),
    }
}

/// When a pod's container ended.
pub fn ended_at(pod: &Pod) -> Timestamp {
    ended(pod).and_then(|end| Some(end.finished_at.as_ref()?.0)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Why a pod is taken for lost: it should have gone long ago, and nobody says that it did.
pub fn lost(pod: &Pod, now: Timestamp) -> Option<TaskFailure> {
    let running =
        pod.status.as_ref().and_then(|s| s.phase.as_deref()).is_none_or(|p| p != "Failed" && p != "Succeeded");
    // The time of deletion has the grace period in it.
    let deleted = pod.meta().deletion_timestamp.as_ref()?.0;
    let gone = running && now.duration_since(deleted) > LOST;
    let node = pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default();
    let message = format!("node {node} does not answer; the task starts again elsewhere");
    gone.then_some(TaskFailure { failure: Failure::Disrupted, message })
}

/// Why a pod does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// For the status.
    pub waiting: Waiting,
    /// Whether waiting can't help: something is missing that nobody makes by itself.
    pub lasting: bool,
}

impl Obstacle {
    fn new(reason: &str, message: &str, lasting: bool) -> Self {
        let message = message.chars().take(900).collect();
        Obstacle { waiting: Waiting { reason: reason.into(), message }, lasting }
    }
}

/// What a pending pod's own status says; `None` when only its events do.
pub fn obstacle(pod: &Pod) -> Option<Obstacle> {
    let status = pod.status.as_ref()?;
    let scheduled = status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(condition) = scheduled {
        let words = condition.message.as_deref().unwrap_or("no node takes the pod");
        return Some(Obstacle::new(condition.reason.as_deref().unwrap_or("Unschedulable"), words, false));
    }
    let waiting = runner(pod)?.waiting.as_ref()?;
    let reason =
        waiting.reason.as_deref().filter(|reason| !matches!(*reason, "ContainerCreating" | "PodInitializing"))?;
    Some(Obstacle::new(reason, waiting.message.as_deref().unwrap_or(reason), true))
}

/// The last warning about an object: a volume that can't be mounted, a pod that was not admitted.
pub async fn warning(client: &Client, namespace: &str, uid: &str, now: Timestamp) -> Result<Option<Obstacle>, Error> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let list = ListParams::default().fields(&format!("involvedObject.uid={uid},type=Warning")).limit(EVENTS);
    let events = api.list(&list).await?.items;
    let last = events.into_iter().filter(|event| now.duration_since(happened(event)) < OLD).max_by_key(happened);
    Ok(last.map(|event| told(&event.reason.unwrap_or_default(), &event.message.unwrap_or_default())))
}

/// When an Event happened last. The scheduler's have no `lastTimestamp`, but a time of their own, and a series when they
/// are repeated.
fn happened(event: &Event) -> Timestamp {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref().map(|time| time.0));
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let own = event.event_time.as_ref().map(|time| time.0);
    series.max(last).or(own).or(event.creation_timestamp().map(|time| time.0)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What a warning means. A quota is raised or comes free again, and a node mends itself; what is forbidden or missing
/// stays so.
fn told(reason: &str, words: &str) -> Obstacle {
    // `failed quota: … must specify limits.cpu`: the words of the API server's quota admission.
    let quota = ["exceeded quota", "failed quota"].iter().any(|kind| words.contains(kind));
    let passes = quota || PASSING.contains(&reason);
    Obstacle::new(if quota { "QuotaExceeded" } else { reason }, words, !passes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use transcode_engine::Failure;

    use super::*;

    fn pod(status: serde_json::Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
    }

    fn terminated(state: serde_json::Value) -> Pod {
        let container = json!({"name": "runner", "image": "", "imageID": "", "ready": false, "restartCount": 0});
        let mut container = container;
        container["state"] = json!({"terminated": state});
        // A mesh's, which still runs.
        let sidecar = json!({"name": "proxy", "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {}}});
        pod(json!({"containerStatuses": [sidecar, container]}))
    }

    fn failure(pod: &Pod) -> Failure {
        result(pod).unwrap().unwrap_err().failure
    }

    #[test]
    fn a_report_counts_only_with_its_exit_code() {
        let report = serde_json::to_string(&Report::failed(Failure::BadInput, "no such file")).unwrap();
        assert_eq!(failure(&terminated(json!({"exitCode": 10, "message": report}))), Failure::BadInput);
        assert_eq!(failure(&terminated(json!({"exitCode": 0, "message": report}))), Failure::Transient);
        assert_eq!(failure(&terminated(json!({"exitCode": 137, "reason": "OOMKilled"}))), Failure::OutOfMemory);
        assert_eq!(failure(&terminated(json!({"exitCode": 1, "message": "garbage"}))), Failure::Transient);
        let done = serde_json::to_string(&Report::done(vec![])).unwrap();
        assert_eq!(result(&terminated(json!({"exitCode": 0, "message": done}))), Some(Ok(vec![])));
    }

    #[test]
    fn a_report_that_the_kubelet_cut_is_told() {
        let message = |containers: usize| {
            let containers = vec![json!({"name": "c"}); containers];
            let mut pod = terminated(json!({"exitCode": 0, "message": "{\"version\":1,\"told\":{\"do"}));
            pod.spec = serde_json::from_value(json!({"containers": containers})).unwrap();
            result(&pod).unwrap().unwrap_err().message
        };
        assert_eq!(message(3), "the runner exited with 0 and left no report; see `kubectl logs p`");
        let expected = "the runner exited with 0 and left no report; its pod has 4 containers, and the kubelet cuts the report of each at 3072 bytes: inject fewer containers into runner pods, or see `kubectl logs p`";
        assert_eq!(message(4), expected);
    }

    #[test]
    fn evictions_are_no_failures_unless_the_disk_was_full() {
        let target = json!([{"type": "DisruptionTarget", "status": "True"}]);
        let evicted = |message: &str| pod(json!({"reason": "Evicted", "message": message, "conditions": target}));
        assert_eq!(result(&evicted("The node was low on resource: memory.")), None);
        let full = "Usage of EmptyDir volume \"scratch\" exceeds the limit \"1Gi\".";
        assert_eq!(failure(&evicted(full)), Failure::NoSpace);
        assert_eq!(failure(&pod(json!({"reason": "DeadlineExceeded"}))), Failure::Stuck);
    }

    #[test]
    fn a_pod_is_lost_a_while_after_its_grace() {
        let deleted: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        let mut pod = pod(json!({"phase": "Running"}));
        assert_eq!(lost(&pod, deleted), None);
        pod.meta_mut().deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(deleted));
        assert_eq!(lost(&pod, deleted), None);
        let later = deleted.checked_add(SignedDuration::from_secs(61)).unwrap();
        assert_eq!(lost(&pod, later).unwrap().failure, Failure::Disrupted);
    }

    #[test]
    fn events_of_the_scheduler_have_times_too() {
        let event = |fields: serde_json::Value| -> Event {
            let mut event = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "involvedObject": {}});
            event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            serde_json::from_value(event).unwrap()
        };
        let scheduler = json!({"eventTime": "2026-01-01T00:00:01.000000Z", "lastTimestamp": null});
        let repeated = json!({"eventTime": "2026-01-01T00:00:01.000000Z",
            "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:04.000000Z"}});
        let kubelet = json!({"lastTimestamp": "2026-01-01T00:00:03Z"});
        let seconds =
            [json!({}), scheduler, kubelet, repeated].map(|e| happened(&event(e)).strftime("%-S").to_string());
        assert_eq!(seconds, ["0", "1", "3", "4"]);
    }

    #[test]
    fn a_quota_is_waited_for() {
        let used =
            "pods \"film-0\" is forbidden: exceeded quota: q, requested: limits.memory=1Gi, used: limits.memory=4Gi";
        let lacking = "pods \"film-0\" is forbidden: failed quota: q: must specify limits.cpu for: runner";
        for words in [used, lacking] {
            let found = told("FailedCreate", words);
            assert_eq!((found.waiting.reason.as_str(), found.lasting), ("QuotaExceeded", false));
            assert_eq!(found.waiting.message, words);
        }
        assert!(told("FailedCreate", "violates PodSecurity \"restricted:latest\"").lasting);
    }

    #[test]
    fn obstacles_are_told_in_the_words_of_kubernetes() {
        let unschedulable = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/2 nodes are available: 2 Insufficient cpu."}]);
        let found = obstacle(&pod(json!({"conditions": unschedulable}))).unwrap();
        assert_eq!((found.waiting.reason.as_str(), found.lasting), ("Unschedulable", false));
        let container = json!([{"name": "runner", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}]);
        assert!(obstacle(&pod(json!({"containerStatuses": container}))).unwrap().lasting);
    }
}
