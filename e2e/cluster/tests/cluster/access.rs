//! A user who may make TranscodeJobs in one namespace, and `kubectl apply` with what is broken.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use e2e_cluster::{
    Space,
    wait::{until, until_any},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{Pod, Secret},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use transcode_api::{ClusterTranscodeProfile, TranscodeJob, TranscodeProfile, status::Phase};

use super::security::{JOBS, checked};

/// What a job would have to say to get at more, put into one that is right, and what the server says of it.
const REACHES: &[(&str, &str, &str)] = &[
    ("{name: s3}}", "{name: s3, namespace: kube-system}}", "stores[0].credentials.secretRef.namespace\""),
    ("{name: s3}}", "{name: kube-system/s3}}", "\"kube-system/s3\": spec.stores[0].credentials.secretRef.name in body"),
    ("spec:", "spec:\n  image: mine", "unknown field \"spec.image\""),
    ("spec:", "spec:\n  volumes: [{name: host, hostPath: {path: /}}]", "unknown field \"spec.volumes\""),
    ("spec:", "spec:\n  hostPath: {path: /}", "unknown field \"spec.hostPath\""),
    ("spec:", "spec:\n  template: {spec: {}}", "unknown field \"spec.template\""),
    ("spec:", "spec:\n  scheduling: {image: mine}", "unknown field \"spec.scheduling.image\""),
    ("spec:", "spec:\n  scheduling: {encode: {image: mine}}", "unknown field \"spec.scheduling.encode.image\""),
    ("spec:", "spec:\n  scheduling: {light: {volumes: []}}", "unknown field \"spec.scheduling.light.volumes\""),
    (
        "spec:",
        "spec:\n  scheduling: {light: {hostNetwork: true}}",
        "unknown field \"spec.scheduling.light.hostNetwork\"",
    ),
    ("spec:", "spec:\n  scheduling: {encode: {command: [sh]}}", "unknown field \"spec.scheduling.encode.command\""),
    ("spec:", "spec:\n  scheduling: {encode: {env: []}}", "unknown field \"spec.scheduling.encode.env\""),
    (
        "spec:",
        "spec:\n  scheduling: {encode: {securityContext: {privileged: true}}}",
        "unknown field \"spec.scheduling.encode.securityContext\"",
    ),
];

/// Bound to the chart's ClusterRole `transcode-edit` in one namespace. That another ServiceAccount is
/// refused is in `security.rs`: it is the same for everybody.
#[tokio::test]
async fn a_least_privileged_user_gets_nothing_more() -> Result<()> {
    let space = Space::new("user").await?;
    let user = format!("editor-{}", space.name);
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "editors"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "transcode-edit"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }))?;
    space.api().create(&PostParams::default(), &binding).await?;
    let client = space.site.client_as(&user).await?;
    let jobs = Api::<TranscodeJob>::namespaced(client.clone(), &space.name);
    // What is granted holds a moment later: the watch begins again until it does.
    until(&jobs, "film", |job| job.is_none()).await?;
    let film = space.job("film", "nothing", "[hls]", "")?;
    may_not_use_a_secret_unread(&jobs, &film).await?;
    may_read_the_secret(&space, &user, &client).await?;
    jobs.create(&PostParams::default(), &film).await?;
    let pod = until_any(&space.api::<Pod>(), JOBS, |_| true).await?;
    checked(&pod)?;
    has_the_operators_image(&space, &pod).await?;
    let failed = |job: &TranscodeJob| job.status.as_ref().is_some_and(|status| status.phase == Some(Phase::Failed));
    until(&jobs, "film", |job| job.is_some_and(failed)).await?;
    jobs.patch("film", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"labels": {"team": "films"}}})))
        .await?;
    ensure!(jobs.get("film").await?.metadata.labels.is_some_and(|labels| labels["team"] == "films"), "not changed");
    ensure!(jobs.list(&ListParams::default()).await?.items.len() == 1, "there are other jobs");
    is_forbidden_the_rest(&space, client).await?;
    gets_at_nothing_by_a_job(&space, &user)?;
    jobs.delete("film", &DeleteParams::default()).await?;
    until(&jobs, "film", |job| job.is_none()).await?;
    space.end().await
}

/// By the chart's policy `secretAccess`.
async fn may_not_use_a_secret_unread(jobs: &Api<TranscodeJob>, film: &TranscodeJob) -> Result<()> {
    let answer = jobs.create(&PostParams::default(), film).await.map(|_| ()).err().map(|error| error.to_string());
    let answer = answer.context("a job was made with a Secret that its author may not read")?;
    ensure!(answer.contains("needs permission to get each Secret that the TranscodeJob uses"), "{answer}");
    Ok(())
}

async fn may_read_the_secret(space: &Space, user: &str, client: &Client) -> Result<()> {
    let role: Role = serde_json::from_value(json!({
        "metadata": {"name": "reads-s3"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s3"], "verbs": ["get", "list", "watch"]}],
    }))?;
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "reads-s3"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads-s3"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }))?;
    space.api().create(&PostParams::default(), &role).await?;
    space.api().create(&PostParams::default(), &binding).await?;
    // What is granted holds a moment later.
    let secrets = Api::<Secret>::namespaced(client.clone(), &space.name);
    until(&secrets, "s3", |secret| secret.is_some()).await?;
    Ok(())
}

async fn has_the_operators_image(space: &Space, pod: &Pod) -> Result<()> {
    let operators = ListParams::default().labels("app.kubernetes.io/part-of=transcode-operator");
    let operators = Api::<Deployment>::all(space.site.client.clone()).list(&operators).await?.items;
    let specs = operators.into_iter().filter_map(|operator| operator.spec?.template.spec);
    let arguments = specs.flat_map(|spec| spec.containers).filter_map(|container| container.args).flatten();
    let images: Vec<_> = arguments.filter_map(|a| a.strip_prefix("--runner-image=").map(str::to_owned)).collect();
    ensure!(!images.is_empty(), "no operator was found");
    let spec = pod.spec.as_ref().context("no spec")?;
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        ensure!(container.image.as_ref().is_some_and(|image| images.contains(image)), "{:?}", container.image);
    }
    Ok(())
}

/// Every answer has to be 403. Nothing is made if it is not.
async fn is_forbidden_the_rest(space: &Space, client: Client) -> Result<()> {
    let (here, dry, all) = (&space.name, PostParams { dry_run: true, ..PostParams::default() }, ListParams::default());
    let jobs = Api::<TranscodeJob>::namespaced(client.clone(), here);
    let done = Patch::Merge(json!({"status": {"phase": "Succeeded"}}));
    let elsewhere = Api::<TranscodeJob>::namespaced(client.clone(), "default");
    let secrets = Api::<Secret>::namespaced(client.clone(), here);
    let pods = Api::<Pod>::namespaced(client.clone(), here);
    let batch = Api::<Job>::namespaced(client.clone(), here);
    let bindings = Api::<RoleBinding>::namespaced(client.clone(), here);
    let wide = Api::<ClusterTranscodeProfile>::all(client.clone());
    let profile: ClusterTranscodeProfile = serde_json::from_value(json!({"metadata": {"name": "mine"}, "spec": {}}))?;
    let answers = [
        ("write a status", code(jobs.patch_status("film", &PatchParams::default(), &done).await)),
        ("make a pod", code(pods.create(&dry, &Pod::default()).await)),
        ("see pods", code(pods.list(&all).await)),
        ("make a Job", code(batch.create(&dry, &Job::default()).await)),
        ("make a Secret", code(secrets.create(&dry, &Secret::default()).await)),
        ("read another Secret", code(secrets.get("other").await)),
        ("list Secrets", code(secrets.list(&all).await)),
        ("grant rights", code(bindings.create(&dry, &RoleBinding::default()).await)),
        ("make a TranscodeJob elsewhere", code(elsewhere.create(&dry, &space.job("film", "a", "[hls]", "")?).await)),
        ("see TranscodeJobs elsewhere", code(Api::<TranscodeJob>::all(client).list(&all).await)),
        ("read a ClusterTranscodeProfile", code(wide.get("any").await)),
        ("list ClusterTranscodeProfiles", code(wide.list(&all).await)),
        ("make a ClusterTranscodeProfile", code(wide.create(&dry, &profile).await)),
    ];
    for (what, code) in answers {
        ensure!(code == Some(403), "may the user {what}? {code:?}");
    }
    Ok(())
}

/// The status of a refusal.
fn code<T>(answer: kube::Result<T>) -> Option<u16> {
    match answer {
        Err(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}

/// Nothing of this can be said in a job.
fn gets_at_nothing_by_a_job(space: &Space, user: &str) -> Result<()> {
    let right = space.manifest("other", "http: {url: \"https://media.example/movie.mov\"}", "[hls]", "");
    let apply = ["apply", "--as", user, "--namespace", &space.name, "--dry-run=server", "-f", "-"];
    let (applied, said) = space.site.kubectl(&apply, &right)?;
    ensure!(applied, "{said}");
    for (from, to, expected) in REACHES {
        let (applied, said) = space.site.kubectl(&apply, &right.replace(from, to))?;
        ensure!(!applied && said.contains(expected), "{to}: {said}");
    }
    Ok(())
}

/// The manifests that the command line refuses too, as far as kubectl sends them: what their heads say
/// is told by the API server, and nothing is made.
#[tokio::test]
async fn thirty_broken_specs_are_refused_by_kubectl_apply() -> Result<()> {
    let space = Space::new("broken").await?;
    let apply = ["apply", "--namespace", &space.name, "-f", "-"];
    let (mut tried, mut wrong) = (BTreeSet::new(), vec![]);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/manifest/tests/refusals"))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let Some(words) = text.lines().find_map(|line| line.strip_prefix("# server: says: ")) else { continue };
        let (applied, said) = space.site.kubectl(&apply, &text)?;
        // kubectl's own refusals begin so.
        if applied || said.starts_with("error: ") || !words.split(" … ").all(|words| said.contains(words)) {
            wrong.push(format!("{}: `{words}` is not in: {said}", path.display()));
        }
        tried.insert(words.to_owned());
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(tried.len() >= 30, "only {} different ones were tried", tried.len());
    let all = ListParams::default();
    ensure!(space.api::<TranscodeJob>().list(&all).await?.items.is_empty(), "a job was made");
    ensure!(space.api::<TranscodeProfile>().list(&all).await?.items.is_empty(), "a profile was made");
    space.end().await
}
