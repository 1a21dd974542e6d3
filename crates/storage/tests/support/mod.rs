//! A web server that misbehaves as told.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)] // each test uses a part of it

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What a client sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// How many there were before.
    pub number: usize,
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// First and last byte of its range.
    pub fn range(&self) -> Option<(usize, usize)> {
        let (first, last) = self.headers.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().unwrap(), last.parse().unwrap_or(usize::MAX)))
    }
}

/// What it gets.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Send only so much of the body, then hang up.
    pub cut: Option<usize>,
    /// Send only so much of the body, then nothing.
    pub stall: Option<usize>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// What a well-behaved server says.
    pub fn part(request: &Request, content: &[u8], etag: &str) -> Self {
        let Some((first, last)) = request.range() else {
            return Self { status: 200, body: content.to_vec(), ..Self::default() }.header("ETag", etag);
        };
        if first >= content.len() {
            return Self::status(416).header("Content-Range", format!("bytes */{}", content.len()));
        }
        let last = last.min(content.len() - 1);
        Self { status: 206, body: content[first..=last].to_vec(), ..Self::default() }
            .header("ETag", etag)
            .header("Content-Range", format!("bytes {first}-{last}/{}", content.len()))
    }
}

/// The server; it stops when dropped.
pub struct Server {
    pub url: String,
    pub requests: Arc<Mutex<Vec<Request>>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, seen.clone(), answer.clone()));
            }
        });
        Self { url, requests, task: task.abort_handle() }
    }
}

async fn connection(
    stream: TcpStream,
    seen: Arc<Mutex<Vec<Request>>>,
    answer: Arc<impl Fn(&Request) -> Reply + Send + Sync>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let request = {
            let mut seen = seen.lock().unwrap();
            let request = Request { number: seen.len(), path, headers };
            seen.push(request.clone());
            request
        };
        let reply = answer(&request);
        let mut head = format!("HTTP/1.1 {} Status\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await.ok()?;
        let sent = reply.cut.or(reply.stall).unwrap_or(reply.body.len()).min(reply.body.len());
        stream.write_all(&reply.body[..sent]).await.ok()?;
        stream.flush().await.ok()?;
        if reply.stall.is_some() {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if reply.cut.is_some() {
            return None;
        }
    }
}

/// Bytes in which no two places look alike.
pub fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(n).wrapping_mul(31) >> 7) as u8 ^ n as u8).collect()
}

/// Watches until something is so.
pub async fn eventually(what: &str, so: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
