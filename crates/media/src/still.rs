//! The first picture, shown before its time, and the last, shown on while sound goes on: frames that the source does
//! not have.
//!
//! Every track covers the whole presentation (DASH-IF's timing model: representations cover their period), because
//! players end or stall where one of them does not. A single long frame would be a segment as long as itself, so
//! pictures are repeated: at the source's constant rate, else five times a second.

use serde::{Deserialize, Serialize};

use crate::{
    retime::MAX_FRAMES,
    time::{MediaTime, Rational},
    timeline::{Timeline, TimelineError, output_scale},
};

/// How far the starts and the ends of tracks may be apart: containers round, and last access units are filled up.
/// Players step over as much by themselves.
pub const UNEVEN: MediaTime = MediaTime::new_raw(1, 10);

/// Copies a second where the source has no constant rate.
const RATE: Rational = Rational::new_raw(5, 1);

/// Copies of the first picture before it, or of the last one behind it: all of them or those of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Still {
    /// How many; at least one.
    pub frames: u32,
    /// Copies are at `zero + (place + n) * step`, rounded: ticks of what leaves the filters.
    pub zero: i64,
    /// See `zero`; below 0 before the first picture.
    pub place: i64,
    /// See `zero`.
    pub step: Rational,
    /// Copies a second.
    pub rate: Rational,
    /// The first copy is shown here instead: at the origin, which can be between two places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<i64>,
}

impl Still {
    /// Ticks of a copy, counted from the first.
    fn at(&self, n: u32) -> i64 {
        let placed = self.zero + (self.step * (self.place + i64::from(n))).round().to_integer();
        self.begin.filter(|_| n == 0).unwrap_or(placed)
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
        let (ticks, offset, rate) = (timebase.per_second(), self.offset(), self.copies_a_second());
        let (zero, place) = match self.constant_rate {
            Some(_) => (self.filtered_at(0), i64::from(self.frames())),
            None => (num_integer::div_ceil(self.end - offset, per_tick), 0),
        };
        let until = self.timescale.ceil(until);
        let from = self.timescale.time(zero * per_tick + offset);
        let all = ((self.timescale.time(until) - from).ratio() * rate).ceil().to_integer();
        let frames = count((all - place).max(1), rate)?;
        let still = Still { frames, zero, place, step: ticks / rate, rate, begin: None };
        self.output.extend((0..still.frames).map(|n| still.at(n) * per_tick + offset));
        self.end = until.max(self.output.last().map_or(0, |last| last + 1));
        self.constant_rate = self.constant_rate.map(|_| rate);
        self.still = Some(still);
        Ok(self)
    }

    /// Shows the first picture from the origin on, where that is noticeably before it.
    pub fn shown_from_start(mut self) -> Result<Self, TimelineError> {
        let late = self.timescale.time(self.at(0));
        if late <= UNEVEN {
            return Ok(self);
        }
        let timebase = self.filtered_timebase();
        let (_, per_tick) = output_scale(timebase)?;
        let (ticks, offset, rate) = (timebase.per_second(), self.offset(), self.copies_a_second());
        // The first of them is shown longer for what is left: no second has more frames than others.
        let frames = count((late.ratio() * rate).floor().to_integer().max(1), rate)?;
        let begin = Some(num_integer::div_ceil(-offset, per_tick));
        let (zero, place) = (self.filtered_at(0), -i64::from(frames));
        let ahead = Still { frames, zero, place, step: ticks / rate, rate, begin };
        self.output.splice(0..0, (0..frames).map(|n| ahead.at(n) * per_tick + offset));
        self.constant_rate = self.constant_rate.map(|_| rate);
        self.ahead = Some(ahead);
        Ok(self)
    }

    fn copies_a_second(&self) -> Rational {
        // A single picture has no rate.
        let alone = self.own_frames() == 1 && self.retimed.is_none();
        self.constant_rate.filter(|_| !alone).unwrap_or(RATE.min(self.filtered_timebase().per_second()))
    }

    /// Frames that are the source's, as filters leave them.
    pub fn own_frames(&self) -> u32 {
        self.frames() - self.frames_ahead() - self.still.map_or(0, |still| still.frames)
    }

    /// Copies of the first picture.
    pub fn frames_ahead(&self) -> u32 {
        self.ahead.map_or(0, |ahead| ahead.frames)
    }

    /// Copies of the first picture among the frames from `first` to before `end`.
    pub fn ahead(&self, first: u32, end: u32) -> Option<Still> {
        let ahead = self.ahead?;
        let end = end.min(ahead.frames);
        let begin = ahead.begin.filter(|_| first == 0);
        (end > first).then(|| Still { frames: end - first, place: ahead.place + i64::from(first), begin, ..ahead })
    }

    /// Copies of the last picture among the frames from `first` to before `end`.
    pub fn still(&self, first: u32, end: u32) -> Option<Still> {
        let still = self.still?;
        let copies = self.frames() - still.frames;
        let from = first.max(copies);
        (end > from).then(|| Still { frames: end - from, place: still.place + i64::from(from - copies), ..still })
    }
}

/// So many copies, if that is not absurd.
fn count(frames: i64, rate: Rational) -> Result<u32, TimelineError> {
    if frames > MAX_FRAMES {
        return Err(TimelineError::TooMany { frames, rate });
    }
    Ok(frames as u32)
}

#[cfg(test)]
mod tests {
    use num_rational::Ratio;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        index::{AudioSpan, IndexBuilder, PacketRow, VideoIndex},
        retime::Retiming,
        time::Timebase,
        timeline::origin,
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

    #[test]
    fn a_picture_that_is_a_little_late_stays_so() {
        let late = line(&[100, 140, 180], 40, 220).shown_from_start().unwrap();
        assert_eq!((late.ahead, late.at(0), late.frames()), (None, 100, 3));
    }

    #[test]
    fn a_constant_rate_begins_before_its_first_picture() {
        let shown = line(&[190, 230, 270], 40, 420).shown_from_start().unwrap();
        // 4.75 frames before it.
        assert_eq!(shown.output, [0, 70, 110, 150, 190, 230, 270, 310, 350, 390]);
        assert_eq!((shown.frames_ahead(), shown.own_frames(), shown.end), (4, 3, 420));
        assert_eq!((shown.constant_rate, shown.offset()), (Some(Ratio::from_integer(25)), 0));
        // A chunk that begins among the copies, one of nothing but copies, and one behind them.
        let at = |first, end| shown.ahead(first, end).map(|ahead| (ahead.frames, ahead.at(0)));
        assert_eq!([at(0, 6), at(1, 3), at(3, 6), at(4, 8)], [Some((4, 0)), Some((2, 70)), Some((1, 150)), None]);
        assert_eq!(shown.still(5, 9).map(|still| (still.frames, still.at(0))), Some((2, 310)));
        assert_eq!([shown.own(0, 3), shown.own(3, 6), shown.own(8, 10)], [0..1, 0..2, 2..3]);
        assert_eq!((shown.needed(0, 3), shown.shown_at(2), shown.shown_at(5)), (190..230, 190, 230));
    }

    #[test]
    fn a_variable_rate_begins_five_times_a_second() {
        let shown = line(&[950, 990, 1500], 100, 1600).shown_from_start().unwrap();
        assert_eq!(shown.output, [0, 350, 550, 750, 950, 990, 1500]);
        assert_eq!(shown.constant_rate, None);
        // Equal times keep their distance.
        let twins = line(&[300, 340, 340, 341], 40, 400).shown_from_start().unwrap();
        assert_eq!((twins.output.as_slice(), twins.moved(4)), ([0, 300, 340, 341, 342].as_slice(), 1));
    }

    #[test]
    fn one_picture_is_shown_before_and_behind() {
        let shown = line(&[500], 40, 1100).shown_from_start().unwrap();
        assert_eq!(shown.output, [0, 300, 500, 700, 900]);
        assert_eq!(shown.constant_rate, Some(RATE));
    }

    #[test]
    fn another_rate_begins_at_its_own_frames() {
        let (video, retiming) = (video(&[1270, 1310, 1350], 40), Some(Retiming::Rate(Ratio::from_integer(10))));
        let timebase = video.timebase;
        let sound =
            AudioSpan { start: 1043, end: 1500, timebase, holes: 0, first_hole: 0, silence: 0, unsure_end: None };
        let origin = origin(Some(&video), retiming, [&sound]).unwrap();
        assert_eq!(origin, MediaTime::seconds(1));
        let shown = Timeline::new(&video, retiming, origin, None, Ratio::from_integer(25)).unwrap();
        let shown = shown.shown_from_start().unwrap();
        assert_eq!((shown.frames_ahead(), shown.output), (3, vec![0, 100, 200, 300]));
    }

    proptest! {
        #[test]
        fn the_start_is_covered_and_times_rise(first in 0_i64..60_000, steps in prop::collection::vec(1_i64..500, 0..20), cut in 0_u32..400) {
            let pts: Vec<i64> = steps.iter().scan(first, |at, step| { *at += step; Some(*at) }).collect();
            let pts = [vec![first], pts].concat();
            let shown = line(&pts, 40, 0).shown_from_start().unwrap();
            let (ahead, all) = (shown.frames_ahead(), shown.frames());
            prop_assert!(shown.output.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(shown.at(0), if first > 100 { 0 } else { first });
            prop_assert_eq!(shown.at(ahead), first);
            prop_assert!(shown.at(1) - shown.at(0) <= 500);
            // Chunks have the copies of the whole, and frames of their own.
            let cut = cut.min(all);
            for (from, to) in [(0, cut), (cut, all)] {
                let copies = shown.ahead(from, to);
                let frames = copies.map_or(0, |copies| copies.frames);
                prop_assert!((0..frames).all(|n| copies.unwrap().at(n) == shown.at(from + n)));
                let own = shown.own(from, to);
                prop_assert!(from == to || frames == to - from || own.end - own.start == to - from - frames - shown.still(from, to).map_or(0, |s| s.frames));
            }
        }

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
