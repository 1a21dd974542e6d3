//! Playlists and the MPD: what they name and what they say of it.

use std::collections::BTreeSet;

use transcode_contract::PackageResult;
use transcode_engine::{Failure, StageId, StageKind, TaskSet};
use transcode_media::{
    inspect::{HlsFacts, MediaFacts, mpd, playlist_hls},
    playlist::relative_uri,
    time::MediaTime,
    track::{FileFacts, FinishedTrack},
};

use super::Verify;
use crate::{error::TaskError, tasks::package::MULTIVARIANT};

impl Verify<'_> {
    /// Every file that a playlist names is one that was checked, and lasts as long as it says.
    pub(super) async fn playlists(&mut self, packaged: &PackageResult) -> Result<(), TaskError> {
        let tracks: Vec<&FinishedTrack> = packaged.video.iter().chain(&packaged.audio).collect();
        let mut files: BTreeSet<&str> =
            tracks.iter().flat_map(|t| t.segments.iter().map(|s| &s.file)).map(|f| f.path.as_str()).collect();
        files.extend(tracks.iter().map(|t| t.track.init.path.as_str()));
        files.extend(packaged.playlists.iter().map(|p| p.path.as_str()));
        for playlist in &packaged.playlists {
            let staged = FileFacts { path: self.layout.staged(&playlist.path), ..playlist.clone() };
            let missing = || Failure::Missing { stage: StageId::job(StageKind::Package), tasks: TaskSet::one(0) };
            let text = self.context.get_checked(&staged, missing).await?;
            let text = String::from_utf8_lossy(&text);
            let known: BTreeSet<String> = files.iter().map(|file| relative_uri(&playlist.path, file)).collect();
            let bad = |what: String| TaskError::new(Failure::Unverified, format!("{} is wrong: {what}", playlist.path));
            let named = named(&playlist.path, &text, packaged).map_err(bad)?;
            if let Some(unknown) = named.iter().find(|uri| !known.contains(*uri)) {
                return Err(bad(format!("it names {unknown}, which was not made")));
            }
            self.seen.playlists += 1;
        }
        Ok(())
    }
}

/// URIs that a playlist names; what it says of durations is compared with the tracks.
fn named(path: &str, text: &str, packaged: &PackageResult) -> Result<Vec<String>, String> {
    if path.ends_with(".mpd") {
        let facts = mpd(text).map_err(|e| e.to_string())?;
        let segments = facts.representations.iter().flat_map(|r| r.segments.iter().map(|s| s.uri.clone()));
        return Ok(segments.chain(facts.representations.iter().map(|r| r.initialization.clone())).collect());
    }
    match playlist_hls(text).map_err(|e| e.to_string())? {
        HlsFacts::Master(facts) if path == MULTIVARIANT => {
            let variants = facts.variants.iter().chain(&facts.iframes).map(|v| v.uri.clone());
            Ok(variants.chain(facts.renditions.iter().filter_map(|r| r.uri.clone())).collect())
        }
        HlsFacts::Media(facts) => media_playlist(path, facts, packaged),
        HlsFacts::Master(_) => Err("it is a multivariant playlist".into()),
    }
}

fn media_playlist(path: &str, facts: MediaFacts, packaged: &PackageResult) -> Result<Vec<String>, String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let track = packaged
        .video
        .iter()
        .chain(&packaged.audio)
        .find(|t| t.track.init.path.rsplit_once('/').is_some_and(|(f, _)| f == folder));
    let track = track.ok_or("it belongs to no track")?;
    let total: MediaTime = facts.segments.iter().map(|s| s.duration).sum();
    let off = total - track.duration();
    // EXTINF has microseconds.
    if off.ratio().numer().abs() * 1_000_000 > *off.ratio().denom() * 2 {
        return Err(format!("its segments last {total}, the track {}", track.duration()));
    }
    let longest = facts.segments.iter().map(|s| s.duration).max().unwrap_or(MediaTime::ZERO);
    if longest.ratio().round().to_integer() > facts.target_duration as i64 {
        return Err(format!("EXT-X-TARGETDURATION is {}, its longest segment {longest}", facts.target_duration));
    }
    if facts.segments.len() != track.segments.len() + track.gaps.len() && !facts.iframes_only {
        return Err("it does not list every segment".into());
    }
    let present = facts.segments.iter().filter(|s| !s.gap).map(|s| s.uri.clone());
    Ok(present.chain(facts.map.clone()).collect())
}
