//! A chunk of video: what the encoder wrote becomes media segments on the output timeline.
//!
//! The encoder's decode times are thrown away. The n-th sample of the chunk in decode order gets
//! the n-th smallest presentation time of the chunk as its decode time; durations follow, the last
//! one up to the start of the next chunk. So decode times are continuous over every join whatever
//! the encoder did, and the composition offset is `PTS - DTS + D`, with D (`elst.media_time`) the
//! same for the whole track.

use std::{
    fmt,
    io::{Read, Seek},
    ops::Range,
    vec,
};

use super::{
    BoxError, SampleEntry, SegmentBytes,
    encoded::{EncodedError, EncodedTrack},
    nal::NalUnits,
    placement::{Placed, Planned, placed, planned},
    segment::{Kind, Row, SegmentWriter},
};
use crate::captions::Captions;

/// What a chunk must become.
#[derive(Debug, Clone, Copy)]
pub struct ChunkPlan<'a> {
    /// Frames of the track before the chunk.
    pub before: u32,
    /// Presentation time of each frame of the chunk on the output timeline, strictly rising, ticks.
    pub times: &'a [i64],
    /// The first frame of the next chunk, or the end of the track, ticks.
    pub end: i64,
    /// Output time = encoded time + this, ticks. The encoded file must have the track's timescale.
    pub offset: i64,
    /// `elst.media_time` of the track's init segment, ticks.
    pub composition_delay: u32,
    /// The segments of the chunk, in order; together they have all its frames.
    pub segments: &'a [SegmentFrames],
    /// Where fragments begin.
    pub fragments: Fragments,
}

/// Where the fragments of a track of video begin, and how `mfhd.sequence_number` counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragments {
    /// At every key frame, so that an I-frame playlist can list each of them. The number of a fragment is that of its
    /// first frame in the track, from 1: it rises in the order of the files (ISO/IEC 14496-12 8.8.5), and whoever
    /// writes one segment knows it without the others.
    KeyFrames,
    /// At the start of every segment, whose number they have. dash.js 5.2 takes a step in `mfhd.sequence_number` that
    /// differs from the number of fragments in a segment for a seek, and forgets the captions that it has read so far.
    Segments,
}

/// One media segment of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFrames {
    /// Absolute, from 1.
    pub number: u32,
    /// Its frames: indexes into [`ChunkPlan::times`].
    pub frames: Range<usize>,
}

/// Why a chunk can't be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The encoded file is unreadable or damaged.
    #[error(transparent)]
    Encoded(#[from] EncodedError),
    /// The codec's configuration is damaged.
    #[error("the encoded file's configuration: {0}")]
    Config(BoxError),
    /// It has sound in it.
    #[error("the encoded file has no video")]
    NotVideo,
    /// The encoder got no frames, though the chunk has some.
    #[error("the encoder wrote no frame, but the chunk has {expected}")]
    Empty {
        /// Frames of the chunk.
        expected: usize,
    },
    /// The plan contradicts itself.
    #[error("the chunk's plan is wrong: {0}")]
    Plan(&'static str),
    /// The encoded frames aren't those of the chunk.
    #[error("the encoded frames are not those of the chunk: {missing} are missing, {unexpected} do not belong to it")]
    FrameMismatch {
        /// Frames of the chunk that weren't encoded.
        missing: Times,
        /// Frames that were encoded, but aren't in the chunk.
        unexpected: Times,
    },
    /// A segment can't be decoded on its own.
    #[error("segment {segment} does not start with a keyframe: the frame at {time} is none")]
    NoKeyframe {
        /// Its number.
        segment: u32,
        /// Presentation time of its first frame, ticks.
        time: i64,
    },
    /// In decode order, frames of a segment stand among those of another one (open GOP).
    #[error("segment {segment} is not closed: the frame at {time} is coded among those of another segment")]
    OpenSegment {
        /// Its number.
        segment: u32,
        /// Presentation time of the frame, ticks.
        time: i64,
    },
    /// The encoder reorders more than the plan foresaw.
    #[error("the composition delay must be at least {needed} ticks, but the plan has {planned}")]
    DelayTooShort {
        /// Ticks.
        needed: u64,
        /// Ticks.
        planned: u32,
    },
    /// A sample's NAL units don't fill it.
    #[error("the sample at byte {offset} of the encoded file is damaged")]
    Bitstream {
        /// Of the sample, bytes.
        offset: u64,
    },
    /// A segment would have 2 GiB or more.
    #[error("segment {segment} is larger than 2 GiB")]
    TooLarge {
        /// Its number.
        segment: u32,
    },
}

/// Times of frames: how many, and the first few of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    /// All of them.
    pub count: usize,
    /// The first [`Times::LISTED`], output ticks.
    pub first: Vec<i64>,
}

impl Times {
    /// Times that are listed, at most.
    pub const LISTED: usize = 8;

    pub(super) fn push(&mut self, time: i64) {
        self.count += 1;
        if self.first.len() < Self::LISTED {
            self.first.push(time);
        }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.count)?;
        if self.count > 0 {
            let listed: Vec<String> = self.first.iter().map(i64::to_string).collect();
            let more = if self.count > self.first.len() { ", …" } else { "" };
            write!(f, " (at {}{more})", listed.join(", "))?;
        }
        Ok(())
    }
}

/// The media segments of a chunk, one after the other. Ends after the first error.
#[derive(Debug)]
pub struct VideoSegments<R> {
    track: EncodedTrack<R>,
    nal_units: Option<NalUnits>,
    samples: vec::IntoIter<Placed>,
    segments: vec::IntoIter<Planned>,
    fragments: Fragments,
    captions: Captions,
}

/// Checks the sample table of an encoded chunk against its plan; the segments are read and written
/// as they are asked for. Memory: about 70 bytes a frame, and one segment.
pub fn video_segments<R: Read + Seek>(
    mut track: EncodedTrack<R>,
    plan: &ChunkPlan<'_>,
) -> Result<VideoSegments<R>, RewriteError> {
    let SampleEntry::Video(entry) = track.entry() else {
        return Err(RewriteError::NotVideo);
    };
    let nal_units = entry.config.nal_units().map_err(RewriteError::Config)?;
    let nal_units = nal_units.map(|(length, hevc)| NalUnits { length, hevc });
    let segments = planned(plan)?;
    let samples = track.by_ref().collect::<Result<Vec<_>, _>>()?;
    let samples = placed(&samples, plan)?.into_iter();
    let (segments, captions) = (segments.into_iter(), Captions::default());
    Ok(VideoSegments { track, nal_units, samples, segments, fragments: plan.fragments, captions })
}

impl<R: Read + Seek> VideoSegments<R> {
    /// Captions of the pictures that were written so far.
    pub fn into_captions(self) -> Captions {
        self.captions
    }

    fn write(&mut self, segment: &Planned) -> Result<SegmentBytes, RewriteError> {
        let too_large = |_| RewriteError::TooLarge { segment: segment.number };
        let mut writer = SegmentWriter::new(Kind::Video);
        let samples: Vec<Placed> = self.samples.by_ref().take(segment.samples).collect();
        let (at_keys, sequence) = match self.fragments {
            Fragments::KeyFrames => (true, segment.before.saturating_add(1)),
            Fragments::Segments => (false, segment.number),
        };
        for fragment in samples.chunk_by(|_, next| !(at_keys && next.sync)) {
            writer.fragment(fragment.len());
            for sample in fragment {
                let start = writer.bytes.len();
                self.read(sample, &mut writer.bytes)?;
                let Placed { size, duration, composition_offset, sync, shown, .. } = *sample;
                let row = Row { duration, size, sync, composition_offset, shown };
                writer.push(start, row).map_err(too_large)?;
            }
        }
        // Not negative: the plan was checked.
        let decode_time = segment.start.unsigned_abs();
        Ok(writer.finish(segment.number, sequence, decode_time, segment.start, segment.duration))
    }

    /// Appends a sample as it is to be stored, and keeps its captions.
    fn read(&mut self, sample: &Placed, bytes: &mut Vec<u8>) -> Result<(), RewriteError> {
        let start = bytes.len();
        self.track.read_sample(sample.offset, sample.size, bytes)?;
        if let Some(nal_units) = self.nal_units {
            let damaged = |_| RewriteError::Bitstream { offset: sample.offset };
            nal_units.strip(bytes, start).map_err(damaged)?;
            let constructs = nal_units.captions(bytes.get(start..).unwrap_or_default()).map_err(damaged)?;
            constructs.into_iter().for_each(|constructs| self.captions.push(sample.shown, constructs));
        }
        Ok(())
    }
}

impl<R: Read + Seek> Iterator for VideoSegments<R> {
    type Item = Result<SegmentBytes, RewriteError>;

    fn next(&mut self) -> Option<Self::Item> {
        let segment = self.segments.next()?;
        let written = self.write(&segment);
        if written.is_err() {
            self.segments = Vec::new().into_iter();
        }
        Some(written)
    }
}
