//! The log: standard error, and its end in work data for whoever asks when the pod is gone.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{context::Context, error::TaskError};

/// Bytes that are kept.
const TAIL: usize = 64 << 10;
/// Bytes of the error that are left when the log's place comes behind it: a status holds little more.
const WORDS: usize = 600;
/// Keeping them must not hold up the end of a task.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where tracing writes to.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(bytes)?;
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(bytes);
        // Not at every line.
        if tail.len() > 2 * TAIL {
            let start = tail.len() - TAIL;
            tail.drain(..start);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Log {
    /// Keeps the end of the log in work data, and says in the error where. Where there is no place for it, it is
    /// lost with the pod.
    pub async fn keep(&self, context: &Context, error: &mut TaskError) {
        let Ok(layout) = context.layout() else { return };
        let task = &context.task;
        let key = layout.log(&task.stage, task.index, task.attempt);
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let whole = [tail.get(tail.len().saturating_sub(TAIL)..).unwrap_or_default(), error.message.as_bytes(), b"\n"];
        match tokio::time::timeout(PATIENCE, context.store.put(&key, whole.concat().into())).await {
            Ok(Ok(_)) => {
                error.message.truncate(error.message.floor_char_boundary(WORDS));
                error.message.push_str(&format!(" (log: {})", context.store.uri(&key)));
            }
            Ok(Err(why)) => tracing::warn!(%why, "the log can't be kept"),
            Err(_) => tracing::warn!("the log can't be kept: the store does not answer"),
        }
    }
}
