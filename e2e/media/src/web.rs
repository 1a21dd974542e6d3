//! A small web server with ranges, over one file.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::Result;

/// A running server; its thread ends with the process.
#[derive(Debug)]
pub struct Web {
    /// Of the file.
    pub url: String,
    ranges: Arc<AtomicUsize>,
}

impl Web {
    /// Serves `content` at `/name`, to this machine alone.
    pub fn serve(name: &str, content: Vec<u8>) -> Result<Self> {
        Self::serve_at("127.0.0.1", name, content)
    }

    /// Serves `content` at `/name`, on an address of this machine.
    pub fn serve_at(address: &str, name: &str, content: Vec<u8>) -> Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let url = format!("http://{}/{name}", listener.local_addr()?);
        let (ranges, content) = (Arc::<AtomicUsize>::default(), Arc::new(content));
        let counter = ranges.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (content, counter) = (content.clone(), counter.clone());
                // A client that hangs up is no matter of the server.
                thread::spawn(move || drop(answer(stream, &content, &counter)));
            }
        });
        Ok(Web { url, ranges })
    }

    /// Requests with a range so far.
    pub fn ranges(&self) -> usize {
        self.ranges.load(Ordering::Relaxed)
    }
}

fn answer(mut stream: TcpStream, content: &[u8], ranges: &AtomicUsize) -> std::io::Result<()> {
    let mut range = None;
    let mut head = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    let mut body = true;
    while head.read_line(&mut line)? > 2 {
        body &= !line.starts_with("HEAD ");
        if let Some((first, last)) =
            line.to_lowercase().strip_prefix("range: bytes=").and_then(|r| r.trim().split_once('-'))
        {
            let last = last.parse::<usize>().unwrap_or(usize::MAX).min(content.len() - 1);
            range = first.parse::<usize>().ok().map(|first| (first, last));
        }
        line.clear();
    }
    let common = "ETag: \"e2e\"\r\nAccept-Ranges: bytes\r\nConnection: close\r\n";
    let (status, part) = match range {
        Some((first, last)) if first <= last => {
            ranges.fetch_add(1, Ordering::Relaxed);
            (
                format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/{}", content.len()),
                &content[first..=last],
            )
        }
        Some(_) => (format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{}", content.len()), &content[..0]),
        None => ("200 OK".to_owned(), content),
    };
    write!(stream, "HTTP/1.1 {status}\r\n{common}Content-Length: {}\r\n\r\n", part.len())?;
    if body {
        stream.write_all(part)?;
    }
    stream.flush()
}
