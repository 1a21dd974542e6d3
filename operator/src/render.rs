//! A batch of tasks as an Indexed Job. Pure: the same batch is always the same object.

use k8s_openapi::{
    api::batch::v1::{
        Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
        PodFailurePolicyRule,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::ResourceExt;
use transcode_api::TranscodeJob;
use transcode_contract::ExitCode;
use transcode_engine::{Batch, Failure, TaskSet};

use crate::{
    args::Args,
    files::{Kept, Seen},
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
    pub seen: &'a Seen,
    /// The facts; none before Probe.
    pub facts: Option<&'a Kept>,
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
    let template = pod::template(scene, batch, labels.clone());
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
            template,
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

/// A runner of another version does not know its arguments (clap's own exit code).
const WRONG_ARGUMENTS: i32 = 2;

/// In order: what a node does to a pod is no failure, nor is a runner that was told to stop; what no
/// retry can mend ends the whole batch; anything else fails its task.
fn failure_policy() -> PodFailurePolicy {
    let codes = |action: &str, values: &[i32]| PodFailurePolicyRule {
        action: action.into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(pod::CONTAINER.into()),
            operator: "In".into(),
            values: values.to_vec(),
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
    let code = |failure: Failure| ExitCode::of(&failure) as i32;
    let mended_by_nothing =
        [WRONG_ARGUMENTS, code(Failure::BadInput), code(Failure::Misconfigured), code(Failure::Unverified)];
    let rules = vec![disrupted, codes("Ignore", &[code(Failure::Disrupted)]), codes("FailJob", &mended_by_nothing)];
    PodFailurePolicy { rules }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;
    use transcode_contract::JobFile;
    use transcode_engine::{BatchId, Demand, StageId, StageKind, resolve};

    use super::*;

    fn transcode_job(scheduling: serde_json::Value) -> TranscodeJob {
        let job = json!({
            "apiVersion": "transcode.media/v1alpha1", "kind": "TranscodeJob",
            "metadata": {"name": "movie-42", "namespace": "media", "uid": "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"},
            "spec": {
                "stores": [
                    {"name": "raw", "s3": {"endpoint": "https://s3.example"}, "credentials": {"secretRef": {"name": "raw-keys"}}},
                    {"name": "vod", "s3": {}, "credentials": {"secretRef": {"name": "vod-keys"}}},
                    {"name": "unused", "s3": {}, "credentials": {"secretRef": {"name": "other-keys"}}},
                ],
                "inputs": [{"name": "main", "s3": {"store": "raw", "bucket": "raw", "key": "movie.mov"}}],
                "outputs": [{"name": "main", "s3": {"store": "vod", "bucket": "vod", "prefix": "movies/42"}}],
                "scheduling": scheduling,
            },
        });
        serde_json::from_value(job).unwrap()
    }

    fn rendered(flags: &[&str], job: &TranscodeJob, stage: StageId, tasks: &str, gaps: &str) -> Job {
        let flags = ["transcode-operator", "--runner-image=registry.example/runner:1"].iter().chain(flags);
        let args = Args::try_parse_from(flags).unwrap();
        let file = JobFile { version: 1, spec: resolve(job, &[]).unwrap() };
        let seen = Seen::new(Names::of(job).job_file(), file, &args.runner_image);
        let kept = Kept { name: "movie-42-0a1b2c3d-facts-0123456789".into(), sha256: "f".repeat(64) };
        let (facts, gaps) = ((stage.kind != StageKind::Probe).then_some(&kept), gaps.parse().unwrap());
        let scene = Scene { args: &args, job, seen: &seen, facts, gaps: &gaps };
        let demand = Demand { memory_mib: 512, scratch_mib: 256, deadline_seconds: 1800 };
        let number = u32::from(tasks.contains(',')) * 3;
        super::job(&scene, &Batch { id: BatchId { stage, number }, tasks: tasks.parse().unwrap(), cap: 2, demand })
    }

    #[test]
    fn every_stage_has_its_job() {
        let job = transcode_job(json!({}));
        for kind in StageKind::ALL {
            let stage = match kind {
                StageKind::FirstPass | StageKind::Encode | StageKind::Merge => StageId::rendition(kind, "720p"),
                _ => StageId::job(kind),
            };
            let tasks = if kind.is_of_chunks() { "0-3" } else { "0" };
            insta::assert_yaml_snapshot!(kind.name(), rendered(&[], &job, stage, tasks, ""));
        }
    }

    #[test]
    fn a_batch_of_retries_has_the_tasks_that_failed() {
        let job = transcode_job(json!({}));
        insta::assert_yaml_snapshot!(rendered(&[], &job, StageId::rendition(StageKind::Encode, "720p"), "3,7-9", "5"));
    }

    #[test]
    fn everything_that_can_be_asked_for() {
        let job = transcode_job(json!({
            "serviceAccountName": "media",
            "encode": {
                "nodeSelector": {"pool": "video"},
                "tolerations": [{"key": "video", "operator": "Exists", "effect": "NoSchedule"}],
                "priorityClassName": "batch",
                "resources": {"cpu": "2", "memory": "4Gi", "scratch": "20Gi"},
            },
        }));
        let flags = [
            "--image-pull-secret=registry",
            "--ca-config-map=authorities",
            "--runner-env=TRANSCODE_LOG=debug",
            "--scratch-storage-class=fast",
            "--runner-pull-policy=Always",
            "--lost-node-seconds=30",
        ];
        insta::assert_yaml_snapshot!(rendered(&flags, &job, StageId::job(StageKind::Encode), "0-1", ""));
    }

    #[test]
    fn a_site_has_a_template_of_its_own() {
        let template = tempfile::NamedTempFile::new().unwrap();
        let text = "metadata: {labels: {team: media, transcode.media/stage: x}, annotations: {sidecar.istio.io/inject: \"false\"}}
spec:
  runtimeClassName: gvisor
  nodeSelector: {kubernetes.io/arch: arm64}
  securityContext: {runAsNonRoot: true}
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway}]
  volumes: [{name: fonts, configMap: {name: fonts}}]
  restartPolicy: Always
  containers: [{name: runner, image: other, volumeMounts: [{name: fonts, mountPath: /usr/share/fonts/site}]}]";
        std::fs::write(&template, text).unwrap();
        let flag = format!("--runner-pod-template={}", template.path().display());
        let job = transcode_job(json!({"encode": {"nodeSelector": {"pool": "video"}, "resources": {"cpuLimit": "4"}}}));
        insta::assert_yaml_snapshot!(
            rendered(&[&flag], &job, StageId::job(StageKind::Encode), "0", "").spec.unwrap().template
        );
    }

    #[test]
    fn parallelism_never_equals_completions() {
        assert_eq!((parallelism(1, 1), parallelism(4, 4), parallelism(2, 4)), (1, 5, 2));
    }
}
