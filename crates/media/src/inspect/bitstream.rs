//! Looking into coded samples: random access points and encoder banners.

use super::InspectError;

/// How samples are coded; with the size of NAL unit lengths, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Avc(u8),
    Hevc(u8),
    Av1,
    Vp9,
    Sound,
}

/// Walks the whole sample: its NAL units or OBUs must fill it exactly. Says whether there is a
/// banner of the encoder in it. `at` is the sample's index, for errors.
pub(super) fn check(sample: &[u8], coding: Coding, at: usize) -> Result<bool, InspectError> {
    let banner = match coding {
        Coding::Avc(length) => {
            nal_units(sample, length).map(|nals| nals.iter().any(|nal| avc_type(nal) == AVC_SEI && has_banner(nal)))
        }
        Coding::Hevc(length) => {
            nal_units(sample, length).map(|nals| nals.iter().any(|nal| hevc_type(nal) == HEVC_SEI && has_banner(nal)))
        }
        Coding::Av1 => obus(sample).map(|obus| obus.iter().any(|obu| obu.kind == OBU_METADATA && has_banner(obu.body))),
        Coding::Vp9 if sample.first().is_none_or(|byte| byte >> 6 != VP9_MARKER) => Err("it does not begin as VP9"),
        Coding::Vp9 => Ok(false),
        Coding::Sound => Ok(has_banner(&sample[..sample.len().min(BANNER_REACH)])),
    };
    banner.map_err(|why| InspectError::Bitstream { sample: at, why })
}

/// Whether the first sample of a segment can be decoded without anything before it, and everything
/// after it in presentation order too.
pub(super) fn starts_at_random_access(sample: &[u8], coding: Coding) -> Result<bool, InspectError> {
    let found = match coding {
        Coding::Avc(length) => nal_units(sample, length).map(|nals| {
            // Slices are 1 to 5; 5 is IDR (ISO/IEC 14496-10 table 7-1).
            let slice = nals.iter().map(|nal| avc_type(nal)).find(|kind| (1..=5).contains(kind));
            slice == Some(5)
        }),
        Coding::Hevc(length) => nal_units(sample, length).map(|nals| {
            // Slices are below 32; IDR_W_RADL is 19 and IDR_N_LP 20 (ISO/IEC 23008-2 table 7-1).
            let slice = nals.iter().map(|nal| hevc_type(nal)).find(|kind| *kind < 32);
            matches!(slice, Some(19 | 20))
        }),
        Coding::Av1 => obus(sample).map(|obus| shown_key_frame(&obus)),
        Coding::Vp9 => Ok(sample.first().is_some_and(|byte| vp9_key_frame(*byte))),
        Coding::Sound => Ok(true),
    };
    found.map_err(|why| InspectError::Bitstream { sample: 0, why })
}

/// `frame_marker` (VP9 bitstream specification 7.2).
const VP9_MARKER: u8 = 2;

/// The start of `uncompressed_header` (VP9 bitstream specification 6.2): marker (2 bits), two bits of the
/// profile, a reserved one when both are set, `show_existing_frame` 0 and `frame_type` 0. A key frame
/// resets everything that later frames refer to.
fn vp9_key_frame(first: u8) -> bool {
    let reserved = u8::from(first >> 4 & 3 == 3);
    first >> 6 == VP9_MARKER && (first << (4 + reserved)) >> 6 == 0
}

const AVC_SEI: u8 = 6;
const HEVC_SEI: u8 = 39;

fn avc_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |byte| byte & 0x1f)
}

fn hevc_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |byte| (byte >> 1) & 0x3f)
}

/// NAL units with a length in front (ISO/IEC 14496-15 4.3.3).
fn nal_units(mut sample: &[u8], length_size: u8) -> Result<Vec<&[u8]>, &'static str> {
    let mut nals = Vec::new();
    while !sample.is_empty() {
        let (length, rest) = sample.split_at_checked(usize::from(length_size)).ok_or("a NAL length is cut off")?;
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (nal, rest) = rest.split_at_checked(length).ok_or("a NAL unit is cut off")?;
        if nal.is_empty() {
            return Err("a NAL unit is empty");
        }
        nals.push(nal);
        sample = rest;
    }
    Ok(nals)
}

const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_FRAME_HEADER: u8 = 3;
const OBU_METADATA: u8 = 5;
const OBU_FRAME: u8 = 6;

/// An open bitstream unit (AV1 5.3).
struct Obu<'a> {
    kind: u8,
    body: &'a [u8],
}

fn obus(mut sample: &[u8]) -> Result<Vec<Obu<'_>>, &'static str> {
    let mut obus = Vec::new();
    while let Some((&header, rest)) = sample.split_first() {
        if header & 0x80 != 0 {
            return Err("an OBU header has its forbidden bit set");
        }
        // Skips the extension byte.
        let rest = match header & 0x04 {
            0 => rest,
            _ => rest.get(1..).ok_or("an OBU header is cut off")?,
        };
        // Only the last OBU of a sample may leave out its size (AV1 in ISOBMFF 2.4).
        let (size, rest) = match header & 0x02 {
            0 => (rest.len(), rest),
            _ => leb128(rest).ok_or("an OBU size is cut off or too long")?,
        };
        let (body, rest) = rest.split_at_checked(size).ok_or("an OBU is cut off")?;
        obus.push(Obu { kind: (header >> 3) & 0x0f, body });
        sample = rest;
    }
    Ok(obus)
}

/// A size of at most 8 bytes of 7 bits, and what follows (AV1 4.10.5).
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[at + 1..]));
        }
    }
    None
}

/// A sequence header, and then a frame whose header says KEY_FRAME and show_frame (AV1 5.5.1, 5.9.2).
fn shown_key_frame(obus: &[Obu]) -> bool {
    let mut reduced = None;
    for obu in obus {
        match (obu.kind, obu.body.first(), reduced) {
            // seq_profile (3 bits), still_picture, reduced_still_picture_header.
            (OBU_SEQUENCE_HEADER, Some(byte), _) => reduced = Some(byte & 0x08 != 0),
            (OBU_FRAME | OBU_FRAME_HEADER, Some(_), Some(true)) => return true,
            // show_existing_frame 0, frame_type 00, show_frame 1.
            (OBU_FRAME | OBU_FRAME_HEADER, Some(byte), Some(false)) => return byte >> 4 == 0b0001,
            (OBU_FRAME | OBU_FRAME_HEADER, ..) => return false,
            _ => {}
        }
    }
    false
}

/// The encoders of AAC write theirs into a fill element at the start of the first access unit.
const BANNER_REACH: usize = 64;

/// How encoders begin when they introduce themselves.
const BANNERS: [&[u8]; 5] = [b"x264 - core", b"x265 (build", b"Lavc", b"SVT-AV1", b"SVT-HEVC"];

pub(super) fn has_banner(data: &[u8]) -> bool {
    BANNERS.iter().any(|banner| data.windows(banner.len()).any(|window| window == *banner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_gop_and_recovery_points_are_no_random_access() {
        let avc = |kinds: &[u8]| -> Vec<u8> { kinds.iter().flat_map(|kind| [0, 0, 0, 2, *kind, 0x80]).collect() };
        let idr = |sample: &[u8]| starts_at_random_access(sample, Coding::Avc(4)).unwrap();
        assert!(idr(&avc(&[9, 7, 8, 6, 0x65])));
        assert!(!idr(&avc(&[9, 6, 0x41])));
        assert!(!idr(&avc(&[9])));
        let hevc = |kind: u8| {
            let sample = [0, 0, 0, 3, kind << 1, 1, 0x80];
            starts_at_random_access(&sample, Coding::Hevc(4)).unwrap()
        };
        assert_eq!([19, 20, 21, 16, 1].map(hevc), [true, true, false, false, false]);
    }

    #[test]
    fn av1_needs_a_sequence_header_and_a_shown_key_frame() {
        let key = |sample: &[u8]| starts_at_random_access(sample, Coding::Av1).unwrap();
        assert!(key(&[0x12, 0, 0x0a, 1, 0x00, 0x32, 1, 0x10]));
        assert!(key(&[0x0a, 1, 0x18, 0x30, 0x00]), "a still picture, size left out");
        assert!(!key(&[0x32, 1, 0x10]), "no sequence header");
        assert!(!key(&[0x0a, 1, 0x00, 0x32, 1, 0x30]), "an inter frame");
        assert!(!key(&[0x0a, 1, 0x00, 0x32, 1, 0x00]), "a key frame that is not shown");
    }

    #[test]
    fn units_must_fill_the_sample() {
        for sample in [&[0, 0, 0, 2, 5][..], &[0, 0, 0], &[0, 0, 0, 0], &[255, 255, 255, 255, 1]] {
            assert!(check(sample, Coding::Avc(4), 3).is_err());
        }
        for sample in [&[0x80][..], &[0x0a, 9], &[0x0a], &[0x0a, 255, 255, 255, 255, 255, 255, 255, 255, 1]] {
            assert!(check(sample, Coding::Av1, 3).is_err());
        }
    }
}
