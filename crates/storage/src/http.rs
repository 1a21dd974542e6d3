//! A guarded reader of web servers.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, redirect};
use url::Url;

use crate::error::{Result, StoreError, chain};
use crate::guard::{GuardPolicy, GuardedDns, PortPolicy, redact};
use crate::resume::{Retry, resuming};
use crate::source::{Source, SourceIdentity};
use crate::store::ByteStream;

mod remote;

use remote::{Remote, Version};

/// How much, how long and how often an HTTP source may be asked.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// The largest file, in bytes.
    pub max_size: u64,
    /// For name, connection and TLS.
    pub connect_timeout: Duration,
    /// A server that sends nothing for this long is asked again.
    pub idle_timeout: Duration,
    /// Tries without progress, the first included.
    pub attempts: u32,
    /// Before the second try; doubles.
    pub retry_delay: Duration,
    /// Redirects of one request.
    pub max_redirects: u32,
}

impl Default for HttpLimits {
    /// 5 TiB, 10 s, 30 s, 8 tries from 250 ms on, 5 redirects.
    fn default() -> Self {
        Self {
            max_size: 5 << 40,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            attempts: 8,
            retry_delay: Duration::from_millis(250),
            max_redirects: 5,
        }
    }
}

/// A file on a web server that answers byte ranges.
#[derive(Debug)]
pub struct HttpSource {
    remote: Arc<Remote>,
    retry: Retry,
    identity: SourceIdentity,
}

impl HttpSource {
    /// Asks the server for size and version. Transient errors are retried.
    pub async fn open(url: &str, policy: &GuardPolicy, limits: &HttpLimits) -> Result<Self> {
        // A URL that doesn't parse isn't shown: it may hold a signature all the same.
        let url = Url::parse(url).map_err(|why| StoreError::misconfigured("the URL of an HTTP source", why))?;
        let idle = limits.idle_timeout;
        let retry = Retry { attempts: limits.attempts, delay: limits.retry_delay, idle };
        let uri = redact(&url);
        let (policy, limits) = (policy.clone(), *limits);
        let mut remote = Remote { clients: Mutex::default(), url, uri, policy, limits, version: Version::default() };
        remote.version = retry.run(&remote.uri, || remote.probe()).await?;
        let Version { size, .. } = remote.version;
        if size > limits.max_size {
            let why = format!("{size} bytes, and {} are allowed", limits.max_size);
            return Err(StoreError::too_large(&remote.uri, why));
        }
        let identity = SourceIdentity { uri: remote.uri.clone(), size, tag: remote.version.tag() };
        Ok(Self { remote: Arc::new(remote), retry, identity })
    }
}

#[async_trait]
impl Source for HttpSource {
    fn describe(&self) -> &SourceIdentity {
        &self.identity
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream> {
        let range = range.start..range.end.min(self.identity.size);
        resuming(self.remote.clone(), range, self.retry, None).await
    }
}

/// The client with the guard where names become addresses. It follows no redirect by itself.
fn client(url: &Url, guard: PortPolicy, environment_proxy: bool, limits: &HttpLimits) -> Result<Client> {
    let mut builder = Client::builder()
        .user_agent(concat!("transcode-operator/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(limits.connect_timeout)
        .dns_resolver(Arc::new(GuardedDns(guard)));
    if !environment_proxy {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|why| StoreError::misconfigured(redact(url), chain(&why)))
}
