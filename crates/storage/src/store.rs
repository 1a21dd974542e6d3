//! The one interface that every kind of storage has.

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::{Result, StoreError};

/// Content, in order, in pieces of any size.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// What a listing yields, in the order of the keys' bytes.
pub type MetaStream = BoxStream<'static, Result<ObjectMeta>>;

/// What begins the name of every file that isn't finished yet. No key may use it.
pub const TEMP_PREFIX: &str = ".tmp-";

/// One stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Relative to the store.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Changes when the content does: an ETag without its quotes, or size and time of a file.
    pub tag: String,
    /// When it was last written, if known.
    pub modified: Option<SystemTime>,
}

/// A place for objects, named by keys such as `a/b/c.m4s`.
///
/// Keys are relative, `/`-separated text of at most 1,024 bytes, without empty, `.` or `..` parts,
/// without control characters, and no part begins with `.tmp-`; others are [`StoreError::Refused`].
/// Writes are atomic: a reader sees the whole old object or the whole new one.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// What is known of an object; `None` when there is none.
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>>;

    /// Reads an object, or the part of it that lies in `range` (cut at the object's end; empty past
    /// it). With a `tag`, an object that has another one is [`StoreError::Changed`]; an object that
    /// is replaced while the stream is read is that too, never a mix.
    async fn get_if(&self, key: &str, range: Option<Range<u64>>, tag: Option<&str>) -> Result<ByteStream>;

    /// Reads an object, or a part of it: [`Store::get_if`] with any tag.
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.get_if(key, range, None).await
    }

    /// Reads a small object whole. More than `limit` bytes are [`StoreError::TooLarge`].
    async fn get_bytes(&self, key: &str, limit: u64) -> Result<Bytes> {
        let mut stream = self.get(key, None).await?;
        let mut all = BytesMut::new();
        while let Some(piece) = stream.try_next().await? {
            if (all.len() + piece.len()) as u64 > limit {
                return Err(StoreError::too_large(self.uri(key), format!("more than {limit} bytes")));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Writes a small object.
    async fn put(&self, key: &str, content: Bytes) -> Result<()>;

    /// Writes an object of any size in bounded memory and returns its size. `size` is the exact
    /// size when it is known: a stream of another length is then an error, and parts are of equal
    /// size, which some services demand. After an error, or when dropped, nothing is left.
    async fn put_stream(&self, key: &str, content: ByteStream, size: Option<u64>) -> Result<u64>;

    /// Writes a local file as an object and returns its size.
    async fn put_file(&self, key: &str, path: &Path) -> Result<u64> {
        let file = crate::file::open(path, None).await?;
        let size = file.size;
        self.put_stream(key, file.stream(None), Some(size)).await
    }

    /// Every object whose key begins with `prefix` (text, not necessarily a folder), sorted.
    fn list(&self, prefix: &str) -> MetaStream;

    /// Removes objects. One that isn't there is removed already.
    async fn delete(&self, keys: &[&str]) -> Result<()>;

    /// Copies an object inside the store, without moving its bytes through this process.
    async fn copy(&self, from: &str, to: &str) -> Result<()>;

    /// Removes what writers left that were killed, below a folder (`""`, or a prefix with a `/` at its
    /// end): unfinished files and uploads that nobody has touched for `age`. Returns how many.
    async fn sweep(&self, folder: &str, age: Duration) -> Result<u64>;

    /// Whether this process may write here, asked early so that hours of work don't end in a
    /// refusal. Leaves nothing behind.
    async fn check(&self) -> Result<()>;

    /// A name for people: `s3://bucket/prefix/key`, or a path.
    fn uri(&self, key: &str) -> String;
}

/// Refuses what isn't a key. `uri` names the store.
pub(crate) fn check_key(uri: &str, key: &str) -> Result<()> {
    let refuse = |why: &str| Err(StoreError::refused(uri, format!("`{}` is no key: {why}", key.escape_debug())));
    if key.is_empty() || key.len() > 1024 {
        return refuse("a key has 1 to 1,024 bytes");
    }
    if key.chars().any(char::is_control) {
        return refuse("it has control characters");
    }
    for part in key.split('/') {
        match part {
            "" => return refuse("it has an empty part"),
            "." | ".." => return refuse("it leaves its folder"),
            _ if part.starts_with(TEMP_PREFIX) => return refuse("`.tmp-` is for unfinished files"),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a prefix that no key can begin with.
pub(crate) fn check_prefix(uri: &str, prefix: &str) -> Result<()> {
    match prefix.rsplit_once('/') {
        Some((folder, _)) => check_key(uri, folder),
        None => Ok(()),
    }
}

/// Takes `size` bytes off the stream, fewer only at its end. `rest` keeps what was too much.
pub(crate) async fn take(content: &mut ByteStream, rest: &mut Bytes, size: u64) -> Result<Bytes> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut part = BytesMut::new();
    loop {
        let taken = rest.split_to(rest.len().min(size - part.len()));
        part.extend_from_slice(&taken);
        if part.len() == size {
            return Ok(part.freeze());
        }
        match content.try_next().await? {
            Some(piece) => *rest = piece,
            None => return Ok(part.freeze()),
        }
    }
}

/// A stream that only fails.
pub(crate) fn failed<T: Send + 'static>(error: StoreError) -> BoxStream<'static, Result<T>> {
    futures::stream::once(async { Err(error) }).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for good in ["a", "a/b.mp4", "mit leer/zeichen ü", "..a/b..", ".hidden"] {
            assert!(check_key("s", good).is_ok(), "{good}");
        }
        let long = "x".repeat(1025);
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\nb", "a\0", ".tmp-1", "a/.tmp-x/b", &long] {
            assert!(matches!(check_key("s", bad), Err(StoreError::Refused { .. })), "{bad}");
        }
    }

    #[test]
    fn prefixes() {
        for good in ["", "a", "a/", "a/b", "seg/00"] {
            assert!(check_prefix("s", good).is_ok(), "{good}");
        }
        for bad in ["/", "../", "a/../b", "//a"] {
            assert!(check_prefix("s", bad).is_err(), "{bad}");
        }
    }
}
