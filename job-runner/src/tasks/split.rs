//! Split: where segments and chunks begin, and what is done already. Always runs whole: what is
//! there is only known by looking.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use transcode_contract::PublishedRecord;
use transcode_engine::{
    Layout, SplitSummary, Summary, TaskSet,
    extend::{has_audio, renditions},
    layout::RECORD,
};
use transcode_media::chunk::{Chunk, Seeking, chunks};

use crate::{context::Context, error::TaskError};

/// Runs the task.
pub async fn run(context: &Context) -> Result<Summary, TaskError> {
    let spec = &context.task.spec;
    let index = context.packet_index().await?;
    let mut summary = SplitSummary {
        segments: 0,
        chunks: 0,
        longest_segment: 0,
        longest_chunk: 0,
        preroll: 0,
        composition_delay: 0,
        table: String::new(),
        found: BTreeMap::new(),
        first_passes: BTreeMap::new(),
        published: false,
    };
    let mut table: Vec<Chunk> = vec![];
    if let (Some(timeline), Some(video)) = (context.timeline(&index)?, &index.video) {
        let segments = timeline.segments(spec.segment_duration);
        table = chunks(&timeline, &segments, video, Seeking::of(&context.media()?.info.container));
        summary.segments = segments.len() as u32;
        summary.longest_segment = segments.iter().map(|s| s.frames).max().unwrap_or(0);
        summary.composition_delay = timeline.composition_delay(&segments, 2);
    }
    summary.chunks = table.len() as u32;
    summary.longest_chunk = table.iter().map(Chunk::frames).max().unwrap_or(0);
    summary.preroll = table.iter().map(|c| c.preroll).sum();
    let layout = context.layout()?;
    summary.table = context.put_json(&layout.chunk_table(), &table).await?.sha256;
    summary.published = is_published(context, &layout).await?;
    found(context, &layout, &mut summary).await?;
    Ok(Summary::Split(Box::new(summary)))
}

/// Notes the result objects that exist; whoever reads them checks what they name.
async fn found(context: &Context, layout: &Layout, summary: &mut SplitSummary) -> Result<(), TaskError> {
    let (spec, media) = (&context.task.spec, context.media()?);
    for rendition in renditions(spec, media).renditions {
        if rendition.codec.rate().passes() == 2 {
            let tasks = listed(context, &layout.first_pass_results(&rendition.name), summary.chunks).await?;
            summary.first_passes.insert(rendition.name.clone(), tasks);
        }
        let tasks = listed(context, &layout.chunk_results(&rendition.name), summary.chunks).await?;
        summary.found.insert(rendition.name, tasks);
    }
    if has_audio(spec, media) && context.store.head(&layout.audio_result()).await?.is_some() {
        summary.found.insert("audio".into(), TaskSet::one(0));
    }
    Ok(())
}

/// Chunks that have a result object below a prefix.
async fn listed(context: &Context, prefix: &str, chunks: u32) -> Result<TaskSet, TaskError> {
    let metas: Vec<_> = context.store.list(prefix).try_collect().await?;
    let index = |key: &str| key.strip_prefix(prefix)?.strip_suffix(".json")?.parse::<u32>().ok();
    Ok(metas.iter().filter_map(|m| index(&m.key)).filter(|i| *i < chunks).collect())
}

/// Whether the very same job is published and everything that its record names is there: playlists
/// with their checksums, media with its size.
async fn is_published(context: &Context, layout: &Layout) -> Result<bool, TaskError> {
    let record: Option<PublishedRecord> = context.get_json(RECORD).await?;
    let Some(record) = record.filter(|r| r.key == layout.job && r.gaps.is_empty()) else { return Ok(false) };
    let there: BTreeMap<String, u64> = context.store.list("").map_ok(|m| (m.key, m.size)).try_collect().await?;
    let named: BTreeSet<_> = record.files.iter().map(|f| (&f.file.path, f.file.bytes)).collect();
    if !named.into_iter().all(|(path, bytes)| there.get(path) == Some(&bytes)) {
        return Ok(false);
    }
    for playlist in record.files.iter().filter(|f| matches!(f.kind.as_str(), "hls" | "dash")) {
        if let Err(error) = context.get_checked(&playlist.file, |what| TaskError::transient(what)).await {
            tracing::warn!(error = %error.message, "published once, and changed since: it is published again");
            return Ok(false);
        }
    }
    Ok(true)
}
