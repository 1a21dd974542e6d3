//! Cutting a presentation into DASH periods at its gaps.

use super::{
    ListedTrack, PlaylistError, Presentation, rate,
    slots::{Slot, slots},
};
use crate::time::MediaTime;

/// A track's part of one period: segments with consecutive numbers.
pub(super) struct Part<'a> {
    pub(super) listed: &'a ListedTrack,
    /// Of the whole track, bit/s.
    pub(super) peak: u64,
    /// Not empty; no gaps in it.
    pub(super) segments: Vec<Slot<'a>>,
}

/// A stretch without a jump in the numbers.
pub(super) struct Period<'a> {
    pub(super) start: MediaTime,
    pub(super) video: Vec<Part<'a>>,
    pub(super) audio: Vec<Part<'a>>,
}

/// A presentation, cut.
pub(super) struct Periods<'a> {
    pub(super) periods: Vec<Period<'a>>,
    /// End of the track that ends last; gaps at the end count.
    pub(super) duration: MediaTime,
    /// The longest segment of all.
    pub(super) longest: MediaTime,
}

/// One period per run of segments of the first track, the first one from 0.
pub(super) fn periods(presentation: &Presentation) -> Result<Periods<'_>, PlaylistError> {
    let target = presentation.target_duration()?;
    let video = rows(&presentation.video, target)?;
    let audio = rows(&presentation.audio, target)?;
    let all = || video.iter().chain(&audio);

    let starts = all().next().map(starts).unwrap_or_default();
    let mut periods = Vec::new();
    for (at, start) in starts.iter().enumerate() {
        let end = starts.get(at + 1).copied();
        periods.push(Period { start: *start, video: parts(&video, *start, end)?, audio: parts(&audio, *start, end)? });
    }
    let ends = all().filter_map(|row| row.slots.last().map(|slot| row.time(slot.end())));
    let lengths =
        all().flat_map(|row| row.slots.iter().filter(|s| s.segment.is_some()).map(|s| row.time(s.end() - s.start)));
    Ok(Periods {
        duration: ends.max().unwrap_or(MediaTime::ZERO),
        longest: lengths.max().unwrap_or(MediaTime::ZERO),
        periods,
    })
}

struct Row<'a> {
    listed: &'a ListedTrack,
    /// bit/s.
    peak: u64,
    slots: Vec<Slot<'a>>,
}

impl Row<'_> {
    fn time(&self, ticks: i64) -> MediaTime {
        self.listed.track.track.timescale.time(ticks)
    }
}

fn rows(tracks: &[ListedTrack], target: u64) -> Result<Vec<Row<'_>>, PlaylistError> {
    let mut rows = Vec::new();
    for listed in tracks {
        let slots = slots(&listed.track)?;
        let peak = rate::peak(&slots, listed.track.track.timescale, target);
        rows.push(Row { listed, peak, slots });
    }
    Ok(rows)
}

/// 0, and the end of each gap that has segments on both sides.
fn starts(row: &Row) -> Vec<MediaTime> {
    let after_gaps = row
        .slots
        .windows(2)
        .filter_map(|pair| (pair[0].segment.is_none() && pair[1].segment.is_some()).then_some(pair[1].start));
    let first = row.slots.iter().find(|slot| slot.segment.is_some()).map_or(0, |slot| slot.start);
    let later = after_gaps.filter(|start| *start > first).map(|start| row.time(start));
    std::iter::once(MediaTime::ZERO).chain(later).collect()
}

/// What of each track is heard or seen in [start, end). A segment that lies over the bound is in
/// both periods, and players show of it what is in theirs (ISO/IEC 23009-1 7.2.1).
fn parts<'a>(rows: &[Row<'a>], start: MediaTime, end: Option<MediaTime>) -> Result<Vec<Part<'a>>, PlaylistError> {
    let mut parts = Vec::new();
    for row in rows {
        let inside = |slot: &&Slot| {
            slot.segment.is_some() && row.time(slot.end()) > start && end.is_none_or(|end| row.time(slot.start) < end)
        };
        let segments: Vec<Slot> = row.slots.iter().filter(inside).copied().collect();
        if let Some(jump) = segments.windows(2).find(|pair| pair[1].number != pair[0].number + 1) {
            return Err(PlaylistError::LoneGap { track: row.listed.name().to_owned(), number: jump[1].number });
        }
        if !segments.is_empty() {
            parts.push(Part { listed: row.listed, peak: row.peak, segments });
        }
    }
    Ok(parts)
}
