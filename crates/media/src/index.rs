//! The packet index: position, PTS, DTS and key flag of every video packet, and where each audio
//! track starts, ends and has holes. Chunk bounds, expected frames and pre-roll come from it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::time::{MediaTime, Timebase};

pub mod clock;
pub mod coverage;
mod decoded;
mod fields;
mod sound;

use sound::AudioBuilder;
pub use sound::AudioSpan;

pub use decoded::{Smallest, Stretch};

/// How far a packet may be behind a keyframe to be looked at: all between them has to be decoded.
const LONGEST_LOOK: MediaTime = MediaTime::seconds(10);

/// A packet as `ffprobe -show_packets` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketRow {
    /// Stream index in the file.
    pub stream: u32,
    /// Presentation time, ticks of the stream.
    pub pts: Option<i64>,
    /// Decode time, ticks of the stream.
    pub dts: Option<i64>,
    /// Ticks of the stream.
    pub duration: Option<i64>,
    /// Byte position in the file.
    pub position: Option<u64>,
    /// Bytes.
    pub size: Option<u32>,
    /// Random access point.
    pub key: bool,
    /// Outside the container's edit list: decoded, never shown.
    pub discard: bool,
    /// Encrypted, by its container's word.
    pub encrypted: bool,
}

impl PacketRow {
    /// Reads a line of `-of compact=p=0`: `stream_index=0|pts=0|dts=-2002|…|flags=K_`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut row = PacketRow {
            stream: u32::MAX,
            pts: None,
            dts: None,
            duration: None,
            position: None,
            size: None,
            key: false,
            discard: false,
            encrypted: false,
        };
        for (name, value) in line.split('|').filter_map(|field| field.split_once('=')) {
            match name {
                "stream_index" => row.stream = value.parse().ok()?,
                "pts" => row.pts = value.parse().ok(),
                "dts" => row.dts = value.parse().ok(),
                "duration" => row.duration = value.parse().ok(),
                "pos" => row.position = value.parse().ok(),
                "size" => row.size = value.parse().ok(),
                "flags" => {
                    row.key = value.contains('K');
                    row.discard = value.contains('D');
                }
                // ffprobe 7 and later have a prefix: `side_datum/encryption_info:side_data_type`.
                _ if name.ends_with("side_data_type") => row.encrypted |= value == "Encryption info",
                _ => {}
            }
        }
        (row.stream != u32::MAX).then_some(row)
    }
}

/// The index of one source. Compact by column; lives in storage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PacketIndex {
    /// The chosen video stream.
    pub video: Option<VideoIndex>,
    /// One for each audio stream of the probe, in its order.
    pub audio: Vec<AudioSpan>,
}

/// Columns of the video packets, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoIndex {
    /// One tick.
    pub timebase: Timebase,
    /// Presentation times.
    pub pts: Vec<i64>,
    /// Decode times less presentation times (small numbers); the presentation time where unknown.
    pub dts_less_pts: Vec<i32>,
    /// Byte positions, each less the one before.
    pub position_steps: Vec<i64>,
    /// Places of random access points in the columns.
    pub keys: Vec<u32>,
    /// Places of packets that are never shown by themselves: outside the edit list, before the first frame that can
    /// be decoded, or second fields.
    pub discarded: Vec<u32>,
    /// How many of those can't be decoded because what they refer to is not in the file.
    pub undecodable: u32,
    /// How many of those are at the end of a cut file, and can't be decoded.
    pub undecodable_end: u32,
    /// Duration of the packet with the largest presentation time, ticks.
    pub last_duration: i64,
}

/// Why no index can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The container gives no times.
    #[error(
        "{count} video packets have neither a presentation nor a decode time, the first at byte {position}: this container can't be cut exactly; remux it to MP4 or MKV first"
    )]
    NoTimestamps {
        /// How many.
        count: u64,
        /// Of the first one.
        position: u64,
    },
    /// The container gives no presentation times, and decode times tell nothing of when a frame is shown.
    #[error(
        "this container has no presentation times, and {codec} whose frames are stored in another order than they are shown has none without: give it some first, say with ffmpeg -i SOURCE -c:v ffv1 -c:a copy OUT.mkv"
    )]
    Reordered {
        /// ffmpeg's name.
        codec: String,
    },
    /// Nothing to decode.
    #[error("the video stream has no packets")]
    NoPackets,
    /// Nothing to start decoding from.
    #[error("the video stream has no keyframe, so it can't be decoded")]
    NoKeyframe,
    /// Common Encryption (ISO/IEC 23001-7). Decoders take some of it for pictures.
    #[error("stream {stream} is encrypted: decrypt it first")]
    Encrypted {
        /// Which one.
        stream: u32,
    },
    /// The decoder gives nothing.
    #[error("no frame of the video can be decoded: it is damaged or encrypted")]
    Undecodable,
}

/// Collects packets into an index, one at a time: memory is the index, never the packets.
#[derive(Debug)]
pub struct IndexBuilder {
    video: Option<(u32, VideoIndex)>,
    audio: Vec<(u32, AudioBuilder)>,
    last_position: i64,
    last_pts: i64,
    last_key: i64,
    smallest: Option<Smallest>,
    without_pts: (u64, u64),
    heard_before_zero: bool,
    shown_when_decoded: bool,
    encrypted: Option<u32>,
}

impl IndexBuilder {
    /// For the chosen video stream and every audio stream (index and timebase of each).
    pub fn new(video: Option<(u32, Timebase)>, audio: impl IntoIterator<Item = (u32, Timebase)>) -> Self {
        let empty = |timebase| VideoIndex {
            timebase,
            pts: vec![],
            dts_less_pts: vec![],
            position_steps: vec![],
            keys: vec![],
            discarded: vec![],
            undecodable: 0,
            undecodable_end: 0,
            last_duration: 0,
        };
        IndexBuilder {
            video: video.map(|(stream, timebase)| (stream, empty(timebase))),
            audio: audio.into_iter().map(|(stream, timebase)| (stream, AudioBuilder::new(timebase))).collect(),
            last_position: 0,
            last_pts: i64::MIN,
            last_key: i64::MIN / 2,
            smallest: None,
            without_pts: (0, 0),
            heard_before_zero: false,
            shown_when_decoded: false,
            encrypted: None,
        }
    }

    /// Tells the container, as ffprobe names it. Clocks of transport streams begin anywhere and wrap (ISO/IEC
    /// 13818-1 2.4.3.7, 33 bits); ffmpeg tells what lies before the wrap as negative times.
    pub fn of(self, container: &str) -> Self {
        IndexBuilder { heard_before_zero: container == "mpegts", ..self }
    }

    /// Takes decode times for presentation times where there are none: of frames that are stored in the order in which
    /// they are shown. ffmpeg does the same with those that it decodes.
    pub fn shown_when_decoded(self) -> Self {
        IndexBuilder { shown_when_decoded: true, ..self }
    }

    /// Adds a packet; those of other streams are passed over.
    pub fn push(&mut self, row: &PacketRow) {
        match &mut self.video {
            Some((stream, _)) if *stream == row.stream => self.push_video(row),
            _ => match self.audio.iter_mut().find(|(stream, _)| *stream == row.stream) {
                Some((_, audio)) => audio.push(row, self.heard_before_zero),
                None => return,
            },
        }
        if row.encrypted {
            self.encrypted.get_or_insert(row.stream);
        }
    }

    fn push_video(&mut self, row: &PacketRow) {
        let Some((_, index)) = &mut self.video else { return };
        let Some(pts) = row.pts.or(row.dts.filter(|_| self.shown_when_decoded)) else {
            if self.without_pts.0 == 0 {
                self.without_pts.1 = row.position.unwrap_or(0);
            }
            self.without_pts.0 += 1;
            return;
        };
        let place = index.pts.len() as u32;
        let position = row.position.map_or(self.last_position, |p| p as i64);
        index.pts.push(pts);
        index.dts_less_pts.push(i32::try_from(row.dts.unwrap_or(pts) - pts).unwrap_or(0));
        index.position_steps.push(position - self.last_position);
        self.last_position = position;
        if row.key {
            index.keys.push(place);
            self.last_key = pts;
        }
        let size = row.size.map(|bytes| Smallest { bytes, place }).filter(|_| !row.discard);
        let near = |_: &Smallest| index.timebase.time(pts - self.last_key) <= LONGEST_LOOK;
        if let Some(size) = size.filter(|size| self.smallest.is_none_or(|known| *size < known)).filter(near) {
            self.smallest = Some(size);
        }
        if row.discard {
            index.discarded.push(place);
        } else if pts >= self.last_pts {
            self.last_pts = pts;
            index.last_duration = row.duration.unwrap_or(0).max(0);
        }
    }

    /// The smallest packet of the video among those not far behind a keyframe.
    pub fn smallest(&self) -> Option<Smallest> {
        self.smallest
    }

    /// The index, or why there is none.
    pub fn finish(self) -> Result<PacketIndex, IndexError> {
        if let Some(stream) = self.encrypted {
            return Err(IndexError::Encrypted { stream });
        }
        if self.without_pts.0 > 0 {
            return Err(IndexError::NoTimestamps { count: self.without_pts.0, position: self.without_pts.1 });
        }
        let video = self.video.map(|(_, index)| index);
        if let Some(index) = &video {
            if index.pts.is_empty() {
                return Err(IndexError::NoPackets);
            }
            if index.keys.is_empty() {
                return Err(IndexError::NoKeyframe);
            }
        }
        let audio = self.audio.into_iter().map(|(_, audio)| audio.finish()).collect();
        Ok(PacketIndex { video, audio })
    }
}

impl VideoIndex {
    /// Presentation times of the frames that a player shows, sorted; equal ones are kept.
    pub fn frames(&self) -> Vec<i64> {
        let mut discarded = self.discarded.iter().copied().peekable();
        let places = (0..).zip(&self.pts).filter(|(place, _)| discarded.next_if_eq(place).is_none());
        let mut frames: Vec<i64> = places.map(|(_, pts)| *pts).collect();
        frames.sort_unstable();
        frames
    }

    /// Until when the start of the file has to be decoded for [`VideoIndex::begin`]: the time of
    /// the first keyframe.
    pub fn head(&self) -> i64 {
        self.keys.first().and_then(|key| self.pts.get(*key as usize)).copied().unwrap_or(0)
    }

    /// Takes away the frames that the decoder doesn't show at the start of the file: those before the
    /// first keyframe, and leading pictures of an open GOP that refer to what was cut off (RASL
    /// pictures in HEVC, ITU-T H.265 3.1; the same frames in H.264).
    ///
    /// `shown` are the times of the frames that a decode from the beginning of the file gave, up to
    /// `until` and at least one.
    pub fn begin(&mut self, shown: &[i64], until: i64) -> Result<(), IndexError> {
        let shown: BTreeSet<i64> = shown.iter().copied().collect();
        let first = *shown.first().ok_or(IndexError::Undecodable)?;
        let first_key = self.keys.first().copied().unwrap_or(0);
        let end = until.max(first);
        let discarded = std::mem::take(&mut self.discarded);
        let mut listed = discarded.iter().copied().peekable();
        for (place, pts) in (0..).zip(&self.pts) {
            let unseen = place < first_key || (*pts < end && !shown.contains(pts));
            if listed.next_if_eq(&place).is_some() {
                self.discarded.push(place);
            } else if unseen {
                self.discarded.push(place);
                self.undecodable += 1;
            }
        }
        Ok(())
    }

    /// Which frames the end of a cut file may lack, from the last random access point but one on, and where
    /// to seek for them: a second before; `None` is the beginning.
    pub fn tail(&self) -> (i64, Option<MediaTime>) {
        let keys = self.keyframes();
        let from = keys.get(keys.len().saturating_sub(2)).copied().unwrap_or(0);
        let seek = (keys.len() > 2).then(|| self.timebase.time(from) - MediaTime::seconds(1));
        (from, seek)
    }

    /// Takes away the frames from `from` on that a decode did not show.
    pub fn end(&mut self, shown: &[i64], from: i64) {
        let shown: BTreeSet<i64> = shown.iter().copied().collect();
        let unseen = (0..).zip(&self.pts).filter(|(_, pts)| **pts >= from && !shown.contains(pts));
        let unseen: BTreeSet<u32> = unseen.map(|(place, _)| place).collect();
        let known: BTreeSet<u32> = self.discarded.iter().copied().collect();
        self.undecodable_end = unseen.difference(&known).count() as u32;
        self.discarded = known.union(&unseen).copied().collect();
    }

    /// Presentation times of the random access points, sorted.
    pub fn keyframes(&self) -> Vec<i64> {
        let mut keys: Vec<i64> = self.keys.iter().filter_map(|k| self.pts.get(*k as usize).copied()).collect();
        keys.sort_unstable();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(lines: &[&str]) -> Result<PacketIndex, IndexError> {
        let base = Timebase { num: 1, den: 1000 };
        let mut builder = IndexBuilder::new(Some((0, base)), [(1, base)]);
        for line in lines {
            builder.push(&PacketRow::parse(line).unwrap());
        }
        builder.finish()
    }

    #[test]
    fn frames_come_in_presentation_order_without_discarded_ones() {
        let index = build(&[
            "stream_index=0|pts=-40|dts=-80|duration=40|pos=48|flags=KD_",
            "stream_index=0|pts=120|dts=-40|duration=40|pos=100|flags=__",
            "stream_index=0|pts=40|dts=0|duration=40|pos=200|flags=__",
            "stream_index=0|pts=80|dts=40|duration=40|pos=300|flags=__",
            "stream_index=0|pts=160|dts=80|duration=33|pos=400|flags=K__",
        ])
        .unwrap();
        let video = index.video.unwrap();
        assert_eq!(video.frames(), [40, 80, 120, 160]);
        assert_eq!(video.keyframes(), [-40, 160]);
        assert_eq!(video.last_duration, 33);
    }

    #[test]
    fn encrypted_packets_are_told_by_every_ffprobe() {
        for side in ["side_data_type", "side_datum/encryption_info:side_data_type"] {
            let error = build(&[&format!("stream_index=0|pts=0|flags=K_|{side}=Encryption info")]).unwrap_err();
            assert_eq!(error, IndexError::Encrypted { stream: 0 });
            assert!(build(&[&format!("stream_index=0|pts=0|flags=K_|{side}=Skip Samples")]).is_ok());
        }
    }

    #[test]
    fn frames_that_refer_to_what_was_cut_off_are_not_expected() {
        let index = build(&[
            "stream_index=0|pts=-40|flags=__",
            "stream_index=0|pts=120|flags=K_",
            "stream_index=0|pts=40|flags=__",
            "stream_index=0|pts=80|flags=__",
            "stream_index=0|pts=200|flags=__",
            "stream_index=0|pts=160|flags=__",
        ]);
        let mut video = index.unwrap().video.unwrap();
        assert_eq!(video.head(), 120);
        assert_eq!(video.begin(&[], 120), Err(IndexError::Undecodable));
        // HEVC decoders leave out both leading pictures, others may show one that refers to no other.
        let mut other = video.clone();
        video.begin(&[120], 120).unwrap();
        assert_eq!((video.frames(), video.undecodable), (vec![120, 160, 200], 3));
        other.begin(&[80, 120], 120).unwrap();
        assert_eq!((other.frames(), other.undecodable), (vec![80, 120, 160, 200], 2));
    }

    #[test]
    fn a_decoder_that_begins_late_is_believed() {
        let lines =
            ["stream_index=0|pts=0|flags=K_", "stream_index=0|pts=40|flags=__", "stream_index=0|pts=80|flags=__"];
        let mut video = build(&lines).unwrap().video.unwrap();
        video.begin(&[80], 0).unwrap();
        assert_eq!((video.frames(), video.undecodable), (vec![80], 2));
    }

    #[test]
    fn the_end_of_a_cut_file_is_what_a_decoder_shows() {
        let lines: Vec<String> = (0..6)
            .map(|n| format!("stream_index=0|pts={}|flags={}", n * 40, if n % 2 == 0 { "K_" } else { "__" }))
            .collect();
        let mut video = build(&lines.iter().map(String::as_str).collect::<Vec<_>>()).unwrap().video.unwrap();
        assert_eq!(video.tail(), (80, Some(MediaTime::new(80 - 1000, 1000))));
        video.end(&[0, 40, 80, 120, 160], 80);
        assert_eq!((video.frames(), video.undecodable_end), (vec![0, 40, 80, 120, 160], 1));
    }

    #[test]
    fn missing_times_are_refused_with_a_count() {
        let error = build(&["stream_index=0|pts=N/A|dts=0|pos=77|flags=K_"]).unwrap_err();
        assert_eq!(error, IndexError::NoTimestamps { count: 1, position: 77 });
    }
}
