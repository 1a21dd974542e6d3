//! The operator is upgraded and rolled back while jobs run.

use std::{env, process::Command};

use anyhow::{Context, Result, ensure};
use e2e_cluster::{
    Space,
    film::{half_done, none_made_again, results},
    wait::{until, until_any, until_none},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use transcode_api::{TranscodeJob, TranscodeJobStatus, status::Phase};
use transcode_storage::Store;

/// There is one operator.
static OPERATOR: Mutex<()> = Mutex::const_new(());

/// Installs a version of the operator by its chart: none is that of this checkout. False where nothing is installed.
fn install(version: &[&str]) -> Result<bool> {
    let Ok(command) = env::var("E2E_INSTALL") else {
        eprintln!("skipped: E2E_INSTALL is not set, so the operator of this cluster stays as it is");
        return Ok(false);
    };
    let status = tokio::task::block_in_place(|| Command::new(&command).args(version).status())?;
    ensure!(status.success(), "{command} {version:?} failed");
    Ok(true)
}

/// The runner images of a job's Jobs and pods.
async fn images(space: &Space, name: &str) -> Result<Vec<String>> {
    let of_job = ListParams::default().labels(&format!("transcode.media/job={name}"));
    let pods = space.api::<Pod>().list(&of_job).await?.items;
    let images = pods.into_iter().flat_map(|pod| pod.spec.unwrap_or_default().containers).filter_map(|c| c.image);
    Ok(images.collect())
}

/// Every chunk that is done stays done, and the job keeps the runner that it began with.
#[tokio::test(flavor = "multi_thread")]
async fn running_jobs_survive_an_upgrade_and_a_rollback() -> Result<()> {
    let _alone = OPERATOR.lock().await;
    if !install(&["previous"])? {
        return Ok(());
    }
    let result = there_and_back().await;
    install(&[])?;
    result
}

async fn there_and_back() -> Result<()> {
    for (test, after, image) in [("upgrade", [].as_slice(), ":previous"), ("rollback", &["previous"], ":dev")] {
        let space = half_done(test, "  workData: {deleteOn: Never}").await?;
        let before = results(&space).await?;
        if test == "upgrade" {
            // It has no source, and fails.
            space.create(&space.job("late", "late.mp4", "[hls]", "")?).await?;
            space.ends("late", Phase::Failed).await?;
        }
        install(after)?;
        let status = space.ends("film", Phase::Succeeded).await?;
        none_made_again(&space, &before).await?;
        let failed: u32 = status.stages.iter().map(|stage| stage.failed_attempts).sum();
        ensure!(failed == 0, "{failed} attempts failed");
        let images = images(&space, "film").await?;
        ensure!(images.iter().all(|name| name.ends_with(image)), "not {image} alone: {images:?}");
        if test == "upgrade" {
            retried_with_todays_runner(&space).await?;
        }
        space.end().await?;
    }
    Ok(())
}

/// The job failed with the runner of before; the retry has that of this checkout.
async fn retried_with_todays_runner(space: &Space) -> Result<()> {
    let store = space.store()?;
    store.put("late.mp4", store.get_bytes("source", 1 << 30).await?).await?;
    space.change("late", json!({"retryToken": "again"})).await?;
    let image = |job: &Job| {
        let pod = job.spec.as_ref()?.template.spec.as_ref()?;
        pod.containers.first()?.image.clone()
    };
    until_any(&space.api::<Job>(), "transcode.media/job=late", |job: &Job| {
        image(job).is_some_and(|image| image.ends_with(":dev"))
    })
    .await?;
    space.ends("late", Phase::Succeeded).await?;
    // Both ConfigMaps with what the job was first seen as, one for each image, are let go.
    let files = space.files().await?;
    let with_image = |map: &&ConfigMap| {
        let of_job = map.labels().get("transcode.media/job").is_some_and(|name| name == "late");
        of_job && map.data.as_ref().is_some_and(|data| data.contains_key("image"))
    };
    ensure!(files.iter().filter(with_image).count() == 2, "{files:?}");
    space.delete("late").await?;
    until(&space.api::<TranscodeJob>(), "late", |job| job.is_none()).await?;
    until_none(&space.api::<ConfigMap>(), "transcode.media/job=late").await
}

/// OpenShift gives each namespace a range of user IDs, and the group 0.
#[tokio::test(flavor = "multi_thread")]
async fn operator_and_runners_work_with_any_user() -> Result<()> {
    let _alone = OPERATOR.lock().await;
    let of_user = json!({
        "runAsNonRoot": true, "runAsUser": 1_000_650_000, "runAsGroup": 0, "fsGroup": 1_000_650_000,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let operator = format!("operator.podSecurityContext={of_user}");
    let runner = format!("runner.podTemplate={}", json!({"spec": {"securityContext": of_user}}));
    if !install(&["--set-json", &operator, "--set-json", &runner])? {
        return Ok(());
    }
    let result = publishes().await;
    install(&[])?;
    result
}

async fn publishes() -> Result<()> {
    let space = half_done("openshift", "").await?;
    for pod in space.pods().await? {
        let user = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref()?.run_as_user);
        ensure!(user == Some(1_000_650_000), "{} runs as {user:?}", pod.name_any());
    }
    let status = space.ends("film", Phase::Succeeded).await?;
    let failed: u32 = status.stages.iter().map(|stage| stage.failed_attempts).sum();
    ensure!(failed == 0, "{failed} attempts failed");
    space.end().await
}

/// Selects the operator's Deployment and its pods.
const SELECTOR: &str = "app.kubernetes.io/name=transcode-operator";

/// Runs so many operators.
async fn scale(space: &Space, replicas: u32) -> Result<()> {
    let client = &space.site.client;
    let found = Api::<Deployment>::all(client.clone()).list(&ListParams::default().labels(SELECTOR)).await?;
    let operator = found.items.into_iter().next().context("the operator is not installed")?;
    let namespace = operator.namespace().unwrap_or_default();
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let api = Api::<Deployment>::namespaced(client.clone(), &namespace);
    api.patch(&operator.name_any(), &PatchParams::default(), &patch).await?;
    match replicas {
        0 => until_none(&Api::<Pod>::namespaced(client.clone(), &namespace), SELECTOR).await,
        _ => Ok(()),
    }
}

/// A job whose runner this operator can't talk to waits for an operator that can, and goes on then.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_an_unknown_version_waits() -> Result<()> {
    let _alone = OPERATOR.lock().await;
    let space = half_done("contract", "  workData: {deleteOn: Never}").await?;
    scale(&space, 0).await?;
    let before = results(&space).await?;
    let job = space.api::<TranscodeJob>().get("film").await?;
    let status = job.status.context("no status")?;
    let told = status.resolved.context("the status vouches for nothing")?;
    let other = newer(&space).await?;
    vouch(&space, &other).await?;
    scale(&space, 1).await?;
    let waits = |status: &TranscodeJobStatus| status.conditions.iter().any(|c| c.reason == "OtherVersion");
    let held = space.until("film", waits).await?;
    ensure!(held.phase == status.phase && held.stages.len() == status.stages.len(), "{held:?}");
    let message = held.message.unwrap_or_default();
    ensure!(message.contains("speaks version 99 of the runner's contract"), "{message}");
    // As if the operator were upgraded to one that speaks it.
    scale(&space, 0).await?;
    vouch(&space, &told).await?;
    scale(&space, 1).await?;
    space.ends("film", Phase::Succeeded).await?;
    none_made_again(&space, &before).await?;
    space.end().await
}

/// Adds the ConfigMap of a job as a newer operator would have written it, and tells its digest.
async fn newer(space: &Space) -> Result<String> {
    let maps = space.files().await?;
    let of_job = |map: &&ConfigMap| map.data.as_ref().is_some_and(|data| data.contains_key("job.json"));
    let mut map = maps.iter().find(of_job).context("no job file")?.clone();
    let data = map.data.as_mut().context("no data")?;
    let mut file: Value = serde_json::from_str(&data["job.json"])?;
    file["version"] = 99.into();
    file["spec"]["unheardOf"] = json!({"really": true});
    let written = file.to_string();
    let digest = hex::encode(Sha256::digest(format!("{}\n{written}", data["image"])));
    data.insert("job.json".into(), written);
    let name = format!("{}-{}", map.name_any(), &digest[..10]);
    let owner_references = map.metadata.owner_references.take();
    map.metadata = ObjectMeta { name: Some(name), labels: map.metadata.labels, owner_references, ..Default::default() };
    space.api().create(&PostParams::default(), &map).await?;
    Ok(digest)
}

async fn vouch(space: &Space, digest: &str) -> Result<()> {
    let patch = Patch::Merge(json!({"status": {"resolved": digest}}));
    space.api::<TranscodeJob>().patch_status("film", &PatchParams::default(), &patch).await?;
    Ok(())
}
