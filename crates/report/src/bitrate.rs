//! A plot of the bit rate for each track, segment by segment.

use maud::{Markup, html};
use transcode_contract::{PublishedFile, Span};
use transcode_media::track::Track;

use crate::{Facts, ladder::bits_per_second, words};

/// Steps of a plot at most; more segments share one.
const STEPS: usize = 240;
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 150.0;

/// One segment, or several that follow each other.
struct Step {
    /// Seconds.
    start: f64,
    end: f64,
    segments: usize,
    bytes: u64,
    /// Bit/s of all of them.
    rate: u64,
    /// Bit/s of the largest one.
    peak: u64,
}

/// All plots.
pub fn section(facts: &Facts) -> Markup {
    let segments = facts.segments();
    let tracks = facts.record.iter().flat_map(|record| &record.tracks);
    let plots: Vec<Markup> = tracks
        .filter_map(|track| {
            let steps = steps(track, segments.get(track.name.as_str())?);
            (!steps.is_empty()).then(|| plot(track, &steps))
        })
        .collect();
    html! {
        @if plots.is_empty() { p { "Sizes and times of segments are not known: they are in the record that a job publishes." } }
        @for plot in plots { (plot) }
    }
}

fn steps(track: &Track, segments: &[&PublishedFile]) -> Vec<Step> {
    let known: Vec<(u64, Span)> = segments.iter().filter_map(|s| Some((s.file.bytes, s.span?))).collect();
    let seconds = |ticks: i64| track.timescale.time(ticks).as_secs_f64();
    let step = |part: &[(u64, Span)]| {
        let ((_, first), (_, last)) = (part.first()?, part.last()?);
        let bytes = part.iter().map(|(bytes, _)| bytes).sum();
        let ticks = part.iter().map(|(_, span)| span.duration).sum();
        let rate = |bytes, ticks| bits_per_second(bytes, ticks, track.timescale);
        Some(Step {
            start: seconds(first.start),
            end: seconds(last.start.saturating_add_unsigned(last.duration)),
            segments: part.len(),
            bytes,
            rate: rate(bytes, ticks),
            peak: part.iter().map(|(bytes, span)| rate(*bytes, span.duration)).max()?,
        })
    };
    known.chunks(known.len().div_ceil(STEPS).max(1)).filter_map(step).collect()
}

fn plot(track: &Track, steps: &[Step]) -> Markup {
    let top = steps.iter().map(|step| step.peak).max().unwrap_or(0).max(1);
    let (begin, end) = (steps.first().map_or(0.0, |s| s.start), steps.last().map_or(0.0, |s| s.end));
    let x = |at: f64| (at - begin) / (end - begin).max(0.001) * WIDTH;
    let y = |rate: u64| HEIGHT - rate as f64 / top as f64 * HEIGHT;
    let shared = steps.iter().any(|step| step.segments > 1);
    let words = format!("Bit rate of {} by segment, at most {}", track.name, words::rate(top));
    html! {
        figure {
            figcaption { strong { (track.name) } @if shared { ": mean of several segments each, and above it the largest of them" } }
            div.scroll { svg.plot viewBox=(format!("-90 -8 {} {}", WIDTH + 110.0, HEIGHT + 34.0)) role="img" aria-label=(words) {
                title { (words) }
                @for share in [0, 1, 2] {
                    @let rate = top * share / 2;
                    line.grid x1="0" x2=(WIDTH) y1=(format!("{:.1}", y(rate))) y2=(format!("{:.1}", y(rate))) {}
                    text.scale x="-6" y=(format!("{:.1}", y(rate) + 4.0)) { (words::rate(rate)) }
                }
                @for step in steps {
                    @let (from, width) = (x(step.start), (x(step.end) - x(step.start)).max(0.5));
                    @let title = format!("{} to {}: {}", words::seconds(step.start), words::seconds(step.end), words::rate(step.rate));
                    @if step.peak > step.rate { (bar("peak", from, width, y(step.peak), &title)) }
                    (bar("rate", from, width, y(step.rate), &title))
                }
                @for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    @let at = begin + (end - begin) * share;
                    text x=(format!("{:.1}", x(at))) y=(HEIGHT + 18.0) { (words::seconds(at)) }
                }
            } }
            details { summary { "Figures of " (track.name) } div.scroll { (table(track, steps)) } }
        }
    }
}

fn bar(class: &str, x: f64, width: f64, y: f64, title: &str) -> Markup {
    // A hair wider than it is: neighbours would show a seam.
    html! {
        rect class=(class) x=(format!("{x:.2}")) y=(format!("{y:.1}")) width=(format!("{:.2}", width + 0.1))
            height=(format!("{:.1}", HEIGHT - y)) { title { (title) } }
    }
}

fn table(track: &Track, steps: &[Step]) -> Markup {
    html! {
        table data-track=(track.name) {
            thead { tr { th scope="col" { "From" } @for name in ["Length", "Segments", "Bytes", "Bit rate"] { th.number scope="col" { (name) } } } }
            tbody { @for step in steps { tr {
                th scope="row" { (words::seconds(step.start)) }
                td.number { (words::seconds(step.end - step.start)) }
                td.number { (step.segments) }
                td.number { (words::count(step.bytes)) }
                td.number { (words::rate(step.rate)) }
            } } }
        }
    }
}
