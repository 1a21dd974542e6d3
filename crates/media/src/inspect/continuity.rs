//! Whether segments in a row make one track without a seam.

use std::collections::BTreeMap;

use super::{FragmentFacts, SegmentFacts};
use crate::track::Gap;

/// Something that a player would stumble over. Times are ticks of the track.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Segments are missing, doubled or out of order.
    #[error("segment {expected} should come next, but {found} does")]
    Number {
        /// The number after the last one, and after declared gaps.
        expected: u32,
        /// The number of the next segment.
        found: u32,
    },
    /// Sequence numbers must rise in the order of the fragments (ISO/IEC 14496-12 8.8.5).
    #[error("segment {segment}: a fragment with the sequence number {found} comes after number {last}")]
    Sequence {
        /// The segment of the later one.
        segment: u32,
        /// `mfhd.sequence_number` of the fragment before.
        last: u32,
        /// Its own.
        found: u32,
    },
    /// A segment, or a fragment of it, does not begin at the decode time where the one before ends.
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
    #[error("segment {segment}, or a fragment of it, does not start with a random access point in its bitstream")]
    NoRandomAccess {
        /// The segment.
        segment: u32,
    },
    /// The first sample of a fragment isn't marked as a sync sample.
    #[error("segment {segment}, or a fragment of it, starts with a sample that is not marked as a sync sample")]
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

/// What is wrong with a track's segments, each with its number, in order. `gaps` are the numbers that may be missing,
/// with their durations. Empty when all is well.
///
/// The first segment may have any number and start anywhere: only what follows is judged by it.
pub fn continuity(segments: &[(u32, SegmentFacts)], gaps: &[Gap]) -> Vec<Finding> {
    let gaps: BTreeMap<u32, u64> = gaps.iter().map(|gap| (gap.number, gap.duration)).collect();
    let mut findings = Vec::new();
    let (mut before, mut last_pts) = (None, None);
    for (number, segment) in segments {
        let time = before.map(|(previous, end)| join(previous, end, *number, &gaps, &mut findings));
        fragments(*number, segment, time, &mut findings);
        if segment.has_encoder_banner {
            findings.push(Finding::EncoderBanner { segment: *number });
        }
        last_pts = times(*number, segment, last_pts, &mut findings).max(last_pts);
        before = Some((*number, segment.decode_end()));
    }
    let sequences = segments.iter().flat_map(|(number, s)| s.fragments.iter().map(|f| (*number, f.sequence)));
    let pairs = sequences.clone().zip(sequences.skip(1)).filter(|((_, last), (_, found))| found <= last);
    findings.extend(pairs.map(|((_, last), (segment, found))| Finding::Sequence { segment, last, found }));
    findings
}

/// Whether a segment is the next one after `previous`, which ended at a decode time; when it should start.
fn join(previous: u32, end: u64, number: u32, gaps: &BTreeMap<u32, u64>, findings: &mut Vec<Finding>) -> u64 {
    let (mut expected, mut time) = (previous.wrapping_add(1), end);
    while expected < number
        && let Some(duration) = gaps.get(&expected)
    {
        expected += 1;
        time = time.saturating_add(*duration);
    }
    if number != expected {
        findings.push(Finding::Number { expected, found: number });
    }
    time
}

/// Where each fragment begins, and with what; the first one should at `time`, if that is known.
fn fragments(number: u32, segment: &SegmentFacts, mut time: Option<u64>, findings: &mut Vec<Finding>) {
    for fragment in &segment.fragments {
        let FragmentFacts { decode_time: found, starts_with_random_access, .. } = fragment;
        if let Some(expected) = time.filter(|expected| expected != found) {
            findings.push(Finding::DecodeTime { segment: number, expected, found: *found });
        }
        if !starts_with_random_access {
            findings.push(Finding::NoRandomAccess { segment: number });
        }
        if !segment.of(fragment).first().is_some_and(|sample| sample.sync) {
            findings.push(Finding::NotSync { segment: number });
        }
        time = Some(segment.end_of(fragment));
    }
}

/// Checks the presentation times of a segment, and returns the largest.
fn times(number: u32, segment: &SegmentFacts, last: Option<i64>, findings: &mut Vec<Finding>) -> Option<i64> {
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
