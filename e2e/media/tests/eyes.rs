//! The measuring itself: these readers see what is there, and see it when something is wrong.

use std::fs;

use anyhow::{Context, Result};
use e2e_media::{boxes, listing, signal::Sound, tool};

const MADE: &str = "-v error -f lavfi -i testsrc2=size=192x108:rate=25:duration=4 -f lavfi -i sine=duration=4 -c:v libx264 -preset veryfast -bf 3 -g 25 -c:a aac";

/// Packets as ffprobe tells them: pts and dts in ticks, in the file's order.
fn packets(file: &std::path::Path, stream: &str, folder: &std::path::Path) -> Result<Vec<(i64, i64)>> {
    let words = format!("-select_streams {stream} -show_entries packet=pts,dts -of csv=p=0 -i {{in}}");
    let answer = tool::ffprobe(&words, &[("in", file)], folder)?;
    let row = |line: &str| {
        let mut numbers = line.split(',').filter_map(|n| n.trim().parse().ok());
        Some((numbers.next()?, numbers.next()?))
    };
    Ok(answer.lines().filter_map(row).collect())
}

#[test]
fn boxes_are_read_as_ffprobe_reads_them() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (name, flags) in
        [("progressive", "+faststart"), ("fragments", "+frag_keyframe+default_base_moof+empty_moov+delay_moov")]
    {
        let file = folder.path().join(format!("{name}.mp4"));
        tool::ffmpeg(&format!("{MADE} -movflags {flags} {{out}}"), &[("out", &file)], folder.path())?;
        let bytes = fs::read(&file)?;
        let tracks = boxes::read(&bytes)?;
        for (track, stream) in tracks.values().zip(["v:0", "a:0"]) {
            let expected = packets(&file, stream, folder.path())?;
            let shift = track.media_time;
            let found: Vec<_> = track.samples.iter().map(|s| (s.composition - shift, s.decode - shift)).collect();
            assert_eq!(found, expected, "{name} {stream}");
        }
        let video = tracks.values().find(|t| t.is_video()).context("no video")?;
        assert_eq!(video.samples.iter().filter(|s| s.sync).count(), 4, "{name}");
        assert_eq!(&video.entry, b"avc1");
    }
    Ok(())
}

#[test]
fn a_damaged_segment_does_not_decode() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("whole.mp4");
    tool::ffmpeg(&format!("{MADE} {{out}}"), &[("out", &file)], folder.path())?;
    assert_eq!(listing::decode(&file, "v:0", folder.path())?.frames.len(), 100);
    let mut bytes = fs::read(&file)?;
    let samples = boxes::read(&bytes)?.into_values().find(|t| t.is_video()).context("no video")?.samples;
    let place = samples[30].bytes.clone();
    bytes[place.start + 8..place.end].fill(0);
    fs::write(&file, bytes)?;
    assert!(listing::decode(&file, "v:0", folder.path()).is_err());
    Ok(())
}

#[test]
fn two_samples_late_are_seen() {
    let rate = 48_000;
    let mut samples = vec![0.0_f32; 10 * rate as usize];
    (1..10).for_each(|n| samples[n * rate as usize] = 0.9);
    let sound = Sound { rate, start: 0, samples };
    let late = Sound { start: 2, ..sound.clone() };
    assert!(sound.lags(&sound).iter().all(|lag| *lag == Some(0)));
    assert!(sound.lags(&late).iter().all(|lag| *lag == Some(2)));
    let silence = Sound { samples: vec![0.0; sound.samples.len()], ..sound.clone() };
    assert!(sound.lags(&silence).iter().all(Option::is_none));
}
