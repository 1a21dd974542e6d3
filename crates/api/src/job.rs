//! `TranscodeJob`: one source in, verified media out.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    audio::AudioOptions,
    profile::ProfileRef,
    scheduling::Scheduling,
    status::TranscodeJobStatus,
    storage::{Input, Output, StoreSpec},
    thumbnail::Thumbnail,
    video::{Integrity, Rendition, VideoOptions},
};

/// One source in, verified media out. Only `inputs` and `outputs` are required.
#[derive(CustomResource, Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "transcode.media",
    version = "v1alpha1",
    kind = "TranscodeJob",
    plural = "transcodejobs",
    singular = "transcodejob",
    shortname = "tj",
    category = "transcode",
    namespaced,
    status = "TranscodeJobStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Progress","type":"string","jsonPath":".status.progress.percent"}"#,
    printcolumn = r#"{"name":"Renditions","type":"string","jsonPath":".status.progress.renditions"}"#,
    printcolumn = r#"{"name":"Duration","type":"string","jsonPath":".status.media.duration"}"#,
    printcolumn = r#"{"name":"ETA","type":"string","jsonPath":".status.progress.eta"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Source","type":"string","jsonPath":".status.source","priority":1}"#,
    printcolumn = r#"{"name":"Pool","type":"string","jsonPath":".status.pool","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.message","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct TranscodeJobSpec {
    /// Profiles in order: a later one wins, the job itself last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub profiles: Vec<ProfileRef>,
    /// Object stores that inputs and outputs refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub stores: Vec<StoreSpec>,
    /// The source; one item.
    #[schemars(length(min = 1, max = 1), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub inputs: Vec<Input>,
    /// The destination; one item.
    #[schemars(length(min = 1, max = 1), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub outputs: Vec<Output>,
    /// What is done to the media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<ProcessingOptions>,
    /// Where and how wide it runs. Never changes what is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// How often and how fast failed tasks are tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What becomes of intermediate data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_data: Option<WorkData>,
    /// Stops what runs and starts nothing until it is taken back. What a running task has done so far
    /// is lost; finished ones are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Ends the job as Failed, reason Cancelled. Can't be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,
    /// A failed job begins again when this changes, with the operator's current runner image; only what is missing is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub retry_token: Option<String>,
    /// The job is deleted so long after it ended. Default: never. What it published stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 315360000))]
    pub ttl_seconds_after_finished: Option<i32>,
}

/// What is done to the media. Absent means off, or found out from the source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessingOptions {
    /// Video encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoOptions>,
    /// The ladder, top rung first. Absent: derived from the source. `[]` makes no video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub renditions: Option<Vec<Rendition>>,
    /// Audio encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioOptions>,
    /// A picture of the source. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
    /// What happens to a source or chunk that can't be encoded whole. Default: Strict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity: Option<Integrity>,
}

/// Retry policies of the two failure domains.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Everything the output needs. Default: 5 attempts, 5 s, factor 2, at most 300 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<Attempts>,
    /// What may fail softly. Default: 2 attempts, 2 s, factor 2, at most 300 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enhancement: Option<Attempts>,
}

/// A retry policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// Tries in all, the first one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20))]
    pub max_attempts: Option<u32>,
    /// Wait before the second try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub initial_delay_seconds: Option<i32>,
    /// Each wait is this many times the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub factor: Option<i32>,
    /// No wait is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub max_delay_seconds: Option<i32>,
}

/// What becomes of intermediate data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkData {
    /// When it is deleted. Default: Success, so that a failed job can be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_on: Option<WorkDataDeletion>,
}

/// When intermediate data is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum WorkDataDeletion {
    /// After the job succeeded.
    #[default]
    Success,
    /// Never.
    Never,
}
