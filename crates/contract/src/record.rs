//! `job.json`: the record of everything that was published; written last of all.

use serde::{Deserialize, Serialize};
use transcode_media::track::FileFacts;

use crate::result::{Usage, VerifyResult};

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedRecord {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// Name of the job.
    pub name: String,
    /// Namespace of the job.
    pub namespace: String,
    /// Content key of everything together.
    pub key: String,
    /// Where the source was, without credentials.
    pub source: String,
    /// ffmpeg's version.
    pub encoder: String,
    /// Length of the media, seconds as an exact fraction.
    pub duration: String,
    /// Everything that was made.
    pub files: Vec<PublishedFile>,
    /// Numbers of segments that are missing in all renditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<u32>,
    /// What Verify looked at.
    pub verified: VerifyResult,
    /// What all tasks used.
    pub usage: Usage,
}

/// One published file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedFile {
    /// `hls`, `dash`, `mp4`, `thumbnail`, `init`, `segment`.
    pub kind: String,
    /// Rendition or audio track that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Path below the output, size, checksum.
    #[serde(flatten)]
    pub file: FileFacts,
}
