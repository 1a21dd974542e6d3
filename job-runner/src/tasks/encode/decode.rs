//! Decoding a chunk: every frame of the index, and a frame before it as proof that nothing was skipped.

use transcode_api::Integrity;
use transcode_engine::{Failure, MediaSummary, commands};
use transcode_media::{
    argv::{Command, video::Output},
    chunk::Chunk,
    time::{MediaTime, human},
    timeline::Timeline,
};

use crate::{context::Context, error::TaskError, process::Follow, source::OpenSource};

/// How far decoding steps back after a mismatch; then to the beginning.
const STEP_BACK: MediaTime = MediaTime::seconds(10);

/// Pictures at the end of a recording that may refer to the one in which it was stopped.
const LAST_PICTURES: usize = 4;

/// How a chunk was decoded.
pub struct Decoded {
    /// The command.
    pub command: Command,
    /// How often decoding began further back.
    pub steps_back: u32,
    /// Frames that are damaged in the source.
    pub damaged: u32,
    /// Frames of the chunk that are marked as interlaced.
    pub interlaced: u32,
    /// Frames of the chunk that have captions in them.
    pub captioned: usize,
}

/// Runs ffmpeg over a chunk, from further and further back until every frame of the index was decoded without damage.
pub async fn encode(
    context: &Context,
    source: &OpenSource,
    chunk: &Chunk,
    timeline: &Timeline,
    outputs: &[Output<'_>],
) -> Result<Decoded, TaskError> {
    let (media, split) = (context.media()?, context.split()?);
    let frames = u64::from(chunk.frames());
    let follow = Follow { frames, permille: (0, 950), stall: context.stall(), damage: true };
    let run = async |media: &MediaSummary, seek| {
        let command = commands::video(&context.task.spec, media, split, chunk, seek, &source.url(), outputs);
        let command =
            command.ok_or_else(|| TaskError::new(Failure::Misconfigured, "the source has no video to encode"))?;
        let finished = source.run(&command, follow).await.map_err(chunk_at_fault)?;
        Ok::<_, TaskError>((command, finished))
    };
    let of_chunk = |times: &[i64]| times.iter().filter(|pts| (chunk.start..chunk.end).contains(pts)).count();
    let mut seek = chunk.seek;
    for steps_back in 0.. {
        let (mut command, mut finished) = run(media, seek).await?;
        if let Some(media) = interlaced_later(context, media).filter(|_| of_chunk(&finished.interlaced) > 0) {
            tracing::info!("chunk {}: it has interlaced frames; it is encoded again, deinterlaced", chunk.index);
            (command, finished) = run(&media, seek).await?;
        }
        let damaged: Vec<i64> =
            finished.damaged.iter().copied().filter(|pts| (chunk.start..chunk.end).contains(pts)).collect();
        // Copies of the last picture have none.
        let captioned = if chunk.own_frames() > 0 { of_chunk(&finished.captioned) } else { 0 };
        let interlaced = if chunk.own_frames() > 0 { of_chunk(&finished.interlaced) as u32 } else { 0 };
        let seen = Seen { chunk, timeline, media, damaged: &damaged };
        let difference = seen.difference(seek, &finished.shown);
        let permissive = context.task.spec.integrity == Integrity::Permissive;
        let whole = difference.is_none();
        let taken = whole && (seen.ends_damaged() || permissive && seek.is_none());
        match (difference.or_else(|| seen.damage()), seek) {
            (None, _) => return Ok(Decoded { command, steps_back, damaged: 0, interlaced, captioned }),
            (Some(_), _) if taken => {
                let damaged = damaged.len() as u32;
                return Ok(Decoded { command, steps_back, damaged, interlaced, captioned });
            }
            (Some(difference), None) => {
                let why = seen.fault(&difference, &finished.complaints, permissive);
                return Err(TaskError::new(Failure::BadChunk, why));
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

/// The source as one that is interlaced, where its first frames did not say so. Its chunks are deinterlaced that need
/// it and no others: the deinterlacer holds a frame back, and loses it where a source changes its size.
fn interlaced_later(context: &Context, media: &MediaSummary) -> Option<MediaSummary> {
    let mut media = media.clone();
    let stream = media.info.video.as_mut().filter(|stream| context.task.spec.filters.deinterlaces_later(stream))?;
    stream.interlaced = true;
    Some(media)
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

    /// Why the chunk can't be encoded, and what to do about it. What the decoder does not complain of is no damage.
    fn fault(&self, difference: &str, complaints: &str, permissive: bool) -> String {
        let what = format!("chunk {}: {difference}", self.chunk.index);
        let words = complaints.lines().next().map(|line| line.trim_end_matches('.'));
        if words.is_none() && self.damaged.is_empty() {
            return format!(
                "{what}, although the decoder reports no damage: packets there hold no picture, or more than one. Give the source a packet for each picture: ffmpeg -i SOURCE -map 0 -c copy -c:v ffv1 OUT.mkv"
            );
        }
        let words = words.unwrap_or("corrupt decoded frame");
        let advice = match permissive {
            true => "Get it again",
            false => "Get it again, or take what can be had with options.integrity: Permissive",
        };
        format!("{what}. The source is damaged there; ffmpeg says: {words}. {advice}")
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
