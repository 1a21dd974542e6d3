//! DASH: what `dash-mpd` reads is what the boxes say, and ffmpeg plays it.

use std::fs;

use anyhow::{Context, Result, anyhow, ensure};
use dash_mpd_core::{MPD, Period, Representation, SegmentTemplate};

use super::{
    Evidence,
    playlists::{longest_segment, rates},
};
use crate::{listing, published::Media};

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let path = evidence.published.folder.join("manifest.mpd");
    let tracks = evidence.listed();
    if !evidence.row.formats.contains("dash") || tracks.is_empty() {
        ensure!(!path.exists(), "DASH was not asked for, or has no track");
        return Ok(());
    }
    let mpd = dash_mpd_core::parse(&fs::read_to_string(&path)?).map_err(|e| anyhow!("dash-mpd: {e}"))?;
    ensure!(mpd.mpdtype.as_deref() == Some("static"), "type is {:?}", mpd.mpdtype);
    ensure!(
        mpd.profiles.as_deref().is_some_and(|p| p.contains("urn:mpeg:dash:profile:")),
        "profiles is {:?}",
        mpd.profiles
    );
    let [period] = mpd.periods.as_slice() else { return Err(anyhow!("{} periods", mpd.periods.len())) };
    let listed: Vec<&Representation> = period.adaptations.iter().flat_map(|a| &a.representations).collect();
    ensure!(listed.len() == tracks.len(), "{} representations of {} tracks", listed.len(), tracks.len());
    for media in tracks {
        representation(evidence, period, media).with_context(|| media.name.clone())?;
    }
    languages(evidence, period)?;
    captions(evidence, period)?;
    duration(evidence, &mpd)?;
    if !evidence.published.video().is_empty() {
        let frames = listing::decode(&path, "v:0", &evidence.folder).context("as DASH")?.frames.len();
        // ffmpeg 9.0 reads a file of one frame twice, DASH that it wrote itself too.
        let expected = evidence.row.shown_frames();
        let twice = (frames, expected) == (2, 1);
        ensure!(frames == expected || twice, "DASH plays {frames} frames");
    }
    if !evidence.listed_audio().is_empty() {
        listing::decode(&path, "a:0", &evidence.folder).context("as DASH")?;
    }
    Ok(())
}

/// `CC1=und;CC3=und` and `1=lang:und;…` (SCTE 214-1).
fn captions(evidence: &Evidence<'_>, period: &Period) -> Result<()> {
    let told = period.adaptations.iter().flat_map(|set| &set.Accessibility).filter_map(|about| about.value.clone());
    let (services, lines): (Vec<&str>, Vec<&str>) = evidence.row.captions.iter().partition(|c| c.starts_with('S'));
    let services = services.iter().map(|name| format!("{}=lang:und", name.trim_start_matches("SERVICE")));
    let lines = lines.iter().map(|name| format!("{name}=und"));
    let expected = [lines.collect::<Vec<_>>().join(";"), services.collect::<Vec<_>>().join(";")];
    let (told, expected): (Vec<_>, Vec<_>) = (told.collect(), expected.into_iter().filter(|v| !v.is_empty()).collect());
    ensure!(told == expected, "captions are told as {told:?} instead of {expected:?}");
    Ok(())
}

fn representation(evidence: &Evidence<'_>, period: &Period, media: &Media) -> Result<()> {
    let found = period
        .adaptations
        .iter()
        .find_map(|set| Some((set, set.representations.iter().find(|r| r.id.as_deref() == Some(&media.name))?)));
    let (set, representation) = found.context("no representation")?;
    let template =
        representation.SegmentTemplate.as_ref().or(set.SegmentTemplate.as_ref()).context("no SegmentTemplate")?;
    ensure!(template.timescale == Some(media.track.timescale as u64), "timescale is {:?}", template.timescale);
    let codecs = representation.codecs.as_deref().or(set.codecs.as_deref()).context("no codecs")?;
    let named = evidence.row.codecs.iter().find(|(name, _)| *name == media.name);
    ensure!(named.is_none_or(|(_, codec)| codecs.starts_with(codec)), "codecs is {codecs}, expected {named:?}");
    if media.track.is_video() {
        // Of a variable rate it is the average (ISO/IEC 23009-1 5.3.7.2).
        let told = rate_of(representation.frameRate.as_deref().context("no frameRate")?)?;
        let highest = rate_of(set.maxFrameRate.as_deref().context("no maxFrameRate")?)?;
        let average = media.frame_rates().1;
        ensure!((told / average - 1.0).abs() < 0.003, "frameRate is {told}, the boxes have {average:.3}");
        ensure!(told <= highest, "frameRate {told} is above maxFrameRate {highest}");
    }
    let rate = representation.bandwidth.context("no bandwidth")? as f64;
    let bounds = media.bounds();
    let (peak, average) = rates(media, longest_segment(evidence.listed()));
    if media.track.is_video() {
        evidence.figures.of(&media.name, "average", average / 1000.0);
        evidence.figures.of(&media.name, "peak", peak / 1000.0);
    }
    ensure!(rate >= average.floor(), "bandwidth {rate} is below the average {average}");
    ensure!(rate <= peak * 1.05 + 2000.0, "bandwidth {rate} is far above the peak {peak}");
    let starts = starts(template)?;
    let offset = template.presentationTimeOffset.unwrap_or(0) as i64;
    let own: Vec<i64> = bounds[..bounds.len() - 1].iter().map(|b| (*b).max(0)).collect();
    let shown: Vec<i64> = starts.iter().map(|(start, _)| start - offset).collect();
    let expected: Vec<i64> = own.iter().map(|b| b - own[0] + shown[0]).collect();
    ensure!(
        shown == expected && shown[0] == own[0] || shown == own,
        "segments begin at {:?}…, the boxes say {:?}…",
        &shown[..shown.len().min(4)],
        &own[..own.len().min(4)]
    );
    let end = starts.last().map(|(start, duration)| start + duration - offset);
    ensure!(end == bounds.last().copied(), "the timeline ends at {end:?}, the boxes at {:?}", bounds.last());
    let first = template.startNumber.unwrap_or(1);
    let name = |pattern: &Option<String>, number: u64| -> Result<String> {
        let pattern = pattern.as_deref().context("no pattern")?.replace("$RepresentationID$", &media.name);
        ensure!(!pattern.contains("$Time$"), "{pattern} names times");
        let padded = format!("{number:06}");
        Ok(pattern.replace("$Number%06d$", &padded).replace("$Number$", &number.to_string()))
    };
    ensure!(name(&template.initialization, 0)? == media.init, "initialization is {:?}", template.initialization);
    for (n, segment) in media.segments.iter().enumerate() {
        let named = name(&template.media, first + n as u64)?;
        ensure!(&named == segment, "segment {n} is {named}, not {segment}");
        ensure!(evidence.published.folder.join(&named).is_file(), "{named} is missing");
    }
    Ok(())
}

/// `25`, `30000/1001`.
fn rate_of(text: &str) -> Result<f64> {
    let (frames, seconds) = text.split_once('/').unwrap_or((text, "1"));
    Ok(frames.parse::<f64>()? / seconds.parse::<f64>()?)
}

/// Start and duration of each segment that the timeline holds, ticks.
fn starts(template: &SegmentTemplate) -> Result<Vec<(i64, i64)>> {
    let timeline = template.SegmentTimeline.as_ref().context("no SegmentTimeline")?;
    let mut found = vec![];
    let mut at = 0;
    for s in &timeline.segments {
        at = s.t.map_or(at, |t| t as i64);
        for _ in 0..=s.r.unwrap_or(0) {
            found.push((at, s.d as i64));
            at += s.d as i64;
        }
    }
    ensure!(!found.is_empty(), "an empty timeline");
    Ok(found)
}

fn languages(evidence: &Evidence<'_>, period: &Period) -> Result<()> {
    let sets: Vec<_> = period
        .adaptations
        .iter()
        .filter(|s| s.contentType.as_deref() == Some("audio") || s.mimeType.as_deref() == Some("audio/mp4"))
        .collect();
    let found: Vec<_> = sets.iter().map(|s| s.lang.as_deref().unwrap_or("no language")).collect();
    let asked: Vec<_> = evidence.listed_audio().iter().map(|(_, (language, _))| *language).collect();
    ensure!(found == asked, "languages {found:?}, expected {asked:?}");
    Ok(())
}

fn duration(evidence: &Evidence<'_>, mpd: &MPD) -> Result<()> {
    let told = mpd.mediaPresentationDuration.context("no mediaPresentationDuration")?.as_secs_f64();
    let tracks = evidence.listed();
    let ends = tracks.iter().filter_map(|m| Some(*m.bounds().last()? as f64 / m.track.timescale as f64));
    let longest = ends.fold(0.0, f64::max);
    ensure!((told - longest).abs() < 0.002, "mediaPresentationDuration {told}, the boxes end at {longest}");
    Ok(())
}
