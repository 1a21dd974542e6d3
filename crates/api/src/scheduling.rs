//! Where and how wide a job runs. Nothing here changes what is made.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Where and how wide a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scheduling {
    /// Place among the jobs that wait for their turn on a cluster: those with a high priority first, and the oldest
    /// first within a priority. Jobs that run are never stopped for others. Default: Normal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Tasks at a time. Default: what the site gives; for the local engine one for each core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_parallel: Option<u32>,
    /// ServiceAccount of the job's pods, for credentials by workload identity; one that the operator
    /// allows. Its token is never mounted. Default: the operator's choice, else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("title" = "a DNS name: lower-case letters, digits, `-` and `.`"))]
    pub service_account_name: Option<String>,
    /// Pods that encode video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<PodSettings>,
    /// All other pods: probe, audio, merge, package, verify, publish, thumbnail, cleanup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub light: Option<PodSettings>,
}

/// Place in line; see [`Scheduling::priority`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Priority {
    /// After all others.
    Low,
    /// Of jobs that don't say.
    #[default]
    Normal,
    /// Before all others.
    High,
}

/// Where pods go and what they ask for, on a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "node_selector")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints that pods tolerate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub tolerations: Option<Vec<Toleration>>,
    /// PriorityClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("title" = "a DNS name: lower-case letters, digits, `-` and `.`"))]
    pub priority_class_name: Option<String>,
    /// What a pod asks for; what the plan says where nothing is said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<PodResources>,
}

fn node_selector(_: &mut SchemaGenerator) -> Schema {
    let value = json!({"type": "string", "maxLength": 63});
    let schema = json!({"type": "object", "maxProperties": 16, "additionalProperties": value});
    Schema::try_from(schema).unwrap_or_default()
}

/// A taint that pods tolerate, as in a pod's own specification.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// The taint's key; absent with `Exists` is every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub key: Option<String>,
    /// Default: Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value, for Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// Absent is every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
}

/// How a toleration meets a taint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// Key and value are equal.
    Equal,
    /// The key is equal.
    Exists,
}

/// What a taint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// Pods are not put there.
    NoSchedule,
    /// Pods are put elsewhere if they can be.
    PreferNoSchedule,
    /// Pods are taken away too.
    NoExecute,
}

/// What a pod asks for. Memory is request and limit alike, CPU a request alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodResources {
    /// Such as `2` or `500m`. Default: 1 for pods that encode, 250m for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^([0-9]+(\.[0-9]{1,3})?|[0-9]+m)$"), extend("title" = "an amount of CPU such as `2` or `500m`"))]
    pub cpu: Option<String>,
    /// CPU limit of the pod, such as `4`. Default: none. A ResourceQuota on `limits.cpu` requires one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^([0-9]+(\.[0-9]{1,3})?|[0-9]+m)$"), extend("title" = "an amount of CPU such as `2` or `500m`"))]
    pub cpu_limit: Option<String>,
    /// Such as `4Gi`. Default: the plan's estimate; doubled after each attempt that had too little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^[0-9]{1,9}[MGT]i$"), extend("title" = "an amount of memory such as `4Gi` or `512Mi`"))]
    pub memory: Option<String>,
    /// Such as `20Gi`: room for partial files. Default: the plan's estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^[0-9]{1,9}[MGT]i$"), extend("title" = "an amount of disk such as `20Gi` or `512Mi`"))]
    pub scratch: Option<String>,
}
