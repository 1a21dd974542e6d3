//! Package: playlists and MPD over finished tracks. No media moves; the texts wait in the staging
//! area until Verify has looked at everything.

use transcode_api::Format;
use transcode_contract::{PackageResult, VERSION};
use transcode_engine::{
    Layout, Summary,
    extend::renditions,
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
    let (all, listed) = presentations(context, &layout, &tracks)?;
    let mut playlists = vec![];
    for (path, text) in
        texts(context, &all, &listed).map_err(|e| TaskError::transient(format!("playlists can't be written: {e}")))?
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

/// Everything, and what of it HLS lists.
fn presentations(
    context: &Context,
    layout: &Layout,
    tracks: &Tracks,
) -> Result<(Presentation, Presentation), TaskError> {
    let listed = |track: &FinishedTrack, folder: String, video: bool| ListedTrack {
        track: track.clone(),
        playlist: format!("{folder}/playlist.m3u8"),
        iframes: video.then(|| format!("{folder}/iframes.m3u8")),
    };
    let all = Presentation {
        video: tracks.video.iter().map(|t| listed(t, layout.rendition(&t.track.name), true)).collect(),
        audio: tracks.audio.iter().enumerate().map(|(n, t)| listed(t, layout.audio_track(n), false)).collect(),
    };
    let ladder = renditions(&context.task.spec, context.media()?).renditions;
    let hidden = |track: &ListedTrack| {
        ladder.iter().any(|rendition| rendition.name == track.track.track.name && !rendition.codec.in_hls())
    };
    let mut in_hls = all.clone();
    in_hls.video.retain(|track| !hidden(track));
    Ok((all, in_hls))
}

/// Path and text of every playlist; those that others name come first.
fn texts(context: &Context, all: &Presentation, in_hls: &Presentation) -> Result<Vec<(String, String)>, PlaylistError> {
    let formats = &context.task.spec.formats;
    let mut texts = vec![];
    if formats.contains(&Format::Dash) {
        texts.push((MPD.into(), dash::mpd(all, MPD)?));
    }
    // Without a rendition that HLS lists there is no HLS of a video.
    if formats.contains(&Format::Hls) && in_hls.video.is_empty() == all.video.is_empty() {
        texts.extend(hls::files(in_hls, MULTIVARIANT)?);
    }
    Ok(texts)
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
