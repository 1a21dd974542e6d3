//! Faults on demand, for tests: any stage, task and attempt can fail, hang, be killed or write
//! garbage. `TRANSCODE_FAULTS=encode-720p/3/0=fail;movie/audio/*/*=hang`, where `movie` is a job's name
//! and may be left out; without it nothing here runs.

use transcode_engine::Failure;

use crate::{context::Context, error::TaskError};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A transient failure.
    Fail,
    /// A chunk that can't be made.
    BadChunk,
    /// Nothing happens any more.
    Hang,
    /// The process dies as by kill -9.
    Kill,
    /// What is written is garbage.
    Garbage,
}

/// The fault that the environment asks for in this task.
pub fn asked(context: &Context) -> Option<Fault> {
    let list = std::env::var("TRANSCODE_FAULTS").ok()?;
    let task = &context.task;
    find(&list, &[&task.spec.name, &task.stage.to_string(), &task.index.to_string(), &task.attempt.to_string()])
}

/// `task` is job, stage, index and attempt; a rule without a job has the last three.
fn find(list: &str, task: &[&str; 4]) -> Option<Fault> {
    list.split(';').filter_map(|rule| rule.split_once('=')).find_map(|(place, fault)| {
        let parts: Vec<&str> = place.split('/').collect();
        let values = task.iter().rev();
        let here =
            parts.len() >= 3 && parts.iter().rev().zip(values).all(|(part, value)| *part == "*" || part == value);
        let fault = match fault {
            "fail" => Fault::Fail,
            "badChunk" => Fault::BadChunk,
            "hang" => Fault::Hang,
            "kill" => Fault::Kill,
            "garbage" => Fault::Garbage,
            _ => return None,
        };
        here.then_some(fault)
    })
}

/// Lets the fault happen, but for garbage: the task writes that itself.
pub async fn happen(fault: Fault) -> Result<(), TaskError> {
    match fault {
        Fault::Fail => Err(TaskError::transient("a fault was injected")),
        Fault::BadChunk => Err(TaskError::new(Failure::BadChunk, "a bad chunk was injected")),
        Fault::Hang => std::future::pending().await,
        Fault::Kill => {
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
            Ok(())
        }
        Fault::Garbage => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_stage_task_and_attempt() {
        let list = "encode-720p/3/0=fail;movie/audio/*/*=hang";
        assert_eq!(find(list, &["any", "encode-720p", "3", "0"]), Some(Fault::Fail));
        assert_eq!(find(list, &["any", "encode-720p", "3", "1"]), None);
        assert_eq!(find(list, &["movie", "audio", "0", "4"]), Some(Fault::Hang));
        assert_eq!(find(list, &["other", "audio", "0", "4"]), None);
    }
}
