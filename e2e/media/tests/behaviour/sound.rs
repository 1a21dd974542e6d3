//! Sound that changes its channels midway, as broadcasts do between programmes: every sample is at its time, and every
//! channel is where it belongs.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use e2e_media::{product::Job, proof::channels::tones_at, published::Published, signal::Sound, tool};

use crate::folder;

const SOUND_ALONE: &str = "{audio: {encode: {aac: {}}}}";

/// Clicks in the first channel, and a tone in each: a stretch of `seconds` from `at` on, as AC-3.
fn stretch(layout: &str, tones: &[u32], (at, seconds): (u32, u32), file: &Path) -> Result<()> {
    let clicks = format!("if(eq(mod(n+{},32119),11025),0.9,0)", at * 48_000);
    let tones: Vec<String> = tones.iter().map(|hz| format!("0.02*sin(2*PI*{hz}*t)")).collect();
    let exprs = format!("{clicks}+{}", tones.join("|"));
    let words = format!(
        "-v error -f lavfi -i \"aevalsrc=exprs='{exprs}':c={layout}:s=48000:d={seconds}\" -c:a ac3 -b:a 448k {{out}}"
    );
    tool::ffmpeg(&words, &[("out", file)], file.parent().unwrap_or(Path::new(".")))?;
    Ok(())
}

#[test]
fn stereo_that_becomes_surround_and_stereo_again_is_followed() -> Result<()> {
    let folder = folder()?;
    let sound = folder.path().join("sound.ac3");
    let surround = &[300, 500, 700, 60, 1100, 1300][..];
    let mut bytes = vec![];
    // Whole access units of 1,536 samples.
    for (layout, tones, at) in
        [("stereo", &surround[..2], 0), ("5.1(side)", surround, 4), ("stereo", &surround[..2], 8)]
    {
        let part = folder.path().join(format!("{at}.ac3"));
        stretch(layout, tones, (at, 4), &part)?;
        bytes.extend(fs::read(part)?);
    }
    fs::write(&sound, bytes)?;
    let source = folder.path().join("source.ts");
    tool::ffmpeg("-v error -i {in} -c copy {out}", &[("in", &sound), ("out", &source)], folder.path())?;
    let finished = Job::of_file(folder.path(), &source, "[hls, dash, mp4]", SOUND_ALONE)?.succeed(&[])?;
    let warnings = finished.end()["status"]["warnings"].to_string();
    ensure!(warnings.contains("changes its channels or its sample rate midway"), "{warnings}");
    let published = Published::read(&folder.path().join("out"))?;
    let [media] = published.audio()[..] else { anyhow::bail!("not one track") };
    let file = folder.path().join("track.mp4");
    fs::write(&file, &media.bytes)?;
    tones_at(&file, 2, &[&[(300, 1000)], &[(500, 1000)], &[], &[], &[], &[]], folder.path())?;
    let placed: Vec<Vec<(u32, u32)>> = surround.iter().map(|hz| vec![(*hz, 1000)]).collect();
    tones_at(&file, 6, &placed.iter().map(Vec::as_slice).collect::<Vec<_>>(), folder.path())?;
    tones_at(&file, 10, &[&[(300, 1000)], &[(500, 1000)], &[], &[], &[], &[]], folder.path())?;
    let mut before = Sound::of(&source, "a:0", None, folder.path())?;
    before.start = 0;
    let after = Sound::of(&file, "a:0", None, folder.path())?;
    let lags = before.lags(&after);
    ensure!(lags.len() > 3 && lags.iter().all(|lag| lag.is_some_and(|lag| lag.abs() <= 1)), "{lags:?}");
    // AAC fills its last access unit up.
    let more = after.end() - before.end();
    ensure!((0..=1024).contains(&more), "{more} samples more than the source has");
    Ok(())
}

/// A transport stream of two recordings, one behind the other.
#[test]
fn a_recording_that_goes_on_in_mono_keeps_its_pictures_and_its_sound() -> Result<()> {
    let folder = folder()?;
    let mut recording = vec![];
    for (channels, at) in [(2, 0), (1, 8)] {
        let part = folder.path().join(format!("{at}.ts"));
        let words = format!(
            "-v error -f lavfi -i testsrc2=size=96x54:rate=10:duration=8 -f lavfi -i sine=duration=8 -c:v libx264 -preset ultrafast -g 20 -c:a aac -ac {channels} -output_ts_offset {at} {{out}}"
        );
        tool::ffmpeg(&words, &[("out", &part)], folder.path())?;
        recording.extend(fs::read(part)?);
    }
    let source = folder.path().join("recording.ts");
    fs::write(&source, recording)?;
    let options = "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 96, height: 96}}]}";
    let finished = Job::of_file(folder.path(), &source, "[hls, mp4]", options)?.succeed(&[])?;
    assert_eq!(finished.started("audio").len(), 1);
    let published = Published::read(&folder.path().join("out"))?;
    let [media] = published.audio()[..] else { anyhow::bail!("not one track") };
    let last = media.track.samples.last().map_or(0, |unit| unit.composition + unit.duration);
    let seconds = (last - media.track.media_time) as f64 / media.track.timescale as f64;
    ensure!((15.9..16.3).contains(&seconds), "the sound has {seconds} s");
    Ok(())
}
