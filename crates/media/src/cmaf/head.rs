//! Heads of fragments: what their samples are, without their media.

use super::{
    bytes::Header,
    fragment::{Defaults, FragmentReader},
    progressive::ProgressiveError,
    tables::Sample,
};

/// What the head of a fragment says of its samples: 16 bytes each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentSamples {
    /// `tfdt`, ticks.
    pub(super) decode_time: u64,
    /// Of the first sample in the segment's file, bytes.
    pub(super) offset: u64,
    pub(super) samples: Vec<Sample>,
}

/// The samples of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSamples {
    /// Decode time of the first, ticks.
    pub(super) decode_time: u64,
    pub(super) samples: Vec<Sample>,
    /// Where their bytes lie in the segment's file: samples in a row, and where the first of them begins.
    pub(super) places: Vec<(usize, u64)>,
}

impl SegmentSamples {
    /// Of the fragments of a segment, in order.
    pub fn of(fragments: impl IntoIterator<Item = FragmentSamples>) -> Result<Self, ProgressiveError> {
        let mut fragments = fragments.into_iter();
        let first = fragments.next().ok_or(ProgressiveError::Segment("there are no fragments"))?;
        let FragmentSamples { decode_time, offset, samples } = first;
        let mut segment = SegmentSamples { decode_time, places: vec![(samples.len(), offset)], samples };
        let mut end = segment.decode_end();
        for fragment in fragments {
            if fragment.decode_time != end {
                return Err(ProgressiveError::Segment("a fragment does not start where the one before ends"));
            }
            segment.places.push((fragment.samples.len(), fragment.offset));
            segment.samples.extend(fragment.samples);
            end = segment.decode_end();
        }
        Ok(segment)
    }

    /// Decode time after the last sample, ticks.
    pub(super) fn decode_end(&self) -> u64 {
        self.samples.iter().fold(self.decode_time, |end, sample| end.saturating_add(u64::from(sample.duration)))
    }

    /// Samples, and where each begins in the segment's file.
    pub(super) fn placed(&self) -> impl Iterator<Item = (&Sample, u64)> {
        let offsets = self.places.iter().scan(0, |first, (count, offset)| {
            let samples = self.samples.get(*first..).unwrap_or_default().iter().take(*count);
            *first += count;
            Some(samples.scan(*offset, |next, sample| {
                let at = *next;
                *next = at.saturating_add(u64::from(sample.size));
                Some((sample, at))
            }))
        });
        offsets.flatten()
    }
}

/// Reads the head of a fragment: everything up to the end of `moof`. `head` are the bytes of the segment's file from `at`
/// on, [`super::head_bytes`] of them at most.
pub fn read_fragment_head(head: &[u8], at: u64) -> Result<FragmentSamples, ProgressiveError> {
    let cut_off = ProgressiveError::Segment("it is cut off");
    let (mut rest, mut at) = (head, at);
    loop {
        let header = Header::read(rest).ok_or(cut_off.clone())?;
        if &header.kind == b"mdat" {
            return Err(ProgressiveError::Segment("there is no `moof` before `mdat`"));
        }
        let size = header.size.filter(|size| *size >= header.length);
        let size = size.ok_or(ProgressiveError::Segment("a box has no size"))?;
        let (whole, after) =
            usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size)).ok_or(cut_off.clone())?;
        if &header.kind == b"moof" {
            return samples(whole.get(header.length as usize..).unwrap_or_default(), at);
        }
        (rest, at) = (after, at.checked_add(size).ok_or(ProgressiveError::TooLarge)?);
    }
}

fn samples(moof: &[u8], at: u64) -> Result<FragmentSamples, ProgressiveError> {
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
    Ok(FragmentSamples { decode_time, offset, samples })
}
