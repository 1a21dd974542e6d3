//! One file on a web server: requests, redirects, and what the answers mean.

use std::collections::{HashMap, hash_map::Entry};
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, LOCATION,
    RANGE,
};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::{HttpLimits, client};
use crate::error::{Result, StoreError, chain, untrusted};
use crate::guard::{GuardPolicy, PortPolicy, refusal};
use crate::resume::Reopen;
use crate::store::ByteStream;

/// What tells one version of a file from another.
#[derive(Debug, Default)]
pub(super) struct Version {
    pub(super) size: u64,
    etag: Option<String>,
    modified: Option<String>,
}

impl Version {
    fn of(headers: &HeaderMap, size: u64) -> Self {
        Self { size, etag: text(headers, &ETAG), modified: text(headers, &LAST_MODIFIED) }
    }

    /// The ETag without its quotes, or else the time.
    pub(super) fn tag(&self) -> String {
        match &self.etag {
            Some(etag) => etag.replace('"', ""),
            None => self.modified.clone().unwrap_or_default(),
        }
    }

    /// What `If-Range` takes: a strong ETag, or a time if there is no ETag (RFC 9110, 13.1.5).
    fn strong(&self) -> Option<&str> {
        match &self.etag {
            Some(etag) => Some(etag.as_str()).filter(|e| !e.starts_with("W/")),
            None => self.modified.as_deref(),
        }
    }
}

/// A URL, and the version of what lies there.
pub(super) struct Remote {
    /// Clients that resolve names as the policy says for a port.
    pub(super) clients: Mutex<HashMap<u16, Client>>,
    pub(super) url: Url,
    /// The URL for messages.
    pub(super) uri: String,
    pub(super) policy: GuardPolicy,
    pub(super) limits: HttpLimits,
    pub(super) version: Version,
}

/// Without the URL, which may be signed.
impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Remote {
    /// Asks for the first byte: that shows size, version, and whether ranges work, where HEAD is
    /// often forbidden by a signature.
    pub(super) async fn probe(&self) -> Result<Version> {
        let answer = self.request("bytes=0-0").await?;
        let headers = answer.headers();
        if let Some(coding) = text(headers, &CONTENT_ENCODING).filter(|coding| coding != "identity") {
            let why = format!(
                "the server sends it compressed (Content-Encoding: {coding}); it has to send the file as it is"
            );
            return Err(StoreError::misconfigured(&self.uri, why));
        }
        let range = text(headers, &CONTENT_RANGE).unwrap_or_default();
        let total = range.rsplit_once('/').and_then(|(_, total)| total.parse().ok());
        match (answer.status(), total) {
            (StatusCode::PARTIAL_CONTENT, Some(size)) => Ok(Version::of(headers, size)),
            // The only file without a first byte.
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(0)) => Ok(Version::of(headers, 0)),
            (StatusCode::OK, _) if answer.content_length() == Some(0) => Ok(Version::of(headers, 0)),
            (StatusCode::OK, _) => {
                let why = "the server doesn't answer byte ranges; put the file on one that does, or in object storage";
                Err(StoreError::misconfigured(&self.uri, why))
            }
            (StatusCode::PARTIAL_CONTENT, None) => {
                Err(StoreError::misconfigured(&self.uri, "the server doesn't tell the size of the file"))
            }
            (status, _) => Err(self.refused(status)),
        }
    }

    /// Sends a request for a range and follows redirects, each checked.
    async fn request(&self, range: &str) -> Result<Response> {
        let mut url = self.url.clone();
        for _ in 0..=self.limits.max_redirects {
            let guard = self.policy.at(&url);
            guard.check_url(&url).map_err(|refused| self.of_redirect(&url, refused))?;
            let mut request =
                self.client(guard)?.get(url.clone()).header(RANGE, range).header(ACCEPT_ENCODING, "identity");
            if let Some(strong) = self.version.strong() {
                request = request.header(IF_RANGE, strong);
            }
            let answer = request.send().await.map_err(|failed| self.failed(failed))?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let target = text(answer.headers(), &LOCATION).and_then(|to| url.join(&to).ok());
            url = target.ok_or_else(|| StoreError::misconfigured(&self.uri, "a redirect leads nowhere"))?;
        }
        let why = format!("it leads through more than {} redirects", self.limits.max_redirects);
        Err(StoreError::misconfigured(&self.uri, why))
    }

    fn client(&self, guard: PortPolicy) -> Result<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match clients.entry(guard.port) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => {
                let client = client(&self.url, guard, self.policy.environment_proxy, &self.limits)?;
                new.insert(client).clone()
            }
        })
    }

    /// Why another URL is refused that this one leads to.
    fn of_redirect(&self, url: &Url, refused: StoreError) -> StoreError {
        match refused {
            StoreError::Refused { uri, why } if *url != self.url => {
                StoreError::refused(&self.uri, format!("it redirects to {uri}, and {why}"))
            }
            refused => refused,
        }
    }

    /// What a request that got no answer means.
    fn failed(&self, error: reqwest::Error) -> StoreError {
        let (broken, error) = (error.is_builder(), error.without_url());
        match (refusal(&error), untrusted(&error)) {
            (Some(forbidden), _) => StoreError::refused(&self.uri, forbidden),
            (None, Some(why)) => StoreError::misconfigured(&self.uri, why),
            (None, None) if broken => StoreError::misconfigured(&self.uri, chain(&error)),
            (None, None) => StoreError::unavailable(&self.uri, chain(&error)),
        }
    }

    /// What a status other than success means.
    fn refused(&self, status: StatusCode) -> StoreError {
        let uri = &self.uri;
        match status.as_u16() {
            404 | 410 => StoreError::not_found(uri, status),
            401 | 403 | 407 => StoreError::denied(uri, format!("{status}; a signed URL may have expired")),
            412 | 416 => StoreError::changed(uri, status),
            408 | 425 | 429 | 500..=599 => StoreError::unavailable(uri, status),
            _ => StoreError::misconfigured(uri, format!("the server answered {status}")),
        }
    }

    /// Whether an answer to a range is of the version that was found first.
    fn check_version(&self, answer: &Response, start: u64) -> Result<()> {
        let changed = |why: &str| Err(StoreError::changed(&self.uri, why));
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => {}
            // To a request with If-Range, that is what a new version gets.
            StatusCode::OK => return changed("the server sent a new version"),
            status => return Err(self.refused(status)),
        }
        let range = text(answer.headers(), &CONTENT_RANGE).unwrap_or_default();
        let found = Version::of(answer.headers(), self.version.size);
        if !range.ends_with(&format!("/{}", self.version.size)) {
            return changed("its size differs");
        }
        if found.etag != self.version.etag || found.modified != self.version.modified {
            return changed("its ETag or time differs");
        }
        if !range.starts_with(&format!("bytes {start}-")) {
            let why = format!("the server answered `{range}` to a request for byte {start}");
            return Err(StoreError::unavailable(&self.uri, why));
        }
        Ok(())
    }
}

#[async_trait]
impl Reopen for Remote {
    async fn open(&self, range: Range<u64>) -> Result<ByteStream> {
        let answer = self.request(&format!("bytes={}-{}", range.start, range.end - 1)).await?;
        self.check_version(&answer, range.start)?;
        let uri = self.uri.clone();
        let cut = move |error: reqwest::Error| StoreError::unavailable(&uri, chain(&error.without_url()));
        Ok(answer.bytes_stream().map_err(cut).boxed())
    }

    fn uri(&self) -> &str {
        &self.uri
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|value| value.trim().to_owned())
}
