//! The local driver: the same engine, with child processes for tasks.
//!
//! ```text
//! assess ─> decide ─> execute ─> wait for a task, a time or the user ─┐
//!    ^                  │                                             │
//!    └──────────────────┴─────────────────────────────────────────────┘
//! driver.rs  what goes in and comes out     queue.rs  which task runs next
//! run.rs     that loop                      child.rs  one task as a process of the runner
//! ```
//!
//! Nothing but media lies in storage; what the driver knows besides is written to
//! `<work-dir>/bundle.json` at every pass, for `explain`, `bundle` and `replay`.

pub mod child;
pub mod driver;
pub mod queue;
mod run;

pub use child::TaskEnded;
pub use driver::{Ended, Error, Event, LocalEngine, Until};
