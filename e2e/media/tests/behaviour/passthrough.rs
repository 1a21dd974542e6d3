//! Sound that can't be carried over as it is, as only its access units tell.

use anyhow::Result;
use e2e_media::{product::Job, tool};

use crate::folder;

#[test]
fn a_lost_access_unit_is_told_and_not_passed_over() -> Result<()> {
    let folder = folder()?;
    let source = folder.path().join("source.mkv");
    // 26 ms are a shorter hole than Probe looks for.
    let words = "-v error -f lavfi -i sine=duration=6 -c:a libmp3lame -bsf:a noise=drop='eq(n\\,100)' {out}";
    tool::ffmpeg(words, &[("out", &source)], folder.path())?;
    let options = "{audio: {encode: {passthrough: {}}}}";
    let finished = Job::of_file(folder.path(), &source, "[hls, mp4]", options)?.run(&[])?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "BadInput"), "{}", finished.message());
    // Which one the filter drops depends on ffmpeg's version.
    for words in ["audio track 0 that should be at 2.", "encode it, say with audio.encode.aac"] {
        assert!(finished.message().contains(words), "{}", finished.message());
    }
    assert!(!folder.path().join("out/master.m3u8").exists());
    Ok(())
}

#[test]
fn sound_that_changes_its_channels_is_not_passed_through() -> Result<()> {
    let folder = folder()?;
    let mut bytes = vec![];
    for (name, channels, offset) in [("mono.ts", 1, 0.0), ("stereo.ts", 2, 3.02)] {
        let part = folder.path().join(name);
        let words =
            format!("-v error -f lavfi -i sine=duration=3 -ac {channels} -c:a aac -output_ts_offset {offset} {{out}}");
        tool::ffmpeg(&words, &[("out", &part)], folder.path())?;
        bytes.extend(std::fs::read(part)?);
    }
    let source = folder.path().join("source.ts");
    std::fs::write(&source, bytes)?;
    let options = "{audio: {encode: {passthrough: {}}}}";
    let finished = Job::of_file(folder.path(), &source, "[hls, mp4]", options)?.run(&[])?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "BadInput"), "{}", finished.message());
    assert!(finished.message().contains("changes its sample rate or its channels"), "{}", finished.message());
    assert!(!folder.path().join("out/master.m3u8").exists());
    Ok(())
}
