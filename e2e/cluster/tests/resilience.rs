//! Faults of the cluster itself, one at a time, and never beside the other tests.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e_cluster::{
    Space,
    film::{half_done, none_made_again, results},
    wait::until,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use tokio::sync::Mutex;
use transcode_api::status::Phase;

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

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_restarts_and_nothing_is_redone() -> Result<()> {
    let _alone = FAULT.lock().await;
    let space = half_done("operator", "  workData: {deleteOn: Never}").await?;
    let before = results(&space).await?;
    let all = Api::<Deployment>::all(space.site.client.clone());
    let found = all.list(&ListParams::default().labels("app.kubernetes.io/name=transcode-operator")).await?;
    let namespace = found.items.first().and_then(ResourceExt::namespace).context("the operator is not installed")?;
    let pods = Api::<Pod>::namespaced(space.site.client.clone(), &namespace);
    let selector = ListParams::default().labels("app.kubernetes.io/name=transcode-operator");
    for pod in pods.list(&selector).await?.items {
        pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await?;
    }
    space.ends("film", Phase::Succeeded).await?;
    none_made_again(&space, &before).await?;
    let status = space.ends("film", Phase::Succeeded).await?;
    let failed: u32 = status.stages.iter().map(|stage| stage.failed_attempts).sum();
    ensure!(failed == 0, "{failed} attempts failed");
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
