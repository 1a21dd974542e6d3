//! What is known of a job at the beginning of a pass: read, or seen for the first time.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use kube::{
    ResourceExt,
    api::ListParams,
    runtime::{controller::Action as Requeue, events::EventType},
};
use transcode_api::{TranscodeJob, TranscodeJobSpec, TranscodeJobStatus, status::Phase};
use transcode_engine::{Outcome, begin, status};

use crate::{
    admit::{Admission, admit},
    children::set_finalizer,
    deletion::erases,
    error::Error,
    files::{Memory, Seen},
    known::{Known, Started},
    names::{self, JOB_UID},
    reconcile::Pass,
    status::{untimed, write},
    view::JobView,
};

/// A job that waits for a profile, which is watched, is looked at again after this all the same.
const SLOW: Duration = Duration::from_secs(300);

/// States of a stage that has ended, as the status tells them.
const ENDED: [&str; 5] = ["Done", "DoneWithGaps", "SoftFailed", "Failed", "Skipped"];

/// The end of a job as its status tells it, which users can't write.
struct End {
    outcome: Outcome,
    at: Option<Timestamp>,
    /// All is done that was to be done after it, and the job was not changed since.
    settled: bool,
}

fn told_end(job: &TranscodeJob) -> Option<End> {
    let status = job.status.as_ref()?;
    let reason = |kind: &str| status.conditions.iter().find(|c| c.kind == kind).map(|c| c.reason.clone());
    let outcome = match status.phase? {
        Phase::Succeeded => Outcome::Complete { reason: reason("Complete")? },
        Phase::Failed => {
            Outcome::Failed { reason: reason("Failed")?, message: status.message.clone().unwrap_or_default() }
        }
        _ => return None,
    };
    let at: Option<Timestamp> = status.finished_at.as_ref().and_then(|at| at.parse().ok());
    let quiet = status.stages.iter().all(|stage| ENDED.contains(&&*stage.state));
    let same = status.observed_generation == job.metadata.generation;
    let timed = at.is_some() || job.spec.ttl_seconds_after_finished.is_none();
    Some(End { outcome, at, settled: quiet && same && timed })
}

/// Drops what is never read of a job that the watch shows. Many jobs are kept for long after their end.
pub fn shrink(job: &mut TranscodeJob) {
    job.managed_fields_mut().clear();
    if !told_end(job).is_some_and(|end| end.settled) {
        return;
    }
    let spec = &mut job.spec;
    job.spec = TranscodeJobSpec {
        stores: std::mem::take(&mut spec.stores),
        outputs: std::mem::take(&mut spec.outputs),
        retry_token: spec.retry_token.take(),
        cancel: spec.cancel,
        suspend: spec.suspend,
        ttl_seconds_after_finished: spec.ttl_seconds_after_finished,
        ..TranscodeJobSpec::default()
    };
    if let Some(status) = &mut job.status {
        *status = TranscodeJobStatus {
            observed_generation: status.observed_generation,
            phase: status.phase,
            message: status.message.take(),
            conditions: std::mem::take(&mut status.conditions),
            finished_at: status.finished_at.take(),
            resolved: status.resolved.take(),
            ..TranscodeJobStatus::default()
        };
    }
}

/// What there is to work with.
pub enum Loaded {
    /// The job can go on.
    Known(Box<Known>),
    /// It can't, for now or for ever.
    Waits(Requeue),
}

impl Pass<'_> {
    /// The job's Jobs as the API server has them, those that are being deleted too.
    pub async fn children(&self) -> Result<Vec<JobView>, Error> {
        let list = ListParams::default().labels(&format!("{JOB_UID}={}", self.job.uid().unwrap_or_default()));
        let jobs = self.scope.children(self.job).list(&list).await?.items;
        let own = jobs.iter().filter(|child| names::is_child(self.job, &child.metadata));
        Ok(own.filter_map(JobView::of).collect())
    }

    /// Reads what is known of a job, or sees it for the first time.
    pub async fn load(&self) -> Result<Loaded, Error> {
        let told = told_end(self.job);
        if let Some(end) = told.as_ref().filter(|end| end.settled) {
            return self.after_end(end).await.map(Loaded::Waits);
        }
        if self.files().told().is_none()
            && let Some(requeue) = self.can_begin().await?
        {
            return Ok(Loaded::Waits(requeue));
        }
        let files = self.files();
        let (mut memory, version) = files.memory().await?;
        let seen = match files.seen().await {
            Err(error @ Error::Contract { .. }) => return self.is_of_another_version(&error).await.map(Loaded::Waits),
            seen => seen?,
        };
        let seen = match (seen, &told) {
            (Some(seen), Some(end)) if version.is_none() => {
                // A lost record undoes no end. One that failed begins anew with the next retry token.
                memory.record.end(end.outcome.clone(), end.at.unwrap_or(self.now));
                seen
            }
            (Some(seen), _) => seen,
            // Nothing is left but the end, and nothing is needed.
            (None, Some(end)) if matches!(end.outcome, Outcome::Complete { .. }) => {
                return self.after_end(end).await.map(Loaded::Waits);
            }
            (None, _) => match self.see(&mut memory, version.as_deref()).await? {
                Ok(seen) => seen,
                Err(requeue) => {
                    self.scope.shared.turns.leave(&self.job.uid().unwrap_or_default());
                    return Ok(Loaded::Waits(requeue));
                }
            },
        };
        let plan = match &memory.facts {
            Some(name) => files.plan(name).await?,
            None => None,
        };
        let plan = plan.unwrap_or_else(|| begin(&seen.file.spec));
        self.scope.shared.writes_to(&self.job.uid().unwrap_or_default(), &seen.file.spec);
        let mut known = Known::new(seen, plan, memory, version);
        if known.version.is_none() {
            known.unsaved = known.memory.record.ended.is_some();
            known.memory.record.epoch = self.job.spec.retry_token.clone().unwrap_or_default();
        }
        // The watch may lag behind what an earlier pass, or an earlier operator, started. Without a digest in the status
        // nothing was; where the watch lags behind that too, the same batch is met under its name.
        let mut there = if self.files().told().is_some() { self.children().await? } else { vec![] };
        known.note_started(&there);
        there.retain(|view| !view.going);
        known.ran = there.iter().filter(|view| view.has_run()).map(|view| view.id.clone()).collect();
        let unseen = there.into_iter().filter(|view| !known.memory.record.seen.contains(&view.id));
        known.started = unseen.map(|view| (view.id.clone(), Started::of(&view, self.now))).collect();
        self.note_told(&mut known);
        Ok(Loaded::Known(Box::new(known)))
    }

    /// A job that an operator of another version has to go on with. What runs of it runs on.
    async fn is_of_another_version(&self, error: &Error) -> Result<Requeue, Error> {
        let told = self.job.status.clone().map(untimed).unwrap_or_default();
        if !matches!(told.phase, Some(Phase::Succeeded | Phase::Failed)) {
            self.publish_once(&status::held(told, error.reason(), &error.to_string())).await?;
        }
        Ok(Requeue::requeue(SLOW))
    }

    /// What remains to be done about a job that ended: it goes when its time is over.
    async fn after_end(&self, end: &End) -> Result<Requeue, Error> {
        let mut wake = BTreeSet::new();
        if !self.outlived(end.at, &mut wake).await?
            && let Some(status) = &self.job.status
            && status.observed_generation != self.job.metadata.generation
        {
            write(&self.scope.shared.client, self.job, &untimed(status.clone()), self.now).await?;
        }
        Ok(self.requeue(&wake))
    }

    /// Sees a job for the first time, or again after it was refused. Tells when to look again if it can't run.
    async fn see(&self, memory: &mut Memory, version: Option<&str>) -> Result<Result<Seen, Requeue>, Error> {
        if let Some(Outcome::Failed { reason, message }) = memory.record.ended.clone() {
            let token = self.job.spec.retry_token.clone().unwrap_or_default();
            if token == memory.record.epoch || self.job.spec.cancel == Some(true) {
                return self.refused(&reason, &message, memory.record.ended_at).await.map(Err);
            }
            memory.record.begin_again(&token);
        }
        let shared = &self.scope.shared;
        match admit(&shared.client, &shared.args, &shared.defaults, self.job).await? {
            Admission::Seen(seen, objections) => {
                for objection in objections {
                    self.event(EventType::Warning, objection.reason, "Admit", &objection.message).await;
                }
                Ok(Ok(self.keep(*seen).await?))
            }
            Admission::Waits { .. } if self.job.spec.cancel == Some(true) => {
                self.refuse(memory, version, "Cancelled", "the job was cancelled").await.map(Err)
            }
            Admission::Waits { reason, message } => {
                self.publish_once(&status::without_plan(None, reason, &message)).await?;
                Ok(Err(Requeue::requeue(SLOW)))
            }
            Admission::Refused { reason, message } => self.refuse(memory, version, reason, &message).await.map(Err),
        }
    }

    /// Keeps a job as it is now, for good.
    async fn keep(&self, mut seen: Seen) -> Result<Seen, Error> {
        if erases(&seen.file.spec, false) {
            // Before the ConfigMap's own: nobody would let that go for a job without one.
            set_finalizer(&self.scope.api(self.job), self.job, true).await?;
            seen.protected = true;
        }
        self.files().see(seen).await
    }

    /// Notes what the status already says.
    fn note_told(&self, known: &mut Known) {
        let told = self.job.status.clone().filter(|status| status.resolved.as_ref() == Some(&known.seen.digest));
        known.vouched = told.is_some();
        // Of a job that is over, what the watch shows needs no second writing.
        known.status = told.filter(|_| known.memory.record.ended.is_some()).map(|told| (untimed(told), self.now));
    }

    /// Ends a job that can't run, before it began.
    async fn refuse(
        &self,
        memory: &mut Memory,
        version: Option<&str>,
        reason: &str,
        message: &str,
    ) -> Result<Requeue, Error> {
        memory.record.end(Outcome::Failed { reason: reason.into(), message: message.into() }, self.now);
        memory.record.epoch = self.job.spec.retry_token.clone().unwrap_or_default();
        self.files().remember(memory, version).await?;
        self.event(EventType::Warning, reason, "Admit", message).await;
        self.refused(reason, message, Some(self.now)).await
    }

    /// Tells of a job that was refused, and waits for a retry, or for its time to go.
    async fn refused(&self, reason: &str, message: &str, at: Option<Timestamp>) -> Result<Requeue, Error> {
        let mut wake = BTreeSet::new();
        if !self.outlived(at, &mut wake).await? {
            let outcome = Outcome::Failed { reason: reason.into(), message: message.into() };
            self.publish_once(&status::without_plan(Some(outcome), reason, message)).await?;
        }
        Ok(self.requeue(&wake))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(status: Value) -> TranscodeJob {
        serde_json::from_value(json!({
            "apiVersion": "transcode.media/v1alpha1", "kind": "TranscodeJob",
            "metadata": {"name": "film", "uid": "u", "generation": 2},
            "spec": {"inputs": [], "outputs": [], "ttlSecondsAfterFinished": 60},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn an_end_is_settled_when_nothing_is_left_to_do() {
        let ended = |phase: &str, kind: &str, state: &str, generation: i64| {
            told_end(&job(json!({
                "phase": phase, "observedGeneration": generation, "finishedAt": "2026-01-01T00:00:00Z", "message": "m",
                "conditions": [{"type": "Ready", "status": "True", "reason": "No", "message": ""},
                    {"type": kind, "status": "True", "reason": "Why", "message": "m"}],
                "stages": [{"name": "publish", "state": "Done", "done": 1, "total": 1},
                    {"name": "cleanup", "state": state, "done": 0, "total": 1}],
            })))
        };
        let end = ended("Succeeded", "Complete", "Done", 2).unwrap();
        assert_eq!((end.outcome, end.settled), (Outcome::Complete { reason: "Why".into() }, true));
        assert_eq!(end.at, Some("2026-01-01T00:00:00Z".parse().unwrap()));
        let failed = Outcome::Failed { reason: "Why".into(), message: "m".into() };
        assert_eq!(ended("Failed", "Failed", "Skipped", 2).map(|end| (end.outcome, end.settled)), Some((failed, true)));
        for (state, generation) in [("Running", 2), ("Waiting", 2), ("Done", 1)] {
            assert!(!ended("Succeeded", "Complete", state, generation).unwrap().settled, "{state}");
        }
        assert!(ended("Running", "Reconciling", "Done", 2).is_none());
        // When its time is over can't be told.
        let untimed = told_end(&job(json!({"phase": "Failed", "observedGeneration": 2, "message": "m", "conditions":
            [{"type": "Failed", "status": "True", "reason": "Invalid", "message": "m"}]})));
        assert!(!untimed.unwrap().settled);
    }
    #[test]
    fn a_settled_job_keeps_what_is_read_of_it() {
        let status = |state: &str| {
            json!({"phase": "Succeeded", "observedGeneration": 2, "finishedAt": "2026-01-01T00:00:00Z", "resolved": "d",
                "conditions": [{"type": "Complete", "status": "True", "reason": "Published", "message": ""}],
                "stages": [{"name": "cleanup", "state": state, "done": 1, "total": 1}],
                "outputs": [{"kind": "hls", "uri": "s3://media/film/master.m3u8"}]})
        };
        let mut settled = job(status("Done"));
        settled.spec.profiles = serde_json::from_value(json!([{"kind": "TranscodeProfile", "name": "p"}])).unwrap();
        let mut shrunk = settled.clone();
        shrink(&mut shrunk);
        let (before, after) = (told_end(&settled).unwrap(), told_end(&shrunk).unwrap());
        assert_eq!((before.outcome, before.at, before.settled), (after.outcome, after.at, after.settled));
        assert_eq!(shrunk.spec.ttl_seconds_after_finished, Some(60));
        let kept = shrunk.status.unwrap();
        assert_eq!((kept.resolved.as_deref(), kept.outputs.len(), shrunk.spec.profiles.len()), (Some("d"), 0, 0));
        // What is still to be done needs all of it.
        let open = job(status("Running"));
        let mut same = open.clone();
        shrink(&mut same);
        assert_eq!((same.spec, same.status), (open.spec, open.status));
    }
}
