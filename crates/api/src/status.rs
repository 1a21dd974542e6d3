//! The status subresource: a function of what is observed, bounded whatever the number of chunks.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is known of a job. Every list is bounded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TranscodeJobStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// For people; programs read the conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The reason of the phase in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// `Ready`, `Reconciling`, `Stalled`, `Complete`, `Failed`, `Suspended`, `Queued`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Start of the first task, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub started_at: Option<String>,
    /// When the job ended, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub finished_at: Option<String>,
    /// The source, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub source: Option<String>,
    /// SHA-256 of the job as it was first seen, profiles and image included. What the operator keeps in
    /// ConfigMaps has to agree with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub resolved: Option<String>,
    /// Nodes that encode, by their labels; `any` when the job may use all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub pool: Option<String>,
    /// How the tasks are cut, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub fan_out: Option<String>,
    /// What the probe found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaStatus>,
    /// How far the job is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressStatus>,
    /// One row for each stage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub stages: Vec<StageStatus>,
    /// One row for each rendition and audio track.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub renditions: Vec<RenditionStatus>,
    /// What was published.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub outputs: Vec<OutputStatus>,
    /// Soft failures and everything about the source that was changed or left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub warnings: Vec<Warning>,
    /// What the job used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// The phase of a job, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Seen, nothing runs yet.
    Pending,
    /// Tasks wait for room.
    Queued,
    /// Stopped by its user for a while.
    Suspended,
    /// Tasks run.
    Running,
    /// Published and verified.
    Succeeded,
    /// Ended without an output.
    Failed,
}

/// A condition as in the Kubernetes API conventions, without times: the driver adds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = with_times)]
pub struct Condition {
    /// CamelCase name.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(length(max = 16))]
    pub status: String,
    /// CamelCase reason.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// One sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When the status changed last, RFC 3339; the driver adds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub last_transition_time: Option<String>,
}

/// What the driver adds to a condition; without a schema the API server would drop it.
fn with_times(schema: &mut Schema) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(
            "lastTransitionTime".into(),
            json!({"type": "string", "format": "date-time", "description": "When the status changed last."}),
        );
        properties.insert(
            "observedGeneration".into(),
            json!({"type": "integer", "format": "int64", "minimum": 0,
                "description": "The generation of the spec that this condition speaks of."}),
        );
    }
}

/// What the probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaStatus {
    /// `1m30.5s`.
    #[schemars(length(max = 32))]
    pub duration: String,
    /// Container, as ffprobe names it.
    #[schemars(length(max = 128))]
    pub container: String,
    /// `h264 1920x1080 25 fps yuv420p`, absent without video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub video: Option<String>,
    /// `aac 48000 Hz 2 ch eng`, one for each track.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 256)))]
    pub audio: Vec<String>,
}

/// How far the job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressStatus {
    /// `42%`, weighted by media duration.
    #[schemars(length(max = 16))]
    pub percent: String,
    /// `2/3`: renditions that are done.
    #[schemars(length(max = 16))]
    pub renditions: String,
    /// `3m20s`; absent while it can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub eta: Option<String>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// `encode-720p`.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Waiting, Running, Retrying, Done, DoneWithGaps, SoftFailed, Failed or Skipped.
    #[schemars(length(max = 32))]
    pub state: String,
    /// Tasks that are done.
    pub done: u32,
    /// Tasks in all.
    pub total: u32,
    /// Attempts that failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_attempts: u32,
    /// Start of the first task, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub started_at: Option<String>,
    /// End of the last task, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub finished_at: Option<String>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// One rendition or audio track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenditionStatus {
    /// `720p`, `audio-0`.
    #[schemars(length(max = 64))]
    pub name: String,
    /// `1280x720`; absent for audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub resolution: Option<String>,
    /// RFC 6381.
    #[schemars(length(max = 64))]
    pub codec: String,
    /// Average, bit/s; known once it is packaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u64>,
    /// Bytes of its segments; known once it is packaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Something that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputStatus {
    /// `hls`, `dash`, `mp4`, `thumbnail`, `record`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// Where it is.
    #[schemars(length(max = 4096))]
    pub uri: String,
}

/// A soft failure, or something that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// The stage that says it.
    #[schemars(length(max = 64))]
    pub stage: String,
    /// CamelCase reason.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// One sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Attempts that were made; 0 when nothing failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
}

/// What the job used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// CPU time of all tasks, seconds.
    pub cpu_seconds: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Bytes written to storage.
    pub bytes_written: u64,
}
