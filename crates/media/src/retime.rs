//! Filters that change how many frames there are, and when each is shown: what leaves them is known from
//! the source's times alone, before anything is decoded.

use std::ops::Range;

use num_rational::Ratio;
use serde::{Deserialize, Serialize};

use crate::{
    time::{MediaTime, Rational, Timebase, Timescale},
    timeline::{TimelineError, output_scale},
};

/// Frames that a constant rate may make of a source: 77 hours at 60 fps. More is a broken clock.
pub(crate) const MAX_FRAMES: i64 = 1 << 24;

/// Frames of a cycle that telecine makes of [`FILM`] frames of film.
const CYCLE: u32 = 5;
/// Frames of film in a cycle.
const FILM: u32 = 4;
/// Cycles before the one that a chunk begins in, after which filters know all that they would in one run: they look
/// at a frame before.
const LEAD: u32 = 2;

/// How filters change the times of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Retiming {
    /// Frames a second: frame `n` is shown at `n/rate` on the source's own timeline.
    Rate(Rational),
    /// Film that was made video by telecine: of each five frames, counted from the first, four are left, evenly
    /// spread.
    Film,
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
    /// How filters look at the source.
    pub edges: Edges,
}

/// What filters need at the edges of a chunk and of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edges {
    /// To be told until when the frame is shown that nothing follows.
    Hold(Hold),
    /// Whole cycles, counted from the first frame.
    Cycles {
        /// Its time, ticks.
        zero: i64,
        /// From frame to frame, ticks.
        step: Rational,
    },
}

/// Where filters that work in cycles begin for a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The first frame that they see, source ticks.
    pub frame: i64,
    /// How many frames they made of what lies before it.
    pub place: u32,
    /// The time of the first frame of all, ticks of the filters'.
    pub zero: i64,
    /// From frame to frame, such ticks.
    pub step: Rational,
    /// One such tick.
    pub tick: Timebase,
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
    /// One tick of the output, and the time of the first frame, for a source with ticks of `timebase` that begins at
    /// `first`.
    pub fn begin(self, timebase: Timebase, first: MediaTime) -> Result<(Timebase, MediaTime), TimelineError> {
        let Retiming::Rate(rate) = self else { return Ok((quarter_of(timebase)?, first)) };
        let (Timescale(scale), _) = output_scale(frame_of(rate))?;
        Ok((Timebase { num: 1, den: scale }, frame_of(rate).time(nearest(first, rate))))
    }

    /// What becomes of frames at `source` (ticks, sorted, at least one), the last of which ends at `end`. `constant` is
    /// the source's rate where it is constant.
    pub fn apply(
        self,
        timebase: Timebase,
        source: &[i64],
        end: MediaTime,
        constant: Option<Rational>,
    ) -> Result<Retimed, TimelineError> {
        match self {
            Retiming::Rate(rate) => to_rate(rate, timebase, source, end),
            Retiming::Film => to_film(timebase, source, constant),
        }
    }
}

/// As ffmpeg's `fps` filter chooses: each frame of the source goes to the nearest place, halves away from zero, and is
/// shown until another takes over.
fn to_rate(rate: Rational, timebase: Timebase, source: &[i64], end: MediaTime) -> Result<Retimed, TimelineError> {
    let places: Vec<i64> = source.iter().map(|pts| nearest(timebase.time(*pts), rate)).collect();
    let (Some(first), Some(last)) = (places.first().copied(), source.last().copied()) else {
        return Err(TimelineError::NoFrames);
    };
    let after = nearest(end, rate).max(first + 1);
    if after - first > MAX_FRAMES {
        return Err(TimelineError::TooMany { frames: after - first, rate });
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
    let (frame, pts) = (frame_of(rate), (first..after).collect());
    let hold = Hold { frame: last, until: timebase.floor(end).max(last) + timebase.floor(frame.time(2)) + 2 };
    let edges = Edges::Hold(hold);
    Ok(Retimed { timebase: frame, pts, shows, end: frame.time(after), edges })
}

/// As ffmpeg's `decimate` does behind `fieldmatch`: one frame of each whole cycle is left out, which one the pictures
/// tell; the rest of the last cycle stays.
fn to_film(timebase: Timebase, source: &[i64], constant: Option<Rational>) -> Result<Retimed, TimelineError> {
    let video = [Rational::new(30_000, 1001), Rational::from_integer(30)];
    let Some(rate) = constant.filter(|rate| video.contains(rate)) else {
        return Err(TimelineError::NotTelecined { rate: constant });
    };
    let tick = quarter_of(timebase)?;
    let zero = source.first().ok_or(TimelineError::NoFrames)? * 4;
    let frames = source.len() as u32 - source.len() as u32 / CYCLE;
    let film = rate * Rational::new(i64::from(FILM), i64::from(CYCLE));
    let step = tick.per_second() / film;
    let at = |frame: u32| zero + (step * i64::from(frame)).round().to_integer();
    Ok(Retimed {
        timebase: tick,
        pts: (0..frames).map(at).collect(),
        shows: (0..frames).map(|n| n / FILM * CYCLE + n % FILM).collect(),
        end: tick.time(at(frames)),
        edges: Edges::Cycles { zero, step },
    })
}

/// Four frames take as long as five did: where those are whole ticks apart, these are whole quarters.
fn quarter_of(timebase: Timebase) -> Result<Timebase, TimelineError> {
    let tick = Timebase { den: timebase.den.saturating_mul(4), ..timebase };
    output_scale(tick).map(|_| tick)
}

/// A tick is a frame.
pub(crate) fn frame_of(rate: Rational) -> Timebase {
    Timebase { num: *rate.denom() as u32, den: *rate.numer() as u32 }
}

impl Retimed {
    /// Frames a second.
    pub fn rate(&self) -> Rational {
        match self.edges {
            Edges::Hold(_) => self.timebase.per_second(),
            Edges::Cycles { step, .. } => self.timebase.per_second() / step,
        }
    }

    /// Where filters begin for frames from `first` on, of which [`Retimed::needs`] tells the first `frame` of the source,
    /// ticks. `None` where they may begin anywhere.
    pub fn lead(&self, first: u32, frame: i64) -> Option<Lead> {
        match self.edges {
            Edges::Hold(_) => None,
            Edges::Cycles { zero, step } => {
                Some(Lead { frame, place: first_cycle(first) * FILM, zero, step, tick: self.timebase })
            }
        }
    }

    /// Frames of the source that filters need for frames from `first` to before `end`, by their places among them.
    pub fn needs(&self, first: u32, end: u32) -> Range<u32> {
        let shown = |frame: u32| self.shows.get(frame as usize).copied().unwrap_or(0);
        match self.edges {
            Edges::Cycles { .. } => first_cycle(first) * CYCLE..end.div_ceil(FILM) * CYCLE,
            Edges::Hold(_) => shown(first)..shown(end.saturating_sub(1)) + 1,
        }
    }

    /// Frames of the source that are shown, each counted once.
    pub fn distinct(&self) -> u32 {
        let changes = self.shows.windows(2).filter(|pair| matches!(pair, [a, b] if a != b)).count();
        changes as u32 + 1
    }
}

/// The cycle with which filters begin for frames from `first` on.
fn first_cycle(first: u32) -> u32 {
    (first / FILM).saturating_sub(LEAD)
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
        Retiming::Rate(Ratio::new(rate.0, rate.1)).apply(MILLIS, source, MediaTime::millis(end), None).unwrap()
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
        let Edges::Hold(hold) = made.edges else { panic!("{:?}", made.edges) };
        assert_eq!(hold.frame, 80);
        assert!(MILLIS.time(hold.until) > made.end);
    }

    #[test]
    fn film_has_four_of_five_frames() {
        let base = Timebase { num: 1001, den: 30_000 };
        let film = |count: i64, rate| {
            let source: Vec<i64> = (7..7 + count).collect();
            Retiming::Film.apply(base, &source, base.time(7 + count), rate)
        };
        let ntsc = Some(Ratio::new(30_000, 1001));
        let made = film(12, ntsc).unwrap();
        assert_eq!((made.pts.len(), made.timebase), (10, Timebase { num: 1001, den: 120_000 }));
        assert_eq!(made.pts[..3], [28, 33, 38]);
        assert_eq!(made.shows, [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]);
        assert_eq!(made.end, base.time(7) + MediaTime::new(10 * 1001, 24_000));
        // What ffmpeg's decimate leaves of so many.
        let counts = [(1, 1), (4, 4), (5, 4), (6, 5), (9, 8), (10, 8), (16, 13)];
        for (source, frames) in counts {
            assert_eq!(film(source, ntsc).unwrap().pts.len(), frames, "{source}");
        }
        // Frame 49 is in cycle 12, of the source's frames from 60 on.
        let long = film(100, ntsc).unwrap();
        let lead = long.lead(49, 57).unwrap();
        assert_eq!((lead.place, lead.zero, lead.tick.per_second() / lead.step), (40, 28, Ratio::new(24_000, 1001)));
        assert_eq!((long.needs(49, 57), long.needs(3, 8)), (50..75, 0..10));
        for rate in [None, Some(Ratio::from_integer(25))] {
            assert_eq!(film(10, rate), Err(TimelineError::NotTelecined { rate }));
        }
    }

    #[test]
    fn a_broken_clock_is_refused() {
        let made = Retiming::Rate(Ratio::from_integer(60)).apply(
            MILLIS,
            &[0, 1 << 40],
            MediaTime::millis((1 << 40) + 40),
            None,
        );
        assert!(matches!(made, Err(TimelineError::TooMany { .. })));
    }
}
