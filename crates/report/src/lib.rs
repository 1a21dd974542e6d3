//! A job as one HTML page that needs nothing beside it but the media.
//!
//! ```text
//! Facts ─> summary.rs   how it ended, what the source is, what was found to be wrong
//!          ladder.rs    renditions and audio tracks
//!          timeline.rs  tasks as a picture (axis.rs: its times, lanes.rs: who ran beside whom)
//!          bitrate.rs   a plot for each track
//!          files.rs     what was published, with checksums
//!          player.rs    the media itself
//!          words.rs     numbers for people
//! ```
//!
//! Every text of a job is somebody else's: it reaches the page through maud, which escapes it, and what becomes
//! a link is percent-encoded first. A Content-Security-Policy lets nothing run but the page's own script.

mod axis;
mod bitrate;
mod facts;
mod files;
mod ladder;
mod lanes;
mod player;
mod summary;
mod timeline;
mod words;

use base64::{Engine, prelude::BASE64_STANDARD};
pub use facts::{Facts, Run};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("player.js");

/// The page.
pub fn page(facts: &Facts) -> String {
    let title = format!("{}/{}", facts.namespace, facts.name);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – transcoding report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (summary::head(facts))
                    (section("Player", player::section(facts)))
                    (section("Ladder", ladder::section(facts)))
                    (section("Warnings and gaps", summary::warnings(facts)))
                    (section("Tasks", timeline::section(facts)))
                    (section("Bit rate", bitrate::section(facts)))
                    (section("Quality", summary::verified(facts)))
                    (section("Files", files::section(facts)))
                }
                footer { p { "Written by kubectl-transcode " (facts.version) " at " (words::moment(facts.written)) "." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Nothing is loaded but pictures and media, and nothing runs but [`SCRIPT`].
fn policy() -> String {
    let script = BASE64_STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'; img-src * file:; media-src * blob: file:; connect-src *"
    )
}

fn section(title: &str, body: Markup) -> Markup {
    let id = title.to_lowercase().replace(' ', "-");
    html! { section aria-labelledby=(id) { h2 id=(id) { (title) } (body) } }
}
