//! How the job ended, what it was made of, what it warns of, and what Verify looked at.

use maud::{Markup, html};
use transcode_api::status::{MediaStatus, Phase};

use crate::{Facts, words};

/// Title, result, and the figures that people ask for first.
pub fn head(facts: &Facts) -> Markup {
    let (class, result) = result(facts);
    let message = facts.status.as_ref().and_then(|status| status.message.as_deref()).unwrap_or_default();
    html! {
        header {
            h1 { (facts.name) " " small { "in " (facts.namespace) } }
            p.result.(class) { (result) }
            @if class == "bad" { pre.failure { (message) } (failures(facts)) }
            @else if class == "open" { p { (message) } }
        }
        dl.figures {
            @for (term, words) in figures(facts) { div { dt { (term) } dd { (words) } } }
        }
        @for note in &facts.notes { p.note { (note) } }
    }
}

fn result(facts: &Facts) -> (&'static str, &'static str) {
    match facts.status.as_ref().map(|status| status.phase) {
        None => ("good", "Published and verified"),
        Some(Some(Phase::Succeeded)) => ("good", "Succeeded: published and verified"),
        Some(Some(Phase::Failed)) => ("bad", "Failed"),
        Some(Some(Phase::Suspended)) => ("open", "Suspended"),
        Some(_) => ("open", "Not finished"),
    }
}

/// The last failure of each stage that had one.
fn failures(facts: &Facts) -> Markup {
    let stages = facts.status.iter().flat_map(|status| &status.stages);
    let failed: Vec<_> = stages.filter_map(|stage| Some((stage, stage.message.as_ref()?))).collect();
    html! {
        @if !failed.is_empty() {
            details open {
                summary { "What failed, by stage" }
                dl.failures {
                    @for (stage, message) in failed {
                        dt { (stage.name) ", " (words::plural(stage.failed_attempts as usize, "failed attempt")) }
                        dd { pre { (message) } }
                    }
                }
            }
        }
    }
}

fn figures(facts: &Facts) -> Vec<(&'static str, String)> {
    let (status, record) = (facts.status.as_ref(), facts.record.as_ref());
    let source = record.map(|r| r.source.clone()).or_else(|| status?.source.clone());
    let media = status.and_then(|s| s.media.as_ref()).or_else(|| record?.media.as_ref());
    let wall = facts.wall_seconds();
    let length = facts.duration.map(|duration| duration.as_secs_f64());
    let speed = length.zip(wall).filter(|(_, wall)| *wall > 0.0).map(|(length, wall)| length / wall);
    let usage = status.and_then(|s| s.usage.as_ref());
    let read = record.map(|r| r.usage.bytes_read).or_else(|| Some(usage?.bytes_read));
    let written = record.map(|r| r.files.iter().map(|f| f.file.bytes).sum::<u64>());
    let rows = [
        ("Source", source),
        ("Source is", media.map(media_words)),
        ("Length", length.map(words::seconds).or_else(|| media.map(|m| m.duration.clone()))),
        ("Wall time", wall.map(words::seconds)),
        ("CPU time", facts.cpu_seconds().map(|cpu| format!("{} of encoding and sound", words::seconds(cpu)))),
        ("Speed", speed.map(|speed| format!("{speed:.2} seconds of media a second"))),
        ("Read", read.map(|read| format!("{} of the source", words::bytes(read)))),
        ("Published", written.or_else(|| Some(usage?.bytes_written)).map(words::bytes)),
        ("Tasks are cut", status.and_then(|s| s.fan_out.clone())),
        ("Encoder", record.map(|r| format!("ffmpeg {}", r.encoder))),
        ("Started", status.and_then(|s| s.started_at.clone())),
        ("Ended", status.and_then(|s| s.finished_at.clone())),
    ];
    rows.into_iter().filter_map(|(term, words)| Some((term, words?))).collect()
}

fn media_words(media: &MediaStatus) -> String {
    let streams = media.video.iter().chain(&media.audio).map(String::as_str);
    std::iter::once(media.container.as_str()).chain(streams).collect::<Vec<_>>().join("; ")
}

/// Warnings, and segments that are missing.
pub fn warnings(facts: &Facts) -> Markup {
    let warnings = facts.warnings();
    let gaps = facts.record.as_ref().map_or(&[][..], |record| &record.gaps);
    html! {
        @if warnings.is_empty() && gaps.is_empty() { p { "None." } }
        @if !warnings.is_empty() {
            ul.warnings {
                @for warning in warnings {
                    li {
                        strong { (warning.stage) ", " (warning.reason) } ": " (warning.message)
                        @if warning.attempts > 0 { " (" (words::plural(warning.attempts as usize, "attempt")) ")" }
                    }
                }
            }
        }
        @if !gaps.is_empty() {
            p.bad { (words::plural(gaps.len(), "segment")) " could not be made, in no rendition: " (ranges(gaps)) "." }
        }
    }
}

/// `1–3, 7`
fn ranges(numbers: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = vec![];
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let words =
        |(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first}–{last}") };
    ranges.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// What Verify looked at, and what nobody measures.
pub fn verified(facts: &Facts) -> Markup {
    let Some(record) = &facts.record else {
        return html! { p { "Nothing was published, or its record is not known here." } };
    };
    let seen = &record.verified;
    let rows = [
        ("Segments read, their boxes and checksums", seen.segments),
        ("Frames and audio access units found where they belong", seen.samples),
        ("Joins of chunks decoded without an error", seen.joins),
        ("Progressive MP4s compared with the segments", seen.files),
        ("Playlists compared with the segments", seen.playlists),
    ];
    html! {
        table {
            caption { "What Verify looked at before anything was published" }
            thead { tr { th scope="col" { "Check" } th.number scope="col" { "Passed" } } }
            tbody { @for (what, number) in rows { tr { th scope="row" { (what) } td.number { (words::count(number)) } } } }
        }
        p.note { "The job does not compare the pictures of the renditions with those of the source, so there is no SSIM or VMAF to plot." }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_told_in_ranges() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1–3, 7, 9–10");
        assert_eq!(ranges(&[]), "");
    }
}
