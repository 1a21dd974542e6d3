//! The task file: all that a runner needs to know besides the index of its task.

use serde::{Deserialize, Serialize};
use transcode_engine::{Facts, ResolvedSpec, StageId, TaskSet};

/// One stage of one job, for every task of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskFile {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// The job.
    pub spec: ResolvedSpec,
    /// What Probe and Split told; empty for Probe itself.
    pub facts: Facts,
    /// Which stage.
    pub stage: StageId,
    /// Permissive mode: chunks that could not be made and are gaps in every rendition.
    #[serde(default)]
    pub gaps: TaskSet,
    /// What the site allows and where it keeps things.
    pub site: Site,
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
