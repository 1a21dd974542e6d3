//! Proof by measurement that what `kubectl-transcode run` publishes is the source: every frame at
//! its time, every sample of sound, in files that other people's readers understand.
//!
//! ```text
//! sources/    the table: a row is a source, a job and what must come of it
//!    │
//! recipe.rs   makes the source          camera.rs  clips of a camera, from a package
//!                                       sparse.rs  files of any size
//! product.rs  runs the real programs    plan.rs    the commands that the product would run
//!    │
//! proof/      one file for each claim; nothing in it shares code with the product:
//!             boxes.rs reads the files, listing.rs ffmpeg's frame hashes, signal.rs the sound
//! ```
//!
//! `cargo test --test table` proves every row, `… --test table -- mkv` the rows with
//! `mkv` in their names. `TRANSCODE_BIN_DIR` names a folder with programs that are built already.
//! `TRANSCODE_KEEP=DIR` keeps what the rows made. `TRANSCODE_FIGURES=DIR` gathers what was measured, for
//! `media_correctness` to make docs/media-correctness.md of (`make media-correctness`).

pub mod bitstream;
pub mod boxes;
pub mod camera;
pub mod figures;
pub mod listing;
pub mod plan;
pub mod product;
pub mod proof;
pub mod published;
pub mod recipe;
pub mod row;
pub mod signal;
pub mod sources;
pub mod sparse;
pub mod tool;
pub mod tree;
pub mod web;
