//! What `plan` prints: commands that a person can paste, graphs that tools can draw.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result};
use e2e_media::{published::Published, row::Row, tool};
use serde_json::Value;

use crate::{CHUNKS, FILM, OPTIONS, folder, job};

#[test]
fn every_command_can_be_pasted() -> Result<()> {
    let folder = folder()?;
    let job = job(&folder, &OPTIONS.replace("{video:", "{thumbnail: {at: 10%}, video:"))?;
    let plan: Value = serde_json::from_str(&job.plan("json")?)?;
    let commands = plan["commands"].as_object().context("no commands")?;
    assert!(commands.len() as u64 >= 2 * CHUNKS + 3, "{:?}", commands.keys().collect::<Vec<_>>());
    let shop = folder.path().join("pasted");
    fs::create_dir_all(&shop)?;
    for (name, line) in commands {
        let line = line.as_str().context("not a text")?;
        tool::run("bash", ["-c", line], &shop).with_context(|| name.clone())?;
    }
    let made = fs::read_dir(&shop)?.count() as u64;
    assert!(made > 2 * CHUNKS, "{made} files");
    assert!(!job.out().exists(), "plan writes nothing to the output");
    let text = job.plan("text")?;
    for line in commands.values().filter_map(Value::as_str) {
        assert!(text.contains(line), "the text lacks {line}");
    }
    Ok(())
}

#[test]
fn graphs_can_be_drawn() -> Result<()> {
    let folder = folder()?;
    let job = job(&folder, OPTIONS)?;
    let plan: Value = serde_json::from_str(&job.plan("json")?)?;
    let stages: BTreeSet<String> = plan["plan"]["stages"].as_object().context("no stages")?.keys().cloned().collect();

    let dot = job.plan("dot")?;
    let body = dot.trim().strip_prefix("digraph job {").and_then(|d| d.strip_suffix('}')).context(dot.clone())?;
    let (mut nodes, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for line in body.lines().map(str::trim).filter(|l| l.starts_with('"')) {
        let names: Vec<String> = line.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        if line.contains(" -> ") {
            ends.extend(names)
        } else {
            nodes.insert(names[0].clone());
        }
        assert!(line.ends_with(';'), "{line}");
    }
    assert_eq!(nodes, stages);
    assert!(ends.is_subset(&nodes), "{ends:?}");

    let mermaid = job.plan("mermaid")?;
    let mut lines = mermaid.lines();
    assert!(lines.next().is_some_and(|l| l.starts_with("flowchart ")));
    let (mut nodes, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for line in lines.map(str::trim) {
        match line.split_once(" --> ") {
            Some((from, to)) => ends.extend([from.to_owned(), to.to_owned()]),
            None => drop(nodes.insert(line.split_once("[\"").context(line.to_owned())?.0.to_owned())),
        }
    }
    assert_eq!(nodes, stages);
    assert!(ends.is_subset(&nodes), "{ends:?}");
    Ok(())
}

#[test]
fn both_ways_of_fanning_out_make_the_same_bytes() -> Result<()> {
    let rows: [Row; 1] = [FILM];
    for row in rows {
        let (one, two) = (folder()?, folder()?);
        let source = e2e_media::recipe::source(&row)?;
        let run = |folder: &tempfile::TempDir, options: &str, workers: &str| -> Result<Published> {
            let job = e2e_media::product::Job::of_file(folder.path(), &source, "[hls, mp4]", options)?;
            job.succeed(&["--workers", workers])?;
            Published::read(&job.out())
        };
        let apart = run(&one, OPTIONS, "2")?;
        let together = run(&two, &OPTIONS.replace("ChunkRendition", "Chunk"), "1")?;
        assert_eq!(apart.tracks.len(), together.tracks.len());
        for (a, b) in apart.tracks.iter().zip(&together.tracks) {
            assert!(a.name == b.name && a.bytes == b.bytes && a.sizes == b.sizes, "{} differs", a.name);
        }
        for (a, b) in apart.paths("mp4").iter().zip(together.paths("mp4")) {
            assert!(fs::read(a)? == fs::read(&b)?, "{} differs", b.display());
        }
    }
    Ok(())
}
