//! Whether decoding can begin at an access unit, read from its bits.

use anyhow::{Result, bail};

use crate::published::Media;

/// Whether the first picture of a segment's first sample is a random access point by itself: an IDR
/// picture in H.264 (7.4.1.2.4) and HEVC (7.4.2.2), a key frame behind a sequence header in AV1 (5.9.2), a
/// key frame in VP9 of profile 0 and 2 (bitstream specification 6.2: after the marker, the profile and
/// `show_existing_frame` comes `frame_type`).
pub fn begins(media: &Media, unit: &[u8]) -> Result<bool> {
    Ok(match &media.track.entry {
        b"avc1" => nals(unit).find_map(|nal| matches!(nal[0] & 0x1f, 1..=5).then_some(nal[0] & 0x1f)) == Some(5),
        b"hvc1" => matches!(nals(unit).map(|nal| nal[0] >> 1 & 0x3f).find(|kind| *kind < 32), Some(19 | 20)),
        b"av01" => key_frame(unit),
        b"vp09" => unit[0] & 0b1100_1100 == 0b1000_0000,
        other => bail!("no reader for {}", String::from_utf8_lossy(other)),
    })
}

/// NAL units behind lengths of four bytes.
pub fn nals(unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = unit;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        rest = after.get(length..)?;
        after.get(..length).filter(|nal| !nal.is_empty())
    })
}

fn key_frame(unit: &[u8]) -> bool {
    let (mut at, mut sequence) = (0, false);
    while let Some(head) = unit.get(at) {
        let kind = head >> 3 & 0xf;
        at += if head & 4 == 0 { 1 } else { 2 };
        let (mut size, mut shift) = (0_usize, 0);
        while let Some(byte) = unit.get(at) {
            size |= usize::from(byte & 0x7f) << shift;
            (at, shift) = (at + 1, shift + 7);
            if byte & 0x80 == 0 {
                break;
            }
        }
        match kind {
            1 => sequence = true,
            // show_existing_frame and frame_type are the first three bits of a frame header.
            3 | 6 => return sequence && unit.get(at).is_some_and(|bits| bits >> 5 == 0),
            _ => {}
        }
        at += size;
    }
    false
}
