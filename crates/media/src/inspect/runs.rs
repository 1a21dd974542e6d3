//! Track fragment headers and runs (ISO/IEC 14496-12 8.8.7 and 8.8.8).

use super::{InitFacts, InspectError, SampleFacts, boxes::Bytes};

/// `tfhd` (8.8.7), with the defaults of `trex` filled in.
struct FragmentHeader {
    /// Absolute; `None` counts from the start of `moof`.
    base: Option<u64>,
    duration: u32,
    size: u32,
    flags: u32,
}

fn fragment_header(body: &[u8], init: &InitFacts) -> Result<FragmentHeader, InspectError> {
    let mut bytes = Bytes::new(body, "tfhd");
    let flags = bytes.version_flags()?.1;
    if bytes.u32()? != init.track_id {
        return Err(InspectError::invalid("tfhd", "is about a track that the init does not have"));
    }
    let has = |flag: u32| flags & flag != 0;
    let base = has(0x1).then(|| bytes.u64()).transpose()?;
    if has(0x2) && bytes.u32()? != 1 {
        return Err(InspectError::invalid("tfhd", "uses a sample entry that the init does not have"));
    }
    let mut or = |flag: u32, default: u32| if has(flag) { bytes.u32() } else { Ok(default) };
    Ok(FragmentHeader {
        base,
        duration: or(0x8, init.defaults.duration)?,
        size: or(0x10, init.defaults.size)?,
        flags: or(0x20, init.defaults.flags)?,
    })
}

/// Reads the track runs of a fragment (8.8.8) one after the other.
pub(super) struct Runs {
    header: FragmentHeader,
    base: u64,
    /// Where the next run's data starts when it doesn't say.
    next: u64,
    /// Decode time of the next sample, after the edit list.
    time: i64,
    /// First byte of the media data, and the one after it.
    mdat: (u64, u64),
    samples: Vec<SampleFacts>,
}

/// `sample_is_non_sync_sample` (8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

impl Runs {
    /// For one fragment: `moof` is where its `moof` starts, `time` the decode time of its first sample
    /// after the edit list, `mdat` where its media data starts and ends.
    pub(super) fn new(
        tfhd: &[u8],
        init: &InitFacts,
        moof: u64,
        time: i64,
        mdat: (u64, u64),
    ) -> Result<Self, InspectError> {
        let header = fragment_header(tfhd, init)?;
        let base = header.base.unwrap_or(moof);
        Ok(Runs { header, base, next: base, time, mdat, samples: Vec::new() })
    }

    /// Reads one `trun`.
    pub(super) fn read(&mut self, body: &[u8]) -> Result<(), InspectError> {
        let invalid = |why: &str| InspectError::invalid("trun", why);
        let mut bytes = Bytes::new(body, "trun");
        let (version, flags) = bytes.version_flags()?;
        let has = |flag: u32| flags & flag != 0;
        let count = bytes.u32()?;
        if has(0x1) {
            let offset = i64::from(bytes.i32()?);
            self.next =
                self.base.checked_add_signed(offset).ok_or_else(|| invalid("the data offset is out of range"))?;
        }
        let first_flags = has(0x4).then(|| bytes.u32()).transpose()?;
        let start = if self.samples.is_empty() { self.mdat.0 } else { self.end() };
        if count > 0 && self.next != start {
            return Err(invalid("its data does not join what comes before in `mdat`"));
        }
        for at in 0..count {
            let mut or = |flag: u32, default: u32| if has(flag) { bytes.u32() } else { Ok(default) };
            let duration = or(0x100, self.header.duration)?;
            let size = or(0x200, self.header.size)?;
            let flags = or(0x400, self.header.flags)?;
            let offset = or(0x800, 0)?;
            // Unsigned in version 0, signed in version 1.
            let offset = if version == 0 { i64::from(offset) } else { i64::from(offset.cast_signed()) };
            let flags = first_flags.filter(|_| at == 0).unwrap_or(flags);
            self.push(duration, size, flags & NON_SYNC == 0, offset)?;
        }
        Ok(())
    }

    /// Fails as soon as a sample is empty or leaves `mdat`, which bounds the number of samples.
    fn push(&mut self, duration: u32, size: u32, sync: bool, cts: i64) -> Result<(), InspectError> {
        let invalid = |why: &str| InspectError::invalid("trun", why);
        if size == 0 {
            return Err(invalid("a sample is empty"));
        }
        let (dts, offset) = (self.time, self.next);
        let pts = dts.checked_add(cts).ok_or_else(|| invalid("the time overflows"))?;
        self.time = dts.checked_add(i64::from(duration)).ok_or_else(|| invalid("the time overflows"))?;
        self.next = offset.saturating_add(u64::from(size));
        if self.next > self.mdat.1 {
            return Err(invalid("a sample ends after `mdat`"));
        }
        self.samples.push(SampleFacts { pts, dts, duration, size, sync, offset });
        Ok(())
    }

    fn end(&self) -> u64 {
        self.samples.last().map_or(self.mdat.0, |s| s.offset + u64::from(s.size))
    }

    /// All samples, if they fill the media data exactly.
    pub(super) fn finish(self) -> Result<Vec<SampleFacts>, InspectError> {
        if self.samples.is_empty() {
            return Err(InspectError::invalid("trun", "there are no samples"));
        }
        match self.mdat.1 - self.end() {
            0 => Ok(self.samples),
            left => Err(InspectError::invalid("mdat", format!("{left} bytes belong to no sample"))),
        }
    }
}
