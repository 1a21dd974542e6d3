//! Result objects: written last in one PUT, they name what a task made, with checksums. Readers
//! follow only them.

use std::{collections::BTreeSet, ops::AddAssign};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use transcode_engine::{StageId, facts::Damage};
use transcode_media::{
    captions::Channel,
    rate::Complexity,
    track::{FileFacts, FinishedTrack, Segment, Track},
};

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a task used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// CPU time of its child processes, milliseconds.
    pub cpu_millis: u64,
    /// Wall time, milliseconds.
    pub wall_millis: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, part: Usage) {
        self.cpu_millis += part.cpu_millis;
        self.wall_millis += part.wall_millis;
        self.bytes_read += part.bytes_read;
    }
}

/// One run of a task, up to the result that it left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRun {
    /// Its stage.
    pub stage: StageId,
    /// Its index.
    pub task: u32,
    /// When it began, by the clock of its machine.
    pub began: Timestamp,
    /// When it was about to write the result.
    pub ended: Timestamp,
}

/// One chunk of one rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkResult {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// Content key of the rendition.
    pub key: String,
    /// Which chunk.
    pub chunk: u32,
    /// The track; equal in all chunks of a rendition, the init segment above all.
    pub track: Track,
    /// Its segments.
    pub segments: Vec<Segment>,
    /// Frames in it.
    pub frames: u32,
    /// How often decoding had to begin further back than planned.
    pub steps_back: u32,
    /// Frames that are damaged in the source; they are shown as the decoder made them up.
    #[serde(default)]
    pub damaged: u32,
    /// Frames that the source marks as interlaced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interlaced: u32,
    /// Captions inside its pictures.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub captions: BTreeSet<Channel>,
    /// What it used, its first pass included; shared by the renditions of one run.
    pub usage: Usage,
    /// The run that made it; it may have made other renditions too.
    #[serde(default)]
    pub ran: Option<TaskRun>,
    /// The first of two passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_pass: Option<TaskRun>,
    /// The command, for a person.
    pub command: String,
}

/// The first pass over one chunk of one rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstPassResult {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// What the chunk's pictures cost.
    pub complexity: Complexity,
    /// What the encoder noted of pictures.
    pub statistics: FileFacts,
    /// What it noted of blocks; quick presets look at none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<FileFacts>,
    /// What it used; shared by the renditions of one run.
    pub usage: Usage,
    /// The run that made it.
    #[serde(default)]
    pub ran: Option<TaskRun>,
    /// The command, for a person.
    pub command: String,
}

/// All audio tracks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioResult {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// Content key of the audio.
    pub key: String,
    /// In the source's order.
    pub tracks: Vec<FinishedTrack>,
    /// Packets of the source that no decoder took.
    #[serde(default)]
    pub undecodable: u32,
    /// Whether the source's sound changes its channels or its sample rate midway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changes: bool,
    /// What it used.
    pub usage: Usage,
    /// The run that made it.
    #[serde(default)]
    pub ran: Option<TaskRun>,
    /// The command, for a person.
    pub command: String,
}

/// One rendition's progressive MP4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MergeResult {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// Where it lies until it is published.
    pub file: FileFacts,
    /// Where it will be published.
    pub publish_as: String,
    /// Digest of every segment that it was made of.
    pub made_of: String,
    /// The run that made it.
    #[serde(default)]
    pub ran: Option<TaskRun>,
}

/// The thumbnail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThumbnailResult {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// Where it lies until it is published.
    pub file: FileFacts,
    /// Where it will be published.
    pub publish_as: String,
    /// The run that made it.
    #[serde(default)]
    pub ran: Option<TaskRun>,
}

/// Finished tracks and the playlists over them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageResult {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// Video tracks in the ladder's order.
    pub video: Vec<FinishedTrack>,
    /// Audio tracks in the source's order.
    pub audio: Vec<FinishedTrack>,
    /// Playlists: `path` is where each will be published, its text lies in the staging area.
    pub playlists: Vec<FileFacts>,
    /// What all tasks used.
    pub usage: Usage,
    /// What of the source is damaged.
    #[serde(default)]
    pub damage: Damage,
    /// Runs of encoding and sound, and its own.
    #[serde(default)]
    pub runs: Vec<TaskRun>,
}

/// What Verify looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResult {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// Segments read and checked.
    pub segments: u64,
    /// Frames and audio access units found where they belong.
    pub samples: u64,
    /// Joins of chunks that were decoded.
    pub joins: u64,
    /// Progressive MP4s checked.
    pub files: u64,
    /// Playlists checked.
    pub playlists: u64,
    /// Its own run; the record has it among the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<TaskRun>,
}
