//! Why a pass over a job did not come to its end. It is tried again later; nothing is lost by it.

use transcode_contract::{CONTRACT, OLDEST};

/// A reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    /// A child's name is taken by something else.
    #[error("{name} exists and belongs to something else: delete or rename it")]
    Foreign {
        /// Name of the object.
        name: String,
    },
    /// A child was deleted in this very moment.
    #[error("{name} is gone")]
    Gone {
        /// Name of the object.
        name: String,
    },
    /// An operator of another version saw the job first, and its runner image can't be given work.
    #[error(
        "{image} speaks version {version} of the runner's contract, and this operator {OLDEST} to {CONTRACT}: install an operator that speaks it too, or delete the job"
    )]
    Contract {
        /// The version that is recorded.
        version: u32,
        /// The job's runner image.
        image: String,
    },
    /// A defect of the operator.
    #[error("a defect of the operator: {words}; please report it with the operator's log")]
    Defect {
        /// What the panic said.
        words: String,
    },
    /// What the operator wrote once can't be read any more.
    #[error("the ConfigMap {name} can't be read: it was changed; delete the job")]
    Unreadable {
        /// Name of the ConfigMap.
        name: String,
    },
}

/// Whether something was refused because its namespace is being deleted.
pub fn namespace_goes(status: &kube::core::Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.reason == "NamespaceTerminating")
}

impl Error {
    /// For metrics and events.
    pub fn reason(&self) -> &'static str {
        match self {
            Error::Api(kube::Error::Api(status)) if status.is_conflict() => "Conflict",
            Error::Api(_) => "ApiError",
            Error::Foreign { .. } => "NameTaken",
            Error::Gone { .. } => "ChildGone",
            Error::Unreadable { .. } => "Unreadable",
            Error::Contract { .. } => "OtherVersion",
            Error::Defect { .. } => "Defect",
        }
    }
}
