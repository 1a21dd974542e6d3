//! Profile, tier and level as the parameter sets say them, held against the configuration record.

use mp4_atom::{Av1c, Avcc, Hvcc};

use super::InspectError;
use crate::level::Conformance;

/// Parameter sets and record must say the same.
fn agreed(kind: &'static str, record: Conformance, sets: &[Conformance]) -> Result<Conformance, InspectError> {
    match sets.iter().find(|set| **set != record) {
        _ if sets.is_empty() => Err(InspectError::invalid(kind, "has no parameter set")),
        Some(set) => Err(InspectError::invalid(kind, format!("it says {record}, a parameter set {set}"))),
        None => Ok(record),
    }
}

/// `profile_idc` and `level_idc` follow the NAL unit's header (ITU-T H.264 7.3.2.1.1).
pub(super) fn avc(record: &Avcc) -> Result<Conformance, InspectError> {
    let said = |profile, level| Conformance { profile, high_tier: false, level };
    let sets: Option<Vec<_>> =
        record.sequence_parameter_sets.iter().map(|nal| Some(said(*nal.get(1)?, *nal.get(3)?))).collect();
    let sets = sets.ok_or_else(|| InspectError::invalid("avcC", "a parameter set is cut off"))?;
    agreed("avcC", said(record.avc_profile_indication, record.avc_level_indication), &sets)
}

/// `profile_tier_level` lies after two bytes of the NAL unit's header and, in a VPS, four more (ITU-T H.265 7.3.2.1),
/// in an SPS one more (7.3.2.2.1); the level is its twelfth byte (7.3.3).
pub(super) fn hevc(record: &Hvcc) -> Result<Conformance, InspectError> {
    const PLACES: [(u8, usize); 2] = [(32, 6), (33, 3)];
    let mut sets = vec![];
    for (kind, place) in PLACES {
        for nal in record.arrays.iter().filter(|array| array.nal_unit_type == kind).flat_map(|array| &array.nalus) {
            let payload = unescaped(nal);
            let said = payload.get(place).zip(payload.get(place + 11));
            let (first, level) = said.ok_or_else(|| InspectError::invalid("hvcC", "a parameter set is cut off"))?;
            sets.push(Conformance { profile: first & 0x1f, high_tier: first & 0x20 != 0, level: *level });
        }
    }
    let record = Conformance {
        profile: record.general_profile_idc,
        high_tier: record.general_tier_flag,
        level: record.general_level_idc,
    };
    agreed("hvcC", record, &sets)
}

/// Without the bytes that keep start codes away (ITU-T H.265 7.4.2).
fn unescaped(nal: &[u8]) -> Vec<u8> {
    let (mut payload, mut zeros) = (Vec::with_capacity(nal.len()), 0);
    for byte in nal {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        payload.push(*byte);
    }
    payload
}

/// The first operating point of the sequence header (AV1 5.5.1), which is the first OBU of the record.
pub(super) fn av1(record: &Av1c) -> Result<Conformance, InspectError> {
    let set = sequence_header(&record.config_obus).ok_or_else(|| InspectError::invalid("av1C", "is cut off"))?;
    let record =
        Conformance { profile: record.seq_profile, high_tier: record.seq_tier_0, level: record.seq_level_idx_0 };
    agreed("av1C", record, &[set])
}

fn sequence_header(obu: &[u8]) -> Option<Conformance> {
    let header = *obu.first()?;
    // Type 1; the extension's byte and the size, of at most eight bytes of seven bits, where they are there.
    let extension = usize::from(header >> 2 & 1);
    let size = match header & 0x02 {
        0 => 0,
        _ => obu.get(1 + extension..)?.iter().take(8).position(|byte| byte & 0x80 == 0)? + 1,
    };
    let mut bits = Bits { data: obu.get(1 + extension + size..).filter(|_| header >> 3 & 15 == 1)?, at: 0 };
    let profile = bits.take(3)? as u8;
    bits.take(1)?;
    let reduced = bits.take(1)? == 1;
    if !reduced {
        if bits.take(1)? == 1 {
            bits.timing_info()?;
        }
        // initial_display_delay_present_flag, operating_points_cnt_minus_1, operating_point_idc[0].
        bits.take(1 + 5 + 12)?;
    }
    let level = bits.take(5)? as u8;
    let high_tier = !reduced && level > 7 && bits.take(1)? == 1;
    Some(Conformance { profile, high_tier, level })
}

/// Bits, the highest of each byte first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |value, _| {
            let bit = self.data.get(self.at / 8)? >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    /// `timing_info`, and the decoder's model (AV1 5.5.3, 5.5.4).
    fn timing_info(&mut self) -> Option<()> {
        self.take(32)?;
        self.take(32)?;
        if self.take(1)? == 1 {
            // uvlc (4.10.3).
            let mut zeros = 0;
            while self.take(1)? == 0 {
                zeros += 1;
            }
            self.take(zeros)?;
        }
        if self.take(1)? == 1 {
            self.take(5)?;
            self.take(32)?;
            self.take(5 + 5)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_header_is_read() {
        // Main profile; no timing; one operating point of index 8 (level 4.0) in the Main tier.
        let bits = "000 0 0 0 0 00000 000000000000 01000 0".replace(' ', "") + "000000";
        let payload: Vec<u8> =
            bits.as_bytes().chunks(8).map(|byte| byte.iter().fold(0, |n, b| n << 1 | (b & 1))).collect();
        let obu = [vec![0x0a, payload.len() as u8], payload.clone()].concat();
        let said = Conformance { profile: 0, high_tier: false, level: 8 };
        assert_eq!(sequence_header(&obu), Some(said));
        assert_eq!(sequence_header(&[vec![0x08], payload].concat()), Some(said));
        assert_eq!(sequence_header(&obu[..4]), None);
        assert_eq!(sequence_header(&[0x12, 0]), None);
    }

    #[test]
    fn a_record_that_contradicts_its_parameter_set_is_refused() {
        let mut record = Hvcc { general_profile_idc: 1, general_level_idc: 90, ..Hvcc::new() };
        assert!(hevc(&record).is_err(), "no parameter set");
        // Profile 1 with flags 0x60000000: a byte keeps the zeros apart.
        let sps = vec![0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 90];
        record.arrays = vec![mp4_atom::HvcCArray { completeness: true, nal_unit_type: 33, nalus: vec![sps] }];
        assert_eq!(hevc(&record).unwrap(), Conformance { profile: 1, high_tier: false, level: 90 });
        record.general_level_idc = 93;
        assert!(hevc(&record).unwrap_err().to_string().contains("level 93"));
    }
}
