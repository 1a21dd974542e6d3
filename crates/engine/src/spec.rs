//! The resolved spec: profiles merged, defaults applied, nothing left open. Recorded once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use transcode_api::{
    Box2, DynamicRange, FanOut, Format, ImageFormat, Input, Integrity, Output, Position, Scheduling, StoreSpec,
    WorkDataDeletion,
};
use transcode_media::{
    argv::filters::Filters,
    codec::{AudioCodec, VideoCodec},
    ladder::Rung,
    time::MediaTime,
};

use crate::{plan::RetryPolicy, tracks::TrackChoice};

/// A job with nothing left open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedSpec {
    /// Name of the job; files are named after it.
    pub name: String,
    /// Namespace of the job; part of every content key, so that tenants never share work.
    pub namespace: String,
    /// Stores that the input and the output refer to.
    pub stores: Vec<StoreSpec>,
    /// The source.
    pub input: Input,
    /// The destination.
    pub output: Output,
    /// What is made.
    pub formats: BTreeSet<Format>,
    /// Codec of renditions of a derived ladder.
    pub video: VideoCodec,
    /// Dynamic range of renditions of a derived ladder; `None` keeps a high one where the codec has 10 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_range: Option<DynamicRange>,
    /// What is done to every picture.
    #[serde(default)]
    pub filters: Filters,
    /// Length of a segment.
    pub segment_duration: MediaTime,
    /// How tasks are cut; not part of any key.
    pub fan_out: FanOut,
    /// An explicit ladder; `None` derives one.
    pub renditions: Option<Vec<Rung>>,
    /// Codec of audio tracks; `None` leaves audio out.
    pub audio: Option<AudioCodec>,
    /// Which audio tracks are kept, in this order; none says all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audio_tracks: Vec<TrackChoice>,
    /// The thumbnail.
    pub thumbnail: Option<ResolvedThumbnail>,
    /// Strict or permissive.
    pub integrity: Integrity,
    /// Tasks at a time; not part of any key.
    pub max_parallel: Option<u32>,
    /// A job estimated at fewer CPU seconds is done in one task. The site's, never the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_below_seconds: Option<u32>,
    /// A job estimated at more CPU hours is refused. The site's, never the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_cpu_hours: Option<u32>,
    /// Retries of what the output needs.
    pub critical: RetryPolicy,
    /// Retries of what may fail softly.
    pub enhancement: RetryPolicy,
    /// Where pods go and what they ask for; not part of any key.
    pub scheduling: Scheduling,
    /// When intermediate data is deleted.
    pub delete_work: WorkDataDeletion,
}

/// The thumbnail with nothing left open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedThumbnail {
    /// Where; `None` is the most representative frame of the first minute.
    pub at: Option<Position>,
    /// The picture fits in it.
    pub within: Option<Box2>,
    /// File format.
    pub format: ImageFormat,
}
