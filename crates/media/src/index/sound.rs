//! Where an audio track starts, ends and has holes, by its packets and by the last frames that a decoder makes of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PacketRow;
use crate::time::{MediaTime, Timebase, Timescale};

/// Holes up to this are rounding.
const ROUNDING: MediaTime = MediaTime::new_raw(1, 20);
/// The end of a longer packet is asked of the decoder: containers give the last one of a track the length of all
/// others (TTA: 1.04 s).
const SHORT: MediaTime = MediaTime::new_raw(1, 10);

/// Extent of an audio track on the source timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioSpan {
    /// Presentation time of the first sample, ticks.
    pub start: i64,
    /// End of the last packet, ticks.
    pub end: i64,
    /// One tick.
    pub timebase: Timebase,
    /// Holes in its timestamps longer than 50 ms.
    pub holes: u32,
    /// Where the first of them begins, ticks.
    pub first_hole: i64,
    /// Their length in all, ticks.
    pub silence: i64,
    /// Time of the last packet, ticks, where only a decoder knows how long it lasts.
    pub unsure_end: Option<i64>,
}

impl AudioSpan {
    fn new(start: i64, end: i64, timebase: Timebase) -> Self {
        AudioSpan { start, end, timebase, holes: 0, first_hole: 0, silence: 0, unsure_end: None }
    }

    /// Where to seek for the last packet: a second before it. `None` when its length is known.
    pub fn tail(&self) -> Option<MediaTime> {
        let from = self.timebase.time(self.unsure_end?) - MediaTime::seconds(1);
        Some(from.max(self.timebase.time(self.start)))
    }

    /// Takes for its end that of its last frames, decoded: lines of [`crate::argv::probe::last_sound`], of so many
    /// samples a second. Without frames it stays where packets end.
    pub fn end(&mut self, frames: &str, sample_rate: u32) {
        let ends = frames.lines().filter_map(|line| {
            let field = |name: &str| {
                let value = line.split('|').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
                value?.parse::<i64>().ok()
            };
            Some(self.timebase.time(field("pts")?) + Timescale(sample_rate).time(field("nb_samples")?))
        });
        if let Some(end) = ends.max() {
            self.end = self.timebase.round(end).max(self.start);
        }
        self.unsure_end = None;
    }

    fn hole(&mut self, from: i64, length: i64, count: u32) {
        if self.holes == 0 || from < self.first_hole {
            self.first_hole = from;
        }
        self.holes += count;
        self.silence = self.silence.saturating_add(length.saturating_mul(i64::from(count)));
    }
}

/// Collects the packets of a track.
#[derive(Debug)]
pub(super) struct AudioBuilder {
    span: Option<AudioSpan>,
    timebase: Timebase,
    /// Time and length of the packet before.
    last: (i64, Option<i64>),
    /// Steps to the next packet from those whose length the container doesn't know: how many, and the time of the
    /// first. As few entries as lengths differ.
    steps: BTreeMap<i64, (u32, i64)>,
}

impl AudioBuilder {
    pub(super) fn new(timebase: Timebase) -> Self {
        AudioBuilder { span: None, timebase, last: (0, None), steps: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, row: &PacketRow, heard_before_zero: bool) {
        let Some(pts) = row.pts.filter(|_| !row.discard) else { return };
        let length = row.duration.filter(|length| *length > 0);
        let end = pts + length.unwrap_or(0);
        let (before, known) = std::mem::replace(&mut self.last, (pts, length));
        let Some(span) = &mut self.span else {
            // Elsewhere, sound before 0 is an encoder's priming, or lies before the container's edit list:
            // decoders throw it away (ffprobe tells it as skip_samples, if at all).
            let start = if heard_before_zero { pts } else { pts.max(0) };
            self.span = Some(AudioSpan::new(start, end, self.timebase));
            return;
        };
        if known.is_none() && pts > before {
            let (count, _) = self.steps.entry(pts - before).or_insert((0, before));
            *count += 1;
        } else if self.timebase.time(pts - span.end) > ROUNDING {
            span.hole(span.end, pts - span.end, 1);
        }
        span.end = span.end.max(end);
    }

    pub(super) fn finish(self) -> AudioSpan {
        let Some(mut span) = self.span else { return AudioSpan::new(0, 0, self.timebase) };
        let usual = usual(&self.steps);
        for (step, (count, first)) in &self.steps {
            if self.timebase.time(step - usual) > ROUNDING {
                span.hole(first + usual, step - usual, *count);
            }
        }
        let (pts, length) = self.last;
        span.end = span.end.max(pts + length.unwrap_or(usual));
        let unsure = length.is_none_or(|length| self.timebase.time(length) > SHORT);
        span.unsure_end = unsure.then_some(pts);
        span
    }
}

/// The step in the middle of all: how long a packet lasts of whose length nothing is said.
fn usual(steps: &BTreeMap<i64, (u32, i64)>) -> i64 {
    let half = steps.values().map(|(count, _)| u64::from(*count)).sum::<u64>() / 2;
    let mut passed = 0;
    let middle = steps.iter().find(|(_, (count, _))| {
        passed += u64::from(*count);
        passed > half
    });
    middle.map_or(0, |(step, _)| *step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The span of packets at these times, ms; a length of 0 is one that the container doesn't know.
    fn span(packets: impl IntoIterator<Item = (i64, i64)>) -> AudioSpan {
        let mut builder = AudioBuilder::new(Timebase { num: 1, den: 1000 });
        for (pts, duration) in packets {
            let line = format!("stream_index=1|pts={pts}|duration={duration}|flags=K_").replace("=0|f", "=N/A|f");
            builder.push(&PacketRow::parse(&line).unwrap(), false);
        }
        builder.finish()
    }

    #[test]
    fn holes_are_found() {
        let audio = span([(10, 20), (30, 20), (500, 20)]);
        assert_eq!((audio.holes, audio.first_hole, audio.silence), (1, 50, 450));
        assert_eq!((audio.start, audio.end, audio.tail()), (10, 520, None));
    }

    #[test]
    fn priming_is_not_the_start_but_a_transport_stream_has_none() {
        let audio = span([(-11, 20)]);
        assert_eq!((audio.start, audio.end), (0, 9));
        let mut builder = AudioBuilder::new(Timebase { num: 1, den: 1000 });
        builder.push(&PacketRow::parse("stream_index=1|pts=-12340|duration=20|flags=K_").unwrap(), true);
        assert_eq!(builder.finish().start, -12_340);
    }

    #[test]
    fn packets_of_unknown_length_last_until_the_next() {
        let mut audio = span((0..5).map(|n| (n * 1000, 0)));
        assert_eq!((audio.holes, audio.end, audio.tail()), (0, 5000, Some(MediaTime::seconds(3))));
        audio.end("pts=3000|nb_samples=48000\npts=4000|nb_samples=14400\npts=N/A|nb_samples=9\n", 48_000);
        assert_eq!((audio.end, audio.tail()), (4300, None));
        // A second is missing behind the packet at 2 s, 400 ms behind that at 5 s.
        let audio = span([0, 1000, 2000, 4000, 5000, 6400, 7400].map(|pts| (pts, 0)));
        assert_eq!((audio.holes, audio.first_hole, audio.silence), (2, 3000, 1400));
        // Times that a container has rounded are no holes.
        let audio = span((0..40).map(|n| (n * 4096 * 1000 / 44_100, 0)));
        assert_eq!((audio.holes, audio.end), (0, 39 * 4096 * 1000 / 44_100 + 93));
    }

    #[test]
    fn the_last_of_long_packets_may_be_shorter_than_its_container_says() {
        let mut audio = span([(0, 1044), (1045, 1044)]);
        assert_eq!((audio.holes, audio.end, audio.tail()), (0, 2089, Some(MediaTime::new(45, 1000))));
        audio.end("", 48_000);
        assert_eq!(audio.end, 2089);
    }
}
