//! How long a file says it is: the outermost structure of its container, to see whether its end is missing.
//!
//! MP4 and MOV are a row of boxes (ISO/IEC 14496-12 4.2), Matroska and WebM one segment behind a header
//! (RFC 8794, RFC 9559), AVI and WAV one RIFF chunk. Others have no end that could be missing.

mod crop;

pub use crop::{ContainerCrop, crop};

/// Bytes that a [`step`] wants to see.
pub const WINDOW: u64 = 64;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A box that ends here, where the next one begins.
    Next(u64),
    /// All there is ends here.
    End(u64),
    /// Nothing that has a known end.
    Unknown,
}

/// Boxes that stand in no other one.
const TOP_LEVEL: [&[u8; 4]; 17] = [
    b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"ssix", b"free", b"skip", b"wide", b"pnot",
    b"meta", b"uuid", b"emsg", b"prft", b"pdin",
];

/// Looks at the first bytes at `at`.
pub fn step(at: u64, bytes: &[u8]) -> Step {
    match bytes {
        [b'R', b'I', b'F', b'F', size @ ..] => riff(at, size),
        [0x1a, 0x45, 0xdf, 0xa3, rest @ ..] => ebml(at + 4, rest).map_or(Step::Unknown, Step::Next),
        [0x18, 0x53, 0x80, 0x67, rest @ ..] => ebml(at + 4, rest).map_or(Step::Unknown, Step::End),
        _ => boxed(at, bytes).map_or(Step::Unknown, Step::Next),
    }
}

/// 0 and values near the largest, signed or not, are what writers leave that can't go back. Some count the
/// header or a byte of padding too.
fn riff(at: u64, bytes: &[u8]) -> Step {
    let size = bytes.first_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    if size == 0 || size >= 0x7fff_f000 { Step::Unknown } else { Step::End(at + u64::from(size)) }
}

/// The end of an element whose size stands at `at`: as many bytes as the first one has leading zeros,
/// and one (RFC 8794 4). All ones is unknown.
fn ebml(at: u64, bytes: &[u8]) -> Option<u64> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    let rest = bytes.get(1..length)?;
    let marked = u64::from(first) & (0x7f >> first.leading_zeros());
    let size = rest.iter().fold(marked, |size, byte| size << 8 | u64::from(*byte));
    let unknown = (1_u64 << (7 * length)) - 1;
    (size != unknown).then(|| at.checked_add(length as u64)?.checked_add(size))?
}

/// The end of a box; none when it ends with the file, or isn't one.
fn boxed(at: u64, bytes: &[u8]) -> Option<u64> {
    let (size, rest) = bytes.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    if !TOP_LEVEL.contains(&kind) {
        return None;
    }
    let size = match u32::from_be_bytes(*size) {
        0 => return None,
        1 => u64::from_be_bytes(*rest.first_chunk()?),
        short => u64::from(short),
    };
    at.checked_add(size).filter(|end| *end >= at + 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_says_where_it_ends() {
        let small = [&100_u32.to_be_bytes()[..], b"moov", &[0; 40]].concat();
        assert_eq!(step(32, &small), Step::Next(132));
        let large = [&1_u32.to_be_bytes()[..], b"mdat", &(5_u64 << 32).to_be_bytes()].concat();
        assert_eq!(step(10, &large), Step::Next((5 << 32) + 10));
        assert_eq!(step(0, &[&1000_u32.to_le_bytes()[..], b"WAVE"].concat()), Step::Unknown);
        assert_eq!(step(0, &[&b"RIFF"[..], &1000_u32.to_le_bytes(), b"WAVE"].concat()), Step::End(1000));
        assert_eq!(step(0, &[0x1a, 0x45, 0xdf, 0xa3, 0xa3, 1, 2]), Step::Next(5 + 0x23));
        assert_eq!(step(40, &[0x18, 0x53, 0x80, 0x67, 0x01, 0, 0, 0, 0, 0, 1, 0]), Step::End(52 + 256));
    }

    #[test]
    fn what_has_no_end_is_unknown() {
        let streamed = [&b"RIFF"[..], &0x7fff_f024_u32.to_le_bytes()].concat();
        let live = [0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let last = [&0_u32.to_be_bytes()[..], b"mdat"].concat();
        for bytes in [&streamed[..], &live, &last, b"", b"G", b"\0\0\0\x02moov", b"some text, more text", &[0x1a, 0x45]]
        {
            assert_eq!(step(0, bytes), Step::Unknown, "{bytes:?}");
        }
    }
}
