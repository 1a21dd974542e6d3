//! A batch of tasks as an Indexed Job. Pure: the same batch is always the same object.

use k8s_openapi::{
    api::{
        batch::v1::{
            Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
            PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
        },
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::ResourceExt;
use transcode_api::TranscodeJob;
use transcode_contract::ExitCode;
use transcode_engine::{Batch, Failure, ResolvedSpec, TaskSet};

use crate::{
    args::Args,
    names::{self, BATCH, Names, PARENT, TASKS},
    pod,
};

/// Everything that a Job is made of besides its batch.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The operator's settings.
    pub args: &'a Args,
    /// The owner.
    pub job: &'a TranscodeJob,
    /// The job as it was first seen.
    pub spec: &'a ResolvedSpec,
    /// The runner's image, as it was then.
    pub image: &'a str,
    /// The ConfigMap with the facts; none before Probe.
    pub facts: Option<&'a str>,
    /// Chunks that are gaps in every rendition.
    pub gaps: &'a TaskSet,
}

/// The Job of a batch.
pub fn job(scene: &Scene<'_>, batch: &Batch) -> Job {
    let names = Names::of(scene.job);
    let labels = names.stage_labels(&batch.id.stage);
    let annotations = [(BATCH, batch.id.to_string()), (TASKS, batch.tasks.to_string()), (PARENT, scene.job.name_any())];
    let annotations = annotations.map(|(name, value)| (name.to_owned(), value)).into();
    let tasks = i32::try_from(batch.tasks.len()).unwrap_or(i32::MAX);
    let pod = ObjectMeta { labels: Some(labels.clone()), ..ObjectMeta::default() };
    Job {
        metadata: ObjectMeta {
            annotations: Some(annotations),
            ..names::owned(scene.job, names.batch(&batch.id), labels)
        },
        spec: Some(JobSpec {
            completion_mode: Some("Indexed".into()),
            completions: Some(tasks),
            parallelism: Some(parallelism(batch.cap, batch.tasks.len())),
            // Every retry is the engine's: a Job's own waits are fixed and hold a slot meanwhile.
            backoff_limit_per_index: Some(0),
            max_failed_indexes: Some(tasks),
            pod_failure_policy: Some(failure_policy()),
            template: PodTemplateSpec { metadata: Some(pod), spec: Some(pod::spec(scene, batch)) },
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// Pods at a time. Never as many as there are tasks, unless it is one: an Indexed Job whose
/// parallelism equals its completions may be scheduled all or nothing (gang scheduling, Kubernetes
/// 1.36), and chunks need no company.
pub fn parallelism(cap: u32, tasks: u32) -> i32 {
    let cap = if cap == tasks && tasks > 1 { tasks + 1 } else { cap };
    i32::try_from(cap).unwrap_or(i32::MAX)
}

/// In order: what a node does to a pod is no failure, nor is a runner that was told to stop; what no
/// retry can mend ends the whole batch; anything else fails its task.
fn failure_policy() -> PodFailurePolicy {
    let codes = |action: &str, failures: &[Failure]| PodFailurePolicyRule {
        action: action.into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(pod::CONTAINER.into()),
            operator: "In".into(),
            values: failures.iter().map(|failure| ExitCode::of(failure) as i32).collect(),
        }),
        on_pod_conditions: None,
    };
    let disrupted = PodFailurePolicyRule {
        action: "Ignore".into(),
        on_exit_codes: None,
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".into(),
            status: "True".into(),
        }]),
    };
    PodFailurePolicy {
        rules: vec![
            disrupted,
            codes("Ignore", &[Failure::Disrupted]),
            codes("FailJob", &[Failure::BadInput, Failure::Misconfigured, Failure::Unverified]),
        ],
    }
}
