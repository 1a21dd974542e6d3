//! The pod of a task: what runs, where, with what. Passes Pod Security `restricted`.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapProjection, Container, EmptyDirVolumeSource, EnvVar, EphemeralVolumeSource, KeyToPath,
        LocalObjectReference, PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate, PodSecurityContext, PodSpec,
        PodTemplateSpec, ProjectedVolumeSource, ResourceRequirements, SeccompProfile, SecretProjection,
        SecurityContext, Toleration, Volume, VolumeMount, VolumeProjection, VolumeResourceRequirements,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kube::ResourceExt;
use transcode_api::{PodResources, PodSettings, SecretKeyRef, TaintEffect, TolerationOperator};
use transcode_contract::{JOB_UID, Site};
use transcode_engine::{Batch, ResolvedSpec, StageKind};

use crate::{args::Args, render::Scene};

/// Name of the one container.
pub const CONTAINER: &str = "runner";
/// Where Secrets are, a folder for each.
pub const CREDENTIALS: &str = "/var/run/transcode/credentials";
/// Where the job file and the facts are.
const FILES: &str = "/etc/transcode";
const SCRATCH: &str = "/scratch";
const CERTIFICATES: &str = "/etc/transcode-ca";
/// The runner's user; any but root would do.
const USER: i64 = 65532;
/// A runner stops its children and removes partial files within this.
pub const GRACE_SECONDS: u32 = 30;
/// The kubelet ends a pod so long after the runner should have ended itself.
const BACKSTOP_SECONDS: u32 = 120;

/// How far over its estimate a task's scratch may go.
const SCRATCH_LIMIT_FACTOR: u64 = 4;

/// Keys of a Secret with S3 credentials; the last one is there for temporary ones only.
const SECRET_KEYS: [(&str, bool); 3] = [("accessKeyId", false), ("secretAccessKey", false), ("sessionToken", true)];

/// The pod of every task of a batch, laid over the site's template.
pub fn template(scene: &Scene<'_>, batch: &Batch, labels: BTreeMap<String, String>) -> PodTemplateSpec {
    let base = scene.args.runner_pod_template.clone().unwrap_or_default();
    let mut metadata = base.metadata.unwrap_or_default();
    metadata.labels.get_or_insert_default().extend(labels);
    PodTemplateSpec { metadata: Some(metadata), spec: Some(spec(scene, batch, base.spec.unwrap_or_default())) }
}

fn spec(scene: &Scene<'_>, batch: &Batch, mut base: PodSpec) -> PodSpec {
    let stage = &batch.id.stage;
    let encodes = encodes(stage.kind);
    let scheduling = &scene.seen.file.spec.scheduling;
    let settings = if encodes { &scheduling.encode } else { &scheduling.light };
    let settings = settings.clone().unwrap_or_default();
    let account = scheduling.service_account_name.clone().or_else(|| scene.args.runner_service_account.clone());
    let pull: Vec<_> =
        scene.args.image_pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect();
    let of_runner = base.containers.iter().position(|container| container.name == CONTAINER);
    let runner = container(scene, batch, &settings, of_runner.map(|at| base.containers.remove(at)).unwrap_or_default());
    let mut node_selector = base.node_selector.take().unwrap_or_default();
    node_selector.extend(settings.node_selector.clone().into_iter().flatten());
    PodSpec {
        restart_policy: Some("Never".into()),
        service_account_name: account,
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        // Counts from the pod's start: time in a queue is nobody's fault.
        active_deadline_seconds: Some(i64::from(batch.demand.deadline_seconds.saturating_add(BACKSTOP_SECONDS))),
        termination_grace_period_seconds: Some(i64::from(GRACE_SECONDS)),
        image_pull_secrets: (!pull.is_empty()).then_some(pull),
        // A template may leave the user to the cluster, as OpenShift wants it.
        security_context: base.security_context.take().or_else(|| {
            Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(USER),
                run_as_group: Some(USER),
                fs_group: Some(USER),
                seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
                ..PodSecurityContext::default()
            })
        }),
        node_selector: (!node_selector.is_empty()).then_some(node_selector),
        tolerations: Some(with(base.tolerations.take(), tolerations(&settings, scene.args.lost_node_seconds))),
        priority_class_name: settings.priority_class_name.clone().or(base.priority_class_name.take()),
        containers: with(Some(vec![runner]), std::mem::take(&mut base.containers)),
        volumes: Some(with(base.volumes.take(), volumes(scene, batch, &settings))),
        ..base
    }
}

fn encodes(kind: StageKind) -> bool {
    kind.is_of_chunks() || kind == StageKind::Whole
}

/// A list of the template's, and then the operator's own.
fn with<T>(base: Option<Vec<T>>, own: Vec<T>) -> Vec<T> {
    base.into_iter().flatten().chain(own).collect()
}

fn container(scene: &Scene<'_>, batch: &Batch, settings: &PodSettings, mut base: Container) -> Container {
    let mut command = vec![
        format!("--job={FILES}/job.json"),
        format!("--stage={}", batch.id.stage),
        format!("--tasks={}", batch.tasks),
        format!("--attempt={}", batch.id.number),
        format!("--scratch={SCRATCH}/task"),
        format!("--deadline-seconds={}", batch.demand.deadline_seconds),
        format!("--job-sha256={}", scene.seen.sha256),
        "--keep-log".into(),
    ];
    if let Some(facts) = scene.facts {
        command.push(format!("--facts={FILES}/facts.json"));
        command.push(format!("--facts-sha256={}", facts.sha256));
    }
    if !scene.gaps.is_empty() {
        command.push(format!("--gaps={}", scene.gaps));
    }
    command.extend(site(scene.args).arguments());
    let mut mounts = vec![mount("files", FILES, true), mount("scratch", SCRATCH, false)];
    if !secrets(&scene.seen.file.spec).is_empty() {
        mounts.push(mount("credentials", CREDENTIALS, true));
    }
    if scene.args.ca_config_map.is_some() {
        mounts.push(mount("ca", CERTIFICATES, true));
    }
    Container {
        name: CONTAINER.into(),
        image: Some(scene.seen.image.clone()),
        image_pull_policy: Some(scene.args.runner_pull_policy.name().into()),
        args: Some(command),
        env: Some(with(base.env.take(), env(scene))),
        resources: Some(resources(scene.args, batch, settings)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
            ..base.security_context.take().unwrap_or_default()
        }),
        volume_mounts: Some(with(base.volume_mounts.take(), mounts)),
        ..base
    }
}

/// What this operator allows today, whatever a job was first seen with.
fn site(args: &Args) -> Site {
    Site {
        credentials_dir: Some(CREDENTIALS.into()),
        allow_networks: args.allow.networks.clone(),
        stall_seconds: Some(args.stall_seconds),
        environment_proxy: args.runner_proxy,
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn env(scene: &Scene<'_>) -> Vec<EnvVar> {
    let fixed = [("HOME", SCRATCH), ("TMPDIR", SCRATCH)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let certificates = ("SSL_CERT_FILE".to_owned(), format!("{CERTIFICATES}/ca.crt"));
    let certificates = scene.args.ca_config_map.iter().map(|_| certificates.clone());
    let uid = (JOB_UID.to_owned(), scene.job.uid().unwrap_or_default());
    let all = fixed.into_iter().chain([uid]).chain(certificates).chain(scene.args.runner_env.iter().cloned());
    all.map(|(name, value)| EnvVar { name, value: Some(value), value_from: None }).collect()
}

/// Memory is request and limit alike: a task that takes more is killed alone, and tried with more.
fn resources(args: &Args, batch: &Batch, settings: &PodSettings) -> ResourceRequirements {
    let asked = settings.resources.clone().unwrap_or_default();
    let cpu = asked.cpu.unwrap_or_else(|| if encodes(batch.id.stage.kind) { "1" } else { "250m" }.into());
    let memory = asked.memory.unwrap_or_else(|| format!("{}Mi", batch.demand.memory_mib));
    // A volume of its own takes nothing of the node's disk.
    let scratch = args.scratch_storage_class.is_none().then(|| scratch_size(batch, &settings.resources));
    let quantities = |list: &[(&str, Option<&String>)]| {
        let given = list.iter().filter_map(|(name, value)| Some(((*name).to_owned(), Quantity((*value)?.clone()))));
        given.collect::<BTreeMap<_, _>>()
    };
    ResourceRequirements {
        requests: Some(quantities(&[
            ("cpu", Some(&cpu)),
            ("memory", Some(&memory)),
            ("ephemeral-storage", scratch.as_ref()),
        ])),
        limits: Some(quantities(&[("cpu", asked.cpu_limit.as_ref()), ("memory", Some(&memory))])),
        claims: None,
    }
}

fn scratch_size(batch: &Batch, asked: &Option<PodResources>) -> String {
    let asked = asked.as_ref().and_then(|resources| resources.scratch.clone());
    asked.unwrap_or_else(|| format!("{}Mi", batch.demand.scratch_mib))
}

/// What the user tolerates, and lost nodes only for a while: their tasks start again elsewhere.
fn tolerations(settings: &PodSettings, lost_node_seconds: u32) -> Vec<Toleration> {
    let lost = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map(|key| Toleration {
        key: Some(key.into()),
        operator: Some("Exists".into()),
        effect: Some("NoExecute".into()),
        toleration_seconds: Some(i64::from(lost_node_seconds)),
        value: None,
    });
    let asked = settings.tolerations.iter().flatten().map(|asked| Toleration {
        key: asked.key.clone(),
        operator: asked.operator.map(|operator| {
            match operator {
                TolerationOperator::Equal => "Equal",
                TolerationOperator::Exists => "Exists",
            }
            .into()
        }),
        value: asked.value.clone(),
        effect: asked.effect.map(|effect| {
            match effect {
                TaintEffect::NoSchedule => "NoSchedule",
                TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                TaintEffect::NoExecute => "NoExecute",
            }
            .into()
        }),
        toleration_seconds: None,
    });
    lost.into_iter().chain(asked).collect()
}

fn volumes(scene: &Scene<'_>, batch: &Batch, settings: &PodSettings) -> Vec<Volume> {
    let mut files = vec![config_map(scene.seen.name.clone(), "job.json")];
    files.extend(scene.facts.map(|facts| config_map(facts.name.clone(), "facts.json")));
    let mut volumes = vec![projected("files", files), scratch(scene, batch, settings)];
    let secrets = secrets(&scene.seen.file.spec);
    if !secrets.is_empty() {
        volumes.push(projected("credentials", secrets.into_iter().flat_map(SecretUse::sources).collect()));
    }
    if let Some(name) = &scene.args.ca_config_map {
        volumes.push(projected("ca", vec![config_map(name.clone(), "ca.crt")]));
    }
    volumes
}

fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    let source = ProjectedVolumeSource { default_mode: Some(0o440), sources: Some(sources) };
    Volume { name: name.into(), projected: Some(source), ..Volume::default() }
}

fn config_map(name: String, key: &str) -> VolumeProjection {
    let items = Some(vec![KeyToPath { key: key.into(), path: key.into(), mode: None }]);
    VolumeProjection {
        config_map: Some(ConfigMapProjection { name, items, optional: None }),
        ..VolumeProjection::default()
    }
}

/// Keys of a Secret that a job needs.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretUse<'a> {
    /// The Secret.
    pub name: &'a str,
    /// The field of the job's spec that names it.
    pub field: &'static str,
    /// The key with the source's URL; none for the keys of a store.
    url: Option<&'a str>,
}

impl SecretUse<'_> {
    /// Only these keys: whatever else a Secret holds never reaches a pod.
    fn sources(self) -> impl Iterator<Item = VolumeProjection> {
        let SecretUse { name, url, .. } = self;
        let of_store = SECRET_KEYS.into_iter().filter(move |_| url.is_none());
        url.map(|key| (key, false)).into_iter().chain(of_store).map(move |(key, optional)| VolumeProjection {
            secret: Some(SecretProjection {
                name: name.into(),
                items: Some(vec![KeyToPath { key: key.into(), path: format!("{name}/{key}"), mode: None }]),
                optional: optional.then_some(true),
            }),
            ..VolumeProjection::default()
        })
    }
}

/// What a job's own input and output need of Secrets, each once.
pub fn secrets(spec: &ResolvedSpec) -> Vec<SecretUse<'_>> {
    let used = [spec.input.s3.as_ref().map(|s3| &s3.store), spec.output.s3.as_ref().map(|s3| &s3.store)];
    let stores = spec.stores.iter().filter(|store| used.contains(&Some(&store.name)));
    let names = stores.filter_map(|store| Some(store.credentials.as_ref()?.secret_ref.name.as_str()));
    let of_stores = names.map(|name| SecretUse { name, field: "stores", url: None });
    let url = spec.input.http.as_ref().and_then(|http| http.url_secret_ref.as_ref());
    let of_url = url.map(|SecretKeyRef { name, key }| SecretUse { name, field: "inputs", url: Some(key) });
    let mut all: Vec<_> = of_stores.chain(of_url).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Room for partial files: on the node's disk, or a volume of its own.
fn scratch(scene: &Scene<'_>, batch: &Batch, settings: &PodSettings) -> Volume {
    let size = Quantity(scratch_size(batch, &settings.resources));
    let name = "scratch".to_owned();
    let Some(class) = &scene.args.scratch_storage_class else {
        // The limit guards the node against a runner that went mad; what is over it is evicted.
        let limit = batch.demand.scratch_mib.saturating_mul(SCRATCH_LIMIT_FACTOR);
        let limit = settings.resources.as_ref().and_then(|r| r.scratch.clone()).unwrap_or_else(|| format!("{limit}Mi"));
        let empty = EmptyDirVolumeSource { size_limit: Some(Quantity(limit)), medium: None };
        return Volume { name, empty_dir: Some(empty), ..Volume::default() };
    };
    let claim = PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".into()]),
        storage_class_name: Some(class.clone()),
        resources: Some(VolumeResourceRequirements {
            requests: Some(BTreeMap::from([("storage".into(), size)])),
            limits: None,
        }),
        ..PersistentVolumeClaimSpec::default()
    };
    let template = PersistentVolumeClaimTemplate { metadata: None, spec: claim };
    Volume {
        name,
        ephemeral: Some(EphemeralVolumeSource { volume_claim_template: Some(template) }),
        ..Volume::default()
    }
}
