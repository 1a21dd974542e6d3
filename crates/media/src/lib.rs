//! Media correctness, pure: exact time, packet index, ladder, ffmpeg arguments, CMAF, playlists.
//!
//! ```text
//! probe ──> index ──> ladder, grid, chunk        what the source is, and how it is cut
//!                          │
//!                        argv                    what ffmpeg is asked to do
//!                          │
//!             cmaf (rewrite, init, progressive)  what becomes of what ffmpeg wrote
//!                          │
//!             playlist (hls, dash)               how players find it
//!                          │
//!             inspect                            verify's own reader; shares no code with cmaf
//! ```
//!
//! No IO but `std::io::Read` over what the caller opened, no clock, no async.

pub mod argv;
pub mod captions;
pub mod channels;
pub mod chunk;
pub mod cmaf;

pub mod codec;
pub mod colour;
pub mod container;
pub mod index;
pub mod inspect;
pub mod ladder;
pub mod language;
pub mod level;

pub mod playlist;
pub mod probe;
pub mod rate;
pub mod retime;
pub mod spatial;
pub mod still;
pub mod time;
pub mod timeline;
pub mod track;
pub mod transport;
