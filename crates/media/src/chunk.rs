//! The chunk table: which segments one task encodes, where it starts to decode, what it must yield.
//!
//! Chunk bounds come from the packet index alone and never from the number of workers, so that a
//! chunk's content key stays the same wherever it is encoded.

use num_integer::div_ceil;
use serde::{Deserialize, Serialize};

use crate::{
    index::VideoIndex,
    retime::{Edges, Hold, Lead},
    still::Still,
    time::{MediaTime, Timebase},
    timeline::{Span, Timeline},
};

/// A chunk aims at a 32nd of the source, but no less than this …
const SHORTEST: i64 = 16;
/// … and no more than this, seconds.
const LONGEST: i64 = 60;
/// Chunks of one source at most; longer sources get longer chunks.
pub const MAX_CHUNKS: u32 = 1000;

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk {
    /// From 0, in time order.
    pub index: u32,
    /// Number of its first segment, from 1.
    pub first_segment: u32,
    /// Its segments, as ranges of frames counted from the first that is shown.
    pub segments: Vec<Span>,
    /// It needs frames of the source with `start <= PTS < end`, source ticks. The last chunk's end is one
    /// tick after its last frame.
    pub start: i64,
    /// See `start`.
    pub end: i64,
    /// Which frames are kept behind filters that change their times; `None` keeps those of `start` and `end`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// Copies of the source's first picture, which come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Still>,
    /// Copies of the source's last picture, which come last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub still: Option<Still>,
    /// Ticks by which its first frame is later than its PTS, because frames before it share
    /// times and were set a tick apart.
    #[serde(default)]
    pub shift: i64,
    /// Where to seek, source time; `None` decodes from the beginning of the file.
    pub seek: Option<MediaTime>,
    /// Frames that are decoded and thrown away before `start`, as far as the index can tell.
    pub preroll: u32,
}

/// Frames of a chunk behind filters that change their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Frames with `start <= PTS < end`, ticks of the filters'.
    pub start: i64,
    /// See `start`.
    pub end: i64,
    /// The source ends within this chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Where the filters begin, when not just anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<Lead>,
}

impl Chunk {
    /// First frame, counted from the start of the source.
    pub fn first_frame(&self) -> u32 {
        self.segments.first().map_or(0, |s| s.first)
    }

    /// Number of frames.
    pub fn frames(&self) -> u32 {
        self.segments.iter().map(|s| s.frames).sum()
    }

    /// Frames that are the source's, as filters leave them.
    pub fn own_frames(&self) -> u32 {
        self.frames() - [self.ahead, self.still].into_iter().flatten().map(|copies| copies.frames).sum::<u32>()
    }
}

/// How a demuxer lands when asked to seek.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeking {
    /// On the keyframe at or before the target: MP4, Matroska with or without cues.
    Exact,
    /// Somewhere near, by DTS and with slack: transport and program streams and everything else. So
    /// the target lies a second before the keyframe that is wanted.
    Loose,
}

impl Seeking {
    /// By the demuxer that ffprobe named.
    pub fn of(container: &str) -> Self {
        let exact = ["mov", "mp4", "matroska", "webm"];
        if container.split(',').any(|name| exact.contains(&name)) { Seeking::Exact } else { Seeking::Loose }
    }
}

/// Cuts the segments of a timeline into chunks.
///
/// Pre-roll stays at most a tenth of what is encoded where the keyframes allow it; where they don't,
/// chunks get longer, down to a single one.
pub fn chunks(timeline: &Timeline, segments: &[Span], video: &VideoIndex, seeking: Seeking) -> Vec<Chunk> {
    let keyframes = video.keyframes();
    let cutter = Cutter { timeline, segments, keyframes: &keyframes, timebase: video.timebase, seeking };
    let copies = timeline.frames() - timeline.own_frames();
    let mut size = cutter.first_size();
    loop {
        let cut = cutter.cut(size);
        let preroll: u64 = cut.iter().map(|c| u64::from(c.preroll)).sum();
        if cut.len() <= 1 || preroll * 10 <= timeline.source.len() as u64 + u64::from(copies) {
            return cut;
        }
        size *= 2;
    }
}

struct Cutter<'a> {
    timeline: &'a Timeline,
    segments: &'a [Span],
    keyframes: &'a [i64],
    timebase: Timebase,
    seeking: Seeking,
}

impl Cutter<'_> {
    /// Segments in a chunk to begin with.
    fn first_size(&self) -> usize {
        let total = self.timeline.timescale.time(self.timeline.end - self.timeline.at(0));
        let wish = MediaTime::new(div_ceil(total.ratio().to_integer(), 32), 1);
        let wish = wish.clamp(MediaTime::seconds(SHORTEST), MediaTime::seconds(LONGEST));
        let average = total.ratio() / self.segments.len().max(1) as i64;
        let size = (wish.ratio() / average).round().to_integer().max(1) as usize;
        size.max(self.segments.len().div_ceil(MAX_CHUNKS as usize))
    }

    fn cut(&self, size: usize) -> Vec<Chunk> {
        let mut firsts = vec![0];
        for nominal in (size..self.segments.len()).step_by(size) {
            let best = self.best_near(nominal, size / 4);
            if firsts.last().is_some_and(|last| best > *last) {
                firsts.push(best);
            }
        }
        let ends: Vec<usize> = firsts.iter().skip(1).copied().chain([self.segments.len()]).collect();
        firsts.iter().zip(&ends).enumerate().map(|(n, (first, end))| self.chunk(n as u32, *first, *end)).collect()
    }

    /// The segment within `reach` of `nominal` that needs the least pre-roll, the nearest of equals.
    fn best_near(&self, nominal: usize, reach: usize) -> usize {
        let last = (nominal + reach).min(self.segments.len() - 1);
        (nominal - reach..=last)
            .min_by_key(|s| (self.entry(self.start_of(*s)).1, s.abs_diff(nominal)))
            .unwrap_or(nominal)
    }

    /// A segment's first frame; for the segment after the last the frame after the last.
    fn first_frame(&self, segment: usize) -> u32 {
        self.segments.get(segment).map_or(self.timeline.frames(), |s| s.first)
    }

    /// Source ticks of what a segment's first frame shows.
    fn start_of(&self, segment: usize) -> i64 {
        self.timeline.shown_at(self.first_frame(segment))
    }

    /// Where to seek for a chunk that starts at `start`, and the pre-roll in frames.
    ///
    /// At least one frame before the start has to be decoded, as proof that nothing was skipped; so
    /// the keyframe lies before the start, never on it.
    fn entry(&self, start: i64) -> (Option<MediaTime>, u32) {
        let before = self.keyframes.partition_point(|k| *k < start);
        let key = before.checked_sub(1).and_then(|k| self.keyframes.get(k)).copied();
        let target = key.map(|key| match self.seeking {
            Seeking::Exact => self.timebase.time(key),
            Seeking::Loose => self.timebase.time(key) - MediaTime::seconds(1),
        });
        let first = self.timeline.source.first().copied().unwrap_or(0);
        let target = target.filter(|t| *t > self.timebase.time(first));
        let landing = match target {
            None => first,
            Some(target) => {
                let tick = self.timebase.floor(target);
                let landed = self.keyframes.partition_point(|k| *k <= tick);
                landed.checked_sub(1).and_then(|k| self.keyframes.get(k)).copied().unwrap_or(first)
            }
        };
        let frame_of = |pts: i64| self.timeline.source.partition_point(|p| *p < pts);
        (target, (frame_of(start) - frame_of(landing).min(frame_of(start))) as u32)
    }

    fn chunk(&self, index: u32, first: usize, end: usize) -> Chunk {
        let segments = self.segments.get(first..end).unwrap_or_default().to_vec();
        let (first_frame, end_frame) = (self.first_frame(first), self.first_frame(end));
        let needed = self.timeline.needed(first_frame, end_frame);
        let (seek, preroll) = if first == 0 { (None, 0) } else { self.entry(needed.start) };
        let own = self.timeline.own(first_frame, end_frame);
        let kept = self.timeline.retimed.as_ref().map(|retimed| Kept {
            start: self.timeline.filtered_at(own.start),
            end: self.timeline.filtered_at(own.end),
            hold: match retimed.edges {
                Edges::Hold(hold) if own.end == self.timeline.own_frames() => Some(hold),
                Edges::Hold(_) | Edges::Cycles { .. } => None,
            },
            lead: retimed.lead(own.start, needed.start),
        });
        Chunk {
            index,
            first_segment: first as u32 + 1,
            segments,
            start: needed.start,
            end: needed.end,
            kept,
            ahead: self.timeline.ahead(first_frame, end_frame),
            still: self.timeline.still(first_frame, end_frame),
            shift: self.timeline.moved(first_frame),
            seek,
            preroll,
        }
    }
}

#[cfg(test)]
mod tests {
    use num_rational::Ratio;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        index::{IndexBuilder, PacketRow},
        retime::Retiming,
    };

    fn cut(frames: u32, gop: u32, seeking: Seeking) -> (Timeline, Vec<Chunk>) {
        cut_at(None, frames, gop, seeking)
    }

    fn cut_at(rate: Option<(i64, i64)>, frames: u32, gop: u32, seeking: Seeking) -> (Timeline, Vec<Chunk>) {
        let base = Timebase { num: 1, den: 25 };
        let mut builder = IndexBuilder::new(Some((0, base)), []);
        for n in 0..frames {
            let pts = Some(i64::from(n));
            builder.push(&PacketRow {
                stream: 0,
                pts,
                dts: pts,
                duration: Some(1),
                position: None,
                size: None,
                key: n % gop == 0,
                discard: false,
                encrypted: false,
            });
        }
        let video = builder.finish().unwrap().video.unwrap();
        let retiming = rate.map(|(n, d)| Retiming::Rate(Ratio::new(n, d)));
        let timeline = Timeline::new(&video, retiming, MediaTime::ZERO, None, Ratio::from_integer(25)).unwrap();
        let segments = timeline.segments(MediaTime::seconds(4));
        let chunks = chunks(&timeline, &segments, &video, seeking);
        (timeline, chunks)
    }

    #[test]
    fn one_second_gops_give_sixteen_second_chunks() {
        let (_, chunks) = cut(1500, 25, Seeking::Exact);
        assert_eq!(chunks.iter().map(Chunk::frames).collect::<Vec<_>>(), [400, 400, 400, 300]);
        assert_eq!(chunks[1].seek, Some(MediaTime::seconds(15)));
        assert_eq!(chunks[1].preroll, 25);
    }

    #[test]
    fn times_that_were_moved_are_moved_in_every_chunk() {
        // A frame a tick: the twin of frame 10 pushes all that follow by one.
        let base = Timebase { num: 1, den: 25 };
        let mut builder = IndexBuilder::new(Some((0, base)), []);
        for n in 0..1500_i64 {
            let pts = Some(n - i64::from(n > 10));
            let row = PacketRow {
                stream: 0,
                pts,
                dts: pts,
                duration: Some(1),
                position: None,
                size: None,
                key: n % 25 == 0,
                discard: false,
                encrypted: false,
            };
            builder.push(&row);
        }
        let video = builder.finish().unwrap().video.unwrap();
        let timeline = Timeline::new(&video, None, MediaTime::ZERO, None, Ratio::from_integer(25)).unwrap();
        let segments = timeline.segments(MediaTime::seconds(4));
        let chunks = chunks(&timeline, &segments, &video, Seeking::Exact);
        assert_eq!(timeline.equal_times, 1490 - 1);
        assert_eq!(chunks.iter().map(|c| c.shift).collect::<Vec<_>>(), [0, 1, 1, 1]);
    }

    #[test]
    fn another_frame_rate_is_cut_by_its_own_frames() {
        let (timeline, chunks) = cut_at(Some((30000, 1001)), 1500, 25, Seeking::Exact);
        assert_eq!(timeline.frames(), 1798);
        assert_eq!(chunks.iter().map(Chunk::frames).collect::<Vec<_>>(), [480, 480, 480, 358]);
        let kept: Vec<_> = chunks.iter().filter_map(|c| c.kept).map(|k| (k.start, k.end)).collect();
        assert_eq!(kept, [(0, 480), (480, 960), (960, 1440), (1440, 1798)]);
        // Frame 480 at 16.016 s shows what is nearest before it: frame 400 of the source, at 16 s.
        assert_eq!((chunks[1].start, chunks[0].end), (400, 400));
        assert_eq!(chunks[1].seek, Some(MediaTime::seconds(15)));
        let holds: Vec<_> = chunks.iter().filter_map(|c| c.kept?.hold).map(|hold| hold.frame).collect();
        assert_eq!(holds, [1499]);
    }

    #[test]
    fn a_loose_demuxer_is_asked_for_a_second_more() {
        let (_, chunks) = cut(1500, 25, Seeking::Loose);
        assert_eq!(chunks[1].seek, Some(MediaTime::seconds(14)));
    }

    #[test]
    fn one_keyframe_in_the_file_gives_one_chunk() {
        let (_, chunks) = cut(5000, 100_000, Seeking::Exact);
        assert_eq!(chunks.len(), 1);
        assert_eq!((chunks[0].seek, chunks[0].end), (None, 5000));
    }

    #[test]
    fn a_day_stays_below_the_limit() {
        let (_, chunks) = cut(25 * 3600 * 24, 50, Seeking::Exact);
        assert!(chunks.len() <= MAX_CHUNKS as usize, "{}", chunks.len());
    }

    proptest! {
        #[test]
        fn chunks_cover_every_frame_once_and_start_before_themselves(frames in 1_u32..20_000, gop in 1_u32..700) {
            let (timeline, chunks) = cut(frames, gop, Seeking::Exact);
            let mut next = (0, 1, 0);
            for chunk in &chunks {
                prop_assert_eq!(chunk.first_frame(), next.0);
                prop_assert_eq!(chunk.first_segment, next.1);
                prop_assert_eq!(chunk.start, timeline.source[next.0 as usize]);
                prop_assert!(chunk.start >= next.2 && chunk.end > chunk.start);
                prop_assert!(chunk.seek.is_none_or(|s| s < MediaTime::new(chunk.start, 25)));
                next = (next.0 + chunk.frames(), next.1 + chunk.segments.len() as u32, chunk.end);
            }
            prop_assert_eq!(next.0, frames);
            let preroll: u32 = chunks.iter().map(|c| c.preroll).sum();
            prop_assert!(chunks.len() == 1 || preroll * 10 <= frames);
        }
    }
}
