//! How long the encoding of a job would take on many workers, by measured task times and the engine's own
//! order of tasks. `make bench-docs` gives it what `make bench` measured.
//!
//! Simulated are workers that each take the next task of [`Queue`] when they are free, and what Kubernetes adds:
//! a time for each pod, and a rate at which pods are made. The network, storage and a node that is slower than the
//! others are not.

use std::{cmp::Reverse, collections::BTreeMap, collections::BinaryHeap, io};

use serde::{Deserialize, Serialize};
use transcode_engine::{Batch, BatchId, Demand, TaskSet};
use transcode_local::queue::Queue;

/// What is simulated.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    workers: Vec<u32>,
    /// From a pod's creation to its task's first second, and from its last to the pod's end.
    pod_millis: u64,
    /// Pods that a cluster makes in a second.
    pods_per_second: u64,
    jobs: Vec<Job>,
}

/// A job: batches as the engine starts them, and milliseconds of each task.
#[derive(Debug, Deserialize)]
struct Job {
    name: String,
    batches: Vec<Batch>,
    millis: BTreeMap<BatchId, Vec<u64>>,
}

/// What came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    job: &'a str,
    order: Order,
    workers: u32,
    tasks: usize,
    makespan_millis: u64,
    /// Work of all tasks by the time of all workers.
    efficiency: f64,
    /// No order is faster: all work shared evenly, or the longest task.
    floor_millis: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
enum Order {
    /// The engine's: the longest first, as far as the plan can tell.
    Plan,
    /// By name: what nobody has thought about.
    Naive,
    /// The longest first, by times that are known only afterwards.
    Hindsight,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let question: Question = serde_json::from_reader(io::stdin())?;
    let mut answers = vec![];
    for job in &question.jobs {
        for &workers in &question.workers {
            for order in [Order::Plan, Order::Naive, Order::Hindsight] {
                answers.push(job.answer(order, workers, &question));
            }
        }
    }
    println!("{}", serde_json::to_string_pretty(&answers)?);
    Ok(())
}

impl Job {
    fn answer(&self, order: Order, workers: u32, question: &Question) -> Answer<'_> {
        let each = || self.millis.values().flatten();
        let (work, longest) = (each().sum::<u64>(), each().max().copied().unwrap_or(0));
        let makespan_millis = self.makespan(order, workers, question);
        Answer {
            job: &self.name,
            order,
            workers,
            tasks: each().count(),
            makespan_millis,
            efficiency: work as f64 / (makespan_millis.max(1) * u64::from(workers)) as f64,
            floor_millis: longest.max(work.div_ceil(u64::from(workers))) + question.pod_millis,
        }
    }

    fn makespan(&self, order: Order, workers: u32, question: &Question) -> u64 {
        let mut queue = self.queue(order);
        let mut free: BinaryHeap<Reverse<u64>> = (0..workers).map(|_| Reverse(0)).collect();
        let (mut pods, mut end) = (0, 0);
        while let Some((batch, task, _)) = queue.next(u64::MAX, true) {
            let made = pods * 1000 / question.pods_per_second.max(1);
            let begin = free.pop().map_or(0, |Reverse(at)| at).max(made);
            let done = begin + question.pod_millis + self.millis(&batch, task);
            free.push(Reverse(done));
            (pods, end) = (pods + 1, end.max(done));
        }
        end
    }

    fn millis(&self, batch: &BatchId, task: u32) -> u64 {
        self.millis.get(batch).and_then(|all| all.get(task as usize)).copied().unwrap_or(0)
    }

    fn queue(&self, order: Order) -> Queue {
        let mut queue = Queue::default();
        for batch in &self.batches {
            match order {
                Order::Plan => queue.add(&batch.id, &batch.tasks, &batch.demand),
                Order::Naive => queue.add(&batch.id, &batch.tasks, &Demand { deadline_seconds: 0, ..batch.demand }),
                Order::Hindsight => {
                    for task in batch.tasks.iter() {
                        let deadline_seconds = u32::try_from(self.millis(&batch.id, task)).unwrap_or(u32::MAX);
                        queue.add(&batch.id, &TaskSet::one(task), &Demand { deadline_seconds, ..batch.demand });
                    }
                }
            }
        }
        queue
    }
}
