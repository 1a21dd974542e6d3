//! The media in the browser's own player: HLS where the browser has it, else a progressive MP4.

use maud::{Markup, html};
use transcode_contract::PublishedRecord;
use transcode_media::track::{Track, TrackKind};

use crate::Facts;

/// The player, or why there is none.
pub fn section(facts: &Facts) -> Markup {
    let Some(record) = &facts.record else {
        return html! { p.note { "There is nothing to play: nothing was published, or its record is not known here." } };
    };
    if facts.base.is_none() {
        return html! { p.note {
            "A browser can't open the output where it lies. Say where it is served with --media-url, and the player is here."
        } };
    }
    let sources = sources(facts, record);
    let poster = record.files.iter().find(|file| file.kind == "thumbnail").and_then(|file| facts.link(&file.file.path));
    html! {
        @if sources.is_empty() {
            p.note { "There is nothing that this page can play: browsers play neither DASH without a script nor single segments, and the job made neither HLS nor MP4." }
        } @else {
            video controls preload="metadata" playsinline poster=[poster] aria-label=(format!("The output of {}", facts.name)) {
                @for (link, kind) in &sources { source src=(link) type=(kind); }
            }
            p #playing role="status" {}
            p.bad #unplayable hidden role="alert" {
                "This browser can't play the output from here. Either it has no HLS and there is no MP4 that it knows the codecs of, or it can't reach the files: they have to lie where the links of this page lead, and browsers play HLS over http only, not from a file:// page."
            }
            noscript { p.note { "If nothing plays: this browser has no HLS, and no MP4 of the output that it knows the codecs of." } }
        }
    }
}

/// Link and type of each: the first one that the browser knows is played.
fn sources(facts: &Facts, record: &PublishedRecord) -> Vec<(String, String)> {
    let files = |kind: &'static str| record.files.iter().filter(move |file| file.kind == kind);
    let hls = files("hls").filter(|file| !file.file.path.contains('/'));
    let hls = hls.filter_map(|file| Some((facts.link(&file.file.path)?, "application/vnd.apple.mpegurl".into())));
    let mp4 = files("mp4").filter_map(|file| {
        let kind = match codecs(record, file.track.as_deref()).join(",") {
            none if none.is_empty() => "video/mp4".into(),
            codecs => format!("video/mp4; codecs=\"{codecs}\""),
        };
        Some((facts.link(&file.file.path)?, kind))
    });
    hls.chain(mp4).collect()
}

/// Codecs of a progressive MP4: its rendition's, and those of all sound.
fn codecs<'a>(record: &'a PublishedRecord, rendition: Option<&str>) -> Vec<&'a str> {
    let sounds = |track: &&Track| matches!(track.kind, TrackKind::Audio { .. });
    let mut codecs: Vec<&str> = record
        .tracks
        .iter()
        .filter(|track| sounds(track) || Some(track.name.as_str()) == rendition)
        .map(|track| track.codec.as_str())
        .collect();
    codecs.dedup();
    codecs
}
