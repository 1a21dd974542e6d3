//! Sample tables of a progressive file (`stbl`; ISO/IEC 14496-12 8.6, 8.7).

use super::{
    InspectError, SampleFacts,
    boxes::{Bytes, Children},
};

/// Of one track. A day at 60 fps has 5.2 million; tables take about 20 bytes each.
const SAMPLE_LIMIT: usize = 8_000_000;

/// The tables of a track, as compact as the file has them: what they say of each sample is worked out when it is
/// asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleTable {
    /// Of each sample, bytes.
    sizes: Vec<u32>,
    /// How many samples in a row take how long, ticks.
    durations: Vec<(u32, u32)>,
    /// How many samples in a row are shown how much later than they are decoded, ticks; empty when all are shown then.
    delays: Vec<(u32, i64)>,
    /// How many samples each chunk has, and where it begins in the file.
    chunks: Vec<(u32, u64)>,
    /// Numbers of the sync samples from 1; `None` when all are.
    sync: Option<Vec<u32>>,
    /// Subtracted from all times.
    edit: i64,
    /// Chunk offsets have 64 bits (`co64`).
    wide_offsets: bool,
}

impl SampleTable {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Whether chunk offsets have 64 bits (`co64`).
    pub fn wide_offsets(&self) -> bool {
        self.wide_offsets
    }

    /// What the tables say of each sample, in decode order.
    pub fn samples(&self) -> impl Iterator<Item = SampleFacts> {
        let durations = self.durations.iter().flat_map(|(count, value)| std::iter::repeat_n(*value, *count as usize));
        let delays = self.delays.iter().flat_map(|(count, value)| std::iter::repeat_n(*value, *count as usize));
        let starts = self.chunks.iter().flat_map(|(count, offset)| {
            let others = std::iter::repeat_n(None, (*count as usize).saturating_sub(1));
            std::iter::once(Some(*offset)).filter(|_| *count > 0).chain(others)
        });
        let (mut time, mut next, mut sync) = (0_i64.saturating_sub(self.edit), 0_u64, 0_usize);
        let rows = self.sizes.iter().zip(durations).zip(delays.chain(std::iter::repeat(0))).zip(starts).enumerate();
        rows.map(move |(at, (((size, duration), delay), start))| {
            let (dts, offset) = (time, start.unwrap_or(next));
            time = time.saturating_add(i64::from(duration));
            next = offset.saturating_add(u64::from(*size));
            let is_sync = self.sync.as_ref().is_none_or(|all| all.get(sync) == Some(&(at as u32 + 1)));
            sync += usize::from(is_sync);
            SampleFacts { pts: dts.saturating_add(delay), dts, duration, size: *size, sync: is_sync, offset }
        })
    }
}

/// Reads the tables of a track. `edit` is subtracted from all times. Every sample must have at least a byte, and lie
/// in one of the `data` ranges: this also bounds how many there can be.
pub(super) fn read(stbl: &Children, edit: i64, data: &[(u64, u64)]) -> Result<SampleTable, InspectError> {
    let limit = data.iter().map(|(start, end)| end.saturating_sub(*start)).sum();
    let sizes = sizes(stbl.one("stsz")?, limit)?;
    let durations = runs(stbl.one("stts")?, "stts", sizes.len())?;
    let durations = durations.into_iter().map(|(count, value)| Some((count, u32::try_from(value).ok()?)));
    let durations =
        durations.collect::<Option<_>>().ok_or_else(|| InspectError::invalid("stts", "a time overflows"))?;
    let delays = stbl.maybe("ctts")?.map_or(Ok(vec![]), |body| runs(body, "ctts", sizes.len()))?;
    let (offsets, wide_offsets) = chunk_offsets(stbl)?;
    let chunks = chunks(stbl.one("stsc")?, &offsets, sizes.len())?;
    let sync = stbl.maybe("stss")?.map(|body| sync_samples(body, sizes.len())).transpose()?;
    let table = SampleTable { sizes, durations, delays, chunks, sync, edit, wide_offsets };
    for (at, sample) in table.samples().enumerate() {
        let end = sample.offset.saturating_add(u64::from(sample.size));
        if !data.iter().any(|(start, stop)| *start <= sample.offset && end <= *stop) {
            let why = format!("sample {at} lies outside of `mdat`, at byte {}", sample.offset);
            return Err(InspectError::invalid("stco", why));
        }
    }
    Ok(table)
}

/// `stsz` (8.7.3.2).
fn sizes(body: &[u8], limit: u64) -> Result<Vec<u32>, InspectError> {
    let mut bytes = Bytes::new(body, "stsz");
    bytes.version_flags()?;
    let (same, invalid) = (bytes.u32()?, |why: &str| InspectError::invalid("stsz", why));
    let sizes = if same == 0 {
        let count = bytes.count(4)?;
        (0..count).map(|_| bytes.u32()).collect::<Result<Vec<_>, _>>()?
    } else {
        let count = bytes.u32()?;
        if u64::from(same) * u64::from(count) > limit {
            return Err(invalid("the samples are larger than `mdat`"));
        }
        vec![same; (count as usize).min(SAMPLE_LIMIT + 1)]
    };
    if sizes.len() > SAMPLE_LIMIT {
        return Err(invalid("there are too many samples"));
    }
    if sizes.contains(&0) {
        return Err(invalid("a sample is empty"));
    }
    match sizes.iter().map(|size| u64::from(*size)).sum::<u64>() <= limit {
        true => Ok(sizes),
        false => Err(invalid("the samples are larger than `mdat`")),
    }
}

/// `stts` (8.6.1.2) or `ctts` (8.6.1.3): runs of equal values, for all samples together. `ctts` is unsigned in
/// version 0 and signed in version 1; `stts` is unsigned.
fn runs(body: &[u8], kind: &'static str, samples: usize) -> Result<Vec<(u32, i64)>, InspectError> {
    let mut bytes = Bytes::new(body, kind);
    let signed = bytes.version_flags()?.0 == 1;
    let (mut values, mut left) = (vec![], samples);
    for _ in 0..bytes.count(8)? {
        let (count, value) = (bytes.u32()?, bytes.u32()?);
        left = left
            .checked_sub(count as usize)
            .ok_or_else(|| InspectError::invalid(kind, "it has more entries than there are samples"))?;
        values.push((count, if signed { i64::from(value.cast_signed()) } else { i64::from(value) }));
    }
    match left {
        0 => Ok(values),
        _ => Err(InspectError::invalid(kind, "it has fewer entries than there are samples")),
    }
}

/// `stco` or `co64` (8.7.5); whether it is the latter.
fn chunk_offsets(stbl: &Children) -> Result<(Vec<u64>, bool), InspectError> {
    let (kind, body, wide) = match (stbl.maybe("stco")?, stbl.maybe("co64")?) {
        (Some(_), Some(_)) => return Err(InspectError::Repeated("stco")),
        (None, Some(body)) => ("co64", body, true),
        (Some(body), None) => ("stco", body, false),
        (None, None) => return Err(InspectError::Missing("stco")),
    };
    let mut bytes = Bytes::new(body, kind);
    bytes.version_flags()?;
    let count = bytes.count(if wide { 8 } else { 4 })?;
    Ok(((0..count).map(|_| bytes.sized(wide)).collect::<Result<_, _>>()?, wide))
}

/// `stsc` (8.7.4): how many samples are in which chunk.
fn chunks(body: &[u8], offsets: &[u64], samples: usize) -> Result<Vec<(u32, u64)>, InspectError> {
    let invalid = |why: &str| InspectError::invalid("stsc", why);
    let mut bytes = Bytes::new(body, "stsc");
    bytes.version_flags()?;
    let mut entries = Vec::new();
    for _ in 0..bytes.count(12)? {
        let (first, count, description) = (bytes.u32()? as usize, bytes.u32()?, bytes.u32()?);
        if description != 1 {
            return Err(invalid("it uses a sample entry that is not there"));
        }
        entries.push((first, count));
    }
    let (mut chunks, mut left) = (Vec::with_capacity(offsets.len()), samples);
    for (at, (first, count)) in entries.iter().enumerate() {
        let end = entries.get(at + 1).map_or(offsets.len() + 1, |(next, _)| *next);
        let range = first.checked_sub(1).and_then(|first| offsets.get(first..end.checked_sub(1)?));
        for offset in range.ok_or_else(|| invalid("its chunks are not in order"))? {
            left = left.checked_sub(*count as usize).ok_or_else(|| invalid("it has more samples than `stsz`"))?;
            chunks.push((*count, *offset));
        }
    }
    match left {
        0 => Ok(chunks),
        _ => Err(invalid("it has fewer samples than `stsz`")),
    }
}

/// `stss` (8.6.2): numbers from 1, ascending.
fn sync_samples(body: &[u8], samples: usize) -> Result<Vec<u32>, InspectError> {
    let mut bytes = Bytes::new(body, "stss");
    bytes.version_flags()?;
    let count = bytes.count(4)?;
    let numbers = (0..count).map(|_| bytes.u32()).collect::<Result<Vec<_>, _>>()?;
    let ascending = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    let known = numbers.last().is_none_or(|last| *last as usize <= samples);
    match ascending && known && numbers.first() != Some(&0) {
        true => Ok(numbers),
        false => Err(InspectError::invalid("stss", "numbers are out of order or of range")),
    }
}
