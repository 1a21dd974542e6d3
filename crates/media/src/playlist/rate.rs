//! The peak segment bit rate (RFC 8216bis 4.4.6.2, `BANDWIDTH`).

use super::slots::Slot;
use crate::{time::Timescale, track::Segment};

/// The longest EXTINF, rounded to whole seconds, at least 1: `EXT-X-TARGETDURATION`
/// (RFC 8216bis 4.4.3.1).
pub(super) fn target_duration(slots: &[Slot], timescale: Timescale) -> u64 {
    let longest = slots.iter().map(|s| s.micros(timescale)).max().unwrap_or(0);
    (longest.max(0).unsigned_abs() + 500_000).div_euclid(1_000_000).max(1)
}

/// The largest rate of any run of neighbouring segments that lasts 0.5 to 1.5 target durations,
/// bit/s, rounded up.
///
/// A single segment doesn't do: the last one of a film may be one key frame and 40 ms long, and its
/// own rate would shut every player out of the rendition. When no run is long enough (a film of half
/// a second), it is the rate of the whole track.
pub(super) fn peak(slots: &[Slot], timescale: Timescale, bytes: impl Fn(&Segment) -> u64) -> u64 {
    let target = u128::from(target_duration(slots, timescale)) * u128::from(timescale.0);
    let mut peak = 0;
    for first in 0..slots.len() {
        let (mut size, mut ticks) = (0, 0);
        for slot in &slots[first..] {
            let Some(segment) = slot.segment else { break };
            size += u128::from(bytes(segment));
            ticks += u128::from(slot.duration);
            if ticks * 2 > target * 3 {
                break;
            }
            if ticks * 2 >= target {
                peak = peak.max(rate(size, ticks, timescale));
            }
        }
    }
    if peak == 0 { average(slots, timescale, bytes) } else { peak }
}

/// Rate over all segments, without gaps, bit/s, rounded up: `AVERAGE-BANDWIDTH`.
pub(super) fn average(slots: &[Slot], timescale: Timescale, bytes: impl Fn(&Segment) -> u64) -> u64 {
    let segments = || slots.iter().filter_map(|slot| slot.segment);
    let size = segments().map(|s| u128::from(bytes(s))).sum();
    rate(size, segments().map(|s| u128::from(s.duration)).sum(), timescale)
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
    use crate::track::FileFacts;

    fn segment(number: u32, duration: u64, bytes: u64) -> Segment {
        let file = FileFacts { path: String::new(), bytes, sha256: String::new() };
        Segment { number, file, start: 0, duration, samples: 1, key_bytes: 1 }
    }

    fn peak_of(segments: &[(u64, u64)]) -> u64 {
        let segments: Vec<_> = segments.iter().enumerate().map(|(n, (d, b))| segment(n as u32, *d, *b)).collect();
        let slots: Vec<_> = segments
            .iter()
            .map(|s| Slot { number: s.number, start: 0, duration: s.duration, segment: Some(s), early: 0, late: 0 })
            .collect();
        peak(&slots, Timescale(1000), |s| s.file.bytes)
    }

    #[test]
    fn a_short_tail_counts_with_its_neighbour() {
        assert_eq!(peak_of(&[(4000, 4000), (4000, 8000), (40, 4000)]), 23_763);
        assert_eq!(peak_of(&[(4000, 4000), (4000, 8000)]), 16_000);
    }

    #[test]
    fn a_very_short_film_has_the_rate_of_the_whole() {
        assert_eq!(peak_of(&[(100, 50), (100, 150)]), 8000);
        assert_eq!(peak_of(&[(0, 50)]), 0);
    }
}
