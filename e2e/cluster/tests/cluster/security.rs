//! Who may create TranscodeJobs gets nothing more by it.

use anyhow::{Context, Result, ensure};
use e2e_cluster::{
    Space,
    wait::{until, until_any},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, Event, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use transcode_api::{TranscodeJob, TranscodeJobStatus, status::Phase};

#[tokio::test]
async fn a_foreign_service_account_is_refused() -> Result<()> {
    let space = Space::new("account").await?;
    let job = space.job("film", "source", "[hls]", "  scheduling: {serviceAccountName: admin}")?;
    space.create(&job).await?;
    let status = space.ends("film", Phase::Failed).await?;
    let refused = |status: &TranscodeJobStatus| {
        status.conditions.iter().any(|c| c.kind == "Failed" && c.reason == "ServiceAccountNotAllowed")
    };
    ensure!(refused(&status), "{:?}", status.conditions);
    ensure!(space.pods().await?.is_empty(), "a pod was made");
    // It has ended like any other: its time may run out.
    space.change("film", json!({"ttlSecondsAfterFinished": 1})).await?;
    until(&space.api::<TranscodeJob>(), "film", |job| job.is_none()).await?;
    space.end().await
}

/// What Kubernetes keeps for itself is refused; what the site does not list is told and runs.
#[tokio::test]
async fn a_job_takes_no_priority_of_the_cluster() -> Result<()> {
    let space = Space::new("priority").await?;
    let wants = |name: &str, encode: &str| {
        space.job(name, "source", "[hls]", &format!("  scheduling: {{encode: {{{encode}}}}}"))
    };
    space.create(&wants("critical", "priorityClassName: system-node-critical")?).await?;
    space
        .create(&wants("master", "tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists}]")?)
        .await?;
    for name in ["critical", "master"] {
        let status = space.ends(name, Phase::Failed).await?;
        ensure!(status.conditions.iter().any(|c| c.reason == "SchedulingNotAllowed"), "{:?}", status.conditions);
    }
    ensure!(space.pods().await?.is_empty(), "a pod was made");
    space.create(&wants("selects", "nodeSelector: {pool: video}")?).await?;
    until_any(&space.api::<Event>(), "", |event: &Event| {
        event.reason.as_deref() == Some("SchedulingNotAllowed")
            && event.involved_object.name.as_deref() == Some("selects")
    })
    .await?;
    until_any(&space.api::<Pod>(), JOBS, |_| true).await?;
    space.end().await
}

/// Selects what belongs to any TranscodeJob.
pub const JOBS: &str = "transcode.media/job-uid";

/// What runs for a job: no token, no root, nothing of the host, no more of a Secret than its keys.
#[tokio::test]
async fn pods_have_no_more_than_they_need() -> Result<()> {
    let space = Space::new("pods").await?;
    space.create(&space.job("film", "nothing", "[hls]", "")?).await?;
    // Some pod; they all come from the same place.
    let pod = until_any(&space.api::<Pod>(), JOBS, |_| true).await?;
    checked(&pod)?;
    space.end().await
}

/// Fails when a pod has more than that.
pub fn checked(pod: &Pod) -> Result<()> {
    let spec = pod.spec.clone().unwrap_or_default();
    ensure!(spec.automount_service_account_token == Some(false), "a token is mounted");
    ensure!(spec.host_network != Some(true) && spec.host_pid != Some(true), "it is on the host");
    for volume in spec.volumes.iter().flatten() {
        ensure!(volume.host_path.is_none() && volume.secret.is_none(), "volume {}", volume.name);
        let sources: Vec<_> =
            volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()).collect();
        ensure!(
            sources.iter().all(|source| source.service_account_token.is_none()),
            "volume {} is a token",
            volume.name
        );
        for secret in sources.iter().filter_map(|source| source.secret.as_ref()) {
            ensure!(secret.items.as_ref().is_some_and(|items| items.len() == 1), "all of {} is mounted", secret.name);
        }
    }
    for container in &spec.containers {
        let context = container.security_context.clone().unwrap_or_default();
        ensure!(context.read_only_root_filesystem == Some(true), "its root can be written");
        ensure!(context.allow_privilege_escalation == Some(false), "it may gain privileges");
    }
    Ok(())
}

/// Who may write ConfigMaps chooses neither the image of runners nor what they do.
#[tokio::test]
async fn a_forged_config_map_is_not_followed() -> Result<()> {
    let space = Space::new("forged").await?;
    space.create(&space.job("film", "nothing", "[hls]", "  suspend: true")?).await?;
    space.until("film", |status| status.phase == Some(Phase::Suspended)).await?;
    let maps = space.api::<ConfigMap>();
    let all = maps.list(&ListParams::default()).await?.items;
    let mut forged = all.into_iter().find(|map| map.name_any().ends_with("-job")).context("no ConfigMap of the job")?;
    let let_go = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch(&forged.name_any(), &PatchParams::default(), &let_go).await?;
    maps.delete(&forged.name_any(), &DeleteParams::default()).await?;
    let data = forged.data.get_or_insert_default();
    data.insert("image".into(), "registry.example/evil:1".into());
    data.entry("job.json".into()).and_modify(|text| *text = text.replace("/nothing", "/another"));
    (forged.metadata.resource_version, forged.metadata.uid) = (None, None);
    maps.create(&PostParams::default(), &forged).await?;
    space.change("film", json!({"suspend": false})).await?;
    let pod = until_any(&space.api::<Pod>(), JOBS, |_| true).await?;
    let images: Vec<_> = pod.spec.iter().flat_map(|spec| &spec.containers).map(|c| c.image.clone()).collect();
    ensure!(images.iter().flatten().all(|image| !image.contains("evil")), "{images:?}");
    let status = space.ends("film", Phase::Failed).await?;
    ensure!(
        status.message.as_deref().is_some_and(|words| words.contains("somebody changed it")),
        "{:?}",
        status.message
    );
    space.end().await
}

/// What a thief of the operator's token would try with Jobs, and what the API server says.
const TRICKS: &[(&str, &str)] = &[
    (r#"{"containers": [{"name": "runner", "image": "registry.example/evil:1"}]}"#, "only run the runner image"),
    (r#"{"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}"#, "may not mount this volume"),
    (
        r#"{"volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}"#,
        "may not mount this volume",
    ),
    (r#"{"containers": [{"command": ["sh", "-c", "id"]}]}"#, "may only run the runner"),
    (
        r#"{"containers": [{"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "secretAccessKey"}}}]}]}"#,
        "may not use this Secret",
    ),
    (r#"{"containers": [{"envFrom": [{"secretRef": {"name": "s3"}}]}]}"#, "may not use this Secret"),
    (r#"{"automountServiceAccountToken": true}"#, "may not give Pods a token"),
    (r#"{"serviceAccountName": "admin"}"#, "may not use this ServiceAccount"),
    (r#"{"hostNetwork": true}"#, "may not use the host's namespaces"),
    (r#"{"hostPID": true}"#, "may not use the host's namespaces"),
    (r#"{"securityContext": {"runAsNonRoot": false}}"#, "may not run containers as root"),
    (
        r#"{"containers": [{"securityContext": {"readOnlyRootFilesystem": true, "allowPrivilegeEscalation": true}}]}"#,
        "may not give containers privileges",
    ),
    (
        r#"{"containers": [{"securityContext": {"readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["SYS_ADMIN"]}}}]}"#,
        "may not give containers privileges",
    ),
    (r#"{"initContainers": [{"name": "first", "image": "registry.example/evil:1"}]}"#, "only run the runner image"),
];

/// By the chart's policy `operatorJobs`: the operator's token makes no Jobs but its own.
#[tokio::test]
async fn the_operators_token_makes_no_other_jobs() -> Result<()> {
    let space = Space::new("token").await?;
    space.create(&space.job("film", "nothing", "[hls]", "")?).await?;
    let own = until_any(&space.api::<Job>(), JOBS, |_| true).await?;
    let operators = ListParams::default().labels("app.kubernetes.io/name=transcode-operator");
    let operator = Api::<Deployment>::all(space.site.client.clone()).list(&operators).await?.items;
    let operator = operator.into_iter().next().context("the operator is not installed")?;
    let account = operator.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()?.service_account_name.clone());
    let account = account.context("it has no ServiceAccount")?;
    let user = format!("system:serviceaccount:{}:{account}", operator.namespace().unwrap_or_default());
    let client = space.site.client_as(&user).await?;
    let (jobs, dry) =
        (Api::<Job>::namespaced(client, &space.name), PostParams { dry_run: true, ..PostParams::default() });
    let mut spec = serde_json::to_value(own.spec.unwrap_or_default())?;
    for path in ["/selector", "/template/metadata/labels"] {
        spec.pointer_mut(path).context("the Job lacks something")?.take();
    }
    let copy = |pod: &Value| -> Result<Job> {
        let mut spec = spec.clone();
        for (field, value) in pod.as_object().into_iter().flatten() {
            let place = &mut spec["template"]["spec"][field];
            match (field.as_str(), place.as_array_mut()) {
                // The fields of a container replace those of the runner.
                ("containers", Some(there)) => {
                    let fields = value[0].as_object().cloned().unwrap_or_default();
                    there[0].as_object_mut().context("no container")?.extend(fields);
                }
                ("volumes", Some(there)) => there.extend(value.as_array().cloned().unwrap_or_default()),
                _ => *place = value.clone(),
            }
        }
        Ok(serde_json::from_value(json!({"metadata": {"name": "copy"}, "spec": spec}))?)
    };
    jobs.create(&dry, &copy(&json!({}))?).await?;
    for (trick, expected) in TRICKS {
        let answer = jobs.create(&dry, &copy(&serde_json::from_str(trick)?)?).await;
        let said = answer.err().with_context(|| format!("{trick} is taken"))?.to_string();
        ensure!(said.contains(expected), "{trick}: {said}");
    }
    space.end().await
}

/// An address inside the cluster that the operator does not allow is not reached by naming it.
#[tokio::test]
async fn addresses_of_the_site_are_refused() -> Result<()> {
    let space = Space::new("guard").await?;
    let input = "http: {url: \"http://169.254.169.254/latest/meta-data\"}";
    space.create(&space.job_of("film", input, "[hls]", "")?).await?;
    let status = space.ends("film", Phase::Failed).await?;
    ensure!(status.message.as_deref().is_some_and(|message| message.contains("metadata")), "{:?}", status.message);
    space.end().await
}
