//! Progressive files.

use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use transcode_contract::{MergeResult, PackageResult};
use transcode_engine::StageId;
use transcode_media::{
    inspect::{ProgressiveFacts, inspect_progressive},
    track::{FileFacts, FinishedTrack, TrackKind},
};
use transcode_storage::StoreError;

use super::{Verify, reader::StoreReader};
use crate::{
    error::TaskError,
    tasks::{merge, tracks::gone},
};

impl Verify<'_> {
    /// The progressive file of a rendition: whole, index first, every frame at its time.
    pub(super) async fn progressive(
        &mut self,
        stage: &StageId,
        packaged: &PackageResult,
        frames: &[i64],
    ) -> Result<(), TaskError> {
        let again =
            |what: &str| gone(self.context, stage, &format!("the progressive MP4 of {}: {what}", stage.subject));
        let result: Option<MergeResult> = self.context.get_json(&self.layout.result(stage)).await?;
        let merged = result.ok_or_else(|| again("its result is gone"))?;
        let tracks: Vec<FinishedTrack> =
            packaged.video.iter().filter(|t| t.track.name == stage.subject).chain(&packaged.audio).cloned().collect();
        if merged.made_of != merge::made_of(&tracks) {
            return Err(again("it was made of other segments"));
        }
        if self.digest(&merged.file).await?.is_none_or(|digest| digest != merged.file.sha256) {
            return Err(again("it is gone, or not what was written (checksum)"));
        }
        let mut reader = StoreReader::new(self.context.store.clone(), &merged.file);
        let facts = tokio::task::spawn_blocking(move || inspect_progressive(&mut reader))
            .await
            .map_err(TaskError::transient)?;
        let facts = facts.map_err(|e| again(&e.to_string()))?;
        compare(&facts, &tracks, frames).map_err(|what| again(&what))?;
        self.seen.files += 1;
        Ok(())
    }

    /// SHA-256 of an object, hex; `None` when there is none.
    async fn digest(&self, file: &FileFacts) -> Result<Option<String>, TaskError> {
        let mut hash = Sha256::new();
        let mut stream = match self.context.store.get(&file.path, None).await {
            Err(StoreError::NotFound { .. }) => return Ok(None),
            stream => stream?,
        };
        while let Some(piece) = stream.try_next().await? {
            hash.update(&piece);
        }
        Ok(Some(hex::encode(hash.finalize())))
    }
}

/// What the file says of itself against the segments that it was made of.
fn compare(facts: &ProgressiveFacts, tracks: &[FinishedTrack], frames: &[i64]) -> Result<(), String> {
    if !facts.moov_first {
        return Err("its index is not first".into());
    }
    if facts.tracks.len() != tracks.len() {
        return Err(format!("it has {} tracks instead of {}", facts.tracks.len(), tracks.len()));
    }
    for (found, made) in facts.tracks.iter().zip(tracks) {
        let name = &made.track.name;
        if !found.init.codec.starts_with(&made.track.codec) {
            return Err(format!("{name} is {} instead of {}", found.init.codec, made.track.codec));
        }
        let samples: usize = made.segments.iter().map(|s| s.samples as usize).sum();
        if found.table.len() != samples {
            return Err(format!("{name} has {} samples instead of {samples}", found.table.len()));
        }
        let rolls = found.init.rolls.first().copied();
        if found.roll != rolls {
            return Err(format!("{name} has a pre-roll of {:?} instead of {rolls:?}", found.roll));
        }
        let video = matches!(made.track.kind, TrackKind::Video { .. });
        if video && found.presentation_times() != frames {
            return Err(format!("the frames of {name} are not at their times"));
        }
    }
    Ok(())
}
