//! The source behind the loopback server, and the store of the output.

use std::sync::Arc;

use futures::TryStreamExt;
use transcode_api::{Input, S3Output};
use transcode_contract::Site;
use transcode_engine::{Failure, headers, layout};
use transcode_media::{
    argv::SourceUrl,
    container::{self, Step},
};
use transcode_storage::{
    Access, Describe, FileSource, Headers, HttpLimits, HttpSource, Loopback, Source, SourceIdentity, Store, StoreSource,
};

use crate::{
    context::{Context, Task},
    error::TaskError,
};

/// Boxes of an MP4 that are looked at for its end; one with more consists of fragments, and is whole up to
/// where it was cut.
const MOST_BOXES: usize = 32;

/// The source, served to ffmpeg.
pub struct OpenSource {
    source: Arc<dyn Source>,
    generate_times: bool,
    server: Loopback,
}

impl OpenSource {
    /// Opens the job's source and serves it.
    pub async fn open(context: &Context) -> Result<Self, TaskError> {
        let source = input(&context.task).await?;
        same_source(context, source.describe())?;
        let server = Loopback::start(source.clone()).await.map_err(TaskError::of_source)?;
        let generate_times = context.task.facts.media().is_some_and(|media| media.info.generated_times);
        Ok(OpenSource { source, generate_times, server })
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
            let bytes = self.source.read(at..(at + container::WINDOW).min(size)).await.map_err(TaskError::of_source)?;
            let bytes: Vec<bytes::Bytes> = bytes.try_collect().await.map_err(TaskError::of_source)?;
            match container::step(at, &bytes.concat()) {
                Step::Next(next) if next < size => at = next,
                Step::Next(end) | Step::End(end) => return Ok(end.saturating_sub(size)),
                Step::Unknown => break,
            }
        }
        Ok(0)
    }

    /// Bytes read from the source so far.
    pub fn bytes_read(&self) -> u64 {
        self.server.read()
    }

    /// A program that met an error of the source failed for that reason, whatever its exit status:
    /// ffmpeg may take a cut source for a short one.
    pub fn explain<T>(&self, result: Result<T, TaskError>) -> Result<T, TaskError> {
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
fn access(task: &Task) -> Result<Access<'_>, TaskError> {
    let Site { credentials_dir, allow_networks, environment_proxy, .. } = &task.site;
    Ok(Access::new(&task.spec.stores, credentials_dir.as_deref(), allow_networks, *environment_proxy)?)
}

async fn input(task: &Task) -> Result<Arc<dyn Source>, TaskError> {
    let Input { s3: object, http, file, .. } = &task.spec.input;
    if let Some(file) = file {
        return Ok(Arc::new(FileSource::open(&file.path).await.map_err(TaskError::of_source)?));
    }
    let access = access(task)?;
    if let Some(http) = http {
        let source = HttpSource::open(&http.url, &access.policy, &HttpLimits::default()).await;
        return Ok(Arc::new(source.map_err(TaskError::of_source)?));
    }
    let object =
        object.as_ref().ok_or_else(|| TaskError::new(Failure::Misconfigured, "spec.inputs[0] names no source"))?;
    let store = Arc::new(access.s3(&object.store, &object.bucket, "")?);
    Ok(Arc::new(StoreSource::open(store, &object.key).await.map_err(TaskError::of_source)?))
}

/// The store below the output's prefix or folder.
pub fn output(task: &Task) -> Result<Arc<dyn Store>, TaskError> {
    let access = access(task)?;
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
