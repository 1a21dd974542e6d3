//! Heads of segments: what their samples are, without their media.

use super::{
    bytes::Header,
    fragment::{Defaults, FragmentReader},
    progressive::ProgressiveError,
    tables::Sample,
};

/// What the head of a segment says of its samples: 16 bytes each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSamples {
    /// `tfdt`, ticks.
    pub(super) decode_time: u64,
    /// Of the first sample in the segment's file, bytes.
    pub(super) offset: u64,
    pub(super) samples: Vec<Sample>,
}

/// The result of looking at the first bytes of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentHead {
    /// Too few: so many bytes from the start of the file are needed.
    Needs(u64),
    /// The samples.
    Samples(SegmentSamples),
}

/// Reads the head of a segment: everything up to the end of `moof`. [`super::head_bytes`] tells for
/// a number of samples how much that is at most; 32 bytes are enough to begin with.
pub fn read_segment_head(start: &[u8]) -> Result<SegmentHead, ProgressiveError> {
    let mut at = 0_u64;
    loop {
        let rest = usize::try_from(at).ok().and_then(|at| start.get(at..)).unwrap_or_default();
        let Some(header) = Header::read(rest) else {
            return Ok(SegmentHead::Needs(at.saturating_add(16)));
        };
        let size = header.size.filter(|size| *size >= header.length);
        let size = size.ok_or(ProgressiveError::Segment("a box has no size"))?;
        let end = at.checked_add(size).ok_or(ProgressiveError::TooLarge)?;
        match &header.kind {
            b"moof" => {
                let whole = usize::try_from(size).ok().and_then(|size| rest.get(..size));
                let body = whole.and_then(|whole| whole.get(header.length as usize..));
                return body.map_or(Ok(SegmentHead::Needs(end)), |body| samples(body, at));
            }
            b"mdat" => return Err(ProgressiveError::Segment("there is no `moof` before `mdat`")),
            _ => at = end,
        }
    }
}

fn samples(moof: &[u8], at: u64) -> Result<SegmentHead, ProgressiveError> {
    let defaults = Defaults { track_id: 1, ..Defaults::default() };
    let mut reader = FragmentReader { defaults, file: u64::MAX, decode_time: -1 };
    let read = reader.read(moof, at)?;
    let first = read.first().ok_or(ProgressiveError::Segment("there are no samples"))?;
    let decode_time = u64::try_from(first.dts);
    let decode_time = decode_time.map_err(|_| ProgressiveError::Segment("there is no `tfdt`"))?;
    let (offset, mut next) = (first.offset, first.offset);
    let mut samples = Vec::with_capacity(read.len());
    for sample in &read {
        let composition_offset = u32::try_from(sample.pts.saturating_sub(sample.dts));
        let (Ok(composition_offset), true) = (composition_offset, sample.offset == next) else {
            return Err(ProgressiveError::Segment("it is not a segment of this system"));
        };
        next = sample.offset.saturating_add(u64::from(sample.size));
        let (duration, size, sync) = (sample.duration, sample.size, sample.sync);
        samples.push(Sample { duration, size, composition_offset, sync });
    }
    Ok(SegmentHead::Samples(SegmentSamples { decode_time, offset, samples }))
}
