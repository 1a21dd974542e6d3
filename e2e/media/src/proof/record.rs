//! `job.json` names every file with its size and checksum, and nothing else is left; its warnings say what the row
//! wants to be said.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::Evidence;

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let published = &evidence.published;
    let mut named = BTreeSet::from(["job.json".to_owned()]);
    for file in published.record["files"].as_array().context("no files")? {
        let path = file["path"].as_str().context("a file without path")?;
        let content = fs::read(published.folder.join(path)).with_context(|| path.to_owned())?;
        ensure!(file["bytes"] == content.len(), "{path} has {} bytes, not {}", content.len(), file["bytes"]);
        let sum = hex::encode(Sha256::digest(&content));
        ensure!(file["sha256"] == sum.as_str(), "{path} has another checksum than its record");
        named.insert(path.to_owned());
    }
    let mut there = BTreeSet::new();
    walk(&published.folder, &published.folder, &mut there)?;
    // Merged files are staged beside the media and copied; work data was kept on purpose.
    let unnamed: Vec<_> =
        there.difference(&named).filter(|p| !p.starts_with("_work/") && !p.starts_with("outputs/")).collect();
    ensure!(unnamed.is_empty(), "not on the record: {unnamed:?}");
    let told = published.record["warnings"].as_array().into_iter().flatten();
    let told: Vec<&str> = told.filter_map(|warning| warning["message"].as_str()).collect();
    for words in evidence.row.warnings {
        ensure!(told.iter().any(|message| message.contains(words)), "no warning of `{words}` in {told:?}");
    }
    let expected: usize = evidence.row.pictures.len() + evidence.row.audio.len();
    ensure!(published.tracks.len() == expected, "{} tracks, expected {expected}", published.tracks.len());
    let warnings: Vec<&str> =
        published.record["warnings"].as_array().into_iter().flatten().filter_map(|w| w["message"].as_str()).collect();
    for words in evidence.row.warns {
        ensure!(warnings.iter().any(|warning| warning.contains(words)), "no warning says {words:?}: {warnings:?}");
    }
    Ok(())
}

fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, root, found)?;
        } else {
            found.insert(path.strip_prefix(root)?.display().to_string());
        }
    }
    Ok(())
}
