//! Sound: access units are those of one ffmpeg run with the same arguments, and every sample is
//! heard when the source has it.

use std::fs;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::{Evidence, timing::seconds};
use crate::{boxes, published::Media, signal::Sound, tool};

/// Samples of an access unit: AAC-LC 1024, MP3 1152, Opus 20 ms, AC-3 and E-AC-3 six blocks of 256, FLAC
/// what it is asked for.
fn unit(media: &Media) -> usize {
    match &media.track.entry {
        b"Opus" => 960,
        b"ac-3" | b"ec-3" => 1536,
        b"fLaC" => 4096,
        _ if mpeg1(media) => 1152,
        _ => 1024,
    }
}

/// The object type of MPEG-1 audio (ISO/IEC 14496-1 table 5) in a decoder configuration descriptor (tag 4).
pub(super) fn mpeg1(media: &Media) -> bool {
    let entry = &media.bytes[media.track.description.clone()];
    entry.windows(6).any(|bytes| bytes[0] == 4 && bytes[1..4] == [0x80; 3] && bytes[5] == 0x6b)
}

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let tracks = evidence.published.audio();
    ensure!(
        tracks.len() == evidence.row.audio.len(),
        "{} audio tracks, expected {}",
        tracks.len(),
        evidence.row.audio.len()
    );
    let Some(command) = evidence.plan.audio().filter(|_| !tracks.is_empty()) else { return Ok(()) };
    tool::run("ffmpeg", [command, &["-loglevel".into(), "error".into()]].concat(), &evidence.folder)
        .context("the plan's audio command")?;
    let origin = seconds(&evidence.plan.json["media"]["origin"])?;
    for (n, media) in tracks.into_iter().enumerate() {
        same_units(evidence, n, media).with_context(|| media.name.clone())?;
        rolls(media).with_context(|| media.name.clone())?;
        in_time(evidence, n, media, origin).with_context(|| media.name.clone())?;
        in_mp4(evidence, n, media).with_context(|| media.name.clone())?;
    }
    Ok(())
}

/// The source's stream that a track is made of, or its left channel.
fn in_source(evidence: &Evidence<'_>, n: usize) -> Result<u64> {
    evidence.plan.json["media"]["info"]["audio"][n]["index"].as_u64().with_context(|| format!("no stream of track {n}"))
}

fn same_units(evidence: &Evidence<'_>, n: usize, media: &Media) -> Result<()> {
    let bytes = fs::read(evidence.folder.join(format!("audio-{n}.mp4")))?;
    let tracks = boxes::read(&bytes)?;
    let reference = tracks.values().next().context("ffmpeg wrote no track")?;
    let expected: Vec<&[u8]> = reference.samples.iter().map(|s| &bytes[s.bytes.clone()]).collect();
    let found: Vec<&[u8]> = media.units().collect();
    ensure!(found.len() == expected.len(), "{} access units, ffmpeg makes {}", found.len(), expected.len());
    let same = !evidence.same_encoder || found == expected;
    ensure!(same, "access units differ from those of one ffmpeg run");
    if evidence.passed_through() {
        the_sources(evidence, n, media)?;
    }
    evidence.figures.add("equal_units", found.len());
    ensure!(
        reference.timescale == media.track.timescale,
        "timescale {} became {}",
        reference.timescale,
        media.track.timescale
    );
    Ok(())
}

/// Access units that a seeking player decodes first: 80 ms of Opus (Encapsulation of Opus in ISOBMFF 4.3.6.2), one of
/// AAC (QuickTime File Format, appendix G).
fn rolls(media: &Media) -> Result<()> {
    let expected = match &media.track.entry {
        b"Opus" => Some(-4),
        b"mp4a" if !mpeg1(media) => Some(-1),
        _ => None,
    };
    let other = media.track.samples.iter().find(|sample| sample.roll != expected);
    ensure!(other.is_none(), "the pre-roll of {other:?} is not {expected:?}");
    Ok(())
}

/// What is passed through is the source's, by checksums that another muxer tells.
fn the_sources(evidence: &Evidence<'_>, n: usize, media: &Media) -> Result<()> {
    let bare = if &media.track.entry == b"mp4a" && !mpeg1(media) { "-bsf:a aac_adtstoasc" } else { "" };
    let stream = in_source(evidence, n)?;
    let words = format!("-v error -i {{in}} -map 0:{stream} -c copy {bare} -f framehash -hash sha256 -");
    let told = String::from_utf8(tool::ffmpeg(&words, &[("in", &evidence.source)], &evidence.folder)?.stdout)?;
    let lines = told.lines().filter(|line| !line.starts_with('#'));
    let expected: Vec<&str> = lines.filter_map(|line| line.split(',').nth(5)).map(str::trim).collect();
    let found: Vec<String> = media.units().map(|unit| hex::encode(Sha256::digest(unit))).collect();
    ensure!(found == expected, "{} access units are not the source's {}", found.len(), expected.len());
    Ok(())
}

fn in_time(evidence: &Evidence<'_>, n: usize, media: &Media, origin: f64) -> Result<()> {
    let track = &media.track;
    let file = evidence.folder.join(format!("{}.mp4", media.name));
    fs::write(&file, &media.bytes)?;
    let samples = Sound::whole(&file, &evidence.folder)?;
    let mut units = track.samples.len() * unit(media);
    if let Some(last) = track.samples.last().filter(|_| &track.entry == b"fLaC") {
        // What is lossless has no padding.
        units -= unit(media) - last.duration as usize;
    }
    ensure!(samples.len() == units, "{} samples decode from {units}", samples.len());
    let first = track.samples.first().context("no access unit")?;
    let heard = Sound { rate: track.timescale, start: first.composition - track.media_time, samples };
    let mut source =
        Sound::of(&evidence.source, &in_source(evidence, n)?.to_string(), Some(heard.rate), &evidence.folder)?;
    source.start -= (origin * heard.rate as f64).round() as i64;
    let lags = source.lags(&heard);
    ensure!(lags.len() >= 2, "too little to compare");
    // Mixed down, the tones of many channels drown the clicks of one: such rows prove places, and others times.
    let surround = evidence.row.tones.iter().any(|channels| channels.len() > 2);
    let on_time = surround || lags.iter().all(|lag| lag.is_some_and(|lag| lag.abs() <= 1));
    evidence.figures.greatest("click", lags.iter().flatten().map(|lag| lag.abs()).max().unwrap_or(0) as f64);
    ensure!(on_time, "the sound is late by {lags:?} samples at {} Hz", heard.rate);
    let shown = heard.start + track.samples.iter().map(|s| s.duration).sum::<i64>();
    let ends = end(evidence, &source, &heard)?;
    let missing = ends - shown;
    // The encoder's last unit is filled up; nothing of the source may be cut off. Of what is passed through, the
    // source's own duration says how much of the last unit was filled up.
    let filled = if evidence.passed_through() { unit(media) as i64 } else { 1 };
    ensure!(missing <= filled, "{missing} samples of the source's end are not shown");
    ensure!(-missing <= 2 * unit(media) as i64 + heard.rate / 50, "{} samples too many are shown", -missing);
    Ok(())
}

/// Where the track ends: with the source's, or behind silence with the presentation.
fn end(evidence: &Evidence<'_>, source: &Sound, heard: &Sound) -> Result<i64> {
    let all = (seconds(&evidence.plan.json["media"]["duration"])? * heard.rate as f64).round() as i64;
    if evidence.passed_through() || all - source.end() <= heard.rate / 10 {
        return Ok(source.end());
    }
    // An encoder's last sound rings on for a unit or two.
    let behind = usize::try_from(source.end() - heard.start + heard.rate / 10)?;
    let loudest = heard.samples.iter().skip(behind).fold(0.0_f32, |most, sample| most.max(sample.abs()));
    ensure!(loudest < 0.001, "behind the source's end it is not silent: {loudest}");
    Ok(all)
}

/// The progressive MP4 has the very same units with the same times.
fn in_mp4(evidence: &Evidence<'_>, n: usize, media: &Media) -> Result<()> {
    for path in evidence.published.paths("mp4") {
        let bytes = fs::read(&path)?;
        let tracks = boxes::read(&bytes)?;
        let track =
            tracks.values().filter(|t| !t.is_video()).nth(n).with_context(|| format!("{} lacks it", path.display()))?;
        let same = track.samples.iter().map(|s| &bytes[s.bytes.clone()]).eq(media.units());
        ensure!(same, "access units of {} differ", path.display());
        ensure!(track.presented() == media.track.presented(), "times in {} differ", path.display());
        let same = track.samples.iter().map(|s| s.roll).eq(media.track.samples.iter().map(|s| s.roll));
        ensure!(same, "pre-rolls in {} differ", path.display());
    }
    Ok(())
}
