//! Objects in parts: uploads of any length in bounded memory, and copies of large objects.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::ByteStream as Body;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinSet;

use super::parts::{COPY, PARTS, copy_source, part_number, part_size};
use super::{S3Store, connect, error, quoted};
use crate::error::{Result, StoreError};
use crate::file::check_length;
use crate::store::{ByteStream, ObjectMeta, Store, take};

/// Parts that are sent while the next one is filled: memory is at most three parts.
const SENDING: usize = 2;
/// Parts that are copied at once.
const COPYING: usize = 8;
/// Sends a stream: one request if it fits in a part, else an upload of parts.
pub(super) async fn put_stream(store: &S3Store, key: &str, mut content: ByteStream, size: Option<u64>) -> Result<u64> {
    let mut rest = Bytes::new();
    let first_size = part_size(store.limits.part, 0, size);
    let first = take(&mut content, &mut rest, first_size).await?;
    if (first.len() as u64) < first_size {
        let written = first.len() as u64;
        check_length(&store.uri(key), written, size)?;
        store.put(key, first).await?;
        return Ok(written);
    }
    let upload = Multipart::begin(store, key).await?;
    match upload.send(first, content, rest, size).await {
        Ok((parts, written)) => upload.complete(parts).await.map(|()| written),
        Err(failed) => {
            upload.abort().await;
            Err(failed)
        }
    }
}

/// Copies an object that is too large for one request.
pub(super) async fn copy(store: &S3Store, from: &ObjectMeta, to: &str) -> Result<()> {
    let upload = Multipart::begin(store, to).await?;
    match upload.copy(from).await {
        Ok(parts) => upload.complete(parts).await,
        Err(failed) => {
            upload.abort().await;
            Err(failed)
        }
    }
}

/// Gives up uploads of keys in the bucket that begin with `prefix` and were begun `age` ago.
pub(super) async fn sweep(store: &S3Store, prefix: &str, age: Duration) -> Result<u64> {
    let uri = format!("s3://{}/{prefix}", store.bucket);
    let (mut swept, mut after) = (0, (None, None));
    loop {
        let request = store.client.list_multipart_uploads().bucket(&store.bucket).prefix(prefix);
        let request = request.set_key_marker(after.0).set_upload_id_marker(after.1);
        let page = request.send().await.map_err(|failed| error::sort(&uri, &failed))?;
        for upload in page.uploads.unwrap_or_default() {
            let (Some(key), Some(id)) = (upload.key, upload.upload_id) else { continue };
            let begun = super::time(upload.initiated).and_then(|begun| SystemTime::now().duration_since(begun).ok());
            if begun.unwrap_or_default() >= age {
                let uri = format!("s3://{}/{key}", store.bucket);
                abort(Target { store: store.clone(), key, uri, id }).await;
                swept += 1;
            }
        }
        after = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) || after.0.is_none() {
            break;
        }
    }
    Ok(swept)
}

/// An upload that has begun. Dropped before its end, it is aborted.
pub(super) struct Multipart {
    store: S3Store,
    /// In the bucket.
    key: String,
    uri: String,
    id: String,
    open: bool,
}

impl Multipart {
    pub(super) async fn begin(store: &S3Store, key: &str) -> Result<Self> {
        let (full, uri) = (store.key(key)?, store.uri(key));
        let (content_type, cache_control) = store.headers(key);
        let begun = store
            .client
            .create_multipart_upload()
            .bucket(&store.bucket)
            .key(&full)
            .content_type(content_type)
            .set_cache_control(cache_control)
            .send()
            .await
            .map_err(|failed| error::sort(&uri, &failed))?;
        let Some(id) = begun.upload_id else {
            return Err(StoreError::unavailable(uri, "the service gave no id for an upload"));
        };
        Ok(Self { store: store.clone(), key: full, uri, id, open: true })
    }

    /// Sends all parts; returns them with the number of bytes.
    async fn send(
        &self,
        first: Bytes,
        mut content: ByteStream,
        mut rest: Bytes,
        size: Option<u64>,
    ) -> Result<(Vec<CompletedPart>, u64)> {
        let (mut part, mut number, mut written) = (first, 0, 0);
        let (mut sending, mut done) = (JoinSet::new(), Vec::new());
        while !part.is_empty() {
            if number == PARTS {
                let why = format!("an object has at most {PARTS} parts; give the size beforehand");
                return Err(StoreError::too_large(&self.uri, why));
            }
            written += part.len() as u64;
            if sending.len() == SENDING {
                done.extend(self.finished(&mut sending).await?);
            }
            sending.spawn(send_part(self.request(), number, part));
            number += 1;
            let wanted = part_size(self.store.limits.part, number, size);
            part = take(&mut content, &mut rest, wanted).await?;
        }
        while let Some(sent) = self.finished(&mut sending).await? {
            done.push(sent);
        }
        check_length(&self.uri, written, size)?;
        done.sort_by_key(|part| part.part_number);
        Ok((done, written))
    }

    async fn finished(&self, sending: &mut JoinSet<Result<CompletedPart>>) -> Result<Option<CompletedPart>> {
        match sending.join_next().await {
            None => Ok(None),
            Some(Ok(sent)) => sent.map(Some),
            Some(Err(error)) => Err(StoreError::unavailable(&self.uri, error)),
        }
    }

    async fn copy(&self, from: &ObjectMeta) -> Result<Vec<CompletedPart>> {
        let size = part_size(self.store.limits.copy_part, 0, Some(from.size));
        let source = copy_source(&self.store.bucket, &self.store.key(&from.key)?);
        let source = &source;
        let parts = (0..from.size.div_ceil(size)).map(|number| async move {
            let last = ((number + 1) * size).min(from.size) - 1;
            let request = self.store.client.upload_part_copy();
            let copied = request
                .copy_source(source)
                .copy_source_if_match(quoted(&from.tag))
                .copy_source_range(format!("bytes={}-{last}", number * size))
                .bucket(&self.store.bucket)
                .key(&self.key)
                .upload_id(&self.id)
                .part_number(part_number(number))
                .customize()
                .config_override(connect::upload_timeouts(size))
                .send()
                .await
                .map_err(|failed| error::sort(&self.uri, &failed))?;
            Ok(completed(number, copied.copy_part_result.and_then(|result| result.e_tag)))
        });
        stream::iter(parts).buffered(COPYING).try_collect().await
    }

    async fn complete(mut self, parts: Vec<CompletedPart>) -> Result<()> {
        let upload = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let done = self
            .store
            .client
            .complete_multipart_upload()
            .bucket(&self.store.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .multipart_upload(upload)
            .customize()
            .config_override(connect::upload_timeouts(COPY))
            .send()
            .await;
        match done {
            Ok(_) => {
                self.open = false;
                Ok(())
            }
            Err(failed) => {
                let failed = error::sort(&self.uri, &failed);
                self.abort().await;
                Err(failed)
            }
        }
    }

    /// Frees what was sent. A failure only leaves parts for the bucket's lifecycle rule.
    pub(super) async fn abort(mut self) {
        self.open = false;
        abort(self.request()).await;
    }

    fn request(&self) -> Target {
        let Self { store, key, uri, id, .. } = self;
        Target { store: store.clone(), key: key.clone(), uri: uri.clone(), id: id.clone() }
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.open, tokio::runtime::Handle::try_current()) {
            runtime.spawn(abort(self.request()));
        }
    }
}

/// What a task of its own needs to know of an upload.
struct Target {
    store: S3Store,
    key: String,
    uri: String,
    id: String,
}

async fn send_part(to: Target, number: u64, content: Bytes) -> Result<CompletedPart> {
    let timeouts = connect::upload_timeouts(content.len() as u64);
    let sent = to
        .store
        .client
        .upload_part()
        .bucket(&to.store.bucket)
        .key(&to.key)
        .upload_id(&to.id)
        .part_number(part_number(number))
        .body(Body::from(content))
        .customize()
        .config_override(timeouts)
        .send()
        .await
        .map_err(|failed| error::sort(&to.uri, &failed))?;
    Ok(completed(number, sent.e_tag))
}

async fn abort(what: Target) {
    let client = &what.store.client;
    let request = client.abort_multipart_upload().bucket(&what.store.bucket).key(&what.key).upload_id(&what.id);
    if let Err(failed) = request.send().await {
        let error = error::sort(&what.uri, &failed);
        tracing::warn!(%error, "an unfinished upload could not be removed");
    }
}

fn completed(number: u64, tag: Option<String>) -> CompletedPart {
    CompletedPart::builder().part_number(part_number(number)).set_e_tag(tag).build()
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::super::parts::MIB;
    use super::*;
    use crate::testing::S3Server;

    #[tokio::test]
    async fn large_objects_are_copied_in_parts() {
        let Some(server) = S3Server::start_or_skip().await.unwrap() else {
            return;
        };
        let mut store = server.store("p").unwrap();
        store.limits = super::super::parts::Limits { copy_max: 6 * MIB, copy_part: 5 * MIB, ..store.limits };
        let content: Bytes = (0..12 * MIB + 3).map(|n| (n * n / 977) as u8).collect::<Vec<_>>().into();
        store.put("a b.mp4", content.clone()).await.unwrap();
        store.copy("a b.mp4", "c.mp4").await.unwrap();
        assert!(store.get_bytes("c.mp4", 1 << 30).await.unwrap() == content);
        let parts = store.head("c.mp4").await.unwrap().unwrap().tag;
        assert!(parts.ends_with("-3"), "{parts}");
    }

    #[tokio::test]
    async fn uploads_of_killed_writers_are_swept() {
        let Some(server) = S3Server::start_or_skip().await.unwrap() else {
            return;
        };
        let store = server.store("p").unwrap();
        for key in ["outputs/1/a", "elsewhere/b"] {
            std::mem::forget(Multipart::begin(&store, key).await.unwrap());
        }
        let hour = Duration::from_secs(3600);
        let swept = [store.sweep("", hour).await, store.sweep("outputs/", Duration::ZERO).await];
        assert_eq!(swept.map(Result::unwrap), [0, 1]);
        assert_eq!(store.sweep("", Duration::ZERO).await.unwrap(), 1);
    }
}
