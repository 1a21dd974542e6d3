//! What a page shows of a run, taken from its events on their way to the screen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::sync::mpsc;
use transcode_api::TranscodeJobStatus;
use transcode_contract::TaskRun;
use transcode_engine::{BatchId, Progress, bundle::Bundle};
use transcode_local::Event;
use transcode_report::Run;

/// What was seen of a run.
#[derive(Debug, Default)]
pub struct Seen {
    /// Runs of tasks.
    pub runs: Vec<Run>,
    /// The job as it stood last.
    pub last: Option<Box<(Bundle, TranscodeJobStatus, Progress)>>,
    running: BTreeMap<(BatchId, u32), Timestamp>,
}

/// Passes every event on, until the run ends.
pub async fn watch(mut events: mpsc::Receiver<Event>, screen: mpsc::Sender<Event>) -> Seen {
    let mut seen = Seen::default();
    while let Some(event) = events.recv().await {
        seen.note(&event, Timestamp::now());
        // Without a screen the run goes on.
        let _ = screen.send(event).await;
    }
    let now = Timestamp::now();
    for (task, began) in std::mem::take(&mut seen.running) {
        seen.ended(task, began, now, Some("stopped".into()));
    }
    seen
}

impl Seen {
    fn note(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::TaskStarted { batch, index, .. } => {
                self.running.insert((batch.clone(), *index), now);
            }
            Event::TaskEnded { batch, index, failure } => {
                let task = (batch.clone(), *index);
                if let Some(began) = self.running.remove(&task) {
                    let words = failure.as_ref().map(|f| format!("{}: {}", f.failure.reason(), f.message));
                    self.ended(task, began, now, words);
                }
            }
            Event::Status(state) => self.last = Some(state.clone()),
            _ => {}
        }
    }

    fn ended(&mut self, (batch, task): (BatchId, u32), began: Timestamp, ended: Timestamp, failure: Option<String>) {
        self.runs.push(Run { ran: TaskRun { stage: batch.stage, task, began, ended }, failure });
    }
}
