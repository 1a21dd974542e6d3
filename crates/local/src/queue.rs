//! Which task runs next: by kind of stage, then in the plan's order.

use std::collections::{BTreeMap, BTreeSet};

use transcode_engine::{BatchId, StageKind, TaskSet};

/// Tasks of started batches that wait for a worker.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeSet<(u8, BatchId, u32)>,
    memory: BTreeMap<BatchId, u64>,
}

/// Lower goes first. Audio is one long thread: it starts before the chunks and runs beside them. What
/// finishes a rendition goes before further chunks, so that work data does not pile up.
fn rank(kind: StageKind) -> u8 {
    match kind {
        StageKind::Probe | StageKind::Split | StageKind::Whole | StageKind::Publish => 0,
        StageKind::Audio => 1,
        StageKind::Merge | StageKind::Package | StageKind::Verify => 2,
        StageKind::Thumbnail => 3,
        StageKind::Encode => 4,
        StageKind::Cleanup => 5,
    }
}

impl Queue {
    /// Adds the tasks of a batch, each of which takes `memory_mib`.
    pub fn add(&mut self, batch: &BatchId, tasks: &TaskSet, memory_mib: u64) {
        self.memory.insert(batch.clone(), memory_mib);
        self.waiting.extend(tasks.iter().map(|task| (rank(batch.stage.kind), batch.clone(), task)));
    }

    /// Takes a batch's waiting tasks out.
    pub fn remove(&mut self, batch: &BatchId) -> TaskSet {
        let (gone, kept) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, b, _)| b == batch);
        self.waiting = kept;
        let gone: BTreeSet<(u8, BatchId, u32)> = gone;
        gone.into_iter().map(|(_, _, task)| task).collect()
    }

    /// The next task whose memory fits, with the memory it takes. `alone`: nothing else runs, so it
    /// is let in whatever it takes.
    pub fn next(&mut self, free_mib: u64, alone: bool) -> Option<(BatchId, u32, u64)> {
        let fits = |batch: &BatchId| self.memory.get(batch).copied().unwrap_or(0);
        let found = self.waiting.iter().find(|(_, b, _)| alone || fits(b) <= free_mib).cloned()?;
        self.waiting.remove(&found);
        let (_, batch, task) = found;
        let memory = fits(&batch);
        Some((batch, task, memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(name: &str) -> BatchId {
        name.parse().unwrap()
    }

    #[test]
    fn audio_goes_before_chunks_and_memory_holds_back() {
        let mut queue = Queue::default();
        queue.add(&batch("encode.0"), &TaskSet::first(2), 500);
        queue.add(&batch("audio.0"), &TaskSet::one(0), 100);
        assert_eq!(queue.next(600, false), Some((batch("audio.0"), 0, 100)));
        assert_eq!(queue.next(500, false), Some((batch("encode.0"), 0, 500)));
        assert_eq!(queue.next(100, false), None);
        assert_eq!(queue.next(100, true), Some((batch("encode.0"), 1, 500)));
        assert_eq!(queue.next(100, true), None);
    }

    #[test]
    fn a_removed_batch_leaves_nothing() {
        let mut queue = Queue::default();
        queue.add(&batch("encode.0"), &TaskSet::first(3), 1);
        queue.add(&batch("encode.1"), &TaskSet::one(9), 1);
        assert_eq!(queue.remove(&batch("encode.0")), TaskSet::first(3));
        assert_eq!(queue.next(9, false), Some((batch("encode.1"), 9, 1)));
    }
}
