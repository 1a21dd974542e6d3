//! Executes what was decided: Jobs are made and deleted, never changed.

use std::fmt::Debug;

use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
};
use serde::de::DeserializeOwned;
use serde_json::json;
use transcode_engine::{
    Action, Batch, BatchId, Failure, Outcome, Progress, RecordEntry, StageEnd, StageId, StageKind, StageProgress,
    TaskSet, Waiting, observe::TaskFailure,
};

use crate::{
    deletion::erases,
    error::Error,
    known::{Known, Started},
    names::{self, FINALIZER, MANAGER, Names},
    reconcile::{Pass, lost_slots, running},
    render::{self, Scene},
    view::{JobView, Over},
};

/// Failed tasks of a batch whose Job stays to be looked at, at most.
const MAX_SHOWN: u32 = 20;

/// The Jobs of one TranscodeJob.
pub struct Children<'a> {
    /// The pass.
    pub pass: &'a Pass<'a>,
    /// The batches that the watch shows.
    pub views: &'a [JobView],
}

impl Children<'_> {
    /// Writes the record where something would be lost without it, then starts and deletes batches.
    /// Tells why a batch could not be started, where the API server says so.
    pub async fn execute(
        &self,
        known: &mut Known,
        todo: Vec<Action>,
        progress: &Progress,
    ) -> Result<Option<Waiting>, Error> {
        let deletes = todo.iter().any(|action| matches!(action, Action::Stop(_) | Action::Forget(_)));
        let started: Vec<Batch> = todo
            .iter()
            .filter_map(|action| match action {
                Action::Start(batch) => Some(batch.clone()),
                _ => None,
            })
            .collect();
        let runs = known.memory.facts.is_some() && known.memory.record.ended.is_none();
        if runs && known.kept.is_none() {
            // After a restart, or because a pod can't mount what somebody deleted.
            known.seen = self.pass.files().see(known.seen.clone()).await?;
        }
        if runs || started.iter().any(|batch| batch.id.stage.kind != StageKind::Probe) {
            self.know(known).await?;
        }
        if known.unsaved || (deletes && known.version.is_none()) {
            let files = self.pass.files();
            known.version = files.remember(&known.memory, known.version.as_deref()).await?;
            known.unsaved = false;
        }
        self.finalizers(known, !started.is_empty()).await?;
        let (mut refused, gaps) = (None, progress.gaps());
        for batch in &started {
            refused = self.start(known, batch, &gaps).await?.or(refused);
        }
        self.widen(known).await?;
        for action in &todo {
            match action {
                Action::Forget(id) if self.is_worth_a_look(id, progress) => _ = known.shown.insert(id.clone()),
                Action::Forget(id) | Action::Stop(id) => self.delete(known, id).await?,
                _ => {}
            }
        }
        let over: Vec<_> = known.shown.iter().filter(|id| !self.is_worth_a_look(id, progress)).cloned().collect();
        for id in over {
            known.shown.remove(&id);
            self.delete(known, &id).await?;
        }
        Ok(refused)
    }

    /// A batch with failures stays while its stage goes on, and what failed the job stays with it: people
    /// read its logs. Not with very many failures: finished pods are not free.
    fn is_worth_a_look(&self, id: &BatchId, progress: &Progress) -> bool {
        let Some(view) = self.views.iter().find(|view| view.id == *id) else { return false };
        let stopped = if matches!(view.over, Some(Over::Failed(_))) { view.open().len() } else { 0 };
        let few = (1..=MAX_SHOWN).contains(&(view.failed.len() + stopped));
        let end = progress.stages.get(&id.stage).and_then(StageProgress::end);
        // One that is not over would start pods again.
        let quiet = view.over.is_some() || view.open().is_empty();
        few && quiet
            && match &progress.ended {
                Some(Outcome::Failed { .. }) => matches!(end, Some(StageEnd::Failed(_))),
                Some(Outcome::Complete { .. }) => false,
                None => end.is_none(),
            }
    }

    /// Keeps plan and facts where pods find them.
    async fn know(&self, known: &mut Known) -> Result<(), Error> {
        let (facts, whole) = (known.memory.record.facts.of_source(), known.plan.is_extended());
        if known.kept.as_ref().is_none_or(|(kept, of_whole, _)| (kept, *of_whole) != (&facts, whole)) {
            let kept = self.pass.files().know(&known.plan, &facts).await?;
            known.memory.facts = Some(kept.name.clone());
            known.kept = Some((facts, whole, kept));
            known.unsaved = true;
        }
        Ok(())
    }

    async fn start(&self, known: &mut Known, batch: &Batch, gaps: &TaskSet) -> Result<Option<Waiting>, Error> {
        let shared = &self.pass.scope.shared;
        let facts = known.kept.as_ref().filter(|_| batch.id.stage.kind != StageKind::Probe).map(|(.., kept)| kept);
        let scene = Scene { args: &shared.args, job: self.pass.job, seen: &known.seen, facts, gaps };
        let job = render::job(&scene, batch);
        let api = self.pass.scope.children(self.pass.job);
        match api.create(&PostParams::default(), &job).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let name = job.name_any();
                let there = api.get(&name).await?;
                let same = there.annotations().get(names::TASKS) == Some(&batch.tasks.to_string());
                if !same || !names::is_owned(self.pass.job, &there.metadata) {
                    return Err(Error::Foreign { name });
                }
            }
            // A quota, an admission webhook, a policy: not for ever, perhaps.
            Err(kube::Error::Api(status)) if status.is_forbidden() || is_policy(&status) => {
                return Ok(Some(Waiting { reason: "JobRefused".into(), message: status.message.clone() }));
            }
            // What a profile or a job asks for is no Job: a label of a node selector, say.
            Err(kube::Error::Api(status)) if status.is_invalid() => {
                self.never(known, batch, &status.message);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        let started = Started { tasks: batch.tasks.clone(), cap: batch.cap, at: self.pass.now };
        known.started.insert(batch.id.clone(), started);
        Ok(None)
    }

    /// A batch that can't be started now or later has failed: the engine knows what follows.
    fn never(&self, known: &mut Known, batch: &Batch, message: &str) {
        for task in batch.tasks.iter() {
            let failure = TaskFailure { failure: Failure::Misconfigured, message: message.into() };
            known.failures.push((batch.id.stage.clone(), task, failure.clone()));
            let (batch, at) = (batch.id.clone(), self.pass.now);
            known.memory.record.note(RecordEntry::Failed { batch, task, failure, at });
        }
        known.memory.record.note(RecordEntry::Ended { batch: batch.id.clone() });
        known.unsaved = true;
    }

    /// Gives slots that came free to batches that have more tasks than pods, and takes back what a
    /// lowered `maxParallel` no longer allows; never so much that a running pod would be killed.
    async fn widen(&self, known: &Known) -> Result<(), Error> {
        let started: u32 = known.started.values().map(Started::pods).sum();
        let total = self.pass.total_slots(known);
        let mut busy: u32 = started + self.views.iter().map(|view| running(known, view)).sum::<u32>();
        for view in self.views.iter().filter(|view| running(known, view) > 0) {
            let (now, lost) = (running(known, view), lost_slots(&known.memory.record, view));
            let wanted = wanted(view, now, lost, busy, total);
            if wanted == now {
                continue;
            }
            busy = busy + wanted - now;
            let api = self.pass.scope.children(self.pass.job);
            let parallelism = render::parallelism(wanted + lost, view.tasks.len());
            // The UID: nobody else's Job of the same name.
            let patch = json!({"metadata": {"uid": view.uid}, "spec": {"parallelism": parallelism}});
            match api.patch(&view.name, &PatchParams::default(), &Patch::Merge(patch)).await {
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                other => _ = other?,
            }
        }
        Ok(())
    }

    async fn delete(&self, known: &mut Known, id: &BatchId) -> Result<(), Error> {
        let api = self.pass.scope.children(self.pass.job);
        let view = self.views.iter().find(|view| view.id == *id);
        let name = view.map_or_else(|| Names::of(self.pass.job).batch(id), |view| view.name.clone());
        delete(&api, &name, view.map(|view| view.uid.as_str())).await?;
        known.started.remove(id);
        known.deleted.insert(id.clone());
        Ok(())
    }

    /// The finalizers are there while there may be work data that is to be deleted with the job.
    async fn finalizers(&self, known: &mut Known, starts: bool) -> Result<(), Error> {
        let cleaned = known.memory.record.done.contains_key(&StageId::job(StageKind::Cleanup));
        let wanted = erases(&known.seen.file.spec, cleaned);
        let job = self.pass.job;
        let has = job.finalizers().iter().any(|name| name == FINALIZER);
        match wanted {
            true if starts => {
                if !known.seen.protected && !has {
                    set_finalizer(&self.pass.scope.api(job), job, true).await?;
                }
                // Behind the job's own: one without it would leave a ConfigMap that nobody lets go.
                self.pass.files().protect(&mut known.seen).await
            }
            false if has => {
                known.seen.protected = false;
                self.pass.let_go().await
            }
            _ => Ok(()),
        }
    }
}

impl Pass<'_> {
    /// Drops the finalizers.
    pub async fn let_go(&self) -> Result<(), Error> {
        self.files().release().await?;
        set_finalizer(&self.scope.api(self.job), self.job, false).await
    }
}

/// How many pods of a batch should run where `now` of them may, `lost` slots are of no use, and `busy` of `total` are
/// taken by all batches.
fn wanted(view: &JobView, now: u32, lost: u32, busy: u32, total: u32) -> u32 {
    match busy > total {
        true => now.saturating_sub(busy - total).max(view.active.min(now)).max(1),
        false => (now + total - busy).min(view.open().len().saturating_sub(lost)),
    }
}

/// Policies and webhooks may refuse with any code.
fn is_policy(status: &kube::core::Status) -> bool {
    ["ValidatingAdmissionPolicy", "admission webhook"].iter().any(|who| status.message.contains(who))
}

/// Adds or drops the finalizer of an object; those of others stay.
pub async fn set_finalizer<K>(api: &Api<K>, object: &impl ResourceExt, wanted: bool) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let finalizers = if wanted { vec![FINALIZER] } else { vec![] };
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"uid": object.uid(), "finalizers": finalizers},
    });
    let name = object.name_any();
    match api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(patch)).await {
        // Deleted in this very moment: the next pass sees it, and nothing must start before.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_invalid() || status.is_conflict() => {
            match wanted {
                true => Err(Error::Gone { name }),
                false => Ok(()),
            }
        }
        other => Ok(other.map(|_| ())?),
    }
}

/// The one way to delete anything: with its dependents, and only the object that is meant.
pub async fn delete<K>(api: &Api<K>, name: &str, uid: Option<&str>) -> Result<(), Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let preconditions = uid.map(|uid| Preconditions { uid: Some(uid.into()), resource_version: None });
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions,
        ..DeleteParams::default()
    };
    match api.delete(name, &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        other => Ok(other.map(|_| ())?),
    }
}

#[cfg(test)]
mod tests {
    use transcode_engine::Record;

    use super::*;

    fn view(parallelism: u32, active: u32) -> JobView {
        JobView {
            id: "encode-720p.0".parse().unwrap(),
            name: "j".into(),
            uid: "u".into(),
            tasks: "0-99".parse().unwrap(),
            succeeded: "0-9".parse().unwrap(),
            failed: TaskSet::default(),
            over: None,
            active,
            ready: active,
            terminating: 2,
            parallelism,
            going: false,
            created: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    /// Two of four pods are on nodes that do not answer: their slots are free for others, and are taken back when the
    /// nodes do.
    #[test]
    fn slots_of_lost_pods_are_used_again() {
        let (view, mut record) = (view(4, 2), Record::default());
        record.counted.insert(view.id.clone(), "0-9,10-11".parse().unwrap());
        let lost = lost_slots(&record, &view);
        let now = (view.parallelism - lost).min(view.open().len() - lost);
        assert_eq!((lost, now), (2, 2));
        // Nobody else wants them: two more tasks of the batch, beside the pods that the Job controller waits for.
        assert_eq!(wanted(&view, now, lost, now, 4) + lost, 6);
        // The lost tasks run elsewhere.
        assert_eq!(wanted(&view, now, lost, 4, 4), now);
        // The nodes are back, and the pods are gone: six may run where four may. None that runs is killed.
        let back = JobView { failed: "10-11".parse().unwrap(), active: 6, ..self::view(6, 6) };
        assert_eq!((lost_slots(&record, &back), wanted(&back, 6, 0, 6, 4)), (0, 6));
        assert_eq!(wanted(&JobView { active: 3, ..back }, 6, 0, 6, 4), 4);
    }
}
