//! Verify: reads what was made, with its own eyes, and not what anyone claims. Nothing that it has
//! not seen is published.

use std::{collections::BTreeSet, io::Write, sync::Arc};

use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use transcode_contract::{MergeResult, PackageResult, VERSION, VerifyResult};
use transcode_engine::{Failure, Layout, StageId, StageKind, TaskSet};
use transcode_media::{
    argv::verify::decode,
    chunk::Chunk,
    inspect::{
        HlsFacts, InitFacts, MediaKind, SegmentFacts, continuity, inspect_init, inspect_progressive, inspect_segment,
        mpd, playlist_hls,
    },
    playlist::relative_uri,
    time::MediaTime,
    timeline::Timeline,
    track::{FileFacts, FinishedTrack, Segment, TrackKind},
};

use crate::{
    context::Context,
    error::TaskError,
    process::{self, Follow},
    tasks::{
        merge,
        package::MULTIVARIANT,
        tracks::{Blame, gone},
    },
};

mod reader;

/// Segments that are read at a time.
const PARALLEL: usize = 4;
/// How far the end of an audio track may be from the source's: an access unit, and what containers
/// round.
const AUDIO_TOLERANCE: MediaTime = MediaTime::new_raw(1, 10);

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let layout = context.layout()?;
    let package = StageId::job(StageKind::Package);
    let packaged: Option<PackageResult> = context.get_json(&layout.result(&package)).await?;
    let packaged = packaged.ok_or_else(|| gone(package, TaskSet::one(0), "the package's result is gone"))?;
    let index = context.packet_index().await?;
    let (timeline, chunks) = (context.timeline(&index)?, context.chunks().await?);
    let blame = Blame::new(context).await?;
    let mut verify = Verify {
        context,
        layout: &layout,
        blame: &blame,
        seen: VerifyResult { version: VERSION, ..VerifyResult::default() },
    };
    for track in &packaged.video {
        let timeline = timeline.as_ref().ok_or_else(|| TaskError::bad_input("there are renditions but no video"))?;
        verify.video(track, timeline, &chunks).await?;
    }
    for (n, track) in packaged.audio.iter().enumerate() {
        verify.audio(n, track).await?;
    }
    verify.playlists(&packaged).await?;
    for stage in merge::stages(context)? {
        verify.progressive(&stage, &packaged).await?;
    }
    context.put_result(&layout.result(&context.task.stage), &verify.seen).await
}

struct Verify<'a> {
    context: &'a Context,
    layout: &'a Layout,
    blame: &'a Blame,
    seen: VerifyResult,
}

impl Verify<'_> {
    /// Every frame of every segment at its time, keyframes, joins.
    async fn video(&mut self, track: &FinishedTrack, timeline: &Timeline, chunks: &[Chunk]) -> Result<(), TaskError> {
        let init = self.init(track).await?;
        let segments = self.segments(track, &init).await?;
        let spans: Vec<_> = chunks.iter().flat_map(|c| c.segments.iter().zip(c.first_segment..)).collect();
        for (claimed, facts) in track.segments.iter().zip(&segments) {
            let span = spans.iter().find(|(_, number)| *number == claimed.number).map(|(span, _)| **span);
            let Some(span) = span else {
                return Err(self.wrong(track, format!("segment {} is not in the chunk table", claimed.number)));
            };
            let expected: Vec<i64> = (span.first..span.first + span.frames).map(|f| timeline.at(f)).collect();
            let mut found: Vec<i64> = facts.samples.iter().map(|s| s.pts).collect();
            found.sort_unstable();
            if found != expected {
                return Err(self.blame.segment(track, claimed, "its frames are not those of the source"));
            }
            let end = timeline.at(span.first + span.frames);
            if facts.decode_end() as i64 != end {
                return Err(self.blame.segment(track, claimed, "its durations do not lead to the next segment"));
            }
        }
        let present = track.segments.len() + track.gaps.len();
        if present != spans.len() {
            return Err(self.wrong(track, format!("there are {present} segments and gaps instead of {}", spans.len())));
        }
        self.joins(track, chunks).await
    }

    async fn audio(&mut self, n: usize, track: &FinishedTrack) -> Result<(), TaskError> {
        let init = self.init(track).await?;
        let segments = self.segments(track, &init).await?;
        let first = segments.first().and_then(|s| s.samples.first()).map_or(0, |s| s.pts);
        if first != -init.edit_media_time {
            return Err(self.wrong(track, format!("it starts at tick {first} instead of {}", -init.edit_media_time)));
        }
        let end = segments.last().map_or(0, |s| s.decode_end() as i64) - init.edit_media_time;
        let end = track.track.timescale.time(end);
        if let Some(facts) = self.context.media()?.audio.get(n) {
            let expected = facts.start + facts.length;
            if end < expected - AUDIO_TOLERANCE || end > expected + AUDIO_TOLERANCE {
                let (end, expected) = (transcode_media::time::human(end), transcode_media::time::human(expected));
                return Err(self.wrong(track, format!("it ends at {end}, the source's track at {expected}")));
            }
        }
        Ok(())
    }

    async fn init(&self, track: &FinishedTrack) -> Result<InitFacts, TaskError> {
        let bytes = self.checked(track, None).await?;
        let init = inspect_init(&bytes).map_err(|e| self.wrong(track, format!("its init segment: {e}")))?;
        let claimed = &track.track;
        // The short form of an AV1 text leaves out what the long one adds (AV1 in ISOBMFF 5).
        let codec = init.codec == claimed.codec || init.codec.starts_with(&format!("{}.", claimed.codec));
        let same = codec && init.timescale == claimed.timescale;
        let kind = match (&init.kind, &claimed.kind) {
            (MediaKind::Video { width, height, .. }, TrackKind::Video { width: w, height: h, .. }) => {
                (width, height) == (w, h)
            }
            (MediaKind::Audio { sample_rate, .. }, TrackKind::Audio { sample_rate: r, .. }) => sample_rate == r,
            _ => false,
        };
        if same && kind {
            Ok(init)
        } else {
            Err(self.wrong(
                track,
                format!(
                    "its init segment says {} at {} ticks a second, its result {} at {}",
                    init.codec, init.timescale.0, claimed.codec, claimed.timescale.0
                ),
            ))
        }
    }

    /// Reads and checks every segment by itself, then how they follow each other.
    async fn segments(&mut self, track: &FinishedTrack, init: &InitFacts) -> Result<Vec<SegmentFacts>, TaskError> {
        let (this, facts_of) = (&*self, init);
        let reads = track.segments.iter().map(|claimed| async move {
            let bytes = this.checked(track, Some(claimed)).await?;
            let facts =
                inspect_segment(&bytes, facts_of).map_err(|e| this.blame.segment(track, claimed, &e.to_string()))?;
            let same = facts.sequence == claimed.number
                && facts.samples.len() as u32 == claimed.samples
                && facts.key_bytes() == claimed.key_bytes;
            if same {
                Ok(facts)
            } else {
                Err(this.blame.segment(track, claimed, "its boxes are not what its result says"))
            }
        });
        let segments: Vec<SegmentFacts> = futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
        if let Some(finding) = continuity(&segments, &track.gaps).first() {
            return Err(self.wrong(track, finding.to_string()));
        }
        self.seen.segments += segments.len() as u64;
        self.seen.samples += segments.iter().map(|s| s.samples.len() as u64).sum::<u64>();
        Ok(segments)
    }

    /// Decodes the last segment before every join together with the first one after it.
    async fn joins(&mut self, track: &FinishedTrack, chunks: &[Chunk]) -> Result<(), TaskError> {
        for chunk in chunks.iter().skip(1) {
            let around: Vec<&Segment> = track
                .segments
                .iter()
                .filter(|s| s.number + 1 == chunk.first_segment || s.number == chunk.first_segment)
                .collect();
            if around.len() < 2 {
                // Beside a gap there is no join.
                continue;
            }
            let path = self.context.scratch.join("join.mp4");
            let mut file = std::fs::File::create(&path).map_err(|e| TaskError::scratch(&path, &e))?;
            let mut frames = 0;
            let mut pieces = vec![self.checked(track, None).await?];
            for segment in &around {
                pieces.push(self.checked(track, Some(segment)).await?);
                frames += u64::from(segment.samples);
            }
            for piece in pieces {
                file.write_all(&piece).map_err(|e| TaskError::scratch(&path, &e))?;
            }
            drop(file);
            let finished =
                process::run(&decode(&path), Follow { stall: self.context.stall(), ..Follow::default() }).await?;
            if finished.frames != frames || !finished.complaints.is_empty() {
                let what = format!(
                    "the join before segment {} decodes to {} frames instead of {frames}: {}",
                    chunk.first_segment, finished.frames, finished.complaints
                );
                let chunks = [chunk.index - 1, chunk.index].into_iter().collect();
                return Err(self.blame.tasks(track, chunks, &what));
            }
            self.seen.joins += 1;
        }
        Ok(())
    }

    /// Every file that a playlist names is one that was checked, and lasts as long as it says.
    async fn playlists(&mut self, packaged: &PackageResult) -> Result<(), TaskError> {
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

    /// The progressive file: whole, index first, every frame at its time.
    async fn progressive(&mut self, stage: &StageId, packaged: &PackageResult) -> Result<(), TaskError> {
        let again = |what: &str| {
            gone(stage.clone(), TaskSet::one(0), &format!("the progressive MP4 of {}: {what}", stage.subject))
        };
        let result: Option<MergeResult> = self.context.get_json(&self.layout.result(stage)).await?;
        let merged = result.ok_or_else(|| again("its result is gone"))?;
        let tracks: Vec<FinishedTrack> =
            packaged.video.iter().filter(|t| t.track.name == stage.subject).chain(&packaged.audio).cloned().collect();
        if merged.made_of != merge::made_of(&tracks) {
            return Err(again("it was made of other segments"));
        }
        let mut hash = Sha256::new();
        let mut stream = self.context.store.get(&merged.file.path, None).await?;
        while let Some(piece) = stream.try_next().await? {
            hash.update(&piece);
        }
        if hex::encode(hash.finalize()) != merged.file.sha256 {
            return Err(again("it is not what was written (checksum)"));
        }
        let mut reader = reader::StoreReader::new(self.context.store.clone(), &merged.file);
        let facts = tokio::task::spawn_blocking(move || inspect_progressive(&mut reader))
            .await
            .map_err(TaskError::transient)?;
        let facts = facts.map_err(|e| again(&e.to_string()))?;
        let expected: Vec<&FinishedTrack> =
            packaged.video.iter().filter(|t| t.track.name == stage.subject).chain(&packaged.audio).collect();
        let counts = |t: &FinishedTrack| t.segments.iter().map(|s| s.samples as usize).sum::<usize>();
        if !facts.moov_first {
            return Err(again("its index is not first"));
        }
        let same = facts.tracks.len() == expected.len()
            && facts.tracks.iter().zip(&expected).all(|(found, made)| {
                found.samples.len() == counts(made) && found.init.codec.starts_with(&made.track.codec)
            });
        if !same {
            return Err(again("its tracks are not those of the segments"));
        }
        for (found, made) in facts.tracks.iter().zip(expected) {
            let first = found.presentation_times().first().copied();
            let start = made.segments.first().map(|s| s.start);
            let audio = matches!(made.track.kind, TrackKind::Audio { .. });
            if !audio && first != start {
                return Err(again(&format!("its first frame is at tick {first:?} instead of {start:?}")));
            }
        }
        self.seen.files += 1;
        Ok(())
    }

    async fn checked(&self, track: &FinishedTrack, segment: Option<&Segment>) -> Result<bytes::Bytes, TaskError> {
        let file = segment.map_or(&track.track.init, |s| &s.file);
        let missing = || match segment {
            Some(segment) => self.blame.segment(track, segment, "").failure,
            None => self.blame.init(track, "").failure,
        };
        self.context.get_checked(file, missing).await
    }

    /// Something that making a chunk again would not mend.
    fn wrong(&self, track: &FinishedTrack, what: String) -> TaskError {
        TaskError::new(Failure::Unverified, format!("{}: {what}", track.track.name))
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
        HlsFacts::Media(facts) => {
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
                return Err(format!(
                    "EXT-X-TARGETDURATION is {}, its longest segment {longest}",
                    facts.target_duration
                ));
            }
            let gaps = track.gaps.len();
            let present = facts.segments.iter().filter(|s| !s.gap).map(|s| s.uri.clone());
            let uris: Vec<String> = present.chain(facts.map.clone()).collect();
            if facts.segments.len() != track.segments.len() + gaps && !facts.iframes_only {
                return Err("it does not list every segment".into());
            }
            Ok(uris)
        }
        HlsFacts::Master(_) => Err("it is a multivariant playlist".into()),
    }
}

/// Keeps the store alive for the blocking reader.
type SharedStore = Arc<dyn transcode_storage::Store>;
