//! Exit codes, and words that help.

use std::fs;

use anyhow::Result;
use e2e_media::{product::Job, tool};

use crate::{OPTIONS, folder, job};

#[test]
fn a_source_that_is_no_media_fails_with_words() -> Result<()> {
    let folder = folder()?;
    let source = folder.path().join("notes.mp4");
    fs::write(&source, "a text that somebody renamed\n".repeat(100))?;
    let finished = Job::of_file(folder.path(), &source, "[hls]", "")?.run(&[])?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "BadInput"), "{}", finished.message());
    assert!(finished.message().contains("notes.mp4"), "{}", finished.message());
    assert_eq!(finished.started("probe").len(), 1, "bad input is not tried again");
    Ok(())
}

#[test]
fn a_missing_source_is_named() -> Result<()> {
    let folder = folder()?;
    let finished = Job::of_file(folder.path(), &folder.path().join("absent.mov"), "[hls]", "")?.run(&[])?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "BadInput"));
    assert!(finished.message().contains("absent.mov"), "{}", finished.message());
    Ok(())
}

#[test]
fn a_playlist_is_no_source() -> Result<()> {
    let folder = folder()?;
    let source = folder.path().join("list.m3u8");
    fs::write(&source, "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")?;
    let finished = Job::of_file(folder.path(), &source, "[hls]", "")?.run(&[])?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "BadInput"), "{}", finished.message());
    Ok(())
}

#[test]
fn invalid_yaml_is_refused_with_every_problem() -> Result<()> {
    let folder = folder()?;
    let options =
        "{video: {segmentDuration: 2, encode: {h264: {preset: swift}}}, renditions: [{name: Top}], sound: {}}";
    let finished = job(&folder, options)?.run(&[])?;
    assert_eq!(finished.code, Some(2));
    assert!(finished.events.is_empty());
    for word in ["segmentDuration", "preset", "renditions[0].name", "sound", "job.yaml"] {
        assert!(finished.stderr.contains(word), "{word} is not told: {}", finished.stderr);
    }
    assert!(!folder.path().join("out").exists());
    Ok(())
}

#[test]
fn an_output_that_can_not_be_written_fails_with_words() -> Result<()> {
    let folder = folder()?;
    fs::write(folder.path().join("out"), "a file where the folder should be")?;
    let finished = job(&folder, OPTIONS)?.run(&[])?;
    assert_eq!(finished.code, Some(1));
    assert!(finished.message().contains("out"), "{}", finished.message());
    Ok(())
}

#[test]
fn only_what_was_asked_for_is_made() -> Result<()> {
    let folder = folder()?;
    let source = crate::film()?;
    let finished = Job::of_file(
        folder.path(),
        &source,
        "[dash]",
        "{renditions: [{name: low, box: {width: 96, height: 96}}], audio: {mode: Disabled}}",
    )?;
    let plain = finished.command("run", &[])?.output()?;
    assert!(plain.status.success(), "{}", String::from_utf8_lossy(&plain.stderr));
    let mut names: Vec<_> =
        fs::read_dir(folder.path().join("out"))?.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    assert_eq!(names, ["job.json", "manifest.mpd", "outputs"], "work data is deleted after success");
    Ok(())
}

#[test]
fn what_would_be_changed_in_silence_is_refused() -> Result<()> {
    for (what, encode) in [
        (
            "HDR",
            "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params log-level=error -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc",
        ),
        ("interlaced", "-c:v libx264 -preset ultrafast -flags +ildct+ilme -x264-params tff=1"),
    ] {
        let folder = folder()?;
        let source = folder.path().join("source.mp4");
        tool::ffmpeg(
            &format!("-f lavfi -i testsrc2=size=192x108:rate=10:duration=2 {encode} {{out}}"),
            &[("out", &source)],
            folder.path(),
        )?;
        let finished = Job::of_file(folder.path(), &source, "[hls]", "")?.run(&[])?;
        assert_eq!((finished.code, finished.reason()), (Some(1), "Refused"), "{what}: {}", finished.message());
        assert!(finished.message().contains(what), "{}", finished.message());
        assert!(finished.started("encode").is_empty());
    }
    Ok(())
}
