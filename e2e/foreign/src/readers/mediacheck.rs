//! Readers in Go, by `e2e/tools/mediacheck`: mp4ff, hls-m3u8, dash-mpd.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{name, node::playlists};
use crate::{outputs::Output, toolbox};

#[derive(Debug, Deserialize)]
struct Report {
    file: PathBuf,
    findings: Vec<String>,
    #[serde(default)]
    samples: usize,
}

/// Every box is known, and written again it has the same bytes.
pub fn mp4(output: &Output) -> Result<Vec<String>> {
    let mut findings = vec![];
    for report in run("mp4", &output.files(), output)? {
        findings.extend(of(&report));
        let expected: usize =
            e2e_media::boxes::read(&std::fs::read(&report.file)?)?.values().map(|track| track.samples.len()).sum();
        if report.samples != expected {
            findings.push(format!("{}: it counts {} samples of {expected}", name(&report.file), report.samples));
        }
    }
    Ok(findings)
}

/// Its strict parser accepts every playlist.
pub fn hls(output: &Output) -> Result<Vec<String>> {
    Ok(run("hls", &playlists(output), output)?.iter().flat_map(of).collect())
}

/// Every element and attribute of the manifest is in the schema's types, in their order.
pub fn mpd(output: &Output) -> Result<Vec<String>> {
    Ok(run("mpd", &output.published.paths("dash"), output)?.iter().flat_map(of).collect())
}

fn of(report: &Report) -> Vec<String> {
    report.findings.iter().map(|finding| format!("{}: {finding}", name(&report.file))).collect()
}

fn run(kind: &str, files: &[PathBuf], output: &Output) -> Result<Vec<Report>> {
    if files.is_empty() {
        return Ok(vec![]);
    }
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let words: Vec<&str> = std::iter::once(kind).chain(files.iter().map(String::as_str)).collect();
    let said = toolbox::ask(toolbox::mediacheck()?, &words, &[], output.scratch()?.path())?;
    ensure!(said.success, "mediacheck: {}", said.stderr);
    said.stdout.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}
