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

/// Version of every form in this crate. A reader refuses a higher one.
pub const VERSION: u32 = 1;
