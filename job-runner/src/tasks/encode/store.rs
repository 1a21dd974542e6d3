//! What an encoder wrote: held to its cap, rewritten, and stored with its result.

use std::{collections::BTreeSet, fs::File, io::BufReader, path::Path};

use transcode_contract::{ChunkResult, FirstPassResult, Usage, VERSION};
use transcode_engine::{Failure, Layout};
use transcode_media::{
    argv::{
        filters,
        video::{encoded_colour, sixteen_bit},
    },
    captions::{Captions, Channel},
    chunk::Chunk,
    cmaf::{
        SampleEntry,
        codec::codec_text,
        encoded::{EncodedSample, EncodedTrack},
        init::{TrackInit, VideoInit, init_segment},
        rewrite::{ChunkPlan, Fragments, RewriteError, SegmentFrames, video_segments},
    },
    colour,
    ladder::Rendition,
    probe::Hdr10,
    rate::{CapCheck, OverCap, SegmentSizes},
    spatial::Spatial,
    timeline::Timeline,
    track::{Track, TrackKind, VideoRange},
};

use super::decode::Decoded;
use crate::{
    context::Context,
    error::TaskError,
    fault::{self, Fault},
};

/// Segments of one rendition of one chunk, on their way to storage.
pub struct Storing<'a> {
    /// The task.
    pub context: &'a Context,
    /// Where things go.
    pub layout: &'a Layout,
    /// The rendition.
    pub rendition: &'a Rendition,
    /// The chunk.
    pub chunk: &'a Chunk,
    /// All frames.
    pub timeline: &'a Timeline,
    /// The first of two passes.
    pub first_pass: Option<&'a FirstPassResult>,
}

impl Storing<'_> {
    /// Why what was encoded is above the rendition's cap.
    pub fn over_cap(&self, path: &Path) -> Result<Option<OverCap>, TaskError> {
        let Some(cap) = self.rendition.codec.rate().cap() else { return Ok(None) };
        let encoded: Vec<EncodedSample> = Self::open(path)?.collect::<Result<_, _>>().map_err(TaskError::transient)?;
        let mut check = CapCheck::new(cap, self.timeline.timescale, self.context.task.spec.segment_duration);
        let (first, fragments) = (self.chunk.first_frame(), self.context.fragments()?);
        for (span, number) in self.chunk.segments.iter().zip(self.chunk.first_segment..) {
            let frames = span.first..span.first + span.frames;
            let of = |frame: u32| encoded.get((frame - first) as usize);
            let sample = |frame: u32| {
                let ticks = self.timeline.at(frame + 1) - self.timeline.at(frame);
                Some((of(frame)?.size, u32::try_from(ticks).ok()?))
            };
            let fragments = match fragments {
                Fragments::KeyFrames => frames.clone().filter_map(of).filter(|sample| sample.sync).count() as u32,
                Fragments::Segments => 1,
            };
            let boxes = SegmentSizes::boxes_of(span.frames, fragments);
            let segment = SegmentSizes { number, boxes, samples: frames.filter_map(sample).collect() };
            if let Err(error) = check.next(&segment) {
                return Ok(Some(error));
            }
        }
        Ok(None)
    }

    fn open(path: &Path) -> Result<EncodedTrack<BufReader<File>>, TaskError> {
        let file = File::open(path).map_err(|e| TaskError::scratch(path, &e))?;
        EncodedTrack::open(BufReader::new(file)).map_err(TaskError::transient)
    }

    /// Rewrites and stores what was encoded.
    pub async fn chunk(&self, path: &Path, mut usage: Usage, decoded: &Decoded) -> Result<(), TaskError> {
        let encoded = Self::open(path)?;
        let track = self.track(encoded.entry()).await?;
        let first = self.chunk.first_frame();
        let end = first + self.chunk.frames();
        let times: Vec<i64> = (first..end).map(|f| self.timeline.at(f)).collect();
        let local = |frame: u32| (frame - first) as usize;
        let numbered = self.chunk.segments.iter().zip(self.chunk.first_segment..);
        let spans: Vec<SegmentFrames> = numbered
            .map(|(s, number)| SegmentFrames { number, frames: local(s.first)..local(s.first + s.frames) })
            .collect();
        let plan = ChunkPlan {
            before: first,
            times: &times,
            end: self.timeline.at(end),
            offset: self.timeline.offset(),
            composition_delay: self.delay()?,
            segments: &spans,
            fragments: self.context.fragments()?,
        };
        let folder = self.layout.rendition(&self.rendition.name);
        let mut segments = vec![];
        let mut rewritten = video_segments(encoded, &plan).map_err(|e| self.wrong(e))?;
        for made in rewritten.by_ref() {
            let mut made = made.map_err(|e| self.wrong(e))?;
            let key = format!("{folder}/segments/{:06}.m4s", made.number);
            let mut bytes = std::mem::take(&mut made.bytes);
            if fault::asked(self.context) == Some(Fault::Garbage) {
                bytes.reverse();
            }
            let file = self.context.put(&key, bytes.into()).await?;
            segments.push(made.recorded(file));
        }
        let captions = self.captions(rewritten.into_captions(), decoded.captioned)?;
        if let Some(first) = self.first_pass {
            usage += first.usage;
        }
        let key = self.layout.renditions.get(&self.rendition.name).cloned().unwrap_or_default();
        let result = ChunkResult {
            version: VERSION,
            key,
            chunk: self.chunk.index,
            track,
            segments,
            frames: self.chunk.frames(),
            steps_back: decoded.steps_back,
            damaged: decoded.damaged,
            interlaced: decoded.interlaced,
            captions,
            usage,
            ran: Some(self.context.run_so_far()),
            first_pass: self.first_pass.and_then(|first| first.ran.clone()),
            command: decoded.command.to_string(),
        };
        self.context.put_result(&self.layout.chunk_result(&self.rendition.name, self.chunk.index), &result).await
    }

    /// The channels of captions, once those of every picture are there.
    fn captions(&self, kept: Captions, of: usize) -> Result<BTreeSet<Channel>, TaskError> {
        let of = if self.context.task.spec.filters.captions == filters::Captions::Kept { of } else { 0 };
        if kept.pictures() == of {
            return Ok(kept.channels());
        }
        let (chunk, name, kept) = (self.chunk.index, &self.rendition.name, kept.pictures());
        let what = format!("chunk {chunk} of {name}: {kept} pictures have captions instead of {of}");
        Err(TaskError::new(Failure::BadChunk, what))
    }

    fn delay(&self) -> Result<u32, TaskError> {
        let delay = if self.rendition.codec.reorder_depth() == 0 { 0 } else { self.context.split()?.composition_delay };
        u32::try_from(delay).map_err(|_| TaskError::bad_input("a pause in the video is too long for its timescale"))
    }

    async fn track(&self, entry: &SampleEntry) -> Result<Track, TaskError> {
        let stream =
            self.context.media()?.info.video.as_ref().ok_or_else(|| TaskError::bad_input("the source has no video"))?;
        let SampleEntry::Video(video) = entry else { return Err(TaskError::transient("the encoder wrote no video")) };
        let sar = sixteen_bit(self.rendition.sar);
        let colour = colour::codes(&encoded_colour(stream, self.rendition));
        let conformance = self.context.media()?.conformance(self.rendition);
        let video = conformance.map_or(video.clone(), |conformance| video.clone().of_level(conformance));
        let codec = codec_text(&SampleEntry::Video(video.clone()), colour).map_err(TaskError::transient)?;
        let hdr10 = if self.rendition.range == VideoRange::Sdr { Hdr10::default() } else { stream.hdr10 };
        let init = init_segment(&TrackInit::Video(VideoInit {
            entry: video,
            timescale: self.timeline.timescale,
            composition_delay: self.delay()?,
            sar,
            colour,
            hdr10,
            spatial: Spatial::kept(stream, &self.context.task.spec.filters).0,
        }));
        let path = format!("{}/init.mp4", self.layout.rendition(&self.rendition.name));
        Ok(Track {
            name: self.rendition.name.clone(),
            codec,
            timescale: self.timeline.timescale,
            init: self.context.put(&path, init.into()).await?,
            kind: TrackKind::Video {
                width: self.rendition.width,
                height: self.rendition.height,
                sar,
                frame_rate: self.timeline.frame_rate(),
                peak_rate: self.timeline.constant_rate.is_none().then(|| self.timeline.highest_rate()),
                range: self.rendition.range,
            },
        })
    }

    /// An encoder that does not do what it was told does so again next time.
    fn wrong(&self, error: RewriteError) -> TaskError {
        let failure = match &error {
            // The encoder's own file, on our own disk.
            RewriteError::Encoded(_) => Failure::Transient,
            _ => Failure::BadChunk,
        };
        TaskError::new(failure, format!("chunk {} of {}: {error}", self.chunk.index, self.rendition.name))
    }
}
