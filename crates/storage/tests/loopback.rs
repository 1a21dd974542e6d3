//! The server that ffmpeg reads through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use transcode_storage::{
    ByteStream, FileSource, GuardPolicy, HttpLimits, HttpSource, Loopback, Result, Source, SourceIdentity, StoreError,
};

mod support;
use support::{Reply, Server, eventually, noise};

const MIB: usize = 1 << 20;

/// A file of noise that counts its requests, and breaks when told.
#[derive(Debug)]
struct Counted {
    inner: FileSource,
    requests: AtomicUsize,
    broken: AtomicBool,
}

#[async_trait]
impl Source for Counted {
    fn describe(&self) -> &SourceIdentity {
        self.inner.describe()
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Denied { uri: "the source".into(), why: "on purpose".into() });
        }
        self.inner.read(range).await
    }
}

async fn counted(folder: &Path, content: &[u8]) -> Arc<Counted> {
    let path = folder.join("movie.MP4");
    std::fs::write(&path, content).unwrap();
    let inner = FileSource::open(path).await.unwrap();
    Arc::new(Counted { inner, requests: AtomicUsize::new(0), broken: AtomicBool::new(false) })
}

async fn get(url: &str, range: Option<&str>) -> reqwest::Response {
    let mut request = reqwest::Client::new().get(url);
    if let Some(range) = range {
        request = request.header("Range", range);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn serves_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(5 * MIB + 123);
    let source = counted(folder.path(), &content).await;
    let door = Loopback::start(source).await.unwrap();
    assert!(door.url().starts_with("http://127.0.0.1:") && door.url().ends_with("/source.mp4"), "{}", door.url());
    let size = content.len();
    for (header, range) in [
        (format!("bytes={}-", MIB - 5), MIB - 5..size),
        ("bytes=0-0".into(), 0..1),
        (format!("bytes={}-{}", 2 * MIB - 1, 2 * MIB), 2 * MIB - 1..2 * MIB + 1),
        (format!("bytes={}-{}", size - 10, size + 10), size - 10..size),
        ("bytes=-7".into(), size - 7..size),
        ("bytes=0-".into(), 0..size),
    ] {
        let answer = get(door.url(), Some(&header)).await;
        assert_eq!(answer.status(), 206, "{header}");
        let expected = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        assert_eq!(answer.headers()["content-range"], expected.as_str());
        assert_eq!(answer.headers()["accept-ranges"], "bytes");
        assert_eq!(answer.content_length(), Some(range.len() as u64));
        assert!(answer.bytes().await.unwrap() == content[range], "{header}");
    }
    let whole = get(door.url(), None).await;
    assert_eq!((whole.status().as_u16(), whole.content_length()), (200, Some(size as u64)));
    assert!(whole.bytes().await.unwrap() == content);
    let past = get(door.url(), Some(&format!("bytes={size}-"))).await;
    assert_eq!(past.status(), 416);
    assert_eq!(past.headers()["content-range"], format!("bytes */{size}").as_str());
    assert!(door.served() > 0 && door.read() > 0 && door.error().is_none());
}

#[tokio::test]
async fn only_the_right_path_and_method() {
    let folder = tempfile::tempdir().unwrap();
    let source = counted(folder.path(), b"0123456789").await;
    let door = Loopback::start(source.clone()).await.unwrap();
    let (base, _) = door.url().rsplit_once('/').unwrap();
    assert_eq!(get(&format!("{base}/other.mp4"), None).await.status(), 404);
    let host = base.rsplit_once('/').unwrap().0;
    assert_eq!(get(&format!("{host}/source.mp4"), None).await.status(), 404);
    let client = reqwest::Client::new();
    assert_eq!(client.post(door.url()).send().await.unwrap().status(), 405);
    let head = client.head(door.url()).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(source.requests.load(Ordering::SeqCst), 0);
    assert_ne!(Loopback::start(source).await.unwrap().url(), door.url());
}

#[tokio::test]
async fn an_empty_source_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let door = Loopback::start(counted(folder.path(), b"").await).await.unwrap();
    let answer = get(door.url(), None).await;
    assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap().len()), (200, 0));
    assert_eq!(get(door.url(), Some("bytes=0-")).await.status(), 416);
}

#[tokio::test]
async fn seeks_nearby_cost_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(64 * MIB);
    let source = counted(folder.path(), &content).await;
    let door = Loopback::start(source.clone()).await.unwrap();
    for start in [100, 50_000, 0, MIB - 10, MIB - 60_000] {
        let answer = get(door.url(), Some(&format!("bytes={start}-{}", start + 99))).await;
        assert!(answer.bytes().await.unwrap() == content[start..start + 100]);
    }
    assert!(source.requests.load(Ordering::SeqCst) <= 2, "{source:?}");
    source.requests.store(0, Ordering::SeqCst);
    assert!(get(door.url(), None).await.bytes().await.unwrap() == content);
    // 0.5 + 1 + 2 + 4 + 8 + 16 + 32 + the rest.
    assert!(source.requests.load(Ordering::SeqCst) <= 8, "{source:?}");
    assert!(door.read() < 65 * MIB as u64);
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(64 * MIB);
    let source = counted(folder.path(), &content).await;
    let door = Loopback::start(source).await.unwrap();
    let mut body = get(door.url(), Some("bytes=0-")).await.bytes_stream();
    body.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = door.read();
    assert!(before < 16 * MIB as u64, "a slow client is not outrun: {before}");
    drop(body);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(door.read() < before + 8 * MIB as u64);
}

#[tokio::test]
async fn tells_why_the_source_failed() {
    let folder = tempfile::tempdir().unwrap();
    let source = counted(folder.path(), &noise(8 * MIB)).await;
    let door = Loopback::start(source.clone()).await.unwrap();
    let mut body = get(door.url(), None).await.bytes_stream();
    body.next().await.unwrap().unwrap();
    source.broken.store(true, Ordering::SeqCst);
    let cut = body.try_collect::<Vec<_>>().await;
    assert!(cut.is_err(), "the end must not look like the file's");
    let why = door.error().unwrap();
    assert!(matches!(&why, StoreError::Denied { .. }) && why.to_string().contains("on purpose"), "{why}");
    assert_eq!(get(door.url(), Some("bytes=8000000-")).await.status(), 502);
}

#[tokio::test]
async fn stops_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let source = counted(folder.path(), &noise(64 * MIB)).await;
    let door = Loopback::start(source.clone()).await.unwrap();
    let url = door.url().to_owned();
    let mut body = get(&url, None).await.bytes_stream();
    body.next().await.unwrap().unwrap();
    drop(door);
    assert!(body.try_collect::<Vec<_>>().await.is_err());
    eventually("the door is closed", async || reqwest::get(&url).await.is_err()).await;
    eventually("nothing is kept", async || Arc::strong_count(&source) == 1).await;
}

/// Frames that ffprobe counts in `url`.
async fn frames(url: String) -> String {
    let run = move || {
        Command::new("ffprobe")
            .args(["-v", "error", "-protocol_whitelist", "http,tcp", "-count_packets", "-select_streams", "v"])
            .args(["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"])
            .arg(url)
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// An MP4 with its index at the end, which ffprobe has to seek for.
fn movie(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("movie.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=8"])
        .args(["-f", "lavfi", "-i", "sine=r=48000:d=8", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10"])
        .args(["-c:a", "aac"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    path
}

#[tokio::test]
async fn ffprobe_reads_files_and_flaky_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = movie(folder.path());
    let door = Loopback::start(Arc::new(FileSource::open(&path).await.unwrap())).await.unwrap();
    assert_eq!(frames(door.url().to_owned()).await, "200");
    assert!(door.error().is_none());

    let content = std::fs::read(&path).unwrap();
    let server = Server::start(move |request| {
        let reply = Reply::part(request, &content, "\"v1\"");
        match request.number % 3 {
            1 => Reply { cut: Some(100_000), ..reply },
            2 => Reply::status(503),
            _ => reply,
        }
    })
    .await;
    let limits = HttpLimits { retry_delay: Duration::from_millis(1), ..HttpLimits::default() };
    let source = HttpSource::open(&server.url, &GuardPolicy::trusting(), &limits).await.unwrap();
    let door = Loopback::start(Arc::new(source)).await.unwrap();
    assert_eq!(frames(door.url().to_owned()).await, "200");
    assert!(door.error().is_none());
}
