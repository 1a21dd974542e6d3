//! RFC 6381 `codecs` texts from decoder configurations.

use super::{AudioCodecConfig, BoxError, SampleEntry, VideoCodecConfig, asc, bytes::Cursor, init::Colour};

/// `avc1.64001f`, `hvc1.1.6.L93.90`, `av01.0.04M.08`, `vp09.00.30.08…`, `mp4a.40.2`, `Opus`, `ac-3`, `ec-3`,
/// `mp4a.6B`, `fLaC`; without parameters they are the sample entry as it is spelt: Safari does not know `opus`. `colour` is what the init segment says of it.
pub fn codec_text(entry: &SampleEntry, colour: Option<Colour>) -> Result<String, BoxError> {
    match entry {
        SampleEntry::Video(video) => match &video.config {
            VideoCodecConfig::Avc(record) => avc(record),
            VideoCodecConfig::Hevc(record) => hevc(record),
            VideoCodecConfig::Av1(record) => av1(record, colour),
            VideoCodecConfig::Vp9(record) => vp9(record),
        },
        SampleEntry::Audio(audio) => match &audio.config {
            AudioCodecConfig::Aac(esds) | AudioCodecConfig::Mp3(esds) => aac(esds),
            AudioCodecConfig::Opus(_) => Ok("Opus".to_owned()),
            AudioCodecConfig::Ac3(_) => Ok("ac-3".to_owned()),
            AudioCodecConfig::Eac3(_) => Ok("ec-3".to_owned()),
            AudioCodecConfig::Flac(_) => Ok("fLaC".to_owned()),
        },
    }
}

/// Profile, constraints and level in hexadecimal (RFC 6381 3.3).
fn avc(record: &[u8]) -> Result<String, BoxError> {
    let mut fields = Cursor::new(record, "avcC");
    let [_, profile, constraints, level] = fields.array()?;
    Ok(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
}

/// ISO/IEC 14496-15 annex E.3: profile space and profile, compatibility flags in reverse bit order,
/// tier and level, constraint bytes without the zeros at the end.
fn hevc(record: &[u8]) -> Result<String, BoxError> {
    let mut fields = Cursor::new(record, "hvcC");
    let [_, profile] = fields.array()?;
    let compatibility = fields.u32()?.reverse_bits();
    let constraints: [u8; 6] = fields.array()?;
    let level = fields.u8()?;
    let space = match profile >> 6 {
        1 => "A",
        2 => "B",
        3 => "C",
        _ => "",
    };
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let profile = profile & 0x1f;
    let mut text = format!("hvc1.{space}{profile}.{compatibility:X}.{tier}{level}");
    let used = constraints.iter().rposition(|byte| *byte != 0);
    for byte in constraints.iter().take(used.map_or(0, |last| last + 1)) {
        text.push_str(&format!(".{byte:X}"));
    }
    Ok(text)
}

/// AV1 in ISOBMFF 5: profile, level and tier, bit depth. What follows is left out for 4:2:0 of BT.709 in
/// limited range, wherever its chroma lies, as other packagers do: monochrome, subsampling with the chroma's
/// position, the colour.
fn av1(record: &[u8], colour: Option<Colour>) -> Result<String, BoxError> {
    let mut fields = Cursor::new(record, "av1C");
    let [_, profile_level, flags] = fields.array()?;
    let (profile, level) = (profile_level >> 5, profile_level & 0x1f);
    let tier = if flags & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (flags & 0x40 != 0, flags & 0x20 != 0) {
        (true, true) => 12,
        (true, false) => 10,
        (false, _) => 8,
    };
    let short = format!("av01.{profile}.{level:02}{tier}.{depth:02}");
    let bt709 = Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false };
    let colour = colour.unwrap_or(bt709);
    let (mono, x, y, position) = (flags >> 4 & 1, flags >> 3 & 1, flags >> 2 & 1, flags & 3);
    if colour == bt709 && (mono, x, y) == (0, 1, 1) {
        return Ok(short);
    }
    let Colour { primaries, transfer, matrix, full_range } = colour;
    let full = u8::from(full_range);
    Ok(format!("{short}.{mono}.{x}{y}{position}.{primaries:02}.{transfer:02}.{matrix:02}.{full}"))
}

/// VP Codec ISO Media File Format Binding, "Codecs Parameter String": profile, level, bit depth, chroma
/// subsampling, primaries, transfer, matrix, full range.
fn vp9(record: &[u8]) -> Result<String, BoxError> {
    let mut fields = Cursor::new(record, "vpcC");
    fields.version_flags()?;
    let [profile, level, packed, primaries, transfer, matrix] = fields.array()?;
    let (depth, subsampling, full) = (packed >> 4, packed >> 1 & 7, packed & 1);
    Ok(format!(
        "vp09.{profile:02}.{level:02}.{depth:02}.{subsampling:02}.{primaries:02}.{transfer:02}.{matrix:02}.{full:02}"
    ))
}

/// Object type indication and, for MPEG-4 audio, the audio object type (RFC 6381 3.3).
fn aac(esds: &[u8]) -> Result<String, BoxError> {
    let said = asc::read(esds)?;
    Ok(match said.object_type_indication {
        0x40 => format!("mp4a.40.{}", said.object_type),
        // In the spelling of RFC 6381, which Chromium insists on: `mp4a.6B`, and not `mp4a.6b`.
        other => format!("mp4a.{other:02X}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hevc_main10_as_apple_writes_it() {
        let record = [1, 2, 0x20, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 120];
        assert_eq!(hevc(&record).unwrap(), "hvc1.2.4.L120.90");
        let record = [1, 0x61, 0x60, 0, 0, 0, 0xb0, 0, 0, 0x01, 0, 0, 93];
        assert_eq!(hevc(&record).unwrap(), "hvc1.A1.6.H93.B0.0.0.1");
    }

    #[test]
    fn av1_depths() {
        let text = |flags| av1(&[0x81, 0x09, flags, 0], None).unwrap();
        assert_eq!(text(0x0c), "av01.0.09M.08");
        assert_eq!(text(0xcc), "av01.0.09H.10");
        assert_eq!(text(0x6c), "av01.0.09M.12");
        let pq = Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false };
        assert_eq!(av1(&[0x81, 0x09, 0x4c, 0], Some(pq)).unwrap(), "av01.0.09M.10.0.110.09.16.09.0");
    }

    #[test]
    fn cut_off_records_are_errors() {
        assert_eq!(avc(&[1, 0x64]), Err(BoxError::CutOff("avcC")));
        assert!(hevc(&[1; 12]).is_err() && av1(&[0x81], None).is_err() && aac(&[0; 7]).is_err());
    }
}
