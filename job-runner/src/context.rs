//! The task with everything it works on: spec, facts, layout, store, scratch.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use transcode_contract::{Site, TaskRun};
use transcode_engine::{
    Facts, Failure, Layout, MediaSummary, ResolvedSpec, SplitSummary, StageId, StageKind, TaskSet, cover::heard_until,
};
use transcode_media::{
    chunk::Chunk, cmaf::rewrite::Fragments, index::PacketIndex, timeline::Timeline, track::FileFacts,
};
use transcode_storage::{Store, StoreError};

use crate::{error::TaskError, log::Log, process::Reach, source};

/// An object of the work data at most. The largest is Package's result: about 250 bytes a segment, so
/// 60 MB for a day of four-second segments in ten tracks.
const MAX_OBJECT: u64 = 256 << 20;
/// A file of the output that is read whole at most: a segment has less than 2 GiB.
const MAX_FILE: u64 = 2 << 30;

/// What there is to do.
#[derive(Debug, Clone)]
pub struct Task {
    /// The job.
    pub spec: ResolvedSpec,
    /// What Probe and Split told; empty for Probe itself.
    pub facts: Facts,
    /// Which stage.
    pub stage: StageId,
    /// Which task of it.
    pub index: u32,
    /// Runs of it before this one.
    pub attempt: u32,
    /// Permissive mode: chunks that could not be made and are gaps in every rendition.
    pub gaps: TaskSet,
    /// The job was deleted: what Cleanup deletes.
    pub erase: Option<Erase>,
    /// What the site allows and where it keeps things.
    pub site: Site,
}

/// What of a deleted job goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Erase {
    /// Everything that was not published.
    Work,
    /// What was published too.
    All,
}

/// One task.
#[derive(Clone)]
pub struct Context {
    /// What there is to do.
    pub task: Task,
    /// Folder for partial files.
    pub scratch: PathBuf,
    /// The log.
    pub log: Log,
    /// The output.
    pub store: Arc<dyn Store>,
    began: Timestamp,
    /// SHA-256 of every result that was looked for, by key; `None`: it was not there.
    read: Arc<Mutex<HashMap<String, Option<[u8; 32]>>>>,
}

impl Context {
    /// Opens the output store.
    pub fn new(task: Task, scratch: PathBuf, log: Log) -> Result<Self, TaskError> {
        let store = source::output(&task)?;
        Ok(Context { task, scratch, log, store, began: Timestamp::now(), read: Arc::default() })
    }

    /// This run of the task, up to now.
    pub fn run_so_far(&self) -> TaskRun {
        let Task { stage, index, .. } = &self.task;
        TaskRun { stage: stage.clone(), task: *index, began: self.began, ended: Timestamp::now() }
    }

    /// What Probe told.
    pub fn media(&self) -> Result<&MediaSummary, TaskError> {
        self.task.facts.media().ok_or_else(|| TaskError::new(Failure::Misconfigured, "the facts lack what Probe told"))
    }

    /// What Split told.
    pub fn split(&self) -> Result<&SplitSummary, TaskError> {
        self.task.facts.split().ok_or_else(|| TaskError::new(Failure::Misconfigured, "the facts lack what Split told"))
    }

    /// Where fragments of video begin.
    pub fn fragments(&self) -> Result<Fragments, TaskError> {
        let video = self.media()?.info.video.as_ref();
        let captioned = video.is_some_and(|video| self.task.spec.filters.carries_captions(video));
        Ok(if captioned { Fragments::Segments } else { Fragments::KeyFrames })
    }

    /// Keys and places.
    pub fn layout(&self) -> Result<Layout, TaskError> {
        Ok(Layout::new(&self.task.spec, self.media()?))
    }

    /// What a program can reach that needs no source.
    pub fn reach(&self) -> Reach<'_> {
        Reach { work: &self.scratch, port: None }
    }

    /// How long a program may show no sign of life.
    pub fn stall(&self) -> Option<Duration> {
        self.task.site.stall_seconds.map(|s| Duration::from_secs(u64::from(s)))
    }

    /// Reads a JSON object; `None` when there is none.
    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, TaskError> {
        let bytes = self.get_bytes(key).await?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(key.into(), bytes.as_ref().map(digest));
        // Half-written objects don't exist; one that can't be read is of another version.
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Deletes results that were found wrong, but not what another task has put in their place since they were
    /// looked for here: several may find the same damage, one earlier than the others.
    pub async fn withdraw(&self, results: &[String]) -> Result<(), TaskError> {
        let mut wrong = vec![];
        for key in results {
            let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied();
            let now = self.get_bytes(key).await?.as_ref().map(digest);
            if read.is_none_or(|read| read == now) {
                wrong.push(key.as_str());
            }
        }
        Ok(self.store.delete(&wrong).await?)
    }

    /// Reads a small object; `None` when there is none.
    pub async fn get_bytes(&self, key: &str) -> Result<Option<Bytes>, TaskError> {
        match self.store.get_bytes(key, MAX_OBJECT).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a JSON object.
    pub async fn put_json(&self, key: &str, value: &impl Serialize) -> Result<FileFacts, TaskError> {
        let bytes = serde_json::to_vec(value).map_err(TaskError::transient)?;
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

    /// Reads an object that a result names, and checks it; `wrong` makes the failure out of words.
    pub async fn get_checked(
        &self,
        file: &FileFacts,
        wrong: impl FnOnce(&str) -> TaskError,
    ) -> Result<Bytes, TaskError> {
        let uri = self.store.uri(&file.path);
        let bytes = match self.store.get_bytes(&file.path, file.bytes.min(MAX_FILE)).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Err(wrong(&format!("{uri} is gone"))),
            Err(StoreError::TooLarge { .. }) => return Err(wrong(&format!("{uri} is larger than its result says"))),
            Err(error) => return Err(error.into()),
        };
        match hex::encode(Sha256::digest(&bytes)) == file.sha256 {
            true => Ok(bytes),
            false => Err(wrong(&format!("{uri} is not what its result says (checksum)"))),
        }
    }

    /// The packet index.
    pub async fn packet_index(&self) -> Result<PacketIndex, TaskError> {
        let key = transcode_engine::layout::packet_index(&self.media()?.source_key);
        let bytes = self.get_bytes(&key).await?;
        bytes.and_then(|b| postcard::from_bytes(&b).ok()).ok_or_else(|| missing(StageKind::Probe, &key))
    }

    /// The chunk table.
    pub async fn chunks(&self) -> Result<Vec<Chunk>, TaskError> {
        let key = self.layout()?.chunk_table();
        let gone = || missing(StageKind::Split, &key);
        let bytes = self.get_bytes(&key).await?.ok_or_else(gone)?;
        if hex::encode(Sha256::digest(&bytes)) != self.split()?.table {
            return Err(gone());
        }
        serde_json::from_slice(&bytes).map_err(|_| gone())
    }

    /// The timeline of the video that is shown, from its index.
    pub fn timeline(&self, index: &PacketIndex) -> Result<Option<Timeline>, TaskError> {
        let media = self.media()?;
        let (Some(video), Some(stream)) = (&index.video, &media.info.video) else { return Ok(None) };
        let retiming = self.task.spec.filters.retiming();
        // A plan of before has no copies of pictures in it.
        let shown = media.video.as_ref();
        let held = shown.is_some_and(|video| video.still.is_some());
        let from_start = shown.is_some_and(|video| video.ahead.is_some());
        let heard = heard_until(&self.task.spec, &media.audio).filter(|_| held);
        let made = Timeline::new(video, retiming, media.origin, heard, stream.frame_rate);
        let made = if from_start { made.and_then(Timeline::shown_from_start) } else { made };
        made.map(Some).map_err(TaskError::bad_input)
    }
}

fn digest(content: &Bytes) -> [u8; 32] {
    Sha256::digest(content).into()
}

/// What a stage with one task leaves is gone.
pub fn missing(kind: StageKind, what: &str) -> TaskError {
    let lost = BTreeMap::from([(StageId::job(kind), TaskSet::one(0))]);
    TaskError::missing(lost, vec![], format!("{what} is gone or damaged"))
}
