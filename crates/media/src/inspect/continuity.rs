//! Whether segments in a row make one track without a seam.

use std::collections::BTreeMap;

use super::SegmentFacts;
use crate::track::Gap;

/// Something that a player would stumble over. Times are ticks of the track.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Segments are missing, doubled or out of order.
    #[error("segment {expected} should come next, but {found} does")]
    Number {
        /// The number after the last one, and after declared gaps.
        expected: u32,
        /// `mfhd.sequence_number` of the next segment.
        found: u32,
    },
    /// A segment does not begin at the decode time where the one before ends.
    #[error(
        "segment {segment} starts at decode time {found}, but the samples before it end at \
         {expected}"
    )]
    DecodeTime {
        /// The later segment.
        segment: u32,
        /// End of the one before, and of declared gaps between.
        expected: u64,
        /// Its `tfdt`.
        found: u64,
    },
    /// Two samples are shown at the same time.
    #[error("segment {segment}: two samples have the presentation time {pts}")]
    SamePts {
        /// The segment with the second one.
        segment: u32,
        /// The time.
        pts: i64,
    },
    /// A sample is shown before one of an earlier segment.
    #[error(
        "segment {segment} has a sample at presentation time {found}, before the last one of the \
         segment before it, {last}"
    )]
    Overlap {
        /// The later segment.
        segment: u32,
        /// Largest presentation time of earlier segments.
        last: i64,
        /// The presentation time.
        found: i64,
    },
    /// A sample is shown before it is decoded: libavformat moves the whole track then.
    #[error("segment {segment}: the composition offset at presentation time {pts} is {offset}")]
    NegativeOffset {
        /// The segment.
        segment: u32,
        /// The presentation time.
        pts: i64,
        /// Presentation time - decode time; negative.
        offset: i64,
    },
    /// A player can't start or switch here.
    #[error("segment {segment} does not start with a random access point in its bitstream")]
    NoRandomAccess {
        /// The segment.
        segment: u32,
    },
    /// The first sample isn't marked as a sync sample.
    #[error("segment {segment} starts with a sample that is not marked as a sync sample")]
    NotSync {
        /// The segment.
        segment: u32,
    },
    /// The bitstream names its encoder: bytes would differ between builds.
    #[error("segment {segment} carries the name and settings of its encoder")]
    EncoderBanner {
        /// The segment.
        segment: u32,
    },
}

/// What is wrong with a track's segments, in order. `gaps` are the numbers that may be missing, with
/// their durations. Empty when all is well.
///
/// The first segment may have any number and start anywhere: only what follows is judged by it.
pub fn continuity(segments: &[SegmentFacts], gaps: &[Gap]) -> Vec<Finding> {
    let gaps: BTreeMap<u32, u64> = gaps.iter().map(|gap| (gap.number, gap.duration)).collect();
    let mut findings = Vec::new();
    let mut last_pts = None;
    for (at, segment) in segments.iter().enumerate() {
        if let Some(previous) = at.checked_sub(1).and_then(|before| segments.get(before)) {
            join(previous, segment, &gaps, &mut findings);
        }
        start(segment, &mut findings);
        last_pts = times(segment, last_pts, &mut findings).max(last_pts);
    }
    findings
}

fn join(previous: &SegmentFacts, segment: &SegmentFacts, gaps: &BTreeMap<u32, u64>, findings: &mut Vec<Finding>) {
    let (mut expected, mut time) = (previous.sequence.wrapping_add(1), previous.decode_end());
    while expected < segment.sequence
        && let Some(duration) = gaps.get(&expected)
    {
        expected += 1;
        time = time.saturating_add(*duration);
    }
    if segment.sequence != expected {
        findings.push(Finding::Number { expected, found: segment.sequence });
    }
    if segment.decode_time != time {
        findings.push(Finding::DecodeTime { segment: segment.sequence, expected: time, found: segment.decode_time });
    }
}

fn start(segment: &SegmentFacts, findings: &mut Vec<Finding>) {
    let number = segment.sequence;
    if !segment.starts_with_random_access {
        findings.push(Finding::NoRandomAccess { segment: number });
    }
    if !segment.samples.first().is_some_and(|sample| sample.sync) {
        findings.push(Finding::NotSync { segment: number });
    }
    if segment.has_encoder_banner {
        findings.push(Finding::EncoderBanner { segment: number });
    }
}

/// Checks the presentation times of a segment, and returns the largest.
fn times(segment: &SegmentFacts, last: Option<i64>, findings: &mut Vec<Finding>) -> Option<i64> {
    let number = segment.sequence;
    if let Some(sample) = segment.samples.iter().find(|sample| sample.pts < sample.dts) {
        let offset = sample.pts.saturating_sub(sample.dts);
        findings.push(Finding::NegativeOffset { segment: number, pts: sample.pts, offset });
    }
    let mut sorted: Vec<i64> = segment.samples.iter().map(|sample| sample.pts).collect();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        findings.push(Finding::SamePts { segment: number, pts: pair[0] });
    }
    match (last, sorted.first().copied()) {
        (Some(last), Some(found)) if found == last => {
            findings.push(Finding::SamePts { segment: number, pts: found });
        }
        (Some(last), Some(found)) if found < last => {
            findings.push(Finding::Overlap { segment: number, last, found });
        }
        _ => {}
    }
    sorted.last().copied()
}
