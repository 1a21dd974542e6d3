//! From a source to verified output, measured as for the local engine.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use e2e_cluster::{
    Space,
    wait::{until_any, until_with},
};
use e2e_media::{proof::prove_published, recipe, row::Row, sources::TABLE, web::Web};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DynamicObject, PostParams};
use transcode_api::{ClusterTranscodeProfile, FanOut, TranscodeJob, TranscodeProfile, status::Phase};
use transcode_storage::Store;

use super::security::{JOBS, checked};

fn row(name: &str) -> Result<&'static Row> {
    TABLE.iter().find(|row| row.name == name).with_context(|| format!("there is no row {name}"))
}

/// Publishes a row of the table on the cluster and measures every frame and sample of it.
async fn proved(test: &str, name: &'static str, fan_out: Option<FanOut>) -> Result<Space> {
    let space = Space::new(test).await?;
    let folder = tempfile::tempdir()?;
    let (runtime, row) = (tokio::runtime::Handle::current(), row(name)?);
    let (shared, root) = (&space, folder.path().to_path_buf());
    tokio::task::block_in_place(|| {
        prove_published(row, &root, false, |_, source| {
            runtime.block_on(async {
                shared.upload(source, "source").await?;
                // The proofs read where chunks join from the work data.
                let rest = format!("  options: {}\n  workData: {{deleteOn: Never}}", row.options);
                let mut job = shared.job("e2e", "source", row.formats, &rest)?;
                if let Some(video) = job.spec.options.as_mut().and_then(|options| options.video.as_mut()) {
                    video.fan_out = fan_out.or(video.fan_out);
                }
                shared.create(&job).await?;
                let status = shared.ends("e2e", Phase::Succeeded).await?;
                ensure!(status.outputs.iter().any(|output| output.kind == "hls"), "no HLS in {:?}", status.outputs);
                shared.download("e2e", &root.join("out")).await?;
                Ok(root.join("out"))
            })
        })
    })?;
    Ok(space)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_for_each_chunk_and_rendition() -> Result<()> {
    let space = proved("closed_gop", "closed_gop", None).await?;
    space.end().await
}

/// The very same output, from three Jobs: Probe, everything, and nothing to clean up.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_job_in_one_pod() -> Result<()> {
    let space = proved("whole", "closed_gop", Some(FanOut::Auto)).await?;
    let status = space.ends("e2e", Phase::Succeeded).await?;
    ensure!(status.fan_out.as_deref().is_some_and(|words| words.starts_with("Whole:")), "{:?}", status.fan_out);
    ensure!(status.stages.iter().all(|stage| stage.done == stage.total), "{:?}", status.stages);
    let ran: Vec<_> =
        status.stages.iter().filter(|stage| stage.started_at.is_some()).map(|stage| &*stage.name).collect();
    ensure!(ran == ["probe", "whole"], "{ran:?}");
    ensure!(status.warnings.is_empty(), "{:?}", status.warnings);
    space.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_for_each_chunk() -> Result<()> {
    let space = proved("open_gop", "open_gop", None).await?;
    let status = space.ends("e2e", Phase::Succeeded).await?;
    ensure!(status.fan_out.as_deref().is_some_and(|words| words.starts_with("Chunk:")), "{:?}", status.fan_out);
    let encode = status.stages.iter().find(|stage| stage.name == "encode").context("no stage encode")?;
    ensure!(encode.total >= 2, "{encode:?}");
    space.end().await
}

/// The URL is signed and lies in a Secret; no object but the Secret has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_as_the_source() -> Result<()> {
    let space = Space::new("http").await?;
    let row = row("closed_gop")?;
    let source = recipe::source(row)?;
    let web = Web::serve_at(&space.site.host, "movie.mp4", std::fs::read(source)?)?;
    let signed = BTreeMap::from([("url".to_owned(), format!("{}?sig=52f1cf9d04d0", web.url))]);
    space.secret("film", signed).await?;
    let input = "http: {urlSecretRef: {name: film, key: url}}";
    let rest = format!("  options: {}\n  workData: {{deleteOn: Never}}", row.options);
    space.create(&space.job_of("film", input, "[hls]", &rest)?).await?;
    let pod = until_any(&space.api::<Pod>(), JOBS, |_| true).await?;
    checked(&pod)?;
    let status = space.ends("film", Phase::Succeeded).await?;
    let job = space.api::<TranscodeJob>().get("film").await?;
    let all = [serde_json::to_string(&job)?, serde_json::to_string(&space.files().await?)?];
    ensure!(all.iter().all(|object| !object.contains("52f1cf9d04d0")), "the signature is told: {all:?}");
    for key in space.keys("film/").await?.iter().filter(|key| key.ends_with(".json")) {
        let object = space.store()?.get_bytes(key, 1 << 30).await?;
        ensure!(!String::from_utf8_lossy(&object).contains("52f1cf9d04d0"), "the signature is in {key}");
    }
    let frames = status.media.context("no media")?;
    ensure!(frames.duration == "36s", "{frames:?}");
    ensure!(web.ranges() > 0, "the source was not read in ranges");
    space.end().await
}

/// Both kinds of profiles, and a job over them; one of the profiles comes after the job.
#[tokio::test(flavor = "multi_thread")]
async fn profiles_lie_under_a_job() -> Result<()> {
    let space = Space::new("profiles").await?;
    let wide: ClusterTranscodeProfile = serde_saphyr::from_str(&format!(
        "apiVersion: transcode.media/v1alpha1\nkind: ClusterTranscodeProfile\nmetadata: {{name: {}}}\nspec:\n  options:\n    \
         video: {{segmentDuration: 2s, encode: {{h264: {{preset: ultrafast, rate: {{crf: 30}}}}}}}}\n    \
         renditions: [{{name: top, box: {{width: 320, height: 320}}}}, {{name: low, box: {{width: 160, height: 160}}}}]",
        space.name
    ))?;
    let cluster = kube::Api::<ClusterTranscodeProfile>::all(space.site.client.clone());
    cluster.create(&PostParams::default(), &wide).await?;
    let source = recipe::source(row("closed_gop")?)?;
    space.upload(&source, "source").await?;
    let rest = format!(
        "  profiles: [{{kind: ClusterTranscodeProfile, name: {}}}, {{kind: TranscodeProfile, name: team}}]\n  \
         options: {{renditions: [{{name: only, box: {{width: 64, height: 64}}}}]}}",
        space.name
    );
    space.create(&space.job("film", "source", "[hls]", &rest)?).await?;
    let waits = |status: &transcode_api::TranscodeJobStatus| {
        status.conditions.iter().any(|condition| condition.reason == "ProfileNotFound")
    };
    space.until("film", waits).await?;
    let team: TranscodeProfile = serde_saphyr::from_str(
        "apiVersion: transcode.media/v1alpha1\nkind: TranscodeProfile\nmetadata: {name: team}\nspec:\n  options: {audio: {mode: Disabled}}",
    )?;
    space.api().create(&PostParams::default(), &team).await?;
    let status = space.ends("film", Phase::Succeeded).await?;
    let names: Vec<_> = status.renditions.iter().map(|rendition| rendition.name.as_str()).collect();
    ensure!(names == ["only"], "the job's own renditions win, and the team wants no audio: {names:?}");
    cluster.delete(&space.name, &Default::default()).await?;
    space.end().await
}

/// Flux and Argo CD: in progress from first sight, well or not at the end only.
#[tokio::test]
async fn flux_and_argo_judge_rightly_at_every_moment() -> Result<()> {
    let space = Space::new("kstatus").await?;
    let source = recipe::source(row("closed_gop")?)?;
    space.upload(&source, "source").await?;
    let rest = "  options: {renditions: [{name: low, box: {width: 160, height: 160}}], video: {encode: {h264: {preset: ultrafast}}}}";
    for (name, key, ends) in [("good", "source", ["Current", "Healthy"]), ("bad", "nothing", ["Failed", "Degraded"])] {
        space.create(&space.job(name, key, "[hls]", rest)?).await?;
        let seen = Mutex::new(vec![]);
        let over = |job: Option<&DynamicObject>| {
            let Some(job) = job else { return false };
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(job.clone());
            matches!(job.data["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        };
        until_with(&space.dynamic::<TranscodeJob>(), name, over).await?;
        let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let judged = [space.site.flux_judges(&seen)?, space.site.argo_judges(&seen)?];
        for ((judged, end), under_way) in judged.iter().zip(ends).zip(["InProgress", "Progressing"]) {
            let (last, before) = judged.split_last().context("nothing was seen")?;
            ensure!(last == end, "{name} ends as {last}");
            ensure!(before.iter().all(|status| status == under_way), "{name}: {before:?}");
        }
    }
    space.end().await
}
