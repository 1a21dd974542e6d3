//! Failures: what the driver acts on, and words for a person.

use std::path::Path;

use transcode_engine::Failure;
use transcode_storage::StoreError;

/// Why a task failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    /// What the driver acts on.
    pub failure: Failure,
    /// What, where, what to do.
    pub message: String,
}

impl TaskError {
    /// A failure with its words.
    pub fn new(failure: Failure, message: impl Into<String>) -> Self {
        TaskError { failure, message: message.into() }
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
        StoreError::Refused { .. } => {
            format!("{error} With the local engine: --allow-network, such as --allow-network 127.0.0.0/8.")
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
