//! What a finished track is: the facts that packaging, playlists, verify and the job's record share.
//!
//! All times are ticks of the track's [`Timescale`] on the output timeline (0 = the job's origin).
//! All paths are relative to the output prefix, with `/`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::captions::Channel;
use crate::time::{MediaTime, Rational, Timescale};

/// A file in the output, with what it takes to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Relative to the output prefix.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// One CMAF media segment: a fragment, `moof` and `mdat`, for each key frame in it. It starts with the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// Absolute, from 1; also DASH's `$Number$`.
    pub number: u32,
    /// The file.
    #[serde(flatten)]
    pub file: FileFacts,
    /// Presentation time of its first sample, ticks.
    pub start: i64,
    /// To the start of the next segment, ticks.
    pub duration: u64,
    /// Access units in it.
    pub samples: u32,
    /// Bytes from the start of the file to the end of the first sample: what an I-frame playlist
    /// asks for (RFC 8216bis 4.4.3.6).
    pub key_bytes: u64,
    /// Key frames after the first, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_keys: Vec<KeyFrame>,
}

/// A key frame of a segment, and the fragment that it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFrame {
    /// Of the first byte that decoding needs beside the init segment, in the segment's file: the `moof`, or the start of
    /// the file.
    pub offset: u64,
    /// From there to the end of the key frame.
    pub bytes: u64,
    /// Presentation time, ticks.
    pub start: i64,
    /// Access units of the fragment.
    pub samples: u32,
}

impl Segment {
    /// All key frames in order, at least one; of sound the first access unit alone.
    pub fn key_frames(&self) -> impl Iterator<Item = KeyFrame> {
        let further = self.further_keys.iter().map(|key| key.samples);
        let samples = further.fold(self.samples, u32::saturating_sub);
        let first = KeyFrame { offset: 0, bytes: self.key_bytes, start: self.start, samples };
        std::iter::once(first).chain(self.further_keys.iter().copied())
    }
}

/// What a track is, apart from its segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Track {
    /// Rendition name or `audio-<n>`; unique in a job.
    pub name: String,
    /// RFC 6381 codec text, `avc1.64001f`.
    pub codec: String,
    /// Ticks per second.
    pub timescale: Timescale,
    /// The init segment.
    pub init: FileFacts,
    /// What kind of track.
    pub kind: TrackKind,
}

/// What the transfer function of a picture is: `VIDEO-RANGE` of RFC 8216bis 4.4.6.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VideoRange {
    /// BT.709 and its like.
    #[default]
    Sdr,
    /// SMPTE ST 2084: HDR10.
    Pq,
    /// ARIB STD-B67.
    Hlg,
}

/// What differs by the kind of track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum TrackKind {
    /// Pictures.
    Video {
        /// Coded width, pixels.
        width: u32,
        /// Coded height, pixels.
        height: u32,
        /// Sample (pixel) aspect ratio.
        sar: Rational,
        /// Frames per second: the nominal rate when constant, else the average.
        frame_rate: Rational,
        /// The highest rate of any second, where it varies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peak_rate: Option<Rational>,
        /// Dynamic range.
        #[serde(default)]
        range: VideoRange,
    },
    /// Sound.
    Audio {
        /// Channels.
        channels: u32,
        /// Their layout, as ffmpeg names it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layout: Option<String>,
        /// Hz; also the timescale.
        sample_rate: u32,
        /// BCP 47 as RFC 8216 wants it, `en`; `und` when the source does not say.
        language: String,
        /// Title of the source's track.
        title: Option<String>,
        /// The source's `default` disposition (of several, at most one track is).
        default: bool,
        /// Samples at the start that are decoded and thrown away: `elst.media_time`.
        priming: u32,
    },
}

/// A finished track with all its segments in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedTrack {
    /// What it is.
    #[serde(flatten)]
    pub track: Track,
    /// In order, without those in `gaps`.
    pub segments: Vec<Segment>,
    /// Permissive mode: segments that could not be made, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// Captions inside the pictures.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub captions: BTreeSet<Channel>,
}

/// A segment that is missing in all renditions alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The number that the segment would have.
    pub number: u32,
    /// Start, ticks.
    pub start: i64,
    /// Duration, ticks.
    pub duration: u64,
}

impl FinishedTrack {
    /// Bytes of all media segments.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.file.bytes).sum()
    }

    /// From the start of the first segment to the end of the last one.
    pub fn duration(&self) -> MediaTime {
        let ticks: u64 =
            self.segments.iter().map(|s| s.duration).sum::<u64>() + self.gaps.iter().map(|g| g.duration).sum::<u64>();
        self.track.timescale.time(ticks as i64)
    }

    /// Measured bit rate over the whole track, bit/s, rounded up (`AVERAGE-BANDWIDTH`).
    pub fn average_bandwidth(&self) -> u64 {
        bandwidth(self.bytes(), self.segments.iter().map(|s| s.duration).sum(), self.track.timescale)
    }

    /// Measured bit rate of the worst segment, bit/s, rounded up (`BANDWIDTH`, the peak segment
    /// bit rate of RFC 8216bis 4.4.6.2).
    pub fn peak_bandwidth(&self) -> u64 {
        self.segments.iter().map(|s| bandwidth(s.file.bytes, s.duration, self.track.timescale)).max().unwrap_or(0)
    }
}

fn bandwidth(bytes: u64, ticks: u64, timescale: Timescale) -> u64 {
    match ticks {
        0 => 0,
        _ => (u128::from(bytes) * 8 * u128::from(timescale.0)).div_ceil(u128::from(ticks)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_further_key_frames_have_one_fragment() {
        let old =
            r#"{"number":3,"path":"a","bytes":900,"sha256":"","start":40,"duration":60,"samples":6,"keyBytes":300}"#;
        let segment: Segment = serde_json::from_str(old).unwrap();
        let first = KeyFrame { offset: 0, bytes: 300, start: 40, samples: 6 };
        assert!(segment.key_frames().eq([first]));
        assert_eq!(serde_json::to_string(&segment).unwrap(), old);

        let second = KeyFrame { offset: 500, bytes: 200, start: 70, samples: 2 };
        let two = Segment { further_keys: vec![second], ..segment };
        assert_eq!(serde_json::from_str::<Segment>(&serde_json::to_string(&two).unwrap()).unwrap(), two);
        assert!(two.key_frames().eq([KeyFrame { samples: 4, ..first }, second]));
    }
}
