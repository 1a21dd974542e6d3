//! The peak segment bit rate (RFC 8216bis 4.4.6.2, `BANDWIDTH`).

use super::{
    PlaylistError,
    slots::{Slot, slots},
};
use crate::{time::Timescale, track::FinishedTrack};

/// The longest EXTINF of all tracks, rounded to whole seconds, at least 1: `EXT-X-TARGETDURATION` (RFC 8216bis
/// 4.4.3.1), which is the same in every media playlist of a presentation (RFC 8216 6.2.4).
pub(super) fn target_duration<'a>(tracks: impl Iterator<Item = &'a FinishedTrack>) -> Result<u64, PlaylistError> {
    let mut longest = 0;
    for track in tracks {
        let timescale = track.track.timescale;
        longest = slots(track)?.iter().map(|slot| slot.micros(timescale)).fold(longest, i64::max);
    }
    Ok((longest.unsigned_abs() + 500_000).div_euclid(1_000_000).max(1))
}

/// The largest rate of any run of neighbouring slots without a gap that lasts 0.5 to 1.5 times `target` (seconds, the
/// presentation's target duration), bit/s, rounded up.
///
/// A single segment doesn't do: the last one of a film may be one key frame and 40 ms long, and its
/// own rate would shut every player out of the rendition. When no run is long enough (a film of half
/// a second), it is the rate of the whole track.
pub(super) fn peak(slots: &[Slot], timescale: Timescale, target: u64) -> u64 {
    let target = u128::from(target) * u128::from(timescale.0);
    let mut peak = 0;
    for first in 0..slots.len() {
        let (mut size, mut ticks) = (0, 0);
        for slot in &slots[first..] {
            let Some(bytes) = slot.bytes() else { break };
            size += u128::from(bytes);
            ticks += u128::from(slot.duration);
            if ticks * 2 > target * 3 {
                break;
            }
            if ticks * 2 >= target {
                peak = peak.max(rate(size, ticks, timescale));
            }
        }
    }
    if peak == 0 { average(slots, timescale) } else { peak }
}

/// Rate over all slots, without gaps, bit/s, rounded up: `AVERAGE-BANDWIDTH`.
pub(super) fn average(slots: &[Slot], timescale: Timescale) -> u64 {
    let present = slots.iter().filter_map(|slot| Some((slot.bytes()?, slot.duration)));
    let (size, ticks) = present.fold((0, 0), |(size, ticks), (s, t)| (size + u128::from(s), ticks + u128::from(t)));
    rate(size, ticks, timescale)
}

fn rate(bytes: u128, ticks: u128, timescale: Timescale) -> u64 {
    match ticks {
        0 => 0,
        _ => u64::try_from((bytes * 8 * u128::from(timescale.0)).div_ceil(ticks)).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::{FileFacts, Segment};

    fn segment(number: u32, duration: u64, bytes: u64) -> Segment {
        let file = FileFacts { path: String::new(), bytes, sha256: String::new() };
        Segment { number, file, start: 0, duration, samples: 1, key_bytes: 1, further_keys: vec![] }
    }

    fn peak_of(segments: &[(u64, u64)], target: u64) -> u64 {
        let segments: Vec<_> = segments.iter().enumerate().map(|(n, (d, b))| segment(n as u32, *d, *b)).collect();
        let slots: Vec<_> = segments
            .iter()
            .map(|s| Slot {
                number: s.number,
                start: 0,
                duration: s.duration,
                segment: Some(s),
                key: None,
                early: 0,
                late: 0,
            })
            .collect();
        peak(&slots, Timescale(1000), target)
    }

    #[test]
    fn a_short_tail_counts_with_its_neighbour() {
        assert_eq!(peak_of(&[(4000, 4000), (4000, 8000), (40, 4000)], 4), 23_763);
        assert_eq!(peak_of(&[(4000, 4000), (4000, 8000)], 4), 16_000);
    }

    #[test]
    fn a_very_short_film_has_the_rate_of_the_whole() {
        assert_eq!(peak_of(&[(100, 50), (100, 150)], 1), 8000);
        assert_eq!(peak_of(&[(0, 50)], 1), 0);
    }
}
