//! What others think of what we publish: readers that share no code with the product nor with its tests, on every
//! kind of output.
//!
//! ```text
//! outputs.rs  what is published: a job for each kind of output
//!    │
//! claims.rs   what its manifest says of each track
//!    │
//! readers/    a tool each: what it complains of, and where what it sees isn't what is claimed
//!    │
//! limits.rs   what is known of the tools, from limits.json: a finding that isn't in it fails the test, and so does
//!             an entry that no finding needs
//! ```
//!
//! `cargo test --test foreign` runs every reader on every output, `… -- gstreamer` or `… -- hdr` some.
//! What npm and PyPI have of the tools is installed on the first run (`install.sh`), Debian's are installed by
//! `hack/bootstrap.sh --tests`, and `e2e/tools/install.sh mediacheck` builds those in Go. `DASH_SCHEMA` names a
//! `DASH-MPD.xsd`, which no package carries. `TRANSCODE_BIN_DIR` and `TRANSCODE_KEEP` are those of `e2e-media`.

pub mod claims;
pub mod limits;
pub mod outputs;
pub mod readers;
pub mod toolbox;
