//! The files that a runner is given: what is fixed for a whole job, and what became known since.
//! Which of its tasks to run is on the command line.

use serde::{Deserialize, Serialize};
use transcode_engine::{Facts, ResolvedSpec};

/// A job as it was when it was first seen. Never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobFile {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// The job.
    pub spec: ResolvedSpec,
    /// What the site allows and where it keeps things.
    pub site: Site,
}

/// What Probe and Split told: everything else follows from it. Probe itself has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FactsFile {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// By stage.
    pub facts: Facts,
}

/// What the site allows and where it keeps things; the same for every job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Site {
    /// Folder with a folder for each Secret that a store refers to.
    pub credentials_dir: Option<String>,
    /// Networks (CIDR) that user-given URLs may lead to although they are private.
    pub allow_networks: Vec<String>,
    /// A task without progress for so long is stuck.
    pub stall_seconds: Option<u32>,
}
