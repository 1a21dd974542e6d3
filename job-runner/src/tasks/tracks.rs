//! Finished tracks, gathered from the results of their chunks.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use transcode_contract::{AudioResult, ChunkResult, TaskRun, Usage};
use transcode_engine::{
    Failure, Layout, StageId, StageKind, TaskSet,
    extend::{fan_out, has_audio, renditions},
    facts::Damage,
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
#[derive(Debug, Default)]
pub struct Tracks {
    /// In the ladder's order.
    pub video: Vec<FinishedTrack>,
    /// In the source's order.
    pub audio: Vec<FinishedTrack>,
    /// What it took.
    pub usage: Usage,
    /// Runs that made them.
    pub runs: Vec<TaskRun>,
    /// What of the source is damaged.
    pub damage: Damage,
}

/// The stage of a kind that works through a rendition's chunks.
pub fn stage_of(context: &Context, kind: StageKind, rendition: &str) -> Result<StageId, TaskError> {
    let count = renditions(&context.task.spec, context.media()?).renditions.len();
    let (picked, _) = fan_out(&context.task.spec, context.split()?, count);
    Ok(match picked {
        transcode_api::FanOut::Chunk => StageId::job(kind),
        _ => StageId::rendition(kind, rendition),
    })
}

impl Tracks {
    /// Gathers all tracks, or those of one rendition and the audio.
    pub async fn gather(context: &Context, only: Option<&str>) -> Result<Self, TaskError> {
        let (layout, media) = (context.layout()?, context.media()?);
        let index = context.packet_index().await?;
        let (timeline, chunks) = (context.timeline(&index)?, context.chunks().await?);
        let (mut tracks, mut runs) = (Tracks::default(), BTreeMap::new());
        let (mut counted, mut findings, blame) = (BTreeSet::new(), vec![], Blame::new(context).await?);
        for rendition in renditions(&context.task.spec, media).renditions {
            if only.is_some_and(|name| name != rendition.name) {
                continue;
            }
            let results = match chunk_results(context, &layout, &rendition.name, &chunks, &blame).await {
                Ok(results) => results,
                Err(finding) => {
                    findings.push(finding);
                    continue;
                }
            };
            // Every rendition shows the same frames.
            tracks.damage.frames = tracks.damage.frames.max(results.values().map(|r| r.damaged).sum());
            tracks.damage.interlaced = tracks.damage.interlaced.max(results.values().map(|r| r.interlaced).sum());
            for result in results.values().filter(|r| counted.insert(r.command.clone())) {
                tracks.usage += result.usage;
            }
            for ran in results.values().flat_map(|r| r.first_pass.iter().chain(&r.ran)) {
                // A run that made several renditions is told by each; the last one knows its end.
                runs.entry((ran.stage.clone(), ran.task, ran.began))
                    .and_modify(|end| *end = ran.ended.max(*end))
                    .or_insert(ran.ended);
            }
            if let Some(timeline) = &timeline {
                match join(&rendition.name, results, &chunks, timeline, &blame) {
                    Ok(track) => tracks.video.push(track),
                    Err(finding) => findings.push(finding),
                }
            }
        }
        TaskError::all(findings)?;
        let run = |((stage, task, began), ended)| TaskRun { stage, task, began, ended };
        tracks.runs = runs.into_iter().map(run).collect();
        if has_audio(&context.task.spec, media) {
            let result: Option<AudioResult> = context.get_json(&layout.audio_result()).await?;
            let result = result.ok_or_else(|| blame.chunks("audio", TaskSet::one(0), "the audio's result is gone"))?;
            tracks.usage += result.usage;
            tracks.damage.packets = result.undecodable;
            tracks.damage.sound_changes = result.changes;
            tracks.runs.extend(result.ran);
            tracks.audio = result.tracks;
        }
        Ok(tracks)
    }
}

/// Who made what: turns damage into the tasks that are to run again.
#[derive(Debug)]
pub struct Blame {
    chunks: Vec<Chunk>,
    layout: Layout,
    /// The stage that encodes each rendition.
    stages: BTreeMap<String, StageId>,
}

impl Blame {
    /// For the job's renditions and audio.
    pub async fn new(context: &Context) -> Result<Self, TaskError> {
        let names = renditions(&context.task.spec, context.media()?).renditions.into_iter().map(|r| r.name);
        let stages = names.map(|name| Ok((name.clone(), stage_of(context, StageKind::Encode, &name)?)));
        Ok(Blame {
            chunks: context.chunks().await?,
            layout: context.layout()?,
            stages: stages.collect::<Result<_, TaskError>>()?,
        })
    }

    /// A segment is gone or damaged: its chunk, or the audio.
    pub fn segment(&self, track: &FinishedTrack, segment: &Segment, what: &str) -> TaskError {
        let message = format!("segment {} of {}: {what}", segment.number, track.track.name);
        self.chunks(&track.track.name, TaskSet::one(self.chunk_of(segment)), &message)
    }

    /// The init segment is gone or damaged: any chunk writes it.
    pub fn init(&self, track: &FinishedTrack, what: &str) -> TaskError {
        let chunk = track.segments.first().map_or(0, |segment| self.chunk_of(segment));
        let message = format!("the init segment of {}: {what}", track.track.name);
        self.chunks(&track.track.name, TaskSet::one(chunk), &message)
    }

    /// These chunks of a rendition, or the audio whatever they are.
    pub fn chunks(&self, track: &str, chunks: TaskSet, message: &str) -> TaskError {
        match self.stages.get(track) {
            Some(stage) => {
                let results = chunks.iter().map(|chunk| self.layout.chunk_result(track, chunk)).collect();
                TaskError::missing(BTreeMap::from([(stage.clone(), chunks)]), results, message)
            }
            None => {
                let lost = BTreeMap::from([(StageId::job(StageKind::Audio), TaskSet::one(0))]);
                TaskError::missing(lost, vec![self.layout.audio_result()], message)
            }
        }
    }

    fn chunk_of(&self, segment: &Segment) -> u32 {
        let holds = |c: &&Chunk| (c.first_segment..c.first_segment + c.segments.len() as u32).contains(&segment.number);
        self.chunks.iter().find(holds).map_or(0, |c| c.index)
    }
}

/// The result of a stage with one task is gone or wrong.
pub fn gone(context: &Context, stage: &StageId, message: &str) -> TaskError {
    let distrusted = context.layout().map(|layout| layout.result(stage)).into_iter().collect();
    TaskError::missing(BTreeMap::from([(stage.clone(), TaskSet::one(0))]), distrusted, message)
}

async fn chunk_results(
    context: &Context,
    layout: &Layout,
    rendition: &str,
    chunks: &[Chunk],
    blame: &Blame,
) -> Result<BTreeMap<u32, ChunkResult>, TaskError> {
    let wanted: Vec<u32> = chunks.iter().map(|c| c.index).filter(|i| !context.task.gaps.contains(*i)).collect();
    let reads = wanted.iter().map(|chunk| async {
        let key = layout.chunk_result(rendition, *chunk);
        Ok::<_, TaskError>((*chunk, context.get_json::<ChunkResult>(&key).await?))
    });
    let read: Vec<_> = futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
    let missing: TaskSet = read.iter().filter(|(_, r)| r.is_none()).map(|(chunk, _)| *chunk).collect();
    if !missing.is_empty() {
        let message = format!("results of chunks {missing} of {rendition} are gone");
        return Err(blame.chunks(rendition, missing, &message));
    }
    Ok(read.into_iter().filter_map(|(chunk, result)| Some((chunk, result?))).collect())
}

/// One track of all chunks: the same init segment in each, every segment there, gaps listed. Chunks
/// whose init segment is not that of most were made by other encoders, and are made again.
fn join(
    rendition: &str,
    results: BTreeMap<u32, ChunkResult>,
    chunks: &[Chunk],
    timeline: &Timeline,
    blame: &Blame,
) -> Result<FinishedTrack, TaskError> {
    let mut inits: BTreeMap<&str, u32> = BTreeMap::new();
    results.values().for_each(|r| *inits.entry(&r.track.init.sha256).or_default() += 1);
    let common = inits.iter().max_by_key(|(_, count)| **count).map(|(init, _)| *init);
    let same = |r: &&ChunkResult| Some(r.track.init.sha256.as_str()) == common;
    let Some(track) = results.values().find(same).map(|r| r.track.clone()) else {
        return Err(TaskError::new(Failure::BadChunk, format!("no chunk of {rendition} could be made")));
    };
    // Without a majority nobody knows whose encoder is the present one.
    let most = inits.values().max().is_some_and(|count| *count as usize * 2 > results.len());
    let differing: TaskSet = results.values().filter(|r| !most || !same(r)).map(|r| r.chunk).collect();
    if !differing.is_empty() {
        let message = format!(
            "chunks {differing} of {rendition} have another init segment than the others; they are encoded again"
        );
        return Err(blame.chunks(rendition, differing, &message));
    }
    let mut finished = FinishedTrack { track, segments: vec![], gaps: vec![], captions: BTreeSet::new() };
    for chunk in chunks {
        match results.get(&chunk.index) {
            Some(result) => {
                finished.segments.extend(result.segments.iter().cloned());
                finished.captions.extend(&result.captions);
            }
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
