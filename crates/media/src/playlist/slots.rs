//! Segments and gaps of a track in one checked row.

use super::PlaylistError;
use crate::{
    time::Timescale,
    track::{FinishedTrack, Segment, TrackKind},
};

/// A place in the timeline: a segment, or a gap where one is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) number: u32,
    /// Ticks.
    pub(super) start: i64,
    /// Ticks.
    pub(super) duration: u64,
    /// `None` is a gap.
    pub(super) segment: Option<&'a Segment>,
    /// Ticks of it that lie before `start`, and that a player throws away: the priming of sound.
    pub(super) priming: u32,
}

impl Slot<'_> {
    pub(super) fn end(&self) -> i64 {
        self.start.saturating_add_unsigned(self.duration)
    }

    /// Duration of its media in microseconds, rounded so that the durations of a row add up to the exact
    /// length of its media: both ends are rounded, not the difference. Players take the sum of the durations
    /// before a segment for its decode time, which counts from the priming on.
    pub(super) fn micros(&self, timescale: Timescale) -> i64 {
        const MICROS: Timescale = Timescale(1_000_000);
        let start = self.start - i64::from(self.priming);
        MICROS.round(timescale.time(self.end())) - MICROS.round(timescale.time(start))
    }
}

/// All slots in order. Numbers count up by one and times join exactly, or it is an error.
pub(super) fn slots(track: &FinishedTrack) -> Result<Vec<Slot<'_>>, PlaylistError> {
    let name = || track.track.name.clone();
    if track.segments.is_empty() {
        return Err(PlaylistError::NoSegments { track: name() });
    }
    let segments = track.segments.iter().map(|s| Slot {
        number: s.number,
        start: s.start,
        duration: s.duration,
        segment: Some(s),
        priming: 0,
    });
    let gaps = track.gaps.iter().map(|g| Slot {
        number: g.number,
        start: g.start,
        duration: g.duration,
        segment: None,
        priming: 0,
    });
    let mut slots: Vec<_> = segments.chain(gaps).collect();
    slots.sort_by_key(|slot| slot.number);

    if let (Some(first), TrackKind::Audio { priming, .. }) = (slots.first_mut(), &track.track.kind) {
        first.priming = *priming;
    }
    if let Some(first) = slots.first().filter(|first| first.start < 0) {
        return Err(PlaylistError::BeforeOrigin { track: name(), start: first.start });
    }
    for pair in slots.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let expected = a.number.saturating_add(1);
        if b.number != expected {
            return Err(PlaylistError::Number { track: name(), expected, found: b.number });
        }
        if b.start != a.end() {
            return Err(PlaylistError::Time { track: name(), number: b.number, expected: a.end(), found: b.start });
        }
    }
    Ok(slots)
}
