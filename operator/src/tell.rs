//! What users are told: the status, and Events.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::{
    Resource,
    runtime::events::{Event, EventType},
};
use transcode_api::TranscodeJobStatus;
use transcode_engine::{Outcome, Progress};

use crate::{
    error::Error,
    known::Known,
    reconcile::Pass,
    status::{Publish, due, write},
};

impl Pass<'_> {
    /// Writes a status when it says something new.
    pub async fn publish(
        &self,
        known: &mut Known,
        mut status: TranscodeJobStatus,
        wake: &mut BTreeSet<Timestamp>,
    ) -> Result<(), Error> {
        status.observed_generation = self.job.metadata.generation;
        match due(&status, known.status.as_ref(), self.now) {
            Publish::Same => {}
            Publish::Later(at) => _ = wake.insert(at),
            Publish::Now => {
                write(&self.scope.shared.client, self.job, &status, self.now).await?;
                known.status = Some((status, self.now));
            }
        }
        Ok(())
    }

    /// Writes a status unless the watch shows it already.
    pub async fn publish_once(&self, status: &TranscodeJobStatus) -> Result<(), Error> {
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
        match &progress.ended {
            Some(Outcome::Complete { reason }) => {
                self.scope.shared.metrics.ended(reason, known.memory.record.facts.media());
                self.event(EventType::Normal, reason, "Publish", "published and verified").await;
            }
            Some(Outcome::Failed { reason, message }) => {
                self.scope.shared.metrics.ended(reason, None);
                self.event(EventType::Warning, reason, "Run", message).await;
            }
            None => {}
        }
    }

    /// Tells an Event; one that can't be told is not worth a failure.
    pub async fn event(&self, kind: EventType, reason: &str, action: &str, note: &str) {
        let note: String = note.chars().take(1000).collect();
        let event =
            Event { type_: kind, reason: reason.into(), note: Some(note), action: action.into(), secondary: None };
        if let Err(error) = self.scope.shared.recorder.publish(&event, &self.job.object_ref(&())).await {
            tracing::warn!(%error, reason, "an Event can't be written");
        }
    }
}
