//! Sound and picture stay together, as readers of others see it: the HLS, DASH and MP4 readers of
//! libavformat.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Evidence;
use crate::{
    signal::{Sound, flashes},
    tool,
};

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let published = &evidence.published;
    let (video, audio) = (published.video(), published.audio());
    let (Some(video), Some(audio)) = (video.first(), audio.first()) else { return Ok(()) };
    let start = |t: &crate::boxes::Track| t.presented().first().map(|ticks| (*ticks).max(0) as f64 / t.timescale as f64);
    let (picture, sound) = (start(&video.track).context("no frame")?, start(&audio.track).context("no sound")?);
    let frame = frame_seconds(evidence);
    for path in readers(evidence) {
        let what = path.display();
        let seen = first(&path, "v:0", &evidence.folder)? - first(&path, "a:0", &evidence.folder)?;
        let off = seen - (picture - sound);
        ensure!(off.abs() <= frame, "{what}: pictures begin {seen:.4} s after the sound, the boxes say {:.4}", picture - sound);
        if evidence.row.flashes {
            flashes_with_beeps(evidence, &path, frame).with_context(|| what.to_string())?;
        }
    }
    Ok(())
}

/// Every way in which a player can open the output.
pub fn readers(evidence: &Evidence<'_>) -> Vec<PathBuf> {
    let folder = &evidence.published.folder;
    let tops = ["master.m3u8", "manifest.mpd"].into_iter().map(|name| folder.join(name)).filter(|p| p.is_file());
    tops.chain(evidence.published.paths("mp4")).collect()
}

fn frame_seconds(evidence: &Evidence<'_>) -> f64 {
    let text = evidence.plan.json["media"]["video"]["frameRate"].to_string();
    let numbers: Vec<f64> = text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    match numbers.as_slice() {
        [n, d] => d / n,
        [n] => 1.0 / n,
        _ => 0.04,
    }
}

fn first(path: &Path, stream: &str, folder: &Path) -> Result<f64> {
    let words = format!("-select_streams {stream} -read_intervals %+#4 -show_entries frame=pts_time -of csv=p=0 -i {{in}}");
    let answer = tool::ffprobe(&words, &[("in", path)], folder).with_context(|| path.display().to_string())?;
    let times = answer.lines().filter_map(|l| l.trim_end_matches(',').parse::<f64>().ok());
    times.min_by(f64::total_cmp).with_context(|| format!("{} shows no frame of {stream}", path.display()))
}

/// Each beep starts with its flash, as far apart as in the source up to a frame.
fn flashes_with_beeps(evidence: &Evidence<'_>, path: &Path, frame: f64) -> Result<()> {
    let apart = |path: &Path| -> Result<Vec<f64>> {
        let (flashes, beeps) = (flashes(path, &evidence.folder)?, Sound::of(path, "a:0", None, &evidence.folder)?.beeps());
        let nearest = |flash: f64| beeps.iter().map(|beep| beep - flash).min_by(|a, b| a.abs().total_cmp(&b.abs()));
        Ok(flashes.into_iter().filter_map(nearest).collect())
    };
    let (of_source, seen) = (apart(&evidence.source)?, apart(path)?);
    ensure!(seen.len() == of_source.len() && seen.len() > 5, "{} flashes with beeps, the source has {}", seen.len(), of_source.len());
    let worst = seen.iter().zip(&of_source).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    ensure!(worst <= frame, "a beep is {worst:.4} s away from its flash");
    Ok(())
}
