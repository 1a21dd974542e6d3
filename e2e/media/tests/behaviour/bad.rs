//! Sources that were cut or damaged: told, never published as whole; in permissive mode what is there, with the
//! loss listed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use e2e_media::{
    product::{Finished, Job},
    tool,
};

use crate::folder;

/// One small rendition; `{}` is the integrity.
const OPTIONS: &str = "{integrity: MODE, video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 96, height: 96}}]}";

fn run(folder: &Path, source: &Path, mode: &str) -> Result<Finished> {
    Job::of_file(&folder.join(mode), source, "[hls, mp4]", &OPTIONS.replace("MODE", mode))?.run(&[])
}

/// 40 s in ten frames a second, index first.
fn film(folder: &Path, name: &str) -> Result<PathBuf> {
    let film = folder.join(name);
    let words = "-v error -f lavfi -i testsrc2=size=192x108:rate=10:duration=40 -f lavfi -i sine=duration=40 -c:v libx264 -preset ultrafast -bf 2 -g 20 -c:a aac -movflags +faststart {out}";
    tool::ffmpeg(words, &[("out", &film)], folder)?;
    Ok(film)
}

/// The reasons of all warnings.
fn warnings(finished: &Finished) -> String {
    let status = finished.end()["status"]["warnings"].as_array().cloned().unwrap_or_default();
    status.iter().filter_map(|w| w["reason"].as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_cut_file_is_refused_or_published_as_far_as_it_goes() -> Result<()> {
    for name in ["film.mp4", "film.mkv"] {
        let folder = folder()?;
        let film = film(folder.path(), name)?;
        let bytes = fs::read(&film)?;
        fs::write(&film, &bytes[..bytes.len() * 6 / 10])?;
        let strict = run(folder.path(), &film, "Strict")?;
        assert_eq!((strict.code, strict.reason()), (Some(1), "BadInput"), "{name}: {}", strict.message());
        for words in ["ends early", &bytes.len().to_string()[..2], "integrity: Permissive"] {
            assert!(strict.message().contains(words), "{name}: {}", strict.message());
        }
        assert!(!folder.path().join("Strict/out/master.m3u8").exists());
        let permissive = run(folder.path(), &film, "Permissive")?;
        assert_eq!(permissive.code, Some(0), "{name}: {}", permissive.message());
        assert!(warnings(&permissive).contains("SourceCut"), "{name}: {}", warnings(&permissive));
        let made = folder.path().join("Permissive/out/e2e_low.mp4");
        let frames = e2e_media::listing::decode(&made, "v:0", folder.path())?.frames.len();
        ensure!((200..300).contains(&frames), "{name}: {frames} frames of 400, from 60 % of the bytes");
    }
    Ok(())
}

#[test]
fn a_damaged_picture_fails_the_job_or_is_counted() -> Result<()> {
    // Within the second chunk, and at its very start: with filters in threads of their own, those of the chunk
    // before are still on their way when the decoder meets the damage.
    for (damaged, told) in [(205, "from 20."), (160, "from 16s")] {
        let folder = folder()?;
        let film = film(folder.path(), "film.mp4")?;
        let mut bytes = fs::read(&film)?;
        let samples = e2e_media::boxes::read(&bytes)?.into_values().find(|t| t.is_video()).map(|t| t.samples);
        let sample = samples.and_then(|samples| samples.get(damaged).cloned());
        let sample = sample.ok_or_else(|| anyhow::anyhow!("no sample {damaged}"))?;
        // The second half of one picture.
        let half = sample.bytes.start + sample.bytes.len() / 2;
        bytes[half..sample.bytes.end].fill(0);
        fs::write(&film, bytes)?;
        let strict = run(folder.path(), &film, "Strict")?;
        assert_eq!((strict.code, strict.reason()), (Some(1), "BadChunk"), "{}", strict.message());
        for words in ["chunk 1", told, "damaged there", "ffmpeg says", "integrity: Permissive"] {
            assert!(strict.message().contains(words), "{words}: {}", strict.message());
        }
        let permissive = run(folder.path(), &film, "Permissive")?;
        assert_eq!(permissive.code, Some(0), "{}", permissive.message());
        assert!(warnings(&permissive).contains("SourceDamaged"), "{}", warnings(&permissive));
        let made = folder.path().join("Permissive/out/e2e_low.mp4");
        assert_eq!(e2e_media::listing::decode(&made, "v:0", folder.path())?.frames.len(), 400);
    }
    Ok(())
}

#[test]
fn a_video_that_no_decoder_knows_is_not_left_out_in_silence() -> Result<()> {
    let folder = folder()?;
    let film = film(folder.path(), "film.mp4")?;
    let mut bytes = fs::read(&film)?;
    let entry = bytes.windows(4).position(|w| w == b"avc1").ok_or_else(|| anyhow::anyhow!("no avc1"))?;
    // The brand `avc1` of `ftyp` comes first.
    let entry = bytes[entry + 4..].windows(4).position(|w| w == b"avc1").map_or(entry, |next| entry + 4 + next);
    bytes[entry..entry + 4].copy_from_slice(b"zzzz");
    fs::write(&film, bytes)?;
    let strict = run(folder.path(), &film, "Strict")?;
    assert_eq!((strict.code, strict.reason()), (Some(1), "Refused"), "{}", strict.message());
    assert!(strict.message().contains("zzzz") && strict.message().contains("renditions: []"), "{}", strict.message());
    Ok(())
}

#[test]
fn an_encrypted_file_is_told_from_a_broken_program() -> Result<()> {
    let folder = folder()?;
    let film = film(folder.path(), "film.mp4")?;
    let secret = folder.path().join("secret.mp4");
    let words = "-v error -i {in} -c copy -encryption_scheme cenc-aes-ctr -encryption_key 00112233445566778899aabbccddeeff -encryption_kid 112233445566778899aabbccddeeff00 {out}";
    tool::ffmpeg(words, &[("in", &film), ("out", &secret)], folder.path())?;
    let finished = run(folder.path(), &secret, "Strict")?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "BadInput"), "{}", finished.message());
    assert!(finished.message().contains("is encrypted"), "{}", finished.message());
    Ok(())
}

#[test]
fn a_pipe_is_no_source() -> Result<()> {
    let folder = folder()?;
    let pipe = folder.path().join("pipe.mp4");
    ensure!(Command::new("mkfifo").arg(&pipe).status()?.success(), "mkfifo");
    let finished = run(folder.path(), &pipe, "Strict")?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "Misconfigured"), "{}", finished.message());
    assert!(finished.message().contains("a pipe or a device"), "{}", finished.message());
    Ok(())
}

#[test]
fn a_broken_ffmpeg_is_told_by_its_own_words() -> Result<()> {
    let folder = folder()?;
    let film = film(folder.path(), "film.mp4")?;
    let bin = folder.path().join("bin");
    fs::create_dir(&bin)?;
    let ffmpeg = bin.join("ffmpeg");
    fs::write(
        &ffmpeg,
        "#!/bin/sh\necho 'ffmpeg: error while loading shared libraries: libavdevice.so.59' >&2\nexit 127\n",
    )?;
    ensure!(Command::new("chmod").arg("+x").arg(&ffmpeg).status()?.success(), "chmod");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH")?);
    let job = Job::of_file(&folder.path().join("job"), &film, "[hls]", "")?.with("PATH", path);
    let finished = job.run(&[])?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "Misconfigured"), "{}", finished.message());
    assert!(finished.message().contains("libavdevice.so.59"), "{}", finished.message());
    Ok(())
}

#[test]
fn a_clock_that_can_not_be_followed_is_refused_with_a_command_that_mends_it() -> Result<()> {
    let folder = folder()?;
    let (whole, broken) = (folder.path().join("whole.ts"), folder.path().join("broken.ts"));
    let words = "-v error -f lavfi -i testsrc2=size=192x108:rate=10:duration=12 -f lavfi -i sine=duration=12 -c:v libx264 -preset ultrafast -bf 2 -g 10 -c:a aac {out}";
    tool::ffmpeg(words, &[("out", &whole)], folder.path())?;
    tool::python(
        "transport.py {in} {out} --shift picture:5..:300",
        &[("in", &whole), ("out", &broken)],
        folder.path(),
    )?;
    // Two recordings: the second without the header of the file (9 bytes, and 4 that say that nothing is before).
    let flash = folder.path().join("whole.flv");
    let copy = "-v error -i {in} -c copy -bsf:a aac_adtstoasc {out}";
    tool::ffmpeg(copy, &[("in", &whole), ("out", &flash)], folder.path())?;
    let bytes = fs::read(&flash)?;
    fs::write(&flash, [&bytes, &bytes[13..]].concat())?;
    let cases = [
        (broken, "the times of the picture jump ahead by 5m0s at 5.", 120),
        (flash, "the times of every track jump back by 1", 240),
    ];
    for (source, words, frames) in cases {
        let refused = run(folder.path(), &source, "Strict")?;
        assert_eq!((refused.code, refused.reason()), (Some(1), "BadInput"), "{}", refused.message());
        let (said, remedy) = refused.message().split_once("say with ffmpeg ").unwrap_or_default();
        assert!(said.contains(words), "{}", refused.message());
        let (remedy, mended) = (remedy.replace("SOURCE", "{in}").replace("MENDED", "{out}"), source.with_extension(""));
        tool::ffmpeg(&format!("-v error {remedy}"), &[("in", &source), ("out", &mended)], folder.path())?;
        let job = Job::of_file(&folder.path().join("mended"), &mended.with_extension("mkv"), "[hls]", "")?;
        let plan: serde_json::Value = serde_json::from_str(&job.plan("json")?)?;
        assert_eq!(plan["media"]["video"]["frames"], frames, "{remedy}");
    }
    Ok(())
}
