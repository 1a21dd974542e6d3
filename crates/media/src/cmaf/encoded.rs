//! Reads what ffmpeg's `mp4` muxer wrote for one encoded track, as fragmented MP4
//! (`-movflags +empty_moov+default_base_moof+…`).
//!
//! Only `moov` and one `moof` at a time are in memory; `mdat` is read sample by sample, `mfra` and
//! everything else is passed over.

use std::{
    collections::VecDeque,
    io::{self, Read, Seek},
};

use super::{
    BoxError, SampleEntry,
    bytes::{Cursor, Header},
    entry::{self, ReadEntry},
    fragment::{Defaults, FragmentReader},
    source::Source,
};
use crate::time::Timescale;

/// A larger `moov` is refused: without samples it has about a thousand bytes.
const MOOV_LIMIT: u64 = 1 << 20;
/// A larger `moof` is refused.
const MOOF_LIMIT: u64 = 64 << 20;

/// Why an encoded file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum EncodedError {
    /// The file can't be read, or is shorter than its boxes say.
    #[error("the encoded file can't be read: {0}")]
    Io(#[from] io::Error),
    /// A box is wrong.
    #[error("the encoded file is damaged at byte {at}: {error}")]
    Box {
        /// Start of the top-level box, bytes.
        at: u64,
        /// What is wrong.
        error: BoxError,
    },
    /// There is no `moov`: the encoder wrote nothing, or not fragmented MP4.
    #[error("the encoded file has no `moov` before its media: the encoder wrote nothing")]
    NoMovie,
    /// A top-level box is larger than such a box can be.
    #[error("`{kind}` at byte {at} says that it has {size} bytes, which is too much")]
    TooLarge {
        /// The box.
        kind: &'static str,
        /// Its start, bytes.
        at: u64,
        /// Bytes.
        size: u64,
    },
    /// A top-level box ends after the file.
    #[error("the encoded file is cut off: a box at byte {at} ends after the file")]
    CutOff {
        /// Its start, bytes.
        at: u64,
    },
}

/// One access unit, as the encoder timed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodedSample {
    /// Decode time, ticks; negative for priming.
    pub dts: i64,
    /// Presentation time (decode time + composition offset), ticks.
    pub pts: i64,
    /// To the next decode time, ticks.
    pub duration: u32,
    /// Random access point, by the muxer's flags.
    pub sync: bool,
    /// Of its first byte in the file.
    pub offset: u64,
    /// Bytes; at least 1.
    pub size: u32,
}

/// A file with one encoded track. Iterates over its samples in decode order; a file without samples
/// is one where the encoder got no frames. Ends after the first error.
#[derive(Debug)]
pub struct EncodedTrack<R> {
    source: Source<R>,
    entry: SampleEntry,
    timescale: Timescale,
    fragments: FragmentReader,
    /// Start of the next top-level box.
    next: u64,
    ready: VecDeque<EncodedSample>,
    failed: bool,
}

/// What `moov` says of its only track.
pub(super) struct Movie<'a> {
    pub(super) trak: Cursor<'a>,
    pub(super) entry: ReadEntry<'a>,
    pub(super) timescale: Timescale,
    /// Packed, of `mdhd`.
    pub(super) language: u16,
    pub(super) defaults: Defaults,
}

impl<'a> Movie<'a> {
    pub(super) fn read(moov: Cursor<'a>) -> Result<Self, BoxError> {
        let (mut boxes, mut tracks) = (moov, 0);
        while let Some((kind, _)) = boxes.next_box()? {
            tracks += usize::from(&kind == b"trak");
        }
        if tracks != 1 {
            return Err(BoxError::invalid("moov", "must have one track"));
        }
        let trak = moov.one("trak")?;
        let mut mdhd = trak.path(&["mdia", "mdhd"])?;
        let wide = mdhd.version_flags()?.0 == 1;
        mdhd.take(if wide { 16 } else { 8 })?;
        let timescale = mdhd.u32()?;
        mdhd.sized(wide)?;
        let language = mdhd.u16()?;
        if timescale == 0 {
            return Err(BoxError::invalid("mdhd", "the timescale is 0"));
        }
        let entry = entry::read(trak.path(&["mdia", "minf", "stbl", "stsd"])?)?;
        let defaults = Defaults::read(moov.path(&["mvex", "trex"])?)?;
        Ok(Movie { trak, entry, timescale: Timescale(timescale), language, defaults })
    }
}

/// The start, kind and size of a top-level box.
struct TopLevel {
    at: u64,
    header: Header,
    size: u64,
}

impl<R: Read + Seek> EncodedTrack<R> {
    /// Reads `moov`.
    pub fn open(reader: R) -> Result<Self, EncodedError> {
        let mut source = Source::new(reader)?;
        let mut next = 0;
        while let Some(found) = top_level(&mut source, next)? {
            next = found.at + found.size;
            match &found.header.kind {
                b"moov" => return Self::with_movie(source, &found),
                b"moof" | b"mdat" => break,
                _ => {}
            }
        }
        Err(EncodedError::NoMovie)
    }

    fn with_movie(mut source: Source<R>, found: &TopLevel) -> Result<Self, EncodedError> {
        let body = body(&mut source, found, "moov", MOOV_LIMIT)?;
        let movie = Movie::read(Cursor::new(&body, "moov"));
        let movie = movie.map_err(|error| EncodedError::Box { at: found.at, error })?;
        let fragments = FragmentReader { defaults: movie.defaults, file: source.length(), decode_time: 0 };
        Ok(EncodedTrack {
            source,
            entry: movie.entry.entry,
            timescale: movie.timescale,
            fragments,
            next: found.at + found.size,
            ready: VecDeque::new(),
            failed: false,
        })
    }

    /// What the encoder says of itself.
    pub fn entry(&self) -> &SampleEntry {
        &self.entry
    }

    /// Ticks per second of all times.
    pub fn timescale(&self) -> Timescale {
        self.timescale
    }

    /// Time of the first sample, ticks; 0 without one. Muxers differ in whether priming lies before 0.
    pub fn start(&mut self) -> Result<i64, EncodedError> {
        let first = self.next_sample()?;
        first.into_iter().for_each(|sample| self.ready.push_front(sample));
        Ok(first.map_or(0, |sample| sample.pts))
    }

    /// Appends the bytes of a sample.
    pub(super) fn read_sample(&mut self, offset: u64, size: u32, into: &mut Vec<u8>) -> Result<(), EncodedError> {
        Ok(self.source.read_exact(offset, u64::from(size), into)?)
    }

    fn next_sample(&mut self) -> Result<Option<EncodedSample>, EncodedError> {
        loop {
            if let Some(sample) = self.ready.pop_front() {
                return Ok(Some(sample));
            }
            let Some(found) = top_level(&mut self.source, self.next)? else {
                return Ok(None);
            };
            self.next = found.at + found.size;
            if &found.header.kind == b"moof" {
                let body = body(&mut self.source, &found, "moof", MOOF_LIMIT)?;
                let at = found.at;
                let samples = self.fragments.read(&body, at);
                self.ready = samples.map_err(|error| EncodedError::Box { at, error })?.into();
            }
        }
    }
}

impl<R: Read + Seek> Iterator for EncodedTrack<R> {
    type Item = Result<EncodedSample, EncodedError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_sample().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// The header of the box at `at`; `None` at the end of the file.
fn top_level<R: Read + Seek>(source: &mut Source<R>, at: u64) -> Result<Option<TopLevel>, EncodedError> {
    if at == source.length() {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(16);
    source.read(at, 16, &mut bytes)?;
    let header = Header::read(&bytes).ok_or(EncodedError::CutOff { at })?;
    let left = source.length() - at;
    let size = header.size.unwrap_or(left);
    match header.length <= size && size <= left {
        true => Ok(Some(TopLevel { at, header, size })),
        false => Err(EncodedError::CutOff { at }),
    }
}

fn body<R: Read + Seek>(
    source: &mut Source<R>,
    found: &TopLevel,
    kind: &'static str,
    limit: u64,
) -> Result<Vec<u8>, EncodedError> {
    let size = found.size - found.header.length;
    if size > limit {
        return Err(EncodedError::TooLarge { kind, at: found.at, size });
    }
    let mut body = Vec::new();
    source.read_exact(found.at + found.header.length, size, &mut body)?;
    Ok(body)
}
