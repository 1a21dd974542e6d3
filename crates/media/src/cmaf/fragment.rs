//! Movie fragments: `moof` to samples (ISO/IEC 14496-12 8.8).

use super::{
    bytes::{BoxError, Cursor},
    encoded::EncodedSample,
};

/// More samples than this in one fragment are refused: a fragment is seconds, not days.
const MAX_SAMPLES: usize = 1 << 20;
/// `sample_is_non_sync_sample` (8.8.3.1).
pub(super) const NON_SYNC: u32 = 0x0001_0000;

/// What `trex` says (8.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Defaults {
    pub(super) track_id: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

impl Defaults {
    pub(super) fn read(mut trex: Cursor<'_>) -> Result<Self, BoxError> {
        trex.version_flags()?;
        let track_id = trex.u32()?;
        trex.u32()?;
        let (duration, size, flags) = (trex.u32()?, trex.u32()?, trex.u32()?);
        Ok(Defaults { track_id, duration, size, flags })
    }
}

/// Reads the fragments of one track, one after the other.
#[derive(Debug)]
pub(super) struct FragmentReader {
    pub(super) defaults: Defaults,
    /// Bytes of the file: no sample may end after it.
    pub(super) file: u64,
    /// Decode time of the next sample when a fragment doesn't say.
    pub(super) decode_time: i64,
}

/// Where data is taken from within a fragment.
struct Place {
    base: u64,
    next: u64,
    defaults: Defaults,
}

impl FragmentReader {
    /// The samples of a `moof` (its body) that starts at byte `at` of the file, in decode order.
    pub(super) fn read(&mut self, moof: &[u8], at: u64) -> Result<Vec<EncodedSample>, BoxError> {
        let mut boxes = Cursor::new(moof, "moof");
        let mut samples = Vec::new();
        let mut end = at;
        while let Some((kind, body)) = boxes.next_box()? {
            if &kind == b"traf" {
                end = self.track(Cursor::new(body, "traf"), at, end, &mut samples)?;
            }
        }
        Ok(samples)
    }

    /// Reads a `traf`; `end` is where the data of the one before ended. Says where its own ends.
    fn track(
        &mut self,
        traf: Cursor<'_>,
        moof: u64,
        end: u64,
        samples: &mut Vec<EncodedSample>,
    ) -> Result<u64, BoxError> {
        let mut place = self.header(traf.one("tfhd")?, moof, end)?;
        if let Some(mut tfdt) = traf.find("tfdt")? {
            let wide = tfdt.version_flags()?.0 == 1;
            // ffmpeg writes priming as 2^64 - 1024: the time is signed.
            self.decode_time = tfdt.sized(wide)?.cast_signed();
        }
        let mut boxes = traf;
        while let Some((kind, body)) = boxes.next_box()? {
            if &kind == b"trun" {
                self.run(Cursor::new(body, "trun"), &mut place, samples)?;
            }
        }
        Ok(place.next)
    }

    /// `tfhd` (8.8.7).
    fn header(&self, mut tfhd: Cursor<'_>, moof: u64, end: u64) -> Result<Place, BoxError> {
        let flags = tfhd.version_flags()?.1;
        let has = |flag: u32| flags & flag != 0;
        if tfhd.u32()? != self.defaults.track_id {
            return Err(BoxError::invalid("tfhd", "is about a track that `moov` does not have"));
        }
        let base = match (has(0x1), has(0x2_0000)) {
            (true, _) => tfhd.u64()?,
            (false, true) => moof,
            (false, false) => end,
        };
        if has(0x2) && tfhd.u32()? != 1 {
            return Err(BoxError::invalid("tfhd", "uses a sample entry that is not there"));
        }
        let mut or = |flag, default| if has(flag) { tfhd.u32() } else { Ok(default) };
        let defaults = Defaults {
            track_id: self.defaults.track_id,
            duration: or(0x8, self.defaults.duration)?,
            size: or(0x10, self.defaults.size)?,
            flags: or(0x20, self.defaults.flags)?,
        };
        Ok(Place { base, next: base, defaults })
    }

    /// `trun` (8.8.8).
    fn run(
        &mut self,
        mut trun: Cursor<'_>,
        place: &mut Place,
        samples: &mut Vec<EncodedSample>,
    ) -> Result<(), BoxError> {
        let invalid = |why| BoxError::invalid("trun", why);
        let (version, flags) = trun.version_flags()?;
        let has = |flag: u32| flags & flag != 0;
        let count = trun.u32()? as usize;
        if count > MAX_SAMPLES - samples.len().min(MAX_SAMPLES) {
            return Err(invalid("there are too many samples"));
        }
        if has(0x1) {
            let offset = i64::from(trun.i32()?);
            let start = place.base.checked_add_signed(offset);
            place.next = start.ok_or(invalid("the data offset is out of range"))?;
        }
        let first_flags = if has(0x4) { Some(trun.u32()?) } else { None };
        for at in 0..count {
            let mut or = |flag, default| if has(flag) { trun.u32() } else { Ok(default) };
            let duration = or(0x100, place.defaults.duration)?;
            let size = or(0x200, place.defaults.size)?;
            let flags = or(0x400, place.defaults.flags)?;
            let flags = first_flags.filter(|_| at == 0).unwrap_or(flags);
            let offset = or(0x800, 0)?;
            // Unsigned in version 0, signed in version 1.
            let signed = i64::from(offset.cast_signed());
            let offset = if version == 0 { i64::from(offset) } else { signed };
            let end = place.next.checked_add(u64::from(size));
            let end = end.filter(|end| *end <= self.file && size > 0);
            let end = end.ok_or(invalid("a sample is empty or ends after the file"))?;
            let (dts, time) = (self.decode_time, invalid("a time overflows"));
            samples.push(EncodedSample {
                dts,
                pts: dts.checked_add(offset).ok_or(time)?,
                duration,
                sync: flags & NON_SYNC == 0,
                offset: place.next,
                size,
            });
            self.decode_time = dts.checked_add(i64::from(duration)).ok_or(time)?;
            place.next = end;
        }
        Ok(())
    }
}
