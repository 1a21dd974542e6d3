//! The crop that a container's headers declare. ffprobe reads it from 7.1 on only.

use serde::{Deserialize, Serialize};

use crate::probe::VideoStream;

/// The part of the decoded picture that the container does not show, pixels before rotation: `PixelCrop` of Matroska
/// (RFC 9559 5.1.4.1.28.8), `clap` of MP4 (ISO/IEC 14496-12 12.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerCrop {
    /// Pixels.
    pub left: u32,
    /// Pixels.
    pub top: u32,
    /// Pixels.
    pub right: u32,
    /// Pixels.
    pub bottom: u32,
    /// This ffmpeg knows it (7.1 or later) and crops unless it is told not to.
    #[serde(default)]
    pub by_ffmpeg: bool,
}

impl VideoStream {
    /// Applies a crop, unless it is empty or leaves nothing.
    pub fn crop(&mut self, crop: ContainerCrop) {
        let ContainerCrop { left, top, right, bottom, .. } = crop;
        let rest = |whole: u32, one: u32, other: u32| whole.checked_sub(one)?.checked_sub(other).filter(|s| *s >= 2);
        let size = rest(self.width, left, right).zip(rest(self.height, top, bottom));
        let size = size.filter(|size| *size != (self.width, self.height) && self.container_crop.is_none());
        if let Some((width, height)) = size {
            (self.width, self.height, self.container_crop) = (width, height, Some(crop));
        }
    }
}

/// Reads the crop of a stream from the start of a Matroska file or from the `moov` box of an MP4. Either may be cut short
/// behind the stream's declaration.
pub fn crop(header: &[u8], stream: u32) -> Option<ContainerCrop> {
    match header {
        [0x1a, 0x45, 0xdf, 0xa3, ..] => pixel_crop(header, stream),
        _ => clean_aperture(header, stream),
    }
}

/// `PixelCrop*` of a track (RFC 9559 5.1.4.1.28.8 to 11).
fn pixel_crop(header: &[u8], stream: u32) -> Option<ContainerCrop> {
    let inside = |body, kind: u32| elements(body).find(|(found, _)| *found == kind).map(|(_, body)| body);
    let tracks = inside(inside(header, 0x1853_8067)?, 0x1654_ae6b)?;
    let (_, entry) = elements(tracks).filter(|(kind, _)| *kind == 0xae).nth(stream as usize)?;
    let video = inside(entry, 0xe0)?;
    let pixels = |kind| {
        let bytes = inside(video, kind).unwrap_or_default();
        bytes.iter().try_fold(0_u32, |n, byte| n.checked_mul(256)?.checked_add(u32::from(*byte)))
    };
    Some(ContainerCrop {
        left: pixels(0x54cc)?,
        top: pixels(0x54bb)?,
        right: pixels(0x54dd)?,
        bottom: pixels(0x54aa)?,
        by_ffmpeg: false,
    })
}

/// Sibling elements; the last may be cut short (RFC 8794 4 to 6).
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let length = bytes.first()?.leading_zeros() as usize + 1;
        let kind = bytes.get(..length.min(4))?.iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
        let rest = bytes.get(length..)?;
        let first = *rest.first()?;
        let length = first.leading_zeros() as usize + 1;
        let marked = u64::from(first) & (0x7f >> (length - 1).min(7));
        let size = rest.get(1..length)?.iter().fold(marked, |n, byte| n << 8 | u64::from(*byte));
        let unknown = size == (1 << (7 * length)) - 1;
        let rest = rest.get(length..)?;
        let end = if unknown { rest.len() } else { usize::try_from(size).ok()?.min(rest.len()) };
        let (body, after) = rest.split_at(end);
        bytes = after;
        Some((kind, body))
    })
}

/// `clap` of a visual sample entry (ISO/IEC 14496-12 12.1.4): a size, and how far its centre lies from the picture's.
fn clean_aperture(moov: &[u8], stream: u32) -> Option<ContainerCrop> {
    let inside = |body, kind: &[u8; 4]| boxes(body).find(|(found, _)| found == kind).map(|(_, body)| body);
    let (_, track) = boxes(inside(moov, b"moov")?).filter(|(kind, _)| kind == b"trak").nth(stream as usize)?;
    let path = [b"mdia", b"minf", b"stbl", b"stsd"];
    let description = path.iter().try_fold(track, |body, kind| inside(body, kind))?;
    let (_, entry) = boxes(description.get(8..)?).next()?;
    let side = |at: usize| Some(i64::from(u16::from_be_bytes(*entry.get(at..)?.first_chunk()?)));
    let clap = inside(entry.get(78..)?, b"clap")?;
    let fraction = |place: usize| {
        let part = |at: usize| Some(i64::from(i32::from_be_bytes(*clap.get(at..)?.first_chunk()?)));
        Some((part(place * 8)?, part(place * 8 + 4)?)).filter(|(_, of)| *of > 0)
    };
    // What is not shown lies half on either side of the centre, which the offset moves.
    let cut = |whole: i64, shown: (i64, i64), offset: (i64, i64)| {
        let shown = shown.0 / shown.1;
        let first = ((whole - shown) * offset.1 + 2 * offset.0).div_euclid(2 * offset.1);
        Some((u32::try_from(first).ok()?, u32::try_from(whole - shown - first).ok()?))
    };
    let (left, right) = cut(side(24)?, fraction(0)?, fraction(2)?)?;
    let (top, bottom) = cut(side(26)?, fraction(1)?, fraction(3)?)?;
    Some(ContainerCrop { left, top, right, bottom, by_ffmpeg: false })
}

/// Sibling boxes; the last may be cut short (ISO/IEC 14496-12 4.2).
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let (size, rest) = match u32::from_be_bytes(*size) {
            0 => (rest.len() as u64, rest),
            1 => (u64::from_be_bytes(*rest.first_chunk()?).checked_sub(16)?, rest.get(8..)?),
            size => (u64::from(size).checked_sub(8)?, rest),
        };
        let (body, after) = rest.split_at(usize::try_from(size).ok()?.min(rest.len()));
        bytes = after;
        Some((*kind, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    fn element(kind: &[u8], body: &[u8]) -> Vec<u8> {
        [kind, &[0x40 | (body.len() >> 8) as u8, body.len() as u8], body].concat()
    }

    #[test]
    fn a_clean_aperture_is_what_lies_around_its_centre() {
        let numbers: [i32; 8] = [160, 1, 140, 1, -80, 2, -20, 2];
        let clap = boxed(b"clap", &numbers.map(i32::to_be_bytes).concat());
        let entry = [&[0; 24][..], &[1, 64, 0, 180], &[0; 50], &clap].concat();
        let stsd = boxed(b"stsd", &[&[0; 8][..], &boxed(b"avc1", &entry)].concat());
        let track = [b"stbl", b"minf", b"mdia", b"trak"].iter().fold(stsd, |body, kind| boxed(kind, &body));
        let moov = boxed(b"moov", &[boxed(b"mvhd", &[0; 4]), boxed(b"trak", &[]), track].concat());
        let found = ContainerCrop { left: 40, top: 10, right: 120, bottom: 30, by_ffmpeg: false };
        assert_eq!(crop(&moov, 1), Some(found));
        assert_eq!((crop(&moov, 0), crop(&moov[..200], 1)), (None, None));
    }

    #[test]
    fn pixels_are_cropped_of_one_track() {
        let video = [element(&[0x54, 0xbb], &[10]), element(&[0x54, 0xdd], &[1, 0])].concat();
        let entry = element(&[0xae], &element(&[0xe0], &video));
        let tracks = element(&[0x16, 0x54, 0xae, 0x6b], &[element(&[0xae], &[]), entry].concat());
        let segment = [&[0x18, 0x53, 0x80, 0x67, 0x01, 255, 255, 255, 255, 255, 255, 255][..], &tracks].concat();
        let file = [element(&[0x1a, 0x45, 0xdf, 0xa3], &[]), segment].concat();
        assert_eq!(crop(&file, 1), Some(ContainerCrop { left: 0, top: 10, right: 256, bottom: 0, by_ffmpeg: false }));
        assert_eq!(crop(&file, 0), None);
    }
}
