//! HTTP sources, on servers that behave well and badly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use futures::TryStreamExt;
use transcode_storage::{GuardPolicy, HttpLimits, HttpSource, Source, StoreError};

mod support;
use support::{Reply, Request, Server, eventually, noise};

fn limits() -> HttpLimits {
    HttpLimits {
        retry_delay: Duration::from_millis(1),
        idle_timeout: Duration::from_millis(300),
        attempts: 4,
        ..HttpLimits::default()
    }
}

async fn open(url: &str) -> Result<HttpSource, StoreError> {
    HttpSource::open(url, &GuardPolicy::trusting(), &limits()).await
}

async fn all(source: &HttpSource) -> Result<Vec<u8>, StoreError> {
    let pieces: Vec<_> = source.read(0..u64::MAX).await?.try_collect().await?;
    Ok(pieces.concat())
}

fn assert_matches(error: StoreError, expected: fn(&StoreError) -> bool, words: &str) {
    assert!(expected(&error) && error.to_string().contains(words), "{error:?}");
}

/// Serves `content`, but lets `other` answer the requests that it wants to.
async fn serve(content: Vec<u8>, other: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Server {
    Server::start(move |request| other(request).unwrap_or_else(|| Reply::part(request, &content, "\"v1\""))).await
}

#[tokio::test]
async fn reads_ranges() {
    let content = noise(3_000_000);
    let server = serve(content.clone(), |_| None).await;
    let source = open(&format!("{}/a/movie.mp4?signature=hush#x", server.url)).await.unwrap();
    assert!(!format!("{source:?}").contains("hush"));
    let identity = source.describe();
    assert_eq!(identity.uri, format!("{}/a/movie.mp4", server.url));
    assert_eq!((identity.size, identity.tag.as_str()), (3_000_000, "v1"));
    assert!(all(&source).await.unwrap() == content);
    let part: Vec<_> = source.read(1_000..2_500).await.unwrap().try_collect().await.unwrap();
    assert!(part.concat() == content[1_000..2_500]);
    let empty: Vec<_> = source.read(3_000_000..4_000_000).await.unwrap().try_collect().await.unwrap();
    assert!(empty.is_empty());
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests[0].headers["range"], "bytes=0-0");
    assert_eq!(requests[1].headers["if-range"], "\"v1\"");
    assert_eq!(requests[1].path, "/a/movie.mp4?signature=hush");
}

#[tokio::test]
async fn an_empty_file_is_one() {
    let server = serve(Vec::new(), |_| None).await;
    let source = open(&server.url).await.unwrap();
    assert_eq!(source.describe().size, 0);
    assert!(all(&source).await.unwrap().is_empty());
}

#[tokio::test]
async fn statuses_are_told_apart() {
    type Case = (u16, fn(&StoreError) -> bool, &'static str, usize);
    let cases: [Case; 6] = [
        (404, |e| matches!(e, StoreError::NotFound { .. }), "404", 1),
        (403, |e| matches!(e, StoreError::Denied { .. }), "expired", 1),
        (401, |e| matches!(e, StoreError::Denied { .. }), "401", 1),
        (418, |e| matches!(e, StoreError::Misconfigured { .. }), "418", 1),
        (503, StoreError::is_transient, "503", 4),
        (429, StoreError::is_transient, "429", 4),
    ];
    for (status, expected, words, tries) in cases {
        let server = Server::start(move |_| Reply::status(status)).await;
        let error = open(&format!("{}/m?signature=hush", server.url)).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
        assert_matches(error, expected, words);
        assert_eq!(server.requests.lock().unwrap().len(), tries, "{status}");
    }
}

#[tokio::test]
async fn a_server_without_ranges_is_named() {
    let server = Server::start(|_| Reply { status: 200, body: noise(10), ..Reply::default() }).await;
    let error = open(&server.url).await.unwrap_err();
    assert_matches(error, |e| matches!(e, StoreError::Misconfigured { .. }), "ranges");
}

#[tokio::test]
async fn cut_connections_are_resumed() {
    let content = noise(1_000_000);
    let whole = content.clone();
    let server = serve(content.clone(), move |request| match request.number {
        1..=6 => Some(Reply { cut: Some(100_000), ..Reply::part(request, &whole, "\"v1\"") }),
        _ => None,
    })
    .await;
    let source = open(&server.url).await.unwrap();
    assert!(all(&source).await.unwrap() == content);
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), 8);
    assert!(requests.windows(2).skip(1).all(|pair| pair[0].range().unwrap().0 < pair[1].range().unwrap().0));
}

#[tokio::test]
async fn errors_between_are_retried() {
    let content = noise(100_000);
    let server = serve(content.clone(), |request| (request.number % 3 != 0).then(|| Reply::status(502))).await;
    let source = open(&server.url).await.unwrap();
    assert!(all(&source).await.unwrap() == content);
}

#[tokio::test]
async fn stalls_are_resumed_or_given_up() {
    let content = noise(100_000);
    let whole = content.clone();
    let server = serve(content.clone(), move |request| {
        (request.number == 1).then(|| Reply { stall: Some(5_000), ..Reply::part(request, &whole, "\"v1\"") })
    })
    .await;
    assert!(all(&open(&server.url).await.unwrap()).await.unwrap() == content);

    let whole = content.clone();
    let server = serve(content, move |request| {
        (request.number > 0).then(|| Reply { stall: Some(0), ..Reply::part(request, &whole, "\"v1\"") })
    })
    .await;
    let error = all(&open(&server.url).await.unwrap()).await.unwrap_err();
    assert_matches(error, StoreError::is_transient, "no data came");
}

#[tokio::test]
async fn a_changed_file_is_an_error() {
    type Change = fn(&Request) -> Reply;
    let changes: [Change; 4] = [
        |request| Reply::part(request, &noise(100_000), "\"v2\""),
        |request| Reply::part(request, &noise(90_000), "\"v1\""),
        |_| Reply { status: 200, body: noise(100_000), ..Reply::default() },
        |_| Reply::status(412),
    ];
    for change in changes {
        let server = serve(noise(100_000), move |request| match request.number {
            0 => None,
            1 => Some(Reply { cut: Some(50_000), ..Reply::part(request, &noise(100_000), "\"v1\"") }),
            _ => Some(change(request)),
        })
        .await;
        let error = all(&open(&server.url).await.unwrap()).await.unwrap_err();
        assert_matches(error, |e| matches!(e, StoreError::Changed { .. }), "changed");
    }
}

#[tokio::test]
async fn redirects_are_followed_and_checked() {
    let content = noise(1_000);
    let target = serve(content.clone(), |_| None).await;
    let there = format!("{}/final?signature=hush", target.url);
    let server = Server::start(move |request| match request.path.as_str() {
        "/1" => Reply::status(302).header("Location", "/2"),
        "/2" => Reply::status(307).header("Location", &there),
        "/metadata" => Reply::status(302).header("Location", "http://169.254.169.254/latest/meta-data/"),
        "/file" => Reply::status(302).header("Location", "file:///etc/passwd"),
        "/nowhere" => Reply::status(302),
        _ => Reply::status(302).header("Location", "/round"),
    })
    .await;
    let source = open(&format!("{}/1", server.url)).await.unwrap();
    assert_eq!(source.describe().uri, format!("{}/1", server.url));
    assert!(all(&source).await.unwrap() == content);
    for (path, words) in [("metadata", "169.254.169.254"), ("file", "scheme")] {
        let error = open(&format!("{}/{path}", server.url)).await.unwrap_err();
        assert_matches(error, |e| matches!(e, StoreError::Refused { .. }), words);
    }
    for (path, words) in [("round", "5 redirects"), ("nowhere", "nowhere")] {
        let error = open(&format!("{}/{path}", server.url)).await.unwrap_err();
        assert_matches(error, |e| matches!(e, StoreError::Misconfigured { .. }), words);
    }
}

#[tokio::test]
async fn the_guard_stands_before_names_addresses_and_ports() {
    let server = serve(noise(10), |_| None).await;
    let port: u16 = server.url.rsplit(':').next().unwrap().parse().unwrap();
    let policy = |ports: &[u16], allow: &[&str]| GuardPolicy {
        ports: ports.to_vec(),
        allow: allow.iter().map(|network| network.parse().unwrap()).collect(),
        ..GuardPolicy::default()
    };
    let any_port = policy(&[], &[]);
    let refused = async |url: String, policy: &GuardPolicy, words: &str| {
        let error = HttpSource::open(&url, policy, &limits()).await.unwrap_err();
        assert_matches(error, |e| matches!(e, StoreError::Refused { .. }), words);
    };
    refused(server.url.clone(), &any_port, "loopback").await;
    refused(format!("http://localhost:{port}/"), &any_port, "loopback").await;
    refused(format!("http://[::ffff:127.0.0.1]:{port}/"), &any_port, "loopback").await;
    refused(format!("http://localhost:{port}/"), &policy(&[80], &[]), &format!("port {port} is not allowed")).await;
    // An unusual port is for the allowed networks alone, whatever a name leads to.
    let elsewhere = policy(&[80], &["10.0.0.0/8"]);
    refused(server.url.clone(), &elsewhere, "loopback").await;
    refused(format!("http://localhost:{port}/"), &elsewhere, "loopback").await;
    refused(format!("http://8.8.8.8:{port}/"), &elsewhere, "not allowed on that port").await;
    // A network that is allowed is so on the ports of the web.
    refused(server.url.clone(), &policy(&[80], &["127.0.0.0/8"]), "loopback").await;
    refused(server.url.clone(), &policy(&[80], &["127.0.0.0/8:9"]), "loopback").await;
    assert!(server.requests.lock().unwrap().is_empty());
    let named = policy(&[80], &[&format!("localhost:{port}")]);
    HttpSource::open(&format!("http://localhost:{port}/"), &named, &limits()).await.unwrap();
    refused(server.url.clone(), &named, "loopback").await;
    let allowed = policy(&[80], &[&format!("127.0.0.0/8:{port}"), &format!("[::1]:{port}")]);
    HttpSource::open(&format!("http://localhost:{port}/"), &allowed, &limits()).await.unwrap();
    HttpSource::open(&server.url, &allowed, &limits()).await.unwrap();
}

#[tokio::test]
async fn large_files_are_refused() {
    let server = serve(noise(1_000), |_| None).await;
    let small = HttpLimits { max_size: 999, ..limits() };
    let error = HttpSource::open(&server.url, &GuardPolicy::trusting(), &small).await.unwrap_err();
    assert_matches(error, |e| matches!(e, StoreError::TooLarge { .. }), "999");
}

#[tokio::test]
async fn a_closed_port_is_unavailable() {
    let server = serve(noise(10), |_| None).await;
    let url = server.url.clone();
    drop(server);
    eventually("the port is closed", async || open(&url).await.is_err()).await;
    assert_matches(open(&url).await.unwrap_err(), StoreError::is_transient, "refused");
    let error = open("not a URL?signature=hush").await.unwrap_err();
    assert!(!error.to_string().contains("hush"));
}
