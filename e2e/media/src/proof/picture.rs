//! The pictures are the source's: of the right size and shape, upright, and alike frame by frame.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Evidence;
use crate::tool;

/// The least likeness (SSIM) of a single frame and of all on average: a wrong or a misplaced frame
/// of these sources is far below.
const LEAST: (f64, f64) = (0.75, 0.9);

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    for (media, (name, width, height)) in evidence.published.video().into_iter().zip(evidence.row.pictures) {
        let file = evidence.folder.join("joined.mp4");
        std::fs::write(&file, &media.bytes)?;
        shape(evidence, &file, (*width, *height)).with_context(|| (*name).to_owned())?;
        // ffmpeg turns the source upright by itself: no filter of the product is used here.
        let graph = format!(
            "[0:v]settb=1/1000000,setpts=N,format=yuv420p[a];[1:v]scale={width}:{height}:flags=bicubic,setsar=1,settb=1/1000000,setpts=N,format=yuv420p[b];[a]setsar=1[c];[c][b]ssim=stats_file=-"
        );
        let words =
            format!("-v error -i {{in}} -copyts -i {{source}} -filter_complex {graph} -fps_mode passthrough -f null -");
        let ran = tool::ffmpeg(&words, &[("in", &file), ("source", &evidence.source)], &evidence.folder)?;
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        let all: Vec<f64> =
            text.lines().filter_map(|l| l.split_once("All:")?.1.split_whitespace().next()?.parse().ok()).collect();
        ensure!(all.len() == evidence.row.frames, "{name}: {} frames compared", all.len());
        let average = all.iter().sum::<f64>() / all.len() as f64;
        let (worst, least) = all.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).context("no frame")?;
        ensure!(
            average >= LEAST.1 && least >= LEAST.0,
            "{name}: SSIM {average:.4} on average, {least:.4} in frame {worst}"
        );
    }
    Ok(())
}

/// Size as the row says; display aspect ratio as the source has it, turned when it is turned.
fn shape(evidence: &Evidence<'_>, file: &std::path::Path, (width, height): (u32, u32)) -> Result<()> {
    let look = |path: &std::path::Path| -> Result<(f64, f64, f64)> {
        let words = "-select_streams v:0 -show_entries stream=width,height,sample_aspect_ratio:stream_side_data=rotation -of json -i {in}";
        let answer: Value = serde_json::from_str(&tool::ffprobe(words, &[("in", path)], &evidence.folder)?)?;
        let stream = &answer["streams"][0];
        let (w, h) = (stream["width"].as_f64().context("no width")?, stream["height"].as_f64().context("no height")?);
        let sar = stream["sample_aspect_ratio"].as_str().and_then(|s| s.split_once(':'));
        let sar = sar
            .and_then(|(n, d)| Some(n.parse::<f64>().ok()? / d.parse::<f64>().ok()?))
            .filter(|s| s.is_finite() && *s > 0.0)
            .unwrap_or(1.0);
        let turned = stream["side_data_list"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|s| s["rotation"].as_f64().is_some_and(|r| r.abs() as i64 % 180 == 90));
        let aspect = w * sar / h;
        Ok((w, h, if turned { 1.0 / aspect } else { aspect }))
    };
    let (w, h, aspect) = look(file)?;
    ensure!((w, h) == (f64::from(width), f64::from(height)), "{w}x{h}, expected {width}x{height}");
    let (_, _, of_source) = look(&evidence.source)?;
    ensure!((aspect / of_source - 1.0).abs() < 1e-4, "display aspect ratio {aspect:.5}, the source has {of_source:.5}");
    Ok(())
}
