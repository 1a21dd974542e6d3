//! Faults on demand, for tests: any stage, task and attempt can fail, hang, be killed or write
//! garbage. `TRANSCODE_FAULTS=encode-720p/3/0=fail;audio/*/*=hang`; without it nothing here runs.

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
    find(&list, &context.task.stage.to_string(), context.task.index, context.task.attempt)
}

fn find(list: &str, stage: &str, index: u32, attempt: u32) -> Option<Fault> {
    list.split(';').filter_map(|rule| rule.split_once('=')).find_map(|(place, fault)| {
        let mut parts = place.split('/');
        let matches = |part: Option<&str>, value: &str| part.is_some_and(|p| p == "*" || p == value);
        let here = matches(parts.next(), stage)
            && matches(parts.next(), &index.to_string())
            && matches(parts.next(), &attempt.to_string());
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
        let list = "encode-720p/3/0=fail;audio/*/*=hang";
        assert_eq!(find(list, "encode-720p", 3, 0), Some(Fault::Fail));
        assert_eq!(find(list, "encode-720p", 3, 1), None);
        assert_eq!(find(list, "audio", 0, 4), Some(Fault::Hang));
    }
}
