//! The thumbnail is the frame that was asked for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e_media::tool;

use crate::{OPTIONS, film, folder, job};

/// PSNR of a picture against a frame of the film, dB.
fn psnr(picture: &Path, frame: u32, folder: &Path) -> Result<f64> {
    let size = "scale=192:108:flags=bicubic,format=rgb24";
    let graph =
        format!("[0:v]{size},setpts=0[a];[1:v]select=eq(n\\,{frame}),{size},setpts=0[b];[a][b]psnr=stats_file=-");
    let words = format!("-v error -i {{picture}} -i {{film}} -filter_complex '{graph}' -frames:v 1 -f null -");
    let ran = tool::ffmpeg(&words, &[("picture", picture), ("film", &film()?)], folder)?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let value =
        text.split_once("psnr_avg:").and_then(|(_, rest)| rest.split_whitespace().next()).context(text.clone())?;
    if value == "inf" { Ok(100.0) } else { Ok(value.parse()?) }
}

/// Draws a thumbnail and gives its path.
fn drawn(folder: &tempfile::TempDir, thumbnail: &str) -> Result<PathBuf> {
    let options = OPTIONS.replace("{video:", &format!("{{thumbnail: {thumbnail}, video:"));
    job(folder, &options)?.succeed(&[])?;
    let mut found = std::fs::read_dir(folder.path().join("out/thumbnails"))?;
    Ok(found.next().context("no thumbnail")??.path())
}

#[test]
fn a_share_of_the_duration_in_every_format() -> Result<()> {
    let folder = folder()?;
    for (format, extension, least) in [("jpeg", "jpg", 28.0), ("png", "png", 40.0), ("webp", "webp", 26.0)] {
        let _ = std::fs::remove_dir_all(folder.path().join("out/thumbnails"));
        let picture = drawn(&folder, &format!("{{at: 10%, format: {format}}}"))?;
        ensure!(picture.extension().is_some_and(|e| e == extension), "{}", picture.display());
        // 10 % of 72 s at ten frames a second.
        let at = psnr(&picture, 72, folder.path())?;
        let beside = psnr(&picture, 71, folder.path())?.max(psnr(&picture, 73, folder.path())?);
        ensure!(at > least && at > beside + 1.0, "{format}: PSNR {at} dB, {beside} dB beside it");
    }
    Ok(())
}

#[test]
fn a_time_in_a_box() -> Result<()> {
    let folder = folder()?;
    let picture = drawn(&folder, "{at: 33.3s, format: png, box: {width: 100, height: 100}}")?;
    let size =
        tool::ffprobe("-show_entries stream=width,height -of csv=p=0 -i {in}", &[("in", &picture)], folder.path())?;
    ensure!(size.trim() == "100,56", "{size}");
    let (at, beside) = (psnr(&picture, 333, folder.path())?, psnr(&picture, 330, folder.path())?);
    ensure!(at > beside, "{at} dB, {beside} dB beside it");
    Ok(())
}

#[test]
fn the_most_representative_frame() -> Result<()> {
    let folder = folder()?;
    let picture = drawn(&folder, "{format: png}")?;
    let mut best = (0.0, 0);
    for second in 0..60 {
        let at = psnr(&picture, second * 10, folder.path())?;
        best = if at > best.0 { (at, second) } else { best };
    }
    ensure!(best.0 > 40.0, "no frame of the first minute: {best:?}");
    Ok(())
}
