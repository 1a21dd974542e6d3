//! The joins of chunks, decoded.

use std::io::Write;

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

impl Verify<'_> {
    /// Decodes the last segment before every join together with the first one after it.
    pub(super) async fn joins(&mut self, track: &FinishedTrack, chunks: &[Chunk]) -> Result<(), TaskError> {
        let mut findings = vec![];
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
            let follow = Follow { stall: self.context.stall(), ..Follow::default() };
            let wrong = match process::run(&decode(&path), follow).await {
                Ok(finished) if finished.frames == frames && finished.complaints.is_empty() => None,
                Ok(finished) => {
                    Some(format!("{} frames instead of {frames}: {}", finished.frames, finished.complaints))
                }
                // What ffmpeg says of the source it says of the chunks here.
                Err(error) if error.failure == Failure::BadInput => Some(error.message),
                Err(error) => return Err(error),
            };
            if let Some(wrong) = wrong {
                let what = format!("the join before segment {} decodes to {wrong}", chunk.first_segment);
                let chunks = [chunk.index - 1, chunk.index].into_iter().collect();
                findings.push(self.blame.chunks(&track.track.name, chunks, &what));
            }
            self.seen.joins += 1;
        }
        TaskError::all(findings)
    }
}
