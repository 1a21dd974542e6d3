//! Readers from npm: mp4box.js, hls-parser, and video.js's parser of playlists. Each has a script in this folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{differences, name};
use crate::{claims::Facts, outputs::Output, toolbox};

/// What a script says of a file, in a line.
#[derive(Debug, Deserialize)]
struct Report {
    file: PathBuf,
    findings: Vec<String>,
    #[serde(default)]
    tracks: Vec<Track>,
}

/// A track as mp4box.js sees it.
#[derive(Debug, Deserialize)]
struct Track {
    codec: String,
    samples: usize,
    language: String,
    width: Option<u32>,
    height: Option<u32>,
    sampling: Option<u32>,
}

/// Reads every box of every file.
pub fn mp4box(output: &Output) -> Result<Vec<String>> {
    let mut findings = vec![];
    for report in run("mp4.mjs", &output.files(), output)? {
        findings.extend(of(&report));
        if let [track] = report.tracks.as_slice() {
            findings.extend(differences(output, &report.file, &facts(track)));
        }
        for video in report.tracks.iter().filter(|track| track.width.is_some()) {
            let frames = output.kind.row.frames;
            if video.samples != frames {
                findings.push(format!("{}: it counts {} samples of {frames}", name(&report.file), video.samples));
            }
        }
    }
    Ok(findings)
}

/// Parses every playlist in strict mode.
pub fn hls_parser(output: &Output) -> Result<Vec<String>> {
    Ok(run("hls-parser.mjs", &playlists(output), output)?.iter().flat_map(of).collect())
}

/// Parses every playlist; warnings are findings.
pub fn video_js(output: &Output) -> Result<Vec<String>> {
    Ok(run("video.js.mjs", &playlists(output), output)?.iter().flat_map(of).collect())
}

fn of(report: &Report) -> Vec<String> {
    report.findings.iter().map(|finding| format!("{}: {finding}", name(&report.file))).collect()
}

fn facts(track: &Track) -> Facts {
    let text = |number: Option<u32>| number.map(|number| number.to_string());
    let known = [
        ("codec", Some(track.codec.clone())),
        ("language", Some(short(&track.language))),
        ("width", text(track.width)),
        ("height", text(track.height)),
        ("sampling rate", text(track.sampling)),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A language of `mdhd` (ISO 639-2) as the manifest has it (RFC 5646 2.2.1: the shortest code), of those in use here.
fn short(language: &str) -> String {
    match language {
        "eng" => "en".into(),
        "fra" => "fr".into(),
        other => other.into(),
    }
}

/// Playlists of all kinds.
pub fn playlists(output: &Output) -> Vec<PathBuf> {
    output.published.paths("hls")
}

fn run(script: &str, files: &[PathBuf], output: &Output) -> Result<Vec<Report>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers").join(script);
    let modules = toolbox::packages()?.join("node_modules").display().to_string();
    let words: Vec<String> = std::iter::once(&script).chain(files).map(|path| path.display().to_string()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = toolbox::ask(Path::new("node"), &words, &[("MODULES", &modules)], output.scratch()?.path())?;
    ensure!(said.success, "{}: {}", script.display(), said.stderr);
    said.stdout.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}
