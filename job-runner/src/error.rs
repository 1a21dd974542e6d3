//! Failures: what the driver acts on, and words for a person.

use std::{collections::BTreeMap, path::Path};

use transcode_engine::{Failure, StageId, TaskSet};
use transcode_storage::StoreError;

/// Why a task failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    /// What the driver acts on.
    pub failure: Failure,
    /// What, where, what to do.
    pub message: String,
    /// Result objects that were found wrong: they are deleted, because the tasks that made them would
    /// take them for done.
    pub distrusted: Vec<String>,
}

impl TaskError {
    /// A failure with its words.
    pub fn new(failure: Failure, message: impl Into<String>) -> Self {
        TaskError { failure, message: message.into(), distrusted: vec![] }
    }

    /// Results of earlier tasks are gone or wrong: these tasks are to run again.
    pub fn missing(lost: BTreeMap<StageId, TaskSet>, distrusted: Vec<String>, message: impl Into<String>) -> Self {
        TaskError { failure: Failure::Missing { lost }, message: message.into(), distrusted }
    }

    /// All findings as one: what is missing together, unless there is something worse.
    pub fn all(findings: impl IntoIterator<Item = TaskError>) -> Result<(), TaskError> {
        let mut together: Option<TaskError> = None;
        for finding in findings {
            let Failure::Missing { lost } = &finding.failure else { return Err(finding) };
            match &mut together {
                None => together = Some(finding),
                Some(TaskError { failure: Failure::Missing { lost: all }, distrusted, .. }) => {
                    for (stage, tasks) in lost {
                        all.entry(stage.clone()).or_default().union(tasks);
                    }
                    distrusted.extend(finding.distrusted);
                }
                Some(_) => {}
            }
        }
        together.map_or(Ok(()), Err)
    }

    /// The source is at fault.
    pub fn bad_input(message: impl ToString) -> Self {
        Self::new(Failure::BadInput, message.to_string())
    }

    /// May pass by itself.
    pub fn transient(message: impl ToString) -> Self {
        Self::new(Failure::Transient, message.to_string())
    }

    /// Stopped from outside.
    pub fn terminated() -> Self {
        Self::new(Failure::Disrupted, "the task was stopped")
    }

    /// A file of the scratch folder.
    pub fn scratch(path: &Path, error: &std::io::Error) -> Self {
        let failure = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Failure::NoSpace,
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => Failure::Misconfigured,
            _ => Failure::Transient,
        };
        Self::new(failure, format!("the scratch file {} can't be used: {error}", path.display()))
    }

    /// The source could not be read.
    pub fn of_source(error: StoreError) -> Self {
        let failure = match &error {
            StoreError::NotFound { .. } | StoreError::Changed { .. } | StoreError::TooLarge { .. } => Failure::BadInput,
            other => class(other),
        };
        Self::new(failure, format!("the source can't be read: {}", words(&error)))
    }
}

/// The store's words, and how the local engine is told otherwise.
fn words(error: &StoreError) -> String {
    match error {
        StoreError::Refused { why, .. } if why.contains("an administrator can allow") => {
            format!(
                "{error} With the local engine: --allow-network, such as --allow-network 127.0.0.1:9000 for this machine."
            )
        }
        other => other.to_string(),
    }
}

fn class(error: &StoreError) -> Failure {
    match error {
        StoreError::NoSpace { .. } => Failure::NoSpace,
        StoreError::NotFound { .. } | StoreError::Changed { .. } | StoreError::Unavailable { .. } => Failure::Transient,
        StoreError::NoSuchBucket { .. }
        | StoreError::Denied { .. }
        | StoreError::Misconfigured { .. }
        | StoreError::Refused { .. }
        | StoreError::TooLarge { .. } => Failure::Misconfigured,
    }
}

/// The output store.
impl From<StoreError> for TaskError {
    fn from(error: StoreError) -> Self {
        Self::new(class(&error), words(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_missing_results_are_told_together() {
        let missing = |stage: &str, task| {
            let lost = BTreeMap::from([(stage.parse().unwrap(), TaskSet::one(task))]);
            TaskError::missing(lost, vec![format!("{stage}/{task}")], format!("{stage} {task}"))
        };
        assert!(TaskError::all([]).is_ok());
        let all = [missing("encode-low", 1), missing("encode-top", 2), missing("encode-low", 5)];
        let error = TaskError::all(all.clone()).unwrap_err();
        let Failure::Missing { lost } = &error.failure else { panic!("{error:?}") };
        let words: Vec<_> = lost.iter().map(|(stage, tasks)| format!("{stage} {tasks}")).collect();
        assert_eq!(words, ["encode-low 1,5", "encode-top 2"]);
        assert_eq!(error.distrusted, ["encode-low/1", "encode-top/2", "encode-low/5"]);
        let worse = TaskError::new(Failure::Unverified, "worse");
        assert_eq!(TaskError::all(all.into_iter().chain([worse])).unwrap_err().failure, Failure::Unverified);
    }
}
