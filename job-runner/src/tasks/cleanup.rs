//! Cleanup: deletes work data, and media that the record does not name (what a killed attempt or an
//! earlier version of the job left). Only ever after the record is published.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use transcode_contract::PublishedRecord;
use transcode_engine::layout::{MEDIA, RECORD, WORK};

use crate::{context::Context, error::TaskError};

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let record: Option<PublishedRecord> = context.get_json(RECORD).await?;
    let Some(record) = record else {
        return Err(TaskError::transient(format!("{} is not there; nothing is deleted", context.store.uri(RECORD))));
    };
    let named: BTreeSet<&str> = record.files.iter().map(|f| f.file.path.as_str()).collect();
    for prefix in [WORK, MEDIA] {
        let keys: Vec<String> = context.store.list(&format!("{prefix}/")).map_ok(|m| m.key).try_collect().await?;
        let gone: Vec<&str> = keys.iter().map(String::as_str).filter(|key| !named.contains(key)).collect();
        context.store.delete(&gone).await?;
    }
    Ok(())
}
