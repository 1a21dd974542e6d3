//! Packets that are no pictures, and times that containers lack: what is shown is what a decoder shows.

use std::collections::BTreeSet;

use super::{IndexError, VideoIndex};
use crate::time::MediaTime;

/// Bytes of the largest packet that is looked at. Pictures that are not coded (ISO/IEC 14496-2 6.2.5, `vop_coded`), access
/// unit delimiters and messages are smaller.
const LARGEST_DOUBTFUL: u32 = 4096;

/// Frames that a decoder holds back at most (ITU-T H.264 A.3.1, MaxDpbFrames; older codecs hold back one).
const MOST_HELD_BACK: i64 = 16;

/// The packet that is the least likely to hold a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Smallest {
    /// Its size.
    pub bytes: u32,
    /// Its place in the columns of the index.
    pub place: u32,
}

/// A part of the video to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Where to seek; `None` decodes from the beginning of the file.
    pub seek: Option<MediaTime>,
    /// Its first frame, ticks.
    pub from: i64,
    /// Its last frame, ticks.
    pub until: i64,
}

impl VideoIndex {
    /// What has to be decoded to see whether a packet holds a picture; `None` where its size says that it does.
    pub fn around(&self, smallest: Smallest) -> Option<Stretch> {
        let until = *self.pts.get(smallest.place as usize).filter(|_| smallest.bytes <= LARGEST_DOUBTFUL)?;
        let keys = self.keyframes();
        let before = keys.partition_point(|key| *key <= until);
        let from = *keys.get(before.checked_sub(1)?)?;
        let seek = (before > 1).then(|| self.timebase.time(from) - MediaTime::seconds(1));
        Some(Stretch { seek, from, until })
    }

    /// Whether a decoder left out a packet of a stretch: it holds no picture, or is damaged. `shown` are the times of the
    /// frames that it showed.
    pub fn leaves_out(&self, stretch: Stretch, shown: &[i64]) -> bool {
        let Some(first) = shown.iter().min() else { return false };
        let shown: BTreeSet<i64> = shown.iter().copied().collect();
        let expected = stretch.from.max(*first)..=stretch.until;
        self.frames().iter().any(|pts| expected.contains(pts) && !shown.contains(pts))
    }

    /// Ticks by which a decoder shows frames too late where containers have no presentation times: it takes the time of
    /// the packet that made it give a frame away. The first frame is shown when the first packet is read (AVI has a
    /// frame in each chunk, at a constant rate).
    pub fn late(&self, shown: &[i64]) -> i64 {
        let first_key = self.keys.first().and_then(|key| self.pts.get(*key as usize)).copied();
        let late = shown.iter().min().copied().unwrap_or(0) - first_key.unwrap_or(0);
        if (0..=MOST_HELD_BACK).contains(&late) { late } else { 0 }
    }

    /// Takes the frames that a decode of everything showed for those that are shown. The picture before a packet without
    /// one stays on. If the decoder was not content, a packet that was not shown may be a damaged picture, and is expected
    /// all the same.
    pub fn list(&mut self, shown: &[i64], content: bool) -> Result<(), IndexError> {
        let times: BTreeSet<i64> = shown.iter().copied().collect();
        let first = *times.first().ok_or(IndexError::Undecodable)?;
        let first_key = self.keys.first().copied().unwrap_or(0);
        let mut discarded: BTreeSet<u32> = self.discarded.iter().copied().collect();
        let lacking = !content && shown.len() < self.pts.len() - discarded.len();
        let last = self.frames().last().copied();
        for (place, pts) in (0..).zip(&self.pts) {
            let early = place < first_key || *pts < first;
            let unseen = !times.contains(pts) && !lacking;
            if (early || unseen) && discarded.insert(place) {
                self.undecodable += u32::from(early);
            }
        }
        self.discarded = discarded.into_iter().collect();
        self.add(shown);
        let held = last.zip(self.frames().last().copied()).map_or(0, |(packet, frame)| packet - frame);
        self.last_duration += held.max(0);
        Ok(())
    }

    /// Adds frames that a decode of everything showed beyond those that packets have the times of.
    fn add(&mut self, shown: &[i64]) {
        let mut known = self.frames().into_iter().peekable();
        let mut more = shown.to_vec();
        more.sort_unstable();
        more.retain(|time| {
            while known.next_if(|known| known < time).is_some() {}
            known.next_if_eq(time).is_none()
        });
        // Each stands for a packet whose time was guessed otherwise: nothing is lost.
        self.undecodable = self.undecodable.saturating_sub(more.len() as u32);
        self.dts_less_pts.extend(more.iter().map(|_| 0));
        self.position_steps.extend(more.iter().map(|_| 0));
        self.pts.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        index::{IndexBuilder, PacketRow},
        time::Timebase,
    };

    /// Packets 40 ms apart, of so many bytes each; a keyframe in every second.
    fn coded(sizes: &[u32]) -> (VideoIndex, Option<Smallest>) {
        let mut builder = IndexBuilder::new(Some((0, Timebase { num: 1, den: 1000 })), []);
        for (n, bytes) in sizes.iter().enumerate() {
            let flags = if n % 25 == 0 { "K" } else { "_" };
            let line = format!("stream_index=0|pts={}|duration=40|size={bytes}|flags={flags}", n * 40);
            builder.push(&PacketRow::parse(&line).unwrap());
        }
        let smallest = builder.smallest();
        (builder.finish().unwrap().video.unwrap(), smallest)
    }

    #[test]
    fn the_smallest_packet_is_looked_at() {
        let mut sizes = [900; 80];
        sizes[53] = 6;
        let (video, smallest) = coded(&sizes);
        let smallest = smallest.unwrap();
        assert_eq!(smallest, Smallest { bytes: 6, place: 53 });
        let stretch = video.around(smallest).unwrap();
        assert_eq!(stretch, Stretch { seek: Some(MediaTime::seconds(1)), from: 2000, until: 2120 });
        assert_eq!(video.around(Smallest { place: 3, ..smallest }).unwrap().seek, None);
        assert_eq!(video.around(Smallest { bytes: 5000, ..smallest }), None);
        // What lies before the stretch says nothing, nor what the decoder did not begin with.
        assert!(!video.leaves_out(stretch, &[1960, 2000, 2040, 2080, 2120, 2160]));
        assert!(!video.leaves_out(stretch, &[2160]));
        assert!(!video.leaves_out(stretch, &[]));
        assert!(video.leaves_out(stretch, &[2000, 2040, 2080, 2160]));
    }

    #[test]
    fn far_from_a_keyframe_nothing_is_looked_at() {
        let mut sizes = vec![900; 400];
        sizes[399] = 6;
        let mut builder = IndexBuilder::new(Some((0, Timebase { num: 1, den: 25 })), []);
        for (n, bytes) in sizes.iter().enumerate() {
            let flags = if n == 0 { "K" } else { "_" };
            let line = format!("stream_index=0|pts={n}|duration=1|size={bytes}|flags={flags}");
            builder.push(&PacketRow::parse(&line).unwrap());
        }
        assert_eq!(builder.smallest(), Some(Smallest { bytes: 900, place: 0 }));
    }

    #[test]
    fn pictures_stay_on_where_packets_have_none() {
        let sizes = [900, 300, 6, 300, 6];
        let (mut video, _) = coded(&sizes);
        video.list(&[0, 40, 120], true).unwrap();
        assert_eq!((video.frames(), video.undecodable, video.last_duration), (vec![0, 40, 120], 0, 80));
        // One that may be damaged is expected.
        let (mut video, _) = coded(&sizes);
        video.list(&[40, 120], false).unwrap();
        assert_eq!((video.frames(), video.undecodable, video.last_duration), (vec![40, 80, 120, 160], 1, 40));
        assert_eq!(video.list(&[], true), Err(IndexError::Undecodable));
    }

    #[test]
    fn times_that_were_made_up_are_the_decoders() {
        let (mut video, _) = coded(&[900, 300, 300]);
        video.list(&[0, 80, 80], false).unwrap();
        assert_eq!((video.frames(), video.undecodable), (vec![0, 80, 80], 0));
    }

    #[test]
    fn frames_that_come_late_begin_with_the_first_packet() {
        let (video, _) = coded(&[900, 300, 300]);
        assert_eq!((video.late(&[1, 2, 3]), video.late(&[0, 40]), video.late(&[80])), (1, 0, 0));
    }
}
