//! Reads a file, or a part of it, as it was when it was opened.

use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use super::is_absent;
use crate::error::{Result, StoreError};
use crate::store::ByteStream;

/// Bytes per read of a file.
const READ: usize = 256 * 1024;

/// A file that was opened for reading, and what it was then.
pub(crate) struct OpenFile {
    file: tokio::fs::File,
    uri: String,
    pub(crate) size: u64,
    pub(crate) tag: String,
}

impl OpenFile {
    /// The content in `range`. A file that has become shorter is an error.
    pub(crate) fn stream(self, range: Option<Range<u64>>) -> ByteStream {
        let Range { start, end } = range.unwrap_or(0..self.size);
        let end = end.min(self.size);
        if start >= end {
            return futures::stream::empty().boxed();
        }
        let Self { mut file, uri, .. } = self;
        let seek = async move {
            file.seek(SeekFrom::Start(start)).await?;
            Ok::<_, io::Error>(ReaderStream::with_capacity(file.take(end - start), READ))
        };
        let mut left = end - start;
        let end_marker = futures::stream::once(async { Ok(Bytes::new()) });
        futures::stream::once(seek)
            .try_flatten()
            .chain(end_marker)
            .map(move |piece| {
                let piece = piece.map_err(|error| StoreError::from_io(uri.clone(), &error))?;
                if piece.is_empty() && left > 0 {
                    return Err(StoreError::changed(uri.clone(), format!("{left} bytes are missing at its end")));
                }
                left -= piece.len() as u64;
                Ok(piece)
            })
            .boxed()
    }
}

/// Opens a file for reading; with a `tag`, only if it still has that one.
pub(crate) async fn open(path: &Path, tag: Option<&str>) -> Result<OpenFile> {
    let uri = path.to_string_lossy().into_owned();
    let failed = |error: io::Error| StoreError::from_io(uri.clone(), &error);
    // Opening a pipe would wait for its other end.
    match tokio::fs::metadata(path).await {
        Ok(meta) if meta.is_dir() => return Err(StoreError::not_found(uri, "it is a folder; name a file")),
        Ok(meta) if !meta.is_file() => return Err(StoreError::not_found(uri, "it is a pipe or a device; name a file")),
        _ => {}
    }
    let file = match tokio::fs::File::open(path).await {
        Err(error) if is_absent(&error) => return Err(StoreError::not_found(uri, error)),
        file => file.map_err(failed)?,
    };
    let meta = file.metadata().await.map_err(failed)?;
    if !meta.is_file() {
        return Err(StoreError::not_found(uri, "it is not a file"));
    }
    let now = self::tag(&meta);
    if tag.is_some_and(|tag| tag != now) {
        return Err(StoreError::changed(uri, "size or time of the file differ"));
    }
    Ok(OpenFile { file, size: meta.len(), tag: now, uri })
}

/// Size and time of the last change, to the nanosecond.
pub(super) fn tag(meta: &Metadata) -> String {
    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", meta.len(), since.as_nanos())
}
