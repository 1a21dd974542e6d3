//! Jobs to batches: what decisions are made of.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use transcode_engine::{BatchState, Failure, Intent, Observation, TaskSet, Waiting, observe::TaskFailure};

use crate::{
    error::Error,
    known::{Known, Look, fresh},
    names::Names,
    places::SHARES,
    pods::{self, Obstacle},
    reconcile::Pass,
    view::{JobView, Over},
};

/// A batch without a running pod for so long is looked at.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// Time between two looks at a batch with something odd about it.
const ODD: SignedDuration = SignedDuration::from_secs(20);
/// Time between two looks at any batch: ignored failures are seen by looking only.
const USUAL: SignedDuration = SignedDuration::from_secs(120);
/// A watch that does not show a new Job for so long may never have seen it.
const SHOWN: SignedDuration = SignedDuration::from_secs(30);
/// Ends of one task that the Job controller ignores, at most.
const MAX_IGNORED: usize = 20;

/// Reads pods for one job's batches.
pub struct Observer<'a> {
    /// The API server.
    pub client: &'a Client,
    /// Namespace of the job.
    pub namespace: &'a str,
    /// How long a pod may take to start when something is missing.
    pub start_seconds: u32,
    /// The time.
    pub now: Timestamp,
}

impl Pass<'_> {
    /// All batches of a job as they are now, why nothing runs, and when to look again.
    pub async fn observe(
        &self,
        known: &mut Known,
        views: &[JobView],
        wake: &mut BTreeSet<Timestamp>,
    ) -> Result<Observation, Error> {
        let shared = &self.scope.shared;
        let namespace = self.job.namespace().unwrap_or_default();
        let start_seconds = shared.args.start_seconds;
        let observer = Observer { client: &shared.client, namespace: &namespace, start_seconds, now: self.now };
        let mut observation = Observation { intent: self.intent(), ..Observation::default() };
        let (mut runs, mut waiting) = (false, None);
        for view in views {
            known.started.remove(&view.id);
            if known.deleted.contains(&view.id) || known.shown.contains(&view.id) {
                continue;
            }
            known.note_started([view]);
            let state = observer.batch(view, known).await?;
            let seen = known.memory.record.seen.contains(&view.id);
            if !seen && !state.ended {
                wake.insert(observer.next_look(view, known));
                runs |= view.ready > 0;
                let obstacle = known.looks.get(&view.id).and_then(|look| look.obstacle.clone());
                waiting = waiting.or(obstacle.map(|obstacle| obstacle.waiting));
            }
            observation.live.insert(view.id.clone(), state);
        }
        if known.looks.values().any(|look| look.at == self.now && look.lacks_config_map()) {
            // It is written again; a pod that waits for it goes on.
            known.kept = None;
        }
        let shown: BTreeSet<_> = views.iter().map(|view| &view.id).collect();
        known.deleted.retain(|id| shown.contains(id));
        known.looks.retain(|id, _| shown.contains(id));
        self.ask_for_started(known, wake).await?;
        for (id, started) in &known.started {
            observation.live.insert(id.clone(), fresh(started.tasks.clone()));
        }
        observation.waiting = waiting.filter(|_| !runs);
        if known.memory.record.ended.is_none()
            && let Some(other) = self.scope.goes_first(self.job)
        {
            let who = match other.namespace() == self.job.namespace() {
                true => other.name_any(),
                false => "a job of another namespace".into(),
            };
            let message = format!("{who} writes to the same output and was there first");
            observation.waiting = Some(Waiting { reason: SHARES.into(), message });
        }
        Ok(observation)
    }

    /// A batch that was made and deleted between two passes is never shown; its tasks must not wait for it.
    async fn ask_for_started(&self, known: &mut Known, wake: &mut BTreeSet<Timestamp>) -> Result<(), Error> {
        for (id, mut started) in std::mem::take(&mut known.started) {
            let due = started.at.checked_add(SHOWN).unwrap_or(Timestamp::MAX);
            if self.now >= due {
                let name = Names::of(self.job).batch(&id);
                if self.scope.children(self.job).get_metadata_opt(&name).await?.is_none() {
                    tracing::info!(job = %self.scope.id(self.job), %id, "is gone and was never shown");
                    continue;
                }
                started.at = self.now;
            }
            wake.insert(started.at.checked_add(SHOWN).unwrap_or(Timestamp::MAX));
            known.started.insert(id, started);
        }
        Ok(())
    }

    /// What the user wants.
    pub fn intent(&self) -> Intent {
        match (self.job.spec.cancel, self.job.spec.suspend) {
            (Some(true), _) => Intent::Cancel,
            (_, Some(true)) => Intent::Suspend,
            _ => Intent::Run,
        }
    }
}

impl Observer<'_> {
    /// A batch as it is now.
    pub async fn batch(&self, view: &JobView, known: &mut Known) -> Result<BatchState, Error> {
        let mut state = BatchState {
            tasks: view.tasks.clone(),
            succeeded: view.succeeded.clone(),
            failed: BTreeMap::new(),
            told: vec![],
            ended: view.over.is_some(),
        };
        if known.memory.record.seen.contains(&view.id) {
            return Ok(state);
        }
        let counted = known.memory.record.counted.get(&view.id).cloned().unwrap_or_default();
        self.read_ends(view, &counted, &mut state).await?;
        if view.over.is_none() {
            self.look(view, known, &mut state).await?;
        }
        let ended = state.succeeded.len() + state.failed.len() as u32;
        state.ended |= ended >= state.tasks.len();
        Ok(state)
    }

    /// When to look at a batch again, whatever happens.
    pub fn next_look(&self, view: &JobView, known: &Known) -> Timestamp {
        let last = known.looks.get(&view.id).map(|look| look.at);
        let at = match last {
            None => view.created.checked_add(PATIENCE),
            Some(at) if view.terminating > 0 => at.checked_add(ODD),
            // Nothing of it runs: the longer it has lasted, the longer it is likely to last.
            Some(at) if view.ready == 0 => at.checked_add((at.duration_since(view.created) / 2).clamp(ODD, USUAL)),
            Some(at) => at.checked_add(USUAL),
        };
        at.unwrap_or(Timestamp::MAX)
    }

    /// What tasks told and why they failed, where that is news.
    async fn read_ends(&self, view: &JobView, counted: &TaskSet, state: &mut BatchState) -> Result<(), Error> {
        let news = |tasks: &TaskSet| tasks.iter().any(|task| !counted.contains(task));
        let told = !view.id.stage.kind.tells().is_empty() && news(&view.succeeded);
        let stopped = match &view.over {
            Some(Over::Failed(_)) => view.open(),
            _ => TaskSet::default(),
        };
        if !told && !news(&view.failed) && !news(&stopped) {
            return Ok(());
        }
        let by_task = by_task(view, pods::of(self.client, self.namespace, &view.name).await?);
        for task in view.failed.iter().chain(stopped.iter()) {
            let last = by_task.get(&task).into_iter().flatten().filter_map(|pod| pods::result(pod)?.err()).next_back();
            match (last, &view.over) {
                (Some(failure), _) => _ = state.failed.insert(task, failure),
                (None, _) if view.failed.contains(task) => _ = state.failed.insert(task, unread(view)),
                // It was stopped because another one ended the whole batch.
                (None, Some(Over::Failed(_))) if !by_task.is_empty() => {}
                (None, _) => _ = state.failed.insert(task, unread(view)),
            }
        }
        if told {
            for task in view.succeeded.iter() {
                let pods = by_task.get(&task).into_iter().flatten();
                match pods.filter_map(|pod| pods::result(pod)?.ok()).next_back() {
                    Some(summaries) if !summaries.is_empty() => state.told.extend(summaries),
                    _ => {
                        // It runs again, finds its result and tells it again.
                        state.succeeded = without(&state.succeeded, task);
                        let message = "its pod was gone before what it told was read".into();
                        state.failed.insert(task, TaskFailure { failure: Failure::Transient, message });
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at pods that don't start, don't go, or come back again and again.
    async fn look(&self, view: &JobView, known: &mut Known, state: &mut BatchState) -> Result<(), Error> {
        let due = self.now >= self.next_look(view, known);
        let idle = view.ready == 0 && self.now.duration_since(view.created) >= PATIENCE;
        if due && (idle || is_odd(view) || known.looks.contains_key(&view.id)) {
            let before = known.looks.get(&view.id).and_then(|look| look.stuck_since);
            let look = self.closer(view, before).await?;
            known.looks.insert(view.id.clone(), look);
        } else if due {
            known.looks.insert(
                view.id.clone(),
                Look { at: self.now, obstacle: None, stuck_since: None, failed: BTreeMap::new() },
            );
        }
        if let Some(look) = known.looks.get(&view.id) {
            let open = view.open();
            let failed = look.failed.iter().filter(|(task, _)| open.contains(**task));
            state.failed.extend(failed.map(|(task, failure)| (*task, failure.clone())));
        }
        Ok(())
    }

    async fn closer(&self, view: &JobView, stuck_since: Option<Timestamp>) -> Result<Look, Error> {
        let pods = pods::of(self.client, self.namespace, &view.name).await?;
        let obstacle = if view.ready == 0 { self.obstacle(view, &pods).await? } else { None };
        let mut failed = BTreeMap::new();
        let patience = SignedDuration::from_secs(i64::from(self.start_seconds));
        let lasts = obstacle.as_ref().is_some_and(|obstacle| obstacle.lasting);
        let stuck_since = lasts.then(|| stuck_since.unwrap_or(self.now));
        if let (Some(Obstacle { waiting, .. }), Some(since)) = (&obstacle, stuck_since)
            && self.now.duration_since(since) > patience
        {
            let Waiting { reason, message } = waiting;
            let message = format!("its pod could not start for {} s: {reason}: {message}", self.start_seconds);
            let failure = TaskFailure { failure: Failure::Misconfigured, message };
            failed.extend(view.open().iter().map(|task| (task, failure.clone())));
        }
        for (task, pods) in by_task(view, pods) {
            if let Some(failure) = pods.iter().find_map(|pod| pods::lost(pod, self.now)) {
                failed.insert(task, failure);
            }
            let full = |pod: &Pod| pods::result(pod)?.err().filter(|f| f.failure == Failure::NoSpace);
            if let Some(failure) = pods.iter().find_map(full) {
                failed.insert(task, failure);
            }
            let phase = |pod: &Pod| pod.status.as_ref().and_then(|s| s.phase.clone());
            let ignored = pods.iter().filter(|pod| phase(pod).as_deref() == Some("Failed")).count();
            if ignored >= MAX_IGNORED {
                let message = format!("{ignored} pods of it were taken away or told to stop");
                failed.insert(task, TaskFailure { failure: Failure::Transient, message });
            }
        }
        Ok(Look { at: self.now, obstacle, stuck_since, failed })
    }

    /// Why no pod of a batch runs, in the words of whoever holds it back.
    async fn obstacle(&self, view: &JobView, pods: &[Pod]) -> Result<Option<Obstacle>, Error> {
        if pods.is_empty() {
            return pods::warning(self.client, self.namespace, &view.uid, self.now).await;
        }
        for pod in waiting(pods) {
            let found = match pods::obstacle(pod) {
                Some(obstacle) => Some(obstacle),
                None => pods::warning(self.client, self.namespace, &pod.uid().unwrap_or_default(), self.now).await?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// One pod that has a node and does not start, and one that has none. The first may be what takes the room of the
/// second.
fn waiting(pods: &[Pod]) -> impl Iterator<Item = &Pod> {
    let pending = |pod: &&Pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Pending");
    let has_node = |pod: &Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    [true, false]
        .into_iter()
        .filter_map(move |on_node| pods.iter().filter(pending).find(|pod| has_node(pod) == on_node))
}

fn is_odd(view: &JobView) -> bool {
    view.ready == 0 || view.terminating > 0
}

/// Pods of each task, in the order in which they ended.
fn by_task(view: &JobView, mut pods: Vec<Pod>) -> BTreeMap<u32, Vec<Pod>> {
    pods.sort_by_key(pods::ended_at);
    let tasks: Vec<u32> = view.tasks.iter().collect();
    let mut by_task: BTreeMap<u32, Vec<Pod>> = BTreeMap::new();
    for pod in pods {
        if let Some(task) = pods::index(&pod).and_then(|index| tasks.get(index)) {
            by_task.entry(*task).or_default().push(pod);
        }
    }
    by_task
}

fn without(tasks: &TaskSet, task: u32) -> TaskSet {
    tasks.iter().filter(|other| *other != task).collect()
}

/// A failure of which nothing can be read: it may pass.
fn unread(view: &JobView) -> TaskFailure {
    let words = match &view.over {
        Some(Over::Failed(words)) if !words.is_empty() => format!("the Job controller says: {words}"),
        _ => "its pod was gone before its end was read".into(),
    };
    TaskFailure { failure: Failure::Transient, message: words }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_holds_a_node_is_looked_at_first() {
        let pod = |name: &str, phase: &str, node: Option<&str>| -> Pod {
            serde_json::from_value(json!({"metadata": {"name": name}, "status": {"phase": phase},
                "spec": {"containers": [], "nodeName": node}}))
            .unwrap()
        };
        let pods = [
            pod("done", "Succeeded", Some("n")),
            pod("unscheduled", "Pending", None),
            pod("creating", "Pending", Some("n")),
            pod("other", "Pending", Some("n")),
        ];
        let names: Vec<_> = waiting(&pods).map(|pod| pod.name_any()).collect();
        assert_eq!(names, ["creating", "unscheduled"]);
    }
}
