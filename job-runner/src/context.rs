//! The task with everything it works on: spec, facts, layout, store, scratch.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use transcode_contract::TaskFile;
use transcode_engine::{Failure, Layout, MediaSummary, SplitSummary, StageId, TaskSet};
use transcode_media::{chunk::Chunk, index::PacketIndex, timeline::Timeline, track::FileFacts};
use transcode_storage::Store;

use crate::{error::TaskError, source};

/// A JSON object of the work data at most; a chunk table of 1,000 chunks is about 1 MiB.
const MAX_OBJECT: u64 = 64 << 20;

/// One task.
pub struct Context {
    /// The task file.
    pub task: TaskFile,
    /// Which task of its stage.
    pub index: u32,
    /// Failed attempts before.
    pub attempt: u32,
    /// Folder for partial files.
    pub scratch: PathBuf,
    /// The output.
    pub store: Arc<dyn Store>,
}

impl Context {
    /// Opens the output store.
    pub fn new(task: TaskFile, index: u32, attempt: u32, scratch: PathBuf) -> Result<Self, TaskError> {
        let store = source::output(&task)?;
        Ok(Context { task, index, attempt, scratch, store })
    }

    /// What Probe told.
    pub fn media(&self) -> Result<&MediaSummary, TaskError> {
        self.task
            .facts
            .media()
            .ok_or_else(|| TaskError::new(Failure::Misconfigured, "the task file lacks what Probe told"))
    }

    /// What Split told.
    pub fn split(&self) -> Result<&SplitSummary, TaskError> {
        self.task
            .facts
            .split()
            .ok_or_else(|| TaskError::new(Failure::Misconfigured, "the task file lacks what Split told"))
    }

    /// Keys and places.
    pub fn layout(&self) -> Result<Layout, TaskError> {
        Ok(Layout::new(&self.task.spec, self.media()?))
    }

    /// How long a program may show no sign of life.
    pub fn stall(&self) -> Option<Duration> {
        self.task.site.stall_seconds.map(|s| Duration::from_secs(u64::from(s)))
    }

    /// Reads a JSON object; `None` when there is none.
    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, TaskError> {
        let Some(bytes) = self.get_bytes(key).await? else { return Ok(None) };
        // Half-written objects don't exist; one that can't be read is of another version.
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Reads a small object; `None` when there is none.
    pub async fn get_bytes(&self, key: &str) -> Result<Option<Bytes>, TaskError> {
        match self.store.get_bytes(key, MAX_OBJECT).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(transcode_storage::StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a JSON object.
    pub async fn put_json(&self, key: &str, value: &impl Serialize) -> Result<FileFacts, TaskError> {
        let bytes = serde_json::to_vec_pretty(value).map_err(TaskError::transient)?;
        self.put(key, bytes.into()).await
    }

    /// Writes a result object and reads it back: the task has succeeded only then.
    pub async fn put_result(&self, key: &str, value: &impl Serialize) -> Result<(), TaskError> {
        let written = self.put_json(key, value).await?;
        let read = self.get_bytes(key).await?.map(|bytes| hex::encode(Sha256::digest(&bytes)));
        match read {
            Some(sha256) if sha256 == written.sha256 => Ok(()),
            _ => Err(TaskError::transient(format!("{} does not read back as it was written", self.store.uri(key)))),
        }
    }

    /// Writes an object and tells what it is.
    pub async fn put(&self, key: &str, content: Bytes) -> Result<FileFacts, TaskError> {
        let facts =
            FileFacts { path: key.into(), bytes: content.len() as u64, sha256: hex::encode(Sha256::digest(&content)) };
        self.store.put(key, content).await?;
        Ok(facts)
    }

    /// Reads an object that a result names, and checks it.
    pub async fn get_checked(&self, file: &FileFacts, missing: impl Fn() -> Failure) -> Result<Bytes, TaskError> {
        let uri = self.store.uri(&file.path);
        match self.get_bytes(&file.path).await? {
            None => Err(TaskError::new(missing(), format!("{uri} is gone"))),
            Some(bytes) if hex::encode(Sha256::digest(&bytes)) != file.sha256 => {
                Err(TaskError::new(missing(), format!("{uri} is not what its result says (checksum)")))
            }
            Some(bytes) => Ok(bytes),
        }
    }

    /// The packet index.
    pub async fn packet_index(&self) -> Result<PacketIndex, TaskError> {
        let key = transcode_engine::layout::packet_index(&self.media()?.source_key);
        let bytes = self.get_bytes(&key).await?;
        bytes
            .and_then(|b| postcard::from_bytes(&b).ok())
            .ok_or_else(|| missing(StageId::job(transcode_engine::StageKind::Probe), 0, &key))
    }

    /// The chunk table.
    pub async fn chunks(&self) -> Result<Vec<Chunk>, TaskError> {
        let key = self.layout()?.chunk_table();
        let gone = || missing(StageId::job(transcode_engine::StageKind::Split), 0, &key);
        let bytes = self.get_bytes(&key).await?.ok_or_else(gone)?;
        if hex::encode(Sha256::digest(&bytes)) != self.split()?.table {
            return Err(gone());
        }
        serde_json::from_slice(&bytes).map_err(|_| gone())
    }

    /// The video's timeline, from its index.
    pub fn timeline(&self, index: &PacketIndex) -> Result<Option<Timeline>, TaskError> {
        let media = self.media()?;
        let (Some(video), Some(stream)) = (&index.video, &media.info.video) else { return Ok(None) };
        Timeline::new(video, media.origin, stream.frame_rate).map(Some).map_err(TaskError::bad_input)
    }
}

/// A result of an earlier stage is gone.
pub fn missing(stage: StageId, task: u32, what: &str) -> TaskError {
    TaskError::new(Failure::Missing { stage, tasks: TaskSet::one(task) }, format!("{what} is gone or damaged"))
}
