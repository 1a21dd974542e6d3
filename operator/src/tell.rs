//! What users are told: the status, and Events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource, ResourceExt,
    runtime::events::{Event, EventType},
};
use transcode_api::{TranscodeJobStatus, status::Phase};
use transcode_engine::{Outcome, Progress, StageId, TaskSet, observe::TaskFailure};

use crate::{
    error::Error,
    known::Known,
    operator::Shared,
    reconcile::Pass,
    status::{Publish, due, write},
};

/// Bytes of an Event's note at most: the API server takes 1,024.
const MAX_NOTE: usize = 1000;

impl Pass<'_> {
    /// Writes a status when it says something new.
    pub async fn publish(
        &self,
        known: &mut Known,
        mut status: TranscodeJobStatus,
        wake: &mut BTreeSet<Timestamp>,
    ) -> Result<(), Error> {
        status.observed_generation = self.job.metadata.generation;
        status.resolved = Some(known.seen.digest.clone());
        match due(&status, known.status.as_ref(), self.now) {
            Publish::Same => {}
            Publish::Later(at) => _ = wake.insert(at),
            Publish::Now => {
                write(&self.scope.shared.client, self.job, &status, self.now).await?;
                let before = known.status.as_ref().map(|(status, _)| status).or(self.job.status.as_ref());
                for (reason, note) in news(before, &status) {
                    self.event(EventType::Normal, reason, "Run", note).await;
                }
                known.status = Some((status, self.now));
            }
        }
        Ok(())
    }

    /// Writes a status unless the watch shows it already.
    pub async fn publish_once(&self, status: &TranscodeJobStatus) -> Result<(), Error> {
        // What was admitted once stays so.
        let resolved = self.job.status.as_ref().and_then(|old| old.resolved.clone());
        let status = &TranscodeJobStatus { resolved, ..status.clone() };
        let same = |old: &TranscodeJobStatus| {
            let words = |s: &TranscodeJobStatus| {
                s.conditions.iter().map(|c| (c.kind.clone(), c.reason.clone())).collect::<Vec<_>>()
            };
            let generation = old.observed_generation == self.job.metadata.generation;
            words(old) == words(status) && old.message == status.message && generation
        };
        match &self.job.status {
            Some(old) if same(old) => Ok(()),
            _ => write(&self.scope.shared.client, self.job, status, self.now).await,
        }
    }

    /// The end as an Event, and counted.
    pub async fn tell_end(&self, progress: &Progress, known: &Known) {
        let namespace = self.job.namespace().unwrap_or_default();
        match &progress.ended {
            Some(Outcome::Complete { reason }) => {
                self.scope.shared.metrics.ended(&namespace, reason, known.memory.record.facts.media());
                self.event(EventType::Normal, reason, "Publish", "published and verified").await;
            }
            Some(Outcome::Failed { reason, message }) => {
                self.scope.shared.metrics.ended(&namespace, reason, None);
                self.event(EventType::Warning, reason, "Run", message).await;
            }
            None => {}
        }
    }

    /// An Event for each stage and reason, however many tasks failed.
    pub async fn tell_failures(&self, failures: Vec<(StageId, u32, TaskFailure)>) {
        let mut groups: BTreeMap<(StageId, &str), (TaskSet, &str)> = BTreeMap::new();
        for (stage, task, failure) in &failures {
            let group = groups.entry((stage.clone(), failure.failure.reason()));
            group.or_insert_with(|| (TaskSet::default(), &failure.message)).0.insert(*task);
        }
        for ((stage, reason), (tasks, message)) in groups {
            let note = match tasks.len() {
                1 => format!("task {tasks} of {stage}: {message}"),
                _ => format!("tasks {tasks} of {stage}, the first: {message}"),
            };
            self.event(EventType::Warning, reason, "Run", &note).await;
        }
    }

    /// Tells an Event about the job.
    pub async fn event(&self, kind: EventType, reason: &str, action: &str, note: &str) {
        self.scope.shared.event(&self.job.object_ref(&()), kind, reason, action, note).await;
    }
}

/// What a status says that is worth an Event. Ends and failures are told by themselves.
fn news(before: Option<&TranscodeJobStatus>, after: &TranscodeJobStatus) -> Vec<(&'static str, &'static str)> {
    let (suspended, started) = (
        |status: &TranscodeJobStatus| status.phase == Some(Phase::Suspended),
        |status: &TranscodeJobStatus| status.started_at.is_some(),
    );
    let [was_suspended, had_started] = [before.is_some_and(suspended), before.is_some_and(started)];
    let resumed = was_suspended && matches!(after.phase, Some(Phase::Pending | Phase::Queued | Phase::Running));
    [
        (!had_started && started(after), ("Started", "the first task has started")),
        (!was_suspended && suspended(after), ("Suspended", "spec.suspend is true: nothing runs until it is false")),
        (resumed, ("Resumed", "spec.suspend is false again")),
    ]
    .into_iter()
    .filter_map(|(holds, told)| holds.then_some(told))
    .collect()
}

impl Shared {
    /// Tells an Event; one that can't be told is not worth a failure.
    pub async fn event(&self, about: &ObjectReference, kind: EventType, reason: &str, action: &str, note: &str) {
        let note = note.get(..note.floor_char_boundary(MAX_NOTE)).unwrap_or_default().into();
        let event =
            Event { type_: kind, reason: reason.into(), note: Some(note), action: action.into(), secondary: None };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::warn!(%error, reason, "an Event can't be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_start_a_suspension_and_a_resumption_are_told_once() {
        let status = |value: Value| serde_json::from_value::<TranscodeJobStatus>(value).unwrap();
        let story = [
            json!({"phase": "Pending"}),
            json!({"phase": "Running", "startedAt": "t"}),
            json!({"phase": "Running", "startedAt": "t", "message": "encode"}),
            json!({"phase": "Suspended", "startedAt": "t"}),
            json!({"phase": "Queued", "startedAt": "t"}),
            json!({"phase": "Suspended", "startedAt": "t"}),
            json!({"phase": "Failed", "startedAt": "t"}),
        ];
        let (mut before, mut told) = (None, vec![]);
        for now in story.map(status) {
            told.extend(news(before.as_ref(), &now).into_iter().map(|(reason, _)| reason));
            before = Some(now);
        }
        assert_eq!(told, ["Started", "Suspended", "Resumed", "Suspended"]);
    }
}
