//! Failures that end a job, and failures that don't.

use anyhow::{Context, Result, ensure};
use e2e_cluster::Space;
use e2e_media::{recipe, sources::TABLE};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt,
    api::{ListParams, LogParams},
};
use transcode_api::{TranscodeJobStatus, status::Phase};

fn condition<'a>(status: &'a TranscodeJobStatus, kind: &str) -> Option<(&'a str, &'a str)> {
    let found = status.conditions.iter().find(|condition| condition.kind == kind)?;
    Some((found.status.as_str(), found.reason.as_str()))
}

#[tokio::test]
async fn a_bad_source_fails_once_and_says_why() -> Result<()> {
    let space = Space::new("bad-source").await?;
    let text = tempfile::NamedTempFile::new()?;
    std::fs::write(text.path(), "This is no video.\n".repeat(100))?;
    space.upload(text.path(), "source").await?;
    space.create(&space.job("film", "source", "[hls]", "")?).await?;
    let status = space.ends("film", Phase::Failed).await?;
    ensure!(condition(&status, "Failed") == Some(("True", "BadInput")), "{:?}", status.conditions);
    ensure!(condition(&status, "Stalled") == Some(("True", "BadInput")), "{:?}", status.conditions);
    ensure!(condition(&status, "Ready") == Some(("False", "BadInput")), "{:?}", status.conditions);
    let probe = status.stages.iter().find(|stage| stage.name == "probe").context("no probe")?;
    ensure!(probe.failed_attempts == 1, "{probe:?}");
    let message = status.message.context("no message")?;
    ensure!(message.contains("s3://"), "the message does not say where: {message}");
    // What failed the job stays to be looked at.
    let pods = space.pods().await?;
    let pod = pods.first().context("the pod that failed is gone")?;
    let log = space.api::<Pod>().logs(&pod.name_any(), &LogParams::default()).await?;
    ensure!(log.contains("BadInput"), "{log}");
    space.end().await
}

#[tokio::test]
async fn a_missing_source_is_named() -> Result<()> {
    let space = Space::new("no-source").await?;
    space.create(&space.job("film", "nothing-here.mp4", "[hls]", "")?).await?;
    let status = space.ends("film", Phase::Failed).await?;
    let message = status.message.context("no message")?;
    ensure!(message.contains("nothing-here.mp4"), "{message}");
    space.end().await
}

#[tokio::test]
async fn a_missing_secret_is_told_in_the_kubelets_words() -> Result<()> {
    let space = Space::new("no-secret").await?;
    let mut job = space.job("film", "source", "[hls]", "")?;
    if let Some(credentials) = job.spec.stores.first_mut().and_then(|store| store.credentials.as_mut()) {
        credentials.secret_ref.name = "forgotten".into();
    }
    space.create(&job).await?;
    let queued = |status: &TranscodeJobStatus| condition(status, "Queued").is_some();
    let status = space.until("film", queued).await?;
    let message = status.message.clone().context("no message")?;
    ensure!(message.contains("forgotten"), "{message}");
    ensure!(condition(&status, "Reconciling").is_some_and(|found| found.0 == "True"), "{:?}", status.conditions);
    // Nothing is lost by it: the job goes on when the Secret comes.
    let source = recipe::source(TABLE.iter().find(|row| row.name == "closed_gop").context("no row")?)?;
    space.upload(&source, "source").await?;
    let keys = ["accessKeyId", "secretAccessKey"];
    let keys = keys.iter().map(|key| Ok(((*key).to_owned(), space.site.key(key)?))).collect::<Result<_>>()?;
    space.secret("forgotten", keys).await?;
    space.until("film", |status| status.media.is_some()).await?;
    space.end().await
}

#[tokio::test]
async fn a_failed_thumbnail_is_a_warning() -> Result<()> {
    let space = Space::new("thumbnail").await?;
    let source = recipe::source(TABLE.iter().find(|row| row.name == "closed_gop").context("no row")?)?;
    space.upload(&source, "source").await?;
    // Runners of the tests are told to fail it: see e2e/cluster/with-operator.sh.
    let rest = "  options: {thumbnail: {at: 2s}, renditions: [{name: low, box: {width: 160, height: 160}}], video: {encode: {h264: {preset: ultrafast}}}}\n  retry: {enhancement: {maxAttempts: 2, initialDelaySeconds: 1}}";
    space.create(&space.job("soft-failure", "source", "[hls]", rest)?).await?;
    let status = space.ends("soft-failure", Phase::Succeeded).await?;
    let warning = status.warnings.iter().find(|warning| warning.stage == "thumbnail").context("no warning")?;
    ensure!(warning.reason == "Transient" && warning.attempts == 2, "{warning:?}");
    space.end().await
}

/// The one pod gives up, and pods for each stage find what it did; they fail the thumbnail softly, as ever.
#[tokio::test]
async fn what_fails_in_one_pod_is_done_in_many() -> Result<()> {
    let space = Space::new("whole-fails").await?;
    let source = recipe::source(TABLE.iter().find(|row| row.name == "closed_gop").context("no row")?)?;
    space.upload(&source, "source").await?;
    let rest = "  options: {thumbnail: {at: 2s}, renditions: [{name: low, box: {width: 160, height: 160}}], video: {fanOut: Auto, encode: {h264: {preset: ultrafast}}}}\n  retry: {enhancement: {maxAttempts: 1}}";
    space.create(&space.job("soft-failure", "source", "[hls]", rest)?).await?;
    let status = space.ends("soft-failure", Phase::Succeeded).await?;
    let warned: Vec<_> = status.warnings.iter().map(|warning| warning.stage.as_str()).collect();
    ensure!(warned == ["whole", "thumbnail"], "{:?}", status.warnings);
    ensure!(status.warnings[0].message.starts_with("thumbnail: "), "{:?}", status.warnings);
    ensure!(status.outputs.iter().any(|output| output.kind == "hls"), "{:?}", status.outputs);
    space.end().await
}

#[tokio::test]
async fn failures_are_events_too() -> Result<()> {
    let space = Space::new("events").await?;
    space.create(&space.job("film", "nothing", "[hls]", "")?).await?;
    space.ends("film", Phase::Failed).await?;
    let events = space.api::<k8s_openapi::api::core::v1::Event>();
    let list = ListParams::default().fields("involvedObject.kind=TranscodeJob,involvedObject.name=film");
    let reasons: Vec<_> = events.list(&list).await?.items.into_iter().filter_map(|event| event.reason).collect();
    ensure!(reasons.iter().any(|reason| reason == "BadInput"), "{reasons:?}");
    space.end().await
}
