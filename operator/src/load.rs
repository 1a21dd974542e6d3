//! What is known of a job at the beginning of a pass: read, or seen for the first time.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use kube::{
    ResourceExt,
    api::ListParams,
    runtime::{controller::Action as Requeue, events::EventType},
};
use transcode_engine::{Observation, Outcome, assess, begin, status};

use crate::{
    admit::{Admission, admit},
    error::Error,
    files::{Memory, Seen},
    known::{Known, Started},
    names::{self, JOB_UID},
    reconcile::Pass,
    status::untimed,
    view::JobView,
};

/// A job that waits for a profile, which is watched, is looked at again after this all the same.
const SLOW: Duration = Duration::from_secs(300);

/// What there is to work with.
pub enum Loaded {
    /// The job can go on.
    Known(Box<Known>),
    /// It can't, for now or for ever.
    Waits(Requeue),
}

impl Pass<'_> {
    /// The job's Jobs as the API server has them.
    pub async fn children(&self) -> Result<Vec<JobView>, Error> {
        let list = ListParams::default().labels(&format!("{JOB_UID}={}", self.job.uid().unwrap_or_default()));
        let jobs = self.scope.children(self.job).list(&list).await?.items;
        let own = jobs.iter().filter(|child| names::is_child(self.job, &child.metadata));
        Ok(own.filter(|child| child.metadata.deletion_timestamp.is_none()).filter_map(JobView::of).collect())
    }

    /// Reads what is known of a job, or sees it for the first time.
    pub async fn load(&self) -> Result<Loaded, Error> {
        let files = self.files();
        let (mut memory, version) = files.memory().await?;
        let seen = match files.seen().await? {
            Some(seen) => seen,
            None => match self.see(&mut memory, version.as_deref()).await? {
                Ok(seen) => seen,
                Err(requeue) => return Ok(Loaded::Waits(requeue)),
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
            known.memory.record.epoch = self.job.spec.retry_token.clone().unwrap_or_default();
        }
        // The watch may lag behind what an earlier pass, or an earlier operator, started.
        let there = self.children().await?;
        known.ran = there.iter().filter(|view| view.has_run()).map(|view| view.id.clone()).collect();
        let unseen = there.into_iter().filter(|view| !known.memory.record.seen.contains(&view.id));
        known.started = unseen.map(|view| (view.id.clone(), Started::of(&view, self.now))).collect();
        self.vouch(&mut known).await?;
        Ok(Loaded::Known(Box::new(known)))
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
            Admission::Seen(seen) => {
                self.files().see(&seen).await?;
                Ok(Ok(*seen))
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

    /// Before anything is started the status has the digest of what it is started from.
    async fn vouch(&self, known: &mut Known) -> Result<(), Error> {
        let told = self.job.status.clone().filter(|status| status.resolved.as_ref() == Some(&known.seen.digest));
        if let Some(told) = told {
            // Of a job that is over, what the watch shows needs no second writing.
            known.status = Some((untimed(told), self.now)).filter(|_| known.memory.record.ended.is_some());
            return Ok(());
        }
        let record = known.memory.record.clone();
        let observation = Observation { intent: self.intent(), record, ..Observation::default() };
        let progress = assess(&known.plan, &observation);
        let status = status(&known.seen.file.spec, &known.plan, &observation, &progress, self.now);
        self.publish(known, status, &mut BTreeSet::new()).await
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
