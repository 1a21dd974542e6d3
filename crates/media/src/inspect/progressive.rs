//! What a progressive MP4 holds: `ftyp`, `moov`, `mdat`, read without its media.

use std::io::{Read, Seek, SeekFrom};

use super::{
    InitFacts, InspectError, SampleTable,
    boxes::{Children, Header},
    init::{movie_header, track},
    roll, sample_table,
};
use crate::time::MediaTime;

/// What a progressive file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressiveFacts {
    /// `moov` stands before all media: playback can start while the file loads.
    pub moov_first: bool,
    /// `mvhd.duration`.
    pub duration: MediaTime,
    /// Start and end of the bodies of `mdat`, bytes.
    pub media: Vec<(u64, u64)>,
    /// In the order of the file.
    pub tracks: Vec<ProgressiveTrack>,
}

/// One track of a progressive file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressiveTrack {
    /// What an init segment would say.
    pub init: InitFacts,
    /// All of its samples lie inside of `mdat`.
    pub table: SampleTable,
    /// The pre-roll that all samples have, access units; negative.
    pub roll: Option<i16>,
}

impl ProgressiveTrack {
    /// Sum of all samples' durations, ticks.
    pub fn media_duration(&self) -> u64 {
        self.table.samples().map(|s| u64::from(s.duration)).sum()
    }

    /// Presentation times after the edit list, ascending, ticks.
    pub fn presentation_times(&self) -> Vec<i64> {
        let mut times: Vec<i64> = self.table.samples().map(|s| s.pts).collect();
        times.sort_unstable();
        times
    }
}

/// A `moov` of more bytes is refused unread. A day of 60 fps with eight audio tracks has 300 MB.
const MOOV_LIMIT: u64 = 512 << 20;
/// More top-level boxes than this are no file that this system writes.
const BOX_LIMIT: usize = 4096;

/// Reads a progressive file: its headers and `moov`, not its media.
pub fn inspect_progressive(reader: &mut (impl Read + Seek)) -> Result<ProgressiveFacts, InspectError> {
    let length = reader.seek(SeekFrom::End(0))?;
    let (mut moov, mut media, mut moov_first, mut brand) = (None, Vec::new(), false, false);
    for top in top_level(reader, length)? {
        match &top.kind {
            b"ftyp" => brand = true,
            b"moov" if moov.is_some() => return Err(InspectError::Repeated("moov")),
            b"moov" => {
                moov_first = media.is_empty();
                moov = Some(body(reader, &top)?);
            }
            b"mdat" => media.push((top.start, top.end)),
            b"free" | b"skip" => {}
            kind => {
                return Err(InspectError::Unexpected {
                    kind: kind.escape_ascii().to_string(),
                    at: usize::try_from(top.start).unwrap_or(usize::MAX),
                    size: top.end - top.start,
                });
            }
        }
    }
    if !brand {
        return Err(InspectError::Missing("ftyp"));
    }
    let moov = moov.ok_or(InspectError::Missing("moov"))?;
    let moov = Children::of(&moov)?;
    let (timescale, duration) = movie_header(moov.one("mvhd")?)?;
    let duration = i64::try_from(duration).map_err(|_| InspectError::invalid("mvhd", "the duration overflows"))?;
    let mut tracks = Vec::new();
    for trak in moov.all("trak") {
        let init = track(trak.body, timescale)?;
        let mdia = Children::of(trak.body)?.inside("mdia")?;
        let stbl = mdia.inside("minf")?.inside("stbl")?;
        let table = sample_table::read(&stbl, init.edit_media_time, &media)?;
        let roll = roll::of_all(&stbl, &init.rolls, table.len())?;
        tracks.push(ProgressiveTrack { init, table, roll });
    }
    Ok(ProgressiveFacts { moov_first, duration: timescale.time(duration), media, tracks })
}

/// A box of the file; its body from `start` to `end`, bytes.
struct TopLevel {
    kind: [u8; 4],
    start: u64,
    end: u64,
}

fn top_level(reader: &mut (impl Read + Seek), length: u64) -> Result<Vec<TopLevel>, InspectError> {
    let (mut boxes, mut at) = (Vec::new(), 0);
    while at < length {
        let cut_off = |what: String| InspectError::CutOff { what, at: usize::try_from(at).unwrap_or(usize::MAX) };
        reader.seek(SeekFrom::Start(at))?;
        let mut head = Vec::with_capacity(16);
        reader.by_ref().take(16).read_to_end(&mut head)?;
        let header = Header::read(&head).ok_or_else(|| cut_off("a box header".to_owned()))?;
        let start = at + header.length as u64;
        let end = header.size.map_or(Some(length), |size| at.checked_add(size));
        match end {
            Some(end) if start <= end && end <= length => {
                boxes.push(TopLevel { kind: header.kind, start, end });
                at = end;
            }
            _ => return Err(cut_off(format!("`{}`", header.name()))),
        }
        if boxes.len() > BOX_LIMIT {
            return Err(InspectError::invalid("file", "there are too many boxes"));
        }
    }
    Ok(boxes)
}

fn body(reader: &mut (impl Read + Seek), top: &TopLevel) -> Result<Vec<u8>, InspectError> {
    let size = top.end - top.start;
    if size > MOOV_LIMIT {
        return Err(InspectError::invalid("moov", format!("{size} bytes are too many")));
    }
    reader.seek(SeekFrom::Start(top.start))?;
    let mut body = Vec::new();
    reader.by_ref().take(size).read_to_end(&mut body)?;
    Ok(body)
}
