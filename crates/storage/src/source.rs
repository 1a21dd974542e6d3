//! Inputs: content that is read at any place, and never changes while it is read.

use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{Result, StoreError};
use crate::file;
use crate::store::{ByteStream, Store};

/// What an input is, told apart from any other version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceIdentity {
    /// Where it is: no credentials, and no query, which may be a signature.
    pub uri: String,
    /// Bytes.
    pub size: u64,
    /// The ETag, or what stands for the time of the last change; empty when a server tells neither.
    pub tag: String,
}

/// An input.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// The version that was found when it was opened.
    fn describe(&self) -> &SourceIdentity;

    /// The bytes in `range`, cut at the end. [`StoreError::Changed`] when it is another version now.
    async fn read(&self, range: Range<u64>) -> Result<ByteStream>;
}

/// A file on this machine.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    identity: SourceIdentity,
}

impl FileSource {
    /// Looks at the file.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path = std::path::absolute(path).map_err(|error| StoreError::from_io(path.to_string_lossy(), &error))?;
        let file = file::open(&path, None).await.map_err(|error| match error {
            // A folder, or a pipe: not what is meant.
            StoreError::NotFound { uri, why } if path.exists() => StoreError::misconfigured(uri, why),
            error => error,
        })?;
        let uri = path.to_string_lossy().into_owned();
        let identity = SourceIdentity { uri, size: file.size, tag: file.tag };
        Ok(Self { path, identity })
    }
}

#[async_trait]
impl Source for FileSource {
    fn describe(&self) -> &SourceIdentity {
        &self.identity
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream> {
        Ok(file::open(&self.path, Some(&self.identity.tag)).await?.stream(Some(range)))
    }
}

/// An object of a store.
#[derive(Debug)]
pub struct StoreSource {
    store: Arc<dyn Store>,
    key: String,
    identity: SourceIdentity,
}

impl StoreSource {
    /// Looks at the object.
    pub async fn open(store: Arc<dyn Store>, key: impl Into<String>) -> Result<Self> {
        let key = key.into();
        let uri = store.uri(&key);
        let Some(meta) = store.head(&key).await? else {
            return Err(StoreError::not_found(uri, "no such object"));
        };
        let identity = SourceIdentity { uri, size: meta.size, tag: meta.tag };
        Ok(Self { store, key, identity })
    }
}

#[async_trait]
impl Source for StoreSource {
    fn describe(&self) -> &SourceIdentity {
        &self.identity
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream> {
        let range = range.start..range.end.min(self.identity.size);
        self.store.get_if(&self.key, Some(range), Some(&self.identity.tag)).await
    }
}
