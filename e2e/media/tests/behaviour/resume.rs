//! A run that was killed or interrupted goes on where it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use e2e_media::{product::Finished, published::Published, tree::Running};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{CHUNKS, OPTIONS, folder, job};

/// How long leftovers of a run may live: runners have ten seconds of grace.
const PATIENCE: Duration = Duration::from_secs(15);

/// Result objects of chunks, with the time at which they were written.
fn results(out: &Path) -> Result<BTreeMap<String, SystemTime>> {
    let mut found = BTreeMap::new();
    for key in fs::read_dir(out.join("_work"))? {
        let Ok(entries) = fs::read_dir(key?.path().join("results/encode")) else { continue };
        for entry in entries {
            let entry = entry?;
            let path = entry.path().display().to_string();
            if path.ends_with(".json") {
                found.insert(path, entry.metadata()?.modified()?);
            }
        }
    }
    Ok(found)
}

fn chunk_ended(event: &Value) -> bool {
    event["event"] == "taskEnded" && event["stage"].as_str().is_some_and(|s| s.starts_with("encode"))
}

/// Stops a run after its second chunk by `signal`, then runs the job to its end.
fn stopped_and_resumed(signal: Signal, code: Option<i32>) -> Result<()> {
    let folder = folder()?;
    let job = job(&folder, OPTIONS)?;
    let mut running = Running::start(&job, &["--workers", "2"])?;
    running.until(chunk_ended)?;
    running.until(chunk_ended)?;
    kill(Pid::from_raw(running.child.id().try_into()?), signal)?;
    assert_eq!(running.end(PATIENCE)?, code);
    assert!(
        fs::read_dir(job.folder.join("work/default/e2e/scratch"))?.next().is_none() || code.is_none(),
        "scratch is left over"
    );

    let before = results(&job.out())?;
    let all = 2 * CHUNKS;
    assert!(before.len() >= 2 && (before.len() as u64) < all, "{} results", before.len());
    assert!(!job.out().join("job.json").exists() && !job.out().join("master.m3u8").exists());

    let finished = job.succeed(&["--workers", "2"])?;
    assert_eq!(finished.reason(), "Published");
    assert_eq!(finished.started("encode").len() as u64, all - before.len() as u64);
    let after = results(&job.out())?;
    assert_eq!(after.len() as u64, all);
    for (path, time) in before {
        assert_eq!(after.get(&path), Some(&time), "{path} was written again");
    }
    let frames: Vec<_> = Published::read(&job.out())?.video().iter().map(|m| m.track.samples.len()).collect();
    assert_eq!(frames, [720, 720]);
    assert!(fs::read_dir(job.folder.join("work/default/e2e/scratch"))?.next().is_none(), "scratch is left over");
    Ok(())
}

#[test]
fn a_killed_run_goes_on() -> Result<()> {
    stopped_and_resumed(Signal::SIGKILL, None)
}

#[test]
fn an_interrupted_run_leaves_no_process_and_goes_on() -> Result<()> {
    stopped_and_resumed(Signal::SIGINT, Some(130))
}

#[test]
fn a_second_run_finds_the_work_done() -> Result<()> {
    let folder = folder()?;
    let job = job(&folder, OPTIONS)?;
    assert_eq!(job.succeed(&[])?.reason(), "Published");
    let record = fs::metadata(job.out().join("job.json"))?.modified()?;
    let again = job.succeed(&[])?;
    assert_eq!(again.reason(), "AlreadyPublished");
    assert!(
        again.started("encode").is_empty() && again.started("audio").is_empty() && again.started("publish").is_empty()
    );
    assert_eq!(fs::metadata(job.out().join("job.json"))?.modified()?, record);

    // A file that is gone is made again, and nothing else.
    let published = Published::read(&job.out())?;
    let lost = published.video()[1].segments.last().context("no segment")?.clone();
    fs::remove_file(job.out().join(&lost))?;
    let mended = job.succeed(&[])?;
    assert_eq!(mended.reason(), "Published");
    assert_eq!(mended.started("encode"), [("encode-low".to_owned(), CHUNKS - 1)]);
    assert!(job.out().join(&lost).is_file());
    Ok(())
}

#[test]
fn a_changed_option_moves_only_what_it_changes() -> Result<()> {
    let folder = folder()?;
    job(&folder, OPTIONS)?.succeed(&[])?;
    let louder = OPTIONS.replace("renditions:", "audio: {encode: {aac: {bitrate: 96k}}}, renditions:");
    let finished = job(&folder, &louder)?.succeed(&[])?;
    assert_eq!(finished.reason(), "Published");
    assert!(finished.started("encode").is_empty(), "{:?}", finished.started("encode"));
    assert_eq!(finished.started("audio").len(), 1);
    Ok(())
}

#[test]
fn a_job_replaces_what_an_earlier_one_published_and_nothing_else() -> Result<()> {
    let folder = folder()?;
    let out = folder.path().join("out");
    // Files of other people, in folders that have our names.
    let others = [out.join("outputs/holiday.mp4"), out.join("outputs/2026/a.txt"), out.join("_work/notes.txt")];
    for path in &others {
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(path, "mine")?;
    }
    let killed = out.join("outputs/.tmp-killed");
    fs::write(&killed, "half")?;
    let run = |options: &str| {
        let finished = Finished::of(job(&folder, options)?.command("run", &["-o", "json"])?.output()?)?;
        anyhow::ensure!(finished.code == Some(0), "{}", finished.stderr);
        Ok(finished)
    };
    run(OPTIONS)?;
    let renamed = OPTIONS.replace("name: low", "name: small");
    run(&renamed)?;

    let published = Published::read(&out)?;
    let kinds = ["hls", "dash", "mp4", "thumbnail", "init", "segment"];
    let named: BTreeSet<_> = kinds.into_iter().flat_map(|kind| published.paths(kind)).collect();
    let mut left: BTreeSet<_> = walk(&out)?;
    for path in others.iter().chain([&out.join("job.json")]) {
        assert!(left.remove(path), "{} is gone", path.display());
    }
    assert_eq!(left, named);

    // Who changes a playlist by hand gets the right one back.
    let playlist = out.join("master.m3u8");
    let text = fs::read_to_string(&playlist)?;
    fs::write(&playlist, text.replace("top", "pot"))?;
    assert_eq!(run(&renamed)?.reason(), "Published");
    assert_eq!(fs::read_to_string(&playlist)?, text);
    Ok(())
}

/// Every file below a folder.
fn walk(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(walk(&path)?) } else { files.extend([path]) }
    }
    Ok(files)
}

#[test]
fn two_runs_at_a_time_are_refused() -> Result<()> {
    let folder = folder()?;
    let job = job(&folder, OPTIONS)?;
    let mut first = Running::start(&job, &[])?;
    first.until(chunk_ended)?;
    let second = job.run(&[])?;
    assert_eq!(second.code, Some(2));
    assert!(second.stderr.contains("another run of this job"), "{}", second.stderr);
    assert_eq!(first.end(PATIENCE)?, Some(0));
    Ok(())
}
