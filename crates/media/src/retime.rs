//! Filters that change how many frames there are, and when each is shown: what leaves them is known from
//! the source's times alone, before anything is decoded.

use num_rational::Ratio;
use serde::{Deserialize, Serialize};

use crate::{
    time::{MediaTime, Rational, Timebase, Timescale},
    timeline::{TimelineError, output_scale},
};

/// Frames that a constant rate may make of a source: 77 hours at 60 fps. More is a broken clock.
const MAX_FRAMES: i64 = 1 << 24;

/// How filters change the times of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retiming {
    /// Frames a second: frame `n` is shown at `n/rate` on the source's own timeline.
    pub rate: Rational,
}

/// Frames as filters that change times leave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retimed {
    /// One tick.
    pub timebase: Timebase,
    /// Ticks of each, sorted.
    pub pts: Vec<i64>,
    /// Which frame of the source each shows, by its place among them; sorted.
    pub shows: Vec<u32>,
    /// Time after the last.
    pub end: MediaTime,
    /// The frame that nothing follows.
    pub hold: Hold,
}

/// The last frame before the rate is made constant is shown until its end, which a filter can't know:
/// it sees when the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its time, ticks.
    pub frame: i64,
    /// A time after all frames that show it, ticks.
    pub until: i64,
}

impl Retiming {
    /// One tick of what comes out, and the time of the first frame, for a source that begins at `first`.
    pub fn begin(self, first: MediaTime) -> Result<(Timebase, MediaTime), TimelineError> {
        let (Timescale(scale), _) = output_scale(self.frame())?;
        Ok((Timebase { num: 1, den: scale }, self.frame().time(nearest(first, self.rate))))
    }

    /// What becomes of frames at `source` (ticks, sorted, at least one), the last of which ends at `end`.
    ///
    /// As ffmpeg's `fps` filter chooses: each frame of the source goes to the nearest place, halves away
    /// from zero, and is shown until another takes over.
    pub fn apply(self, timebase: Timebase, source: &[i64], end: MediaTime) -> Result<Retimed, TimelineError> {
        let places: Vec<i64> = source.iter().map(|pts| nearest(timebase.time(*pts), self.rate)).collect();
        let (Some(first), Some(last)) = (places.first().copied(), source.last().copied()) else {
            return Err(TimelineError::NoFrames);
        };
        let after = nearest(end, self.rate).max(first + 1);
        if after - first > MAX_FRAMES {
            return Err(TimelineError::TooMany { frames: after - first, rate: self.rate });
        }
        let mut taken = places.iter().peekable();
        let mut shown = 0;
        let shows = (first..after).map(|place| {
            while taken.next_if(|taken| **taken <= place).is_some() {
                shown += 1;
            }
            shown - 1
        });
        let shows: Vec<u32> = shows.collect();
        let (frame, pts) = (self.frame(), (first..after).collect());
        let hold = Hold { frame: last, until: timebase.floor(end).max(last) + timebase.floor(frame.time(2)) + 2 };
        Ok(Retimed { timebase: frame, pts, shows, end: frame.time(after), hold })
    }

    /// A tick is a frame.
    fn frame(self) -> Timebase {
        Timebase { num: *self.rate.denom() as u32, den: *self.rate.numer() as u32 }
    }
}

impl Retimed {
    /// Frames of the source that are shown, each counted once.
    pub fn distinct(&self) -> u32 {
        let changes = self.shows.windows(2).filter(|pair| matches!(pair, [a, b] if a != b)).count();
        changes as u32 + 1
    }
}

/// The whole number of frames nearest to `time`, halves away from zero (ffmpeg's `AV_ROUND_NEAR_INF`).
fn nearest(time: MediaTime, rate: Rational) -> i64 {
    let wide = |ratio: Rational| Ratio::new(i128::from(*ratio.numer()), i128::from(*ratio.denom()));
    (wide(time.ratio()) * wide(rate)).round().to_integer() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: Timebase = Timebase { num: 1, den: 1000 };

    fn at(rate: (i64, i64), source: &[i64], end: i64) -> Retimed {
        Retiming { rate: Ratio::new(rate.0, rate.1) }.apply(MILLIS, source, MediaTime::millis(end)).unwrap()
    }

    #[test]
    fn frames_go_to_the_nearest_place() {
        let made = at((25, 1), &[0, 17, 33, 50, 67, 83, 100], 117);
        assert_eq!(made.pts, [0, 1, 2]);
        assert_eq!(made.shows, [1, 3, 5]);
        assert_eq!(made.end, MediaTime::new(3, 25));
    }

    #[test]
    fn a_pause_repeats_the_frame_before_it() {
        let made = at((10, 1), &[0, 100, 500, 600], 700);
        assert_eq!(made.shows, [0, 1, 1, 1, 1, 2, 3]);
        assert_eq!(made.distinct(), 4);
    }

    #[test]
    fn halves_go_away_from_zero() {
        let rate = Ratio::from_integer(10);
        let times = [(-150, -2), (-149, -1), (-50, -1), (0, 0), (49, 0), (50, 1), (150, 2)];
        for (millis, place) in times {
            assert_eq!(nearest(MediaTime::millis(millis), rate), place, "{millis} ms");
        }
    }

    #[test]
    fn a_source_shorter_than_a_frame_is_shown_for_one() {
        let made = at((10, 1), &[0], 10);
        assert_eq!((made.pts.as_slice(), made.shows.as_slice()), ([0].as_slice(), [0].as_slice()));
    }

    #[test]
    fn the_last_frame_is_held_beyond_every_place() {
        let made = at((30000, 1001), &[0, 40, 80], 5000);
        assert_eq!(made.hold.frame, 80);
        assert!(MILLIS.time(made.hold.until) > made.end);
    }

    #[test]
    fn a_broken_clock_is_refused() {
        let made =
            Retiming { rate: Ratio::from_integer(60) }.apply(MILLIS, &[0, 1 << 40], MediaTime::millis((1 << 40) + 40));
        assert!(matches!(made, Err(TimelineError::TooMany { .. })));
    }
}
