//! The source behind the loopback server, and the store of the output.

use std::{
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use futures::TryStreamExt;
use transcode_api::{Input, S3Output};
use transcode_contract::Site;
use transcode_engine::{Failure, StageKind, headers, layout};
use transcode_media::{
    argv::{Command, SourceUrl},
    container::{self, Step},
    probe::MediaInfo,
    transport::{self, Maps, Retimed, Route, Splice},
};
use transcode_storage::{
    Access, Describe, FileSource, Headers, HttpLimits, HttpSource, Loopback, Rewrite, Rewritten, Source,
    SourceIdentity, Store, StoreSource,
};

use crate::{
    context::{Context, Task, missing},
    error::TaskError,
    process::{self, Finished, Follow, Reach},
};

/// Boxes of an MP4 that are looked at for its end; one with more consists of fragments, and is whole up to
/// where it was cut.
const MOST_BOXES: usize = 32;

/// The most bytes of headers to read. The declaration of a track comes before its tables.
const LONGEST_HEADERS: u64 = 8 << 20;

/// The source, served to ffmpeg.
pub struct OpenSource {
    work: PathBuf,
    source: Arc<dyn Source>,
    generate_times: bool,
    server: Loopback,
    read_before: u64,
    /// A transport stream that isn't served otherwise.
    watched: Option<Arc<Served>>,
    served_otherwise: bool,
}

/// A transport stream as it is to be read, or as it is, to see where its streams go.
#[derive(Debug)]
enum Served {
    Otherwise(Retimed),
    Watched(Retimed, Mutex<Maps>),
}

impl Rewrite for Served {
    fn unit(&self, at: u64) -> Range<u64> {
        let (Served::Otherwise(packets) | Served::Watched(packets, _)) = self;
        packets.unit(at)
    }

    fn rewrite(&self, at: u64, unit: &mut [u8]) {
        match self {
            Served::Otherwise(packets) => packets.serve(at, unit),
            Served::Watched(_, maps) => maps.lock().unwrap_or_else(PoisonError::into_inner).see(at, unit),
        }
    }
}

impl OpenSource {
    /// Opens the job's source and serves it.
    pub async fn open(context: &Context) -> Result<Self, TaskError> {
        let source = input(&context.task).await?;
        same_source(context, source.describe())?;
        let server = Loopback::start(source.clone()).await.map_err(TaskError::of_source)?;
        let known = context.task.facts.media();
        let generate_times = known.is_some_and(|media| media.info.generated_times);
        let work = context.scratch.clone();
        let mut opened =
            OpenSource { work, source, generate_times, server, read_before: 0, watched: None, served_otherwise: false };
        if let Some(media) = known.filter(|media| media.info.clock.rewritten) {
            let key = layout::media_info(&media.source_key);
            let info: Option<MediaInfo> = context.get_json(&key).await?;
            let clock = info.ok_or_else(|| missing(StageKind::Probe, &key))?.clock;
            opened.serve(clock.splices, clock.routes).await?;
        }
        Ok(opened)
    }

    /// Serves a transport stream with another clock and other PIDs from now on.
    pub async fn serve(&mut self, splices: Vec<Splice>, routes: Vec<Route>) -> Result<(), TaskError> {
        let start = self.bytes(0..transport::START).await?;
        let packets = Retimed::new(&start, splices, routes).ok_or_else(|| {
            TaskError::bad_input(format!(
                "{} is a transport stream that doesn't begin with whole packets, and its clock or its streams change; mend it first, say with ffmpeg -i SOURCE -map 0 -c copy MENDED.mkv",
                self.identity().uri
            ))
        })?;
        (self.watched, self.served_otherwise) = (None, true);
        self.restart(Arc::new(Served::Otherwise(packets))).await
    }

    /// Notes from now on where a transport stream's program maps send its streams, if it isn't served otherwise.
    pub async fn watch(&mut self) -> Result<(), TaskError> {
        let start = self.bytes(0..transport::START).await?;
        match Retimed::new(&start, vec![], vec![]) {
            Some(packets) if !self.served_otherwise => {
                let served = Arc::new(Served::Watched(packets, Mutex::default()));
                self.watched = Some(served.clone());
                self.restart(served).await
            }
            _ => Ok(()),
        }
    }

    /// How to serve its streams where they were, as far as packets were read.
    pub fn routes(&self) -> Vec<Route> {
        match self.watched.as_deref() {
            Some(Served::Watched(_, maps)) => maps.lock().unwrap_or_else(PoisonError::into_inner).routes(),
            _ => vec![],
        }
    }

    async fn restart(&mut self, served: Arc<Served>) -> Result<(), TaskError> {
        self.read_before = self.bytes_read();
        let rewritten = Rewritten::new(self.source.clone(), served);
        self.server = Loopback::start(Arc::new(rewritten)).await.map_err(TaskError::of_source)?;
        Ok(())
    }

    async fn bytes(&self, range: Range<u64>) -> Result<Vec<u8>, TaskError> {
        let range = range.start..range.end.min(self.identity().size);
        let bytes = self.source.read(range).await.map_err(TaskError::of_source)?;
        let bytes: Vec<bytes::Bytes> = bytes.try_collect().await.map_err(TaskError::of_source)?;
        Ok(bytes.concat())
    }

    /// What it is.
    pub fn identity(&self) -> &SourceIdentity {
        self.source.describe()
    }

    /// Where ffmpeg finds it.
    pub fn url(&self) -> SourceUrl {
        SourceUrl { generate_times: self.generate_times, ..SourceUrl::loopback(self.server.url().to_string()) }
    }

    /// Bytes that its container says it has beyond those that are there.
    pub async fn missing_bytes(&self) -> Result<u64, TaskError> {
        let size = self.identity().size;
        let mut at = 0;
        for _ in 0..MOST_BOXES {
            let bytes = self.bytes(at..at + container::WINDOW).await?;
            match container::step(at, &bytes) {
                Step::Next(next) if next < size => at = next,
                Step::Next(end) | Step::End(end) => return Ok(end.saturating_sub(size)),
                Step::Unknown => break,
            }
        }
        Ok(0)
    }

    /// The bytes in which an MP4 or Matroska file declares its tracks; empty for other containers.
    pub async fn track_headers(&self) -> Result<Vec<u8>, TaskError> {
        let mut at = 0;
        for _ in 0..MOST_BOXES {
            let bytes = self.bytes(at..at + container::WINDOW).await?;
            match (container::step(at, &bytes), bytes.as_slice()) {
                (Step::Next(_), [0x1a, 0x45, 0xdf, 0xa3, ..]) => return self.bytes(0..LONGEST_HEADERS).await,
                (Step::Next(end), [_, _, _, _, b'm', b'o', b'o', b'v', ..]) => {
                    return self.bytes(at..end.min(at + LONGEST_HEADERS)).await;
                }
                (Step::Next(next), _) if next < self.identity().size => at = next,
                _ => break,
            }
        }
        Ok(vec![])
    }

    /// Bytes read from the source so far.
    pub fn bytes_read(&self) -> u64 {
        self.read_before + self.server.read()
    }

    /// Runs a program that reads it.
    pub async fn run(&self, command: &Command, follow: Follow) -> Result<Finished, TaskError> {
        self.explain(process::run(self.reach(), command, follow).await)
    }

    /// As [`OpenSource::run`], with each line of standard output given to `on_line` instead of being kept.
    pub async fn run_lines(
        &self,
        command: &Command,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Finished, TaskError> {
        self.explain(process::run_lines(self.reach(), command, Follow::default(), Some(on_line)).await)
    }

    fn reach(&self) -> Reach<'_> {
        Reach { work: &self.work, port: Some(self.server.port()) }
    }

    /// A program that met an error of the source failed for that reason, whatever its exit status:
    /// ffmpeg may take a cut source for a short one.
    fn explain<T>(&self, result: Result<T, TaskError>) -> Result<T, TaskError> {
        match (result, self.server.error()) {
            (Err(error), None) => Err(self.named(error)),
            (Err(error), Some(_)) if !matches!(error.failure, Failure::BadInput | Failure::Transient) => Err(error),
            (_, Some(cause)) => Err(TaskError::of_source(cause)),
            (Ok(done), None) => Ok(done),
        }
    }

    /// With the source's own name instead of the loopback URL's.
    fn named(&self, error: TaskError) -> TaskError {
        let message = error.message.replace(self.server.url(), &self.identity().uri);
        TaskError { message, ..error }
    }
}

/// Every task reads the version that Probe looked at, or the job would mix two.
fn same_source(context: &Context, found: &SourceIdentity) -> Result<(), TaskError> {
    let key = layout::source_key(&context.task.spec.namespace, &found.uri, found.size, &found.tag);
    match context.task.facts.media() {
        Some(media) if media.source_key != key => Err(TaskError::bad_input(format!(
            "{} changed while the job ran; run the job again on the new version",
            found.uri
        ))),
        _ => Ok(()),
    }
}

/// Stores, and what the site lets user-given URLs lead to.
fn access(task: &Task) -> Access<'_> {
    let Site { credentials_dir, allow_networks, environment_proxy, .. } = &task.site;
    Access::new(&task.spec.stores, credentials_dir.as_deref(), allow_networks, *environment_proxy)
}

async fn input(task: &Task) -> Result<Arc<dyn Source>, TaskError> {
    let Input { s3: object, http, file, .. } = &task.spec.input;
    if let Some(file) = file {
        return Ok(Arc::new(FileSource::open(&file.path).await.map_err(TaskError::of_source)?));
    }
    let access = access(task);
    if let Some(http) = http {
        let url = access.url(http).map_err(TaskError::of_source)?;
        let source = HttpSource::open(&url, &access.policy, &HttpLimits::default()).await;
        return Ok(Arc::new(source.map_err(TaskError::of_source)?));
    }
    let object =
        object.as_ref().ok_or_else(|| TaskError::new(Failure::Misconfigured, "spec.inputs[0] names no source"))?;
    let store = Arc::new(access.s3(&object.store, &object.bucket, "")?);
    Ok(Arc::new(StoreSource::open(store, &object.key).await.map_err(TaskError::of_source)?))
}

/// The store below the output's prefix or folder.
pub fn output(task: &Task) -> Result<Arc<dyn Store>, TaskError> {
    let access = access(task);
    let Some(object) = &task.spec.output.s3 else { return Ok(access.output(&task.spec.output)?) };
    let store = access.s3(&object.store, &object.bucket, &object.prefix)?;
    Ok(Arc::new(store.with_headers(Published(object.clone()))))
}

/// What is published, and how it is to be served.
#[derive(Debug)]
struct Published(S3Output);

impl Describe for Published {
    fn headers(&self, key: &str) -> Headers {
        let headers::Headers { content_type, cache_control } = headers::headers(&self.0, key);
        Headers { content_type, cache_control }
    }
}
