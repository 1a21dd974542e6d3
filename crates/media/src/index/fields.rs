//! Packets that are fields: a decoder makes one frame of two.

use std::collections::BTreeSet;

use itertools::Itertools;

use super::{IndexError, VideoIndex};
use crate::time::Rational;

impl VideoIndex {
    /// Whether packets are fields, of which a decoder makes one frame of two (H.264 and MPEG-2 allow it, from picture to
    /// picture). `shown` are the times of the first frames, of so many packets as were `read`. Later fields are told by
    /// their steps, which are half as long as those of frames.
    pub fn has_fields(&self, shown: &[i64], read: u32) -> bool {
        let first_key = self.keys.first().and_then(|key| self.pts.get(*key as usize)).copied();
        let first = shown.iter().min().copied().max(first_key).unwrap_or(i64::MAX);
        let last = shown.iter().max().copied().unwrap_or(i64::MIN);
        let mut discarded = self.discarded.iter().copied().peekable();
        let places = (0..).zip(&self.pts).filter(|(place, _)| discarded.next_if_eq(place).is_none());
        let lone = |pts: &i64| (first..last).contains(pts) && !shown.contains(pts);
        let half = usual_step(shown.iter()) * 3 / 5;
        let short = |(now, next): (&i64, &i64)| (1..=half).contains(&(next - now));
        places.take(read as usize).any(|(_, pts)| lone(pts)) || self.frames().iter().tuple_windows().any(short)
    }

    /// Takes away the packets that are second fields: those half a frame behind a frame that a decode of everything
    /// did not show by themselves. What else it did not show is damaged, and stays.
    pub fn merge_fields(&mut self, shown: &[i64]) -> Result<(), IndexError> {
        let shown: BTreeSet<i64> = shown.iter().copied().collect();
        let first = *shown.first().ok_or(IndexError::Undecodable)?;
        let mut discarded: BTreeSet<u32> = self.discarded.iter().copied().collect();
        let mut places: Vec<(i64, u32)> = self.pts.iter().copied().zip(0..).collect();
        places.sort_unstable();
        places.retain(|(_, place)| !discarded.contains(place));
        let (usual, mut frame) = (usual_step(shown.iter()), i64::MIN / 2);
        for (pts, place) in &places {
            let half = usual.min(least_step(&shown, *pts)) * 3 / 5;
            let second = !shown.contains(pts) && pts - frame <= half;
            let lost = !second && *pts < first;
            self.undecodable += u32::from(lost);
            if second || lost {
                discarded.insert(*place);
            }
            if !second {
                frame = *pts;
            }
        }
        self.last_duration += places.last().map_or(0, |(last, _)| last - frame);
        self.keys.retain(|key| !discarded.contains(key));
        self.discarded = discarded.into_iter().collect();
        if self.keys.is_empty() { Err(IndexError::NoKeyframe) } else { Ok(()) }
    }

    /// Of some rates the one that is nearest to the usual step from frame to frame.
    pub fn nearest_rate(&self, rates: impl IntoIterator<Item = Rational>) -> Option<Rational> {
        let step = self.timebase.time(usual_step(self.frames().iter())).ratio();
        rates.into_iter().min_by_key(|rate| {
            let off = *rate * step - Rational::from_integer(1);
            off.max(-off)
        })
    }
}

/// The step from time to time that is in the middle of all; 0 without one. `times` rise.
pub(super) fn usual_step<'a>(times: impl Iterator<Item = &'a i64>) -> i64 {
    let mut steps: Vec<i64> = times.tuple_windows().map(|(now, next)| next - now).filter(|step| *step > 0).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied().unwrap_or(0)
}

/// The least step from frame to frame around a time: to the frame before it, and over it.
fn least_step(shown: &BTreeSet<i64>, pts: i64) -> i64 {
    let before: Vec<i64> = shown.range(..pts).rev().take(2).copied().collect();
    let after = shown.range(pts..).take(if before.is_empty() { 2 } else { 1 }).copied();
    let around = before.into_iter().rev().chain(after);
    around.tuple_windows().map(|(now, next)| next - now).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        index::{IndexBuilder, PacketRow},
        time::Timebase,
    };

    fn coded(times: &[i64]) -> VideoIndex {
        let mut builder = IndexBuilder::new(Some((0, Timebase { num: 1, den: 1000 })), []);
        for pts in times {
            let flags = if *pts < 40 { "K" } else { "_" };
            let line = format!("stream_index=0|pts={pts}|duration=20|flags={flags}");
            builder.push(&PacketRow::parse(&line).unwrap());
        }
        builder.finish().unwrap().video.unwrap()
    }

    #[test]
    fn fields_are_halves_of_frames() {
        // Frames at 0, 40, 120 and 160 in two fields each; those at 80 and 200 are coded as frames.
        let fields = || coded(&[0, 20, 40, 60, 80, 120, 140, 160, 180, 200]);
        let mut video = fields();
        assert!(video.has_fields(&[0, 40], 4));
        // The first frames may tell nothing, and of the last packets that were read the order is not that of times.
        assert!(coded(&[0, 40, 80, 120, 140, 160, 180, 200, 220]).has_fields(&[0, 40, 80], 3));
        assert!(!coded(&[0, 40, 80, 120]).has_fields(&[0, 40], 2));
        assert!(!coded(&[0, 120, 40, 80, 240, 160, 200]).has_fields(&[0, 40, 80, 120, 240], 5));
        video.merge_fields(&[0, 40, 80, 120, 160, 200]).unwrap();
        assert_eq!((video.frames(), video.keyframes()), (vec![0, 40, 80, 120, 160, 200], vec![0]));
        assert_eq!((video.undecodable, video.has_fields(&[0, 40, 80], 4)), (0, false));
        let rate = Rational::from_integer;
        assert_eq!(video.nearest_rate([rate(50), rate(25)]), Some(rate(25)));
        // One that can't be decoded is a frame all the same; what the decoder can't begin with is none.
        let mut damaged = fields();
        damaged.merge_fields(&[40, 120, 160, 200]).unwrap_err();
        assert_eq!((damaged.frames(), damaged.undecodable), (vec![40, 80, 120, 160, 200], 1));
        // Where frames come twice as often, one that is missing is no field.
        let mut faster = coded(&[0, 20, 40, 60, 80, 100, 120, 140]);
        faster.merge_fields(&[0, 40, 80, 100, 140]).unwrap();
        assert_eq!(faster.frames(), [0, 40, 80, 100, 120, 140]);
        let mut last = coded(&[0, 20, 40, 60]);
        last.merge_fields(&[0, 40]).unwrap();
        assert_eq!(last.last_duration, 40);
    }
}
