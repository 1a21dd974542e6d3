//! `esds` down to the AudioSpecificConfig (ISO/IEC 14496-1 7.2.6, 14496-3 1.6.2.1).

use super::bytes::{BoxError, Cursor};

/// What `esds` says of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AudioConfig {
    /// ISO/IEC 14496-1 table 5; 0x40 is MPEG-4 audio.
    pub(super) object_type_indication: u8,
    /// ISO/IEC 14496-3 table 1.17; 2 is AAC-LC.
    pub(super) object_type: u8,
    /// Hz; `None` when reserved.
    pub(super) sample_rate: Option<u32>,
    /// `None` when a program config element says it.
    pub(super) channels: Option<u16>,
}

/// Object type indications (ISO/IEC 14496-1 table 5): MPEG-4 audio, and MPEG-2 and MPEG-1 audio, which MP3 is
/// at up to 24 kHz and above.
pub(super) const MPEG4_AUDIO: u8 = 0x40;
pub(super) const MPEG2_AUDIO: u8 = 0x69;
pub(super) const MPEG1_AUDIO: u8 = 0x6b;

const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// Reads the body of an `esds` box.
pub(super) fn read(esds: &[u8]) -> Result<AudioConfig, BoxError> {
    let mut esds = Cursor::new(esds, "esds");
    esds.version_flags()?;
    let mut stream = descriptor(&mut esds, 3)?;
    stream.u16()?;
    let flags = stream.u8()?;
    if flags & 0x80 != 0 {
        stream.u16()?;
    }
    if flags & 0x40 != 0 {
        let length = stream.u8()?;
        stream.take(usize::from(length))?;
    }
    if flags & 0x20 != 0 {
        stream.u16()?;
    }
    let mut decoder = descriptor(&mut stream, 4)?;
    let object_type_indication = decoder.u8()?;
    if object_type_indication != MPEG4_AUDIO {
        return Ok(AudioConfig { object_type_indication, object_type: 0, sample_rate: None, channels: None });
    }
    decoder.take(12)?;
    let specific = descriptor(&mut decoder, 5)?;
    specific_config(specific.rest(), object_type_indication)
}

/// The body of an `esds` box that [`read`] could read, with an ES_ID of 0: muxers put the track's number there, which
/// CMAF (ISO/IEC 23000-19) 10.3.4.2.3 does not want.
pub(super) fn without_id(esds: &[u8]) -> Vec<u8> {
    let mut esds = esds.to_vec();
    // Version and flags, the tag, a length of up to four bytes of which all but the last have their first bit set.
    let length = esds.iter().skip(5).take(3).take_while(|byte| *byte & 0x80 != 0).count();
    esds.iter_mut().skip(6 + length).take(2).for_each(|byte| *byte = 0);
    esds
}

/// The body of the next descriptor, which must have this tag.
fn descriptor<'a>(from: &mut Cursor<'a>, tag: u8) -> Result<Cursor<'a>, BoxError> {
    if from.u8()? != tag {
        return Err(BoxError::invalid("esds", "a descriptor is missing"));
    }
    let mut length = 0_usize;
    for _ in 0..4 {
        let byte = from.u8()?;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(Cursor::new(from.take(length)?, "esds"))
}

fn specific_config(bytes: &[u8], object_type_indication: u8) -> Result<AudioConfig, BoxError> {
    let mut bits = Bits { bytes, at: 0 };
    let object_type = match bits.take(5)? {
        31 => 32 + bits.take(6)?,
        kind => kind,
    };
    let sample_rate = match bits.take(4)? {
        15 => Some(bits.take(24)?),
        index => RATES.get(index as usize).copied(),
    };
    let channels = match bits.take(4)? {
        count @ 1..=6 => Some(count as u16),
        7 | 12 | 14 => Some(8),
        11 => Some(7),
        _ => None,
    };
    Ok(AudioConfig { object_type_indication, object_type: object_type as u8, sample_rate, channels })
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<u32, BoxError> {
        (0..count).try_fold(0, |value, _| {
            let byte = self.bytes.get(self.at / 8).copied();
            let bit = byte.ok_or(BoxError::CutOff("esds"))? >> (7 - self.at % 8) & 1;
            self.at += 1;
            Ok(value << 1 | u32::from(bit))
        })
    }
}
