//! Pre-roll of sound: the sample group `roll` (ISO/IEC 14496-12 10.1) says how many access units a decoder needs before
//! one to decode it right. Seeking players begin so much earlier.
//!
//! The description stands in `moov` once. Fragments have no description of their own, so the index in their `sbgp`
//! counts in that one (8.9.4).

use super::{
    AudioCodecConfig,
    bytes::{BoxError, Cursor},
    writer::Writer,
};

const GROUPING: &[u8; 4] = b"roll";
/// Of [`samples`], bytes.
pub(super) const SAMPLES_BYTES: u64 = 28;

impl AudioCodecConfig {
    /// `roll_distance` of access units of so many samples; `None` for codecs whose access units stand alone, or whose
    /// binding does not ask for it.
    ///
    /// Opus: 80 ms (Encapsulation of Opus in ISOBMFF 4.3.6.2, RFC 7845 4.6). AAC: the unit before, which the transform
    /// overlaps (QuickTime File Format, appendix G).
    pub fn roll_distance(&self, access_unit: u32) -> Option<i16> {
        let units = match self {
            AudioCodecConfig::Opus(_) => 3840_u32.div_ceil(access_unit.max(1)),
            AudioCodecConfig::Aac(_) => 1,
            _ => return None,
        };
        Some(i16::try_from(units).map_or(i16::MIN, |units| -units))
    }
}

/// `sgpd` of one description (8.9.3), version 1.
pub(super) fn description(w: &mut Writer, distance: i16) {
    w.full(b"sgpd", 1, 0, |w| {
        w.bytes(GROUPING);
        w.u32(2); // default_length
        w.u32(1); // entry_count
        w.u16(distance.cast_unsigned());
    });
}

/// `sbgp` (8.9.2): all of so many samples belong to the description.
pub(super) fn samples(w: &mut Writer, count: u32) {
    w.full(b"sbgp", 0, 0, |w| {
        w.bytes(GROUPING);
        w.u32(1); // entry_count
        w.u32(count);
        w.u32(1); // group_description_index
    });
}

/// Reads what [`description`] wrote into `stbl`, if it did.
pub(super) fn read(mut stbl: Cursor<'_>) -> Result<Option<i16>, BoxError> {
    while let Some((kind, body)) = stbl.next_box()? {
        let mut sgpd = Cursor::new(body, "sgpd");
        if &kind != b"sgpd" || sgpd.version_flags()?.0 != 1 || &sgpd.array()? != GROUPING {
            continue;
        }
        sgpd.take(8)?;
        return Ok(Some(sgpd.u16()?.cast_signed()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_rolls_80_ms_and_aac_one_unit() {
        let opus = AudioCodecConfig::Opus(vec![]);
        let distances = [120, 240, 480, 960, 1920, 2880].map(|unit| opus.roll_distance(unit));
        assert_eq!(distances, [-32, -16, -8, -4, -2, -2].map(Some));
        assert_eq!(AudioCodecConfig::Aac(vec![]).roll_distance(1024), Some(-1));
        assert_eq!(AudioCodecConfig::Flac(vec![]).roll_distance(4096), None);
    }

    #[test]
    fn the_description_is_read_back() {
        let mut w = Writer::default();
        w.full(b"stts", 0, 0, |w| w.u32(0));
        description(&mut w, -4);
        let bytes = w.into_bytes();
        assert_eq!(read(Cursor::new(&bytes, "stbl")), Ok(Some(-4)));
        assert_eq!(read(Cursor::new(&bytes[..16], "stbl")), Ok(None));
    }

    #[test]
    fn the_samples_take_the_room_that_is_set_aside() {
        let mut w = Writer::default();
        samples(&mut w, 7);
        assert_eq!(w.len() as u64, SAMPLES_BYTES);
    }
}
