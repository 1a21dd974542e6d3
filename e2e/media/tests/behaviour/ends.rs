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
fn more_than_can_be_carried_is_refused() -> Result<()> {
    let folder = folder()?;
    let source = folder.path().join("source.mkv");
    let tracks = "-map 0 ".repeat(9);
    let words = format!("-f lavfi -i sine=duration=2 {tracks} -c:a pcm_s16le {{out}}");
    tool::ffmpeg(&words, &[("out", &source)], folder.path())?;
    let finished = Job::of_file(folder.path(), &source, "[hls]", "")?.run(&[])?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "Refused"), "{}", finished.message());
    assert!(finished.message().contains("more than 8 audio tracks"), "{}", finished.message());
    assert!(finished.started("audio").is_empty());
    Ok(())
}

#[test]
fn a_source_where_the_output_goes_is_not_replaced() -> Result<()> {
    // Whatever the folder is called: the output's is a link to `films`.
    for name in ["out", "films", "films/../films"] {
        let folder = folder()?;
        fs::create_dir(folder.path().join("films"))?;
        std::os::unix::fs::symlink("films", folder.path().join("out"))?;
        let source = folder.path().join(name).join("e2e_low.mp4");
        fs::copy(crate::film()?, &source)?;
        let finished = Job::of_file(folder.path(), &source, "[mp4]", OPTIONS)?.run(&[])?;
        assert_eq!((finished.code, finished.reason()), (Some(1), "Misconfigured"), "{}", finished.message());
        assert!(finished.message().contains("would be replaced"), "{}", finished.message());
        assert_eq!(fs::read(&source)?, fs::read(crate::film()?)?);
    }
    Ok(())
}

#[test]
fn hls_leaves_vp9_out_and_says_so() -> Result<()> {
    let folder = folder()?;
    let options = "{video: {encode: {vp9: {speed: 8}}}, renditions: [{name: new, box: {width: 96, height: 96}}, {name: old, box: {width: 96, height: 96}, encode: {h264: {preset: ultrafast}}}]}";
    let finished = job(&folder, options)?.succeed(&[])?;
    let out = folder.path().join("out");
    assert!(!fs::read_to_string(out.join("master.m3u8"))?.contains("vp09"));
    assert!(fs::read_to_string(out.join("manifest.mpd"))?.contains("vp09.00."));
    assert!(finished.events.iter().any(|e| e.to_string().contains("NotInHls")), "{}", finished.end());
    Ok(())
}

#[test]
fn mp3_is_left_out_of_playlists_and_refused_where_nothing_else_is_made() -> Result<()> {
    let folder = folder()?;
    let source = folder.path().join("source.mp3");
    tool::ffmpeg("-v error -f lavfi -i sine=duration=3 -c:a libmp3lame {out}", &[("out", &source)], folder.path())?;
    let run = |name: &str, formats: &str| {
        let job = Job::of_file(&folder.path().join(name), &source, formats, "{audio: {encode: {passthrough: {}}}}")?;
        Ok::<_, anyhow::Error>((job.run(&[])?, job.out()))
    };
    let (refused, _) = run("refused", "[hls, dash]")?;
    assert_eq!((refused.code, refused.reason()), (Some(1), "Refused"), "{}", refused.message());
    assert!(refused.message().contains("add mp4"), "{}", refused.message());
    let (finished, out) = run("made", "[hls, dash, mp4]")?;
    assert_eq!(finished.code, Some(0), "{}", finished.end());
    assert!(finished.events.iter().any(|e| e.to_string().contains("NotInPlaylists")), "{}", finished.end());
    assert!(out.join("e2e_audio.mp4").exists() && !out.join("master.m3u8").exists());
    Ok(())
}
