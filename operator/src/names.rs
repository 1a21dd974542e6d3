//! Names and labels of everything that belongs to a TranscodeJob.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use transcode_api::TranscodeJob;
use transcode_engine::{BatchId, StageId};

/// Who writes, for server-side apply and for `managed-by`.
pub const MANAGER: &str = "transcode-operator";
/// Keeps a TranscodeJob, and the ConfigMap with what it was when it was first seen, until its work data is deleted.
pub const FINALIZER: &str = "transcode.media/work-data";
/// Label: UID of the TranscodeJob.
pub const JOB_UID: &str = "transcode.media/job-uid";
/// Label: name of the TranscodeJob, cut to what a label holds.
pub const JOB_NAME: &str = "transcode.media/job";
/// Label: stage, such as `encode-720p`.
pub const STAGE: &str = "transcode.media/stage";
/// Annotation: batch, such as `encode-720p.0`.
pub const BATCH: &str = "transcode.media/batch";
/// Annotation: the batch's tasks, such as `0-3,7`: index n is the n-th of them.
pub const TASKS: &str = "transcode.media/tasks";
/// Annotation: whole name of the TranscodeJob.
pub const PARENT: &str = "transcode.media/job-name";
/// Selects everything that this operator made.
pub const SELECTOR: &str = "app.kubernetes.io/managed-by=transcode-operator";

/// Characters of a Job's name: `<name>-<index>` is a host name of at most 63 (RFC 1123), and there
/// are up to 1,000 indexes with room to spare.
const MAX_NAME: usize = 57;

/// Names of a job's children.
#[derive(Debug, Clone)]
pub struct Names {
    name: String,
    uid: String,
}

impl Names {
    /// Of a job.
    pub fn of(job: &TranscodeJob) -> Self {
        Names { name: job.name_any(), uid: job.uid().unwrap_or_default() }
    }

    /// `<name, cut>-<first 8 of the UID>-<what>`
    fn child(&self, what: &str) -> String {
        let uid: String = self.uid.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        let room = MAX_NAME.saturating_sub(uid.len() + what.len() + 2);
        let name: String = self.name.chars().map(|c| if c == '.' { '-' } else { c }).take(room).collect();
        format!("{}-{uid}-{what}", name.trim_end_matches('-'))
    }

    /// The Job of a batch.
    pub fn batch(&self, id: &BatchId) -> String {
        self.child(&format!("{}-b{}", id.stage, id.number))
    }

    /// The ConfigMap with the job as it was first seen.
    pub fn job_file(&self) -> String {
        self.child("job")
    }

    /// The same where that name is taken; `digest` is that of [`crate::files::Seen`].
    pub fn other_job_file(&self, digest: &str) -> String {
        self.child(&format!("job-{}", digest.get(..10).unwrap_or(digest)))
    }

    /// The ConfigMap with what is known of the source; `digest` is of its content.
    pub fn facts_file(&self, digest: &str) -> String {
        self.child(&format!("facts-{digest}"))
    }

    /// The ConfigMap with the record.
    pub fn record(&self) -> String {
        self.child("record")
    }

    /// The Job that deletes work data after the TranscodeJob was deleted.
    pub fn cleanup(&self) -> String {
        self.child("deleted")
    }

    /// Labels of every child.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut name: String = self.name.chars().take(63).collect();
        name.truncate(name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len());
        BTreeMap::from([
            ("app.kubernetes.io/managed-by".into(), MANAGER.into()),
            ("app.kubernetes.io/name".into(), "transcode-job".into()),
            (JOB_NAME.into(), name),
            (JOB_UID.into(), self.uid.clone()),
        ])
    }

    /// Labels of what belongs to a stage.
    pub fn stage_labels(&self, stage: &StageId) -> BTreeMap<String, String> {
        let mut labels = self.labels();
        labels.insert(STAGE.into(), stage.to_string());
        labels
    }
}

/// Metadata of a child that goes with its job.
pub fn owned(job: &TranscodeJob, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: job.namespace(),
        labels: Some(labels),
        owner_references: job.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// Whether a Job is this very job's: labels alone anyone can write. What cleans up after it has no owner, nor have the
/// Jobs of one that is deleted with `--cascade=orphan`.
pub fn is_child(job: &TranscodeJob, meta: &ObjectMeta) -> bool {
    let label = meta.labels.as_ref().and_then(|labels| labels.get(JOB_UID));
    let own = label.is_some() && label == job.meta().uid.as_ref() && meta.namespace == job.namespace();
    let orphan = job.meta().deletion_timestamp.is_some() && meta.owner_references.iter().flatten().next().is_none();
    own && (is_owned(job, meta) || orphan || meta.name == Some(Names::of(job).cleanup()))
}

/// Whether an object is a child of this very job; one of the same name may belong to another.
pub fn is_owned(job: &TranscodeJob, meta: &ObjectMeta) -> bool {
    let own = |owner: &OwnerReference| owner.controller == Some(true) && Some(&owner.uid) == job.meta().uid.as_ref();
    meta.owner_references.iter().flatten().any(own)
}

#[cfg(test)]
mod tests {
    use transcode_engine::StageKind;

    use super::*;

    fn names(name: &str) -> Names {
        Names { name: name.into(), uid: "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9".into() }
    }

    #[test]
    fn the_longest_names_fit_and_keep_what_tells_them_apart() {
        let stage = StageId::rendition(StageKind::Encode, "a-rendition-of-20-ch");
        let name = names(&"n".repeat(253)).batch(&BatchId { stage, number: 1234 });
        assert!(name.len() <= MAX_NAME && name.ends_with("-0a1b2c3d-encode-a-rendition-of-20-ch-b1234"), "{name}");
        let facts = names("a.b-.c").facts_file("0123456789");
        assert_eq!(facts, "a-b--c-0a1b2c3d-facts-0123456789");
    }

    #[test]
    fn a_name_that_is_cut_at_a_hyphen_stays_a_name() {
        let name = names(&format!("{}-tail", "n".repeat(41))).record();
        assert!(!name.contains("--"), "{name}");
        assert!(names(&format!("{}.tail", "n".repeat(62))).labels()[JOB_NAME].ends_with('n'));
    }
}
