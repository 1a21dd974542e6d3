//! The second of two passes: this chunk's share of the bits, and what the first pass noted.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use futures::{StreamExt, TryStreamExt};
use transcode_contract::FirstPassResult;
use transcode_engine::{Failure, Layout, StageId, StageKind, TaskSet};
use transcode_media::{
    argv::video::Pass,
    chunk::Chunk,
    ladder::Rendition,
    rate::{Complexity, Rate, SegmentSizes, share},
    timeline::Timeline,
    track::FileFacts,
};

use crate::{
    context::Context,
    error::TaskError,
    tasks::{first_pass::of_blocks, tracks},
};

/// Result objects that are read at a time.
const PARALLEL: usize = 16;

/// What an encoder is given for the second pass over a chunk.
#[derive(Debug)]
pub struct SecondPass {
    /// What the first pass told.
    pub first: FirstPassResult,
    statistics: PathBuf,
    bitrate: u32,
}

impl SecondPass {
    /// As encoders are told of it.
    pub fn pass(&self) -> Pass<'_> {
        Pass::Second { statistics: &self.statistics, bitrate: self.bitrate }
    }
}

/// Where the first passes over a rendition's chunks are.
pub struct FirstPasses<'a> {
    /// The task.
    pub context: &'a Context,
    /// Where things are.
    pub layout: &'a Layout,
    /// The rendition.
    pub rendition: &'a Rendition,
    /// All chunks.
    pub chunks: &'a [Chunk],
    /// All frames.
    pub timeline: &'a Timeline,
}

impl FirstPasses<'_> {
    /// Fetches what is needed for a chunk; `None` for a rate that takes one pass.
    pub async fn prepare(&self, chunk: &Chunk) -> Result<Option<SecondPass>, TaskError> {
        let Rate::AverageBitrate { bitrate, .. } = self.rendition.codec.rate() else { return Ok(None) };
        if self.context.task.gaps.contains(chunk.index) {
            let what = format!("chunk {}: the first pass over it failed", chunk.index);
            return Err(TaskError::new(Failure::BadChunk, what));
        }
        let all = self.complexities().await?;
        let first = self.result(chunk.index).await?;
        let first =
            first.ok_or_else(|| self.gone(TaskSet::one(chunk.index), "the first pass over the chunk is gone"))?;
        let Some(bits) = self.shares(bitrate, &all)?.remove(&chunk.index) else {
            return Err(self.gone(TaskSet::one(chunk.index), "the first pass over the chunk is not counted"));
        };
        let statistics = self.context.scratch.join(format!("{}.stats", self.rendition.name));
        self.fetch(&first.statistics, &statistics, chunk.index).await?;
        if let Some(blocks) = &first.blocks {
            self.fetch(blocks, &of_blocks(&statistics), chunk.index).await?;
        }
        // x264 counts in kbit/s, and refuses less than what the first pass could not do without.
        let least = first.complexity.other as f64 / self.seconds(chunk);
        let kilobits = (bits / self.seconds(chunk) / 1000.0).max(least / 1000.0 + 1.0).ceil();
        Ok(Some(SecondPass { statistics, bitrate: kilobits as u32 * 1000, first }))
    }

    async fn fetch(&self, file: &FileFacts, path: &Path, chunk: u32) -> Result<(), TaskError> {
        let bytes = self.context.get_checked(file, |what| self.gone(TaskSet::one(chunk), what)).await?;
        tokio::fs::write(path, bytes).await.map_err(|e| TaskError::scratch(path, &e))
    }

    async fn result(&self, chunk: u32) -> Result<Option<FirstPassResult>, TaskError> {
        self.context.get_json(&self.layout.first_pass_result(&self.rendition.name, chunk)).await
    }

    /// Of all chunks but gaps. Whoever needs them first gathers them for all.
    async fn complexities(&self) -> Result<BTreeMap<u32, Complexity>, TaskError> {
        let key = self.layout.complexities(&self.rendition.name);
        let wanted = self.chunks.iter().map(|c| c.index).filter(|index| !self.context.task.gaps.contains(*index));
        let gathered: BTreeMap<u32, Complexity> = self.context.get_json(&key).await?.unwrap_or_default();
        if wanted.clone().all(|chunk| gathered.contains_key(&chunk)) {
            return Ok(gathered);
        }
        let reads = wanted.map(|index| async move { Ok::<_, TaskError>((index, self.result(index).await?)) });
        let read: Vec<_> = futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
        let lost: TaskSet = read.iter().filter(|(_, result)| result.is_none()).map(|(index, _)| *index).collect();
        if !lost.is_empty() {
            return Err(self.gone(lost, "first passes are gone"));
        }
        let all = read.into_iter().filter_map(|(index, result)| Some((index, result?.complexity))).collect();
        self.context.put_json(&key, &all).await?;
        Ok(all)
    }

    /// Bits of every chunk. What the boxes of segments take is taken off first, as far as the plan knows it: a scene cut
    /// takes 100 bytes more.
    fn shares(&self, bitrate: u32, all: &BTreeMap<u32, Complexity>) -> Result<BTreeMap<u32, f64>, TaskError> {
        let cap = self.rendition.codec.rate().cap();
        let chunks: Vec<_> = self.chunks.iter().filter_map(|c| Some((c, *all.get(&c.index)?))).collect();
        let bits = |chunk: &Chunk, rate: u32| {
            let boxes: u64 = chunk.segments.iter().map(|s| SegmentSizes::boxes_of(s.frames, 1)).sum();
            (f64::from(rate) * self.seconds(chunk) - boxes as f64 * 8.0).max(0.0)
        };
        let total: f64 = chunks.iter().map(|(chunk, _)| bits(chunk, bitrate)).sum();
        let least: u64 = chunks.iter().map(|(_, complexity)| complexity.other).sum();
        if total <= least as f64 {
            let what = format!(
                "{}: {bitrate} bit/s are not enough for pictures without any detail. Raise averageBitrate or make the picture smaller",
                self.rendition.name
            );
            return Err(TaskError::new(Failure::Misconfigured, what));
        }
        let most = |chunk: &Chunk| {
            cap.map_or(f64::MAX, |cap| {
                let last = chunk.index as usize + 1 == self.chunks.len();
                f64::from(cap.sustained(self.seconds(chunk), last)) * self.seconds(chunk)
            })
        };
        let asked: Vec<_> = chunks.iter().map(|(chunk, complexity)| (*complexity, most(chunk))).collect();
        Ok(chunks.iter().map(|(chunk, _)| chunk.index).zip(share(total, &asked)).collect())
    }

    fn seconds(&self, chunk: &Chunk) -> f64 {
        let first = chunk.first_frame();
        let ticks = self.timeline.at(first + chunk.frames()) - self.timeline.at(first);
        self.timeline.timescale.time(ticks).as_secs_f64()
    }

    fn gone(&self, chunks: TaskSet, what: &str) -> TaskError {
        let results = chunks.iter().map(|n| self.layout.first_pass_result(&self.rendition.name, n)).collect();
        let stage = tracks::stage_of(self.context, StageKind::FirstPass, &self.rendition.name);
        match stage {
            Ok(stage) => TaskError::missing(BTreeMap::<StageId, _>::from([(stage, chunks)]), results, what),
            Err(error) => error,
        }
    }
}
