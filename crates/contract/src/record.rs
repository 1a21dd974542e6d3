//! `job.json`: the record of everything that was published; written last of all.

use serde::{Deserialize, Serialize};
use transcode_api::status::{MediaStatus, Warning};
use transcode_media::track::{FileFacts, Track};

use crate::result::{TaskRun, Usage, VerifyResult};

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
    /// The source in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaStatus>,
    /// Video in the ladder's order, then sound in the source's.
    #[serde(default)]
    pub tracks: Vec<Track>,
    /// Everything about the source that was changed or left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Everything that was made.
    pub files: Vec<PublishedFile>,
    /// Numbers of segments that are missing in all renditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<u32>,
    /// What Verify looked at.
    pub verified: VerifyResult,
    /// What all tasks used.
    pub usage: Usage,
    /// Runs of the tasks that left a result: one for each chunk (of each rendition, if tasks are cut so), and a few.
    #[serde(default)]
    pub runs: Vec<TaskRun>,
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
    /// Of a segment: where it lies in its track.
    #[serde(flatten)]
    pub span: Option<Span>,
}

/// A part of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Start, ticks of the track's timescale.
    pub start: i64,
    /// To the start of the next segment, ticks.
    pub duration: u64,
}
