//! The one door through which ffmpeg reads a source.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, RANGE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::error::{Result, StoreError};
use crate::source::Source;

mod blocks;
mod range;

use blocks::Blocks;
use range::{Wanted, wanted};

/// Bytes in the kernel on their way to ffmpeg at most. Those that it does not wait for, because it seeks or has
/// enough, were read in vain; Linux would let megabytes queue up. With a third of it each write would wait for a
/// delayed acknowledgement, as the loopback's segments have 64 KiB.
const SENT_AHEAD: u32 = 96 << 10;
/// Bytes before them, on their way to the kernel, beyond which no more are fetched; hyper would take 400 KiB.
const WRITTEN_AHEAD: usize = 8 << 10;
/// Before connections are accepted again after an error, such as too many open files.
const PAUSE: Duration = Duration::from_secs(1);

type Body = UnsyncBoxBody<Bytes, StoreError>;

/// An HTTP server on 127.0.0.1 that serves one source, under a path that nobody can guess.
///
/// It stops when it is dropped. ffmpeg takes an error in the middle of a file for its end and may
/// well succeed: ask [`Loopback::error`] after every run.
#[derive(Debug)]
pub struct Loopback {
    url: String,
    port: u16,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    path: String,
    size: u64,
    blocks: Arc<Blocks>,
    served: AtomicU64,
    stop: CancellationToken,
}

impl Loopback {
    /// Begins to serve `source`.
    pub async fn start(source: Arc<dyn Source>) -> Result<Self> {
        let identity = source.describe().clone();
        let failed = |error: io::Error| {
            let why = format!("no server for ffmpeg could be started: {error}");
            StoreError::unavailable(&identity.uri, why)
        };
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|error| failed(io::Error::other(error)))?;
        let path = format!("/{:032x}/source{}", u128::from_be_bytes(secret), extension(&identity.uri));
        let listener = listen().map_err(failed)?;
        let address: SocketAddr = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            path: path.clone(),
            size: identity.size,
            blocks: Arc::new(Blocks::new(source)),
            served: AtomicU64::new(0),
            stop: stop.clone(),
        });
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, shared.clone())));
        Ok(Self { url: format!("http://{address}{path}"), port: address.port(), shared, stop })
    }

    /// What ffmpeg opens. It has the source's file extension. Whoever knows it can read the source.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port of [`Loopback::url`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes that ffmpeg was sent.
    pub fn served(&self) -> u64 {
        self.shared.served.load(Ordering::Relaxed)
    }

    /// Bytes that were read from the source.
    pub fn read(&self) -> u64 {
        self.shared.blocks.read()
    }

    /// The last error of the source, which is why ffmpeg failed, or stopped early.
    pub fn error(&self) -> Option<StoreError> {
        self.shared.blocks.error()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A free port; connections inherit the size of its buffer.
fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SENT_AHEAD)?;
    socket.set_nodelay(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(64)
}

/// `.mp4` of `…/movie.mp4`: a hint for ffmpeg, taken only when it looks like one.
fn extension(uri: &str) -> String {
    let name = uri.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, e)) if (1..=8).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!(".{}", e.to_ascii_lowercase())
        }
        _ => String::new(),
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let stop = shared.stop.clone();
                tokio::spawn(stop.run_until_cancelled_owned(connection(socket, shared.clone())));
            }
            Err(error) => {
                tracing::warn!(%error, "ffmpeg could not connect");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, shared: Arc<Shared>) {
    let shared = &shared;
    let service = service_fn(async |request| Ok::<_, Infallible>(serve(shared, &request).await));
    let serving = http1::Builder::new().max_buf_size(WRITTEN_AHEAD).serve_connection(TokioIo::new(socket), service);
    // ffmpeg hangs up whenever it has enough.
    if let Err(error) = serving.await {
        tracing::debug!(%error, "a connection of ffmpeg's ended");
    }
}

async fn serve<B>(shared: &Arc<Shared>, request: &Request<B>) -> Response<Body> {
    if request.uri().path() != shared.path {
        return plain(StatusCode::NOT_FOUND, empty());
    }
    let method = request.method();
    if method != Method::GET && method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, empty());
    }
    let asked = request.headers().get(RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match wanted(asked, shared.size) {
        Wanted::All => (StatusCode::OK, 0..shared.size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let mut answer = plain(StatusCode::RANGE_NOT_SATISFIABLE, empty());
            put(&mut answer, CONTENT_RANGE, &format!("bytes */{}", shared.size));
            return answer;
        }
    };
    let length = range.end - range.start;
    let content_range = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), shared.size);
    let body = match *method {
        Method::HEAD => empty(),
        _ => match body(shared, range).await {
            Ok(body) => body,
            Err(error) => return plain(StatusCode::BAD_GATEWAY, text(error.to_string())),
        },
    };
    let mut answer = plain(status, body);
    put(&mut answer, ACCEPT_RANGES, "bytes");
    put(&mut answer, CONTENT_TYPE, "application/octet-stream");
    put(&mut answer, CONTENT_LENGTH, &length.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        put(&mut answer, CONTENT_RANGE, &content_range);
    }
    answer
}

/// The bytes of `range`, counted as they are sent. The first ones are fetched here, so that a
/// source that can't be read at all is told as a status.
async fn body(shared: &Arc<Shared>, range: Range<u64>) -> Result<Body> {
    let mut bytes = shared.blocks.clone().stream(range);
    let first = bytes.try_next().await?;
    let counter = shared.clone();
    let all = futures::stream::iter(first.map(Ok)).chain(bytes).inspect_ok(move |piece| {
        counter.served.fetch_add(piece.len() as u64, Ordering::Relaxed);
    });
    Ok(StreamBody::new(all.map_ok(Frame::data)).boxed_unsync())
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn text(text: String) -> Body {
    Full::from(text).map_err(|never| match never {}).boxed_unsync()
}

fn plain(status: StatusCode, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
}

/// Sets a header. The values here are digits and fixed words, which always are valid.
fn put(answer: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        answer.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions() {
        assert_eq!(extension("s3://b/a/movie.MP4"), ".mp4");
        assert_eq!(extension("/a.b/movie"), "");
        assert_eq!(extension("https://h/movie.not-an-extension"), "");
    }
}
