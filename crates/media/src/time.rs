//! Exact time in integer ticks.
//!
//! The *source timeline* counts in the source stream's timebase, as ffmpeg reports it. The *output
//! timeline* of a track counts in its [`Timescale`] and starts at the job's origin: the earliest
//! presentation time of any track that is kept. Going from one to the other is exact for video,
//! because the output timescale is a whole multiple of the source's.

use num_integer::{div_ceil, div_floor};
use num_rational::Ratio;
use serde::{Deserialize, Serialize};
pub use transcode_api::value::{MediaTime, Rational};

/// Duration of one tick of a source stream, `num/den` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timebase {
    /// Seconds per tick, numerator; positive.
    pub num: u32,
    /// Seconds per tick, denominator; positive.
    pub den: u32,
}

impl Timebase {
    /// `num/den`, both positive.
    pub fn new(num: u32, den: u32) -> Option<Self> {
        (num > 0 && den > 0).then_some(Timebase { num, den })
    }

    /// Exact time of a number of ticks.
    pub fn time(self, ticks: i64) -> MediaTime {
        let ratio = Ratio::new(i128::from(ticks) * i128::from(self.num), i128::from(self.den));
        MediaTime::new(*ratio.numer() as i64, *ratio.denom() as i64)
    }

    /// Ticks a second.
    pub fn per_second(self) -> Rational {
        Ratio::new(i64::from(self.den), i64::from(self.num))
    }

    /// The last tick at or before `time`.
    pub fn floor(self, time: MediaTime) -> i64 {
        scaled(time, self.den, self.num).0
    }

    /// The nearest tick, halves up.
    pub fn round(self, time: MediaTime) -> i64 {
        self.floor(time + MediaTime::new(i64::from(self.num), 2 * i64::from(self.den)))
    }
}

/// Ticks per second of an output track (`mdhd.timescale`, ISO/IEC 14496-12 8.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timescale(pub u32);

impl Timescale {
    /// Exact time of a number of ticks.
    pub fn time(self, ticks: i64) -> MediaTime {
        MediaTime::new(ticks, i64::from(self.0))
    }

    /// The last tick at or before `time`.
    pub fn floor(self, time: MediaTime) -> i64 {
        scaled(time, self.0, 1).0
    }

    /// The nearest tick, halves up.
    pub fn round(self, time: MediaTime) -> i64 {
        scaled(time + MediaTime::new(1, 2 * i64::from(self.0)), self.0, 1).0
    }

    /// The first tick at or after `time`.
    pub fn ceil(self, time: MediaTime) -> i64 {
        scaled(time, self.0, 1).1
    }
}

/// `time * den / num`, rounded down and up.
fn scaled(time: MediaTime, den: u32, num: u32) -> (i64, i64) {
    let (numer, denom) = (i128::from(*time.ratio().numer()), i128::from(*time.ratio().denom()));
    let (above, below) = (numer * i128::from(den), denom * i128::from(num));
    (div_floor(above, below) as i64, div_ceil(above, below) as i64)
}

/// Seconds with six decimals, rounded: for playlists and ffmpeg's command line.
pub fn decimal_seconds(time: MediaTime) -> String {
    let micros = Timescale(1_000_000).round(time);
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", micros.abs() / 1_000_000, micros.abs() % 1_000_000)
}

/// `1h02m03.5s`, `1m30s`, `4.004s`: for people.
pub fn human(time: MediaTime) -> String {
    let millis = Timescale(1000).round(time);
    let (sign, millis) = (if millis < 0 { "-" } else { "" }, millis.abs());
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let mut seconds = format!("{}.{:03}", millis / 1000 % 60, millis % 1000);
    seconds.truncate(seconds.trim_end_matches('0').trim_end_matches('.').len());
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes:02}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_read_times() {
        assert_eq!(human(MediaTime::new(1001, 250)), "4.004s");
        assert_eq!(human(MediaTime::seconds(90)), "1m30s");
        assert_eq!(human(MediaTime::millis(3_723_500)), "1h02m3.5s");
        assert_eq!(human(MediaTime::seconds(600)), "10m0s");
        assert_eq!(human(MediaTime::ZERO), "0s");
    }

    #[test]
    fn decimals_round_to_the_nearest_microsecond() {
        assert_eq!(decimal_seconds(MediaTime::new(1, 3)), "0.333333");
        assert_eq!(decimal_seconds(MediaTime::new(2, 3)), "0.666667");
        assert_eq!(decimal_seconds(MediaTime::new(-1, 2)), "-0.500000");
    }

    proptest! {
        #[test]
        fn ticks_survive_the_way_through_time(ticks in -1_000_000_000_000_i64..1_000_000_000_000, num in 1_u32..5000, den in 1_u32..1_000_000) {
            let base = Timebase { num, den };
            prop_assert_eq!(base.floor(base.time(ticks)), ticks);
        }

        #[test]
        fn rounding_is_within_half_a_tick(n in -1_000_000_000_i64..1_000_000_000, d in 1_i64..100_000, scale in 1_u32..200_000) {
            let (time, scale) = (MediaTime::new(n, d), Timescale(scale));
            let rounded = scale.round(time);
            prop_assert!((scale.time(rounded) - time).ratio() * 2 <= scale.time(1).ratio());
            prop_assert!((time - scale.time(rounded)).ratio() * 2 <= scale.time(1).ratio());
            prop_assert!(scale.floor(time) <= rounded && rounded <= scale.ceil(time));
        }
    }
}
