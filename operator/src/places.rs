//! Jobs that write to the same place: one after the other.

use kube::ResourceExt;
use transcode_api::{Output, S3Store, StoreSpec, TranscodeJob, status::Phase};
use transcode_engine::{StageId, StageKind};

/// Reason of a job that waits for another one.
pub const SHARES: &str = "SharesWorkWith";

/// Where a job writes to.
#[derive(Debug, Clone)]
pub struct Place {
    /// None while the store is not known, which a profile has.
    store: Option<S3Store>,
    bucket: String,
    prefix: String,
}

impl Place {
    /// Of a job with these stores; none when it writes to no S3 store.
    pub fn new(output: &Output, stores: &[StoreSpec]) -> Option<Self> {
        let s3 = output.s3.as_ref()?;
        let store = stores.iter().find(|store| store.name == s3.store).map(|store| store.s3.clone());
        Some(Place { store, bucket: s3.bucket.clone(), prefix: s3.prefix.trim_matches('/').into() })
    }

    /// What two that [meet](Place::meets) have in common.
    pub fn key(&self) -> String {
        format!("{}/{}", self.bucket, self.prefix)
    }

    /// Whether two may be the same. Better one job too many waits than that two write.
    pub fn meets(&self, other: &Place) -> bool {
        let endpoint = |place: &Place| {
            let store = place.store.as_ref()?;
            Some(store.endpoint.as_deref().unwrap_or_default().trim_end_matches('/').to_lowercase())
        };
        let same = match (endpoint(self), endpoint(other)) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        same && self.bucket == other.bucket && self.prefix == other.prefix
    }
}

/// Ended, cleaned up, and not being deleted: nothing of it writes or deletes any more.
pub fn is_over(job: &TranscodeJob) -> bool {
    let phase = job.status.as_ref().and_then(|status| status.phase);
    matches!(phase, Some(Phase::Succeeded | Phase::Failed)) && !deletes(job)
}

/// Whether a job has proved that it can write to its output: Probe tries that, and was done. Anybody can name the
/// output of somebody else; without the credentials that must hold nobody up.
pub fn can_write(job: &TranscodeJob) -> bool {
    job.status.as_ref().is_some_and(|status| status.media.is_some())
}

/// Its work data is being deleted.
fn deletes(job: &TranscodeJob) -> bool {
    let cleanup = StageId::job(StageKind::Cleanup).to_string();
    let mut stages = job.status.iter().flat_map(|status| &status.stages);
    let cleans = stages.any(|stage| stage.name == cleanup && matches!(&*stage.state, "Running" | "Retrying"));
    cleans || job.metadata.deletion_timestamp.is_some()
}

/// Who may write to a place that several jobs share: those that have begun before those that have not, then
/// the oldest.
pub fn rank(job: &TranscodeJob) -> impl Ord + use<> {
    let status = job.status.clone().unwrap_or_default();
    let runs = matches!(status.phase, Some(Phase::Running | Phase::Queued));
    let waits = status.conditions.iter().any(|condition| condition.reason == SHARES);
    let begun = runs && !waits || deletes(job);
    (!begun, job.creation_timestamp().map(|time| time.0), job.uid())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(age: u32, status: Value) -> TranscodeJob {
        let created = format!("2026-01-01T00:00:{:02}Z", 59 - age);
        serde_json::from_value(json!({
            "apiVersion": "transcode.media/v1alpha1", "kind": "TranscodeJob",
            "metadata": {"name": format!("j{age}"), "uid": format!("u{age}"), "creationTimestamp": created},
            "spec": {"inputs": [], "outputs": []},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn who_runs_goes_before_who_is_older() {
        let waits = json!({"phase": "Queued", "conditions":
            [{"type": "Queued", "status": "True", "reason": SHARES, "message": ""}]});
        let cleans =
            json!({"phase": "Succeeded", "stages": [{"name": "cleanup", "state": "Running", "done": 0, "total": 1}]});
        let running = job(1, json!({"phase": "Running"}));
        for (age, status) in
            [(9, json!({"phase": "Failed"})), (9, json!({"phase": "Suspended"})), (9, waits), (9, json!({}))]
        {
            assert!(rank(&running) < rank(&job(age, status.clone())), "{status}");
        }
        assert!(rank(&job(9, cleans.clone())) < rank(&running) && !is_over(&job(9, cleans)));
        assert!(is_over(&job(9, json!({"phase": "Succeeded"}))) && !is_over(&running));
        assert!(rank(&job(9, json!({}))) < rank(&job(1, json!({"phase": "Pending"}))));
    }

    #[test]
    fn a_store_that_is_not_known_may_be_any() {
        let place = |endpoint: Option<&str>, prefix: &str| {
            let output = json!({"name": "main", "s3": {"store": "s", "bucket": "vod", "prefix": prefix}});
            let stores = endpoint.map(|endpoint| json!({"name": "s", "s3": {"endpoint": endpoint}}));
            let stores: Vec<StoreSpec> = serde_json::from_value(stores.into_iter().collect()).unwrap();
            Place::new(&serde_json::from_value(output).unwrap(), &stores).unwrap()
        };
        let own = place(Some("https://s3.example/"), "a/b");
        assert!(own.meets(&place(Some("https://S3.example"), "a/b/")) && own.meets(&place(None, "a/b")));
        assert!(!own.meets(&place(Some("https://other.example"), "a/b")) && !own.meets(&place(None, "a")));
    }
}
