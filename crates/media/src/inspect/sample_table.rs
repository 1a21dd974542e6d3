//! Sample tables of a progressive file (`stbl`; ISO/IEC 14496-12 8.6, 8.7).

use super::{
    InspectError, SampleFacts,
    boxes::{Bytes, Children},
};

/// Of one track. A day at 60 fps has 5.2 million; tables and facts take about 80 bytes each.
const SAMPLE_LIMIT: usize = 8_000_000;

/// What the tables say.
pub(super) struct Table {
    /// In decode order.
    pub(super) samples: Vec<SampleFacts>,
    /// Offsets have 64 bits.
    pub(super) wide_offsets: bool,
}

/// Expands the tables of a track. `edit` is subtracted from all times. Every sample must have at
/// least a byte, and lie in one of the `data` ranges: this also bounds how many there can be.
pub(super) fn read(stbl: &Children, edit: i64, data: &[(u64, u64)]) -> Result<Table, InspectError> {
    let limit = data.iter().map(|(start, end)| end.saturating_sub(*start)).sum();
    let sizes = sizes(stbl.one("stsz")?, limit)?;
    let times = Times::read(stbl, sizes.len())?;
    let (chunks, wide_offsets) = chunk_offsets(stbl)?;
    let offsets = offsets(stbl.one("stsc")?, &chunks, &sizes)?;
    let sync = stbl.maybe("stss")?.map(|body| sync_samples(body, sizes.len())).transpose()?;

    let mut samples = Vec::with_capacity(sizes.len());
    for (at, (size, offset)) in sizes.iter().zip(&offsets).enumerate() {
        let end = offset.saturating_add(u64::from(*size));
        if !data.iter().any(|(start, stop)| start <= offset && end <= *stop) {
            let why = format!("sample {at} lies outside of `mdat`, at byte {offset}");
            return Err(InspectError::invalid("stco", why));
        }
        let (dts, duration, cts) = times.of(at, edit)?;
        samples.push(SampleFacts {
            pts: dts.saturating_add(cts),
            dts,
            duration,
            size: *size,
            sync: sync.as_ref().is_none_or(|sync| sync.binary_search(&(at as u32 + 1)).is_ok()),
            offset: *offset,
        });
    }
    Ok(Table { samples, wide_offsets })
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

/// Decode time, duration and composition offset of each sample.
struct Times {
    /// Before the edit list; one more than there are samples.
    decode: Vec<i64>,
    /// Empty when there is no `ctts`.
    composition: Vec<i64>,
}

impl Times {
    fn read(stbl: &Children, samples: usize) -> Result<Self, InspectError> {
        let deltas = runs(stbl.one("stts")?, "stts", samples)?;
        let mut decode = vec![0_i64];
        let mut time = 0_i64;
        for delta in deltas {
            time = time.saturating_add(delta);
            decode.push(time);
        }
        let composition = stbl.maybe("ctts")?.map_or(Ok(Vec::new()), |body| runs(body, "ctts", samples))?;
        Ok(Times { decode, composition })
    }

    fn of(&self, at: usize, edit: i64) -> Result<(i64, u32, i64), InspectError> {
        let overflow = || InspectError::invalid("stts", "a time overflows");
        let (Some(start), Some(end)) = (self.decode.get(at), self.decode.get(at + 1)) else {
            return Err(overflow());
        };
        let duration = u32::try_from(end - start).map_err(|_| overflow())?;
        let dts = start.checked_sub(edit).ok_or_else(overflow)?;
        Ok((dts, duration, self.composition.get(at).copied().unwrap_or(0)))
    }
}

/// `stts` (8.6.1.2) or `ctts` (8.6.1.3): runs of equal values, one value per sample. `ctts` is
/// unsigned in version 0 and signed in version 1; `stts` is unsigned.
fn runs(body: &[u8], kind: &'static str, samples: usize) -> Result<Vec<i64>, InspectError> {
    let mut bytes = Bytes::new(body, kind);
    let signed = bytes.version_flags()?.0 == 1;
    let mut values = Vec::with_capacity(samples);
    for _ in 0..bytes.count(8)? {
        let (count, value) = (bytes.u32()? as usize, bytes.u32()?);
        if count > samples - values.len() {
            return Err(InspectError::invalid(kind, "it has more entries than there are samples"));
        }
        let value = if signed { i64::from(value.cast_signed()) } else { i64::from(value) };
        values.resize(values.len() + count, value);
    }
    match values.len() == samples {
        true => Ok(values),
        false => Err(InspectError::invalid(kind, "it has fewer entries than there are samples")),
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

/// `stsc` (8.7.4): which samples are in which chunk, and so where each of them lies.
fn offsets(body: &[u8], chunks: &[u64], sizes: &[u32]) -> Result<Vec<u64>, InspectError> {
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
    let mut offsets = Vec::with_capacity(sizes.len());
    for (at, (first, count)) in entries.iter().enumerate() {
        let end = entries.get(at + 1).map_or(chunks.len() + 1, |(next, _)| *next);
        let range = first.checked_sub(1).and_then(|first| chunks.get(first..end.checked_sub(1)?));
        for chunk in range.ok_or_else(|| invalid("its chunks are not in order"))? {
            let mut offset = *chunk;
            for _ in 0..*count {
                let size = sizes.get(offsets.len());
                let size = *size.ok_or_else(|| invalid("it has more samples than `stsz`"))?;
                offsets.push(offset);
                offset = offset.saturating_add(u64::from(size));
            }
        }
    }
    match offsets.len() == sizes.len() {
        true => Ok(offsets),
        false => Err(invalid("it has fewer samples than `stsz`")),
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
