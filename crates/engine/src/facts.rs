//! What stages told: bounded, versioned summaries. The plan is a function of them and the spec.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use transcode_media::{
    chunk::MAX_CHUNKS,
    ladder::Rendition,
    level::{Conformance, Demand},
    probe::MediaInfo,
    time::{MediaTime, Rational, Timescale},
};

use crate::{
    plan::{StageId, StageKind},
    taskset::TaskSet,
};

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
    /// Bytes that its container says it has beyond those: it was cut.
    #[serde(default)]
    pub missing_bytes: u64,
    /// Earliest presentation time of any track that is carried over, source time.
    pub origin: MediaTime,
    /// From the origin to the end of the longest track.
    pub duration: MediaTime,
    /// The video's timeline.
    pub video: Option<VideoFacts>,
    /// From the origin to each audio track's first sample, and its length.
    pub audio: Vec<AudioFacts>,
}

/// The timeline of the video that is shown, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoFacts {
    /// Frames that are shown.
    pub frames: u32,
    /// Ticks per second of the output.
    pub timescale: Timescale,
    /// Frames per second, nominal or average.
    pub frame_rate: Rational,
    /// The most frames that any second has, where the rate varies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_rate: Option<Rational>,
    /// Whether the rate is constant.
    pub constant: bool,
    /// The source's own frames, where others are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceFrames>,
    /// Copies of the first picture, which come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<StillFacts>,
    /// Copies of the last picture, which come last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub still: Option<StillFacts>,
    /// Frames with the time of another frame.
    pub equal_times: u32,
    /// Stretches without frames, in which the one before is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holes: Option<Holes>,
    /// Frames at the start that refer to frames which the source does not have.
    pub undecodable_head: u32,
    /// Frames at the end of a cut source that can't be decoded.
    #[serde(default)]
    pub undecodable_tail: u32,
}

/// The first picture, shown before its time because sound begins earlier, or the last, shown on because sound is longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StillFacts {
    /// How often it is shown once more.
    pub frames: u32,
    /// From the origin to where the source's own pictures begin, or end.
    pub from: MediaTime,
}

/// Frames of a source whose number or times filters change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFrames {
    /// How many it has.
    pub frames: u32,
    /// Frames per second, nominal or average.
    pub frame_rate: Rational,
    /// Whether the rate is constant.
    pub constant: bool,
    /// How many of them are never shown.
    pub left_out: u32,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holes: Option<Holes>,
}

impl AudioFacts {
    /// From the origin to its end.
    pub fn end(&self) -> MediaTime {
        self.start + self.length
    }
}

/// Stretches of time that a track does not cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holes {
    /// How many.
    pub count: u32,
    /// From the origin to the first.
    pub first: MediaTime,
    /// From the origin to the end of the first; 0 in what was stored before it was known.
    #[serde(default)]
    pub first_end: MediaTime,
    /// Length of all.
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
    /// Chunks of each rendition whose first pass is done already.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub first_passes: BTreeMap<String, TaskSet>,
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
    /// What of the source is damaged.
    #[serde(default)]
    pub damage: Damage,
}

/// What decoders met in the source that was damaged, or other than its first frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Damage {
    /// Frames that are shown as the decoder made them up.
    pub frames: u32,
    /// Packets of sound that no decoder took.
    pub packets: u32,
    /// Sound changes its channels or its sample rate midway: no damage, but found out in the same way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sound_changes: bool,
    /// Frames that are marked as interlaced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interlaced: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
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

/// Segments of a track at most: half a year of one second each.
const MAX_SEGMENTS: u32 = 1 << 24;
/// Characters of a track's title that are kept when there is no room for whole ones.
const SHORT_TITLE: usize = 12;
/// Characters of the source's address that are kept then; people read it, nothing else does.
const SHORT_SOURCE: usize = 100;

/// Cuts a text and says so; false when it is short already.
fn cut(text: &mut String, chars: usize) -> bool {
    let long = text.chars().count() > chars;
    if long {
        *text = text.chars().take(chars - 1).chain(['…']).collect();
    }
    long
}

impl Summary {
    /// The stage that it is of.
    pub fn kind(&self) -> StageKind {
        match self {
            Summary::Probe(_) => StageKind::Probe,
            Summary::Split(_) => StageKind::Split,
            Summary::Package(_) => StageKind::Package,
            Summary::Publish(_) => StageKind::Publish,
        }
    }

    /// Whether its numbers are in bounds; a runner may have been taken over.
    pub fn is_sane(&self) -> bool {
        match self {
            Summary::Split(split) => split.chunks <= MAX_CHUNKS && split.segments <= MAX_SEGMENTS,
            Summary::Probe(media) => {
                // What is divided by.
                let picture = media.info.video.as_ref().is_none_or(|video| {
                    video.width > 0 && video.height > 0 && *video.sar.numer() > 0 && *video.sar.denom() > 0
                });
                picture && media.info.audio.len() == media.audio.len()
            }
            Summary::Package(_) | Summary::Publish(_) => true,
        }
    }

    /// Leaves out what matters least, a little at a time; false when nothing is left to leave out.
    /// Whoever works with a shortened summary comes to the same end: found work that isn't told is
    /// found again by its own task.
    pub fn shorten(&mut self) -> bool {
        match self {
            Summary::Split(split) => {
                let found = if split.first_passes.is_empty() { &mut split.found } else { &mut split.first_passes };
                let longest = found.iter().max_by_key(|(_, tasks)| tasks.to_string().len());
                let longest = longest.map(|(name, _)| name.clone());
                longest.is_some_and(|name| found.remove(&name).is_some())
            }
            Summary::Probe(media) => {
                let mut titles = media.info.audio.iter_mut().filter_map(|a| a.title.as_mut());
                media.info.complaint.as_mut().is_some_and(|complaint| cut(complaint, SHORT_TITLE))
                    || titles.any(|title| cut(title, SHORT_TITLE))
                    || media.info.left_out.pop().is_some()
                    // The task that copies the sound sees what it is.
                    || media.info.audio.iter_mut().any(|audio| audio.profile.take().is_some())
                    || cut(&mut media.source, SHORT_SOURCE)
            }
            Summary::Publish(publish) => {
                let mp4 = publish.outputs.iter().rposition(|(kind, _)| kind == "mp4");
                let at = mp4.or(publish.outputs.len().checked_sub(1));
                at.map(|at| publish.outputs.remove(at)).is_some()
            }
            Summary::Package(_) => false,
        }
    }
}

impl MediaSummary {
    /// What a decoder of a rendition has to be capable of.
    pub fn demand(&self, rendition: &Rendition) -> Option<Demand> {
        Some(Demand::of(rendition, self.video.as_ref()?.highest_rate()))
    }

    /// What the headers of a rendition have to say.
    pub fn conformance(&self, rendition: &Rendition) -> Option<Conformance> {
        let bit_depth = rendition.codec.bit_depth(self.info.video.as_ref()?.bit_depth);
        Some(self.demand(rendition)?.conformance(&rendition.codec, bit_depth))
    }
}

impl VideoFacts {
    /// Frames that are the source's, as filters leave them.
    pub fn own_frames(&self) -> u32 {
        self.frames - [self.ahead, self.still].into_iter().flatten().map(|copies| copies.frames).sum::<u32>()
    }

    /// Frames a second that decoders and players have to keep up with.
    pub fn highest_rate(&self) -> Rational {
        self.highest_rate.unwrap_or(self.frame_rate)
    }

    /// How many frames the source has, at which rate, and whether that is constant.
    pub fn of_source(&self) -> (u32, Rational, bool) {
        self.source.map_or((self.own_frames(), self.frame_rate, self.constant), |source| {
            (source.frames, source.frame_rate, source.constant)
        })
    }
}

impl Facts {
    /// Those that the plan and every task are made of: what Probe and Split told.
    pub fn of_source(&self) -> Facts {
        let kinds = [StageKind::Probe, StageKind::Split];
        Facts(self.0.iter().filter(|(id, _)| kinds.contains(&id.kind)).map(|(id, s)| (id.clone(), s.clone())).collect())
    }

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
