//! The readers, a file for each family.

pub mod gstreamer;
pub mod mediacheck;
pub mod mediainfo;
pub mod node;
pub mod packager;
pub mod schema;

use std::path::Path;

use anyhow::Result;

use crate::{
    claims::{self, Facts},
    outputs::Output,
};

/// A reader and what it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// Its name, in the tests' names and in limits.json.
    pub name: &'static str,
    /// What it finds wrong, each finding with the file that it is about.
    pub read: fn(&Output) -> Result<Vec<String>>,
    /// Says why it can't be asked on this machine.
    pub missing: fn() -> Option<&'static str>,
    /// What it says of its version; empty for the tools that are pinned here.
    pub version: fn() -> Result<String>,
}

const fn reader(name: &'static str, read: fn(&Output) -> Result<Vec<String>>) -> Reader {
    Reader { name, read, missing: || None, version: || Ok(String::new()) }
}

/// All of them.
pub const READERS: &[Reader] = &[
    reader("shaka-packager", packager::read),
    Reader { version: gstreamer::version, ..reader("gstreamer", gstreamer::read) },
    reader("mediainfo", mediainfo::read),
    reader("mp4box.js", node::mp4box),
    reader("hls-parser", node::hls_parser),
    reader("video.js", node::video_js),
    reader("mp4ff", mediacheck::mp4),
    reader("hls-m3u8", mediacheck::hls),
    reader("dash-mpd", mediacheck::mpd),
    Reader { missing: schema::missing, ..reader("mpd-schema", schema::read) },
];

/// The name of a file in findings: the same in every run. Playlists of tracks stand below content keys.
fn name(file: &Path) -> String {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = file.parent().map(name).filter(|folder| !["", "out", "tracks"].contains(&folder.as_str()));
    folder.map_or(name(file), |folder| format!("{folder}/{}", name(file)))
}

/// The track that a file of segments holds: `low` of `low.mp4`.
fn track(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where what was seen of a track isn't what is claimed of it.
fn differences(output: &Output, file: &Path, seen: &Facts) -> Vec<String> {
    let claimed = output.claims.get(&track(file));
    let found = claimed.map(|claimed| claims::differences(claimed, seen)).unwrap_or_default();
    found.into_iter().map(|difference| format!("{}: {difference}", name(file))).collect()
}
