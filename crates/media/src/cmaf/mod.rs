//! CMAF, the writing side (ISO/IEC 23000-19, 14496-12): what becomes of what ffmpeg wrote.
//!
//! ```text
//! ffmpeg's fragmented MP4 ──> encoded ──> rewrite (video chunk) ──┐
//!                                    └──> audio   (whole track) ──┴──> media segments
//! sample entry ─────────────> init ──> init segment, byte-identical for all chunks of a plan
//!                           └ codec ──> RFC 6381 text
//! init + head of each fragment ─> progressive ──> header and byte ranges of an ordinary MP4
//! ```
//!
//! Media time, presentation time: a track's presentation timeline starts at the job's origin (0).
//! Decode times (`tfdt`) count on the media timeline, and `elst.media_time` is where the
//! presentation's 0 lies on it: the composition delay of video, the priming of audio.
//!
//! Everything that is read is hostile: sizes are checked before anything is allocated, and nothing
//! panics. `inspect` reads the results with code of its own.

mod asc;
pub mod audio;
mod banner;
mod bytes;
pub mod codec;
pub mod encoded;
mod entry;
mod fragment;
mod head;
mod headers;
pub mod init;
mod layout;
mod nal;
mod placement;
pub mod progressive;
pub mod rewrite;
mod roll;
mod segment;
mod source;
mod spatial;
mod tables;
mod writer;

pub use bytes::BoxError;
pub use entry::{AudioCodecConfig, AudioEntry, SampleEntry, VideoCodecConfig, VideoEntry};
pub use segment::{SegmentBytes, head_bytes};
