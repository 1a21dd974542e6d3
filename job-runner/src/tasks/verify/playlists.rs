//! Playlists and the MPD: what they name and what they say of it.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use transcode_contract::PackageResult;
use transcode_engine::{Failure, StageId, StageKind, layout::MULTIVARIANT};
use transcode_media::{
    inspect::{HlsFacts, MediaFacts, VariantFacts, mpd, playlist_hls},
    time::MediaTime,
    track::{FileFacts, FinishedTrack, Segment, TrackKind},
};
use url::Url;

use super::Verify;
use crate::{error::TaskError, tasks::tracks::gone};

impl Verify<'_> {
    /// Every file that a playlist names is one that was checked, and lasts as long as it says.
    pub(super) async fn playlists(&mut self, packaged: &PackageResult) -> Result<(), TaskError> {
        let tracks: Vec<&FinishedTrack> = packaged.video.iter().chain(&packaged.audio).collect();
        let mut files: BTreeSet<&str> =
            tracks.iter().flat_map(|t| t.segments.iter().map(|s| &s.file)).map(|f| f.path.as_str()).collect();
        files.extend(tracks.iter().map(|t| t.track.init.path.as_str()));
        files.extend(packaged.playlists.iter().map(|p| p.path.as_str()));
        let mut targets = BTreeSet::new();
        for playlist in &packaged.playlists {
            let staged = FileFacts { path: self.layout.staged(&playlist.path), ..playlist.clone() };
            let wrong = |what: &str| gone(self.context, &StageId::job(StageKind::Package), what);
            let text = self.context.get_checked(&staged, wrong).await?;
            let text = String::from_utf8_lossy(&text);
            let bad = |what: String| TaskError::new(Failure::Unverified, format!("{} is wrong: {what}", playlist.path));
            let named = named(&playlist.path, &text, packaged, &mut targets).map_err(bad)?;
            if let Some(unknown) = named
                .iter()
                .find(|uri| !leads_to(&playlist.path, uri).is_some_and(|path| files.contains(path.as_str())))
            {
                return Err(bad(format!("it names {unknown}, which was not made")));
            }
            // RFC 8216 6.2.4.
            if targets.len() > 1 {
                return Err(bad(format!("EXT-X-TARGETDURATION differs between media playlists: {targets:?}")));
            }
            self.seen.playlists += 1;
        }
        Ok(())
    }
}

/// The path below the output that a URI in a playlist leads to (RFC 3986, 5.2); `None` when it leads
/// elsewhere.
fn leads_to(playlist: &str, uri: &str) -> Option<String> {
    let mut output = Url::parse("http://output/").ok()?;
    output.set_path(playlist);
    let url = output.join(uri).ok().filter(|url| url.origin() == output.origin())?;
    percent_decode_str(url.path().strip_prefix('/')?).decode_utf8().ok().map(Into::into)
}

/// URIs that a playlist names; what it says of durations is compared with the tracks. The target duration of a media
/// playlist joins `targets`.
fn named(path: &str, text: &str, packaged: &PackageResult, targets: &mut BTreeSet<u64>) -> Result<Vec<String>, String> {
    if path.ends_with(".mpd") {
        let facts = mpd(text).map_err(|e| e.to_string())?;
        let segments = facts.representations.iter().flat_map(|r| r.segments.iter().map(|s| s.uri.clone()));
        return Ok(segments.chain(facts.representations.iter().map(|r| r.initialization.clone())).collect());
    }
    match playlist_hls(text).map_err(|e| e.to_string())? {
        HlsFacts::Master(facts) if path == MULTIVARIANT => {
            facts.variants.iter().chain(&facts.iframes).try_for_each(|variant| resolution(path, variant, packaged))?;
            let variants = facts.variants.iter().chain(&facts.iframes).map(|v| v.uri.clone());
            Ok(variants.chain(facts.renditions.iter().filter_map(|r| r.uri.clone())).collect())
        }
        HlsFacts::Media(facts) => {
            targets.insert(facts.target_duration);
            media_playlist(path, facts, packaged)
        }
        HlsFacts::Master(_) => Err("it is a multivariant playlist".into()),
    }
}

/// The track whose playlists lie where this one does.
fn track_of<'a>(playlist: &str, packaged: &'a PackageResult) -> Option<&'a FinishedTrack> {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let mut tracks = packaged.video.iter().chain(&packaged.audio);
    tracks.find(|t| folder(&t.track.init.path) == folder(playlist))
}

/// `RESOLUTION` is the size at which to display the picture (RFC 8216bis 4.4.6.2), up to the pixel that even sizes
/// leave.
fn resolution(master: &str, variant: &VariantFacts, packaged: &PackageResult) -> Result<(), String> {
    let track = leads_to(master, &variant.uri).and_then(|playlist| track_of(&playlist, packaged));
    let track = track.ok_or_else(|| format!("{} belongs to no track", variant.uri))?;
    let told = variant.resolution;
    let right = match (&track.track.kind, told) {
        (TrackKind::Video { width, height, sar, .. }, Some((w, h))) => {
            let off = *sar * i64::from(*width) - i64::from(w);
            h == *height && off.numer().abs() < *off.denom()
        }
        (TrackKind::Audio { .. }, None) => true,
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("RESOLUTION of {} is {told:?}", track.track.name)) }
}

fn media_playlist(path: &str, facts: MediaFacts, packaged: &PackageResult) -> Result<Vec<String>, String> {
    let track = track_of(path, packaged).ok_or("it belongs to no track")?;
    let total: MediaTime = facts.segments.iter().map(|s| s.duration).sum();
    // A last segment that is shorter than the priming of sound can't make up for it.
    let priming = match (&track.track.kind, track.segments.last()) {
        (TrackKind::Audio { priming, .. }, Some(last)) if last.duration <= u64::from(*priming) => *priming,
        _ => 0,
    };
    let off = total - track.duration() - track.track.timescale.time(i64::from(priming));
    // EXTINF has microseconds.
    if off.ratio().numer().abs() * 1_000_000 > *off.ratio().denom() * 2 {
        return Err(format!("its segments last {total}, the track {}", track.duration()));
    }
    let longest = facts.segments.iter().map(|s| s.duration).max().unwrap_or(MediaTime::ZERO);
    if longest.ratio().round().to_integer() > facts.target_duration as i64 {
        return Err(format!("EXT-X-TARGETDURATION is {}, its longest segment {longest}", facts.target_duration));
    }
    if facts.iframes_only {
        let listed = facts.segments.iter().filter(|s| !s.gap).map(|s| s.range);
        let keys = track.segments.iter().flat_map(Segment::key_frames).map(|key| Some((key.offset, key.bytes)));
        if !listed.eq(keys) {
            return Err("it does not list every key frame".into());
        }
    } else if facts.segments.len() != track.segments.len() + track.gaps.len() {
        return Err("it does not list every segment".into());
    }
    let present = facts.segments.iter().filter(|s| !s.gap).map(|s| s.uri.clone());
    Ok(present.chain(facts.map.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lead_to_paths_of_the_output() {
        let from = |uri: &str| leads_to("outputs/0a/low/media.m3u8", uri);
        assert_eq!(from("segments/000001.m4s").as_deref(), Some("outputs/0a/low/segments/000001.m4s"));
        assert_eq!(from("../../../a%20b%2C.mp4").as_deref(), Some("a b,.mp4"));
        assert_eq!(from("/x").as_deref(), Some("x"));
        assert_eq!(from("//elsewhere/x"), None);
        assert_eq!(from("https://output/x"), None);
    }
}
