//! What a user does to a job that runs.

use anyhow::{Context, Result, ensure};
use e2e_cluster::{
    Space,
    film::{LONG, half_done, none_made_again, results},
    wait::until,
};
use e2e_media::recipe;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Namespace},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PropagationPolicy},
};
use serde_json::json;
use transcode_api::{TranscodeJob, status::Phase};
use transcode_storage::Store;

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_job_stops_and_goes_on() -> Result<()> {
    let space = half_done("suspend", "  workData: {deleteOn: Never}").await?;
    space.change("film", json!({"suspend": true})).await?;
    let status = space.until("film", |status| status.phase == Some(Phase::Suspended)).await?;
    ensure!(status.conditions.iter().any(|c| c.kind == "Suspended" && c.status == "True"), "{:?}", status.conditions);
    ensure!(!status.conditions.iter().any(|c| c.kind == "Reconciling"), "{:?}", status.conditions);
    let left = space.jobs("encode").await?;
    ensure!(left.iter().all(|job| job.metadata.deletion_timestamp.is_some()), "Jobs are left: {}", left.len());
    let before = results(&space).await?;
    ensure!(!before.is_empty(), "nothing was done before");
    space.change("film", json!({"suspend": false})).await?;
    space.ends("film", Phase::Succeeded).await?;
    none_made_again(&space, &before).await?;
    space.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_ends_as_failed_for_good() -> Result<()> {
    let space = half_done("cancel", "").await?;
    space.change("film", json!({"cancel": true})).await?;
    let status = space.ends("film", Phase::Failed).await?;
    ensure!(status.conditions.iter().any(|c| c.kind == "Failed" && c.reason == "Cancelled"), "{:?}", status.conditions);
    let back = space.change("film", json!({"cancel": false})).await;
    ensure!(back.is_err(), "cancel was taken back");
    let published = space.keys("film/").await?;
    ensure!(!published.iter().any(|key| key.ends_with("master.m3u8") || key.ends_with("job.json")), "{published:?}");
    space.end().await
}

/// A job that failed midway, because its source was gone, makes only what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_is_retried_and_keeps_what_is_done() -> Result<()> {
    let space = half_done("retry", "  workData: {deleteOn: Never}").await?;
    let source = space.store()?.get_bytes("source", 1 << 30).await?;
    space.store()?.delete(&["source"]).await?;
    space.ends("film", Phase::Failed).await?;
    let before = results(&space).await?;
    ensure!(!before.is_empty(), "nothing was done before");
    space.store()?.put("source", source).await?;
    space.change("film", json!({"retryToken": "again"})).await?;
    space.until("film", |status| status.phase == Some(Phase::Running)).await?;
    space.ends("film", Phase::Succeeded).await?;
    none_made_again(&space, &before).await?;
    space.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_job_takes_its_work_along() -> Result<()> {
    takes_its_work_along("delete", DeleteParams::default()).await
}

/// As Argo CD prunes: the garbage collector deletes what belongs to the job before the job.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_deleted_in_the_foreground_takes_its_work_along() -> Result<()> {
    takes_its_work_along("foreground", DeleteParams::foreground()).await
}

/// What belongs to the job loses its owner first.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_children_are_orphaned_takes_its_work_along() -> Result<()> {
    let orphan = Some(PropagationPolicy::Orphan);
    takes_its_work_along("orphan", DeleteParams { propagation_policy: orphan, ..DeleteParams::default() }).await
}

async fn takes_its_work_along(test: &str, how: DeleteParams) -> Result<()> {
    let space = half_done(test, "").await?;
    space.api::<TranscodeJob>().delete("film", &how).await?;
    until(&space.api::<TranscodeJob>(), "film", |job| job.is_none()).await?;
    let left = space.keys("film/").await?;
    ensure!(left.is_empty(), "left in the bucket: {left:?}");
    // The garbage collector takes those that had an owner, a moment later.
    for job in space.jobs("").await? {
        until(&space.api::<Job>(), &job.name_any(), |job| job.is_none()).await?;
    }
    if how.propagation_policy != Some(PropagationPolicy::Orphan) {
        for map in space.files().await? {
            until(&space.api::<ConfigMap>(), &map.name_any(), |map| map.is_none()).await?;
        }
    }
    space.end().await
}

/// Somebody deletes all that the operator keeps of a job.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_the_loss_of_its_config_maps() -> Result<()> {
    let space = half_done("files", "  workData: {deleteOn: Never}").await?;
    let before = results(&space).await?;
    let maps = space.files().await?;
    ensure!(maps.len() >= 3, "there are {} ConfigMaps", maps.len());
    for map in maps {
        space.api::<ConfigMap>().delete(&map.name_any(), &DeleteParams::default()).await?;
    }
    space.ends("film", Phase::Succeeded).await?;
    none_made_again(&space, &before).await?;
    space.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_can_be_deleted_midway() -> Result<()> {
    let space = half_done("namespace", "").await?;
    let (name, namespaces) = (space.name.clone(), Api::<Namespace>::all(space.site.client.clone()));
    space.end().await?;
    until(&namespaces, &name, |namespace| namespace.is_none()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_some_time_after_its_end_and_its_output_stays() -> Result<()> {
    let space = Space::new("ttl").await?;
    let source = tokio::task::block_in_place(|| recipe::source(&LONG))?;
    space.upload(&source, "source").await?;
    let rest = "  ttlSecondsAfterFinished: 3\n  options: {video: {encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}";
    space.create(&space.job("film", "source", "[hls]", rest)?).await?;
    until(&space.api::<TranscodeJob>(), "film", |job| job.is_some()).await?;
    until(&space.api::<TranscodeJob>(), "film", |job| job.is_none()).await?;
    let left = space.keys("film/").await?;
    left.iter().find(|key| key.ends_with("master.m3u8")).context("the output is gone")?;
    ensure!(!left.iter().any(|key| key.contains("/_work/")), "work data is left");
    space.end().await
}
