//! Segments: a random access point at equal times in all renditions, one init segment, and no
//! decode error over any join.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Evidence;
use crate::{bitstream, listing, published::Media};

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let video = evidence.published.video();
    for media in &video {
        each_stands_alone(evidence, media).with_context(|| media.name.clone())?;
        all_together(evidence, media).with_context(|| media.name.clone())?;
    }
    for media in &video {
        let same = media.bounds() == video[0].bounds() && media.track.timescale == video[0].track.timescale;
        ensure!(same, "segments of {} begin at other times than those of {}", media.name, video[0].name);
    }
    for media in evidence.published.audio() {
        let file = evidence.folder.join("joined.mp4");
        fs::write(&file, &media.bytes)?;
        listing::decode(&file, "a:0", &evidence.folder).with_context(|| media.name.clone())?;
    }
    for path in evidence.published.paths("mp4").iter().filter(|_| !video.is_empty()) {
        let frames = listing::decode(path, "v:0", &evidence.folder)?.frames.len();
        ensure!(frames == evidence.row.shown_frames(), "{} decodes to {frames} frames", path.display());
    }
    one_init(&evidence.published.folder.join("_work"))
}

/// Every segment begins with a random access point. Behind its init segment it decodes to all of its
/// frames by itself: all segments of the smallest rendition, of the others those at joins of chunks.
fn each_stands_alone(evidence: &Evidence<'_>, media: &Media) -> Result<()> {
    let file = evidence.folder.join("alone.mp4");
    let chunks = evidence.plan.json["chunks"].as_array().into_iter().flatten();
    let joins: BTreeSet<usize> = chunks.filter_map(|c| Some(c["firstSegment"].as_u64()? as usize - 1)).collect();
    let smallest = evidence.published.video().last().is_some_and(|last| last.name == media.name);
    evidence.figures.add("access_points", media.segments.len());
    for n in 0..media.segments.len() {
        let samples: Vec<_> = media.track.samples.iter().filter(|s| s.segment == n).collect();
        let first = samples.first().with_context(|| format!("segment {n} is empty"))?;
        ensure!(
            first.sync && bitstream::begins(media, &media.bytes[first.bytes.clone()])?,
            "segment {n} does not begin with a random access point"
        );
        ensure!(
            samples.iter().all(|s| s.composition >= first.composition),
            "segment {n} shows a frame before its first one"
        );
        if smallest || joins.contains(&n) {
            fs::write(&file, [media.init(), media.segment(n)].concat())?;
            let frames =
                listing::decode(&file, "v:0", &evidence.folder).with_context(|| format!("segment {n}"))?.frames.len();
            ensure!(frames == samples.len(), "segment {n} decodes to {frames} frames of {}", samples.len());
        }
    }
    Ok(())
}

fn all_together(evidence: &Evidence<'_>, media: &Media) -> Result<()> {
    let file = evidence.folder.join("joined.mp4");
    fs::write(&file, &media.bytes)?;
    let times = listing::decode(&file, "v:0", &evidence.folder)?.times();
    let expected = evidence.row.shown_frames();
    ensure!(times.len() == expected, "{} frames decode, expected {expected}", times.len());
    ensure!(times.windows(2).all(|w| w[0] < w[1]), "times of decoded frames don't rise");
    Ok(())
}

/// Every result of a chunk names the same init segment.
fn one_init(work: &Path) -> Result<()> {
    let mut inits: BTreeSet<(String, String)> = BTreeSet::new();
    for key in fs::read_dir(work)? {
        let Ok(results) = fs::read_dir(key?.path().join("results/encode")) else { continue };
        for result in results {
            let result: Value = serde_json::from_slice(&fs::read(result?.path())?)?;
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            inits.insert((text(&result["track"]["name"]), text(&result["track"]["init"]["sha256"])));
        }
    }
    let names: BTreeSet<_> = inits.iter().map(|(name, _)| name).collect();
    ensure!(names.len() == inits.len(), "several init segments: {inits:?}");
    Ok(())
}
