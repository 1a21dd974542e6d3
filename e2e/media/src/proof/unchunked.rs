//! What chunking costs: each rendition against one encode of the whole source by the same ffmpeg, with
//! the same options, threads and keyframes.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};

use super::{Evidence, picture::likeness};
use crate::{boxes, figures::Figures, published::Media};

/// Rows that stand for the others in every run: x264 on constant and on variable frame rate, x265 on
/// open GOPs, SVT-AV1, VP9. Where figures are gathered, every row is compared.
const ALWAYS: [&str; 5] =
    ["closed_gop", "variable_rate_with_pauses", "open_gop_hevc_10_bit", "mov_pcm_to_opus", "hlg_mov_to_vp9"];

/// One encode of all of it differs on purpose: only the chunks that are interlaced are deinterlaced.
const APART: &str = "interlaced_later";

/// The most that all of a rendition may differ: SSIM in decibels, and a share of the bytes.
const WHOLE: (f64, f64) = (0.1, 0.03);
/// The most that a single segment may be worse, decibels.
const SEGMENT: f64 = 1.0;
/// The most that the first frames of a chunk may be worse, decibels, and how many those are: an encoder that has
/// just begun has no quantisers to go on from.
const AFTER_JOIN: (f64, usize) = (1.5, 12);
/// Decibels of a whole rendition end here, an SSIM of 0.999: above that it is a matter of single pixels.
const SAME: f64 = 30.0;
/// In parts of a video, decibels end here: above an SSIM of 0.99 nobody sees a difference, and where a source was
/// quantised just as it is again, a quantiser one lower is worth ten decibels.
const ALIKE: f64 = 20.0;
/// Bytes that are no difference: what encoders tell of themselves.
const BANNER: usize = 1024;

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let compared = ALWAYS.contains(&evidence.row.name) || Figures::folder().is_some();
    // One run has no copies of frames.
    let copies = evidence.row.ahead + evidence.row.held > 0;
    if !evidence.same_encoder || !compared || copies || evidence.row.name == APART {
        return Ok(());
    }
    let published = evidence.published.video();
    let Some(first) = published.first() else { return Ok(()) };
    let segments = segment_starts(first);
    let keyframes = &segments[..segments.len() - 1];
    let sets = evidence.plan.encodes();
    for chunk in sets.iter().filter_map(|chunks| chunks.first()) {
        for (name, file) in chunk.encode_unchunked(keyframes, &evidence.folder)? {
            let media = published.iter().find(|media| media.name == name).with_context(|| name.clone())?;
            compare(evidence, media, &file, &segments).with_context(|| name.clone())?;
        }
    }
    Ok(())
}

/// First frames of the segments, and the number of all frames.
fn segment_starts(media: &Media) -> Vec<usize> {
    let before = |n: usize| media.track.samples.iter().filter(|sample| sample.segment < n).count();
    (0..=media.segments.len()).map(before).collect()
}

/// Sizes and likeness of each frame. Sizes are in decoding order: none leaves its segment by that.
struct Frames {
    bytes: Vec<usize>,
    likeness: Vec<f64>,
}

impl Frames {
    fn of(evidence: &Evidence<'_>, file: &Path, track: &boxes::Track, name: &str) -> Result<Self> {
        let (_, width, height) = evidence.row.pictures.iter().find(|p| p.0 == name).context("not in the row")?;
        let likeness = likeness(evidence, file, name, (*width, *height))?;
        Ok(Frames { bytes: track.samples.iter().map(|sample| sample.bytes.len()).collect(), likeness })
    }

    /// Average SSIM of some frames in decibels.
    fn decibels(&self, frames: std::ops::Range<usize>) -> f64 {
        let frames = &self.likeness[frames.start..frames.end.min(self.likeness.len())];
        let average = frames.iter().sum::<f64>() / frames.len() as f64;
        // ffmpeg writes six decimals.
        -10.0 * (1.0 - average).max(1e-6).log10()
    }
}

fn compare(evidence: &Evidence<'_>, media: &Media, whole: &Path, segments: &[usize]) -> Result<()> {
    let file = evidence.folder.join("joined.mp4");
    fs::write(&file, &media.bytes)?;
    let ours = Frames::of(evidence, &file, &media.track, &media.name)?;
    let tracks = boxes::read(&fs::read(whole)?)?;
    let theirs = Frames::of(evidence, whole, tracks.values().next().context("no track")?, &media.name)?;
    let frames = 0..ours.likeness.len();
    let all = theirs.decibels(frames.clone()) - ours.decibels(frames.clone());
    let worse = |frames: std::ops::Range<usize>, most: f64| {
        theirs.decibels(frames.clone()).min(most) - ours.decibels(frames).min(most)
    };
    let segment = segments.windows(2).map(|w| worse(w[0]..w[1], ALIKE)).fold(f64::MIN, f64::max);
    let joins = joins(evidence, segments);
    let after = joins.iter().map(|first| worse(*first..first + AFTER_JOIN.1, ALIKE)).reduce(f64::max);
    let [our_bytes, their_bytes] = [&ours, &theirs].map(|frames| frames.bytes.iter().sum::<usize>());
    let bytes = our_bytes as f64 / their_bytes as f64 - 1.0;
    let same_bytes = bytes.abs() <= WHOLE.1 || our_bytes.abs_diff(their_bytes) <= BANNER;
    for (name, figure) in [("decibels", -all), ("segment", -segment), ("bytes", bytes * 100.0)] {
        evidence.figures.of(&media.name, name, figure);
    }
    if let Some(after) = after {
        evidence.figures.of(&media.name, "after_join", -after);
    }
    let after = after.unwrap_or(0.0);
    ensure!(
        worse(frames, SAME).abs() <= WHOLE.0 && same_bytes && segment <= SEGMENT && after <= AFTER_JOIN.0,
        "against one encode of all: {:+.3} dB SSIM, {:+.2} % bytes, the worst segment {:+.3} dB, after joins {:+.3} dB",
        -all,
        bytes * 100.0,
        -segment,
        -after
    );
    Ok(())
}

/// First frames of all chunks but the first.
fn joins(evidence: &Evidence<'_>, segments: &[usize]) -> BTreeSet<usize> {
    let chunks = evidence.plan.json["chunks"].as_array().into_iter().flatten();
    let firsts = chunks.filter_map(|chunk| chunk["firstSegment"].as_u64()?.checked_sub(1));
    firsts.filter_map(|segment| segments.get(segment as usize).copied()).filter(|first| *first > 0).collect()
}
