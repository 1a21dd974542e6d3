//! What a job will cost, from the plan alone: for `plan`, for requests, for the order of tasks.

use serde::Serialize;
use transcode_media::time::Timescale;

use crate::{extend::renditions, facts::MediaSummary, facts::SplitSummary, spec::ResolvedSpec};

/// An estimate; within a factor of two on common machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// CPU time of all tasks.
    pub cpu_seconds: u64,
    /// Memory of all tasks that run at the same time.
    pub memory_mib: u64,
    /// Scratch of all tasks that run at the same time.
    pub scratch_mib: u64,
    /// Bytes in the output.
    pub output_mib: u64,
    /// Wall time with that many workers.
    pub seconds: u64,
}

/// CPU-nanoseconds to decode one pixel of common codecs on one core.
const DECODE_PER_PIXEL: u64 = 6;
/// Bits for a pixel at the default rates; real pictures vary fivefold.
const BITS_PER_PIXEL: f64 = 0.09;

/// Estimates a job on `workers` cores.
pub fn estimate(spec: &ResolvedSpec, media: &MediaSummary, split: &SplitSummary, workers: u32) -> Estimate {
    let ladder = renditions(spec, media).renditions;
    let frames = media.video.as_ref().map_or(0, |v| u64::from(v.frames));
    let source = media.info.video.as_ref().map_or(0, |v| u64::from(v.width) * u64::from(v.height));
    let pixels = |r: &transcode_media::ladder::Rendition| u64::from(r.width) * u64::from(r.height);
    let (fan_out, _) = crate::extend::fan_out(spec, split, ladder.len());
    let together = fan_out == transcode_api::FanOut::Chunk;
    let decodes = if together { 1 } else { ladder.len() as u64 };
    let decode = source * DECODE_PER_PIXEL * (frames + u64::from(split.preroll)) * decodes;
    let encode: u64 = ladder.iter().map(|r| pixels(r) * r.codec.cost_per_pixel() * frames).sum();
    let audio = Timescale(1000).round(media.duration) as u64 * 20_000 * media.info.audio.len() as u64;
    let cpu_seconds = (decode + encode + audio).div_ceil(1_000_000_000);
    let task_memory: Vec<u64> = ladder.iter().map(|r| r.codec.memory_mib(pixels(r))).collect();
    let task_memory = if together { task_memory.iter().sum() } else { task_memory.iter().copied().max().unwrap_or(64) };
    let tasks = u64::from(split.chunks) * if together { 1 } else { ladder.len() as u64 };
    let at_once = u64::from(workers).min(tasks.max(1));
    let bits: f64 = ladder.iter().map(|r| pixels(r) as f64 * BITS_PER_PIXEL * frames as f64).sum();
    let output_mib = (bits / 8.0 / 1_048_576.0).ceil() as u64;
    let chunk_mib = output_mib.div_ceil(u64::from(split.chunks.max(1)));
    Estimate {
        cpu_seconds,
        memory_mib: task_memory * at_once,
        scratch_mib: chunk_mib * at_once,
        output_mib,
        seconds: cpu_seconds.div_ceil(at_once),
    }
}
