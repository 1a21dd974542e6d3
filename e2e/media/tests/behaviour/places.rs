//! Sources and outputs elsewhere: S3 against a real server, HTTP with ranges, and what is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use e2e_media::{
    product::{Finished, Job, quoted},
    published::Published,
    web::Web,
};
use sha2::{Digest, Sha256};
use transcode_storage::testing::{BUCKET, S3Server};

use crate::{OPTIONS, film, folder, rest};

const MINUTE: &str = "public, max-age=60";
const YEAR: &str = "public, max-age=31536000, immutable";
const LOOPBACK: [&str; 2] = ["--allow-network", "127.0.0.0/8:*"];

#[test]
fn from_s3_to_s3() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let Some(server) = runtime.block_on(S3Server::start_or_skip())? else { return Ok(()) };
    let folder = folder()?;
    fs::create_dir_all(server.folder().join(BUCKET).join("raw"))?;
    fs::copy(film()?, server.folder().join(BUCKET).join("raw/film 1.mp4"))?;
    // A folder for each Secret, as `--credentials-dir` wants it.
    let secrets = folder.path().join("secrets");
    fs::create_dir_all(&secrets)?;
    std::os::unix::fs::symlink(server.credentials(), secrets.join("keys"))?;
    let stores = format!(
        "  stores: [{{name: test, s3: {{endpoint: \"{}\"}}, credentials: {{secretRef: {{name: keys}}}}}}]",
        server.endpoint()
    );
    let job = Job::new(
        folder.path(),
        &format!("s3: {{store: test, bucket: {BUCKET}, key: raw/film 1.mp4}}"),
        &format!("s3: {{store: test, bucket: {BUCKET}, prefix: vod/film-1}}"),
        &rest(OPTIONS, &stores),
    )?;
    let arguments = [&LOOPBACK[..], &["--credentials-dir", "secrets"]].concat();

    let refused = job.run(&["--credentials-dir", "secrets"])?;
    assert_eq!(refused.code, Some(1), "an endpoint on loopback needs --allow-network");

    let finished = job.succeed(&arguments)?;
    assert_eq!(finished.reason(), "Published");
    let out = server.folder().join(BUCKET).join("vod/film-1");
    let published = Published::read(&out)?;
    assert_eq!(published.video().iter().map(|m| m.track.samples.len()).collect::<Vec<_>>(), [720, 720]);
    assert_eq!(published.audio().len(), 1);
    assert!(out.join("master.m3u8").is_file() && out.join("e2e_top.mp4").is_file());
    let expected = [
        ("video init", "video/mp4", YEAR),
        ("audio init", "audio/mp4", YEAR),
        ("video segment", "video/iso.segment", YEAR),
        ("audio segment", "video/iso.segment", YEAR),
        ("hls", "application/vnd.apple.mpegurl", MINUTE),
        ("dash", "application/dash+xml", MINUTE),
        ("mp4", "video/mp4", MINUTE),
        ("record", "application/json", "no-cache"),
    ];
    assert_eq!(served(&server, "vod/film-1")?, listing(&expected));
    let told = finished.end()["status"].to_string() + &fs::read_to_string(out.join("job.json"))?;
    assert!(!told.contains(S3Server::SECRET_KEY));
    assert_eq!(job.succeed(&arguments)?.reason(), "AlreadyPublished");

    // The environment's credentials serve as well.
    let stores = format!("  stores: [{{name: test, s3: {{endpoint: \"{}\"}}}}]", server.endpoint());
    let job = Job::new(
        folder.path(),
        &format!("s3: {{store: test, bucket: {BUCKET}, key: raw/film 1.mp4}}"),
        &format!("s3: {{store: test, bucket: {BUCKET}, prefix: vod/film-1}}"),
        &rest(OPTIONS, &stores),
    )?;
    let job = job.with("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY).with("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY);
    assert_eq!(job.succeed(&LOOPBACK)?.reason(), "AlreadyPublished");
    Ok(())
}

/// What a CDN in front of the bucket gets with each kind of object.
#[test]
fn objects_are_served_with_the_headers_that_are_set() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let Some(server) = runtime.block_on(S3Server::start_or_skip())? else { return Ok(()) };
    let (folder, film) = (folder()?, film()?);
    let options = OPTIONS.replacen('{', "{thumbnail: {}, ", 1);
    let stores = format!("  stores: [{{name: test, s3: {{endpoint: \"{}\"}}}}]", server.endpoint());
    let run = |headers: &str| -> Result<Finished> {
        let output = format!("s3: {{store: test, bucket: {BUCKET}, prefix: vod/film{headers}}}");
        let input = format!("file: {{path: {}}}", quoted(&film));
        let job = Job::new(folder.path(), &input, &output, &rest(&options, &stores))?;
        let keys = [("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY)];
        keys.into_iter().fold(job, |job, (name, value)| job.with(name, value)).succeed(&LOOPBACK)
    };
    let set = ", cacheControl: {segments: max-age=1, playlists: no-cache, files: \"private, max-age=3\"}, \
               contentTypes: {hls: application/x-mpegURL, segments: video/mp4, audioSegments: audio/mp4}";
    assert_eq!(run(set)?.reason(), "Published");
    let segments = [
        ("video init", "video/mp4", "max-age=1"),
        ("audio init", "audio/mp4", "max-age=1"),
        ("video segment", "video/mp4", "max-age=1"),
        ("audio segment", "audio/mp4", "max-age=1"),
    ];
    let others = [
        ("hls", "application/x-mpegURL", "no-cache"),
        ("dash", "application/dash+xml", "no-cache"),
        ("mp4", "video/mp4", "private, max-age=3"),
        ("thumbnail", "image/jpeg", "private, max-age=3"),
        ("record", "application/json", "no-cache"),
    ];
    assert_eq!(served(&server, "vod/film")?, listing(&[&segments[..], &others].concat()));

    // Other headers are another publication; segments that are found as finished work keep theirs.
    assert_eq!(run("")?.reason(), "Published");
    let others = [
        ("hls", "application/vnd.apple.mpegurl", MINUTE),
        ("dash", "application/dash+xml", MINUTE),
        ("mp4", "video/mp4", MINUTE),
        ("thumbnail", "image/jpeg", MINUTE),
        ("record", "application/json", "no-cache"),
    ];
    assert_eq!(served(&server, "vod/film")?, listing(&[&segments[..], &others].concat()));
    Ok(())
}

fn listing(expected: &[(&str, &str, &str)]) -> BTreeMap<String, BTreeSet<String>> {
    expected.iter().map(|(kind, of, cache)| (kind.to_string(), [format!("{of}; {cache}")].into())).collect()
}

/// Content-Type and Cache-Control of every published object, by kind.
fn served(server: &S3Server, prefix: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let record = fs::read(server.folder().join(BUCKET).join(prefix).join("job.json"))?;
    let record: serde_json::Value = serde_json::from_slice(&record)?;
    let mut kinds =
        BTreeMap::from([("record".to_owned(), BTreeSet::from([head(server, &format!("{prefix}/job.json"))?]))]);
    for file in record["files"].as_array().context("no files")? {
        let text = |field: &str| file[field].as_str().unwrap_or_default();
        let kind = match text("kind") {
            kind @ ("init" | "segment") if text("track").starts_with("audio") => format!("audio {kind}"),
            kind @ ("init" | "segment") => format!("video {kind}"),
            kind => kind.to_owned(),
        };
        kinds.entry(kind).or_default().insert(head(server, &format!("{prefix}/{}", text("path")))?);
    }
    Ok(kinds)
}

fn head(server: &S3Server, key: &str) -> Result<String> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--head", "--aws-sigv4", "aws:amz:us-east-1:s3"]);
    // Of nothing; curl 7.88 leaves this header out.
    let empty = hex::encode(Sha256::digest(b""));
    curl.arg("--header").arg(format!("x-amz-content-sha256: {empty}"));
    curl.arg("--user").arg(format!("{}:{}", S3Server::ACCESS_KEY, S3Server::SECRET_KEY));
    let answer = curl.arg(format!("{}/{BUCKET}/{key}", server.endpoint())).output().context("curl")?;
    ensure!(answer.status.success(), "{key}: {}", String::from_utf8_lossy(&answer.stderr));
    let answer = String::from_utf8(answer.stdout)?;
    let header = |name: &str| {
        let mut lines = answer.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("none", |(_, value)| value)
    };
    Ok(format!("{}; {}", header("content-type"), header("cache-control")))
}

#[test]
fn from_http_with_ranges() -> Result<()> {
    let folder = folder()?;
    let web = Web::serve("film.mp4", fs::read(film()?)?)?;
    let output = format!("file: {{path: {}}}", e2e_media::product::quoted(&folder.path().join("out")));
    let job = Job::new(folder.path(), &format!("http: {{url: \"{}\"}}", web.url), &output, &rest(OPTIONS, ""))?;

    let refused = job.run(&[])?;
    assert_eq!(refused.code, Some(1));
    assert!(refused.message().contains("127.0.0.1"), "{}", refused.message());
    assert_eq!(web.ranges(), 0, "a refused address is not connected to");

    job.succeed(&LOOPBACK)?;
    assert!(web.ranges() > 0);
    let published = Published::read(&job.out())?;
    let frames = published.video().first().context("no video")?.track.samples.len();
    assert_eq!(frames, 720);
    Ok(())
}

/// Nobody but the runner sees the URL, a new signature is no new source, and a URL in the job itself is warned of.
#[test]
fn a_signed_url_stays_in_its_secret() -> Result<()> {
    const SIGNATURE: &str = "52f1cf9d04d0";
    let folder = folder()?;
    let web = Web::serve("film.mp4", fs::read(film()?)?)?;
    let output = format!("file: {{path: {}}}", e2e_media::product::quoted(&folder.path().join("out")));
    let of = |input: &str| Job::new(folder.path(), &format!("http: {{{input}}}"), &output, &rest(OPTIONS, ""));
    let secret = folder.path().join("secrets/film");
    fs::create_dir_all(&secret)?;
    let sign = |signature: &str| fs::write(secret.join("address"), format!("{}?sig={signature}\n", web.url));
    let job = of("urlSecretRef: {name: film, key: address}")?;
    let refused = job.run(&LOOPBACK)?;
    assert_eq!((refused.code, refused.reason()), (Some(1), "Misconfigured"));
    assert!(refused.message().contains("--credentials-dir DIR, with the URL in the file DIR/film/address"));

    let arguments = [&LOOPBACK[..], &["--credentials-dir", "secrets"]].concat();
    fs::write(secret.join("address"), SIGNATURE)?;
    let refused = job.run(&arguments)?;
    assert!(refused.message().contains("it has to hold an http or https URL"), "{}", refused.message());
    assert!(!refused.message().contains(SIGNATURE));

    sign(SIGNATURE)?;
    let finished = job.succeed(&arguments)?;
    let told = finished.end().to_string() + &fs::read_to_string(job.out().join("job.json"))?;
    assert!(told.contains("Secret film, key address") && !told.contains(SIGNATURE), "{told}");
    assert!(!told.contains("UrlIsSigned"));
    sign("another")?;
    assert_eq!(job.succeed(&arguments)?.reason(), "AlreadyPublished");

    let plain = of(&format!("url: \"{}?sig={SIGNATURE}\"", web.url))?.succeed(&LOOPBACK)?;
    assert_eq!(plain.reason(), "AlreadyPublished");
    let warnings = plain.end()["status"]["warnings"].to_string();
    assert!(warnings.contains("UrlIsSigned") && !warnings.contains(SIGNATURE), "{warnings}");
    Ok(())
}

/// Names that only the proxy knows; without the flag nobody asks it.
#[test]
fn through_a_proxy_when_told_to() -> Result<()> {
    let folder = folder()?;
    let web = Web::serve("film.mp4", fs::read(film()?)?)?;
    let output = format!("file: {{path: {}}}", e2e_media::product::quoted(&folder.path().join("out")));
    let job = Job::new(folder.path(), "http: {url: \"http://films.invalid/film.mp4\"}", &output, &rest(OPTIONS, ""))?;
    let job = job.with("HTTP_PROXY", web.url.trim_end_matches("/film.mp4"));
    let refused = job.run(&[])?;
    assert_eq!((refused.code, web.ranges()), (Some(1), 0), "{}", refused.message());
    job.succeed(&["--environment-proxy"])?;
    assert!(web.ranges() > 0);
    Ok(())
}

#[test]
fn a_private_address_is_refused() -> Result<()> {
    for url in [
        "http://169.254.169.254/latest/meta-data/film.mp4",
        "http://[::ffff:10.0.0.1]/film.mp4",
        "http://localhost/film.mp4",
        "http://10.1.2.3/film.mp4",
    ] {
        let folder = folder()?;
        let output = format!("file: {{path: {}}}", e2e_media::product::quoted(&folder.path().join("out")));
        let refused =
            Job::new(folder.path(), &format!("http: {{url: \"{url}\"}}"), &output, &rest(OPTIONS, ""))?.run(&[])?;
        assert_eq!((refused.code, refused.reason()), (Some(1), "Misconfigured"), "{url}: {}", refused.message());
    }
    Ok(())
}
