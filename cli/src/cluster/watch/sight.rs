//! What can be seen of a job: the object itself. A lost connection is waited out.

use std::{pin::pin, time::Duration};

use futures::StreamExt;
use kube::runtime::{
    WatchStreamExt,
    utils::Backoff,
    watcher::{self, watch_object},
};
use tokio::{
    sync::mpsc::Sender,
    time::{Instant, sleep, timeout},
};
use transcode_api::TranscodeJob;

use crate::cluster::{Cluster, tasks::Task, words};

/// A refusal that lasts so long is meant.
const REFUSED: Duration = Duration::from_secs(60);
/// Time between two looks at a job while its watch is broken.
const LOOK: Duration = Duration::from_secs(2);

/// One thing that was seen.
#[derive(Debug)]
pub enum Sight {
    /// The job, as it is now.
    Job(Box<TranscodeJob>),
    /// It is not there any more.
    Deleted,
    /// How far a running task is.
    Progress {
        /// Which.
        task: Task,
        /// Thousandths.
        permille: u32,
        /// Frames a second.
        fps: f32,
        /// Media seconds a second.
        speed: f32,
    },
    /// A task runs no more, or not on that pod.
    Over(Task),
    /// Nothing can be seen at the moment, and why.
    Blind(String),
    /// It can be seen again.
    Back,
    /// Nothing will be seen of tasks, and why.
    NoTasks(String),
    /// Nothing will be seen any more, and why.
    Lost(String),
}

/// Waits between two tries: half a second, and twice as much each time, up to five.
#[derive(Debug, Default)]
pub struct Pauses(u32);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = Duration::from_millis(500) * 2_u32.saturating_pow(self.0);
        self.0 = self.0.saturating_add(1);
        Some(pause.min(Duration::from_secs(5)))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Sends the job whenever it changes. Ends when nobody listens any more, or nothing can be seen.
pub async fn job(cluster: Cluster, name: String, sender: Sender<Sight>) {
    let api = cluster.jobs(&cluster.namespace);
    let mut stream = pin!(watch_object(api.clone(), &name).backoff(Pauses::default()));
    let mut refusals = Refusals::default();
    let mut blind = false;
    loop {
        let seen = tokio::select! {
            seen = stream.next() => seen,
            // A watch that is taken up again tells nothing until something changes. It tells all that
            // changed meanwhile, so what is read here is left alone.
            () = sleep(LOOK), if blind => {
                blind = !matches!(timeout(LOOK, api.get_opt(&name)).await, Ok(Ok(_)));
                if !blind && sender.send(Sight::Back).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let sight = match seen {
            Some(Ok(job)) => {
                refusals = Refusals::default();
                job.map_or(Sight::Deleted, |job| Sight::Job(Box::new(job)))
            }
            Some(Err(error)) => {
                let (why, refused) = of_watch(error, &cluster.server);
                if refusals.last(refused) { Sight::Lost(why) } else { Sight::Blind(why) }
            }
            None => return,
        };
        blind = matches!(sight, Sight::Blind(_));
        if sender.send(sight).await.is_err() {
            return;
        }
    }
}

/// Since when the server refuses.
#[derive(Debug, Default)]
pub struct Refusals(Option<Instant>);

impl Refusals {
    /// Whether it has refused for so long that it is meant. What is no refusal begins anew.
    pub fn last(&mut self, refused: bool) -> bool {
        match refused {
            true => self.0.get_or_insert_with(Instant::now).elapsed() >= REFUSED,
            false => {
                self.0 = None;
                false
            }
        }
    }
}

/// An error in words, and whether waiting will hardly help. A server that starts refuses for a while
/// what it allows later.
pub fn of_watch(error: watcher::Error, server: &str) -> (String, bool) {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => {
            let refused = matches!(&error, kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404));
            (words::of(error, server).to_string(), refused)
        }
        watcher::Error::WatchError(status) => (words::of_status(&status, server), status.code == 403),
        other => (other.to_string(), false),
    }
}
