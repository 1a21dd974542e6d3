//! What was published. Segments are summed up: the record has each of them.

use maud::{Markup, html};
use transcode_contract::PublishedRecord;

use crate::{Facts, words};

/// Files that people open, with checksums, then the segments of each track.
pub fn section(facts: &Facts) -> Markup {
    match &facts.record {
        Some(record) => published(facts, record),
        None => outputs(facts),
    }
}

fn published(facts: &Facts, record: &PublishedRecord) -> Markup {
    let single = record.files.iter().filter(|file| !matches!(file.kind.as_str(), "segment" | "init"));
    html! {
        div.scroll { table {
            caption { "Files" }
            thead { tr { th scope="col" { "File" } th scope="col" { "Kind" } th.number scope="col" { "Bytes" } th scope="col" { "SHA-256" } } }
            tbody { @for file in single { tr {
                th scope="row" { (link(facts, &file.file.path)) }
                td { (file.kind) }
                td.number { (words::count(file.file.bytes)) }
                td { code.hash { (file.file.sha256) } }
            } } }
        } }
        div.scroll { table {
            caption { "Segments" }
            thead { tr { th scope="col" { "Track" } th.number scope="col" { "Segments" } th.number scope="col" { "Bytes" } } }
            tbody { @for (track, segments) in facts.segments() { tr {
                th scope="row" { (track) }
                td.number { (words::count(segments.len() as u64)) }
                td.number { (words::count(segments.iter().map(|s| s.file.bytes).sum())) }
            } } }
        } }
        p { "Sizes and checksums of all of them are in " (link(facts, "job.json")) ". To check them, in the output's folder:" }
        pre { "jq -r '.files[] | \"\\(.sha256)  \\(.path)\"' job.json | sha256sum --check --quiet" }
    }
}

/// What a status tells.
fn outputs(facts: &Facts) -> Markup {
    let outputs: Vec<_> = facts.status.iter().flat_map(|status| &status.outputs).collect();
    html! {
        @if outputs.is_empty() { p { "Nothing was published." } }
        @else {
            dl.figures { @for output in outputs { div { dt { (output.kind) } dd { code { (output.uri) } } } } }
            p { "Single files, sizes and checksums are in the record, job.json." }
        }
    }
}

fn link(facts: &Facts, path: &str) -> Markup {
    html! {
        @match facts.link(path) {
            Some(link) => a href=(link) { (path) },
            None => (path),
        }
    }
}
