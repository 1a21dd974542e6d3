//! What a driver and a runner tell each other. Versioned, because their images differ.
//!
//! ```text
//! driver ── job file, facts, task ──> runner ── result object ──> storage
//!    ^                                      │
//!    └── exit code, report (bounded), progress lines
//! ```

pub mod exit;
pub mod record;
pub mod report;
pub mod result;
pub mod task;

pub use exit::ExitCode;
pub use record::{PublishedFile, PublishedRecord, Span};
pub use report::{Report, RunnerEvent, Told};
pub use result::{
    AudioResult, ChunkResult, FirstPassResult, MergeResult, PackageResult, TaskRun, ThumbnailResult, Usage,
    VerifyResult,
};
pub use task::{FactsFile, JobFile, Site};

/// The contract's version: which arguments a runner takes, and the form of everything in this crate.
///
/// A job has one runner image from start to end, and its [job file](JobFile) has the version that the job needs. An operator
/// speaks that version, whatever its own is, as long as it [can](speaks).
///
/// A field that readers may ignore, and that need not be there, leaves the version as it is. Anything else raises it:
/// a new argument, a field that changes what is made, a form that says the same in another way. A job that uses nothing
/// of what is new keeps the older version, so that an operator can be rolled back. ADR 0017 has the rules.
///
/// - 1: the first
/// - 2: the URL of a source can be in a Secret
pub const CONTRACT: u32 = 2;

/// The oldest version that is spoken.
pub const OLDEST: u32 = 1;

/// Whether a version of the contract is spoken here.
pub fn speaks(version: u32) -> bool {
    (OLDEST..=CONTRACT).contains(&version)
}

/// Variable of a runner's environment with the UID of its TranscodeJob, for its log. Not part of the contract.
pub const JOB_UID: &str = "TRANSCODE_JOB_UID";

/// Version of facts, results and reports. A reader refuses a higher one.
pub const VERSION: u32 = 1;
