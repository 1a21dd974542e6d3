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
    rate::{Rate, SegmentSizes, share},
    timeline::Timeline,
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
        let results = self.results().await?;
        let shares = self.shares(bitrate, &results);
        let (Some(result), Some(bits)) = (results.get(&chunk.index), shares.get(&chunk.index)) else {
            return Err(self.gone(TaskSet::one(chunk.index), "the first pass over the chunk is gone"));
        };
        let statistics = self.context.scratch.join(format!("{}.stats", self.rendition.name));
        let [noted, blocks] = &result.statistics;
        for (file, path) in [(noted, &statistics), (blocks, &of_blocks(&statistics))] {
            self.fetch(file, path, chunk.index).await?;
        }
        Ok(Some(SecondPass { statistics, bitrate: (bits / self.seconds(chunk)) as u32 }))
    }

    async fn fetch(&self, file: &transcode_media::track::FileFacts, path: &Path, chunk: u32) -> Result<(), TaskError> {
        let bytes = self.context.get_checked(file, |what| self.gone(TaskSet::one(chunk), what)).await?;
        tokio::fs::write(path, bytes).await.map_err(|e| TaskError::scratch(path, &e))
    }

    /// Of all chunks but gaps.
    async fn results(&self) -> Result<BTreeMap<u32, FirstPassResult>, TaskError> {
        let wanted = self.chunks.iter().map(|c| c.index).filter(|index| !self.context.task.gaps.contains(*index));
        let reads = wanted.map(|index| async move {
            let key = self.layout.first_pass_result(&self.rendition.name, index);
            Ok::<_, TaskError>((index, self.context.get_json::<FirstPassResult>(&key).await?))
        });
        let read: Vec<_> = futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
        let lost: TaskSet = read.iter().filter(|(_, result)| result.is_none()).map(|(index, _)| *index).collect();
        match lost.is_empty() {
            true => Ok(read.into_iter().filter_map(|(index, result)| Some((index, result?))).collect()),
            false => Err(self.gone(lost, "first passes are gone")),
        }
    }

    /// Bits of every chunk. What the boxes of segments take is taken off first.
    fn shares(&self, bitrate: u32, results: &BTreeMap<u32, FirstPassResult>) -> BTreeMap<u32, f64> {
        let cap = self.rendition.codec.rate().cap();
        let chunks: Vec<_> = self.chunks.iter().filter_map(|c| Some((c, results.get(&c.index)?))).collect();
        let bits = |chunk: &Chunk, rate: u32| {
            let boxes: u64 = chunk.segments.iter().map(|s| SegmentSizes::boxes_of(s.frames)).sum();
            (f64::from(rate) * self.seconds(chunk) - boxes as f64 * 8.0).max(0.0)
        };
        let total = chunks.iter().map(|(chunk, _)| bits(chunk, bitrate)).sum();
        let most = |chunk: &Chunk| {
            cap.map_or(f64::MAX, |cap| {
                let last = chunk.index as usize + 1 == self.chunks.len();
                f64::from(cap.sustained(self.seconds(chunk), last)) * self.seconds(chunk)
            })
        };
        let asked: Vec<_> = chunks.iter().map(|(chunk, result)| (result.complexity, most(chunk))).collect();
        chunks.iter().map(|(chunk, _)| chunk.index).zip(share(total, &asked)).collect()
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
