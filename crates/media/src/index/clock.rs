//! The clocks of a source's tracks, as their packets lie in the file: where one breaks, and what that means.
//!
//! A clock breaks where a packet is more than [`JUMP`] later than the end of the one before it, or more than
//! [`STEP_BACK`] earlier. What it means is decided by who else breaks there; see [`ClockBuilder::finish`].

use std::collections::BTreeSet;

use itertools::Itertools;
use serde::{Deserialize, Serialize};

use super::{PacketRow, VideoIndex};
use crate::{
    argv::TRANSPORT_STREAM,
    time::{MediaTime, Timebase, human},
    transport::{Route, Splice},
};

/// A clock that is further ahead than this has jumped: ffmpeg's `dts_delta_threshold`, for the formats that it takes to
/// be discontinuous.
pub const JUMP: MediaTime = MediaTime::seconds(10);
/// Decode times never go back (ISO/IEC 13818-1 2.7.5, ISO/IEC 14496-12 8.6.1.2); those of damaged packets do, by less
/// than this.
pub const STEP_BACK: MediaTime = MediaTime::seconds(1);
/// Sound may be shorter or overlap where pictures join at their own rate, up to this.
const SLACK: MediaTime = MediaTime::new_raw(1, 10);
/// Packets whose times differ from those on both sides are strays when there are no more than these.
const MOST_STRAYS: u32 = 25;
/// Breaks of one clock at most; more is no clock.
const MOST_RUNS: usize = 10_000;

/// What is known of the clock of a source, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    /// Where the source is served with another clock. In storage; reports have no room for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splices: Vec<Splice>,
    /// Where the source is served with streams on other PIDs. In storage, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Whether there are splices or routes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rewritten: bool,
    /// Jumps of all tracks together, which are closed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jumps: Option<Jumps>,
    /// Sound whose times step back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps_back: Vec<StepBack>,
    /// Pictures with times of another age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strays: Option<Strays>,
    /// How long the last picture is to be shown by the source, which is longer than anything goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_picture: Option<MediaTime>,
}

impl Clock {
    /// Whether there is nothing to say.
    pub fn is_sound(&self) -> bool {
        *self == Clock::default()
    }

    /// With what is known since the source is served with its splices, which can't need further ones.
    pub fn mended(self, now: Clock) -> Result<Clock, ClockError> {
        match now.jumps {
            Some(Jumps { first, by, .. }) => {
                Err(ClockError::Broken { who: "every track".into(), at: first, by, alone: false, remedy: COPY })
            }
            None => Ok(Clock { splices: self.splices, jumps: self.jumps, ..now }),
        }
    }
}

/// Jumps of all tracks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Jumps {
    /// How many.
    pub count: u32,
    /// Where the first is, source time as it is served.
    pub first: MediaTime,
    /// By how much the source's clock jumps there; negative is back.
    pub by: MediaTime,
}

/// A track of sound whose times step back once or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepBack {
    /// Stream index in the file.
    pub stream: u32,
    /// How often.
    pub count: u32,
    /// Where first, source time.
    pub first: MediaTime,
    /// By how much in all.
    pub by: MediaTime,
}

/// Pictures whose times are not near those on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Strays {
    /// How many.
    pub pictures: u32,
    /// Where they lie, by the time of the picture before the first: source time.
    pub at: MediaTime,
    /// By how much the first is off.
    pub by: MediaTime,
    /// First and last time of all other pictures, ticks.
    pub shown: (i64, i64),
}

/// Why a clock can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// Times of one track are another clock's than those of the others, or every track begins anew where that is no
    /// business of the container.
    #[error(
        "the times of {who} jump {} at {}{}: {remedy}",
        direction(*by),
        human(*at),
        if *alone { ", and those of the other tracks do not" } else { "" }
    )]
    Broken {
        /// The tracks.
        who: String,
        /// Where, from the start of the source.
        at: MediaTime,
        /// By how much.
        by: MediaTime,
        /// Whether there are others.
        alone: bool,
        /// What to do.
        remedy: &'static str,
    },
    /// Thousands of breaks.
    #[error("the times of {who} jump more than {MOST_RUNS} times: they are no clock; {remedy}")]
    NoClock {
        /// The track.
        who: String,
        /// What to do.
        remedy: &'static str,
    },
}

/// `ahead by 15m0s`, `back by 3s`: for people.
pub fn direction(by: MediaTime) -> String {
    match by < MediaTime::ZERO {
        true => format!("back by {}", human(MediaTime::ZERO - by)),
        false => format!("ahead by {}", human(by)),
    }
}

/// What mends a transport stream: ffmpeg closes up the clock of each track of one.
const COPY: &str =
    "its clock is broken; give it another one first, say with ffmpeg -i SOURCE -map 0 -c copy MENDED.mkv";
/// What mends any other container: times that are off are left away, and found anew when frames are decoded.
const DECODE: &str = "its clock is broken; give it another one first, say with ffmpeg -dts_error_threshold 1 -i SOURCE -c:v ffv1 -c:a flac MENDED.mkv";

/// Follows the clock of each track.
#[derive(Debug)]
pub struct ClockBuilder {
    tracks: Vec<Track>,
}

#[derive(Debug)]
struct Track {
    stream: u32,
    timebase: Timebase,
    picture: bool,
    runs: Vec<Run>,
    /// Decode time of the packet before, and its end.
    last: Option<(i64, i64)>,
    position: u64,
}

/// Packets one after the other whose clock runs on; times are ticks.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Where its first and last packet lie.
    bytes: (u64, u64),
    packets: u32,
    /// Earliest presentation time, and where the last presentation ends.
    start: i64,
    end: i64,
    /// Whether another track was there already.
    met: bool,
}

/// Where the clock of a track breaks.
#[derive(Debug, Clone, Copy)]
struct Break {
    track: usize,
    /// Where its first packet on the new clock lies, and its last on the old one.
    from: u64,
    until: u64,
    /// The end of the old clock and the start of the new one.
    end: MediaTime,
    start: MediaTime,
    met: bool,
}

impl Break {
    fn by(&self) -> MediaTime {
        self.start - self.end
    }
}

/// What is shortest on a clock of 33 bits.
fn round_the_clock(by: MediaTime) -> MediaTime {
    Splice::CLOCK.time(Splice::nearest(Splice::CLOCK.round(by)))
}

fn off(a: MediaTime, b: MediaTime) -> MediaTime {
    (a - b).max(b - a)
}

impl ClockBuilder {
    /// For the chosen video stream and every audio stream (index and timebase of each).
    pub fn new(video: Option<(u32, Timebase)>, audio: impl IntoIterator<Item = (u32, Timebase)>) -> Self {
        let track =
            |(stream, timebase), picture| Track { stream, timebase, picture, runs: vec![], last: None, position: 0 };
        let tracks = video.into_iter().map(|v| track(v, true)).chain(audio.into_iter().map(|a| track(a, false)));
        ClockBuilder { tracks: tracks.collect() }
    }

    /// Adds a packet; those of other streams, and those that are not shown, are passed over.
    pub fn push(&mut self, row: &PacketRow) {
        let Some(place) = self.tracks.iter().position(|track| track.stream == row.stream && !row.discard) else {
            return;
        };
        let track = &self.tracks[place];
        let Some(shown) = row.pts.or(row.dts) else { return };
        let (decoded, duration) = (row.dts.unwrap_or(shown), row.duration.unwrap_or(0).max(0));
        let position = row.position.unwrap_or(track.position);
        let by = track.last.map(|(_, end)| decoded - end);
        // Presentation times step back where frames are reordered.
        let back = if row.dts.is_some() { STEP_BACK } else { JUMP };
        let broken = by.is_none_or(|by| {
            let by = track.timebase.time(by);
            by > JUMP || by < MediaTime::ZERO - back
        });
        if broken && track.runs.len() < MOST_RUNS {
            let time = track.timebase.time(decoded);
            let mut others = self.tracks.iter().enumerate().filter(|(n, _)| *n != place);
            let met = others.any(|(_, other)| {
                other.last.is_some_and(|(decoded, _)| off(other.timebase.time(decoded), time) <= JUMP)
            });
            let run = Run { bytes: (position, position), packets: 0, start: shown, end: shown, met };
            self.tracks[place].runs.push(run);
        }
        let track = &mut self.tracks[place];
        track.position = position;
        track.last = Some((decoded, decoded + duration));
        if let Some(run) = track.runs.last_mut() {
            run.bytes.1 = run.bytes.1.max(position);
            run.packets += 1;
            run.start = run.start.min(shown);
            run.end = run.end.max(shown + duration);
        }
    }
}

impl Track {
    /// Takes away the runs of a few pictures behind which the clock goes on as it was, if they lie outside of all others.
    fn take_strays(&mut self) -> Option<Strays> {
        let (mut kept, mut strays): (Vec<Run>, Vec<(MediaTime, Run)>) = (vec![], vec![]);
        let mut runs = self.runs.iter().copied().peekable();
        while let Some(run) = runs.next() {
            let goes_on = |before: &&mut Run, after: &&Run| {
                off(self.timebase.time(before.end), self.timebase.time(after.start)) <= JUMP
            };
            let around = kept.last_mut().zip(runs.peek()).filter(|(before, after)| goes_on(before, after));
            match around {
                Some((before, after)) if run.packets <= MOST_STRAYS => {
                    strays.push((self.timebase.time(before.end), run));
                    *before = before.with(after);
                    runs.next();
                }
                _ => kept.push(run),
            }
        }
        let (first, run) = strays.first()?;
        let all = kept.iter().copied().reduce(|a, b| a.with(&b))?;
        if strays.iter().any(|(_, run)| run.start < all.end && run.end > all.start) {
            return None;
        }
        let pictures = strays.iter().map(|(_, run)| run.packets).sum();
        let found = Strays {
            pictures,
            at: *first,
            by: self.timebase.time(run.start) - *first,
            shown: (all.start, all.end - 1),
        };
        self.runs = kept;
        Some(found)
    }

    fn breaks(&self, track: usize) -> impl Iterator<Item = Break> + '_ {
        self.runs.iter().tuple_windows().map(move |(before, after)| Break {
            track,
            from: after.bytes.0,
            until: before.bytes.1,
            end: self.timebase.time(before.end),
            start: self.timebase.time(after.start),
            met: after.met,
        })
    }

    /// Whether it has packets on both sides of a place.
    fn spans(&self, place: u64) -> bool {
        let (first, last) = (self.runs.first(), self.runs.last());
        first.is_some_and(|run| run.bytes.0 < place) && last.is_some_and(|run| run.bytes.1 > place)
    }
}

impl Run {
    /// Together with a later one.
    fn with(&self, after: &Run) -> Run {
        Run {
            bytes: (self.bytes.0, after.bytes.1),
            packets: self.packets + after.packets,
            start: self.start.min(after.start),
            end: self.end.max(after.end),
            met: self.met,
        }
    }
}

impl ClockBuilder {
    /// What the breaks mean, in this order:
    ///
    /// - A few pictures with times of another age between two that go together are strays.
    /// - Where all tracks jump by the same, the clock jumped: a transport stream's is closed up, as its standard lets
    ///   clocks begin anew anywhere (ISO/IEC 13818-1 2.4.3.5). Any other container's is one for the whole file: a jump
    ///   ahead is a pause, and one back is refused.
    /// - Where a track jumps ahead to where others are already, it has a hole.
    /// - Sound that steps back alone, by no more than a jump, is heard once.
    /// - Anything else is refused.
    pub fn finish(mut self, container: &str) -> Result<Clock, ClockError> {
        let transport = container == TRANSPORT_STREAM;
        let remedy = if transport { COPY } else { DECODE };
        if let Some(n) = self.tracks.iter().position(|track| track.runs.len() >= MOST_RUNS) {
            return Err(ClockError::NoClock { who: self.name(n), remedy });
        }
        let mut pictures = self.tracks.iter_mut().filter(|track| track.picture);
        let mut clock = Clock { strays: pictures.find_map(Track::take_strays), ..Clock::default() };
        for group in self.groups() {
            let place = group.iter().map(|one| one.from).min().unwrap_or(0);
            let alone = (0..self.tracks.len()).any(|n| {
                self.tracks.get(n).is_some_and(|track| track.spans(place)) && group.iter().all(|one| one.track != n)
            });
            let back = group.iter().all(|one| one.by() < MediaTime::ZERO);
            let Some(first) = group.first() else { continue };
            match (alone, back) {
                (false, _) if transport => self.close_up(&mut clock, &group),
                (false, false) => {}
                (true, false) if group.iter().all(|one| one.met) => {}
                (true, true) if group.iter().all(|one| self.heard(one.track) && one.by() >= MediaTime::ZERO - JUMP) => {
                    group.iter().for_each(|one| self.step_back(&mut clock, one));
                }
                _ => {
                    let who = if alone { self.name(first.track) } else { "every track".into() };
                    let at = first.end - self.begin();
                    let by = if transport { round_the_clock(first.by()) } else { first.by() };
                    return Err(ClockError::Broken { who, at, by, alone, remedy });
                }
            }
        }
        Ok(clock)
    }

    /// Breaks of tracks that jump together, in the file's order.
    fn groups(&self) -> Vec<Vec<Break>> {
        let mut breaks: Vec<Break> = self.tracks.iter().enumerate().flat_map(|(n, track)| track.breaks(n)).collect();
        breaks.sort_by_key(|one| one.from);
        let mut groups: Vec<Vec<Break>> = vec![];
        for one in breaks {
            let open = groups.last_mut().filter(|group| {
                group.iter().all(|other| {
                    other.track != one.track && off(other.by(), one.by()) <= JUMP && off(other.end, one.end) <= JUMP
                })
            });
            match open {
                Some(group) => group.push(one),
                None => groups.push(vec![one]),
            }
        }
        groups
    }

    /// The clock of a transport stream goes on where it was: where the picture ended, unless more than [`SLACK`] of
    /// sound would be lost by that.
    fn close_up(&self, clock: &mut Clock, group: &[Break]) {
        let before = clock.splices.last().map_or(0, |splice| splice.add);
        let ticks = |time: MediaTime| Splice::CLOCK.round(time);
        let latest = group.iter().max_by_key(|one| one.end - one.start);
        let picture = group.iter().find(|one| self.tracks.get(one.track).is_some_and(|track| track.picture));
        let leads = |picture: &&Break| latest.is_none_or(|latest| picture.by() - latest.by() <= SLACK);
        let Some(chosen) = picture.filter(leads).or(latest) else { return };
        let at = ticks(chosen.end) + before;
        let from = group.iter().map(|one| one.from).min().unwrap_or(0);
        let until = group.iter().map(|one| one.until).max().unwrap_or(0);
        clock.splices.push(Splice { from, until, at, add: before + ticks(chosen.end - chosen.start) });
        let first = Jumps { count: 0, first: Splice::CLOCK.time(at), by: round_the_clock(chosen.by()) };
        clock.jumps.get_or_insert(first).count += 1;
    }

    fn step_back(&self, clock: &mut Clock, one: &Break) {
        let (stream, by) = (self.tracks.get(one.track).map_or(0, |track| track.stream), MediaTime::ZERO - one.by());
        match clock.steps_back.iter_mut().find(|known| known.stream == stream) {
            Some(known) => (known.count, known.by) = (known.count + 1, known.by + by),
            None => clock.steps_back.push(StepBack { stream, count: 1, first: one.end, by }),
        }
    }

    fn heard(&self, track: usize) -> bool {
        self.tracks.get(track).is_some_and(|track| !track.picture)
    }

    fn name(&self, track: usize) -> String {
        let pictures = self.tracks.iter().filter(|track| track.picture).count();
        if self.heard(track) { format!("audio track {}", track - pictures) } else { "the picture".into() }
    }

    /// The earliest time of any track.
    fn begin(&self) -> MediaTime {
        let starts = self.tracks.iter().filter_map(|track| Some(track.timebase.time(track.runs.first()?.start)));
        starts.min().unwrap_or(MediaTime::ZERO)
    }
}

impl VideoIndex {
    /// Takes away the pictures whose times are not within those that are shown.
    pub fn leave_out_strays(&mut self, shown: (i64, i64)) {
        let is_stray = |pts: &i64| !(shown.0..=shown.1).contains(pts);
        let strays = (0..).zip(&self.pts).filter(|(_, pts)| is_stray(pts)).map(|(place, _)| place);
        let discarded: BTreeSet<u32> = strays.chain(self.discarded.iter().copied()).collect();
        self.keys.retain(|key| !discarded.contains(key));
        self.discarded = discarded.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Timebase = Timebase { num: 1, den: 90_000 };

    /// A picture and a packet of sound every 100 ms, one after the other in the file. `moved` adds to the time of the
    /// stream's n-th packet, milliseconds.
    fn clock(container: &str, count: i64, moved: impl Fn(u32, i64) -> Option<i64>) -> Result<Clock, ClockError> {
        let mut builder = ClockBuilder::new(Some((0, TICK)), [(1, TICK)]);
        for (n, stream) in (0..count).cartesian_product([0, 1]) {
            let Some(moved) = moved(stream, n) else { continue };
            let time = (n * 100 + moved) * 90;
            let position = (n * 2 + i64::from(stream)) * 188;
            let line = format!("stream_index={stream}|pts={time}|dts={time}|duration=9000|pos={position}|flags=K__");
            builder.push(&PacketRow::parse(&line).unwrap());
        }
        builder.finish(container)
    }

    #[test]
    fn a_jump_of_all_tracks_is_closed_up_in_a_transport_stream() {
        let later = |_, n| Some(if n < 50 { 0 } else { 900_000 });
        let found = clock("mpegts", 100, later).unwrap();
        let splice = Splice { from: 100 * 188, until: 99 * 188, at: 450_000, add: -81_000_000 };
        assert_eq!(found.splices, [splice]);
        let seconds = MediaTime::seconds;
        assert_eq!(found.jumps, Some(Jumps { count: 1, first: seconds(5), by: seconds(900) }));
        // Elsewhere it is a pause.
        assert_eq!(clock("matroska,webm", 100, later), Ok(Clock::default()));
    }

    #[test]
    fn a_clock_begins_anew_as_often_as_it_likes() {
        let anew = |_, n: i64| Some(-(n / 40) * 4000);
        let found = clock("mpegts", 100, anew).unwrap();
        assert_eq!(found.splices.iter().map(|splice| splice.add).collect::<Vec<_>>(), [360_000, 720_000]);
        assert_eq!(found.jumps.unwrap().count, 2);
        let refused = clock("flv", 100, anew).unwrap_err().to_string();
        assert!(
            refused.starts_with("the times of every track jump back by 4s at 4s: its clock is broken"),
            "{refused}"
        );
    }

    #[test]
    fn between_recordings_no_sound_is_lost() {
        // The sound of the first goes on for a second without pictures.
        let longer = |stream, n| match (stream, n) {
            (0, 40..50) => None,
            _ => Some(if n < 50 { 0 } else { -5000 }),
        };
        assert_eq!(clock("mpegts", 100, longer).unwrap().splices[0].add, 450_000);
        // A tenth of a second is not worth a picture out of step.
        let little = |stream, n| if (stream, n) == (0, 49) { None } else { Some(if n < 50 { 0 } else { -5000 }) };
        assert_eq!(clock("mpegts", 100, little).unwrap().splices[0].add, 441_000);
    }

    #[test]
    fn a_track_that_is_cut_has_a_hole_and_no_other_clock() {
        let cut = |stream, n| if stream == 0 && (100..300).contains(&n) { None } else { Some(0) };
        assert_eq!(clock("mpegts", 400, cut), Ok(Clock::default()));
    }

    #[test]
    fn a_track_with_a_clock_of_its_own_is_refused() {
        let ahead = |stream, n| Some(if stream == 0 && n >= 50 { 300_000 } else { 0 });
        for (container, remedy) in [("mpegts", "-map 0 -c copy"), ("avi", "-dts_error_threshold 1")] {
            let refused = clock(container, 100, ahead).unwrap_err().to_string();
            let words = "the times of the picture jump ahead by 5m0s at 5s, and those of the other tracks do not: ";
            assert!(refused.starts_with(words) && refused.contains(remedy), "{refused}");
        }
        let back = |stream, n| Some(if stream == 1 && n >= 500 { -20_000 } else { 0 });
        assert!(clock("mpegts", 600, back).unwrap_err().to_string().contains("audio track 0 jump back by 20s at 50s"));
    }

    #[test]
    fn sound_that_steps_back_is_told() {
        let back = |stream, n| Some(if stream == 1 && n >= 50 { -3000 } else { 0 });
        let found = clock("matroska,webm", 100, back).unwrap();
        let seconds = MediaTime::seconds;
        assert_eq!(found.steps_back, [StepBack { stream: 1, count: 1, first: seconds(5), by: seconds(3) }]);
    }

    #[test]
    fn strays_are_pictures_between_two_that_go_together() {
        let stray = |stream, n| Some(if stream == 0 && (50..52).contains(&n) { 9_360_000 } else { 0 });
        let found = clock("matroska,webm", 100, stray).unwrap();
        let strays = found.strays.unwrap();
        assert_eq!((strays.pictures, strays.at, strays.by), (2, MediaTime::seconds(5), MediaTime::seconds(9360)));
        assert_eq!(strays.shown, (0, 900_000 - 1));
        // At times of others they can't be told apart.
        let among = |stream, n| Some(if stream == 0 && (500..502).contains(&n) { -20_000 } else { 0 });
        clock("matroska,webm", 600, among).unwrap_err();
    }
}
