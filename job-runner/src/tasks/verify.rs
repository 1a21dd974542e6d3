//! Verify: reads what was made, with its own eyes, and not what anyone claims. Nothing that it has
//! not seen is published.

use std::sync::Arc;

use transcode_contract::{PackageResult, VERSION, VerifyResult};
use transcode_engine::{Failure, Layout, StageId, StageKind};
use transcode_media::{
    chunk::Chunk,
    timeline::Timeline,
    track::{FinishedTrack, Gap, Segment},
};

use crate::{
    context::Context,
    error::TaskError,
    tasks::{
        merge,
        tracks::{Blame, gone},
    },
};

mod joins;
mod playlists;
mod progressive;
mod reader;
mod spatial;
mod track;

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let layout = context.layout()?;
    let package = StageId::job(StageKind::Package);
    let packaged: Option<PackageResult> = context.get_json(&layout.result(&package)).await?;
    let packaged = packaged.ok_or_else(|| gone(context, &package, "the package's result is gone"))?;
    let index = context.packet_index().await?;
    let (timeline, chunks) = (context.timeline(&index)?, context.chunks().await?);
    let blame = Blame::new(context).await?;
    let mut verify = Verify {
        context,
        layout: &layout,
        blame: &blame,
        seen: VerifyResult { version: VERSION, ..VerifyResult::default() },
    };
    // All damage of all tracks is told at once, and made again at once.
    let mut findings = vec![];
    for track in &packaged.video {
        let timeline = timeline.as_ref().ok_or_else(|| TaskError::bad_input("there are renditions but no video"))?;
        match verify.video(track, timeline, &chunks).await {
            Ok(()) => findings.extend(verify.joins(track, &chunks).await.err()),
            Err(finding) => findings.push(finding),
        }
    }
    for (n, track) in packaged.audio.iter().enumerate() {
        findings.extend(verify.audio(n, track).await.err());
    }
    TaskError::all(findings)?;
    verify.playlists(&packaged).await?;
    let gaps = packaged.video.first().map_or(&[][..], |t| &t.gaps);
    let frames = timeline.as_ref().map_or(vec![], |timeline| frames(timeline, &chunks, gaps));
    for stage in merge::stages(context)? {
        verify.progressive(&stage, &packaged, &frames).await?;
    }
    verify.seen.ran = Some(context.run_so_far());
    context.put_result(&layout.result(&context.task.stage), &verify.seen).await
}

struct Verify<'a> {
    context: &'a Context,
    layout: &'a Layout,
    blame: &'a Blame,
    seen: VerifyResult,
}

impl Verify<'_> {
    /// An init segment or a segment, whose checksum is the one in its result.
    async fn checked(&self, track: &FinishedTrack, segment: Option<&Segment>) -> Result<bytes::Bytes, TaskError> {
        let file = segment.map_or(&track.track.init, |s| &s.file);
        let wrong = |what: &str| match segment {
            Some(segment) => self.blame.segment(track, segment, what),
            None => self.blame.init(track, what),
        };
        self.context.get_checked(file, wrong).await
    }

    /// Something that making a chunk again would not mend.
    fn wrong(&self, track: &FinishedTrack, what: String) -> TaskError {
        TaskError::new(Failure::Unverified, format!("{}: {what}", track.track.name))
    }
}

/// Output times of all frames but those of gaps.
fn frames(timeline: &Timeline, chunks: &[Chunk], gaps: &[Gap]) -> Vec<i64> {
    let numbered = chunks.iter().flat_map(|c| c.segments.iter().zip(c.first_segment..));
    let present = numbered.filter(|(_, number)| gaps.iter().all(|gap| gap.number != *number));
    present.flat_map(|(span, _)| (span.first..span.first + span.frames).map(|frame| timeline.at(frame))).collect()
}

/// Keeps the store alive for the blocking reader.
type SharedStore = Arc<dyn transcode_storage::Store>;
