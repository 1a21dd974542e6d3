//! The output timeline of the video: every frame's exact time, constant or variable rate, the
//! segments that players fetch, and the composition delay.

use std::ops::Range;

use num_integer::div_floor;
use num_rational::Ratio;

use crate::{
    index::{AudioSpan, VideoIndex},
    retime::{Retimed, Retiming, frame_of},
    still::{Still, UNEVEN},
    time::{MediaTime, Rational, Timebase, Timescale},
};

/// The frames that are shown, on the output timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// One tick of the source.
    timebase: Timebase,
    /// Source ticks of each frame of the source, sorted. Equal times are kept.
    pub source: Vec<i64>,
    /// What is shown where it isn't each frame of the source at its own time.
    pub retimed: Option<Retimed>,
    /// Copies of the first picture, which come first.
    pub ahead: Option<Still>,
    /// Copies of the last picture, which come last.
    pub still: Option<Still>,
    /// Output ticks of each frame, strictly rising: equal times are one tick of the filters' apart.
    pub output: Vec<i64>,
    /// Output time after the last frame.
    pub end: i64,
    /// Ticks per second of the output.
    pub timescale: Timescale,
    /// The nominal rate when it is constant; else `None`.
    pub constant_rate: Option<Rational>,
    /// Frames whose time was moved by a tick or more because another frame has the same one.
    pub equal_times: u32,
}

/// A media segment as a range of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Span {
    /// First frame.
    pub first: u32,
    /// Number of frames; at least one.
    pub frames: u32,
}

/// Why there is no timeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    /// Every packet is discarded or undecodable.
    #[error("no frame of the video is ever shown: the container's edit list leaves all of them out")]
    NoFrames,
    /// Finer than a 32-bit timescale can say.
    #[error("the video's timebase {0}/{1} is too fine for an MP4 track; remux it with a timebase of at most 1/1000000")]
    TooFine(u32, u32),
    /// Not the rate of video that film is made.
    #[error(
        "inverse telecine makes 23.976 or 24 frames a second of a constant 29.97 or 30, and the source has {}: leave options.video.inverseTelecine out",
        rate.map_or("a variable rate".into(), |rate| format!("{rate} frames a second"))
    )]
    NotTelecined {
        /// The source's rate; `None` when it varies.
        rate: Option<Rational>,
    },
    /// A pause of days, filled with frames.
    #[error(
        "the video would have {frames} frames at {rate} fps: its timestamps are broken, or are hours apart; remux it first, or keep its own frame rate"
    )]
    TooMany {
        /// How many.
        frames: i64,
        /// At which rate.
        rate: Rational,
    },
}

/// The job's origin: the earliest presentation time of any track that is carried over, on a tick of
/// the video that is shown.
pub fn origin<'a>(
    video: Option<&VideoIndex>,
    retiming: Option<Retiming>,
    audio: impl IntoIterator<Item = &'a AudioSpan>,
) -> Result<MediaTime, TimelineError> {
    let audio = audio.into_iter().map(|a| a.timebase.time(a.start)).min();
    let Some((timebase, first)) = video.and_then(|v| Some((v.timebase, *v.frames().first()?))) else {
        return Ok(audio.unwrap_or(MediaTime::ZERO));
    };
    let first = timebase.time(first);
    let (tick, first) = retiming.map_or(Ok((timebase, first)), |retiming| retiming.begin(timebase, first))?;
    let origin = tick.time(tick.floor(audio.map_or(first, |audio| audio.min(first))));
    match retiming {
        // The first picture is shown from there on, in frames of the new rate.
        Some(Retiming::Rate(rate)) if first - origin > UNEVEN => {
            let frame = frame_of(rate);
            Ok(frame.time(frame.floor(origin)))
        }
        _ => Ok(origin),
    }
}

/// Output ticks per second for a source timebase, and output ticks per source tick.
///
/// The scale is a whole multiple of the source's, so that every frame time is exact; at least 1000,
/// because players that round to a track's ticks do so audibly below that.
pub fn output_scale(timebase: Timebase) -> Result<(Timescale, i64), TimelineError> {
    let factor = 1000_u32.div_ceil(timebase.den);
    match timebase.den.checked_mul(factor) {
        Some(scale) if scale <= 10_000_000 => Ok((Timescale(scale), i64::from(timebase.num) * i64::from(factor))),
        _ => Err(TimelineError::TooFine(timebase.num, timebase.den)),
    }
}

impl Timeline {
    /// From the packet index. The last picture is shown until `heard`, the end of the sound from the origin.
    /// `nominal` is the container's average frame rate, a hint for the last frame's duration and for the
    /// constant-rate test.
    pub fn new(
        video: &VideoIndex,
        retiming: Option<Retiming>,
        origin: MediaTime,
        heard: Option<MediaTime>,
        nominal: Rational,
    ) -> Result<Self, TimelineError> {
        let made = match retiming {
            None => Self::of_source(video, origin, nominal)?,
            Some(retiming) => Self::of_source(video, MediaTime::ZERO, nominal)?.retime(retiming, origin)?,
        };
        // How long a single picture is shown only its packet says.
        let alone = match made.source.as_slice() {
            [alone] if retiming.is_none() => Some(made.timebase.time(alone + video.last_duration) - origin),
            _ => None,
        };
        match heard.max(alone) {
            Some(until) => made.shown_until(until),
            None => Ok(made),
        }
    }

    /// Each frame of the source at its own time.
    fn of_source(video: &VideoIndex, origin: MediaTime, nominal: Rational) -> Result<Self, TimelineError> {
        let (timebase, source) = (video.timebase, video.frames());
        let (timescale, per_tick) = output_scale(timebase)?;
        let (output, equal_times) = place(&source, per_tick, timescale.floor(origin));
        let (Some(first), Some(last)) = (output.first().copied(), output.last().copied()) else {
            return Err(TimelineError::NoFrames);
        };
        // Twins may not be parted, which frames that are counted off would be.
        let measured = average(&output, timescale).unwrap_or(nominal);
        let candidates = [standard_rate(nominal), Some(nominal), standard_rate(measured)].into_iter().flatten();
        let constant_rate =
            if equal_times > 0 { None } else { constant_rate(&output, timescale, candidates, per_tick) };
        let end = match constant_rate {
            // Exactly where a further frame would be.
            Some(rate) => nth_frame(first, output.len() as i64, rate, timescale),
            None if video.last_duration > 0 => last + video.last_duration * per_tick,
            None => last + nth_frame(0, 1, constant_rate.unwrap_or(measured), timescale).max(1),
        };
        let end = end.max(last + 1);
        Ok(Timeline {
            timebase,
            source,
            retimed: None,
            ahead: None,
            still: None,
            output,
            end,
            timescale,
            constant_rate,
            equal_times,
        })
    }

    /// What filters make of a timeline whose origin is the source's zero.
    fn retime(self, retiming: Retiming, origin: MediaTime) -> Result<Self, TimelineError> {
        let end = self.timescale.time(self.end);
        let retimed = retiming.apply(self.timebase, &self.source, end, self.constant_rate)?;
        let (timescale, per_tick) = output_scale(retimed.timebase)?;
        let shift = timescale.floor(origin);
        let (output, equal_times) = place(&retimed.pts, per_tick, shift);
        Ok(Timeline {
            output,
            equal_times,
            end: timescale.round(retimed.end) - shift,
            timescale,
            constant_rate: Some(retimed.rate()),
            retimed: Some(retimed),
            ..self
        })
    }

    /// Ticks of each frame as it leaves the filters, sorted, and the length of one.
    fn filtered(&self) -> (&[i64], Timebase) {
        let retimed = self.retimed.as_ref().map(|retimed| (retimed.pts.as_slice(), retimed.timebase));
        retimed.unwrap_or((self.source.as_slice(), self.timebase))
    }

    /// One tick of what leaves the filters.
    pub(crate) fn filtered_timebase(&self) -> Timebase {
        self.filtered().1
    }

    /// Ticks of a frame of the source as it leaves the filters; one after the last for what follows the last.
    pub fn filtered_at(&self, frame: u32) -> i64 {
        let (pts, _) = self.filtered();
        pts.get(frame as usize).copied().unwrap_or_else(|| pts.last().map_or(0, |last| last + 1))
    }

    /// Those of some frames that are the source's, counted from its first; where none is, the one that copies are of.
    pub fn own(&self, first: u32, end: u32) -> Range<u32> {
        let (ahead, own) = (self.frames_ahead(), self.own_frames());
        let first = first.saturating_sub(ahead).min(own.saturating_sub(1));
        first..end.saturating_sub(ahead).min(own).max(first + 1)
    }

    /// Source ticks of the frames of the source that filters need for frames from `first` to before `end`.
    pub fn needed(&self, first: u32, end: u32) -> Range<i64> {
        let Range { start: first, end } = self.own(first, end);
        let Some(retimed) = &self.retimed else { return self.source_at(first)..self.source_at(end) };
        let needs = retimed.needs(first, end);
        let tick = |place: u32| self.source.get(place as usize).copied();
        let after = self.source.last().map_or(0, |last| last + 1);
        // The frames that follow may be needed by others too.
        let last = tick(needs.end.saturating_sub(1)).map_or(after, |last| last + 1);
        tick(needs.start).unwrap_or(after)..last
    }

    /// Source ticks of the frame of the source that a frame shows; one after the last for the frame after
    /// the last.
    pub fn shown_at(&self, frame: u32) -> i64 {
        if frame < self.frames() { self.source_at(self.own(frame, frame).start) } else { self.source_at(frame) }
    }

    /// The same of frames that are the source's.
    fn source_at(&self, frame: u32) -> i64 {
        let place = match &self.retimed {
            None => Some(frame as usize),
            Some(retimed) => retimed.shows.get(frame as usize).map(|place| *place as usize),
        };
        let pts = place.and_then(|place| self.source.get(place)).copied();
        pts.unwrap_or_else(|| self.source.last().map_or(0, |last| last + 1))
    }

    /// Ticks by which a frame is later than the filters leave it, because frames before it share times and were
    /// set a tick apart.
    pub fn moved(&self, frame: u32) -> i64 {
        let (frame, ahead) = (self.own(frame, frame).start, self.frames_ahead());
        let (_, timebase) = self.filtered();
        let per_tick = output_scale(timebase).map_or(1, |(_, per_tick)| per_tick);
        (self.at(ahead + frame) - self.at(ahead)) / per_tick - (self.filtered_at(frame) - self.filtered_at(0))
    }

    /// From times that encoders are given to output times: both count in the timescale.
    pub fn offset(&self) -> i64 {
        let (_, timebase) = self.filtered();
        let per_tick = output_scale(timebase).map_or(1, |(_, per_tick)| per_tick);
        self.at(self.frames_ahead()) - self.filtered_at(0) * per_tick
    }

    /// Frames in all.
    pub fn frames(&self) -> u32 {
        self.output.len() as u32
    }

    /// Output time of a frame, or of the end for the frame after the last.
    pub fn at(&self, frame: u32) -> i64 {
        self.output.get(frame as usize).copied().unwrap_or(self.end)
    }

    /// The constant rate, else the average.
    pub fn frame_rate(&self) -> Rational {
        self.constant_rate.unwrap_or_else(|| {
            let ticks = (self.end - self.at(0)).max(1);
            Ratio::new(self.output.len() as i64 * i64::from(self.timescale.0), ticks)
        })
    }

    /// What decoders and players have to keep up with: the constant rate, else that of the densest run of a second or
    /// more, as the standard rate that it is nearest to, or the next whole one.
    pub fn highest_rate(&self) -> Rational {
        self.constant_rate.unwrap_or_else(|| {
            let second = i64::from(self.timescale.0);
            let runs = (0..self.frames()).flat_map(|from| {
                let run = move |to: u32| (i64::from(to - from), self.at(to) - self.at(from));
                // A run of two seconds or more is two runs, of which one is at least as dense.
                let runs = (from + 1..=self.frames()).map(run).skip_while(move |(_, ticks)| *ticks < second);
                runs.take_while(move |(_, ticks)| *ticks < 2 * second)
            });
            let denser = |a: &(i64, i64), b: &(i64, i64)| {
                (i128::from(a.0) * i128::from(b.1)).cmp(&(i128::from(b.0) * i128::from(a.1)))
            };
            let most = runs.max_by(denser).map(|(frames, ticks)| Ratio::new(frames * second, ticks));
            let most = most.map_or(self.frame_rate(), |most| most.max(self.frame_rate()));
            near_rate(most, 50).unwrap_or(most.ceil())
        })
    }

    /// Segments of about `length`: at a constant rate a whole number of frames each, so 4.004 s at
    /// 23.976; at a variable rate from the first frame at or after each multiple of `length`. None
    /// is empty, so a pause longer than `length` makes a longer segment.
    pub fn segments(&self, length: MediaTime) -> Vec<Span> {
        match self.constant_rate {
            Some(rate) => {
                let frames = (length.ratio() * rate).round().to_integer().clamp(1, i64::from(u32::MAX)) as u32;
                (0..self.frames()).step_by(frames as usize).map(|first| self.span(first, first + frames)).collect()
            }
            None => self.spans_at(&self.boundaries(length)),
        }
    }

    fn boundaries(&self, length: MediaTime) -> Vec<u32> {
        let step = self.timescale.round(length).max(1);
        let (mut firsts, mut cell) = (vec![], i64::MIN);
        let (pts, _) = self.filtered();
        for (frame, time) in self.output.iter().enumerate() {
            let here = div_floor(time - self.at(0), step);
            // Frames with the same time stay together: chunks are trimmed by it.
            let own = frame.checked_sub(self.frames_ahead() as usize).filter(|own| *own > 0);
            let twin = own.is_some_and(|own| pts.get(own).is_some_and(|time| pts.get(own - 1) == Some(time)));
            if here > cell && !twin {
                firsts.push(frame as u32);
                cell = here;
            }
        }
        firsts
    }

    fn spans_at(&self, firsts: &[u32]) -> Vec<Span> {
        let ends = firsts.iter().skip(1).copied().chain([self.frames()]);
        firsts.iter().zip(ends).map(|(first, end)| self.span(*first, end)).collect()
    }

    fn span(&self, first: u32, end: u32) -> Span {
        Span { first, frames: end.min(self.frames()) - first }
    }

    /// The composition delay for an encoder that reorders by at most `depth` frames: the largest
    /// distance of two frames of a segment that are `depth` apart. 0 without reordering. Nothing is
    /// reordered over the border of a segment, so a pause there does not count.
    pub fn composition_delay(&self, segments: &[Span], depth: u32) -> i64 {
        let reach = |span: &Span| {
            let frames = self.output.get(span.first as usize..(span.first + span.frames) as usize).unwrap_or_default();
            let depth = (depth as usize).min(frames.len().saturating_sub(1));
            frames.iter().zip(frames.iter().skip(depth)).map(|(early, late)| late - early).max().unwrap_or(0)
        };
        segments.iter().map(reach).max().unwrap_or(0)
    }
}

/// Output ticks of frames, equal times a tick apart, and how many were moved.
fn place(pts: &[i64], per_tick: i64, shift: i64) -> (Vec<i64>, u32) {
    let mut output: Vec<i64> = Vec::with_capacity(pts.len());
    let mut equal_times = 0;
    for pts in pts {
        let exact = pts * per_tick - shift;
        let placed = output.last().map_or(exact, |last: &i64| exact.max(last + per_tick));
        equal_times += u32::from(placed != exact);
        output.push(placed);
    }
    (output, equal_times)
}

/// Time of the `n`th frame after `first` at a constant rate, rounded to the nearest tick.
fn nth_frame(first: i64, n: i64, rate: Rational, timescale: Timescale) -> i64 {
    let time = MediaTime::new(n * rate.denom(), *rate.numer());
    first + timescale.round(time)
}

/// From the first frame to the last; `None` for a single one.
fn average(output: &[i64], timescale: Timescale) -> Option<Rational> {
    let (first, last) = (output.first()?, output.last()?);
    (last > first).then(|| Ratio::new((output.len() as i64 - 1) * i64::from(timescale.0), last - first))
}

/// The first of some rates if every frame is within a source tick of its place at that rate: containers
/// such as Matroska round to milliseconds.
fn constant_rate(
    output: &[i64],
    timescale: Timescale,
    mut candidates: impl Iterator<Item = Rational>,
    per_tick: i64,
) -> Option<Rational> {
    let first = *output.first()?;
    // A source tick is what containers round to, but never near a whole frame.
    let tolerance = |rate: &Rational| per_tick.min(nth_frame(0, 1, *rate, timescale) / 4).max(1);
    candidates.find(|rate| {
        output
            .iter()
            .enumerate()
            .all(|(n, time)| (time - nth_frame(first, n as i64, *rate, timescale)).abs() <= tolerance(rate))
    })
}

/// The broadcast rate that an average measured over few or rounded frames stands for.
fn standard_rate(average: Rational) -> Option<Rational> {
    near_rate(average, 1000)
}

/// The broadcast rate that is nearest, if it differs by less than one part in so many.
fn near_rate(rate: Rational, part: i64) -> Option<Rational> {
    const RATES: [(i64, i64); 11] = [
        (24000, 1001),
        (24, 1),
        (25, 1),
        (30000, 1001),
        (30, 1),
        (48, 1),
        (50, 1),
        (60000, 1001),
        (60, 1),
        (120, 1),
        (15, 1),
    ];
    let off = |known: &Rational| if *known > rate { known - rate } else { rate - known };
    let nearest = RATES.into_iter().map(|(n, d)| Ratio::new(n, d)).min_by_key(off)?;
    (off(&nearest) * part < nearest).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::index::{IndexBuilder, PacketRow};

    fn timeline(pts: &[i64], den: u32, nominal: (i64, i64)) -> Timeline {
        let base = Timebase { num: 1, den };
        let mut builder = IndexBuilder::new(Some((0, base)), []);
        for (n, pts) in pts.iter().enumerate() {
            builder.push(&PacketRow {
                stream: 0,
                pts: Some(*pts),
                dts: None,
                duration: Some(40),
                position: None,
                size: None,
                key: n == 0,
                discard: false,
                encrypted: false,
            });
        }
        let index = builder.finish().unwrap();
        let origin = origin(index.video.as_ref(), None, &index.audio).unwrap();
        Timeline::new(index.video.as_ref().unwrap(), None, origin, None, Ratio::new(nominal.0, nominal.1)).unwrap()
    }

    #[test]
    fn constant_rate_survives_rounding_to_milliseconds() {
        let pts: Vec<i64> = (0..300).map(|n| (n * 1001 * 1000 + 15000) / 30000).collect();
        let line = timeline(&pts, 1000, (2997, 100));
        assert_eq!(line.constant_rate, Some(Ratio::new(30000, 1001)));
        let segments = line.segments(MediaTime::seconds(4));
        assert_eq!(segments.iter().map(|s| s.frames).collect::<Vec<_>>(), [120, 120, 60]);
        assert_eq!(line.end, 10010);
    }

    #[test]
    fn the_first_frame_is_at_the_origin() {
        let line = timeline(&[133_200, 136_800, 140_400], 90_000, (25, 1));
        assert_eq!(line.output, [0, 3600, 7200]);
        assert_eq!(line.end, 10_800);
    }

    #[test]
    fn a_pause_makes_a_longer_segment_and_never_an_empty_one() {
        let line = timeline(&[0, 200, 400, 12_500, 12_700, 16_100], 1000, (5, 1));
        assert_eq!(line.constant_rate, None);
        let segments = line.segments(MediaTime::seconds(4));
        assert_eq!(
            segments,
            [Span { first: 0, frames: 3 }, Span { first: 3, frames: 2 }, Span { first: 5, frames: 1 }]
        );
        assert_eq!(line.end, 16_140);
    }

    #[test]
    fn equal_times_are_one_tick_apart_and_counted() {
        let line = timeline(&[0, 40, 40, 40, 80], 1000, (25, 1));
        assert_eq!(line.output, [0, 40, 41, 42, 80]);
        assert_eq!(line.equal_times, 2);
    }

    #[test]
    fn delay_is_the_widest_reach_of_the_reordering() {
        let line = timeline(&[0, 40, 80, 1000, 1040], 1000, (25, 1));
        let whole = [Span { first: 0, frames: 5 }];
        assert_eq!(line.composition_delay(&whole, 0), 0);
        assert_eq!(line.composition_delay(&whole, 2), 960);
        let cut = [Span { first: 0, frames: 3 }, Span { first: 3, frames: 2 }];
        assert_eq!(line.composition_delay(&cut, 2), 80);
    }

    #[test]
    fn a_variable_rate_is_as_high_as_its_busiest_second() {
        // Thirty frames a second, some of them late or left out; a demuxer took the timebase for the rate.
        let late = |n: i64| n * 1000 / 30 + n * 7 % 13;
        let camera: Vec<i64> = (0..200).filter(|n| n % 7 != 3).chain(200..300).map(late).collect();
        let line = timeline(&camera, 1000, (1000, 1));
        assert_eq!((line.constant_rate, line.highest_rate()), (None, Ratio::from_integer(30)));
        let slides = timeline(&[0, 10, 30_000, 61_000], 1000, (1000, 1));
        assert_eq!(slides.highest_rate(), Ratio::from_integer(1));
        let slow_motion: Vec<i64> = (0..100).map(|n| n * 40).chain((1..1000).map(|n| 3960 + n * 4)).collect();
        assert_eq!(timeline(&slow_motion, 1000, (1000, 1)).highest_rate(), Ratio::from_integer(250));
        // Even steps are a constant rate whatever the container says.
        let even = timeline(&[0, 33, 67, 100, 133, 167, 200], 1000, (1000, 1));
        assert_eq!(even.constant_rate, Some(Ratio::from_integer(30)));
    }

    proptest! {
        #[test]
        fn segments_partition_the_frames(steps in prop::collection::vec(1_i64..3000, 1..200), length in 1_i64..20) {
            let pts: Vec<i64> = steps.iter().scan(0, |at, s| { *at += s; Some(*at) }).collect();
            let line = timeline(&pts, 1000, (25, 1));
            let mut next = 0;
            for span in line.segments(MediaTime::seconds(length)) {
                prop_assert_eq!(span.first, next);
                prop_assert!(span.frames > 0);
                next += span.frames;
            }
            prop_assert_eq!(next, line.frames());
        }
    }
}
