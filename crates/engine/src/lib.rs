//! The workflow engine, pure: no IO, no clock, no async. Three drivers use it alike: the local
//! engine, the operator, and the tests' driver in memory.
//!
//! ```text
//! JobSpec + profiles ─resolve─> ResolvedSpec ─begin─> Plan ─┐
//!                                   Facts (summaries) ─extend┘ append-only
//!
//! Plan + Observation ─assess─> Progress ─decide─> Decision: actions, each with its Why
//!                                   └────status─> TranscodeJobStatus
//! ```
//!
//! A driver observes, executes the actions in order, and waits for an event or `wake_at`; nothing
//! else. Everything here serialises, so a [`bundle::Bundle`] of a job can be replayed anywhere.

pub mod assess;
pub mod bundle;
pub mod commands;
pub mod cover;
pub mod decide;
pub mod estimate;
pub mod extend;
pub mod facts;
pub mod headers;
pub mod layout;
pub mod observe;
pub mod plan;
pub mod record;
pub mod resolve;
pub mod spec;
pub mod status;
pub mod taskset;
pub mod tracks;
pub mod warnings;

pub use assess::{Progress, StageProgress, StageState, assess};
pub use decide::{Action, Batch, Decision, Grant, decide};
pub use extend::{Refusal, begin, extend};
pub use facts::{Facts, MediaSummary, SplitSummary, Summary};
pub use layout::Layout;
pub use observe::{BatchId, BatchState, Failure, Intent, Observation, Waiting};
pub use plan::{Demand, Domain, Need, Plan, RetryPolicy, Stage, StageEnd, StageId, StageKind};
pub use record::{Outcome, Record, RecordEntry};
pub use resolve::{Invalid, resolve};
pub use spec::ResolvedSpec;
pub use status::status;
pub use taskset::TaskSet;
