//! A whole audio track: what the encoder wrote, or the source has, becomes media segments on the output timeline.
//!
//! Access units aren't touched and keep their order; a segment has those that start in it. The
//! decode time (`tfdt`) is the presentation time plus the priming, which the init segment's edit
//! list takes away again.

use std::{
    io::{Read, Seek},
    iter::Peekable,
    vec,
};

use super::{
    SampleEntry, SegmentBytes,
    encoded::{EncodedError, EncodedSample, EncodedTrack},
    segment::{Kind, Row, SegmentWriter},
};

/// What an audio track must become.
#[derive(Debug, Clone, Copy)]
pub struct AudioPlan<'a> {
    /// Output time = encoded time + this, ticks; of the first access unit it makes minus the priming
    /// when the sound starts at the job's origin.
    pub offset: i64,
    /// `elst.media_time` of the track's init segment, samples.
    pub priming: u32,
    /// Samples in an access unit (1024, 960); only the last may be shorter.
    pub access_unit: u32,
    /// How far an access unit may be from its place, ticks: 0 for what an encoder wrote. Containers round times; each
    /// unit is put where the one before ends.
    pub slack: u32,
    /// Whether the track's init segment has a pre-roll, which all access units share.
    pub rolls: bool,
    /// Starts of the video's segments, ticks of the sound, rising. What comes before the second
    /// start belongs to the first segment, what comes after the last start to the last one.
    pub segments: &'a [AudioSegment],
}

/// Where a segment starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioSegment {
    /// The video segment's number.
    pub number: u32,
    /// Output ticks.
    pub start: i64,
}

/// Why an audio track can't be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The encoded file is unreadable or damaged.
    #[error(transparent)]
    Encoded(#[from] EncodedError),
    /// It has pictures in it.
    #[error("the encoded file has no audio")]
    NotAudio,
    /// The plan contradicts itself.
    #[error("the audio plan is wrong: {0}")]
    Plan(&'static str),
    /// Access units don't follow each other without a hole or an overlap.
    #[error("the access unit at {found} should start at {expected}")]
    Hole {
        /// Output ticks.
        expected: i64,
        /// Output ticks.
        found: i64,
    },
    /// An access unit that isn't the last is shorter than the codec's, or one is longer or empty.
    #[error("the access unit at {time} has {found} samples instead of {expected}")]
    Duration {
        /// Output ticks.
        time: i64,
        /// Samples.
        expected: u32,
        /// Samples.
        found: u32,
    },
    /// The sound starts before its own priming could be decoded.
    #[error("the first access unit starts at {time}, which is more than the priming of {priming} before 0")]
    TooEarly {
        /// Output ticks.
        time: i64,
        /// Samples.
        priming: u32,
    },
    /// A segment would have 2 GiB or more.
    #[error("audio segment {segment} is larger than 2 GiB")]
    TooLarge {
        /// Its number.
        segment: u32,
    },
}

/// The media segments of an audio track, one after the other; segments in which no access unit
/// starts are left out. Ends after the first error.
#[derive(Debug)]
pub struct AudioSegments<R: Read + Seek> {
    track: EncodedTrack<R>,
    offset: i64,
    priming: u32,
    access_unit: u32,
    slack: u32,
    rolls: bool,
    /// Access units in segments before.
    written: u32,
    boundaries: Peekable<vec::IntoIter<AudioSegment>>,
    /// The access unit that comes next; its time is already the output's.
    pending: Option<EncodedSample>,
    /// Where that one must start, once there was one before.
    expected: Option<i64>,
}

/// Rewrites an audio track. Memory: one segment.
pub fn audio_segments<R: Read + Seek>(
    track: EncodedTrack<R>,
    plan: &AudioPlan<'_>,
) -> Result<AudioSegments<R>, AudioError> {
    if !matches!(track.entry(), SampleEntry::Audio(_)) {
        return Err(AudioError::NotAudio);
    }
    let pairs = plan.segments.iter().zip(plan.segments.iter().skip(1));
    if !pairs.into_iter().all(|(a, b)| a.start < b.start && a.number < b.number) {
        return Err(AudioError::Plan("the segments do not rise"));
    }
    if plan.segments.is_empty() || plan.access_unit == 0 {
        return Err(AudioError::Plan("there are no segments, or access units without samples"));
    }
    let boundaries: Vec<AudioSegment> = plan.segments.to_vec();
    let mut segments = AudioSegments {
        track,
        offset: plan.offset,
        priming: plan.priming,
        access_unit: plan.access_unit,
        slack: plan.slack,
        rolls: plan.rolls,
        written: 0,
        boundaries: boundaries.into_iter().peekable(),
        pending: None,
        expected: None,
    };
    segments.advance()?;
    // What ends before the priming begins is of no use to a decoder.
    let unit = i64::from(plan.access_unit);
    while segments.pending.is_some_and(|first| first.pts + unit <= -i64::from(plan.priming)) {
        segments.advance()?;
    }
    Ok(segments)
}

impl<R: Read + Seek> AudioSegments<R> {
    /// Takes the pending access unit, and reads and checks the one after it.
    fn advance(&mut self) -> Result<Option<EncodedSample>, AudioError> {
        let mut taken = self.pending.take();
        let Some(mut next) = self.track.next().transpose()? else {
            return Ok(taken);
        };
        next.pts = next.pts.saturating_add(self.offset);
        let expected = self.expected.unwrap_or(next.pts);
        if expected.abs_diff(next.pts) > u64::from(self.slack) {
            return Err(AudioError::Hole { expected, found: next.pts });
        }
        next.pts = expected;
        if self.slack > 0 {
            // Muxers tell the time to the next unit, rounded, and across holes too. Only the last may be cut.
            taken = taken.map(|taken| EncodedSample { duration: self.access_unit, ..taken });
            let told = Some(next.duration).filter(|told| (1..self.access_unit).contains(told));
            next.duration = told.unwrap_or(self.access_unit);
        }
        let wrong =
            |of: EncodedSample| AudioError::Duration { time: of.pts, expected: self.access_unit, found: of.duration };
        if let Some(short) = taken.filter(|taken| taken.duration != self.access_unit) {
            return Err(wrong(short));
        }
        if next.duration == 0 || next.duration > self.access_unit {
            return Err(wrong(next));
        }
        let step = if self.slack > 0 { self.access_unit } else { next.duration };
        self.expected = Some(next.pts.saturating_add(i64::from(step)));
        self.pending = Some(next);
        Ok(taken)
    }

    /// The segment of the pending access unit; `None` at the end of the track.
    fn segment(&mut self) -> Option<AudioSegment> {
        let time = self.pending?.pts;
        let mut segment = self.boundaries.next()?;
        while let Some(next) = self.boundaries.next_if(|next| next.start <= time) {
            segment = next;
        }
        Some(segment)
    }

    fn write(&mut self, number: u32) -> Result<SegmentBytes, AudioError> {
        let end = self.boundaries.peek().map(|next| next.start);
        let mut units = Vec::new();
        while self.pending.is_some_and(|unit| end.is_none_or(|end| unit.pts < end)) {
            units.extend(self.advance()?);
        }
        let first = units.first().map_or(0, |unit| unit.pts);
        let last = units.last().map_or(first, |unit| unit.pts.saturating_add(i64::from(unit.duration)));
        let decode_time = first.checked_add(i64::from(self.priming));
        let decode_time = decode_time.and_then(|time| u64::try_from(time).ok());
        let decode_time = decode_time.ok_or(AudioError::TooEarly { time: first, priming: self.priming })?;

        let mut writer = SegmentWriter::new(Kind::Audio { rolls: self.rolls });
        writer.fragment(units.len());
        let before = self.written;
        self.written = before.saturating_add(units.len() as u32);
        for EncodedSample { offset, size, duration, pts, .. } in units {
            let start = writer.bytes.len();
            self.track.read_sample(offset, size, &mut writer.bytes)?;
            let row = Row { duration, size, sync: true, composition_offset: 0, shown: pts };
            writer.push(start, row).map_err(|_| AudioError::TooLarge { segment: number })?;
        }
        let (start, end) = (first.max(0), last.max(0));
        let sequence = before.saturating_add(1);
        Ok(writer.finish(number, sequence, decode_time, start, end.abs_diff(start)))
    }
}

impl<R: Read + Seek> Iterator for AudioSegments<R> {
    type Item = Result<SegmentBytes, AudioError>;

    fn next(&mut self) -> Option<Self::Item> {
        let segment = self.segment()?;
        let written = self.write(segment.number);
        if written.is_err() {
            self.pending = None;
        }
        Some(written)
    }
}
