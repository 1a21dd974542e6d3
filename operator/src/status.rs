//! The status subresource: written when it says something new, progress alone now and then.

use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use transcode_api::{
    TranscodeJob, TranscodeJobStatus, crd,
    status::{Condition, Phase},
};

use transcode_engine::status::seconds;

use crate::{error::Error, names::MANAGER};

/// Progress alone is written no more often than this.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// What became of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// It says nothing new.
    Same,
    /// It says something new, and not before this time.
    Later(Timestamp),
    /// It is to be written now.
    Now,
}

/// Whether a status is to be written over an earlier one.
pub fn due(new: &TranscodeJobStatus, last: Option<&(TranscodeJobStatus, Timestamp)>, now: Timestamp) -> Publish {
    let Some((old, at)) = last else { return Publish::Now };
    if new == old {
        return Publish::Same;
    }
    let next = at.checked_add(PAUSE).unwrap_or(Timestamp::MAX);
    match without_progress(new) == without_progress(old) && now < next {
        true => Publish::Later(next),
        false => Publish::Now,
    }
}

/// Everything that changes step by step left out, and that what was started has begun.
fn without_progress(status: &TranscodeJobStatus) -> TranscodeJobStatus {
    let mut status = status.clone();
    status.progress = None;
    for stage in &mut status.stages {
        stage.done = 0;
        stage.started_at = None;
    }
    status.started_at = None;
    if status.phase == Some(Phase::Pending) && status.conditions.iter().all(|condition| condition.kind != "Queued") {
        status.phase = Some(Phase::Running);
    }
    if status.phase == Some(Phase::Running) {
        status.message = None;
        status.conditions.clear();
    }
    status
}

/// A status as it was read, without the times that writing adds.
pub fn untimed(mut status: TranscodeJobStatus) -> TranscodeJobStatus {
    status.conditions.iter_mut().for_each(|condition| condition.last_transition_time = None);
    status
}

/// Writes a status. Conditions get the time of their last change.
pub async fn write(
    client: &Client,
    job: &TranscodeJob,
    status: &TranscodeJobStatus,
    now: Timestamp,
) -> Result<(), Error> {
    let api: Api<TranscodeJob> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
    let mut patch = json!({
        "apiVersion": TranscodeJob::api_version(&()),
        "kind": TranscodeJob::kind(&()),
        // Never the status of another job of the same name.
        "metadata": {"name": job.name_any(), "uid": job.uid()},
        "status": timed(job, status, now),
    });
    bound(&mut patch);
    api.patch_status(&job.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(patch)).await?;
    Ok(())
}

/// Bytes of a status at most; what people need least goes first.
const MAX_STATUS: usize = 60 * 1024;
/// Characters that are left of a message when there is no room for whole ones.
const SHORT: usize = 160;

/// Cuts a status to what the API server and its readers take.
fn bound(object: &mut Value) {
    if let Some(schema) = crd::schema("TranscodeJob") {
        crd::fit(object, schema);
    }
    let size = |object: &Value| object["status"].to_string().len();
    if size(object) <= MAX_STATUS {
        return;
    }
    for list in ["warnings", "stages"] {
        for row in object["status"][list].as_array_mut().into_iter().flatten() {
            if let Some(Value::String(text)) = row.get_mut("message") {
                *text = text.chars().take(SHORT).collect();
            }
        }
    }
    while size(object) > MAX_STATUS {
        let mut lists = ["warnings", "outputs"].into_iter();
        if !lists.any(|list| object["status"][list].as_array_mut().and_then(Vec::pop).is_some()) {
            break;
        }
    }
}

/// The status as it is written: with the generation, and the times of conditions.
fn timed(job: &TranscodeJob, status: &TranscodeJobStatus, now: Timestamp) -> Value {
    let generation = job.meta().generation;
    let status = TranscodeJobStatus { observed_generation: generation, ..status.clone() };
    let mut value = serde_json::to_value(&status).unwrap_or_default();
    let conditions: Vec<Value> =
        status.conditions.iter().map(|condition| timed_condition(job, condition, generation, now)).collect();
    value["conditions"] = conditions.into();
    value
}

fn timed_condition(job: &TranscodeJob, condition: &Condition, generation: Option<i64>, now: Timestamp) -> Value {
    let before = job.status.iter().flat_map(|status| &status.conditions);
    let before = before.into_iter().find(|old| old.kind == condition.kind && old.status == condition.status);
    let since = before.and_then(|old| old.last_transition_time.clone()).unwrap_or_else(|| seconds(now));
    let mut value = serde_json::to_value(condition).unwrap_or_default();
    value["lastTransitionTime"] = since.into();
    value["observedGeneration"] = generation.into();
    value
}

#[cfg(test)]
mod tests {
    use transcode_api::status::{Phase, ProgressStatus};

    use super::*;

    fn status(phase: Phase, percent: &str) -> TranscodeJobStatus {
        let progress = ProgressStatus { percent: percent.into(), renditions: "0/1".into(), eta: None };
        TranscodeJobStatus { phase: Some(phase), progress: Some(progress), ..TranscodeJobStatus::default() }
    }

    #[test]
    fn the_longest_status_is_under_64_kib() {
        let text = |length: usize| "w".repeat(length);
        let warning = json!({"stage": text(99), "reason": text(200), "message": text(2000)});
        let stage = json!({"name": text(99), "state": "Failed", "done": 1, "total": 1000, "message": text(2000)});
        let output = json!({"kind": "mp4", "uri": text(1700)});
        let mut object = json!({"status": {
            "message": text(9000), "warnings": vec![warning; 64], "stages": vec![stage; 40], "outputs": vec![output; 20]
        }});
        bound(&mut object);
        let status: TranscodeJobStatus = serde_json::from_value(object["status"].clone()).unwrap();
        assert!(object["status"].to_string().len() <= MAX_STATUS);
        assert_eq!((status.stages.len(), status.outputs.len()), (40, 20));
        assert!(!status.warnings.is_empty());
    }

    #[test]
    fn a_new_phase_is_told_at_once_and_progress_now_and_then() {
        let now = Timestamp::UNIX_EPOCH;
        let last = (status(Phase::Running, "1%"), now);
        let later = now.checked_add(PAUSE).unwrap();
        assert_eq!(due(&status(Phase::Running, "1%"), Some(&last), now), Publish::Same);
        assert_eq!(due(&status(Phase::Running, "2%"), Some(&last), now), Publish::Later(later));
        assert_eq!(due(&status(Phase::Running, "2%"), Some(&last), later), Publish::Now);
        assert_eq!(due(&status(Phase::Succeeded, "2%"), Some(&last), now), Publish::Now);
        assert_eq!(due(&status(Phase::Pending, "0%"), None, now), Publish::Now);
        let pending = (status(Phase::Pending, "0%"), now);
        assert_eq!(due(&status(Phase::Running, "0%"), Some(&pending), now), Publish::Later(later));
        assert_eq!(due(&status(Phase::Queued, "0%"), Some(&pending), now), Publish::Now);
    }
}
