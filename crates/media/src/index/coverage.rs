//! Which stretches of time the pictures cover.

use std::ops::Range;

use itertools::Itertools;

use super::{VideoIndex, clock::JUMP, fields::usual_step};
use crate::time::MediaTime;

/// A picture that follows the one before it later than usual by more than this leaves a hole. Shorter ones are what a
/// variable rate is, and of nearly every broadcast that was received.
const HOLE: MediaTime = MediaTime::seconds(1);
/// How long a last picture may be shown where no sound tells otherwise, if pictures before it take less.
const LONGEST: MediaTime = MediaTime::seconds(600);

/// Stretches that no frame is of, ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holes {
    /// How many.
    pub count: u32,
    /// The first.
    pub first: Range<i64>,
    /// Length of all.
    pub length: i64,
}

impl VideoIndex {
    /// Where a frame does not come within [`HOLE`] of its usual time. A hole begins there, and ends with the frame.
    pub fn holes(&self) -> Option<Holes> {
        let frames = self.frames();
        let usual = usual_step(frames.iter());
        let least = usual + self.timebase.floor(HOLE);
        let pairs = frames.iter().tuple_windows().filter(|(now, next)| *next - *now > least);
        pairs.map(|(now, next)| now + usual..*next).fold(None, |holes: Option<Holes>, hole| {
            let length = hole.end - hole.start;
            Some(match holes {
                None => Holes { count: 1, first: hole, length },
                Some(holes) => Holes { count: holes.count + 1, length: holes.length + length, ..holes },
            })
        })
    }

    /// Shows the last frame as long as frames usually are, or until the sound ends, where it is to be shown for so long
    /// that it can't be meant: longer than any before it, and than the sound. Gives how long it was to be.
    pub fn clip_last(&mut self, heard_until: Option<MediaTime>) -> Option<MediaTime> {
        let frames = self.frames();
        let (first, last) = (*frames.first()?, *frames.last()?);
        let longest = frames.iter().tuple_windows().map(|(now, next)| next - now).max().unwrap_or(0);
        let told = self.timebase.time(self.last_duration);
        let absurd = match heard_until {
            Some(end) => self.timebase.time(last) + told - end > JUMP,
            None => told > LONGEST && self.last_duration > last - first && frames.len() > 1,
        };
        if !absurd || told - self.timebase.time(longest) <= JUMP {
            return None;
        }
        let until = heard_until.map_or(last, |end| self.timebase.floor(end));
        self.last_duration = usual_step(frames.iter()).max(until - last).max(1);
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        index::{IndexBuilder, PacketRow},
        time::Timebase,
    };

    fn video(times: impl IntoIterator<Item = i64>, last: i64) -> VideoIndex {
        let mut builder = IndexBuilder::new(Some((0, Timebase { num: 1, den: 1000 })), []);
        for pts in times {
            let row = PacketRow::parse(&format!("stream_index=0|pts={pts}|duration={last}|flags=K__"));
            builder.push(&row.unwrap());
        }
        builder.finish().unwrap().video.unwrap()
    }

    #[test]
    fn a_hole_is_a_second_longer_than_frames_usually_are() {
        let steady = (0..50).map(|n| n * 40);
        let cut = steady.clone().filter(|time| !(400..=1400).contains(time)).chain([5000, 5040]);
        let holes = video(cut, 40).holes().unwrap();
        assert_eq!(holes, Holes { count: 2, first: 400..1440, length: 1040 + 3000 });
        assert_eq!(video(steady.filter(|time| !(400..=1320).contains(time)), 40).holes(), None);
        assert_eq!(video((0..9).map(|n| n * 5000), 5000).holes(), None, "slides");
    }

    #[test]
    fn a_last_picture_of_hours_is_none() {
        let seconds = MediaTime::seconds;
        let shown = |times: &[i64], last, heard: Option<i64>| {
            let mut video = video(times.iter().copied(), last);
            (video.clip_last(heard.map(seconds)), video.last_duration)
        };
        assert_eq!(shown(&[0, 40, 80], 8_523_000, Some(5)), (Some(seconds(8523)), 4920));
        assert_eq!(shown(&[0, 40, 80], 8_523_000, None), (Some(seconds(8523)), 40));
        // A picture under sound, slides, the pause at the end of a lecture.
        assert_eq!(shown(&[0], 70_000, Some(70)).0, None);
        assert_eq!(shown(&[0, 30_000, 60_000], 30_000, Some(70)).0, None);
        assert_eq!(shown(&[0, 40, 80], 300_000, None).0, None);
    }
}
