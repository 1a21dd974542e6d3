//! A small web server with ranges, over one file or a folder.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Component, Path, PathBuf},
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
    /// Of the file, or of the folder, without a slash at its end.
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
        let mut web = Self::start(address, Shelf::File(content))?;
        web.url = format!("{}/{name}", web.url);
        Ok(web)
    }

    /// Serves what is below `folder`, to this machine alone.
    pub fn folder(folder: &Path) -> Result<Self> {
        Self::start("127.0.0.1", Shelf::Folder(folder.to_path_buf()))
    }

    fn start(address: &str, shelf: Shelf) -> Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let (ranges, shelf) = (Arc::<AtomicUsize>::default(), Arc::new(shelf));
        let counter = ranges.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shelf, counter) = (shelf.clone(), counter.clone());
                // A client that hangs up is no matter of the server.
                thread::spawn(move || drop(answer(stream, &shelf, &counter)));
            }
        });
        Ok(Web { url, ranges })
    }

    /// Requests with a range so far.
    pub fn ranges(&self) -> usize {
        self.ranges.load(Ordering::Relaxed)
    }
}

/// What is served.
#[derive(Debug)]
enum Shelf {
    /// This, whatever the path.
    File(Vec<u8>),
    /// Files by their paths.
    Folder(PathBuf),
}

impl Shelf {
    fn take(&self, path: &str) -> Option<Vec<u8>> {
        match self {
            Shelf::File(content) => Some(content.clone()),
            Shelf::Folder(folder) => {
                let path = Path::new(path.trim_start_matches('/'));
                let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
                inside.then(|| fs::read(folder.join(path)).ok()).flatten()
            }
        }
    }
}

fn answer(mut stream: TcpStream, shelf: &Shelf, ranges: &AtomicUsize) -> std::io::Result<()> {
    let mut range = None;
    let mut head = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let body = !line.starts_with("HEAD ");
    let Some(content) = line.split(' ').nth(1).and_then(|path| shelf.take(path)) else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    };
    line.clear();
    while head.read_line(&mut line)? > 2 {
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
        None => ("200 OK".to_owned(), content.as_slice()),
    };
    write!(stream, "HTTP/1.1 {status}\r\n{common}Content-Length: {}\r\n\r\n", part.len())?;
    if body {
        stream.write_all(part)?;
    }
    stream.flush()
}
