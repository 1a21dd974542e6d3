//! Merge: one rendition's progressive MP4, written as one stream: the index of every segment is read
//! first, then their media is copied in order.

use std::{
    fmt::Display,
    ops::Range,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use itertools::Itertools;
use sha2::{Digest, Sha256};
use transcode_api::Format;
use transcode_contract::{MergeResult, VERSION};
use transcode_engine::{StageId, StageKind, extend::renditions, layout::published_mp4};
use transcode_media::{
    cmaf::{
        head_bytes,
        init::TrackInit,
        progressive::{Copy, ProgressivePlan, ProgressiveTrack, SegmentSamples, plan, read_fragment_head},
    },
    track::{FileFacts, FinishedTrack, KeyFrame, Segment, TrackKind},
};
use transcode_storage::{ByteStream, StoreError};

use crate::{
    context::Context,
    error::TaskError,
    tasks::tracks::{Blame, Tracks},
};

/// Indexes that are read at a time.
const PARALLEL: usize = 16;
/// Bytes between two indexes of a segment that are read with them: another request takes about as long.
const NEAR: u64 = 256 << 10;
/// A segment at most; larger ones are no work of this system.
const MAX_SEGMENT: u64 = 1 << 30;

/// Every merge stage of the job, in the ladder's order.
pub fn stages(context: &Context) -> Result<Vec<StageId>, TaskError> {
    if !context.task.spec.formats.contains(&Format::Mp4) {
        return Ok(vec![]);
    }
    let ladder = renditions(&context.task.spec, context.media()?).renditions;
    let names: Vec<_> =
        if ladder.is_empty() { vec!["audio".to_string()] } else { ladder.into_iter().map(|r| r.name).collect() };
    Ok(names.iter().map(|name| StageId::rendition(StageKind::Merge, name)).collect())
}

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let layout = context.layout()?;
    let name = context.task.stage.subject.clone();
    let result_key = layout.result(&context.task.stage);
    let path = layout.merged(&name);
    let tracks = Tracks::gather(context, Some(&name)).await?;
    let finished: Vec<FinishedTrack> = tracks.video.into_iter().chain(tracks.audio).collect();
    let made_of = made_of(&finished);
    if let Some(known) = context.get_json::<MergeResult>(&result_key).await?
        && known.made_of == made_of
        && context.store.head(&path).await?.is_some_and(|meta| meta.size == known.file.bytes)
    {
        return Ok(());
    }
    let mut merged = vec![];
    let blame = Blame::new(context).await?;
    for track in &finished {
        merged.push(progressive(context, track, &blame).await?);
    }
    let planned = plan(merged, context.task.spec.segment_duration).map_err(TaskError::transient)?;
    let file = match write(context, &path, planned, &finished).await {
        Ok(file) => file,
        Err(error) => {
            damaged(context, &finished, &blame).await?;
            return Err(error);
        }
    };
    let publish_as = published_mp4(&context.task.spec.name, &name);
    let ran = Some(context.run_so_far());
    context.put_result(&result_key, &MergeResult { version: VERSION, file, publish_as, made_of, ran }).await
}

/// Digest of every init segment and segment, in order.
pub fn made_of(tracks: &[FinishedTrack]) -> String {
    let mut hash = Sha256::new();
    for track in tracks {
        hash.update(&track.track.init.sha256);
        track.segments.iter().for_each(|s| hash.update(&s.file.sha256));
    }
    hex::encode(hash.finalize())
}

/// What the index of the file needs to know of a track.
async fn progressive(
    context: &Context,
    finished: &FinishedTrack,
    blame: &Blame,
) -> Result<ProgressiveTrack, TaskError> {
    let init = context.get_checked(&finished.track.init, |what| blame.init(finished, what)).await?;
    let init = TrackInit::parse(&init).map_err(|e| blame.init(finished, &e.to_string()))?;
    let default = matches!(finished.track.kind, TrackKind::Audio { default: true, .. });
    let reads = finished.segments.iter().map(|segment| index(context, finished, segment, blame));
    let read: Vec<Result<SegmentSamples, TaskError>> = futures::stream::iter(reads).buffered(PARALLEL).collect().await;
    let (segments, findings): (Vec<_>, Vec<_>) = read.into_iter().partition_result();
    TaskError::all(findings)?;
    Ok(ProgressiveTrack { init, default, segments })
}

async fn index(
    context: &Context,
    track: &FinishedTrack,
    segment: &Segment,
    blame: &Blame,
) -> Result<SegmentSamples, TaskError> {
    let wrong = |what: &dyn Display| blame.segment(track, segment, &format!("its index: {what}"));
    let mut fragments = vec![];
    for (range, keys) in together(segment) {
        let read = part(context, track, segment, range.clone(), blame).await?;
        for key in keys {
            let head = usize::try_from(key.offset - range.start).ok().and_then(|from| read.get(from..));
            fragments.push(read_fragment_head(head.unwrap_or_default(), key.offset).map_err(|e| wrong(&e))?);
        }
    }
    SegmentSamples::of(fragments).map_err(|e| wrong(&e))
}

/// Ranges of a segment's bytes that hold the heads of its fragments; those that lie near each other are read at once.
fn together(segment: &Segment) -> impl Iterator<Item = (Range<u64>, Vec<KeyFrame>)> {
    let range = |key: KeyFrame| key.offset..key.offset.saturating_add(head_bytes(key.samples));
    segment.key_frames().map(move |key| (range(key), vec![key])).coalesce(|(near, mut keys), (far, further)| {
        if far.start < near.start || far.start.saturating_sub(near.end) > NEAR {
            return Err(((near, keys), (far, further)));
        }
        keys.extend(further);
        Ok((near.start..near.end.max(far.end), keys))
    })
}

async fn part(
    context: &Context,
    track: &FinishedTrack,
    segment: &Segment,
    range: Range<u64>,
    blame: &Blame,
) -> Result<Vec<u8>, TaskError> {
    let read = async { context.store.get(&segment.file.path, Some(range)).await?.try_collect::<Vec<Bytes>>().await };
    match read.await {
        Ok(pieces) => Ok(pieces.concat()),
        Err(StoreError::NotFound { .. }) => Err(blame.segment(track, segment, "it is gone")),
        Err(error) => Err(error.into()),
    }
}

/// Segments that are not there as their results say.
async fn damaged(context: &Context, tracks: &[FinishedTrack], blame: &Blame) -> Result<(), TaskError> {
    let mut findings = vec![];
    for (track, segment) in tracks.iter().flat_map(|t| t.segments.iter().map(move |s| (t, s))) {
        if context.store.head(&segment.file.path).await?.is_none_or(|meta| meta.size != segment.file.bytes) {
            findings.push(blame.segment(track, segment, "it is gone or has another size"));
        }
    }
    TaskError::all(findings)
}

/// Header, then the media of every segment; hashed on the way.
async fn write(
    context: &Context,
    path: &str,
    planned: ProgressivePlan,
    tracks: &[FinishedTrack],
) -> Result<FileFacts, TaskError> {
    let hash = Arc::new(Mutex::new(Sha256::new()));
    let files: Vec<Vec<String>> =
        tracks.iter().map(|t| t.segments.iter().map(|s| s.file.path.clone()).collect()).collect();
    let (store, files) = (context.store.clone(), Arc::new(files));
    let media = futures::stream::iter(planned.copies).then(move |copy: Copy| {
        let (store, files) = (store.clone(), files.clone());
        async move {
            let path = files.get(copy.track).and_then(|t| t.get(copy.segment)).cloned().unwrap_or_default();
            if copy.length > MAX_SEGMENT {
                return Err(StoreError::TooLarge { uri: store.uri(&path), why: "a segment of more than 1 GiB".into() });
            }
            store.get(&path, Some(copy.offset..copy.offset + copy.length)).await
        }
    });
    let hashing = hash.clone();
    let header = futures::stream::once(async move { Ok(Bytes::from(planned.header)) });
    let whole: ByteStream = header
        .chain(media.try_flatten())
        .inspect_ok(move |piece: &Bytes| {
            if let Ok(mut hash) = hashing.lock() {
                hash.update(piece);
            }
        })
        .boxed();
    let bytes = context.store.put_stream(path, whole, Some(planned.bytes)).await?;
    let digest = hash.lock().map(|hash| hash.clone().finalize()).map_err(|_| TaskError::transient("hashing failed"))?;
    Ok(FileFacts { path: path.into(), bytes, sha256: hex::encode(digest) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_that_lie_near_each_other_are_read_at_once() {
        let far = 10 * NEAR;
        let key = |offset| KeyFrame { offset, bytes: 900, start: 0, samples: 2 };
        let file = FileFacts { path: String::new(), bytes: 2 * far, sha256: String::new() };
        let further_keys = vec![key(1000), key(far), key(far + NEAR)];
        let segment = Segment { number: 1, file, start: 0, duration: 8, samples: 8, key_bytes: 900, further_keys };
        let head = head_bytes(2);
        let read: Vec<_> = together(&segment).map(|(range, keys)| (range, keys.len())).collect();
        assert_eq!(read, [(0..1000 + head, 2), (far..far + NEAR + head, 2)]);
        let alone = Segment { further_keys: vec![], ..segment };
        let read: Vec<_> = together(&alone).map(|(range, keys)| (range, keys.len())).collect();
        assert_eq!(read, [(0..head_bytes(8), 1)]);
    }
}
