//! The last picture, shown on while sound goes on: frames that the source does not have.
//!
//! Every track covers the whole presentation (DASH-IF's timing model: representations cover their period), because
//! players end or stall where one of them ends. A single long frame would be a segment as long as itself, so the
//! last picture is repeated: at the source's constant rate, else five times a second.

use serde::{Deserialize, Serialize};

use crate::{
    retime::MAX_FRAMES,
    time::{MediaTime, Rational},
    timeline::{Timeline, TimelineError, output_scale},
};

/// How far the ends of tracks may be apart: containers round, and last access units are filled up. Players step
/// over as much by themselves.
pub const UNEVEN: MediaTime = MediaTime::new_raw(1, 10);

/// Copies a second where the source has no constant rate.
const RATE: Rational = Rational::new_raw(5, 1);

/// Copies of the last picture behind it, all of them or those of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Still {
    /// How many; at least one.
    pub frames: u32,
    /// Copies are at `zero + (place + n) * step`, rounded: ticks of what leaves the filters.
    pub zero: i64,
    /// See `zero`.
    pub place: u32,
    /// See `zero`.
    pub step: Rational,
    /// Copies a second.
    pub rate: Rational,
}

impl Still {
    /// Ticks of a copy, counted from the first.
    fn at(&self, n: u32) -> i64 {
        self.zero + (self.step * i64::from(self.place + n)).round().to_integer()
    }

    /// How long the copies are shown, about.
    pub fn length(&self) -> MediaTime {
        MediaTime::new(i64::from(self.frames) * self.rate.denom(), *self.rate.numer())
    }
}

impl Timeline {
    /// Shows the last picture until `until`, where that is noticeably behind its end.
    pub(crate) fn shown_until(mut self, until: MediaTime) -> Result<Self, TimelineError> {
        if until - self.timescale.time(self.end) <= UNEVEN {
            return Ok(self);
        }
        let timebase = self.filtered_timebase();
        let (_, per_tick) = output_scale(timebase)?;
        let (ticks, offset, own) = (timebase.per_second(), self.offset(), self.frames());
        // A single picture has no rate.
        let alone = own == 1 && self.retimed.is_none();
        let rate = self.constant_rate.filter(|_| !alone).unwrap_or(RATE.min(ticks));
        let (zero, place) = match self.constant_rate {
            Some(_) => (self.filtered_at(0), own),
            None => (num_integer::div_ceil(self.end - offset, per_tick), 0),
        };
        let until = self.timescale.ceil(until);
        let from = self.timescale.time(zero * per_tick + offset);
        let all = ((self.timescale.time(until) - from).ratio() * rate).ceil().to_integer();
        let frames = (all - i64::from(place)).max(1);
        if frames > MAX_FRAMES {
            return Err(TimelineError::TooMany { frames, rate });
        }
        let still = Still { frames: frames as u32, zero, place, step: ticks / rate, rate };
        self.output.extend((0..still.frames).map(|n| still.at(n) * per_tick + offset));
        self.end = until.max(self.output.last().map_or(0, |last| last + 1));
        self.constant_rate = self.constant_rate.map(|_| rate);
        self.still = Some(still);
        Ok(self)
    }

    /// Frames that are the source's, as filters leave them.
    pub fn own_frames(&self) -> u32 {
        self.frames() - self.still.map_or(0, |still| still.frames)
    }

    /// Copies of the last picture among the frames from `first` to before `end`.
    pub fn still(&self, first: u32, end: u32) -> Option<Still> {
        let (still, own) = (self.still?, self.own_frames());
        let from = first.max(own);
        (end > from).then(|| Still { frames: end - from, place: still.place + (from - own), ..still })
    }
}

#[cfg(test)]
mod tests {
    use num_rational::Ratio;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        index::{IndexBuilder, PacketRow, VideoIndex},
        retime::Retiming,
        time::Timebase,
    };

    fn video(pts: &[i64], last: i64) -> VideoIndex {
        let mut builder = IndexBuilder::new(Some((0, Timebase { num: 1, den: 1000 })), []);
        for (n, pts) in pts.iter().enumerate() {
            let key = if n == 0 { "K_" } else { "__" };
            let line = format!("stream_index=0|pts={pts}|duration={last}|flags={key}");
            builder.push(&PacketRow::parse(&line).unwrap());
        }
        builder.finish().unwrap().video.unwrap()
    }

    fn line(pts: &[i64], last: i64, until: i64) -> Timeline {
        let (video, until) = (video(pts, last), Some(MediaTime::millis(until)));
        Timeline::new(&video, None, MediaTime::ZERO, until, Ratio::from_integer(25)).unwrap()
    }

    #[test]
    fn little_is_left_alone() {
        let short = line(&[0, 40, 80], 40, 220);
        assert_eq!((short.still, short.end, short.frames()), (None, 120, 3));
    }

    #[test]
    fn a_constant_rate_goes_on() {
        let shown = line(&[0, 40, 80], 40, 310);
        assert_eq!(shown.output, [0, 40, 80, 120, 160, 200, 240, 280]);
        assert_eq!((shown.end, shown.own_frames()), (310, 3));
        assert_eq!(shown.constant_rate, Some(Ratio::from_integer(25)));
        // A chunk of copies alone decodes the last picture; one after all begins where the copies of the other end.
        assert_eq!(shown.needed(4, 8), 80..81);
        assert_eq!(shown.needed(1, 6), 40..81);
        let last = shown.still(5, 8).unwrap();
        assert_eq!((last.frames, last.at(0), shown.still(0, 3)), (3, 200, None));
    }

    #[test]
    fn a_single_picture_is_shown_five_times_a_second() {
        let shown = line(&[23], 40, 1000);
        assert_eq!(shown.output, [23, 223, 423, 623, 823]);
        assert_eq!(shown.constant_rate, Some(RATE));
        // It may say itself for how long.
        assert_eq!(line(&[0], 1000, 0).output, [0, 200, 400, 600, 800]);
    }

    #[test]
    fn a_variable_rate_ends_as_it_would() {
        let shown = line(&[0, 40, 500], 100, 1150);
        assert_eq!(shown.output, [0, 40, 500, 600, 800, 1000]);
        assert_eq!((shown.end, shown.constant_rate), (1150, None));
    }

    #[test]
    fn another_rate_goes_on_too() {
        let (video, until) = (video(&[0, 40, 80], 40), Some(MediaTime::millis(500)));
        let rate = Some(Retiming::Rate(Ratio::from_integer(10)));
        let shown = Timeline::new(&video, rate, MediaTime::ZERO, until, Ratio::from_integer(25)).unwrap();
        assert_eq!((shown.own_frames(), shown.output.clone()), (1, vec![0, 100, 200, 300, 400]));
        assert_eq!(shown.still(2, 5).map(|still| still.at(0)), Some(2));
    }

    proptest! {
        #[test]
        fn the_end_is_reached_and_times_rise(steps in prop::collection::vec(1_i64..500, 0..20), until in 0_i64..60_000) {
            let pts: Vec<i64> = steps.iter().scan(7, |at, step| { *at += step; Some(*at) }).collect();
            let pts = [vec![7], pts].concat();
            let shown = line(&pts, 40, until);
            prop_assert!(shown.output.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(until - shown.end <= 100 && shown.end > *shown.output.last().unwrap());
            prop_assert!(shown.end - shown.at(shown.frames() - 1) <= 500 || shown.still.is_none());
        }
    }
}
