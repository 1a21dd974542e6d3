//! Which pod is which task. A batch of tasks is an Indexed Job; its annotations say which stage and
//! tasks it is of, and index n is the n-th of those.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerState, Pod},
};
use kube::ResourceExt;
use transcode_contract::{Report, report::Told};
use transcode_engine::{BatchId, TaskSet};

/// Annotation of a Job: its batch, such as `encode-720p.0`.
const BATCH: &str = "transcode.media/batch";
/// Annotation of a Job: its tasks, such as `0-3,7`.
const TASKS: &str = "transcode.media/tasks";
/// Label of a pod: its Job.
const JOB: &str = "batch.kubernetes.io/job-name";
/// Label of a pod: its index.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A batch as its Job tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    id: BatchId,
    tasks: TaskSet,
}

impl Batch {
    /// Reads a Job; none when it is no batch.
    pub fn of(job: &Job) -> Option<Self> {
        let annotation = |name: &str| job.annotations().get(name);
        Some(Batch { id: annotation(BATCH)?.parse().ok()?, tasks: annotation(TASKS)?.parse().ok()? })
    }
}

/// Batches by the names of their Jobs.
pub type Batches = BTreeMap<String, Batch>;

/// The name of a pod's Job.
pub fn job_of(pod: &Pod) -> Option<&str> {
    pod.labels().get(JOB).map(String::as_str)
}

/// A task: `encode-720p chunk 3`, `audio`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    /// The stage's name.
    pub stage: String,
    /// Its chunk; none where there is but one task.
    pub chunk: Option<u32>,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.chunk {
            Some(chunk) => write!(f, "{} chunk {chunk}", self.stage),
            None => f.write_str(&self.stage),
        }
    }
}

/// How a pod stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has not begun.
    Waiting,
    /// It runs.
    Running,
    /// Its task is done.
    Succeeded,
    /// Its task failed, or it was taken away.
    Failed,
}

impl State {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            State::Waiting => "Waiting",
            State::Running => "Running",
            State::Succeeded => "Succeeded",
            State::Failed => "Failed",
        }
    }
}

/// A pod that runs, or ran, a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPod {
    /// The pod's name.
    pub pod: String,
    /// Its task.
    pub task: Task,
    /// Which attempt: the number of its batch. Tasks that fail together are tried again together, so a
    /// task's numbers may leave some out.
    pub attempt: u32,
    /// How it stands.
    pub state: State,
    /// Why it failed, or doesn't begin.
    pub why: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

impl TaskPod {
    /// Reads a pod; none when its batch isn't known.
    pub fn of(pod: &Pod, batches: &Batches) -> Option<Self> {
        let batch = batches.get(job_of(pod)?)?;
        let index: usize = pod.labels().get(INDEX)?.parse().ok()?;
        let task = batch.tasks.iter().nth(index)?;
        let chunk = batch.id.stage.kind.is_of_chunks().then_some(task);
        let status = pod.status.clone().unwrap_or_default();
        let container = status.container_statuses.iter().flatten().next().and_then(|c| c.state.clone());
        let state = match status.phase.as_deref() {
            Some("Running") => State::Running,
            Some("Succeeded") => State::Succeeded,
            Some("Failed") => State::Failed,
            _ => State::Waiting,
        };
        let of_pod = status.message.clone().or_else(|| status.reason.clone());
        let ended = container.as_ref().and_then(|c| c.terminated.as_ref()?.finished_at.as_ref()).map(|time| time.0);
        Some(TaskPod {
            pod: pod.name_any(),
            task: Task { stage: batch.id.stage.to_string(), chunk },
            attempt: batch.id.number,
            why: match state {
                State::Failed => of_pod.or_else(|| container.as_ref().and_then(failure)),
                State::Waiting => container.as_ref().and_then(obstacle).or_else(|| unscheduled(pod)).or(of_pod),
                State::Running | State::Succeeded => None,
            },
            state,
            created: pod.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            ended,
        })
    }
}

/// What a runner told, or its exit code.
fn failure(container: &ContainerState) -> Option<String> {
    let end = container.terminated.as_ref()?;
    match end.message.as_deref().and_then(|message| Report::read(message.as_bytes())).map(|report| report.told) {
        Some(Told::Failed(failed)) => Some(format!("{}: {}", failed.failure.reason(), failed.message)),
        _ => match end.reason.as_deref() {
            Some(reason @ ("OOMKilled" | "ContainerStatusUnknown")) => Some(reason.into()),
            _ => Some(format!("exit code {}", end.exit_code)),
        },
    }
}

fn obstacle(container: &ContainerState) -> Option<String> {
    let waiting = container.waiting.as_ref()?;
    let reason = waiting.reason.clone().unwrap_or_default();
    Some(waiting.message.as_ref().map_or_else(|| reason.clone(), |message| format!("{reason}: {message}")))
}

fn unscheduled(pod: &Pod) -> Option<String> {
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    conditions.find(|c| c.type_ == "PodScheduled" && c.status == "False")?.message.clone()
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;

    fn batch() -> Batches {
        let annotations = json!({BATCH: "encode-720p.1", TASKS: "3,7-9"});
        let job: Job = serde_json::from_value(json!({"metadata": {"name": "j", "annotations": annotations}})).unwrap();
        BTreeMap::from([("j".to_owned(), Batch::of(&job).unwrap())])
    }

    fn pod(index: &str, status: serde_json::Value) -> Pod {
        let labels = json!({JOB: "j", INDEX: index});
        serde_json::from_value(json!({"metadata": {"name": "p", "labels": labels}, "status": status})).unwrap()
    }

    fn container(state: serde_json::Value) -> serde_json::Value {
        json!([{"name": "runner", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}])
    }

    #[test]
    fn an_index_is_a_place_among_the_batch_s_tasks() {
        let found = TaskPod::of(&pod("2", json!({"phase": "Running"})), &batch()).unwrap();
        assert_eq!((found.task.to_string(), found.attempt), ("encode-720p chunk 8".into(), 1));
        assert_eq!(TaskPod::of(&pod("4", json!({})), &batch()), None);
        assert_eq!(TaskPod::of(&pod("0", json!({})), &BTreeMap::new()), None);
    }

    #[test]
    fn a_failure_is_told_as_the_runner_told_it() {
        let report = Report::failed(transcode_engine::Failure::NoSpace, "the disk is full");
        let report = serde_json::to_string(&report).unwrap();
        let told = container(json!({"terminated": {"exitCode": 16, "message": report}}));
        let why = |status| TaskPod::of(&pod("0", status), &batch()).unwrap().why;
        assert_eq!(
            why(json!({"phase": "Failed", "containerStatuses": told})).as_deref(),
            Some("NoSpace: the disk is full")
        );
        let killed = container(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}));
        assert_eq!(why(json!({"phase": "Failed", "containerStatuses": killed})).as_deref(), Some("OOMKilled"));
        let conditions = json!([{"type": "PodScheduled", "status": "False", "message": "no room"}]);
        assert_eq!(why(json!({"phase": "Pending", "conditions": conditions})).as_deref(), Some("no room"));
    }
}
