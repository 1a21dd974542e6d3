//! Reads one version of an object, over cut connections.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream as Body;
use futures::{StreamExt, TryStreamExt, stream};

use super::{S3Store, error, plain, quoted};
use crate::error::{Result, StoreError, chain};
use crate::resume::{Reopen, Retry, resuming};
use crate::store::{ByteStream, Store};

/// [`Store::get_if`].
pub(super) async fn get(
    store: &S3Store,
    key: &str,
    range: Option<Range<u64>>,
    tag: Option<&str>,
) -> Result<ByteStream> {
    let range = range.unwrap_or(0..u64::MAX);
    let mut object =
        Object { store: store.clone(), key: store.key(key)?, uri: store.uri(key), tag: tag.map(ToOwned::to_owned) };
    if range.is_empty() {
        return Ok(stream::empty().boxed());
    }
    let Some(answer) = object.request(&range, None).await? else {
        return Ok(stream::empty().boxed());
    };
    // All requests of this stream are tied to the version that the first one found, and its
    // length tells a cut body from a whole one.
    let Some(length) = answer.content_length.and_then(|n| u64::try_from(n).ok()) else {
        return Err(StoreError::misconfigured(object.uri, "the service tells no length"));
    };
    let range = range.start..range.start + length;
    object.tag = Some(plain(answer.e_tag()));
    let open = object.stream(answer.body);
    resuming(Arc::new(object), range, Retry::default(), Some(open)).await
}

/// One version of one object.
struct Object {
    store: S3Store,
    /// In the bucket.
    key: String,
    uri: String,
    /// Any, when `None`.
    tag: Option<String>,
}

impl Object {
    /// Asks for `range`; `None` when it begins past the end.
    async fn request(&self, range: &Range<u64>, retry: Option<RetryConfig>) -> Result<Option<GetObjectOutput>> {
        let wanted = match *range {
            Range { start: 0, end: u64::MAX } => None,
            Range { start, end: u64::MAX } => Some(format!("bytes={start}-")),
            Range { start, end } => Some(format!("bytes={start}-{}", end - 1)),
        };
        let mut settings = aws_sdk_s3::Config::builder();
        settings.set_retry_config(retry);
        let answer = self
            .store
            .client
            .get_object()
            .bucket(&self.store.bucket)
            .key(&self.key)
            .set_range(wanted)
            .set_if_match(self.tag.as_deref().filter(|tag| !tag.is_empty()).map(quoted))
            .customize()
            .config_override(settings)
            .send()
            .await;
        let status = |failed: &SdkError<_>| failed.raw_response().map(|a| a.status().as_u16());
        let answer = match answer {
            Ok(answer) => answer,
            Err(failed) if status(&failed) == Some(416) => return Ok(None),
            Err(failed) => return Err(error::sort(&self.uri, &failed)),
        };
        // Some services ignore If-Match.
        let found = plain(answer.e_tag());
        if self.tag.as_ref().is_some_and(|tag| *tag != found) {
            return Err(StoreError::changed(&self.uri, "its ETag differs"));
        }
        let expected = format!("bytes {}-", range.start);
        let is_expected = answer.content_range().is_some_and(|r| r.starts_with(&expected));
        if range.start > 0 && !is_expected {
            return Err(StoreError::misconfigured(&self.uri, "the service doesn't answer byte ranges"));
        }
        Ok(Some(answer))
    }

    fn stream(&self, body: Body) -> ByteStream {
        let uri = self.uri.clone();
        stream::unfold(body, |mut body| async move { body.next().await.map(|piece| (piece, body)) })
            .map_err(move |cut| StoreError::unavailable(uri.clone(), chain(&cut)))
            .boxed()
    }
}

#[async_trait]
impl Reopen for Object {
    async fn open(&self, range: Range<u64>) -> Result<ByteStream> {
        // `resuming` does the retries.
        let answer = self.request(&range, Some(RetryConfig::disabled())).await?;
        let Some(answer) = answer else {
            return Err(StoreError::changed(&self.uri, "it is shorter than it was"));
        };
        Ok(self.stream(answer.body))
    }

    fn uri(&self) -> &str {
        &self.uri
    }
}
