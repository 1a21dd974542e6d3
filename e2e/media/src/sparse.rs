//! MP4 files beyond 4 GiB that take no room: a hole before the media, and 64-bit places behind it.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context, Result, ensure};

use crate::boxes;

/// Copies an MP4 whose index is last, with a `free` box of `length` bytes before its media
/// (ISO/IEC 14496-12 4.2: size 1 and 64 bits of size behind the type).
pub fn with_hole(from: &Path, to: &Path, length: u64) -> Result<()> {
    let bytes = fs::read(from)?;
    let top = |kind: &[u8; 4]| boxes::find(&bytes, &[kind]).map(|content| content.start - 8);
    let (mdat, moov) = (top(b"mdat").context("no mdat")?, top(b"moov").context("no moov")?);
    ensure!(mdat < moov, "the index is not last");
    let mut file = File::create(to)?;
    file.write_all(&bytes[..mdat])?;
    file.write_all(&[&1_u32.to_be_bytes()[..], b"free", &length.to_be_bytes()].concat())?;
    file.seek(SeekFrom::Start(mdat as u64 + length))?;
    file.write_all(&bytes[mdat..moov])?;
    file.write_all(&moved(&bytes[moov..], length)?)?;
    Ok(())
}

/// Boxes with every chunk of media `by` bytes later: `stco` becomes `co64` (8.7.5).
fn moved(mut bytes: &[u8], by: u64) -> Result<Vec<u8>> {
    let mut written = vec![];
    while !bytes.is_empty() {
        let head = bytes.first_chunk::<8>().context("half a box")?;
        let (size, kind) = (u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize, &head[4..]);
        let content = bytes.get(8..size).context("a box is longer than its parent")?;
        let (kind, content) = match kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => (kind, moved(content, by)?),
            b"stco" => (&b"co64"[..], wide(content, by)),
            _ => (kind, content.to_vec()),
        };
        written.extend((content.len() as u32 + 8).to_be_bytes());
        written.extend(kind);
        written.extend(content);
        bytes = &bytes[size..];
    }
    Ok(written)
}

/// Version, flags and count stay; each place gets 64 bits.
fn wide(stco: &[u8], by: u64) -> Vec<u8> {
    let (head, places) = stco.split_at(8);
    let places = places.chunks_exact(4).map(|p| u64::from(u32::from_be_bytes([p[0], p[1], p[2], p[3]])) + by);
    head.iter().copied().chain(places.flat_map(u64::to_be_bytes)).collect()
}
