//! What a job will cost, from the plan alone: for `plan`, for requests, for the order of tasks.

use serde::Serialize;
use transcode_media::{ladder::Rendition, rate::Rate, time::Timescale, track::VideoRange};

use crate::{
    extend::renditions,
    facts::{MediaSummary, SplitSummary, VideoFacts},
    plan::{Demand, StageKind},
    spec::ResolvedSpec,
};

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
/// Encoders take a third of their time for the first of two passes.
pub const FIRST_PASS_PART: u64 = 3;
/// Bits for a pixel at the default rates; real pictures vary fivefold.
const BITS_PER_PIXEL: f64 = 0.09;

/// Memory of a runner with an ffmpeg that has nothing to do yet, MiB.
const BASE_MIB: u64 = 192;
/// Decoded pictures that are held at a time: reference frames, threads, filters.
const DECODED_FRAMES: u64 = 32;
/// Real pictures need up to this many times the bytes that are estimated.
const SCRATCH_MARGIN: f64 = 8.0;
/// A task that takes this many times what was estimated is stuck, not slow.
const DEADLINE_MARGIN: u64 = 40;
/// No deadline is shorter.
const DEADLINE_FLOOR_SECONDS: u64 = 900;
/// Deadline of what reads all of a source of unknown length: over any network it is done by then.
const UNKNOWN_SECONDS: u32 = 6 * 3600;

/// What one task of a stage takes that encodes no pictures. Nothing is known of the source at first.
pub fn demand(kind: StageKind, media: Option<&MediaSummary>) -> Demand {
    let decoding = media.map_or(320, decoding_mib);
    let seconds = media.map_or(0, |m| Timescale(1).round(m.duration).max(0) as u64);
    let tracks = media.map_or(0, |m| m.info.audio.len() as u64);
    let memory_mib = match kind {
        StageKind::Probe | StageKind::Split | StageKind::Thumbnail => BASE_MIB + decoding,
        // Reads whole segments and the indexes of MP4s, decodes joins.
        StageKind::Verify => 2 * BASE_MIB + decoding + seconds / 300,
        StageKind::Whole | StageKind::Audio | StageKind::FirstPass | StageKind::Encode | StageKind::Merge => {
            2 * BASE_MIB
        }
        StageKind::Package | StageKind::Publish | StageKind::Cleanup => 2 * BASE_MIB,
    };
    // Every audio track at 1 Mbit/s; a picture; the few seconds around a join.
    let scratch_mib = if kind == StageKind::Audio { 16 + seconds * tracks / 8 } else { 64 };
    let deadline_seconds = match media {
        None => UNKNOWN_SECONDS,
        Some(_) => (2 * DEADLINE_FLOOR_SECONDS + 2 * seconds).min(u64::from(u32::MAX)) as u32,
    };
    Demand { memory_mib, scratch_mib, deadline_seconds }
}

/// What one task takes that encodes a chunk in these renditions.
pub fn chunk_demand(media: &MediaSummary, split: &SplitSummary, renditions: &[Rendition]) -> Demand {
    let frames = u64::from(split.longest_chunk);
    let encoding: u64 = renditions.iter().map(|r| r.codec.memory_mib(pixels(r)) + tone_mapping_mib(media, r)).sum();
    let nanos: u64 = renditions.iter().map(|r| pixels(r) * r.codec.cost_per_pixel() * frames).sum();
    let decode = source_pixels(media) * DECODE_PER_PIXEL * (frames + u64::from(split.preroll));
    let seconds = DEADLINE_FLOOR_SECONDS + DEADLINE_MARGIN * (nanos + decode) / 1_000_000_000;
    Demand {
        memory_mib: BASE_MIB + decoding_mib(media) + encoding,
        scratch_mib: 64 + mib(media, renditions, frames, SCRATCH_MARGIN),
        deadline_seconds: seconds.min(u64::from(u32::MAX)) as u32,
    }
}

/// Tasks at a time inside of one that does a whole job: one more than a core's worth, so that reading and
/// writing cost no time.
pub const WHOLE_WORKERS: u32 = 2;

/// What a task takes that does a whole job, by what its parts take.
pub fn whole_demand(parts: impl Iterator<Item = Demand>, cpu_seconds: u64) -> Demand {
    let (memory, scratch) = parts.fold((0, 0), |(memory, scratch): (u64, u64), part| {
        (memory.max(part.memory_mib), scratch.max(part.scratch_mib))
    });
    let workers = u64::from(WHOLE_WORKERS);
    Demand {
        memory_mib: BASE_MIB + workers * memory,
        scratch_mib: 64 + workers * scratch,
        deadline_seconds: (2 * DEADLINE_FLOOR_SECONDS + DEADLINE_MARGIN * cpu_seconds).min(u64::from(u32::MAX)) as u32,
    }
}

/// Linear light in floating point: 432 MiB instead of 123 at 4K, measured.
fn tone_mapping_mib(media: &MediaSummary, rendition: &Rendition) -> u64 {
    let hdr = media.info.video.as_ref().is_some_and(|v| v.colour.is_hdr());
    if hdr && rendition.range == VideoRange::Sdr { pixels(rendition) * 40 / 1_000_000 } else { 0 }
}

fn pixels(rendition: &Rendition) -> u64 {
    u64::from(rendition.width) * u64::from(rendition.height)
}

fn source_pixels(media: &MediaSummary) -> u64 {
    media.info.video.as_ref().map_or(0, |v| u64::from(v.width) * u64::from(v.height))
}

/// 4:2:0 takes 1.5 samples a pixel, more than 8 bits two bytes each.
fn decoding_mib(media: &MediaSummary) -> u64 {
    let bytes = media.info.video.as_ref().map_or(0, |v| if v.bit_depth > 8 { 2 } else { 1 });
    (source_pixels(media) * DECODED_FRAMES * bytes * 3 / 2) >> 20
}

/// MiB of so many frames, times a margin as far as caps allow.
fn mib(media: &MediaSummary, renditions: &[Rendition], frames: u64, margin: f64) -> u64 {
    let length =
        |video: &VideoFacts| frames as f64 * *video.frame_rate.denom() as f64 / *video.frame_rate.numer() as f64;
    let seconds = media.video.as_ref().map_or(0.0, length);
    let bits = |rendition: &Rendition| {
        let rate = rendition.codec.rate();
        let usual = match rate {
            Rate::AverageBitrate { bitrate, .. } => f64::from(bitrate) * seconds,
            Rate::Crf(_) | Rate::CappedCrf { .. } => pixels(rendition) as f64 * BITS_PER_PIXEL * frames as f64,
        };
        let most = rate.cap().map(|cap| f64::from(cap.max_bitrate) * seconds + f64::from(cap.buffer_size));
        (usual * margin).min(most.unwrap_or(f64::INFINITY))
    };
    (renditions.iter().map(bits).sum::<f64>() / 8.0 / 1_048_576.0).ceil() as u64
}

/// Estimates a job on `workers` cores.
pub fn estimate(spec: &ResolvedSpec, media: &MediaSummary, split: &SplitSummary, workers: u32) -> Estimate {
    let ladder = renditions(spec, media).renditions;
    let frames = media.video.as_ref().map_or(0, |v| u64::from(v.frames));
    let source = source_pixels(media);
    let (fan_out, _) = crate::extend::fan_out(spec, split, ladder.len());
    let together = fan_out == transcode_api::FanOut::Chunk;
    let twice: Vec<&Rendition> = ladder.iter().filter(|r| r.codec.rate().passes() == 2).collect();
    let decodes = if together { 1 + u64::from(!twice.is_empty()) } else { (ladder.len() + twice.len()) as u64 };
    let decoded = media.video.as_ref().map_or(0, |v| u64::from(v.of_source().0)) + u64::from(split.preroll);
    let decode = source * DECODE_PER_PIXEL * decoded * decodes;
    let encode: u64 = ladder.iter().map(|r| pixels(r) * r.codec.cost_per_pixel() * frames).sum();
    let encode =
        encode + twice.iter().map(|r| pixels(r) * r.codec.cost_per_pixel() * frames / FIRST_PASS_PART).sum::<u64>();
    let audio = Timescale(1000).round(media.duration) as u64 * 20_000 * media.info.audio.len() as u64;
    let cpu_seconds = (decode + encode + audio).div_ceil(1_000_000_000);
    let task_memory: Vec<u64> = ladder.iter().map(|r| r.codec.memory_mib(pixels(r))).collect();
    let task_memory = if together { task_memory.iter().sum() } else { task_memory.iter().copied().max().unwrap_or(64) };
    let tasks = u64::from(split.chunks) * if together { 1 } else { ladder.len() as u64 };
    let at_once = u64::from(workers).min(tasks.max(1));
    let output_mib = mib(media, &ladder, frames, 1.0);
    let chunk_mib = output_mib.div_ceil(u64::from(split.chunks.max(1)));
    Estimate {
        cpu_seconds,
        memory_mib: task_memory * at_once,
        scratch_mib: chunk_mib * at_once,
        output_mib,
        seconds: cpu_seconds.div_ceil(at_once),
    }
}
