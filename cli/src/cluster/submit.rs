//! `submit`: what the files say, by server-side apply.

use kube::{
    Api, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::Value;
use transcode_api::{ClusterTranscodeProfile, TranscodeJob, TranscodeProfile};

use crate::{
    Exit,
    args::{DryRun, RunOutput, SubmitArgs},
    cluster::{
        Cluster,
        manifests::{self, Kind, Wanted},
        watch, words,
    },
};

/// Who writes.
const MANAGER: &str = "kubectl-transcode";

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    Created,
    Configured,
    Unchanged,
}

/// Makes or changes everything that the files have.
pub async fn run(args: SubmitArgs) -> anyhow::Result<Exit> {
    anyhow::ensure!(!args.watch || args.dry_run == DryRun::None, "--watch has nothing to watch with --dry-run");
    let Some(wanted) = manifests::load(&args.files)? else { return Ok(Exit::WrongUse) };
    let cluster = Cluster::connect(&args.cluster).await?;
    for wanted in &wanted {
        fits(wanted, args.cluster.namespace.as_deref())?;
    }
    let mut refused = false;
    let mut jobs = vec![];
    for wanted in &wanted {
        let namespace = wanted.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
        match put(&cluster, &args, wanted, &namespace).await? {
            Ok((name, became)) => {
                tell(&args, wanted.kind, &name, became);
                if wanted.kind == Kind::Job {
                    jobs.push((namespace, name));
                }
            }
            Err(why) => {
                eprintln!("error: {}/{}: {why}", full_name(wanted.kind), wanted.name.as_deref().unwrap_or_default());
                refused = true;
            }
        }
    }
    let watched = match args.watch && !jobs.is_empty() {
        true => watch::jobs(&cluster, jobs, args.output).await?,
        false => Exit::Done,
    };
    Ok(if refused { watched.max(Exit::WrongUse) } else { watched })
}

/// An object that names a namespace goes there, and nowhere else.
fn fits(wanted: &Wanted, asked: Option<&str>) -> anyhow::Result<()> {
    let (Some(asked), Some(own)) = (asked, wanted.namespace.as_deref()) else { return Ok(()) };
    anyhow::ensure!(
        asked == own || wanted.kind == Kind::ClusterProfile,
        "{}/{} is of namespace {own}, and --namespace says {asked}: leave one of them out",
        full_name(wanted.kind),
        wanted.name.as_deref().unwrap_or_default()
    );
    Ok(())
}

fn tell(args: &SubmitArgs, kind: Kind, name: &str, became: Became) {
    let became = match became {
        Became::Created => "created",
        Became::Configured => "configured",
        Became::Unchanged => "unchanged",
    };
    let dry = if args.dry_run == DryRun::Server { " (server dry run)" } else { "" };
    let line = format!("{}/{name} {became}{dry}", full_name(kind));
    match args.output {
        RunOutput::Text => println!("{line}"),
        RunOutput::Json => eprintln!("{line}"),
    }
}

/// What the API server made of an object, or why it refused it. An error is one of the way there.
async fn put(
    cluster: &Cluster,
    args: &SubmitArgs,
    wanted: &Wanted,
    namespace: &str,
) -> anyhow::Result<Result<(String, Became), String>> {
    let resource = resource(wanted.kind);
    let api: Api<DynamicObject> = match wanted.kind {
        Kind::ClusterProfile => Api::all_with(cluster.client.clone(), &resource),
        _ => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
    };
    let answer = cluster.ask(async {
        let done = match &wanted.name {
            Some(name) => apply(&api, args, name, &wanted.object).await,
            None => create(&api, args, &wanted.object).await,
        };
        match done {
            // Of this object alone; the others may be in order.
            Err(kube::Error::Api(status))
                if [400, 404, 409, 422].contains(&status.code) && status.details.is_some() =>
            {
                let advice = match status.is_conflict() && wanted.name.is_some() {
                    true => "; --force-conflicts takes these fields over",
                    false => "",
                };
                Ok(Err(format!("{}{advice}", words::of_status(&status, ""))))
            }
            other => other.map(Ok),
        }
    });
    answer.await
}

async fn create(api: &Api<DynamicObject>, args: &SubmitArgs, object: &Value) -> kube::Result<(String, Became)> {
    let params = PostParams { dry_run: args.dry_run == DryRun::Server, field_manager: Some(MANAGER.into()) };
    let object = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
    let made = api.create(&params, &object).await?;
    Ok((made.metadata.name.unwrap_or_default(), Became::Created))
}

async fn apply(
    api: &Api<DynamicObject>,
    args: &SubmitArgs,
    name: &str,
    object: &Value,
) -> kube::Result<(String, Became)> {
    let mut params = PatchParams::apply(MANAGER).validation_strict();
    params.force = args.force_conflicts;
    params.dry_run = args.dry_run == DryRun::Server;
    let before = api.get_opt(name).await?;
    let after = api.patch(name, &params, &Patch::Apply(object)).await?;
    let became = match before {
        None => Became::Created,
        Some(before) if said(&before) == said(&after) => Became::Unchanged,
        Some(_) => Became::Configured,
    };
    Ok((name.to_owned(), became))
}

/// What users say of an object: neither its status nor who wrote what.
fn said(object: &DynamicObject) -> (Option<&Value>, impl PartialEq, impl PartialEq) {
    (object.data.get("spec"), object.metadata.labels.clone(), object.metadata.annotations.clone())
}

fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::Job => ApiResource::erase::<TranscodeJob>(&()),
        Kind::Profile => ApiResource::erase::<TranscodeProfile>(&()),
        Kind::ClusterProfile => ApiResource::erase::<ClusterTranscodeProfile>(&()),
    }
}

/// `transcodejob.transcode.media`
fn full_name(kind: Kind) -> String {
    let (kind, group) = match kind {
        Kind::Job => (TranscodeJob::kind(&()), TranscodeJob::group(&())),
        Kind::Profile => (TranscodeProfile::kind(&()), TranscodeProfile::group(&())),
        Kind::ClusterProfile => (ClusterTranscodeProfile::kind(&()), ClusterTranscodeProfile::group(&())),
    };
    format!("{}.{group}", kind.to_lowercase())
}
