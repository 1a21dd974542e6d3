//! GStreamer plays: the HLS playlist and the DASH manifest over HTTP, and every MP4. It has to warn of nothing, and
//! every picture has to be due at its time.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e_media::boxes::{self, Track};
use serde::Deserialize;

use super::name;
use crate::{outputs::Output, toolbox};

/// Debian's own Python, which has GStreamer's bindings.
const PYTHON: &str = "/usr/bin/python3";

/// How far a picture may be from its time, seconds: ticks are rounded on both sides.
const ROUNDING: f64 = 1e-4;

/// What the script says of an address.
#[derive(Debug, Deserialize)]
struct Report {
    findings: Vec<String>,
    pictures: Vec<Option<f64>>,
    sounds: Vec<Option<f64>>,
}

/// Its version is that of the distribution.
pub fn version() -> Result<String> {
    Ok(toolbox::ask(Path::new("gst-inspect-1.0"), &["--version"], &[], Path::new("."))?.stdout)
}

/// Asks it.
pub fn read(output: &Output) -> Result<Vec<String>> {
    let there = |list: &&str| output.published.folder.join(list).is_file();
    let lists = ["master.m3u8", "manifest.mpd"].into_iter().filter(there);
    let lists = lists.map(|list| (PathBuf::from(list), format!("{}/{list}", output.web.url)));
    let files = output.published.paths("mp4").into_iter().map(|file| {
        let address = format!("file://{}", file.display());
        (file, address)
    });
    let asked: Vec<(PathBuf, String)> = lists.chain(files).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/gstreamer.py").display().to_string();
    let words: Vec<&str> =
        std::iter::once(script.as_str()).chain(asked.iter().map(|(_, address)| address.as_str())).collect();
    let said = toolbox::ask(Path::new(PYTHON), &words, &[], output.scratch()?.path())?;
    ensure!(said.success, "gstreamer.py: {}", said.stderr);
    let mut findings = vec![];
    for (line, (file, _)) in said.stdout.lines().zip(&asked) {
        let report: Report = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let wrong = [report.findings.clone(), judged(output, file, &report)?].concat();
        findings.extend(wrong.into_iter().map(|finding| format!("{}: {finding}", name(file))));
    }
    Ok(findings)
}

/// What is missing, comes twice, or is due at another time than the boxes say.
fn judged(output: &Output, file: &Path, report: &Report) -> Result<Vec<String>> {
    let mut wrong = vec![];
    if report.sounds.is_empty() && !output.published.audio().is_empty() {
        wrong.push("it plays no sound".to_owned());
    }
    let mp4 = file.extension().is_some_and(|extension| extension == "mp4");
    let video = if mp4 {
        boxes::read(&std::fs::read(file)?)?.into_values().find(Track::is_video)
    } else {
        output.published.video().first().map(|media| media.track.clone())
    };
    let Some(video) = video else { return Ok(wrong) };
    let due: Vec<f64> = video.presented().iter().map(|tick| *tick as f64 / video.timescale as f64).collect();
    if report.pictures.len() != due.len() {
        wrong.push(format!("it shows {} pictures of {}", report.pictures.len(), due.len()));
        return Ok(wrong);
    }
    // HLS counts from what comes first.
    let hls = file.extension().is_some_and(|extension| extension == "m3u8");
    let shift = match (report.pictures.first(), due.first()) {
        (Some(Some(shown)), Some(due)) if hls => due - shown,
        _ => 0.0,
    };
    let late = |(_, (shown, due)): &(usize, (&Option<f64>, &f64))| {
        shown.is_none_or(|shown| (shown + shift - **due).abs() > ROUNDING)
    };
    if let Some((n, (shown, due))) = report.pictures.iter().zip(&due).enumerate().find(late) {
        wrong.push(format!("picture {n} is due at {due:.3} s, and it shows it at {:.3} s", shown.unwrap_or(f64::NAN)));
    }
    Ok(wrong)
}
