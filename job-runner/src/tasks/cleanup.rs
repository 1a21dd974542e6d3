//! Cleanup: deletes work data, and media that the record does not name (what a killed attempt or an
//! earlier version of the job left). Of a job that goes on to exist only after its record is
//! published; of a deleted one whatever there is. Only ever what lies under a content key, or what
//! the record names.

use std::{collections::BTreeSet, time::Duration};

use futures::TryStreamExt;
use transcode_contract::{PublishedRecord, VERSION};
use transcode_engine::{
    Failure,
    layout::{MEDIA, RECORD, WORK, is_ours},
};

use crate::{
    context::{Context, Erase},
    error::TaskError,
};

/// Beside the job's own folders other jobs may be writing: what is older was left by a killed one.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let record = match (published(context).await?, context.task.erase) {
        (None, None) => {
            let record = context.store.uri(RECORD);
            return Err(TaskError::transient(format!("{record} is not there; nothing is deleted")));
        }
        // What another job published here since is not this one's to take back.
        (Some(record), Some(Erase::All))
            if (&record.namespace, &record.name) == (&context.task.spec.namespace, &context.task.spec.name) =>
        {
            unpublish(context, &record).await?;
            None
        }
        (record, _) => record,
    };
    let named: BTreeSet<&str> = record.iter().flat_map(|r| &r.files).map(|f| f.file.path.as_str()).collect();
    for prefix in [WORK, MEDIA] {
        let keys: Vec<String> = context.store.list(&format!("{prefix}/")).map_ok(|m| m.key).try_collect().await?;
        let gone = keys.iter().map(String::as_str).filter(|key| is_ours(key) && !named.contains(key));
        context.store.delete(&gone.collect::<Vec<_>>()).await?;
        // The job has ended: nobody writes here any more.
        sweep(context, &format!("{prefix}/"), Duration::ZERO).await;
    }
    sweep(context, "", FORGOTTEN).await;
    Ok(())
}

/// The record of what is published. One that can't be read is not the same as none: without it nothing is
/// known to be safe to delete.
async fn published(context: &Context) -> Result<Option<PublishedRecord>, TaskError> {
    let Some(bytes) = context.get_bytes(RECORD).await? else { return Ok(None) };
    match serde_json::from_slice::<PublishedRecord>(&bytes) {
        Ok(record) if record.version <= VERSION => Ok(Some(record)),
        _ => {
            let words = "was not written by this version, so nothing below it is deleted";
            Err(TaskError::new(Failure::Misconfigured, format!("{} {words}", context.store.uri(RECORD))))
        }
    }
}

/// Takes back what a job published: the record first, then what players begin with, media last.
async fn unpublish(context: &Context, record: &PublishedRecord) -> Result<(), TaskError> {
    context.store.delete(&[RECORD]).await?;
    let (media, others): (Vec<_>, Vec<_>) = record.files.iter().partition(|f| is_ours(&f.file.path));
    for files in [others, media] {
        let paths: Vec<_> = files.iter().map(|f| f.file.path.as_str()).collect();
        context.store.delete(&paths).await?;
    }
    Ok(())
}

/// A lack of permission for this is no failure: a bucket's lifecycle rule does the same.
async fn sweep(context: &Context, folder: &str, age: Duration) {
    if let Err(error) = context.store.sweep(folder, age).await {
        tracing::warn!(%error, "unfinished writes can't be swept");
    }
}
