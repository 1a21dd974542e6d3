//! A real etcd and kube-apiserver on loopback, for tests.
//!
//! ```text
//! tools.rs     where the binaries are       process.rs  a child that dies with its owner
//! server.rs    both started, ready, one administrator
//! client.rs    requests, by curl: no HTTP client to compile
//! ```
//!
//! Ports are free ones, folders are temporary, and everything ends when a [`Server`] is dropped.

mod client;
mod process;
mod server;
mod tools;

pub use client::Response;
pub use server::Server;
pub use tools::find;

/// Whether the user asked for these tests to be left out. Says so, because a test that ran
/// nothing looks like one that passed.
pub fn skipped(test: &str) -> bool {
    let skipped = std::env::var_os("TRANSCODE_SKIP_APISERVER").is_some_and(|value| value == "1");
    if skipped {
        eprintln!("skipped: {test}, because TRANSCODE_SKIP_APISERVER=1");
    }
    skipped
}
