//! Package: playlists and MPD over finished tracks. No media moves; the texts wait in the staging
//! area until Verify has looked at everything.

use std::collections::BTreeSet;

use transcode_api::Format;
use transcode_contract::{PackageResult, VERSION};
use transcode_engine::{
    Layout, Summary,
    extend::{renditions, unlisted_audio},
    facts::{PackageSummary, TrackFacts},
    layout::{MPD, MULTIVARIANT},
};
use transcode_media::{
    playlist::{ListedTrack, PlaylistError, Presentation, dash, hls},
    track::{FileFacts, FinishedTrack},
};

use crate::{context::Context, error::TaskError, tasks::tracks::Tracks};

/// Runs the task.
pub async fn run(context: &Context) -> Result<Summary, TaskError> {
    let layout = context.layout()?;
    let tracks = Tracks::gather(context, None).await?;
    let presentations = Presentations::of(context, &layout, &tracks)?;
    let mut playlists = vec![];
    for (path, text) in presentations
        .texts(&context.task.spec.formats)
        .map_err(|e| TaskError::transient(format!("playlists can't be written: {e}")))?
    {
        let staged = context.put(&layout.staged(&path), text.into()).await?;
        playlists.push(FileFacts { path, ..staged });
    }
    let summary = summary(&tracks);
    let result = PackageResult {
        version: VERSION,
        video: tracks.video,
        audio: tracks.audio,
        playlists,
        usage: tracks.usage,
        damage: tracks.damage,
        runs: tracks.runs.into_iter().chain([context.run_so_far()]).collect(),
    };
    context.put_result(&layout.result(&context.task.stage), &result).await?;
    Ok(Summary::Package(summary))
}

/// What each kind of playlist lists of all tracks.
struct Presentations {
    hls: Presentation,
    dash: Presentation,
    has_video: bool,
}

impl Presentations {
    fn of(context: &Context, layout: &Layout, tracks: &Tracks) -> Result<Self, TaskError> {
        let (spec, media) = (&context.task.spec, context.media()?);
        let listed = |track: &FinishedTrack, folder: String, video: bool| ListedTrack {
            track: track.clone(),
            playlist: format!("{folder}/playlist.m3u8"),
            iframes: video.then(|| format!("{folder}/iframes.m3u8")),
        };
        let unlisted = unlisted_audio(spec, media);
        let sound = tracks.audio.iter().enumerate().filter(|(n, _)| !unlisted.contains(n));
        let dash = Presentation {
            video: tracks.video.iter().map(|t| listed(t, layout.rendition(&t.track.name), true)).collect(),
            audio: sound.map(|(n, t)| listed(t, layout.audio_track(n), false)).collect(),
        };
        let ladder = renditions(spec, media).renditions;
        let hidden = |track: &ListedTrack| {
            ladder.iter().any(|rendition| rendition.name == track.track.track.name && !rendition.codec.in_hls())
        };
        let mut hls = dash.clone();
        hls.video.retain(|track| !hidden(track));
        Ok(Presentations { hls, dash, has_video: !tracks.video.is_empty() })
    }

    /// Path and text of every playlist; those that others name come first.
    fn texts(&self, formats: &BTreeSet<Format>) -> Result<Vec<(String, String)>, PlaylistError> {
        // A video of which no rendition is listed is not published as sound alone.
        let shows = |listed: &Presentation| match self.has_video {
            true => !listed.video.is_empty(),
            false => !listed.audio.is_empty(),
        };
        let mut texts = vec![];
        if formats.contains(&Format::Dash) && shows(&self.dash) {
            texts.push((MPD.into(), dash::mpd(&self.dash, MPD)?));
        }
        if formats.contains(&Format::Hls) && shows(&self.hls) {
            texts.extend(hls::files(&self.hls, MULTIVARIANT)?);
        }
        Ok(texts)
    }
}

fn summary(tracks: &Tracks) -> PackageSummary {
    let facts = |t: &FinishedTrack| TrackFacts {
        codec: t.track.codec.clone(),
        bytes: t.bytes(),
        bitrate: t.average_bandwidth(),
    };
    let all = tracks.video.iter().chain(&tracks.audio);
    PackageSummary {
        tracks: all.map(|t| (t.track.name.clone(), facts(t))).collect(),
        cpu_seconds: tracks.usage.cpu_millis.div_ceil(1000),
        bytes_read: tracks.usage.bytes_read,
        damage: tracks.damage,
        gaps: tracks.video.first().map_or(0, |t| t.gaps.len() as u32),
    }
}
