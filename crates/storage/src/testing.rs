//! A real S3 server for tests: versitygw over a temporary folder.
//!
//! ```no_run
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! use transcode_storage::testing::S3Server;
//! let Some(server) = S3Server::start_or_skip().await? else { return Ok(()) };
//! let store = server.store("some/prefix")?; // and server.endpoint(), .credentials() …
//! # Ok(()) }
//! ```

use std::env;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use transcode_api::{Addressing, S3Store as S3Spec, StoreSpec};

use crate::{GuardPolicy, Result, S3Store, StoreError};

/// The bucket that a started server has.
pub const BUCKET: &str = "test-bucket";

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct S3Server {
    process: Child,
    endpoint: String,
    /// The buckets, and the credentials as files.
    folder: TempDir,
}

impl S3Server {
    /// Starts a server on a free port of 127.0.0.1 and makes [`BUCKET`].
    pub async fn start() -> Result<Self> {
        let binary = binary()?;
        let mut last = broken("it was never started");
        // Somebody may take the port between finding and using it.
        for _ in 0..5 {
            match Self::spawn(&binary) {
                Ok(server) => {
                    let bucket = server.store("")?.create_bucket().await;
                    return bucket.map(|()| server);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// As [`S3Server::start`]; `None`, told on stderr, when `TRANSCODE_SKIP_S3=1`.
    pub async fn start_or_skip() -> Result<Option<Self>> {
        if env::var("TRANSCODE_SKIP_S3").is_ok_and(|value| value == "1") {
            let _ = writeln!(std::io::stderr(), "SKIPPED: needs an S3 server, and TRANSCODE_SKIP_S3=1");
            return Ok(None);
        }
        Self::start().await.map(Some)
    }

    fn spawn(binary: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(broken)?;
        let (buckets, meta, keys) =
            (folder.path().join("buckets"), folder.path().join("meta"), folder.path().join("keys"));
        for part in [&buckets, &meta, &keys] {
            fs::create_dir(part).map_err(broken)?;
        }
        for (name, value) in [("accessKeyId", Self::ACCESS_KEY), ("secretAccessKey", Self::SECRET_KEY)] {
            fs::write(keys.join(name), value).map_err(broken)?;
        }
        let port = free_port()?;
        let log = fs::File::create(folder.path().join("log")).map_err(broken)?;
        let process = Command::new(binary)
            .args(["--port", &format!("127.0.0.1:{port}"), "--access", Self::ACCESS_KEY, "--secret", Self::SECRET_KEY])
            .args(["--region", "us-east-1", "--quiet", "posix", "--sidecar"])
            .args([&meta, &buckets])
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(broken)?)
            .stderr(log)
            .spawn()
            .map_err(broken)?;
        let mut server = Self { process, endpoint: format!("http://127.0.0.1:{port}"), folder };
        server.wait_until_ready(port)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > deadline || !matches!(self.process.try_wait(), Ok(None)) {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(broken(format!("versitygw did not start: {log}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Of the only user.
    pub const ACCESS_KEY: &str = "test-access-key";
    /// Of the only user.
    pub const SECRET_KEY: &str = "test-secret-key";

    /// `http://127.0.0.1:<port>`
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A folder with the files of [`S3Store::new`].
    pub fn credentials(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// The folder below which the server keeps buckets as folders and objects as files.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("buckets")
    }

    /// What a job's spec says of this server, without its `credentials`.
    pub fn spec(&self) -> StoreSpec {
        let s3 = S3Spec { endpoint: Some(self.endpoint.clone()), region: None, addressing: Some(Addressing::Path) };
        StoreSpec { name: "test".to_owned(), s3, credentials: None }
    }

    /// Kills the server, as when its machine is lost.
    pub fn stop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// A store in [`BUCKET`] below `prefix`.
    pub fn store(&self, prefix: &str) -> Result<S3Store> {
        S3Store::new(&self.spec(), BUCKET, prefix, Some(&self.credentials()), &GuardPolicy::trusting())
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// On `PATH`, or where `make tools` puts it.
fn binary() -> Result<PathBuf> {
    let cache = || match env::var_os("XDG_CACHE_HOME") {
        Some(cache) => Some(PathBuf::from(cache)),
        None => env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")),
    };
    let tools = match env::var_os("TRANSCODE_TOOLS_DIR") {
        Some(tools) => Some(PathBuf::from(tools)),
        None => cache().map(|cache| cache.join("transcode-operator/tools")),
    };
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(tools.map(|tools| tools.join("bin")))
        .map(|folder| folder.join("versitygw"))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            broken("versitygw is missing: install it with `make tools`, or set TRANSCODE_SKIP_S3=1 to skip these tests")
        })
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(broken)?;
    Ok(listener.local_addr().map_err(broken)?.port())
}

fn broken(why: impl ToString) -> StoreError {
    StoreError::misconfigured("the S3 server for tests", why)
}
