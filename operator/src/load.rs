//! What is known of a job at the beginning of a pass: read, or seen for the first time.

use std::time::Duration;

use kube::runtime::{controller::Action as Requeue, events::EventType};
use transcode_engine::{Outcome, begin, status};

use crate::{
    admit::{Admission, admit, forbidden},
    error::Error,
    known::Known,
    reconcile::Pass,
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
    /// Reads what is known of a job, or sees it for the first time.
    pub async fn load(&self) -> Result<Loaded, Error> {
        let files = self.files();
        let (memory, version) = files.memory().await?;
        let seen = match files.seen().await? {
            Some(seen) => seen,
            None => {
                if let Some(Outcome::Failed { reason, message }) = memory.record.ended.clone() {
                    return self.refuse(&reason, &message).await;
                }
                match admit(&self.scope.shared.client, &self.scope.shared.args, &self.scope.shared.defaults, self.job)
                    .await?
                {
                    Admission::Seen(seen) => {
                        files.see(&seen).await?;
                        *seen
                    }
                    Admission::Waits { reason, message } => {
                        let status = status::without_plan(None, reason, &message);
                        self.publish_once(&status).await?;
                        return Ok(Loaded::Waits(Requeue::requeue(SLOW)));
                    }
                    Admission::Refused { reason, message } => {
                        let mut memory = memory;
                        let outcome = Outcome::Failed { reason: reason.into(), message: message.clone() };
                        memory.record.end(outcome, self.now);
                        files.remember(&memory, version.as_deref()).await?;
                        self.event(EventType::Warning, reason, "Admit", &message).await;
                        return self.refuse(reason, &message).await;
                    }
                }
            }
        };
        // It may have been changed since, or the site gives less than it did.
        let forbidden = forbidden(&self.scope.shared.args, &seen.file.spec);
        if let (Some((reason, message)), None) = (forbidden, &memory.record.ended) {
            return self.refuse(reason, &message).await;
        }
        let plan = match &memory.facts {
            Some(name) => files.plan(name).await?,
            None => None,
        };
        let plan = plan.unwrap_or_else(|| begin(&seen.file.spec));
        let mut known = Known::new(seen, plan, memory, version);
        if known.version.is_none() {
            known.memory.record.epoch = self.job.spec.retry_token.clone().unwrap_or_default();
        }
        Ok(Loaded::Known(Box::new(known)))
    }

    async fn refuse(&self, reason: &str, message: &str) -> Result<Loaded, Error> {
        let outcome = Outcome::Failed { reason: reason.into(), message: message.into() };
        self.publish_once(&status::without_plan(Some(outcome), reason, message)).await?;
        Ok(Loaded::Waits(Requeue::await_change()))
    }
}
