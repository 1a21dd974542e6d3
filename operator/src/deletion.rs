//! A deleted job goes when its work data is gone: Jobs first, then pods, then what they wrote.

use jiff::SignedDuration;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
    core::PartialObjectMeta,
    runtime::{controller::Action as Requeue, events::EventType},
};
use transcode_api::{OnDelete, WorkDataDeletion};
use transcode_engine::{Batch, BatchId, ResolvedSpec, StageId, StageKind, TaskSet, estimate};

use crate::{
    children::delete,
    error::{Error, namespace_goes},
    known::Known,
    names::{FINALIZER, JOB_UID, Names},
    reconcile::Pass,
    render::{self, Scene},
    view::{JobView, Over},
};

/// Pods may take so long to go.
const PODS: SignedDuration = SignedDuration::from_secs(120);
/// Work data that can't be deleted within this stays; a person is told.
const PATIENCE: SignedDuration = SignedDuration::from_secs(600);
/// The Job of the cleanup goes by itself should nobody else delete it.
const CLEANUP_TTL_SECONDS: i32 = 600;
/// How often pods are looked for: nothing watches them.
const LOOK: std::time::Duration = std::time::Duration::from_secs(2);

/// The next step of a deletion.
pub async fn step(pass: &Pass<'_>, known: Option<Known>) -> Result<Requeue, Error> {
    if !pass.job.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(Requeue::await_change());
    }
    let client = &pass.scope.shared.client;
    let namespace = pass.job.namespace().unwrap_or_default();
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let names = Names::of(pass.job);
    let since = pass.job.metadata.deletion_timestamp.as_ref().map_or(pass.now, |time| time.0);
    let passed = pass.now.duration_since(since);

    // From the API server itself: what was started a moment ago the watch may not show yet.
    let views = pass.children().await?;
    let (cleanup, others): (Vec<_>, Vec<_>) = views.iter().partition(|view| view.name == names.cleanup());
    for view in &others {
        delete(&jobs, &view.name, Some(&view.uid)).await?;
    }
    if cleanup.is_empty() && passed < PODS && pods_run(client, &namespace, pass).await? {
        return Ok(Requeue::requeue(LOOK));
    }
    let files = pass.files();
    let seen = match (known, files.told()) {
        (Some(known), _) => Some(known.seen),
        (None, None) => None,
        (None, Some(_)) => match files.seen().await {
            // An earlier pass let go of both, and the watch lags behind.
            Ok(None) if !is_held(pass).await? => return Ok(Requeue::await_change()),
            Ok(None) => return give_up(pass, "the ConfigMap that says what it is was changed or is gone").await,
            Ok(seen) => seen,
            Err(error @ Error::Api(_)) => return Err(error),
            Err(error) => return give_up(pass, &error.to_string()).await,
        },
    };
    if let Some(seen) = &seen {
        pass.scope.shared.writes_to(&pass.job.uid().unwrap_or_default(), &seen.file.spec);
    }
    // Another job has the output: what lies there may be its own by now.
    let shared = pass.scope.is_shared(pass.job);
    let Some(seen) = seen.filter(|seen| !shared && erases(&seen.file.spec, false)) else {
        return done(pass).await;
    };
    match cleanup.first().map(|view: &&JobView| &view.over) {
        Some(Some(Over::Complete)) => {
            delete(&jobs, &names.cleanup(), None).await?;
            return done(pass).await;
        }
        Some(Some(Over::Failed(words))) => return give_up(pass, words).await,
        _ if passed > PATIENCE => return give_up(pass, "its cleanup did not end in 10 minutes").await,
        Some(None) => {}
        // An earlier pass has erased and let go, and the watch lags behind: by now the output may be another job's.
        None if !is_held(pass).await? => return Ok(Requeue::await_change()),
        None => {
            let scene = Scene {
                args: &pass.scope.shared.args,
                job: pass.job,
                seen: &seen,
                facts: None,
                gaps: &TaskSet::default(),
            };
            match jobs.create(&PostParams::default(), &job(&scene, &names)).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                // The namespace goes too: nothing can be made in it any more.
                Err(kube::Error::Api(status)) if namespace_goes(&status) => {
                    return give_up(pass, &status.message).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    let rest = (PATIENCE - passed).max(SignedDuration::from_secs(1));
    Ok(Requeue::requeue(rest.try_into().unwrap_or(LOOK)))
}

/// Whether the job is still there and has the finalizer, as the API server has it.
async fn is_held(pass: &Pass<'_>) -> Result<bool, Error> {
    // Its role has no `get`.
    let named = ListParams::default().fields(&format!("metadata.name={}", pass.job.name_any()));
    let there = pass.scope.api(pass.job).list_metadata(&named).await?.items;
    let held = |there: &PartialObjectMeta<_>| there.finalizers().iter().any(|name| name == FINALIZER);
    Ok(there.iter().any(|there| there.uid() == pass.job.uid() && held(there)))
}

/// Whether anything is to be erased when the job is deleted; `cleaned` once its work data is gone.
pub fn erases(spec: &ResolvedSpec, cleaned: bool) -> bool {
    spec.output.on_delete == Some(OnDelete::Delete) || spec.delete_work != WorkDataDeletion::Never && !cleaned
}

/// The Job that deletes what a deleted job wrote. Without an owner: it would go with it.
fn job(scene: &Scene<'_>, names: &Names) -> Job {
    let id = BatchId { stage: StageId::job(StageKind::Cleanup), number: 0 };
    let demand = estimate::demand(StageKind::Cleanup, None);
    let mut job = render::job(scene, &Batch { id, tasks: TaskSet::one(0), cap: 1, demand });
    job.metadata.name = Some(names.cleanup());
    job.metadata.owner_references = None;
    if let Some(spec) = &mut job.spec {
        spec.ttl_seconds_after_finished = Some(CLEANUP_TTL_SECONDS);
        spec.backoff_limit_per_index = Some(3);
        let what = match scene.seen.file.spec.output.on_delete {
            Some(OnDelete::Delete) => "all",
            _ => "work",
        };
        let pod = spec.template.spec.iter_mut().flat_map(|pod| &mut pod.containers);
        pod.for_each(|container| container.args.get_or_insert_default().push(format!("--erase={what}")));
    }
    job
}

async fn pods_run(client: &kube::Client, namespace: &str, pass: &Pass<'_>) -> Result<bool, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let uid = pass.job.uid().unwrap_or_default();
    let list = ListParams::default()
        .labels(&format!("{JOB_UID}={uid}"))
        .fields("status.phase!=Succeeded,status.phase!=Failed")
        .limit(1);
    Ok(!api.list_metadata(&list).await?.items.is_empty())
}

async fn give_up(pass: &Pass<'_>, words: &str) -> Result<Requeue, Error> {
    let output = pass.job.spec.outputs.first().and_then(|output| output.s3.as_ref());
    let place = output.map_or(String::new(), |s3| format!("s3://{}/{}", s3.bucket, s3.prefix));
    let note = format!("work data below {place} is left: {words}; a lifecycle rule of the bucket can delete it");
    tracing::warn!(job = %pass.scope.id(pass.job), "{note}");
    pass.event(EventType::Warning, "WorkDataLeft", "Delete", &note).await;
    done(pass).await
}

async fn done(pass: &Pass<'_>) -> Result<Requeue, Error> {
    pass.let_go().await?;
    Ok(Requeue::await_change())
}
