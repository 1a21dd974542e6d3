//! What stages told: bounded, versioned summaries. The plan is a function of them and the spec.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use transcode_media::{
    probe::MediaInfo,
    time::{MediaTime, Rational, Timescale},
};

use crate::{plan::StageId, taskset::TaskSet};

/// Summaries by stage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(pub BTreeMap<StageId, Summary>);

/// What a task tells besides having succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Summary {
    /// Of Probe.
    Probe(Box<MediaSummary>),
    /// Of Split.
    Split(Box<SplitSummary>),
    /// Of Package.
    Package(PackageSummary),
    /// Of Publish.
    Publish(PublishSummary),
}

/// What the plan needs to know of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaSummary {
    /// Streams.
    pub info: MediaInfo,
    /// Where the source is, without credentials.
    pub source: String,
    /// Which source: a digest of where it is, its size and its ETag or modification time.
    pub source_key: String,
    /// Version of the encoders that will be used, as ffmpeg tells it.
    pub encoder_build: String,
    /// Size of the source, bytes.
    pub bytes: u64,
    /// Earliest presentation time of any track that is carried over, source time.
    pub origin: MediaTime,
    /// From the origin to the end of the longest track.
    pub duration: MediaTime,
    /// The video's timeline.
    pub video: Option<VideoFacts>,
    /// From the origin to each audio track's first sample, and its length.
    pub audio: Vec<AudioFacts>,
}

/// The video's timeline in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoFacts {
    /// Frames that are shown.
    pub frames: u32,
    /// Ticks per second of the output.
    pub timescale: Timescale,
    /// Frames per second, nominal or average.
    pub frame_rate: Rational,
    /// Whether the rate is constant.
    pub constant: bool,
    /// Frames with the time of another frame.
    pub equal_times: u32,
    /// Frames at the start that refer to frames which the source does not have.
    pub undecodable_head: u32,
}

/// An audio track in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioFacts {
    /// From the origin to its first sample.
    pub start: MediaTime,
    /// From its first sample to its end.
    pub length: MediaTime,
    /// Holes in its timestamps that are filled with silence.
    pub holes: u32,
    /// From the origin to the first hole.
    pub first_hole: MediaTime,
    /// Length of all holes.
    pub silence: MediaTime,
}

/// What Split found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SplitSummary {
    /// Segments of each video track.
    pub segments: u32,
    /// Chunks.
    pub chunks: u32,
    /// Frames of the longest segment.
    pub longest_segment: u32,
    /// Frames of the longest chunk.
    pub longest_chunk: u32,
    /// Frames that are decoded twice, over all chunks.
    pub preroll: u32,
    /// Largest distance of frames that are two apart, output ticks: the composition delay of
    /// codecs that reorder.
    pub composition_delay: i64,
    /// SHA-256 of the chunk table.
    pub table: String,
    /// Chunks of each rendition, by its name, and the audio (`audio`), that are done already.
    #[serde(default)]
    pub found: BTreeMap<String, TaskSet>,
    /// The very same job is published already and verifies.
    #[serde(default)]
    pub published: bool,
}

/// What Package measured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageSummary {
    /// By track name.
    pub tracks: BTreeMap<String, TrackFacts>,
    /// CPU time of all tasks that left results, seconds.
    pub cpu_seconds: u64,
    /// Bytes read from the source by all of them.
    pub bytes_read: u64,
    /// Segments that are missing in every rendition.
    #[serde(default)]
    pub gaps: u32,
}

/// A finished track in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackFacts {
    /// RFC 6381.
    pub codec: String,
    /// Bytes of its segments.
    pub bytes: u64,
    /// Average, bit/s.
    pub bitrate: u64,
}

/// What Publish wrote: kind and URI.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishSummary {
    /// `hls`, `dash`, `mp4`, `thumbnail`, `record` and where each is.
    pub outputs: Vec<(String, String)>,
    /// Bytes that belong to the output.
    pub bytes: u64,
}

impl Facts {
    /// Probe's summary.
    pub fn media(&self) -> Option<&MediaSummary> {
        self.0.values().find_map(|s| if let Summary::Probe(m) = s { Some(m.as_ref()) } else { None })
    }

    /// Split's summary.
    pub fn split(&self) -> Option<&SplitSummary> {
        self.0.values().find_map(|s| if let Summary::Split(m) = s { Some(m.as_ref()) } else { None })
    }

    /// Package's summary.
    pub fn package(&self) -> Option<&PackageSummary> {
        self.0.values().find_map(|s| if let Summary::Package(m) = s { Some(m) } else { None })
    }

    /// Publish's summary.
    pub fn publish(&self) -> Option<&PublishSummary> {
        self.0.values().find_map(|s| if let Summary::Publish(m) = s { Some(m) } else { None })
    }
}
