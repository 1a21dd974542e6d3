//! Finished tracks, gathered from the results of their chunks.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use transcode_contract::{AudioResult, ChunkResult, Usage};
use transcode_engine::{
    Failure, Layout, StageId, StageKind, TaskSet,
    extend::{fan_out, has_audio, renditions},
};
use transcode_media::{
    chunk::Chunk,
    timeline::Timeline,
    track::{FinishedTrack, Gap, Segment},
};

use crate::{context::Context, error::TaskError};

/// Result objects that are read at a time.
const PARALLEL: usize = 16;

/// Everything that was encoded.
#[derive(Debug)]
pub struct Tracks {
    /// In the ladder's order.
    pub video: Vec<FinishedTrack>,
    /// In the source's order.
    pub audio: Vec<FinishedTrack>,
    /// What it took.
    pub usage: Usage,
}

/// The stage that encodes a rendition.
pub fn encode_stage(context: &Context, rendition: &str) -> Result<StageId, TaskError> {
    let count = renditions(&context.task.spec, context.media()?).renditions.len();
    let (picked, _) = fan_out(&context.task.spec, context.split()?, count);
    Ok(match picked {
        transcode_api::FanOut::Chunk => StageId::job(StageKind::Encode),
        _ => StageId::rendition(StageKind::Encode, rendition),
    })
}

impl Tracks {
    /// Gathers all tracks, or those of one rendition and the audio.
    pub async fn gather(context: &Context, only: Option<&str>) -> Result<Self, TaskError> {
        let (layout, media) = (context.layout()?, context.media()?);
        let index = context.packet_index().await?;
        let (timeline, chunks) = (context.timeline(&index)?, context.chunks().await?);
        let mut tracks = Tracks { video: vec![], audio: vec![], usage: Usage::default() };
        let mut counted = BTreeSet::new();
        for rendition in renditions(&context.task.spec, media).renditions {
            if only.is_some_and(|name| name != rendition.name) {
                continue;
            }
            let results = chunk_results(context, &layout, &rendition.name, &chunks).await?;
            for result in results.values().filter(|r| counted.insert(r.command.clone())) {
                add(&mut tracks.usage, result.usage);
            }
            if let Some(timeline) = &timeline {
                tracks.video.push(join(context, &rendition.name, results, &chunks, timeline)?);
            }
        }
        if has_audio(&context.task.spec, media) {
            let result: Option<AudioResult> = context.get_json(&layout.audio_result()).await?;
            let result = result
                .ok_or_else(|| gone(StageId::job(StageKind::Audio), TaskSet::one(0), "the audio's result is gone"))?;
            add(&mut tracks.usage, result.usage);
            tracks.audio = result.tracks;
        }
        Ok(tracks)
    }
}

fn add(total: &mut Usage, part: Usage) {
    total.cpu_millis += part.cpu_millis;
    total.wall_millis += part.wall_millis;
    total.bytes_read += part.bytes_read;
}

/// Who made what: turns damage into the tasks that are to run again.
#[derive(Debug)]
pub struct Blame {
    chunks: Vec<Chunk>,
    stages: BTreeMap<String, StageId>,
}

impl Blame {
    /// For the job's renditions and audio.
    pub async fn new(context: &Context) -> Result<Self, TaskError> {
        let names = renditions(&context.task.spec, context.media()?).renditions.into_iter().map(|r| r.name);
        let stages = names.map(|name| Ok((name.clone(), encode_stage(context, &name)?)));
        Ok(Blame { chunks: context.chunks().await?, stages: stages.collect::<Result<_, TaskError>>()? })
    }

    /// A segment is gone or damaged: its chunk, or the audio.
    pub fn segment(&self, track: &FinishedTrack, segment: &Segment, what: &str) -> TaskError {
        let holds = |c: &&Chunk| (c.first_segment..c.first_segment + c.segments.len() as u32).contains(&segment.number);
        let chunk = self.chunks.iter().find(holds).map_or(0, |c| c.index);
        let message = format!("segment {} of {}: {what}", segment.number, track.track.name);
        self.tasks(track, TaskSet::one(chunk), &message)
    }

    /// The init segment is gone or damaged: any chunk writes it.
    pub fn init(&self, track: &FinishedTrack, what: &str) -> TaskError {
        self.tasks(track, TaskSet::one(0), &format!("the init segment of {}: {what}", track.track.name))
    }

    /// These chunks of a rendition, or the audio whatever they are.
    pub fn tasks(&self, track: &FinishedTrack, chunks: TaskSet, message: &str) -> TaskError {
        match self.stages.get(&track.track.name) {
            Some(stage) => gone(stage.clone(), chunks, message),
            None => gone(StageId::job(StageKind::Audio), TaskSet::one(0), message),
        }
    }
}

/// A failure that makes earlier tasks run again.
pub fn gone(stage: StageId, tasks: TaskSet, message: &str) -> TaskError {
    TaskError::new(Failure::Missing { stage, tasks }, message)
}

async fn chunk_results(
    context: &Context,
    layout: &Layout,
    rendition: &str,
    chunks: &[Chunk],
) -> Result<BTreeMap<u32, ChunkResult>, TaskError> {
    let wanted: Vec<u32> = chunks.iter().map(|c| c.index).filter(|i| !context.task.gaps.contains(*i)).collect();
    let reads = wanted.iter().map(|chunk| async {
        let key = layout.chunk_result(rendition, *chunk);
        Ok::<_, TaskError>((*chunk, context.get_json::<ChunkResult>(&key).await?))
    });
    let read: Vec<_> = futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
    let missing: TaskSet = read.iter().filter(|(_, r)| r.is_none()).map(|(chunk, _)| *chunk).collect();
    if !missing.is_empty() {
        return Err(gone(
            encode_stage(context, rendition)?,
            missing.clone(),
            &format!("results of chunks {missing} of {rendition} are gone"),
        ));
    }
    Ok(read.into_iter().filter_map(|(chunk, result)| Some((chunk, result?))).collect())
}

/// One track of all chunks: the same init segment in each, every segment there, gaps listed.
fn join(
    context: &Context,
    rendition: &str,
    results: BTreeMap<u32, ChunkResult>,
    chunks: &[Chunk],
    timeline: &Timeline,
) -> Result<FinishedTrack, TaskError> {
    let Some(track) = results.values().next().map(|r| r.track.clone()) else {
        return Err(TaskError::new(Failure::BadChunk, format!("no chunk of {rendition} could be made")));
    };
    let differing: TaskSet =
        results.values().filter(|r| r.track.init.sha256 != track.init.sha256).map(|r| r.chunk).collect();
    if !differing.is_empty() {
        let stage = encode_stage(context, rendition)?;
        return Err(gone(
            stage,
            differing.clone(),
            &format!(
                "chunks {differing} of {rendition} have another init segment than the others; they are encoded again"
            ),
        ));
    }
    let mut finished = FinishedTrack { track, segments: vec![], gaps: vec![] };
    for chunk in chunks {
        match results.get(&chunk.index) {
            Some(result) => finished.segments.extend(result.segments.iter().cloned()),
            None => finished.gaps.extend(gaps(chunk, timeline)),
        }
    }
    Ok(finished)
}

fn gaps(chunk: &Chunk, timeline: &Timeline) -> Vec<Gap> {
    let numbered = chunk.segments.iter().zip(chunk.first_segment..);
    numbered
        .map(|(span, number)| {
            let start = timeline.at(span.first);
            Gap { number, start, duration: (timeline.at(span.first + span.frames) - start) as u64 }
        })
        .collect()
}
