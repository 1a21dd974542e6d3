//! A small cache between ffmpeg, which seeks to and fro, and a source, where each seek is a request.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::stream::{StreamExt, try_unfold};

use crate::error::{Result, StoreError};
use crate::source::Source;
use crate::store::{ByteStream, take};

/// Bytes of a block, the unit that is kept, and that is read in vain where a reader hangs up.
const BLOCK: u64 = 64 << 10;
/// Blocks that are kept: 4 MiB, enough for readers that jump between the tracks of a file that is not interleaved.
const KEPT: usize = 64;
/// Bytes of the first request of a sequential read, and of the largest: each is twice the one
/// before, so that a seek fetches little and a long read needs few requests.
const WINDOW: Range<u64> = 8 * BLOCK..512 * BLOCK;

/// The source, with its latest blocks at hand.
pub(super) struct Blocks {
    source: Arc<dyn Source>,
    size: u64,
    /// The most recently used last.
    kept: Mutex<VecDeque<(u64, Bytes)>>,
    read: AtomicU64,
    error: Mutex<Option<StoreError>>,
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Blocks {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        let size = source.describe().size;
        Self { source, size, kept: Mutex::default(), read: AtomicU64::new(0), error: Mutex::default() }
    }

    /// Bytes that came from the source.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The source's last error.
    pub(super) fn error(&self) -> Option<StoreError> {
        lock(&self.error).clone()
    }

    /// The bytes of `range`, which lies in the source.
    pub(super) fn stream(self: Arc<Self>, range: Range<u64>) -> ByteStream {
        let cursor = Cursor { blocks: self, range, window: WINDOW.start, fetch: None };
        try_unfold(cursor, Cursor::next).boxed()
    }

    fn get(&self, number: u64) -> Option<Bytes> {
        let mut kept = lock(&self.kept);
        let found = kept.iter().position(|(n, _)| *n == number)?;
        let entry = kept.remove(found)?;
        let block = entry.1.clone();
        kept.push_back(entry);
        Some(block)
    }

    fn keep(&self, number: u64, block: Bytes) {
        let mut kept = lock(&self.kept);
        kept.retain(|(n, _)| *n != number);
        kept.push_back((number, block));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }

    fn note(&self, error: StoreError) -> StoreError {
        *lock(&self.error) = Some(error.clone());
        error
    }
}

/// One reader: what it still wants, and the request that is under way for it.
struct Cursor {
    blocks: Arc<Blocks>,
    range: Range<u64>,
    window: u64,
    fetch: Option<Fetch>,
}

/// A request to the source for a few blocks.
struct Fetch {
    stream: ByteStream,
    /// Where its next block begins.
    at: u64,
    end: u64,
    /// What has come of later blocks.
    rest: Bytes,
}

impl Cursor {
    /// What is wanted of the next block. Blocks are fetched whole, so that a reader that soon hangs
    /// up leaves one to the next reader.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let number = self.range.start / BLOCK;
        let kept = if self.fetch.is_none() { self.blocks.get(number) } else { None };
        let block = match kept {
            Some(block) => block,
            None => {
                let fetched = self.fetch(number).await;
                fetched.map_err(|error| self.blocks.note(error))?
            }
        };
        let begin = number * BLOCK;
        let end = self.range.end.min(begin + block.len() as u64);
        let piece = block.slice((self.range.start - begin) as usize..(end - begin) as usize);
        self.range.start = end;
        Ok(Some((piece, self)))
    }

    async fn fetch(&mut self, number: u64) -> Result<Bytes> {
        let mut fetch = match self.fetch.take() {
            Some(fetch) => fetch,
            None => {
                let at = number * BLOCK;
                let end = (at + self.window).min(self.blocks.size);
                self.window = (self.window * 2).min(WINDOW.end);
                let stream = self.blocks.source.read(at..end).await?;
                Fetch { stream, at, end, rest: Bytes::new() }
            }
        };
        let block = fetch.block(&self.blocks).await?;
        self.blocks.keep(number, block.clone());
        if fetch.at < fetch.end {
            self.fetch = Some(fetch);
        }
        Ok(block)
    }
}

impl Fetch {
    async fn block(&mut self, blocks: &Blocks) -> Result<Bytes> {
        let size = BLOCK.min(self.end - self.at);
        let block = take(&mut self.stream, &mut self.rest, size).await?;
        let length = block.len() as u64;
        blocks.read.fetch_add(length, Ordering::Relaxed);
        self.at += length;
        if length < size {
            let why = format!("it ended at byte {} of {}", self.at, blocks.size);
            return Err(StoreError::unavailable(&blocks.source.describe().uri, why));
        }
        Ok(block)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
