//! Readiness, and liveness: whether passes and watches make progress.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// A pass that takes longer is stuck: each of its requests times out earlier ([`crate::http::READ_TIMEOUT`]), and there are few.
const LONGEST_PASS: Duration = Duration::from_secs(900);
/// Watches are opened anew at least this often: kube's end after 295 s, and failed ones are repeated within a minute.
const LONGEST_WATCH: Duration = Duration::from_secs(600);

/// Readiness and liveness of this process.
#[derive(Clone)]
pub struct Health {
    missing: Arc<AtomicUsize>,
    signs: Arc<Mutex<Signs>>,
}

/// Signs of life.
#[derive(Default)]
struct Signs {
    /// When each pass that runs began.
    passes: BTreeMap<u64, Instant>,
    next: u64,
    /// When a watch was opened last. A replica that waits for its turn has none.
    watched: Option<Instant>,
}

impl Default for Health {
    /// Not ready.
    fn default() -> Self {
        Health { missing: Arc::new(AtomicUsize::new(1)), signs: Arc::default() }
    }
}

impl Health {
    /// So many watches have to show everything once before this process is ready.
    pub fn waits_for(&self, watches: usize) {
        self.missing.store(watches, Ordering::Relaxed);
    }

    /// One of them has.
    pub fn ready(&self) {
        self.missing.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether all of them have.
    pub fn is_ready(&self) -> bool {
        self.missing.load(Ordering::Relaxed) == 0
    }

    /// A watch is opened.
    pub fn watches(&self) {
        self.signs().watched = Some(Instant::now());
    }

    /// Runs a pass.
    pub async fn passes<T>(&self, pass: impl Future<Output = T>) -> T {
        let number = {
            let mut signs = self.signs();
            signs.next += 1;
            let number = signs.next;
            signs.passes.insert(number, Instant::now());
            number
        };
        let result = pass.await;
        self.signs().passes.remove(&number);
        result
    }

    /// What is stuck at a time, if anything is.
    pub fn stuck(&self, now: Instant) -> Option<&'static str> {
        let signs = self.signs();
        let pass = signs.passes.values().any(|began| now.duration_since(*began) > LONGEST_PASS);
        let watch = signs.watched.is_some_and(|at| now.duration_since(at) > LONGEST_WATCH);
        pass.then_some("a reconcile pass has been running for more than 15 minutes")
            .or(watch.then_some("no watch was opened in the last 10 minutes"))
    }

    /// A panic elsewhere leaves plain data behind.
    fn signs(&self) -> std::sync::MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_stuck_is_told() {
        let (health, start) = (Health::default(), Instant::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(health.stuck(later(100_000)), None);
        health.watches();
        assert_eq!(health.stuck(later(590)), None);
        assert_eq!(health.stuck(later(700)), Some("no watch was opened in the last 10 minutes"));
        health.passes(async { assert!(health.stuck(later(1000)).is_some_and(|why| why.contains("pass"))) }).await;
        assert_eq!(health.stuck(later(590)), None);
    }
}
