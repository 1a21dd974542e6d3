//! A bucket, or a prefix of one, as a store.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream as Body, DateTime};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use transcode_api::StoreSpec;

use crate::error::{Result, StoreError};
use crate::guard::GuardPolicy;
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
        Ok(Self { client, bucket: bucket.into(), prefix: format!("{prefix}{slash}"), limits: Limits::default() })
    }

    /// For tests: a bucket that doesn't exist yet.
    #[cfg(feature = "testing")]
    pub(crate) async fn create_bucket(&self) -> Result<()> {
        let created = self.client.create_bucket().bucket(&self.bucket).send().await;
        created.map(drop).map_err(|failed| error::sort(self.uri(""), &failed))
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
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(key)?)
            .content_type(store::content_type(key))
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
        self.client
            .copy_object()
            .copy_source(parts::copy_source(&self.bucket, &source))
            .copy_source_if_match(quoted(&meta.tag))
            .bucket(&self.bucket)
            .key(target)
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
