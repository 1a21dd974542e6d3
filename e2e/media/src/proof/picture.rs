//! The pictures are the source's: of the right size and shape, upright, and alike frame by frame.

use std::path::Path;

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
        shape(evidence, &file, name, (*width, *height)).with_context(|| (*name).to_owned())?;
        let all = likeness(evidence, &file, name, (*width, *height))?;
        let average = all.iter().sum::<f64>() / all.len() as f64;
        let (worst, least) = all.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).context("no frame")?;
        evidence.figures.of(name, "ssim", average);
        evidence.figures.of(name, "least_ssim", least);
        ensure!(
            average >= LEAST.1 && least >= LEAST.0,
            "{name}: SSIM {average:.4} on average, {least:.4} in frame {worst}"
        );
    }
    Ok(())
}

/// SSIM over all planes of each frame, against the source's.
pub(super) fn likeness(
    evidence: &Evidence<'_>,
    file: &Path,
    name: &str,
    (width, height): (u32, u32),
) -> Result<Vec<f64>> {
    let range = evidence.row.ranges.iter().find(|(range, _)| *range == name);
    let mapped = source_is_hdr(evidence)? && range.is_none();
    let shown = evidence.row.shown;
    let tones = if mapped { TONE_MAP } else { "null" };
    // ffmpeg turns the source upright by itself: no filter of the product is used here. First to one form,
    // because comparing starts anew where a source changes its own.
    let plain = evidence.folder.join("plain.mkv");
    let form = format!("{shown},scale={width}:{height}:flags=bicubic,{tones},setsar=1,format=yuv420p");
    let words = format!(
        "-v error -copyts -i {{source}} -map 0:{} -vf {form} -fps_mode passthrough -c:v ffv1 -threads 1 {{plain}}",
        evidence.plan.json["media"]["info"]["video"]["index"]
    );
    tool::ffmpeg(&words, &[("source", &evidence.source), ("plain", &plain)], &evidence.folder)?;
    let (ahead, held) = (evidence.row.ahead, evidence.row.held);
    let numbered = "setsar=1,settb=1/1000000,setpts=N";
    let graph = format!(
        "[0:v]format=yuv420p,{numbered}[a];[1:v]tpad=start={ahead}:start_mode=clone:stop={held}:stop_mode=clone,{numbered}[b];[a][b]ssim=stats_file=-"
    );
    // What one encode of a turned source leaves may say that it is turned still; `shape` looks at what is published.
    let words = format!(
        "-v error -noautorotate -i {{in}} -i {{plain}} -filter_complex {graph} -fps_mode passthrough -f null -"
    );
    let ran = tool::ffmpeg(&words, &[("in", file), ("plain", &plain)], &evidence.folder)?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let all: Vec<f64> =
        text.lines().filter_map(|l| l.split_once("All:")?.1.split_whitespace().next()?.parse().ok()).collect();
    ensure!(all.len() == evidence.row.shown_frames(), "{name}: {} frames compared", all.len());
    Ok(all)
}

/// A high dynamic range in BT.709 by Hable's curve up to 1000 cd/m2.
const TONE_MAP: &str = "format=yuv420p10le,zscale=t=linear:npl=100:agamma=0,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0:peak=10,zscale=t=bt709:m=bt709:r=tv:agamma=0";

fn source_is_hdr(evidence: &Evidence<'_>) -> Result<bool> {
    let colour = look(&evidence.source, &evidence.folder)?.colour;
    Ok(["smpte2084", "arib-std-b67"].contains(&colour[1].as_str()))
}

/// What a reader says of a picture.
struct Look {
    size: (f64, f64),
    /// Display aspect ratio, upright.
    aspect: f64,
    /// Primaries, transfer, matrix, range.
    colour: Vec<String>,
}

impl Look {
    /// The colours as they are shown. What a source leaves out goes with its matrix, and without one by its size: BT.709
    /// above a standard definition of 576 lines, else BT.601. A high dynamic range or another matrix is left as it is.
    fn meant(self) -> Vec<String> {
        let (width, height) = self.size;
        let high = |name: &String| ["bt2020", "smpte2084", "arib"].iter().any(|high| name.starts_with(high));
        let names = match self.colour[2].as_str() {
            _ if self.colour.iter().any(high) => return self.colour,
            "bt709" => ["bt709"; 3],
            "smpte170m" => ["smpte170m"; 3],
            "bt470bg" => ["bt470bg", "smpte170m", "bt470bg"],
            "unknown" if width >= 1280.0 || height > 576.0 => ["bt709"; 3],
            "unknown" if [288.0, 576.0].contains(&height) => ["bt470bg", "smpte170m", "bt470bg"],
            "unknown" => ["smpte170m"; 3],
            _ => return self.colour,
        };
        let told = |(name, meant): (&String, &str)| if name == "unknown" { meant.to_owned() } else { name.clone() };
        let named: Vec<String> = self.colour.iter().zip(names).map(told).collect();
        [named, self.colour[3..].to_vec()].concat()
    }
}

fn look(path: &Path, folder: &Path) -> Result<Look> {
    let words = "-select_streams v:0 -show_entries stream=width,height,sample_aspect_ratio,color_primaries,color_transfer,color_space,color_range:stream_side_data=rotation -of json -i {in}";
    let answer: Value = serde_json::from_str(&tool::ffprobe(words, &[("in", path)], folder)?)?;
    let stream = &answer["streams"][0];
    let (w, h) = (stream["width"].as_f64().context("no width")?, stream["height"].as_f64().context("no height")?);
    let sar = stream["sample_aspect_ratio"].as_str().and_then(|s| s.split_once(':'));
    let sar = sar
        .and_then(|(n, d)| Some(n.parse::<f64>().ok()? / d.parse::<f64>().ok()?))
        .filter(|s| s.is_finite() && *s > 0.0);
    let sides = stream["side_data_list"].as_array().into_iter().flatten();
    let turned = sides.filter_map(|s| s["rotation"].as_f64()).any(|r| r.abs() as i64 % 180 == 90);
    let aspect = w * sar.unwrap_or(1.0) / h;
    let colour = ["color_primaries", "color_transfer", "color_space"]
        .map(|name| stream[name].as_str().unwrap_or("unknown").to_owned());
    // Limited range is what is meant when nothing is said.
    let range = stream["color_range"].as_str().filter(|r| *r != "unknown").unwrap_or("tv").to_owned();
    Ok(Look {
        size: (w, h),
        aspect: if turned { 1.0 / aspect } else { aspect },
        colour: [colour.to_vec(), vec![range]].concat(),
    })
}

/// Size as the row says; display aspect ratio and colours as the source has them.
fn shape(evidence: &Evidence<'_>, file: &Path, name: &str, (width, height): (u32, u32)) -> Result<()> {
    let (found, source) = (look(file, &evidence.folder)?, look(&evidence.source, &evidence.folder)?);
    ensure!(found.size == (f64::from(width), f64::from(height)), "{:?}, expected {width}x{height}", found.size);
    ensure!(
        evidence.row.shown.contains("crop") || (found.aspect / source.aspect - 1.0).abs() < 1e-4,
        "display aspect ratio {:.5}, the source has {:.5}",
        found.aspect,
        source.aspect
    );
    let kept = evidence.row.ranges.iter().any(|(range, _)| *range == name);
    let colour = match source_is_hdr(evidence)? && !kept {
        true => ["bt709", "bt709", "bt709", "tv"].map(str::to_owned).to_vec(),
        false => source.meant(),
    };
    ensure!(found.colour == colour, "colours {:?}, expected {colour:?}", found.colour);
    Ok(())
}
