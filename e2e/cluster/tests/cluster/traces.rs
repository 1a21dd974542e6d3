//! What a job leaves on the cluster while it runs and afterwards, and two that want the same place.

use anyhow::{Context, Result, ensure};
use e2e_cluster::{
    Space,
    wait::{until, until_any, until_none},
};
use e2e_media::{recipe, sources::TABLE};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Event, Pod},
};
use kube::{ResourceExt, api::ListParams};
use serde_json::json;
use transcode_api::{
    OnDelete, TranscodeJob, TranscodeJobStatus,
    status::{Condition, Phase},
};

use crate::security::JOBS;

const SMALL: &str = "  options: {renditions: [{name: low, box: {width: 160, height: 160}}], video: {encode: {h264: {preset: ultrafast}}}}";

async fn source(space: &Space) -> Result<()> {
    let row = TABLE.iter().find(|row| row.name == "closed_gop").context("no row")?;
    space.upload(&tokio::task::block_in_place(|| recipe::source(row))?, "source").await
}

/// The longest name; three ConfigMaps, two of which never change; nothing else once it is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_leaves_three_config_maps() -> Result<()> {
    let space = Space::new("traces").await?;
    source(&space).await?;
    let name = format!("{}.x", "long-name-".repeat(26).get(..251).context("too short")?);
    let mut job = space.job("film", "source", "[hls]", SMALL)?;
    job.metadata.name = Some(name.clone());
    space.create(&job).await?;
    let batch = until_any(&space.api::<Job>(), "transcode.media/stage=probe", |_| true).await?;
    // A pod's name is a host name, with `-` and an index behind it.
    ensure!(batch.name_any().len() <= 57, "{}", batch.name_any());
    space.ends(&name, Phase::Succeeded).await?;
    until(&space.api::<TranscodeJob>(), &name, |job| job.is_some_and(|job| job.finalizers().is_empty())).await?;
    until_none(&space.api::<Job>(), JOBS).await?;
    until_none(&space.api::<Pod>(), JOBS).await?;
    let uid = space.api::<TranscodeJob>().get(&name).await?.uid();
    let maps = space.api::<ConfigMap>().list(&ListParams::default().labels("transcode.media/job-uid")).await?.items;
    ensure!(maps.len() == 3, "{:?}", maps.iter().map(ResourceExt::name_any).collect::<Vec<_>>());
    for map in &maps {
        let owners: Vec<_> = map.owner_references().iter().map(|owner| Some(owner.uid.clone())).collect();
        ensure!(owners == [uid.clone()], "{} is owned by {owners:?}", map.name_any());
        ensure!((map.immutable == Some(true)) != map.name_any().ends_with("-record"), "{}", map.name_any());
    }
    space.end().await
}

/// Storage that does not answer holds a deleted job for a while, and then an Event names what is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_job_does_not_wait_for_dead_storage() -> Result<()> {
    let space = Space::new("dead-storage").await?;
    let mut job = space.job("film", "source", "[hls]", SMALL)?;
    for store in &mut job.spec.stores {
        store.s3.endpoint = Some(format!("http://{}:9", space.site.host));
    }
    space.create(&job).await?;
    until(&space.api::<TranscodeJob>(), "film", |job| job.is_some_and(|job| !job.finalizers().is_empty())).await?;
    space.delete("film").await?;
    until(&space.api::<TranscodeJob>(), "film", |job| job.is_none()).await?;
    let list = ListParams::default().fields("involvedObject.kind=TranscodeJob,involvedObject.name=film");
    let events = space.api::<Event>().list(&list).await?.items;
    let left = events.iter().find(|event| event.reason.as_deref() == Some("WorkDataLeft")).context("no Event")?;
    ensure!(left.message.as_deref().is_some_and(|words| words.contains("/film")), "{:?}", left.message);
    space.end().await
}

fn shares(status: &TranscodeJobStatus) -> bool {
    status.conditions.iter().any(|Condition { kind, reason, .. }| kind == "Queued" && reason == "SharesWorkWith")
}

/// Whoever runs goes on; an older one that was suspended meanwhile waits its turn.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_with_one_output_run_one_after_the_other() -> Result<()> {
    let space = Space::new("shares").await?;
    source(&space).await?;
    let older = space.job("older", "source", "[hls]", &format!("{SMALL}\n  suspend: true"))?;
    space.create(&older).await?;
    space.until("older", |status| status.phase == Some(Phase::Suspended)).await?;
    let mut younger = space.job("younger", "source", "[hls]", SMALL)?;
    younger.spec.outputs = older.spec.outputs.clone();
    space.create(&younger).await?;
    space.until("younger", |status| status.phase == Some(Phase::Running)).await?;
    space.change("older", json!({"suspend": false})).await?;
    let waits = space.until("older", shares).await?;
    ensure!(waits.message.as_deref().is_some_and(|words| words.starts_with("younger writes")), "{:?}", waits.message);
    let first = space.ends("younger", Phase::Succeeded).await?;
    let second = space.ends("older", Phase::Succeeded).await?;
    ensure!(second.started_at >= first.finished_at, "{:?} before {:?}", second.started_at, first.finished_at);
    space.end().await
}

/// Whoever names somebody else's output, and has no credentials for it, holds nobody up and saves nothing from deletion.
#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_another_namespace_names_is_not_its_own() -> Result<()> {
    let (space, squatter) = (Space::new("owner").await?, Space::new("squatter").await?);
    source(&space).await?;
    let mut job = space.job("film", "source", "[hls]", SMALL)?;
    job.spec.outputs[0].on_delete = Some(OnDelete::Delete);
    let mut named = job.clone();
    named.spec.stores.iter_mut().flat_map(|store| &mut store.credentials).for_each(|credentials| {
        credentials.secret_ref.name = "nobody".into();
    });
    squatter.create(&named).await?;
    squatter.until("film", |status| status.phase == Some(Phase::Running)).await?;
    space.create(&job).await?;
    space.ends("film", Phase::Succeeded).await?;
    space.delete("film").await?;
    until(&space.api::<TranscodeJob>(), "film", |job| job.is_none()).await?;
    let left = space.keys("film/").await?;
    ensure!(left.is_empty(), "left in the bucket: {left:?}");
    squatter.end().await?;
    space.end().await
}
