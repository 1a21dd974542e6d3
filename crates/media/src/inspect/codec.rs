//! RFC 6381 codec texts from configuration records.

use mp4_atom::{Ac3SpecificBox, Atom, Av1c, Avcc, Dfla, Dops, Ec3SpecificBox, Esds, FlacMetadataBlock, Hvcc, VpcC};

use super::{InspectError, init::Colour};
use crate::level::Conformance;

/// Decodes the body of a configuration record.
fn record<T: Atom>(kind: &'static str, mut body: &[u8]) -> Result<T, InspectError> {
    T::decode_body(&mut body).map_err(|error| InspectError::invalid(kind, error.to_string()))
}

/// ISO/IEC 14496-15 5.3.3.1.
pub(super) fn avc(body: &[u8]) -> Result<Avcc, InspectError> {
    record("avcC", body)
}

/// ISO/IEC 14496-15 8.3.3.1.
pub(super) fn hevc(body: &[u8]) -> Result<Hvcc, InspectError> {
    record("hvcC", body)
}

/// AV1 in ISOBMFF 2.3.
pub(super) fn av1(body: &[u8]) -> Result<Av1c, InspectError> {
    record("av1C", body)
}

/// `avc1.PPCCLL`, hexadecimal (RFC 6381 3.3).
pub(super) fn avc_text(kind: &[u8; 4], record: &Avcc) -> String {
    format!(
        "{}.{:02x}{:02x}{:02x}",
        kind.escape_ascii(),
        record.avc_profile_indication,
        record.profile_compatibility,
        record.avc_level_indication
    )
}

/// `hvc1.2.4.L120.90` (ISO/IEC 14496-15 annex E.3): profile space and profile, compatibility flags
/// in reverse bit order, tier and level, constraint bytes without the zeros at the end.
pub(super) fn hevc_text(kind: &[u8; 4], record: &Hvcc) -> String {
    let space = match record.general_profile_space {
        1 => "A",
        2 => "B",
        3 => "C",
        _ => "",
    };
    let flags = u32::from_be_bytes(record.general_profile_compatibility_flags).reverse_bits();
    let tier = if record.general_tier_flag { 'H' } else { 'L' };
    let mut text = format!(
        "{}.{space}{}.{flags:X}.{tier}{}",
        kind.escape_ascii(),
        record.general_profile_idc,
        record.general_level_idc
    );
    let constraints = record.general_constraint_indicator_flags;
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        text.push_str(&format!(".{byte:X}"));
    }
    text
}

/// `av01.0.04M.08` (AV1 in ISOBMFF 5). The optional part is written when it isn't 4:2:0 of BT.709 in
/// limited range.
pub(super) fn av1_text(record: &Av1c, colour: Option<Colour>) -> String {
    let depth = match (record.high_bitdepth, record.twelve_bit) {
        (true, true) => 12,
        (true, false) => 10,
        (false, _) => 8,
    };
    let tier = if record.seq_tier_0 { 'H' } else { 'M' };
    let short = format!("av01.{}.{:02}{tier}.{depth:02}", record.seq_profile, record.seq_level_idx_0);
    let (x, y) = (u8::from(record.chroma_subsampling_x), u8::from(record.chroma_subsampling_y));
    let position = if x == 1 && y == 1 { record.chroma_sample_position } else { 0 };
    let bt709 = Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false };
    let colour = colour.unwrap_or(bt709);
    if !record.monochrome && (x, y) == (1, 1) && colour == bt709 {
        return short;
    }
    format!(
        "{short}.{}.{x}{y}{position}.{:02}.{:02}.{:02}.{}",
        u8::from(record.monochrome),
        colour.primaries,
        colour.transfer,
        colour.matrix,
        u8::from(colour.full_range)
    )
}

/// `vp09.PP.LL.DD.CC.cp.tc.mc.FF` (VP Codec ISO Media File Format Binding 1.0).
pub(super) fn vp9(body: &[u8]) -> Result<(String, Conformance), InspectError> {
    let record: VpcC = record("vpcC", body)?;
    let text = format!(
        "vp09.{:02}.{:02}.{:02}.{:02}.{:02}.{:02}.{:02}.{:02}",
        record.profile,
        record.level,
        record.bit_depth,
        record.chroma_subsampling,
        record.color_primaries,
        record.transfer_characteristics,
        record.matrix_coefficients,
        u8::from(record.video_full_range_flag)
    );
    Ok((text, Conformance { profile: record.profile, high_tier: false, level: record.level }))
}

/// Channels of each `acmod` without the low frequency one (ETSI TS 102 366 table 4.3).
const DOLBY_CHANNELS: [u32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
/// Rates of each `fscod` (ETSI TS 102 366 table 4.1).
const DOLBY_RATES: [u32; 3] = [48_000, 44_100, 32_000];

fn dolby(text: &str, fscod: u8, acmod: u8, low: bool) -> Result<(String, u32, u32), InspectError> {
    let rate = DOLBY_RATES.get(usize::from(fscod));
    let rate = rate.ok_or_else(|| InspectError::invalid("stsd", "a reserved sample rate of AC-3"))?;
    Ok((text.to_owned(), DOLBY_CHANNELS[usize::from(acmod & 7)] + u32::from(low), *rate))
}

/// `ac-3` (ETSI TS 102 366 F.4).
pub(super) fn ac3(body: &[u8]) -> Result<(String, u32, u32), InspectError> {
    let record: Ac3SpecificBox = record("dac3", body)?;
    dolby("ac-3", record.fscod, record.acmod, record.lfeon)
}

/// `ec-3` (ETSI TS 102 366 F.6): the first independent substream.
pub(super) fn eac3(body: &[u8]) -> Result<(String, u32, u32), InspectError> {
    let record: Ec3SpecificBox = record("dec3", body)?;
    let first = record.substreams.first().ok_or_else(|| InspectError::invalid("dec3", "has no substream"))?;
    dolby("ec-3", first.fscod, first.acmod, first.lfeon)
}

/// `fLaC`: STREAMINFO says the rest (RFC 9639 8.2), and how many bits a sample has, as does the sample entry.
pub(super) fn flac(body: &[u8], bits: u16) -> Result<(String, u32, u32), InspectError> {
    let record: Dfla = record("dfLa", body)?;
    let info = record.blocks.into_iter().find_map(|block| match block {
        FlacMetadataBlock::StreamInfo { num_channels_minus_one, bits_per_sample_minus_one, sample_rate, .. } => {
            Some((u32::from(num_channels_minus_one) + 1, u16::from(bits_per_sample_minus_one) + 1, sample_rate))
        }
        _ => None,
    });
    let (channels, coded, rate) = info.ok_or_else(|| InspectError::invalid("dfLa", "has no STREAMINFO"))?;
    if bits != coded {
        let why = format!("says {bits} bits a sample, its STREAMINFO {coded}");
        return Err(InspectError::invalid("stsd", why));
    }
    Ok(("fLaC".to_owned(), channels, rate))
}

/// `ES_ID` of an `esds` (ISO/IEC 14496-1 7.2.6.5).
pub(super) fn stream_id(body: &[u8]) -> Result<u16, InspectError> {
    Ok(record::<Esds>("esds", body)?.es_desc.es_id)
}

/// `mp4a.40.2`, channels and Hz: the AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) where it says so,
/// else the sample entry.
pub(super) fn aac(body: &[u8], channels: u32, sample_rate: u32) -> Result<(String, u32, u32), InspectError> {
    const RATES: [u32; 13] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
    let config = record::<Esds>("esds", body)?.es_desc.dec_config;
    let object_type = config.object_type_indication;
    let Some(specific) = config.dec_specific.filter(|_| object_type == 0x40) else {
        return Ok((format!("mp4a.{object_type:02X}"), channels, sample_rate));
    };
    let channels = match specific.chan_conf {
        count @ 1..=6 => u32::from(count),
        7 | 12 | 14 => 8,
        11 => 7,
        _ => channels,
    };
    let rate = RATES.get(usize::from(specific.freq_index)).copied().unwrap_or(sample_rate);
    Ok((format!("mp4a.40.{}", specific.profile), channels, rate))
}

/// `Opus`, as the sample entry is spelt (Opus in ISOBMFF 4.3.1); always 48 kHz (Opus in ISOBMFF 4.3.2).
pub(super) fn opus(body: &[u8]) -> Result<(String, u32, u32), InspectError> {
    let record: Dops = record("dOps", body)?;
    Ok(("Opus".to_owned(), u32::from(record.output_channel_count), 48_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hevc_main10_as_apple_writes_it() {
        let record = Hvcc {
            general_profile_idc: 2,
            general_profile_compatibility_flags: [0x20, 0, 0, 0],
            general_level_idc: 120,
            general_constraint_indicator_flags: [0x90, 0, 0, 0, 0, 0],
            ..Hvcc::new()
        };
        assert_eq!(hevc_text(b"hvc1", &record), "hvc1.2.4.L120.90");
    }

    #[test]
    fn av1_hdr_has_the_long_form() {
        let record = Av1c {
            seq_level_idx_0: 9,
            high_bitdepth: true,
            chroma_subsampling_x: true,
            chroma_subsampling_y: true,
            ..Av1c::default()
        };
        assert_eq!(av1_text(&record, None), "av01.0.09M.10");
        let pq = Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false };
        assert_eq!(av1_text(&record, Some(pq)), "av01.0.09M.10.0.110.09.16.09.0");
    }
}
