//! Flags and environment.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, ValueEnum};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{allow::Allow, turns::Limits};

/// Runs TranscodeJobs on a Kubernetes cluster.
#[derive(Debug, Clone, Parser)]
#[command(name = "transcode-operator", version)]
pub struct Args {
    /// Namespace whose TranscodeJobs are run; may be given several times. Default: all of them.
    #[arg(
        long = "watch-namespace",
        value_name = "NAMESPACE",
        env = "TRANSCODE_WATCH_NAMESPACES",
        value_delimiter = ','
    )]
    pub watch_namespaces: Vec<String>,
    /// Read ClusterTranscodeProfiles; needs a ClusterRole.
    #[arg(long, env = "TRANSCODE_CLUSTER_PROFILES", default_value_t = true, action = clap::ArgAction::Set)]
    pub cluster_profiles: bool,
    /// Image of the job-runner.
    #[arg(long, value_name = "IMAGE", env = "TRANSCODE_RUNNER_IMAGE")]
    pub runner_image: String,
    /// When the image is pulled.
    #[arg(long, value_enum, env = "TRANSCODE_RUNNER_PULL_POLICY", default_value_t = PullPolicy::IfNotPresent)]
    pub runner_pull_policy: PullPolicy,
    /// Secret of the job's namespace with the registry's credentials; may be given several times.
    #[arg(
        long = "image-pull-secret",
        value_name = "NAME",
        env = "TRANSCODE_IMAGE_PULL_SECRETS",
        value_delimiter = ','
    )]
    pub image_pull_secrets: Vec<String>,
    /// ServiceAccount of runner pods, in the job's namespace. Its token is never mounted. Default: `default`.
    #[arg(long, value_name = "NAME", env = "TRANSCODE_RUNNER_SERVICE_ACCOUNT")]
    pub runner_service_account: Option<String>,
    /// What a job may ask for.
    #[command(flatten)]
    pub allow: Allow,
    /// ConfigMap of the job's namespace whose `ca.crt` has the certificates that runners trust.
    #[arg(long, value_name = "NAME", env = "TRANSCODE_CA_CONFIG_MAP")]
    pub ca_config_map: Option<String>,
    /// Variable for runners, such as TRANSCODE_LOG=debug; may be given several times.
    #[arg(long = "runner-env", value_name = "NAME=VALUE", value_parser = variable)]
    pub runner_env: Vec<(String, String)>,
    /// Runners follow HTTPS_PROXY, HTTP_PROXY and NO_PROXY of --runner-env. The proxy then resolves names, and has to
    /// refuse what must not be reached.
    #[arg(long, env = "TRANSCODE_RUNNER_PROXY")]
    pub runner_proxy: bool,
    /// YAML file with a PodTemplateSpec that runner pods start from: labels, annotations, volumes, a runtime class. The
    /// operator's own fields take precedence, except for the pod's security context.
    #[arg(long, value_name = "FILE", env = "TRANSCODE_RUNNER_POD_TEMPLATE", value_parser = pod_template)]
    pub runner_pod_template: Option<PodTemplateSpec>,
    /// YAML file in the form of a profile's spec: what holds where neither profile nor job says otherwise.
    #[arg(long, value_name = "FILE", env = "TRANSCODE_DEFAULTS")]
    pub defaults: Option<PathBuf>,
    /// StorageClass for scratch volumes. Default: the node's own disk.
    #[arg(long, value_name = "NAME", env = "TRANSCODE_SCRATCH_STORAGE_CLASS")]
    pub scratch_storage_class: Option<String>,
    /// How many jobs run at a time.
    #[command(flatten)]
    pub limits: Limits,
    /// Tasks at a time of a job that doesn't say.
    #[arg(long, env = "TRANSCODE_MAX_PARALLEL", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_parallel: u32,
    /// A job estimated at fewer CPU seconds runs in one pod after its probe, unless it says how tasks are cut; 0: none.
    #[arg(long, env = "TRANSCODE_WHOLE_BELOW_SECONDS", default_value_t = 60)]
    pub whole_below_seconds: u32,
    /// Seconds after which pods leave a node that is not ready.
    #[arg(long, env = "TRANSCODE_LOST_NODE_SECONDS", default_value_t = 60)]
    pub lost_node_seconds: u32,
    /// Seconds that a pod may take to start when its image or its Secret is missing.
    #[arg(long, env = "TRANSCODE_START_SECONDS", default_value_t = 300)]
    pub start_seconds: u32,
    /// Seconds without progress after which a task is stuck.
    #[arg(long, env = "TRANSCODE_STALL_SECONDS", default_value_t = 300)]
    pub stall_seconds: u32,
    /// Jobs that are looked at at the same time.
    #[arg(long, env = "TRANSCODE_CONCURRENCY", default_value_t = 16)]
    pub concurrency: u16,
    /// Wait for a Lease before running anything, so that several replicas don't meet.
    #[arg(long, env = "TRANSCODE_LEADER_ELECTION", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_election: bool,
    /// Namespace of the operator itself, with its Lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// Name of this replica.
    #[arg(long, env = "POD_NAME")]
    pub name: Option<String>,
    /// Name of the Lease.
    #[arg(long, env = "TRANSCODE_LEASE_NAME", default_value = "transcode-operator")]
    pub lease_name: String,
    /// Seconds that the Lease holds without being renewed.
    #[arg(long, env = "TRANSCODE_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(3..))]
    pub lease_seconds: u64,
    /// Address of /metrics, /healthz and /readyz.
    #[arg(long, env = "TRANSCODE_HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_address: SocketAddr,
    /// Form of the log. Its level is in TRANSCODE_LOG, such as `info` or `debug,kube=info`.
    #[arg(long, value_enum, env = "TRANSCODE_LOG_FORMAT", default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

/// When an image is pulled, as Kubernetes names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// Every time.
    Always,
    /// Once for each node.
    IfNotPresent,
    /// Never: it is there.
    Never,
}

impl PullPolicy {
    /// Kubernetes' name.
    pub fn name(self) -> &'static str {
        match self {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For programs.
    Json,
    /// For people.
    Text,
}

fn pod_template(path: &str) -> Result<PodTemplateSpec, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut given: Value = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
    // Kubernetes wants a list of containers; a template need have none.
    if let Some(spec) = given.get_mut("spec").and_then(Value::as_object_mut) {
        spec.entry("containers").or_insert_with(|| Value::Array(vec![]));
    }
    strictly(given).map_err(|words| format!("not a valid PodTemplateSpec: {words}"))
}

/// Reads a value whose every field has to be known: what is misspelt would be ignored without a word.
pub fn strictly<T: Serialize + DeserializeOwned>(given: Value) -> Result<T, String> {
    let taken: T = serde_json::from_value(given.clone()).map_err(|error| error.to_string())?;
    match unknown(&given, &serde_json::to_value(&taken).map_err(|error| error.to_string())?) {
        Some(field) => Err(format!("there is no field `{field}`")),
        None => Ok(taken),
    }
}

/// A field that was given and is not among what was taken.
fn unknown(given: &Value, taken: &Value) -> Option<String> {
    let below = |(name, given): (&dyn std::fmt::Display, &Value), taken: Option<&Value>| match taken {
        // What is empty may be left out.
        None if given.is_null() || *given == Value::Array(vec![]) => None,
        None => Some(name.to_string()),
        Some(taken) => unknown(given, taken).map(|rest| format!("{name}.{rest}")),
    };
    match (given, taken) {
        (Value::Object(given), Value::Object(taken)) => {
            given.iter().find_map(|(name, value)| below((name, value), taken.get(name)))
        }
        (Value::Array(given), Value::Array(taken)) => {
            given.iter().zip(taken).enumerate().find_map(|(n, (value, taken))| below((&n, value), Some(taken)))
        }
        _ => None,
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}
