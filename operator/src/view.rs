//! A batch as its Job tells it. Pure.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use transcode_engine::{BatchId, TaskSet};

use crate::names::{BATCH, TASKS};

/// What a Job says of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// The batch.
    pub id: BatchId,
    /// The Job's name.
    pub name: String,
    /// The Job's UID.
    pub uid: String,
    /// Its tasks.
    pub tasks: TaskSet,
    /// Tasks that succeeded.
    pub succeeded: TaskSet,
    /// Tasks that failed.
    pub failed: TaskSet,
    /// The Job ended, and why if it failed. `SuccessCriteriaMet` and `FailureTarget` are only signs of it.
    pub over: Option<Over>,
    /// Pods that are neither ended nor going.
    pub active: u32,
    /// Pods that run.
    pub ready: u32,
    /// Pods that are going.
    pub terminating: u32,
    /// Pods at a time.
    pub parallelism: u32,
    /// It is being deleted.
    pub going: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// Every index succeeded.
    Complete,
    /// With these words of the Job controller.
    Failed(String),
}

impl JobView {
    /// Reads a Job; none when it is no batch of ours.
    pub fn of(job: &Job) -> Option<Self> {
        let annotation = |name: &str| job.annotations().get(name);
        let id = annotation(BATCH)?.parse().ok()?;
        let tasks: TaskSet = annotation(TASKS)?.parse().ok()?;
        let status = job.status.clone().unwrap_or_default();
        let list: Vec<u32> = tasks.iter().collect();
        // Indexes are written as `0,2-4`, the way task sets are; index n is the n-th task.
        let at = |indexes: Option<String>| -> TaskSet {
            let indexes: TaskSet = indexes.and_then(|text| text.parse().ok()).unwrap_or_default();
            indexes.iter().filter_map(|index| list.get(index as usize).copied()).collect()
        };
        let (succeeded, failed) = (at(status.completed_indexes), at(status.failed_indexes));
        let condition = |kind: &str| {
            let mut all = status.conditions.iter().flatten();
            all.find(|condition| condition.type_ == kind && condition.status == "True")
        };
        let over = match (condition("Complete"), condition("Failed")) {
            (Some(_), _) => Some(Over::Complete),
            (_, Some(failed)) => Some(Over::Failed(failed.message.clone().unwrap_or_default())),
            _ => None,
        };
        let count = |value: Option<i32>| value.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
        Some(JobView {
            id,
            name: job.name_any(),
            uid: job.uid()?,
            tasks,
            succeeded,
            failed,
            over,
            active: count(status.active),
            ready: count(status.ready),
            terminating: count(status.terminating),
            parallelism: count(job.spec.as_ref().and_then(|spec| spec.parallelism)),
            going: job.metadata.deletion_timestamp.is_some(),
            created: job.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        })
    }

    /// Whether a pod of it runs or ran.
    pub fn has_run(&self) -> bool {
        self.ready > 0 || !self.succeeded.is_empty() || !self.failed.is_empty()
    }

    /// Tasks of which the Job tells no end.
    pub fn open(&self) -> TaskSet {
        let mut open = self.tasks.clone();
        open.subtract(&self.succeeded);
        open.subtract(&self.failed);
        open
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::{
        api::batch::v1::{JobCondition, JobStatus},
        apimachinery::pkg::apis::meta::v1::ObjectMeta,
    };

    use super::*;

    fn job(status: JobStatus) -> Job {
        let annotations = [(BATCH, "encode-720p.2"), (TASKS, "3,7-9")];
        let annotations: BTreeMap<_, _> = annotations.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let metadata = ObjectMeta { annotations: Some(annotations), uid: Some("u".into()), ..ObjectMeta::default() };
        Job { metadata, status: Some(status), ..Job::default() }
    }

    fn condition(kind: &str) -> Option<Vec<JobCondition>> {
        Some(vec![JobCondition { type_: kind.into(), status: "True".into(), ..JobCondition::default() }])
    }

    #[test]
    fn indexes_are_places_among_the_tasks() {
        let status = JobStatus {
            completed_indexes: Some("0,2".into()),
            failed_indexes: Some("3".into()),
            ..JobStatus::default()
        };
        let view = JobView::of(&job(status)).unwrap();
        assert_eq!((view.succeeded.to_string(), view.failed.to_string()), ("3,8".into(), "9".into()));
        assert_eq!(view.open().to_string(), "7");
        assert_eq!(view.id.to_string(), "encode-720p.2");
    }

    #[test]
    fn only_complete_and_failed_are_the_end() {
        let over = |kind: &str| {
            let status = JobStatus { conditions: condition(kind), ..JobStatus::default() };
            JobView::of(&job(status)).unwrap().over
        };
        assert_eq!((over("SuccessCriteriaMet"), over("FailureTarget")), (None, None));
        assert_eq!((over("Complete"), over("Failed")), (Some(Over::Complete), Some(Over::Failed(String::new()))));
    }

    #[test]
    fn a_job_with_strange_annotations_is_none_of_ours() {
        let mut strange = job(JobStatus::default());
        strange.annotations_mut().insert(TASKS.into(), "0-4000000000".into());
        assert_eq!(JobView::of(&strange), None);
    }
}
