//! Which task runs next: by kind of stage, then the longest first, then in the plan's order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use transcode_engine::{BatchId, Demand, StageKind, TaskSet};

/// Tasks of started batches that wait for a worker.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeSet<(u8, Reverse<u32>, BatchId, u32)>,
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
        StageKind::FirstPass => 4,
        StageKind::Encode => 5,
        StageKind::Cleanup => 6,
    }
}

impl Queue {
    /// Adds the tasks of a batch. Those of the longest deadline go first: it grows with what is estimated.
    pub fn add(&mut self, batch: &BatchId, tasks: &TaskSet, demand: &Demand) {
        self.memory.insert(batch.clone(), demand.memory_mib);
        let (rank, longest) = (rank(batch.stage.kind), Reverse(demand.deadline_seconds));
        self.waiting.extend(tasks.iter().map(|task| (rank, longest, batch.clone(), task)));
    }

    /// Takes a batch's waiting tasks out.
    pub fn remove(&mut self, batch: &BatchId) -> TaskSet {
        let (gone, kept) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, _, b, _)| b == batch);
        self.waiting = kept;
        let gone: BTreeSet<(u8, Reverse<u32>, BatchId, u32)> = gone;
        gone.into_iter().map(|(_, _, _, task)| task).collect()
    }

    /// The next task whose memory fits, with the memory it takes. `alone`: nothing else runs, so it
    /// is let in whatever it takes.
    pub fn next(&mut self, free_mib: u64, alone: bool) -> Option<(BatchId, u32, u64)> {
        let fits = |batch: &BatchId| self.memory.get(batch).copied().unwrap_or(0);
        let found = self.waiting.iter().find(|(_, _, b, _)| alone || fits(b) <= free_mib).cloned()?;
        self.waiting.remove(&found);
        let (_, _, batch, task) = found;
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

    fn demand(memory_mib: u64, deadline_seconds: u32) -> Demand {
        Demand { memory_mib, scratch_mib: 0, deadline_seconds }
    }

    #[test]
    fn audio_goes_before_chunks_and_memory_holds_back() {
        let mut queue = Queue::default();
        queue.add(&batch("encode.0"), &TaskSet::first(2), &demand(500, 9));
        queue.add(&batch("audio.0"), &TaskSet::one(0), &demand(100, 1));
        assert_eq!(queue.next(600, false), Some((batch("audio.0"), 0, 100)));
        assert_eq!(queue.next(500, false), Some((batch("encode.0"), 0, 500)));
        assert_eq!(queue.next(100, false), None);
        assert_eq!(queue.next(100, true), Some((batch("encode.0"), 1, 500)));
        assert_eq!(queue.next(100, true), None);
    }

    #[test]
    fn the_longest_chunks_go_first() {
        let mut queue = Queue::default();
        for (rendition, seconds) in [("360p", 1000), ("480p", 1100), ("1080p", 3000), ("720p", 2000)] {
            queue.add(&batch(&format!("encode-{rendition}.0")), &TaskSet::first(2), &demand(1, seconds));
        }
        let order: Vec<_> =
            std::iter::from_fn(|| queue.next(1, false).map(|(b, task, _)| format!("{b}:{task}"))).collect();
        let expected =
            ["1080p.0:0", "1080p.0:1", "720p.0:0", "720p.0:1", "480p.0:0", "480p.0:1", "360p.0:0", "360p.0:1"];
        assert_eq!(order, expected.map(|name| format!("encode-{name}")));
    }

    #[test]
    fn a_removed_batch_leaves_nothing() {
        let mut queue = Queue::default();
        queue.add(&batch("encode.0"), &TaskSet::first(3), &demand(1, 1));
        queue.add(&batch("encode.1"), &TaskSet::one(9), &demand(1, 1));
        assert_eq!(queue.remove(&batch("encode.0")), TaskSet::first(3));
        assert_eq!(queue.next(9, false), Some((batch("encode.1"), 9, 1)));
    }
}
