//! Where media comes from and goes to.
//!
//! ```text
//!   FileSource ─┐                                      ┌─> FileStore   a folder
//!  StoreSource ─┼─> Source ─> Loopback ─> ffmpeg … ─> Store
//!   HttpSource ─┘             127.0.0.1                └─> S3Store     a bucket
//! ```
//!
//! A [`Source`] is read at any place, by one version, over cut connections. [`Loopback`] offers it
//! to ffmpeg, which so needs neither credentials nor a network. A [`Store`] holds objects by key
//! and writes them whole or not at all. [`GuardPolicy`] says where a user's URL may lead.

mod access;
mod error;
mod file;
mod guard;
mod headers;
mod http;
mod loopback;
mod resume;
mod rewrite;
mod s3;
mod source;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use access::Access;
pub use error::{Result, StoreError};
pub use file::FileStore;
pub use guard::{Forbidden, GuardPolicy};
pub use headers::{Describe, Headers};
pub use http::{HttpLimits, HttpSource};
pub use loopback::Loopback;
pub use rewrite::{Rewrite, Rewritten};
pub use s3::S3Store;
pub use source::{FileSource, Source, SourceIdentity, StoreSource};
pub use store::{ByteStream, MetaStream, ObjectMeta, Store, TEMP_PREFIX};
