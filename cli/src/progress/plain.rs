//! Plain lines where there is no terminal: what began, what ended, how far it is.

use tokio::sync::mpsc;
use transcode_engine::{Failure, ResolvedSpec, observe::TaskFailure};
use transcode_local::Event;

use super::{Running, first_words, task_name};

/// Shows events until the run ends.
pub async fn show(spec: &ResolvedSpec, mut events: mpsc::Receiver<Event>) {
    let mut running = Running::default();
    let mut told = 0;
    while let Some(event) = events.recv().await {
        running.note(&event);
        match event {
            Event::TaskStarted { batch, index, attempt } => {
                let again = if attempt > 0 { format!(", try {}", attempt + 1) } else { String::new() };
                eprintln!("{}: {} started{again}", spec.name, task_name(&batch, index));
            }
            Event::TaskEnded { batch, index, failure } => match failure {
                Some(TaskFailure { failure: Failure::Disrupted, .. }) => {
                    eprintln!("{}: {} was stopped", spec.name, task_name(&batch, index));
                }
                Some(failure) => {
                    eprintln!("{}: {} failed, {}", spec.name, task_name(&batch, index), first_words(&failure))
                }
                None => eprintln!("{}: {} done", spec.name, task_name(&batch, index)),
            },
            Event::Status(_) | Event::TaskEvent { .. } if running.permille() / 100 > told => {
                told = running.permille() / 100;
                eprintln!("{}: {}%", spec.name, told * 10);
            }
            _ => {}
        }
    }
}
