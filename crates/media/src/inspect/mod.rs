//! Verify's own eyes: reads the bytes that will be published, and says what is in them.
//!
//! ```text
//! init segment ──> inspect_init ──> InitFacts ─┐
//! media segment ───────────────> inspect_segment ──> SegmentFacts ──> continuity ──> Finding…
//! progressive MP4 ──> inspect_progressive ──> ProgressiveFacts
//! playlists ──> playlist_hls, mpd ──> which files, how long, which bytes
//! ```
//!
//! It shares no code with `cmaf` or `playlist`, so that a mistake there can't hide here. All input
//! is hostile: sizes are checked before anything is allocated, nothing panics, and what isn't
//! understood is an error, not a guess.

mod bitstream;
mod boxes;
mod codec;
mod conformance;
mod continuity;
mod hls;
mod init;
mod mpd;
mod progressive;
mod roll;
mod runs;
mod sample_entry;
mod sample_table;
mod segment;

pub use continuity::{Finding, continuity};
pub use hls::{HlsFacts, HlsSegment, MasterFacts, MediaFacts, RenditionFacts, VariantFacts, playlist_hls};
pub use init::{Colour, InitFacts, LightBoxes, MediaKind, SpatialBoxes, inspect_init};
pub use mpd::{MpdFacts, MpdSegment, RepresentationFacts, mpd};
pub use progressive::{ProgressiveFacts, ProgressiveTrack, inspect_progressive};
pub use sample_table::SampleTable;
pub use segment::{FragmentFacts, SampleFacts, SegmentFacts, inspect_segment};

/// Why bytes or text could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// A box, or a field in it, ends after the data.
    #[error("{what} is cut off at byte {at}")]
    CutOff {
        /// The box or field.
        what: String,
        /// Offset in its parent, bytes.
        at: usize,
    },
    /// A box that must be there is missing.
    #[error("there is no `{0}` box")]
    Missing(&'static str),
    /// A box that may be there once is there more often.
    #[error("there is more than one `{0}` box")]
    Repeated(&'static str),
    /// A box that doesn't belong here.
    #[error("a `{kind}` box of {size} bytes at byte {at} does not belong here")]
    Unexpected {
        /// Four characters.
        kind: String,
        /// Offset, bytes.
        at: usize,
        /// Bytes, with its header.
        size: u64,
    },
    /// A field has a value that contradicts the format, another field, or what this system writes.
    #[error("`{kind}`: {why}")]
    Invalid {
        /// The box.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The coded data isn't what its container says.
    #[error("sample {sample}: {why}")]
    Bitstream {
        /// Index in the segment, from 0.
        sample: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// A playlist or MPD doesn't follow its grammar.
    #[error("line {line}: {why}")]
    Text {
        /// From 1; in an MPD the line where the reader stopped.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The file can't be read.
    #[error("can't read: {0}")]
    Io(#[from] std::io::Error),
}

impl InspectError {
    fn invalid(kind: &'static str, why: impl Into<String>) -> Self {
        InspectError::Invalid { kind, why: why.into() }
    }
}
