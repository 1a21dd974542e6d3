//! A bucket, or a prefix of one, as a store.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream as Body, DateTime};
use aws_sdk_s3::types::MetadataDirective;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use transcode_api::StoreSpec;

use crate::error::{Result, StoreError};
use crate::guard::GuardPolicy;
use crate::headers::{self, ByName, Describe};
use crate::store::{self, ByteStream, MetaStream, ObjectMeta, Store};

mod connect;
mod credentials;
mod error;
mod parts;
mod read;
mod upload;

use parts::{COPY, Limits};
use upload::Multipart;

/// Deletes under way at once. Each key has a request of its own: `DeleteObjects` is missing or
/// wants other checksums on some compatible services.
const DELETES: usize = 32;

/// An S3-compatible bucket, or the part of one below a prefix.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    /// Empty, or with a `/` at its end.
    prefix: String,
    limits: Limits,
    headers: Arc<dyn Describe>,
}

impl S3Store {
    /// A store in `bucket` below `prefix` (may be empty). Nothing is sent yet.
    ///
    /// `credentials` is a folder with the files `accessKeyId`, `secretAccessKey` and, if temporary,
    /// `sessionToken`, read again every few minutes; without it the environment, the AWS profile,
    /// the workload's web identity or container credentials are used. An endpoint in `spec` is
    /// checked by `guard`, ports aside; AWS itself isn't.
    pub fn new(
        spec: &StoreSpec,
        bucket: &str,
        prefix: &str,
        credentials: Option<&Path>,
        guard: &GuardPolicy,
    ) -> Result<Self> {
        let prefix = prefix.trim_matches('/');
        let uri = format!("s3://{bucket}/{prefix}");
        if !prefix.is_empty() {
            store::check_key(&uri, prefix)?;
        }
        let client = connect::client(&uri, &spec.s3, credentials, guard)?;
        let slash = if prefix.is_empty() { "" } else { "/" };
        let prefix = format!("{prefix}{slash}");
        Ok(Self { client, bucket: bucket.into(), prefix, limits: Limits::default(), headers: Arc::new(ByName) })
    }

    /// The same store, which writes objects to be served with these headers.
    pub fn with_headers(self, headers: impl Describe + 'static) -> Self {
        Self { headers: Arc::new(headers), ..self }
    }

    /// For tests: a bucket that doesn't exist yet.
    #[cfg(feature = "testing")]
    pub(crate) async fn create_bucket(&self) -> Result<()> {
        let created = self.client.create_bucket().bucket(&self.bucket).send().await;
        created.map(drop).map_err(|failed| error::sort(self.uri(""), &failed))
    }

    /// Content-Type and Cache-Control of an object.
    fn headers(&self, key: &str) -> (String, Option<String>) {
        let told = self.headers.headers(key);
        (told.content_type.unwrap_or_else(|| headers::content_type(key).into()), told.cache_control)
    }

    /// The key in the bucket.
    fn key(&self, key: &str) -> Result<String> {
        store::check_key(&self.uri(""), key)?;
        Ok(format!("{}{key}", self.prefix))
    }
}

#[async_trait]
impl Store for S3Store {
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let request = self.client.head_object().bucket(&self.bucket).key(self.key(key)?);
        match request.send().await {
            Ok(head) => Ok(Some(ObjectMeta {
                key: key.to_owned(),
                size: length(head.content_length),
                tag: plain(head.e_tag()),
                modified: time(head.last_modified),
            })),
            Err(failed) => match error::sort(self.uri(key), &failed) {
                StoreError::NotFound { .. } => Ok(None),
                other => Err(other),
            },
        }
    }

    async fn get_if(&self, key: &str, range: Option<Range<u64>>, tag: Option<&str>) -> Result<ByteStream> {
        read::get(self, key, range, tag).await
    }

    async fn put(&self, key: &str, content: Bytes) -> Result<()> {
        let timeouts = connect::upload_timeouts(content.len() as u64);
        let (content_type, cache_control) = self.headers(key);
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(key)?)
            .content_type(content_type)
            .set_cache_control(cache_control)
            .body(Body::from(content))
            .customize()
            .config_override(timeouts)
            .send()
            .await
            .map(drop)
            .map_err(|failed| error::sort(self.uri(key), &failed))
    }

    async fn put_stream(&self, key: &str, content: ByteStream, size: Option<u64>) -> Result<u64> {
        self.key(key)?;
        upload::put_stream(self, key, content, size).await
    }

    fn list(&self, prefix: &str) -> MetaStream {
        let uri = self.uri(prefix);
        if let Err(error) = store::check_prefix(&uri, prefix) {
            return store::failed(error);
        }
        let (base, full) = (self.prefix.clone(), format!("{}{prefix}", self.prefix));
        let pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(full).into_paginator().send();
        stream::unfold(pages, |mut pages| async move { pages.next().await.map(|page| (page, pages)) })
            .map_err(move |failed| error::sort(&uri, &failed))
            .map_ok(move |page| {
                let found = page.contents.unwrap_or_default();
                let metas: Vec<_> = found.into_iter().filter_map(|o| object(&base, o).map(Ok)).collect();
                stream::iter(metas)
            })
            .try_flatten()
            .boxed()
    }

    async fn delete(&self, keys: &[&str]) -> Result<()> {
        let full = keys.iter().map(|key| self.key(key)).collect::<Result<Vec<_>>>()?;
        stream::iter(full)
            .map(Ok)
            .try_for_each_concurrent(DELETES, |key| async move {
                let request = self.client.delete_object().bucket(&self.bucket).key(&key);
                match request.send().await.map_err(|failed| error::sort(format!("s3://{}/{key}", self.bucket), &failed))
                {
                    Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
                    Err(other) => Err(other),
                }
            })
            .await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (self.key(from)?, self.key(to)?);
        let Some(meta) = self.head(from).await? else {
            return Err(StoreError::not_found(self.uri(from), "no such object"));
        };
        if source == target {
            return Ok(());
        }
        if meta.size > self.limits.copy_max {
            return upload::copy(self, &meta, to).await;
        }
        let (content_type, cache_control) = self.headers(to);
        self.client
            .copy_object()
            .copy_source(parts::copy_source(&self.bucket, &source))
            .copy_source_if_match(quoted(&meta.tag))
            .bucket(&self.bucket)
            .key(target)
            // Without it the copy is served as the original is.
            .metadata_directive(MetadataDirective::Replace)
            .content_type(content_type)
            .set_cache_control(cache_control)
            .customize()
            .config_override(connect::upload_timeouts(COPY))
            .send()
            .await
            .map(drop)
            .map_err(|failed| error::sort(self.uri(from), &failed))
    }

    async fn sweep(&self, folder: &str, age: Duration) -> Result<u64> {
        store::check_prefix(&self.uri(""), folder)?;
        upload::sweep(self, &format!("{}{folder}", self.prefix), age).await
    }

    /// Begins an upload and gives it up: that needs the permission to write, and makes no object.
    async fn check(&self) -> Result<()> {
        let upload = Multipart::begin(self, ".transcode-check").await?;
        upload.abort().await;
        Ok(())
    }

    fn uri(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }
}

/// `None` for what isn't an object of this store, such as the marker of a folder.
fn object(base: &str, found: aws_sdk_s3::types::Object) -> Option<ObjectMeta> {
    let key = found.key?.strip_prefix(base)?.to_owned();
    store::check_key(base, &key).ok()?;
    Some(ObjectMeta {
        key,
        size: length(found.size),
        tag: plain(found.e_tag.as_deref()),
        modified: time(found.last_modified),
    })
}

fn length(given: Option<i64>) -> u64 {
    given.and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
}

/// An ETag without its quotes.
fn plain(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

fn time(given: Option<DateTime>) -> Option<SystemTime> {
    given.and_then(|t| SystemTime::try_from(t).ok())
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::*;
    use crate::headers::Headers;
    use crate::testing::S3Server;

    /// Everything in `kept/` is kept, and is of another type than its name says.
    #[derive(Debug)]
    struct Kept;

    impl Describe for Kept {
        fn headers(&self, key: &str) -> Headers {
            match key.strip_prefix("kept/") {
                Some(_) => Headers { content_type: Some("audio/mp4".into()), cache_control: Some("max-age=7".into()) },
                None => Headers::default(),
            }
        }
    }

    async fn served(store: &S3Store, key: &str) -> (Option<String>, Option<String>) {
        let head = store.client.head_object().bucket(&store.bucket).key(store.key(key).unwrap()).send().await.unwrap();
        (head.content_type, head.cache_control)
    }

    #[tokio::test]
    async fn objects_are_served_as_they_are_described_however_they_are_written() {
        let Some(server) = S3Server::start_or_skip().await.unwrap() else {
            return;
        };
        let mut store = server.store("p").unwrap().with_headers(Kept);
        store.limits = Limits { copy_max: 6 * parts::MIB, copy_part: 5 * parts::MIB, ..store.limits };
        let large = || Bytes::from(vec![1; 12 * parts::MIB as usize]);
        let kept = (Some("audio/mp4".to_owned()), Some("max-age=7".to_owned()));
        let plain = (Some("video/mp4".to_owned()), None);

        store.put("kept/a.mp4", "x".into()).await.unwrap();
        store.put("a.mp4", "x".into()).await.unwrap();
        for (key, expected) in [("kept/parts.mp4", &kept), ("parts.mp4", &plain)] {
            let content = stream::iter([Ok(large())]).boxed();
            store.put_stream(key, content, None).await.unwrap();
            assert_eq!(served(&store, key).await, *expected, "{key}");
        }
        // Copies are described anew, in one request or in parts.
        for (from, to) in [("a.mp4", "kept/copy.mp4"), ("parts.mp4", "kept/parts-copy.mp4")] {
            store.copy(from, to).await.unwrap();
        }
        for (from, to) in [("kept/a.mp4", "copy.mp4"), ("kept/parts.mp4", "parts-copy.mp4")] {
            store.copy(from, to).await.unwrap();
        }
        for key in ["kept/a.mp4", "kept/copy.mp4", "kept/parts-copy.mp4"] {
            assert_eq!(served(&store, key).await, kept, "{key}");
        }
        for key in ["a.mp4", "copy.mp4", "parts-copy.mp4"] {
            assert_eq!(served(&store, key).await, plain, "{key}");
        }
    }
}
