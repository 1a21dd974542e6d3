//! Reads an object like a file, a block at a time: an index is read without its media.

use std::io::{self, Read, Seek, SeekFrom};

use futures::TryStreamExt;
use tokio::runtime::Handle;
use transcode_media::track::FileFacts;

use super::SharedStore;

/// Bytes that are fetched at a time.
const BLOCK: u64 = 1 << 20;

/// An object as a file; for threads that may block.
pub struct StoreReader {
    store: SharedStore,
    key: String,
    size: u64,
    position: u64,
    block: (u64, Vec<u8>),
    runtime: Handle,
}

impl StoreReader {
    /// For an object whose size is known.
    pub fn new(store: SharedStore, file: &FileFacts) -> Self {
        StoreReader {
            store,
            key: file.path.clone(),
            size: file.bytes,
            position: 0,
            block: (0, vec![]),
            runtime: Handle::current(),
        }
    }

    fn fetch(&mut self) -> io::Result<()> {
        let start = self.position / BLOCK * BLOCK;
        if start == self.block.0 && !self.block.1.is_empty() {
            return Ok(());
        }
        let range = start..(start + BLOCK).min(self.size);
        let (store, key) = (&self.store, &self.key);
        let pieces: Vec<bytes::Bytes> = self
            .runtime
            .block_on(async { store.get(key, Some(range)).await?.try_collect().await })
            .map_err(|e: transcode_storage::StoreError| io::Error::other(e))?;
        self.block = (start, pieces.concat());
        Ok(())
    }
}

impl Read for StoreReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size {
            return Ok(0);
        }
        self.fetch()?;
        let from = (self.position - self.block.0) as usize;
        let have = self.block.1.get(from..).unwrap_or_default();
        let count = have.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), have.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for StoreReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => i128::from(at),
            SeekFrom::End(by) => i128::from(self.size) + i128::from(by),
            SeekFrom::Current(by) => i128::from(self.position) + i128::from(by),
        };
        self.position = u64::try_from(target).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
