//! Publish: what was verified becomes visible. Media is there already; then progressive MP4s and the
//! thumbnail, media playlists, multivariant playlist and MPD, and the record last of all. A reader
//! never sees a playlist with a missing segment. What an earlier job published here and this one
//! does not replace goes just before the record.

use std::collections::BTreeSet;

use bytes::Bytes;
use transcode_contract::{
    MergeResult, PackageResult, PublishedFile, PublishedRecord, Span, ThumbnailResult, VERSION, VerifyResult,
};
use transcode_engine::{
    Layout, StageId, StageKind, Summary,
    facts::PublishSummary,
    layout::{MULTIVARIANT, RECORD, is_ours},
    status::source_words,
    warnings::of_output,
};
use transcode_media::track::{FileFacts, FinishedTrack, Segment};
use transcode_storage::StoreError;

use crate::{
    context::Context,
    error::TaskError,
    tasks::{merge, tracks::gone},
};

/// Runs the task.
pub async fn run(context: &Context) -> Result<Summary, TaskError> {
    let (layout, media, spec) = (context.layout()?, context.media()?, &context.task.spec);
    let packaged: PackageResult = result(context, &layout, StageId::job(StageKind::Package)).await?;
    let mut verified: VerifyResult = result(context, &layout, StageId::job(StageKind::Verify)).await?;
    let mut files = media_files(&packaged);
    let mut runs = packaged.runs;
    for stage in merge::stages(context)? {
        let merged: MergeResult = result(context, &layout, stage.clone()).await?;
        let copied = copy(context, &merged.file, &merged.publish_as).await;
        let file = copied?.ok_or_else(|| gone(context, &stage, &format!("the MP4 of {} is gone", stage.subject)))?;
        files.push(PublishedFile { kind: "mp4".into(), track: Some(stage.subject), file, span: None });
        runs.extend(merged.ran);
    }
    let drawn: Option<ThumbnailResult> = context.get_json(&layout.result(&StageId::job(StageKind::Thumbnail))).await?;
    if let Some(drawn) = drawn.filter(|_| spec.thumbnail.is_some()) {
        let file = copy(context, &drawn.file, &drawn.publish_as).await?;
        files.extend(file.map(|file| PublishedFile { kind: "thumbnail".into(), track: None, file, span: None }));
        runs.extend(drawn.ran);
    }
    for playlist in &packaged.playlists {
        let text = staged(context, &layout, playlist).await?;
        context.put(&playlist.path, text).await?;
        let kind = if playlist.path.ends_with(".mpd") { "dash" } else { "hls" };
        files.push(PublishedFile { kind: kind.into(), track: None, file: playlist.clone(), span: None });
    }
    let gaps = packaged.video.first().map_or(vec![], |t| t.gaps.iter().map(|g| g.number).collect());
    withdraw(context, &files).await?;
    runs.extend(verified.ran.take());
    runs.push(context.run_so_far());
    let tracks = packaged.video.into_iter().chain(packaged.audio).map(|t| t.track);
    let record = PublishedRecord {
        version: VERSION,
        name: spec.name.clone(),
        namespace: spec.namespace.clone(),
        key: layout.job.clone(),
        source: media.source.clone(),
        encoder: media.encoder_build.clone(),
        duration: media.duration.to_string(),
        media: Some(source_words(media)),
        tracks: tracks.collect(),
        warnings: of_output(spec, media, packaged.damage),
        files,
        gaps,
        verified,
        usage: packaged.usage,
        runs,
    };
    context.put_result(RECORD, &record).await?;
    Ok(Summary::Publish(summary(context, &record)))
}

/// Removes the playlists, MP4s and pictures of the record that is there, unless they are among `files`:
/// their media goes with Cleanup.
async fn withdraw(context: &Context, files: &[PublishedFile]) -> Result<(), TaskError> {
    let earlier: Option<PublishedRecord> = context.get_json(RECORD).await?;
    let replaced: BTreeSet<&str> = files.iter().map(|f| f.file.path.as_str()).collect();
    let old = earlier.iter().flat_map(|record| &record.files).map(|f| f.file.path.as_str());
    let gone: Vec<&str> = old.filter(|path| !is_ours(path) && !replaced.contains(path)).collect();
    Ok(context.store.delete(&gone).await?)
}

/// What a person looks for, and the size of everything.
fn summary(context: &Context, record: &PublishedRecord) -> PublishSummary {
    let top = |f: &&PublishedFile| match f.kind.as_str() {
        "hls" => f.file.path == MULTIVARIANT,
        kind => matches!(kind, "dash" | "mp4" | "thumbnail"),
    };
    let mut outputs: Vec<_> =
        record.files.iter().filter(top).map(|f| (f.kind.clone(), context.store.uri(&f.file.path))).collect();
    outputs.push(("record".into(), context.store.uri(RECORD)));
    PublishSummary { outputs, bytes: record.files.iter().map(|f| f.file.bytes).sum() }
}

async fn result<T: serde::de::DeserializeOwned>(
    context: &Context,
    layout: &Layout,
    stage: StageId,
) -> Result<T, TaskError> {
    let found = context.get_json(&layout.result(&stage)).await?;
    found.ok_or_else(|| gone(context, &stage, &format!("the result of {stage} is gone")))
}

async fn staged(context: &Context, layout: &Layout, playlist: &FileFacts) -> Result<Bytes, TaskError> {
    let at = FileFacts { path: layout.staged(&playlist.path), ..playlist.clone() };
    context.get_checked(&at, |what| gone(context, &StageId::job(StageKind::Package), what)).await
}

/// Copies a file to where it is looked for; `None` when it is gone.
async fn copy(context: &Context, from: &FileFacts, to: &str) -> Result<Option<FileFacts>, TaskError> {
    match context.store.copy(&from.path, to).await {
        Ok(()) => Ok(Some(FileFacts { path: to.into(), ..from.clone() })),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn media_files(packaged: &PackageResult) -> Vec<PublishedFile> {
    let tracks = packaged.video.iter().chain(&packaged.audio);
    let of = |t: &FinishedTrack| {
        let name = t.track.name.clone();
        let file = |kind: &str, file: &FileFacts, span| PublishedFile {
            kind: kind.into(),
            track: Some(name.clone()),
            file: file.clone(),
            span,
        };
        let span = |s: &Segment| Some(Span { start: s.start, duration: s.duration });
        let segments = t.segments.iter().map(|s| file("segment", &s.file, span(s)));
        std::iter::once(file("init", &t.track.init, None)).chain(segments).collect::<Vec<_>>()
    };
    tracks.flat_map(of).collect()
}
