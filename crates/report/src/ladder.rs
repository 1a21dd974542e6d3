//! The ladder: renditions and audio tracks with what was measured of each.

use maud::{Markup, html};
use transcode_contract::{PublishedFile, Span};
use transcode_media::{
    time::Timescale,
    track::{Track, TrackKind, VideoRange},
};

use crate::{Facts, words};

/// A row; what is not known is empty.
#[derive(Default)]
struct Row {
    name: String,
    picture: String,
    codec: String,
    range: String,
    average: String,
    peak: String,
    segments: String,
    bytes: String,
}

/// The table.
pub fn section(facts: &Facts) -> Markup {
    let rows = rows(facts);
    html! {
        @if rows.is_empty() { p { "Not known: the source was not probed." } }
        @else {
            div.scroll { table {
                caption { "Renditions and audio tracks" }
                thead { tr {
                    @for name in ["Track", "Picture or sound", "Codec", "Range"] { th scope="col" { (name) } }
                    @for name in ["Average", "Peak segment", "Segments", "Bytes"] { th.number scope="col" { (name) } }
                } }
                tbody { @for row in rows { tr {
                    th scope="row" { (row.name) }
                    td { (row.picture) } td { code { (row.codec) } } td { (row.range) }
                    td.number { (row.average) } td.number { (row.peak) }
                    td.number { (row.segments) } td.number { (row.bytes) }
                } } }
            } }
        }
    }
}

fn rows(facts: &Facts) -> Vec<Row> {
    let segments = facts.segments();
    let of_record = facts.record.iter().flat_map(|record| &record.tracks);
    let rows: Vec<Row> = of_record
        .map(|track| measured(track, segments.get(track.name.as_str()).map_or(&[][..], Vec::as_slice)))
        .collect();
    let of_status = || {
        facts.status.iter().flat_map(|status| &status.renditions).map(|rendition| Row {
            name: rendition.name.clone(),
            picture: rendition.resolution.clone().unwrap_or_default(),
            codec: rendition.codec.clone(),
            average: rendition.bitrate.map(words::rate).unwrap_or_default(),
            bytes: rendition.bytes.map(words::count).unwrap_or_default(),
            ..Row::default()
        })
    };
    if rows.is_empty() { of_status().collect() } else { rows }
}

fn measured(track: &Track, segments: &[&PublishedFile]) -> Row {
    let (picture, range) = match &track.kind {
        TrackKind::Video { width, height, frame_rate, range, .. } => {
            let rate = format!("{:.3}", *frame_rate.numer() as f64 / *frame_rate.denom() as f64);
            let rate = rate.trim_end_matches('0').trim_end_matches('.');
            let range = match range {
                VideoRange::Sdr => "SDR",
                VideoRange::Pq => "HDR10 (PQ)",
                VideoRange::Hlg => "HLG",
            };
            (format!("{width}×{height}, {rate} fps"), range.into())
        }
        TrackKind::Audio { channels, sample_rate, language, .. } => {
            (format!("{channels} channels, {sample_rate} Hz, {language}"), String::new())
        }
    };
    let bytes: u64 = segments.iter().map(|s| s.file.bytes).sum();
    let spans: Vec<(u64, Span)> = segments.iter().filter_map(|s| Some((s.file.bytes, s.span?))).collect();
    let ticks: u64 = spans.iter().map(|(_, span)| span.duration).sum();
    let peak = spans.iter().map(|(bytes, span)| bits_per_second(*bytes, span.duration, track.timescale)).max();
    Row {
        name: track.name.clone(),
        picture,
        codec: track.codec.clone(),
        range,
        average: if ticks > 0 { words::rate(bits_per_second(bytes, ticks, track.timescale)) } else { String::new() },
        peak: peak.map(words::rate).unwrap_or_default(),
        segments: words::count(segments.len() as u64),
        bytes: words::count(bytes),
    }
}

/// Bit/s of so many bytes over so many ticks, rounded up; 0 for no time.
pub fn bits_per_second(bytes: u64, ticks: u64, timescale: Timescale) -> u64 {
    let bits = u128::from(bytes) * 8 * u128::from(timescale.0);
    if ticks == 0 { 0 } else { bits.div_ceil(u128::from(ticks)) as u64 }
}
