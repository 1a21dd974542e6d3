//! The joins of chunks, decoded.

use std::{collections::BTreeMap, io::Write};

use transcode_engine::Failure;
use transcode_media::{
    argv::verify::decode,
    chunk::Chunk,
    track::{FinishedTrack, Segment},
};

use super::Verify;
use crate::{
    error::TaskError,
    process::{self, Follow},
};

/// Bytes of segments that are decoded by one ffmpeg: to start one takes longer than to decode a join.
const TOGETHER: u64 = 16 << 20;

/// A join: the last segment before a chunk and its first.
struct Join<'a> {
    chunk: &'a Chunk,
    around: [&'a Segment; 2],
}

impl Verify<'_> {
    /// Decodes the last segment before every join together with the first one after it.
    pub(super) async fn joins(&mut self, track: &FinishedTrack, chunks: &[Chunk]) -> Result<(), TaskError> {
        let numbered: BTreeMap<u32, &Segment> = track.segments.iter().map(|s| (s.number, s)).collect();
        // Beside a gap there is no join.
        let joins = chunks.iter().skip(1).filter_map(|chunk| {
            let around = [numbered.get(&(chunk.first_segment - 1))?, numbered.get(&chunk.first_segment)?];
            Some(Join { chunk, around: around.map(|segment| *segment) })
        });
        let joins: Vec<Join<'_>> = joins.collect();
        let mut findings = vec![];
        for together in batches(&joins) {
            self.seen.joins += together.len() as u64;
            let Some(wrong) = self.wrong_with(track, together).await? else { continue };
            // Which one it is, each by itself tells.
            tracing::warn!("{}: {} joins decode to {wrong}", track.track.name, together.len());
            for join in together {
                if let Some(wrong) = self.wrong_with(track, std::slice::from_ref(join)).await? {
                    let what = format!("the join before segment {} decodes to {wrong}", join.chunk.first_segment);
                    let chunks = [join.chunk.index - 1, join.chunk.index].into_iter().collect();
                    findings.push(self.blame.chunks(&track.track.name, chunks, &what));
                }
            }
        }
        TaskError::all(findings)
    }

    /// What is wrong with some joins, decoded as one file. From one to the next its times jump, and each begins with
    /// a random access point, so that a decoder needs nothing of what lies between.
    async fn wrong_with(&self, track: &FinishedTrack, joins: &[Join<'_>]) -> Result<Option<String>, TaskError> {
        // A chunk of one segment is beside two joins.
        let segments: BTreeMap<u32, &Segment> = joins.iter().flat_map(|j| j.around).map(|s| (s.number, s)).collect();
        let path = self.context.scratch.join("joins.mp4");
        let mut file = std::fs::File::create(&path).map_err(|e| TaskError::scratch(&path, &e))?;
        let mut frames = 0;
        for segment in std::iter::once(None).chain(segments.into_values().map(Some)) {
            let piece = self.checked(track, segment).await?;
            file.write_all(&piece).map_err(|e| TaskError::scratch(&path, &e))?;
            frames += segment.map_or(0, |segment| u64::from(segment.samples));
        }
        drop(file);
        let follow = Follow { stall: self.context.stall(), ..Follow::default() };
        match process::run(self.context.reach(), &decode(&path), follow).await {
            Ok(finished) if finished.frames == frames && finished.complaints.is_empty() => Ok(None),
            Ok(finished) => {
                Ok(Some(format!("{} frames instead of {frames}: {}", finished.frames, finished.complaints)))
            }
            // What ffmpeg says of the source it says of the chunks here.
            Err(error) if error.failure == Failure::BadInput => Ok(Some(error.message)),
            Err(error) => Err(error),
        }
    }
}

/// Joins in order, as many at a time as [`TOGETHER`] holds, and at least one.
fn batches<'a, 'b>(mut joins: &'a [Join<'b>]) -> impl Iterator<Item = &'a [Join<'b>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |join: &&Join<'_>| {
            bytes += join.around.iter().map(|segment| segment.file.bytes).sum::<u64>();
            bytes <= TOGETHER
        };
        let (now, later) = joins.split_at_checked(joins.iter().take_while(fits).count().max(1))?;
        joins = later;
        Some(now)
    })
}

#[cfg(test)]
mod tests {
    use transcode_media::track::FileFacts;

    use super::*;

    #[test]
    fn joins_are_decoded_in_batches_of_some_bytes() {
        let of = |bytes| Segment {
            number: 1,
            file: FileFacts { path: String::new(), bytes, sha256: String::new() },
            start: 0,
            duration: 1,
            samples: 1,
            key_bytes: 1,
            further_keys: vec![],
        };
        let segments = [of(TOGETHER / 6), of(TOGETHER)];
        let chunk = Chunk {
            index: 1,
            first_segment: 2,
            segments: vec![],
            start: 0,
            end: 1,
            kept: None,
            ahead: None,
            still: None,
            shift: 0,
            seek: None,
            preroll: 0,
        };
        let join = |n: usize| Join { chunk: &chunk, around: [&segments[n], &segments[n]] };
        let joins = [join(0), join(0), join(0), join(0), join(1), join(0)];
        assert_eq!(batches(&joins).map(<[_]>::len).collect::<Vec<_>>(), [3, 1, 1, 1]);
        assert_eq!(batches(&joins[..0]).count(), 0);
    }
}
