//! Faults of the cluster itself, one at a time, and never beside the other tests.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e_cluster::{
    Space,
    film::{half_done, none_made_again, results},
    wait::{until, until_none},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, Node, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::Mutex;
use transcode_api::{
    TranscodeJob, TranscodeJobStatus,
    status::{Condition, Phase},
};
use transcode_storage::Store;

/// The cluster has one fault at a time.
static FAULT: Mutex<()> = Mutex::const_new(());

/// Runs the command for faults of the cluster; false where there is none.
fn cluster(space: &Space, words: &[&str]) -> Result<bool> {
    let Some(command) = &space.site.cluster else {
        eprintln!("skipped: E2E_CLUSTER is not set, so nothing can happen to this cluster");
        return Ok(false);
    };
    let status = tokio::task::block_in_place(|| Command::new(command).args(words).status())?;
    ensure!(status.success(), "{command} {words:?} failed");
    Ok(true)
}

/// Selects the operator's Deployment and its pods.
const OPERATOR: &str = "app.kubernetes.io/name=transcode-operator";

async fn operator(space: &Space) -> Result<(Deployment, Api<Deployment>)> {
    let found = Api::<Deployment>::all(space.site.client.clone()).list(&ListParams::default().labels(OPERATOR)).await?;
    let operator = found.items.into_iter().next().context("the operator is not installed")?;
    let api = Api::namespaced(space.site.client.clone(), &operator.namespace().unwrap_or_default());
    Ok((operator, api))
}

async fn operator_restarts(space: &Space) -> Result<()> {
    let namespace = operator(space).await?.0.namespace().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(space.site.client.clone(), &namespace);
    for pod in pods.list(&ListParams::default().labels(OPERATOR)).await?.items {
        pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_restarts_and_nothing_is_redone() -> Result<()> {
    let _alone = FAULT.lock().await;
    let space = half_done("operator", "  workData: {deleteOn: Never}").await?;
    let before = results(&space).await?;
    operator_restarts(&space).await?;
    space.ends("film", Phase::Succeeded).await?;
    none_made_again(&space, &before).await?;
    let status = space.ends("film", Phase::Succeeded).await?;
    let failed: u32 = status.stages.iter().map(|stage| stage.failed_attempts).sum();
    ensure!(failed == 0, "{failed} attempts failed");
    space.end().await
}

/// Gives the operator another value of a flag, and waits until it runs with it. Tells the one before.
async fn flag(space: &Space, name: &str, value: &str) -> Result<String> {
    let (mut deployment, api) = operator(space).await?;
    let spec = deployment.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()).context("no pod")?;
    let mut all = spec.containers.iter_mut().flat_map(|container| container.args.iter_mut().flatten());
    let start = format!("{name}=");
    let found = all.find(|argument| argument.starts_with(&start)).with_context(|| format!("{name} is not given"))?;
    let before = found.split_off(start.len());
    found.push_str(value);
    let name = deployment.name_any();
    let changed = api.replace(&name, &PostParams::default(), &deployment).await?;
    until(&api, &name, |deployment| {
        let Some(status) = deployment.and_then(|deployment| deployment.status.as_ref()) else { return false };
        let ready = [status.replicas, status.updated_replicas, status.available_replicas].map(|count| count == Some(1));
        status.observed_generation >= changed.metadata.generation && ready == [true; 3]
    })
    .await?;
    Ok(before)
}

fn waits(status: &TranscodeJobStatus) -> bool {
    let waits = |condition: &Condition| condition.kind == "Queued" && condition.reason == "WaitsForTurn";
    status.phase == Some(Phase::Queued) && status.conditions.iter().any(waits)
}

/// One job runs at a time. Nothing is made for those in line, and a job that is suspended gives its turn back.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_take_turns() -> Result<()> {
    let _alone = FAULT.lock().await;
    let space = half_done("turns", "").await?;
    let before = flag(&space, "--max-active-jobs", "1").await?;
    let result = turns(&space).await;
    flag(&space, "--max-active-jobs", &before).await?;
    result?;
    space.end().await
}

async fn turns(space: &Space) -> Result<()> {
    let small = "  options: {renditions: [{name: low, box: {width: 320, height: 320}}]}\n  scheduling: {priority: ";
    for (name, priority) in [("early", "Low"), ("late", "Normal")] {
        space.create(&space.job(name, "source", "[hls]", &format!("{small}{priority}}}"))?).await?;
        let status = space.until(name, waits).await?;
        let place = status.message.unwrap_or_default();
        ensure!(place == "first in line: one job runs at a time", "{place}");
    }
    let labels = |labels: &std::collections::BTreeMap<String, String>| labels.get("transcode.media/job").cloned();
    let jobs = space.jobs("").await?.iter().filter_map(|job| labels(job.labels())).collect::<Vec<_>>();
    let files = space.files().await?.iter().filter_map(|file| labels(file.labels())).collect::<Vec<_>>();
    ensure!(!jobs.is_empty() && jobs.iter().chain(&files).all(|job| job == "film"), "{jobs:?} {files:?}");
    space.change("film", json!({"suspend": true})).await?;
    // The higher priority, although it came later.
    space.until("late", |status| status.phase == Some(Phase::Running)).await?;
    space.change("film", json!({"suspend": false})).await?;
    space.until("film", waits).await?;
    let [late, film, early] = [
        space.ends("late", Phase::Succeeded).await?,
        space.ends("film", Phase::Succeeded).await?,
        space.ends("early", Phase::Succeeded).await?,
    ];
    ensure!(late.finished_at <= early.started_at, "{:?} {:?}", late.finished_at, early.started_at);
    ensure!(film.finished_at <= early.started_at, "{:?} {:?}", film.finished_at, early.started_at);
    Ok(())
}

/// The record, and all else that is kept of it, of a job that ended is lost with the operator.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_outlives_its_record() -> Result<()> {
    let _alone = FAULT.lock().await;
    let space = half_done("record", "").await?;
    let ended = space.ends("film", Phase::Succeeded).await?;
    // Its work data is deleted too.
    until(&space.api::<TranscodeJob>(), "film", |job| job.is_some_and(|job| job.finalizers().is_empty())).await?;
    until_none(&space.api::<Job>(), "transcode.media/job-uid").await?;
    space.store()?.delete(&["source"]).await?;
    for map in space.files().await? {
        space.api::<ConfigMap>().delete(&map.name_any(), &DeleteParams::default()).await?;
    }
    operator_restarts(&space).await?;
    // Whoever changes the job has it looked at.
    space.change("film", json!({"suspend": true})).await?;
    let status = space.until("film", |status| status.observed_generation > ended.observed_generation).await?;
    ensure!(status.phase == Some(Phase::Succeeded), "{:?}", status.message);
    ensure!(space.jobs("").await?.is_empty(), "something runs again");
    space.end().await
}

/// Everything of a job is deleted while no operator runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_deleted_without_an_operator_takes_its_work_along() -> Result<()> {
    let _alone = FAULT.lock().await;
    let space = half_done("down", "").await?;
    let scale = |replicas: u32| json!({"spec": {"replicas": replicas}});
    let (deployment, all) = operator(&space).await?;
    all.patch(&deployment.name_any(), &PatchParams::default(), &Patch::Merge(scale(0))).await?;
    let pods = Api::<Pod>::namespaced(space.site.client.clone(), &deployment.namespace().unwrap_or_default());
    until_none(&pods, OPERATOR).await?;
    space.api::<TranscodeJob>().delete("film", &DeleteParams::foreground()).await?;
    // The garbage collector has done what it can.
    until_none(&space.api::<Job>(), "transcode.media/job-uid").await?;
    all.patch(&deployment.name_any(), &PatchParams::default(), &Patch::Merge(scale(1))).await?;
    until(&space.api::<TranscodeJob>(), "film", |job| job.is_none()).await?;
    let left = space.keys("film/").await?;
    ensure!(left.is_empty(), "left in the bucket: {left:?}");
    space.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_restarts_midway() -> Result<()> {
    let _alone = FAULT.lock().await;
    let space = half_done("apiserver", "").await?;
    if cluster(&space, &["restart-apiserver"])? {
        space.ends("film", Phase::Succeeded).await?;
    }
    space.end().await
}

/// A node loses its power while it encodes: its tasks start again elsewhere, and nothing hangs.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_lost_midway() -> Result<()> {
    let _alone = FAULT.lock().await;
    let space = half_done("node", "").await?;
    if !cluster(&space, &["kill-node", "2"])? {
        return space.end().await;
    }
    let ended = space.ends("film", Phase::Succeeded).await;
    cluster(&space, &["start-node", "2"])?;
    let nodes = Api::<Node>::all(space.site.client.clone());
    until(&nodes, "node-2", |node| {
        let conditions = node.and_then(|node| node.status.as_ref()?.conditions.as_ref());
        conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
    .await?;
    ended?;
    space.end().await
}
