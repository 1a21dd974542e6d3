//! Captions inside pictures that can't be kept: refused, whenever they are met, or left out when told.

use std::path::{Path, PathBuf};

use anyhow::Result;
use e2e_media::{
    product::{Finished, Job},
    recipe,
    row::{ROW, Row, Step},
    tool,
};

use crate::folder;

/// Five seconds with captions in every picture.
const CAPTIONED: Row = Row {
    source: &[
        Step::Ffmpeg(
            "-f lavfi -i testsrc2=size=192x108:rate=25:duration=5 -c:v libx264 -preset ultrafast -g 25 -bf 0 -f h264 {out}",
        ),
        Step::Python("captions.py {in} {out} --rate 25"),
        Step::Ffmpeg("-f h264 -framerate 25 -i {in} -c copy -f mpegts {out}"),
    ],
    file: "captioned.ts",
    ..ROW
};

fn run(folder: &Path, name: &str, source: &Path, video: &str) -> Result<Finished> {
    let options = format!("{{video: {{{video}}}, renditions: [{{name: low, box: {{width: 192, height: 108}}}}]}}");
    Job::of_file(&folder.join(name), source, "[hls, mp4]", &options)?.run(&[])
}

/// The same behind five seconds without any: Probe does not meet them.
fn late(folder: &Path, captioned: &Path) -> Result<PathBuf> {
    let (plain, late) = (folder.join("plain.ts"), folder.join("late.ts"));
    let words = "-v error -f lavfi -i testsrc2=size=192x108:rate=25:duration=5 -c:v libx264 -preset ultrafast -g 25 -bf 0 {out}";
    tool::ffmpeg(words, &[("out", &plain)], folder)?;
    let words = "-v error -i {in} -c copy -output_ts_offset 5 -f mpegts {out}";
    let behind = folder.join("behind.ts");
    tool::ffmpeg(words, &[("in", captioned), ("out", &behind)], folder)?;
    std::fs::write(&late, [std::fs::read(plain)?, std::fs::read(behind)?].concat())?;
    Ok(late)
}

#[test]
fn captions_that_would_be_lost_are_refused_whenever_they_are_met() -> Result<()> {
    let folder = folder()?;
    let captioned = recipe::source(&CAPTIONED)?;
    let late = late(folder.path(), &captioned)?;
    for (name, source) in [("early", &captioned), ("late", &late)] {
        let finished = run(folder.path(), name, source, "encode: {hevc: {preset: ultrafast}}")?;
        assert_ne!(finished.code, Some(0), "{name}");
        assert!(finished.message().contains("CEA-608/708 captions"), "{}", finished.message());
        assert!(finished.message().contains("captions: {mode: Disabled}"), "{}", finished.message());
        assert!(!folder.path().join(name).join("out/master.m3u8").exists());
        assert_eq!(finished.started("encode-low").is_empty(), name == "early", "{:?}", finished.started("encode-low"));
    }
    Ok(())
}

#[test]
fn captions_are_left_out_when_told() -> Result<()> {
    let folder = folder()?;
    let captioned = recipe::source(&CAPTIONED)?;
    for (name, captions, listed) in
        [("kept", "", "INSTREAM-ID=\"CC1\""), ("left", "captions: {mode: Disabled}", "=NONE")]
    {
        let finished = run(folder.path(), name, &captioned, captions)?;
        assert_eq!(finished.code, Some(0), "{}", finished.message());
        let out = folder.path().join(name).join("out");
        assert!(std::fs::read_to_string(out.join("master.m3u8"))?.contains(listed), "{name}");
        let mp4 = std::fs::read_dir(&out)?
            .filter_map(|e| Some(e.ok()?.path()))
            .find(|p| p.extension() == Some("mp4".as_ref()));
        let mp4 = std::fs::read(mp4.unwrap())?;
        let messages = mp4.windows(4).filter(|bytes| bytes == b"GA94").count();
        assert_eq!(messages, if name == "kept" { 125 } else { 0 }, "{name}");
    }
    Ok(())
}
