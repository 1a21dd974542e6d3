//! A folder as a store.

use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use tempfile::{Builder, NamedTempFile};
use tokio::io::AsyncWriteExt;

use crate::error::{Result, StoreError};
use crate::store::{self, ByteStream, MetaStream, ObjectMeta, Store, TEMP_PREFIX};

mod list;
mod read;

pub(crate) use read::open;
use read::tag;

/// A folder whose files are the objects.
///
/// Objects are written to a `.tmp-…` file beside their place and renamed, after an `fsync`.
/// Keys that lead out of the folder, through a symbolic link too, are refused.
#[derive(Debug, Clone)]
pub struct FileStore {
    root: PathBuf,
}

impl FileStore {
    /// A store in `root`, which is made when something is first written.
    pub fn new(root: impl AsRef<Path>) -> Result<Self> {
        let given = root.as_ref();
        let root = std::path::absolute(given).map_err(|error| StoreError::from_io(given.to_string_lossy(), &error))?;
        Ok(Self { root })
    }

    /// Where `key` lies, if that is inside the root.
    fn path(&self, key: &str) -> Result<PathBuf> {
        store::check_key(&self.uri(""), key)?;
        Ok(self.root.join(key))
    }

    /// Runs `work` on the path of `key` in a thread for blocking calls.
    async fn at<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (path, root, uri) = (self.path(key)?, self.root.clone(), self.uri(key));
        let done = blocking(uri.clone(), move || match is_inside(&root, &path)? {
            true => work(&root, &path).map(Some),
            false => Ok(None),
        });
        done.await?.ok_or_else(|| StoreError::refused(uri, "a symbolic link leads out of the store"))
    }
}

#[async_trait]
impl Store for FileStore {
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let name = key.to_owned();
        self.at(key, move |_, path| match fs::metadata(path) {
            Ok(meta) if meta.is_file() => Ok(Some(object(name, &meta))),
            Ok(_) => Ok(None),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn get_if(&self, key: &str, range: Option<Range<u64>>, tag: Option<&str>) -> Result<ByteStream> {
        let path = self.at(key, |_, path| Ok(path.to_owned())).await?;
        Ok(open(&path, tag).await?.stream(range))
    }

    async fn put(&self, key: &str, content: Bytes) -> Result<()> {
        self.at(key, move |_, path| {
            let mut file = temp_beside(path)?;
            file.write_all(&content)?;
            finish(file, path)
        })
        .await
    }

    async fn put_stream(&self, key: &str, mut content: ByteStream, size: Option<u64>) -> Result<u64> {
        let uri = self.uri(key);
        let failed = |error: io::Error| StoreError::from_io(uri.clone(), &error);
        let (temp, handle) = self
            .at(key, |_, path| {
                let temp = temp_beside(path)?;
                let handle = temp.as_file().try_clone()?;
                Ok((temp, handle))
            })
            .await?;
        let mut file = tokio::fs::File::from_std(handle);
        let mut written = 0;
        while let Some(piece) = content.try_next().await? {
            file.write_all(&piece).await.map_err(failed)?;
            written += piece.len() as u64;
        }
        file.flush().await.map_err(failed)?;
        check_length(&uri, written, size)?;
        self.at(key, move |_, path| finish(temp, path)).await?;
        Ok(written)
    }

    fn list(&self, prefix: &str) -> MetaStream {
        match store::check_prefix(&self.uri(""), prefix) {
            Ok(()) => list::list(self.root.clone(), prefix.to_owned()),
            Err(error) => store::failed(error),
        }
    }

    async fn delete(&self, keys: &[&str]) -> Result<()> {
        for key in keys {
            self.at(key, |root, path| {
                match fs::remove_file(path) {
                    Err(error) if !is_absent(&error) => return Err(error),
                    _ => {}
                }
                // A folder exists only through what is in it, as in an object store.
                let mut folder = path.parent();
                while let Some(empty) = folder.filter(|f| *f != root && fs::remove_dir(f).is_ok()) {
                    folder = empty.parent();
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let source = self.at(from, |_, path| fs::metadata(path).map(|_| path.to_owned())).await?;
        self.at(to, move |_, path| copy(&source, path)).await
    }

    async fn sweep(&self, folder: &str, age: Duration) -> Result<u64> {
        store::check_prefix(&self.uri(""), folder)?;
        let path = self.root.join(folder);
        blocking(self.uri(folder), move || list::sweep(&path, age)).await
    }

    async fn check(&self) -> Result<()> {
        let root = self.root.clone();
        blocking(self.uri(""), move || {
            let mut file = temp_beside(&root.join("check"))?;
            file.write_all(b"transcode")?;
            file.as_file().sync_all()
        })
        .await
    }

    fn uri(&self, key: &str) -> String {
        self.root.join(key).to_string_lossy().into_owned()
    }
}

/// Runs blocking work and names what it was about in its error.
async fn blocking<T: Send + 'static>(uri: String, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| StoreError::from_io(uri, &error)),
        Err(error) => Err(StoreError::unavailable(uri, error)),
    }
}

/// A new file in the folder of `path`, with the usual permissions, removed when dropped.
fn temp_beside(path: &Path) -> io::Result<NamedTempFile> {
    beside(path, |builder, folder| builder.tempfile_in(folder))
}

/// Makes the folder of `path` and something in it. The folder may be removed by somebody's `delete`
/// just after it was made, so that is tried a few times.
fn beside<T>(path: &Path, make: impl Fn(&mut Builder<'_, '_>, &Path) -> io::Result<T>) -> io::Result<T> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut tries = 0;
    loop {
        fs::create_dir_all(folder)?;
        let mut builder = Builder::new();
        // `tempfile` would make it private; a web server may have to read it. The umask applies.
        builder.prefix(TEMP_PREFIX).permissions(Permissions::from_mode(0o666));
        match make(&mut builder, folder) {
            Err(error) if error.kind() == ErrorKind::NotFound && tries < 8 => tries += 1,
            made => return made,
        }
    }
}

fn finish(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|failed| failed.error)
}

/// A hard link, which costs nothing, or a copy where links don't work.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let source = fs::metadata(from)?;
    if fs::metadata(to).is_ok_and(|target| (target.dev(), target.ino()) == (source.dev(), source.ino())) {
        return Ok(());
    }
    match beside(to, |builder, folder| builder.make_in(folder, |temp| fs::hard_link(from, temp))) {
        Ok(link) => link.into_temp_path().persist(to).map_err(|failed| failed.error),
        Err(_) => {
            let mut file = temp_beside(to)?;
            io::copy(&mut fs::File::open(from)?, &mut file)?;
            finish(file, to)
        }
    }
}

/// Whether `path`, or the part of it that exists, is really below `root`.
fn is_inside(root: &Path, path: &Path) -> io::Result<bool> {
    let Ok(root) = root.canonicalize() else {
        return Ok(true); // nothing exists below a root that doesn't
    };
    for ancestor in path.ancestors() {
        match ancestor.canonicalize() {
            Ok(real) => return Ok(real.starts_with(&root)),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether this says that a file isn't there. `a/b` isn't there either when `a` is a file.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn object(key: String, meta: &Metadata) -> ObjectMeta {
    ObjectMeta { key, size: meta.len(), tag: tag(meta), modified: meta.modified().ok() }
}

/// The stream's length must be the one that was promised.
pub(crate) fn check_length(uri: &str, written: u64, size: Option<u64>) -> Result<()> {
    match size {
        Some(size) if size != written => {
            Err(StoreError::changed(uri, format!("{written} bytes came where {size} were announced")))
        }
        _ => Ok(()),
    }
}
