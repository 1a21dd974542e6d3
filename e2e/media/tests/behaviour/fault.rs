//! Faults on demand (`TRANSCODE_FAULTS`): retries, strict and permissive integrity, warnings.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result};
use e2e_media::{listing, published::Published};

use crate::{CHUNKS, OPTIONS, folder, job};

#[test]
fn a_failed_and_a_killed_task_are_tried_again() -> Result<()> {
    let folder = folder()?;
    let faults =
        "encode-low/1/0=fail;encode-top/2/0=kill;audio/0/0=fail;merge-top/0/0=kill;verify/0/0=fail;publish/0/0=kill";
    let finished = job(&folder, OPTIONS)?.with("TRANSCODE_FAULTS", faults).succeed(&[])?;
    assert_eq!(finished.reason(), "Published");
    let tries =
        |stage: &str, task: u64| finished.started(stage).iter().filter(|(s, t)| s == stage && *t == task).count();
    assert_eq!((tries("encode-low", 1), tries("encode-top", 2), tries("audio", 0)), (2, 2, 2));
    assert_eq!((tries("merge-top", 0), tries("verify", 0), tries("publish", 0)), (2, 2, 2));
    assert_eq!(finished.started("encode").len() as u64, 2 * CHUNKS + 2);
    Ok(())
}

#[test]
fn garbage_is_seen_by_verify_and_made_again_all_at_once() -> Result<()> {
    let folder = folder()?;
    let faults = "encode-low/*/0=garbage;encode-top/1/0=garbage";
    let finished = job(&folder, OPTIONS)?.with("TRANSCODE_FAULTS", faults).succeed(&[])?;
    // Merge and Package find it at the same time. The later finding starts tasks that find their work done.
    assert_eq!(finished.worked("encode").len() as u64, 2 * CHUNKS + CHUNKS + 1);
    for media in Published::read(&folder.path().join("out"))?.video() {
        let file = folder.path().join("one.mp4");
        fs::write(&file, &media.bytes)?;
        assert_eq!(listing::decode(&file, "v:0", folder.path())?.frames.len(), 720);
    }
    Ok(())
}

#[test]
fn segments_that_are_gone_before_they_are_merged_are_made_again() -> Result<()> {
    let folder = folder()?;
    let job = job(&folder, OPTIONS)?;
    let never = "merge-top/0/*=fail;package/0/*=fail";
    assert_eq!(job.clone().with("TRANSCODE_FAULTS", never).run(&[])?.code, Some(1));
    let mut segments = vec![];
    for key in fs::read_dir(job.out().join("outputs"))? {
        let folder = key?.path().join("top/segments");
        let files = fs::read_dir(folder).into_iter().flatten().filter_map(|file| Some(file.ok()?.path()));
        segments.extend(files);
    }
    segments.sort();
    // The first and the last one: two chunks.
    fs::remove_file(&segments[0])?;
    fs::write(segments.last().context("no segment")?, "damaged")?;
    let finished = job.succeed(&[])?;
    // The lower rendition, which begins last, may not have been done when the job failed.
    let again: BTreeSet<_> = finished.started("encode-top").into_iter().map(|(_, chunk)| chunk).collect();
    assert_eq!(again, BTreeSet::from([0, CHUNKS - 1]));
    Ok(())
}

#[test]
fn strict_fails_and_names_the_chunk() -> Result<()> {
    let folder = folder()?;
    let job = job(&folder, OPTIONS)?.with("TRANSCODE_FAULTS", "encode-low/1/*=badChunk");
    let finished = job.run(&[])?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "BadChunk"));
    let message = finished.message();
    assert!(message.contains("low") && message.contains("chunk 1"), "{message}");
    assert!(!job.out().join("job.json").exists() && !job.out().join("master.m3u8").exists());
    Ok(())
}

#[test]
fn permissive_leaves_the_same_gap_everywhere() -> Result<()> {
    let folder = folder()?;
    let options = OPTIONS.replace("{video:", "{integrity: Permissive, video:");
    let job = job(&folder, &options)?.with("TRANSCODE_FAULTS", "encode-low/1/*=badChunk");
    let finished = job.succeed(&[])?;
    let published = Published::read(&job.out())?;
    let gaps: Vec<u64> =
        published.record["gaps"].as_array().context("no gaps")?.iter().filter_map(|g| g.as_u64()).collect();
    // Chunks of 16 s are eight segments of 2 s.
    assert_eq!(gaps, (9..=16).collect::<Vec<_>>());
    assert!(!finished.end()["status"]["warnings"].as_array().context("no warnings")?.is_empty());
    for media in published.video() {
        assert_eq!(media.track.samples.len(), 560, "{}", media.name);
        let playlist = published
            .files("hls")
            .filter_map(|f| f["path"].as_str())
            .find(|p| p.contains(&format!("/{}/", media.name)) && !p.contains("iframe"));
        let text = fs::read_to_string(job.out().join(playlist.context("no playlist")?))?;
        let lines: Vec<&str> = text.lines().collect();
        let marks: Vec<_> = lines.iter().filter(|l| **l == "#EXT-X-GAP").collect();
        assert_eq!(marks.len(), 8, "{text}");
        let seconds: f64 =
            lines.iter().filter_map(|l| l.strip_prefix("#EXTINF:")?.trim_end_matches(',').parse::<f64>().ok()).sum();
        assert!((seconds - 72.0).abs() < 1e-6, "{seconds}");
    }
    let mpd = dash_mpd(&job.out().join("manifest.mpd"))?;
    assert!((mpd - 72.0).abs() < 0.05, "{mpd}");
    Ok(())
}

fn dash_mpd(path: &std::path::Path) -> Result<f64> {
    let mpd = dash_mpd_core::parse(&fs::read_to_string(path)?).map_err(|e| anyhow::anyhow!("dash-mpd: {e}"))?;
    Ok(mpd.mediaPresentationDuration.context("no duration")?.as_secs_f64())
}

#[test]
fn a_thumbnail_that_fails_is_a_warning() -> Result<()> {
    let folder = folder()?;
    let options = OPTIONS.replace("{video:", "{thumbnail: {at: 10%}, video:");
    let finished = job(&folder, &options)?.with("TRANSCODE_FAULTS", "thumbnail/*/*=fail").succeed(&[])?;
    let warnings = finished.end()["status"]["warnings"].as_array().context("no warnings")?;
    let warning = warnings.iter().find(|w| w["stage"] == "thumbnail").context("no warning of the thumbnail")?;
    assert_eq!(warning["attempts"], 2);
    assert!(!folder.path().join("out/thumbnails").exists());
    Ok(())
}
