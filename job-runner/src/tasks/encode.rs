//! Encode: one chunk, for one rendition or for all of them with a single decode.
//!
//! What ffmpeg decoded is compared with the packet index before anything is kept: every frame of the
//! chunk, and at least one before it. Where they differ, decoding begins further back.

use std::{fs::File, io::BufReader, path::Path, time::Instant};

use transcode_api::Integrity;
use transcode_contract::{ChunkResult, Usage, VERSION};
use transcode_engine::{Failure, Layout, MediaSummary, StageKind, commands, extend::renditions};
use transcode_media::{
    argv::{
        Command,
        video::{Output, encoded_colour, sixteen_bit},
    },
    chunk::Chunk,
    cmaf::{
        SampleEntry,
        codec::codec_text,
        encoded::EncodedTrack,
        init::{TrackInit, VideoInit, init_segment},
        rewrite::{ChunkPlan, RewriteError, SegmentFrames, video_segments},
    },
    colour,
    ladder::Rendition,
    probe::Hdr10,
    rate::{CapCheck, OverCap, SegmentSizes, Squeeze},
    time::{MediaTime, human},
    timeline::Timeline,
    track::{Segment, Track, TrackKind, VideoRange},
};

use crate::{
    context::{Context, missing},
    error::TaskError,
    fault::{self, Fault},
    process::{self, Follow},
    source::OpenSource,
};

/// How far decoding steps back after a mismatch; then to the beginning.
const STEP_BACK: MediaTime = MediaTime::seconds(10);

/// Pictures at the end of a recording that may refer to the one in which it was stopped.
const LAST_PICTURES: usize = 4;

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let mut meter = Meter::default();
    let layout = context.layout()?;
    let missing_renditions = open_renditions(context, &layout).await?;
    if missing_renditions.is_empty() {
        return Ok(());
    }
    let index = context.packet_index().await?;
    let chunks = context.chunks().await?;
    let chunk = chunks
        .get(context.task.index as usize)
        .ok_or_else(|| missing(StageKind::Split, "the chunk's row in the table"))?;
    let timeline = context
        .timeline(&index)?
        .ok_or_else(|| TaskError::new(Failure::Misconfigured, "the source has no video to encode"))?;
    let source = OpenSource::open(context).await?;
    let paths: Vec<_> = missing_renditions.iter().map(|r| context.scratch.join(format!("{}.mp4", r.name))).collect();
    let mut left: Vec<(&Rendition, &Path)> = missing_renditions.iter().zip(paths.iter().map(|p| p.as_path())).collect();
    let mut over = vec![];
    for squeeze in Squeeze::ALL {
        let outputs: Vec<Output<'_>> =
            left.iter().map(|(rendition, path)| Output { rendition, path, squeeze }).collect();
        let Decoded { command, steps_back, damaged } = encode(context, &source, chunk, &timeline, &outputs).await?;
        over.clear();
        for output in outputs {
            let (rendition, path) = (output.rendition, output.path);
            let store = Storing { context, layout: &layout, rendition, chunk, timeline: &timeline };
            if let Some(error) = store.over_cap(path)? {
                tracing::info!("chunk {} of {}: {error}; it is encoded again", chunk.index, rendition.name);
                over.push(((rendition, path), error));
                continue;
            }
            store.chunk(path, meter.untold(&source), (steps_back, damaged), &command.to_string()).await?;
        }
        if over.is_empty() {
            return Ok(());
        }
        left = over.iter().map(|(output, _)| *output).collect();
    }
    let told: Vec<String> = over.iter().map(|((rendition, _), error)| format!("{}: {error}", rendition.name)).collect();
    Err(TaskError::new(
        Failure::Misconfigured,
        format!(
            "chunk {}: {} even at the lowest quality. Raise maxBitrate or make the picture smaller",
            chunk.index,
            told.join("; ")
        ),
    ))
}

/// What the task used; each result tells what no result has told yet.
struct Meter {
    started: Instant,
    told: Usage,
}

impl Default for Meter {
    fn default() -> Self {
        Meter { started: Instant::now(), told: Usage { cpu_millis: process::cpu_millis(), ..Usage::default() } }
    }
}

impl Meter {
    fn untold(&mut self, source: &OpenSource) -> Usage {
        let now = Usage {
            cpu_millis: process::cpu_millis(),
            wall_millis: self.started.elapsed().as_millis() as u64,
            bytes_read: source.bytes_read(),
        };
        let told = std::mem::replace(&mut self.told, now);
        Usage {
            cpu_millis: now.cpu_millis - told.cpu_millis,
            wall_millis: now.wall_millis - told.wall_millis,
            bytes_read: now.bytes_read - told.bytes_read,
        }
    }
}

/// Renditions of this stage whose result for this chunk is not there.
async fn open_renditions(context: &Context, layout: &Layout) -> Result<Vec<Rendition>, TaskError> {
    let subject = &context.task.stage.subject;
    let mut open = vec![];
    for rendition in renditions(&context.task.spec, context.media()?).renditions {
        if !subject.is_empty() && rendition.name != *subject {
            continue;
        }
        let known: Option<ChunkResult> =
            context.get_json(&layout.chunk_result(&rendition.name, context.task.index)).await?;
        if !is_whole(context, known).await? {
            open.push(rendition);
        }
    }
    Ok(open)
}

/// Whether everything that a result names is there, whole.
async fn is_whole(context: &Context, known: Option<ChunkResult>) -> Result<bool, TaskError> {
    let Some(known) = known else { return Ok(false) };
    for file in known.segments.iter().map(|s| &s.file).chain([&known.track.init]) {
        match context.get_checked(file, |what| TaskError::new(Failure::BadChunk, what)).await {
            Ok(_) => {}
            Err(error) if error.failure == Failure::BadChunk => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// How a chunk was decoded.
struct Decoded {
    command: Command,
    steps_back: u32,
    /// Frames that are damaged in the source.
    damaged: u32,
}

/// Encodes, from further and further back until every frame of the index was decoded without damage.
async fn encode(
    context: &Context,
    source: &OpenSource,
    chunk: &Chunk,
    timeline: &Timeline,
    outputs: &[Output<'_>],
) -> Result<Decoded, TaskError> {
    let (media, split) = (context.media()?, context.split()?);
    let frames = u64::from(chunk.frames());
    let follow = Follow { frames, permille: (0, 950), stall: context.stall(), damage: true };
    let mut seek = chunk.seek;
    for steps_back in 0.. {
        let command = commands::video(&context.task.spec, media, split, chunk, seek, &source.url(), outputs);
        let command =
            command.ok_or_else(|| TaskError::new(Failure::Misconfigured, "the source has no video to encode"))?;
        let finished = source.explain(process::run(&command, follow).await).map_err(chunk_at_fault)?;
        let damaged: Vec<i64> =
            finished.damaged.iter().copied().filter(|pts| (chunk.start..chunk.end).contains(pts)).collect();
        let seen = Seen { chunk, timeline, media, damaged: &damaged };
        let difference = seen.difference(seek, &finished.shown);
        let permissive = context.task.spec.integrity == Integrity::Permissive;
        if difference.is_none() && !damaged.is_empty() && seen.ends_damaged() {
            return Ok(Decoded { command, steps_back, damaged: damaged.len() as u32 });
        }
        match (difference.or_else(|| seen.damage()), seek) {
            (None, _) => return Ok(Decoded { command, steps_back, damaged: 0 }),
            (Some(_), None) if permissive && seen.difference(seek, &finished.shown).is_none() => {
                return Ok(Decoded { command, steps_back, damaged: damaged.len() as u32 });
            }
            (Some(difference), None) => {
                let words = finished.complaints.lines().next().unwrap_or("nothing").trim_end_matches('.');
                let advice = match permissive {
                    true => "Get it again",
                    false => "Get it again, or take what can be had with options.integrity: Permissive",
                };
                let what = format!("chunk {}: {difference}. The source is damaged there", chunk.index);
                return Err(TaskError::new(Failure::BadChunk, format!("{what}; ffmpeg says: {words}. {advice}")));
            }
            (Some(difference), Some(at)) => {
                tracing::warn!("chunk {}: {difference}; decoding begins further back", chunk.index);
                let further = at - STEP_BACK;
                let first = timeline.source.first().copied().unwrap_or(0);
                let begin = media.info.video.as_ref().map_or(MediaTime::ZERO, |v| v.timebase.time(first));
                seek = (steps_back == 0 && further > begin).then_some(further);
            }
        }
    }
    Err(TaskError::transient("unreachable: the steps back end at the beginning of the file"))
}

/// Probe has accepted the source: what can't be read now is this chunk.
fn chunk_at_fault(error: TaskError) -> TaskError {
    match error.failure {
        Failure::BadInput if error.message.contains("ffmpeg exited") => {
            TaskError { failure: Failure::BadChunk, ..error }
        }
        _ => error,
    }
}

/// What a decoder showed of a chunk.
struct Seen<'a> {
    chunk: &'a Chunk,
    timeline: &'a Timeline,
    media: &'a MediaSummary,
    damaged: &'a [i64],
}

impl Seen<'_> {
    /// Media time of a frame, for people.
    fn time(&self, pts: i64) -> String {
        let timebase = self.media.info.video.as_ref().map(|v| v.timebase);
        timebase.map_or(String::new(), |timebase| human(timebase.time(pts) - self.media.origin))
    }

    /// Whether nothing but the source's last pictures is damaged: a recording that was stopped within one.
    fn ends_damaged(&self) -> bool {
        let frames = &self.timeline.source;
        let last = frames.get(frames.len().saturating_sub(LAST_PICTURES)..).unwrap_or_default();
        self.damaged.iter().all(|pts| last.contains(pts))
    }

    /// Frames that came out damaged.
    fn damage(&self) -> Option<String> {
        let (first, last) = (self.damaged.iter().min()?, self.damaged.iter().max()?);
        let (first, last) = (self.time(*first), self.time(*last));
        Some(format!("{} frames can't be decoded whole, from {first} to {last}", self.damaged.len()))
    }

    /// What the decoder showed against what the index says; `None` when they agree.
    fn difference(&self, seek: Option<MediaTime>, shown: &[i64]) -> Option<String> {
        let Seen { chunk, timeline, .. } = *self;
        let place = |tick: i64| timeline.source.partition_point(|pts| *pts < tick);
        let expected = timeline.source.get(place(chunk.start)..place(chunk.end)).unwrap_or_default();
        let mut found: Vec<i64> = shown.iter().copied().filter(|pts| (chunk.start..chunk.end).contains(pts)).collect();
        found.sort_unstable();
        if found != expected {
            let lacking: Vec<_> = expected.iter().filter(|pts| found.binary_search(pts).is_err()).collect();
            let beside: Vec<_> = found.iter().filter(|pts| expected.binary_search(pts).is_err()).take(5).collect();
            let (count, all) = (lacking.len(), expected.len());
            return Some(match (lacking.first(), lacking.last()) {
                (Some(first), Some(last)) => {
                    format!(
                        "{count} of {all} frames can't be decoded, from {} to {}",
                        self.time(**first),
                        self.time(**last)
                    )
                }
                _ => format!("{} frames are decoded instead of {all} (unexpected PTS {beside:?})", found.len()),
            });
        }
        let proof = seek.is_none() || shown.iter().any(|pts| *pts < chunk.start);
        (!proof).then(|| "no frame before it was decoded, so some of it may have been skipped".into())
    }
}

/// Segments of one rendition of one chunk, on their way to storage.
struct Storing<'a> {
    context: &'a Context,
    layout: &'a Layout,
    rendition: &'a Rendition,
    chunk: &'a Chunk,
    timeline: &'a Timeline,
}

impl Storing<'_> {
    /// Why what was encoded is above the rendition's cap.
    fn over_cap(&self, path: &Path) -> Result<Option<OverCap>, TaskError> {
        let Some(cap) = self.rendition.codec.rate().cap() else { return Ok(None) };
        let sizes: Vec<u32> = Self::open(path)?
            .map(|sample| sample.map(|s| s.size))
            .collect::<Result<_, _>>()
            .map_err(TaskError::transient)?;
        let mut check = CapCheck::new(cap, self.timeline.timescale, self.context.task.spec.segment_duration);
        let first = self.chunk.first_frame();
        for (span, number) in self.chunk.segments.iter().zip(self.chunk.first_segment..) {
            let frames = span.first..span.first + span.frames;
            let sample = |frame: u32| {
                let ticks = self.timeline.at(frame + 1) - self.timeline.at(frame);
                Some((*sizes.get((frame - first) as usize)?, u32::try_from(ticks).ok()?))
            };
            let boxes = SegmentSizes::boxes_of(span.frames);
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

    async fn chunk(
        &self,
        path: &Path,
        usage: Usage,
        (steps_back, damaged): (u32, u32),
        command: &str,
    ) -> Result<(), TaskError> {
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
            times: &times,
            end: self.timeline.at(end),
            offset: self.timeline.offset(),
            composition_delay: self.delay()?,
            segments: &spans,
        };
        let folder = self.layout.rendition(&self.rendition.name);
        let mut segments = vec![];
        for made in video_segments(encoded, &plan).map_err(|e| self.wrong(e))? {
            let made = made.map_err(|e| self.wrong(e))?;
            let key = format!("{folder}/segments/{:06}.m4s", made.number);
            let mut bytes = made.bytes;
            if fault::asked(self.context) == Some(Fault::Garbage) {
                bytes.reverse();
            }
            let file = self.context.put(&key, bytes.into()).await?;
            segments.push(Segment {
                number: made.number,
                file,
                start: made.start,
                duration: made.duration,
                samples: made.samples,
                key_bytes: made.key_bytes,
            });
        }
        let key = self.layout.renditions.get(&self.rendition.name).cloned().unwrap_or_default();
        let result = ChunkResult {
            version: VERSION,
            key,
            chunk: self.chunk.index,
            track,
            segments,
            frames: self.chunk.frames(),
            steps_back,
            damaged,
            usage,
            ran: Some(self.context.run_so_far()),
            command: command.into(),
        };
        self.context.put_result(&self.layout.chunk_result(&self.rendition.name, self.chunk.index), &result).await
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
        let hdr10 = if self.rendition.range == VideoRange::Sdr { Hdr10::default() } else { stream.hdr10 };
        let init = init_segment(&TrackInit::Video(VideoInit {
            entry: video.clone(),
            timescale: self.timeline.timescale,
            composition_delay: self.delay()?,
            sar,
            colour,
            hdr10,
        }));
        let path = format!("{}/init.mp4", self.layout.rendition(&self.rendition.name));
        Ok(Track {
            name: self.rendition.name.clone(),
            codec: codec_text(entry, colour).map_err(TaskError::transient)?,
            timescale: self.timeline.timescale,
            init: self.context.put(&path, init.into()).await?,
            kind: TrackKind::Video {
                width: self.rendition.width,
                height: self.rendition.height,
                sar,
                frame_rate: self.timeline.frame_rate(),
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
