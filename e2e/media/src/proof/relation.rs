//! Sound and picture stay together, as readers of others see it: the HLS, DASH and MP4 readers of
//! libavformat.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{Evidence, timing::seconds};
use crate::{
    signal::{Sound, flashes},
    tool,
};

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let listed = evidence.listed_audio();
    let (Some((audio, _)), Some(reference)) = (listed.first().copied(), evidence.reference.first()) else {
        return Ok(());
    };
    let origin = seconds(&evidence.plan.json["media"]["origin"])?;
    let picture = reference.frames.seconds(reference.frames.frames.first().context("no frame")?) - origin;
    let rate = audio.track.timescale;
    let mut sound = Sound::of(&evidence.source, "a:0", Some(rate), &evidence.folder)?;
    sound.start -= (origin * rate as f64).round() as i64;
    let frame = frame_seconds(evidence);
    for path in readers(evidence) {
        let what = path.display();
        let late = first_picture(&path, &evidence.folder)? - picture;
        for lag in sound.lags(&Sound::of(&path, "a:0", Some(rate), &evidence.folder)?) {
            let lag = lag.with_context(|| format!("{what}: the sound is not that of the source"))? as f64 / rate as f64;
            evidence.figures.greatest("apart", (late - lag).abs() * 1000.0);
            ensure!((late - lag).abs() <= frame, "{what}: pictures are {late:.4} s late, the sound {lag:.4} s");
        }
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

/// Seconds of the first picture.
fn first_picture(path: &Path, folder: &Path) -> Result<f64> {
    let words = "-select_streams v:0 -read_intervals %+#4 -show_entries frame=pts_time -of csv=p=0 -i {in}";
    let answer = tool::ffprobe(words, &[("in", path)], folder).with_context(|| path.display().to_string())?;
    let times = answer.lines().filter_map(|l| l.trim_end_matches(',').parse::<f64>().ok());
    times.min_by(f64::total_cmp).with_context(|| format!("{} shows no picture", path.display()))
}

/// Each beep starts with its flash, as far apart as in the source up to a frame.
fn flashes_with_beeps(evidence: &Evidence<'_>, path: &Path, frame: f64) -> Result<()> {
    let apart = |path: &Path| -> Result<Vec<f64>> {
        let (flashes, beeps) =
            (flashes(path, &evidence.folder)?, Sound::of(path, "a:0", None, &evidence.folder)?.beeps());
        let nearest = |flash: f64| beeps.iter().map(|beep| beep - flash).min_by(|a, b| a.abs().total_cmp(&b.abs()));
        Ok(flashes.into_iter().filter_map(nearest).collect())
    };
    let (of_source, seen) = (apart(&evidence.source)?, apart(path)?);
    ensure!(
        seen.len() == of_source.len() && seen.len() > 5,
        "{} flashes with beeps, the source has {}",
        seen.len(),
        of_source.len()
    );
    let worst = seen.iter().zip(&of_source).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    ensure!(worst <= frame, "a beep is {worst:.4} s away from its flash");
    Ok(())
}
