//! Walks a folder in the order of the keys.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use tokio::sync::mpsc::{Sender, channel};

use super::{is_absent, object};
use crate::error::{Result, StoreError};
use crate::store::{MetaStream, ObjectMeta, TEMP_PREFIX};

/// How far the walk may run ahead of its reader.
const AHEAD: usize = 1000;

/// Every finished file below `root` whose key begins with `prefix`.
pub(super) fn list(root: PathBuf, prefix: String) -> MetaStream {
    let (sender, receiver) = channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let walk = Walk { root: &root, prefix: &prefix, sender: &sender };
        if let Err(error) = walk.folder(&start) {
            let uri = root.to_string_lossy();
            // Nobody listens any more when this fails.
            let _ = sender.blocking_send(Err(StoreError::from_io(uri, &error)));
        }
    });
    futures::stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) })
        .boxed()
}

struct Walk<'a> {
    root: &'a Path,
    prefix: &'a str,
    sender: &'a Sender<Result<ObjectMeta>>,
}

impl Walk<'_> {
    /// Sends what is below `folder` (`""`, or a key with a `/` at its end); `false` ends the walk.
    fn folder(&self, folder: &str) -> io::Result<bool> {
        for key in children(self.root, folder)? {
            if !key.starts_with(self.prefix) && !self.prefix.starts_with(&key) {
                continue;
            }
            if key.ends_with('/') {
                if !self.folder(&key)? {
                    return Ok(false);
                }
                continue;
            }
            let meta = match fs::metadata(self.root.join(&key)) {
                Ok(meta) if meta.is_file() => meta,
                Ok(_) => continue,
                Err(error) if is_absent(&error) => continue, // removed meanwhile
                Err(error) => return Err(error),
            };
            if key.starts_with(self.prefix) && self.sender.blocking_send(Ok(object(key, &meta))).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The keys in a folder, sorted as whole keys are: `a.b` before `a/`. Names that are no text, and
/// links to folders (which could lead in circles), are left out.
fn children(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(root.join(folder)) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut keys = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with(TEMP_PREFIX) {
            continue;
        }
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        keys.push(format!("{folder}{name}{slash}"));
    }
    keys.sort_unstable();
    Ok(keys)
}

/// Removes unfinished files below `folder` that were last written before `age` ago.
pub(super) fn sweep(folder: &Path, age: Duration) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_absent(&error) => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let meta = match entry.metadata() {
            Err(error) if is_absent(&error) => continue,
            meta => meta?,
        };
        if meta.is_dir() {
            removed += sweep(&entry.path(), age)?;
        } else if entry.file_name().as_encoded_bytes().starts_with(TEMP_PREFIX.as_bytes()) {
            let since = SystemTime::now().duration_since(meta.modified()?).unwrap_or_default();
            if since >= age && fs::remove_file(entry.path()).is_ok() {
                removed += 1;
            }
        }
    }
    Ok(removed)
}
