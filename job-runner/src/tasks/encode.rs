//! Encode: one chunk, for one rendition or for all of them with a single decode.
//!
//! What ffmpeg decoded is compared with the packet index before anything is kept: every frame of the
//! chunk, and at least one before it. Where they differ, decoding begins further back.

use std::{collections::BTreeMap, time::Instant};

use transcode_contract::{ChunkResult, Usage};
use transcode_engine::{
    Failure, Layout, StageKind,
    extend::{renditions, without_captions},
};
use transcode_media::{
    argv::video::{Output, Pass},
    chunk::Chunk,
    index::PacketIndex,
    ladder::Rendition,
    rate::Squeeze,
    timeline::Timeline,
};

use self::{
    second_pass::{FirstPasses, SecondPass},
    store::Storing,
};
use crate::{
    context::{Context, missing},
    error::TaskError,
    process,
    source::OpenSource,
};

pub mod decode;
mod second_pass;
mod store;

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let mut meter = Meter::default();
    let layout = context.layout()?;
    let missing_renditions = open_renditions(context, &layout).await?;
    if missing_renditions.is_empty() {
        return Ok(());
    }
    let (index, chunks) = (context.packet_index().await?, context.chunks().await?);
    let chunk = chunk(context, &chunks)?;
    let timeline = timeline(context, &index)?;
    let mut second_passes = BTreeMap::new();
    for rendition in &missing_renditions {
        let first = FirstPasses { context, layout: &layout, rendition, chunks: &chunks, timeline: &timeline };
        second_passes.extend(first.prepare(chunk).await?.map(|second| (rendition.name.as_str(), second)));
    }
    let source = OpenSource::open(context).await?;
    let paths: Vec<_> = missing_renditions.iter().map(|r| context.scratch.join(format!("{}.mp4", r.name))).collect();
    let made = missing_renditions.iter().zip(&paths);
    let mut left: Vec<Output<'_>> = made
        .map(|(rendition, path)| Output {
            rendition,
            path,
            squeeze: Squeeze::None,
            pass: second_passes.get(rendition.name.as_str()).map_or(Pass::Only, SecondPass::pass),
        })
        .collect();
    let mut over = vec![];
    for squeeze in Squeeze::ALL {
        left.iter_mut().for_each(|output| output.squeeze = squeeze);
        let decoded = decode::encode(context, &source, chunk, &timeline, &left).await?;
        let lost = left.iter().filter(|_| decoded.captioned > 0);
        if let Some(lost) = lost.filter_map(|output| without_captions(&context.task.spec, output.rendition)).next() {
            return Err(TaskError::new(Failure::Misconfigured, lost.0));
        }
        over.clear();
        for output in left {
            let (rendition, path) = (output.rendition, output.path);
            let first_pass = second_passes.get(rendition.name.as_str()).map(|second| &second.first);
            let store = Storing { context, layout: &layout, rendition, chunk, timeline: &timeline, first_pass };
            if let Some(error) = store.over_cap(path)? {
                tracing::info!("chunk {} of {}: {error}; it is encoded again", chunk.index, rendition.name);
                over.push((output, error));
                continue;
            }
            store.chunk(path, meter.untold(&source), &decoded).await?;
        }
        if over.is_empty() {
            return Ok(());
        }
        left = over.iter().map(|(output, _)| *output).collect();
    }
    let told: Vec<String> = over.iter().map(|(output, error)| format!("{}: {error}", output.rendition.name)).collect();
    Err(TaskError::new(
        Failure::Misconfigured,
        format!(
            "chunk {}: {} even at the lowest quality. Raise maxBitrate or make the picture smaller",
            chunk.index,
            told.join("; ")
        ),
    ))
}

/// The chunk of the task.
pub fn chunk<'a>(context: &Context, chunks: &'a [Chunk]) -> Result<&'a Chunk, TaskError> {
    let found = chunks.get(context.task.index as usize);
    found.ok_or_else(|| missing(StageKind::Split, "the chunk's row in the table"))
}

/// The frames of a source that has some.
pub fn timeline(context: &Context, index: &PacketIndex) -> Result<Timeline, TaskError> {
    let timeline = context.timeline(index)?;
    timeline.ok_or_else(|| TaskError::new(Failure::Misconfigured, "the source has no video to encode"))
}

/// Renditions that the task's stage is about.
pub fn renditions_of(context: &Context) -> Result<Vec<Rendition>, TaskError> {
    let subject = &context.task.stage.subject;
    let all = renditions(&context.task.spec, context.media()?).renditions;
    Ok(all.into_iter().filter(|r| subject.is_empty() || r.name == *subject).collect())
}

/// What the task used; each result tells what no result has told yet.
pub struct Meter {
    started: Instant,
    told: Usage,
}

impl Default for Meter {
    fn default() -> Self {
        Meter { started: Instant::now(), told: Usage { cpu_millis: process::cpu_millis(), ..Usage::default() } }
    }
}

impl Meter {
    /// What was used since this was asked last.
    pub fn untold(&mut self, source: &OpenSource) -> Usage {
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
    let mut open = vec![];
    for rendition in renditions_of(context)? {
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
