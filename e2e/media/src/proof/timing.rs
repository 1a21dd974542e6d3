//! Every rendition has exactly the source's frames at their times, read from the boxes:
//! `tfdt + cts - elst`. So has the progressive MP4.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Evidence;
use crate::{boxes, published::Media, tool};

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let published = &evidence.published;
    let names: Vec<_> = published.video().iter().map(|m| m.name.clone()).collect();
    let asked: Vec<_> = evidence.row.pictures.iter().map(|(name, _, _)| (*name).to_owned()).collect();
    ensure!(names == asked, "renditions {names:?}, expected {asked:?}");
    for media in published.video() {
        let expected = expected(evidence, media)?;
        same(&media.track.presented(), &expected).with_context(|| format!("segments of {}", media.name))?;
        if let Some(rate) = evidence.row.counted {
            counted(evidence, media, rate).with_context(|| format!("counted frames of {}", media.name))?;
        }
        ensure!(media.track.empty.0 == 0, "{} begins with an empty edit", media.name);
        continuous(&media.track).with_context(|| format!("segments of {}", media.name))?;
        evidence.figures.tell("frames", expected.len());
        evidence.figures.add("equal_times", expected.len());
    }
    for (path, file) in published.paths("mp4").iter().zip(published.files("mp4")) {
        let tracks = boxes::read(&fs::read(path)?).with_context(|| path.display().to_string())?;
        let name = file["track"].as_str().context("an MP4 of no track")?;
        for track in tracks.values().filter(|t| t.is_video()) {
            let media = published.video().into_iter().find(|m| m.name == name).with_context(|| name.to_owned())?;
            ensure!(
                track.empty.0 * track.timescale % track.empty.1 == 0,
                "the MP4 of {name} has an empty edit between two ticks"
            );
            ensure!(track.timescale == media.track.timescale, "the MP4 of {name} has another timescale");
            same(&track.presented(), &media.track.presented()).with_context(|| format!("MP4 of {name}"))?;
        }
        let sounds = tracks.values().filter(|t| !t.is_video()).count();
        ensure!(sounds == evidence.row.audio.len(), "the MP4 of {name} has {sounds} audio tracks");
        faststart(&fs::read(path)?).with_context(|| format!("MP4 of {name}"))?;
    }
    Ok(())
}

/// Frame n is n frames behind 0, where the sound begins: what players of the source's container do.
fn counted(evidence: &Evidence<'_>, media: &Media, rate: i64) -> Result<()> {
    let origin = seconds(&evidence.plan.json["media"]["origin"])?;
    ensure!(origin == 0.0, "the origin is {origin} s");
    let presented = media.track.presented();
    let expected: Vec<i64> = (0..presented.len() as i64).map(|n| n * media.track.timescale / rate).collect();
    same(&presented, &expected)
}

/// Times of the source's frames on the track's timescale, from the origin.
fn expected(evidence: &Evidence<'_>, media: &Media) -> Result<Vec<i64>> {
    let reference = evidence.reference.iter().find(|r| r.name == media.name).context("no reference")?;
    let (num, den) = reference.frames.timebase;
    let scale = media.track.timescale;
    ensure!((scale * num) % den == 0, "timescale {scale} does not hold ticks of {num}/{den}");
    check_origin(evidence)?;
    let (above, below) = fraction(&evidence.plan.json["media"]["origin"])?;
    let origin = (above * scale).div_euclid(below);
    Ok(reference.frames.times().into_iter().map(|pts| pts * num * scale / den - origin).collect())
}

/// The origin is the earliest time of any track, on a tick of the video; measured here, and the plan
/// has to agree.
fn check_origin(evidence: &Evidence<'_>) -> Result<()> {
    let told = seconds(&evidence.plan.json["media"]["origin"])?;
    let answer = tool::ffprobe(
        "-show_entries stream=time_base,codec_type -of json -i {in}",
        &[("in", &evidence.source)],
        &evidence.folder,
    )?;
    let streams: Value = serde_json::from_str(&answer)?;
    let video = streams["streams"].as_array().into_iter().flatten().find(|s| s["codec_type"] == "video");
    let tick = video
        .and_then(|v| v["time_base"].as_str()?.split_once('/')?.1.parse::<f64>().ok())
        .map_or(1e-3, |den| 1.0 / den);
    let pictures = evidence.reference.iter().filter_map(|r| Some(r.frames.seconds(r.frames.frames.first()?)));
    let mut first = pictures.fold(f64::INFINITY, f64::min);
    for n in 0..evidence.row.audio.len() {
        let sound = crate::signal::Sound::of(&evidence.source, &format!("a:{n}"), None, &evidence.folder)?;
        // Sound before 0 is an encoder's priming, which ffmpeg up to 7.1 shows of Matroska.
        first = first.min(sound.start.max(0) as f64 / sound.rate as f64);
    }
    // Packets of sound may begin before what is heard of them: the plan may be earlier by an access
    // unit, and containers round times to their ticks.
    let early = first - told;
    ensure!(early >= -tick.max(0.001) && early <= 0.03, "the source begins at {first} s, the plan says {told} s");
    Ok(())
}

/// `1001/30000s` as a number.
pub fn seconds(value: &Value) -> Result<f64> {
    fraction(value).map(|(above, below)| above as f64 / below as f64)
}

/// `1001/30000s`
fn fraction(value: &Value) -> Result<(i64, i64)> {
    let text = value.as_str().context("not a time")?.trim_end_matches('s');
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    Ok((above.parse()?, below.parse()?))
}

fn same(found: &[i64], expected: &[i64]) -> Result<()> {
    match (0..found.len().max(expected.len())).find(|n| found.get(*n) != expected.get(*n)) {
        None => Ok(()),
        Some(n) => bail!(
            "{} frames, expected {}; frame {n} is at {:?}, not at {:?}",
            found.len(),
            expected.len(),
            found.get(n),
            expected.get(n)
        ),
    }
}

/// Decode times follow one another over every join, and no frame is shown before it is decoded.
fn continuous(track: &boxes::Track) -> Result<()> {
    for pair in track.samples.windows(2) {
        let next = pair[0].decode + pair[0].duration;
        ensure!(pair[1].decode == next, "decode time {} follows {next}", pair[1].decode);
    }
    let late = track.samples.iter().find(|s| s.composition < s.decode);
    ensure!(late.is_none(), "shown before it is decoded: {late:?}");
    Ok(())
}

/// The index comes before the media.
fn faststart(bytes: &[u8]) -> Result<()> {
    let (moov, mdat) = (boxes::find(bytes, &[b"moov"]), boxes::find(bytes, &[b"mdat"]));
    ensure!(moov.context("no moov")?.start < mdat.context("no mdat")?.start, "moov lies after mdat");
    Ok(())
}
