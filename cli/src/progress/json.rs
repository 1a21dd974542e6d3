//! JSON events, one a line on standard output, for programs.

use serde_json::{Value, json};
use tokio::sync::mpsc;
use transcode_engine::ResolvedSpec;
use transcode_local::{Ended, Event};

use super::Running;

/// Shows events until the run ends.
pub async fn show(spec: &ResolvedSpec, mut events: mpsc::Receiver<Event>) {
    let mut running = Running::default();
    let mut told = None;
    while let Some(event) = events.recv().await {
        running.note(&event);
        let line = match event {
            Event::TaskStarted { batch, index, attempt } => {
                json!({"event": "taskStarted", "stage": batch.stage, "task": index, "attempt": attempt})
            }
            Event::TaskEnded { batch, index, failure } => {
                let failure = failure.map(|f| json!({"reason": f.failure.reason(), "message": f.message}));
                json!({"event": "taskEnded", "stage": batch.stage, "task": index, "failure": failure})
            }
            Event::TaskEvent { batch, index, event } => {
                let mut line = serde_json::to_value(&event).unwrap_or(Value::Null);
                line["stage"] = json!(batch.stage);
                line["task"] = json!(index);
                line
            }
            Event::Decided { action, why } => json!({"event": "decided", "action": action, "why": why}),
            Event::Status(_) if told != Some(running.permille()) => {
                told = Some(running.permille());
                json!({"event": "overall", "permille": told})
            }
            Event::Status(_) => continue,
        };
        print(spec, line);
    }
}

/// The last event: the status as the API has it.
pub fn end(spec: &ResolvedSpec, ended: &Ended) -> anyhow::Result<()> {
    let line = match ended {
        Ended::Job(outcome, state) => json!({"event": "ended", "outcome": outcome, "status": state.1}),
        Ended::Planned(_) => json!({"event": "planned"}),
        Ended::Interrupted => json!({"event": "interrupted"}),
    };
    print(spec, line);
    Ok(())
}

fn print(spec: &ResolvedSpec, mut line: Value) {
    line["job"] = json!(format!("{}/{}", spec.namespace, spec.name));
    println!("{line}");
}
