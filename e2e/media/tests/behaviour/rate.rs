//! Rates that are kept to over joins, judged by a buffer of the tests' own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use e2e_media::{
    product::Job,
    published::{Media, Published},
    tool,
};

use crate::folder;

const MAX: f64 = 300_000.0;
const BUFFER: f64 = 600_000.0;
/// Part of the buffer that is full when playing begins.
const BEGIN: f64 = 0.3;

/// Still, then noise, then still: what an encoder saves in the one it spends in the other. Four chunks.
fn film(folder: &Path) -> Result<PathBuf> {
    let film = folder.join("film.mkv");
    let words = "-v error -f lavfi -i testsrc2=size=320x180:rate=25:duration=66 -vf noise=alls=40:allf=t:enable='between(mod(t\\,20)\\,8\\,16)' -c:v libx264 -preset ultrafast -qp 8 -g 25 {out}";
    tool::ffmpeg(words, &[("out", &film)], folder)?;
    Ok(film)
}

fn made(folder: &Path, source: &Path, codec: &str, rate: &str) -> Result<Published> {
    let options = format!(
        "{{video: {{segmentDuration: 4s, encode: {{{codec}: {{preset: veryfast, rate: {{{rate}}}}}}}}}, renditions: [{{name: low, box: {{width: 320, height: 180}}}}]}}"
    );
    let finished = Job::of_file(&folder.join(codec), source, "[dash]", &options)?.run(&[])?;
    assert_eq!(finished.code, Some(0), "{}", finished.message());
    Published::read(&folder.join(codec).join("out"))
}

/// Bit/s of every segment, and how full the buffer is at its emptiest, bits.
fn rates(media: &Media) -> (Vec<f64>, f64) {
    let (track, scale) = (&media.track, media.track.timescale as f64);
    let seconds =
        |n: usize| track.samples.iter().filter(|s| s.segment == n).map(|s| s.duration as f64 / scale).sum::<f64>();
    let segments = media.sizes.iter().enumerate().map(|(n, bytes)| *bytes as f64 * 8.0 / seconds(n)).collect();
    let (mut full, mut emptiest) = (BUFFER * BEGIN, BUFFER);
    for sample in &track.samples {
        full -= sample.bytes.len() as f64 * 8.0;
        emptiest = emptiest.min(full);
        full = (full + MAX * sample.duration as f64 / scale).min(BUFFER);
    }
    (segments, emptiest)
}

#[test]
fn a_capped_rate_factor_holds_over_joins() -> Result<()> {
    let folder = folder()?;
    let film = film(folder.path())?;
    for codec in ["h264", "hevc"] {
        let capped = made(folder.path(), &film, codec, "cappedCrf: {crf: 20, maxBitrate: 300k, bufferSize: 600k}")?;
        let (segments, emptiest) = rates(capped.video()[0]);
        assert_eq!(segments.len(), 17);
        let peak = segments.iter().take(16).copied().fold(0.0, f64::max);
        assert!(peak > 0.9 * MAX && peak <= 1.1 * MAX, "{codec}: {segments:?}");
        assert!(emptiest >= 0.0, "{codec}: a player waits for {} bits", -emptiest);
    }
    let free = made(&folder.path().join("free"), &film, "h264", "crf: 20")?;
    let (segments, emptiest) = rates(free.video()[0]);
    assert!(segments.iter().any(|rate| *rate > 2.0 * MAX) && emptiest < 0.0, "nothing to cap: {segments:?}");
    Ok(())
}

/// Chunks are held to less than the cap, the last one to all of it: here the two need different levels.
#[test]
fn a_cap_beside_the_limit_of_a_level_gives_one_level() -> Result<()> {
    let folder = folder()?;
    let film = film(folder.path())?;
    for (codec, max) in [("h264", "490k"), ("hevc", "1510k")] {
        let rate = format!("cappedCrf: {{crf: 28, maxBitrate: {max}}}");
        assert_eq!(made(folder.path(), &film, codec, &rate)?.video()[0].track.samples.len(), 1650);
    }
    Ok(())
}

#[test]
fn an_average_holds_over_the_whole_and_goes_where_it_is_needed() -> Result<()> {
    let folder = folder()?;
    let film = film(folder.path())?;
    let rate = "averageBitrate: {bitrate: 200k, maxBitrate: 300k, bufferSize: 600k}";
    let made = made(folder.path(), &film, "h264", rate)?;
    let media = made.video()[0];
    let (segments, emptiest) = rates(media);
    let average = media.sizes.iter().sum::<usize>() as f64 * 8.0 / 66.0;
    assert!((average / 200_000.0 - 1.0).abs() < 0.03, "{average:.0} bit/s: {segments:?}");
    let peak = segments.iter().take(16).copied().fold(0.0, f64::max);
    assert!(peak > 250_000.0 && peak <= 1.1 * MAX && emptiest >= 0.0, "{segments:?}, {emptiest}");
    let chunked = folder.path().join("chunked.mp4");
    std::fs::write(&chunked, &media.bytes)?;
    let whole = folder.path().join("whole.mp4");
    two_passes(&film, &whole, folder.path())?;
    let (ours, theirs) = (ssim(&chunked, &film, folder.path())?, ssim(&whole, &film, folder.path())?);
    assert!(ours > theirs - 0.3, "{ours:.2} dB, and {theirs:.2} dB in one piece");
    Ok(())
}

/// All renditions of a chunk in one task, a preset that notes no blocks, a first pass that fails once, and a job
/// that goes on.
#[test]
fn first_passes_are_tasks_like_others() -> Result<()> {
    let folder = folder()?;
    let film = film(folder.path())?;
    let options = "{video: {fanOut: Chunk, segmentDuration: 4s, encode: {h264: {preset: superfast, rate: {averageBitrate: {bitrate: 300k}}}}}, renditions: [{name: top, box: {width: 320, height: 180}}, {name: low, box: {width: 160, height: 90}, encode: {h264: {preset: veryfast, rate: {averageBitrate: {bitrate: 100k}}}}}, {name: plain, box: {width: 80, height: 46}, encode: {h264: {preset: ultrafast}}}]}";
    let job = Job::of_file(folder.path(), &film, "[dash]", options)?;
    let failed = job.with("TRANSCODE_FAULTS", "firstpass/1/0=kill;package/0/*=badChunk").run(&[])?;
    assert_eq!(failed.code, Some(1), "{}", failed.message());
    assert_eq!(failed.worked("firstpass").len(), 5, "{:?}", failed.worked("firstpass"));
    let again = Job::of_file(folder.path(), &film, "[dash]", options)?.succeed(&[])?;
    assert_eq!((again.worked("firstpass").len(), again.worked("encode").len()), (0, 0));
    for (media, wanted) in Published::read(&folder.path().join("out"))?.video().iter().zip([300_000.0, 100_000.0]) {
        let average = media.sizes.iter().sum::<usize>() as f64 * 8.0 / 66.0;
        assert!((average / wanted - 1.0).abs() < 0.03, "{}: {average:.0} bit/s", media.name);
    }
    Ok(())
}

/// The same in one piece by plain ffmpeg.
fn two_passes(film: &Path, whole: &Path, folder: &Path) -> Result<()> {
    let words = "-v error -i {film} -c:v libx264 -threads 1 -forced-idr 1 -pass PASS -g 100 -preset veryfast -b:v 200k -maxrate 300k -bufsize 600k -force_key_frames expr:eq(mod(n,100),0) -f mp4 {whole}";
    for pass in ["1", "2"] {
        tool::ffmpeg(&words.replace("PASS", pass), &[("film", film), ("whole", whole)], folder)?;
    }
    Ok(())
}

/// Of all frames and planes, dB.
fn ssim(made: &Path, film: &Path, folder: &Path) -> Result<f64> {
    let words = "-v error -i {made} -i {film} -filter_complex [0:v]settb=1/1000,setpts=N[a];[1:v]format=yuv420p,settb=1/1000,setpts=N[b];[a][b]ssim=stats_file=- -f null -";
    let ran = tool::ffmpeg(words, &[("made", made), ("film", film)], folder)?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let all: Vec<f64> =
        text.lines().filter_map(|l| l.split_once("All:")?.1.split_whitespace().next()?.parse().ok()).collect();
    anyhow::ensure!(all.len() == 1650, "{} frames were compared", all.len());
    Ok(-10.0 * (1.0 - all.iter().sum::<f64>() / all.len() as f64).log10())
}

#[test]
fn a_cap_that_can_not_be_kept_is_told() -> Result<()> {
    let folder = folder()?;
    let film = film(folder.path())?;
    let options = "{video: {encode: {h264: {preset: ultrafast, rate: {cappedCrf: {crf: 20, maxBitrate: 10k}}}}}, renditions: [{name: low, box: {width: 320, height: 180}}]}";
    let finished = Job::of_file(folder.path(), &film, "[dash]", options)?.run(&[])?;
    assert_eq!((finished.code, finished.reason()), (Some(1), "Misconfigured"), "{}", finished.message());
    for words in ["low", "10000", "Raise maxBitrate"] {
        assert!(finished.message().contains(words), "{}", finished.message());
    }
    Ok(())
}
