//! Segments and gaps of a track in one checked row.

use super::PlaylistError;
use crate::{
    time::Timescale,
    track::{FinishedTrack, KeyFrame, Segment, TrackKind},
};

/// A place in the timeline: a segment or a key frame of it, or a gap where a segment is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) number: u32,
    /// Ticks.
    pub(super) start: i64,
    /// Ticks.
    pub(super) duration: u64,
    /// `None` is a gap.
    pub(super) segment: Option<&'a Segment>,
    /// What is listed of the segment; `None` is all of it.
    pub(super) key: Option<KeyFrame>,
    /// Where it begins on the decode timeline less where it is presented, ticks: the priming of sound, which
    /// a player throws away. 0 for the first one, before which nothing is decoded.
    pub(super) early: u32,
    /// The same of what follows; 0 for the last one, after which nothing is.
    pub(super) late: u32,
}

impl Slot<'_> {
    /// Bytes of what is listed; `None` of a gap.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.segment.map(|segment| self.key.map_or(segment.file.bytes, |key| key.bytes))
    }

    pub(super) fn end(&self) -> i64 {
        self.start.saturating_add_unsigned(self.duration)
    }

    /// Duration in microseconds, rounded so that the durations of a row add up to its exact length:
    /// both ends are rounded, not the difference. Players take the sum of those before a segment for its
    /// decode time (Shaka Player places it so), and the sum of all for how long the track plays.
    pub(super) fn micros(&self, timescale: Timescale) -> i64 {
        const MICROS: Timescale = Timescale(1_000_000);
        let at = |ticks: i64, shift: u32| MICROS.round(timescale.time(ticks + i64::from(shift)));
        at(self.end(), self.late) - at(self.start, self.early)
    }
}

/// All slots in order. Numbers count up by one and times join exactly, or it is an error.
pub(super) fn slots(track: &FinishedTrack) -> Result<Vec<Slot<'_>>, PlaylistError> {
    let name = || track.track.name.clone();
    if track.segments.is_empty() {
        return Err(PlaylistError::NoSegments { track: name() });
    }
    let priming = match track.track.kind {
        TrackKind::Audio { priming, .. } => priming,
        TrackKind::Video { .. } => 0,
    };
    let segments = track.segments.iter().map(|s| Slot {
        number: s.number,
        start: s.start,
        duration: s.duration,
        segment: Some(s),
        key: None,
        early: priming,
        late: priming,
    });
    let gaps = track.gaps.iter().map(|g| Slot {
        number: g.number,
        start: g.start,
        duration: g.duration,
        segment: None,
        key: None,
        early: priming,
        late: priming,
    });
    let mut slots: Vec<_> = segments.chain(gaps).collect();
    slots.sort_by_key(|slot| slot.number);

    if let Some(first) = slots.first_mut() {
        first.early = 0;
    }
    // A last segment that is no longer than the priming keeps its length.
    if let Some(last) = slots.last_mut().filter(|last| last.duration > u64::from(priming)) {
        last.late = 0;
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

/// All slots in order, with a slot for each key frame instead of those of whole segments: it lasts until the next one
/// (RFC 8216bis 4.4.3.6), or the end of its segment.
pub(super) fn key_frames(track: &FinishedTrack) -> Result<Vec<Slot<'_>>, PlaylistError> {
    let mut keys = Vec::new();
    for slot in slots(track)? {
        let Some(segment) = slot.segment else {
            keys.push(slot);
            continue;
        };
        let ends = segment.further_keys.iter().map(|key| key.start).chain([slot.end()]);
        for (key, end) in segment.key_frames().zip(ends) {
            let duration = u64::try_from(end.saturating_sub(key.start)).ok().filter(|duration| *duration > 0);
            let duration = duration
                .ok_or_else(|| PlaylistError::KeyFrames { track: track.track.name.clone(), number: slot.number })?;
            keys.push(Slot { start: key.start, duration, key: Some(key), ..slot });
        }
    }
    Ok(keys)
}
