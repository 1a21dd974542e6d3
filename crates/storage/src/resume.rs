//! Reads on after a cut connection, at the byte that was reached.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::time::{sleep, timeout};

use crate::error::{Result, StoreError};
use crate::store::ByteStream;

/// How long and how often to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    /// Tries without a byte of progress, the first included.
    pub(crate) attempts: u32,
    /// Before the second try; doubles.
    pub(crate) delay: Duration,
    /// A connection on which nothing comes for this long counts as cut.
    pub(crate) idle: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 8, delay: Duration::from_millis(250), idle: Duration::from_secs(30) }
    }
}

impl Retry {
    /// Repeats one request until it succeeds, fails for good, or `attempts` are used up.
    pub(crate) async fn run<T, F>(&self, uri: &str, mut request: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut failures = 0;
        loop {
            let done = timeout(self.idle, request()).await;
            let error = match done.unwrap_or_else(|_| Err(StoreError::unavailable(uri, "no answer came"))) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.failed(&mut failures, error).await?;
        }
    }

    /// Waits before another try, or gives the error up.
    async fn failed(&self, failures: &mut u32, error: StoreError) -> Result<()> {
        *failures += 1;
        if !error.is_transient() || *failures >= self.attempts {
            return Err(error);
        }
        tracing::debug!(%error, failures, "reading is tried again");
        self.wait(*failures).await;
        Ok(())
    }

    /// Half fixed, half random, so that many readers of a server that recovers don't come at once.
    async fn wait(&self, failures: u32) {
        let full = self.delay.saturating_mul(1 << failures.saturating_sub(1).min(6));
        sleep(full.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
}

/// Something that can be opened at any byte.
#[async_trait]
pub(crate) trait Reopen: Send + Sync {
    /// One request, not retried. The stream may end early; it must be of the same version always.
    async fn open(&self, range: Range<u64>) -> Result<ByteStream>;
    /// For messages.
    fn uri(&self) -> &str;
}

/// The bytes of `range`, of which `open` may already be under way. Transient errors before the
/// first byte are retried here too.
pub(crate) async fn resuming(
    what: Arc<dyn Reopen>,
    range: Range<u64>,
    retry: Retry,
    open: Option<ByteStream>,
) -> Result<ByteStream> {
    if range.is_empty() {
        return Ok(stream::empty().boxed());
    }
    let mut state = State { what, at: range.start, end: range.end, retry, failures: 0, open };
    state.connect().await?;
    Ok(stream::try_unfold(state, State::next).boxed())
}

struct State {
    what: Arc<dyn Reopen>,
    at: u64,
    end: u64,
    retry: Retry,
    /// In a row.
    failures: u32,
    open: Option<ByteStream>,
}

impl State {
    async fn connect(&mut self) -> Result<&mut ByteStream> {
        let stream = loop {
            let opened = match self.open.take() {
                Some(stream) => Ok(stream),
                None => match timeout(self.retry.idle, self.what.open(self.at..self.end)).await {
                    Ok(opened) => opened,
                    Err(_) => Err(self.broken("no answer came")),
                },
            };
            match opened {
                Ok(stream) => break stream,
                Err(error) => self.retry.failed(&mut self.failures, error).await?,
            }
        };
        Ok(self.open.insert(stream))
    }

    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        while self.at < self.end {
            let idle = self.retry.idle;
            let error = match timeout(idle, self.connect().await?.next()).await {
                Ok(Some(Ok(piece))) if piece.is_empty() => continue,
                Ok(Some(Ok(mut piece))) => {
                    piece.truncate(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
                    self.at += piece.len() as u64;
                    self.failures = 0;
                    return Ok(Some((piece, self)));
                }
                Ok(Some(Err(error))) => error,
                Ok(None) => self.broken("the connection was cut"),
                Err(_) => self.broken("no data came"),
            };
            self.open = None;
            self.retry.failed(&mut self.failures, error).await?;
        }
        Ok(None)
    }

    fn broken(&self, how: &str) -> StoreError {
        let why = format!("{how}, at byte {}, try {} of {}", self.at, self.failures + 1, self.retry.attempts);
        StoreError::unavailable(self.what.uri(), why)
    }
}
