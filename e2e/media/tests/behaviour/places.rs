//! Sources and outputs elsewhere: S3 against a real server, HTTP with ranges, and what is refused.

use std::fs;

use anyhow::{Context, Result};
use e2e_media::{product::Job, published::Published, web::Web};
use transcode_storage::testing::{BUCKET, S3Server};

use crate::{OPTIONS, film, folder, rest};

const LOOPBACK: [&str; 2] = ["--allow-network", "127.0.0.0/8"];

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
