//! One module for each kind of stage. Each finds its own result first: a task that is run again
//! tells again what it told.

pub mod audio;
pub mod cleanup;
pub mod encode;
pub mod merge;
pub mod package;
pub mod probe;
pub mod publish;
pub mod split;
pub mod thumbnail;
pub mod tracks;
pub mod verify;

use transcode_engine::{Failure, StageId, StageKind, Summary, TaskSet};

use crate::{context::Context, error::TaskError, fault};

/// Runs the task; some tell a summary.
pub async fn run(context: &Context) -> Result<Option<Summary>, TaskError> {
    if let Some(fault) = fault::asked(context) {
        fault::happen(fault).await?;
    }
    let result = by_kind(context).await;
    if let Err(TaskError { failure: Failure::Missing { stage, tasks }, .. }) = &result {
        distrust(context, stage, tasks).await?;
    }
    result
}

/// Deletes results that were found wrong: the tasks that made them would take them for done.
async fn distrust(context: &Context, stage: &StageId, tasks: &TaskSet) -> Result<(), TaskError> {
    // Before Probe and Split have told, there are no results to find.
    let Ok(layout) = context.layout() else { return Ok(()) };
    let concerned = |name: &&String| stage.subject.is_empty() || stage.subject == **name;
    let keys: Vec<String> = match stage.kind {
        StageKind::Encode => {
            let names = layout.renditions.keys().filter(concerned);
            names.flat_map(|name| tasks.iter().map(|task| layout.chunk_result(name, task))).collect()
        }
        StageKind::Audio => vec![layout.audio_result()],
        _ => vec![layout.result(stage)],
    };
    context.store.delete(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    Ok(())
}

async fn by_kind(context: &Context) -> Result<Option<Summary>, TaskError> {
    match context.task.stage.kind {
        StageKind::Probe => probe::run(context).await.map(Some),
        StageKind::Split => split::run(context).await.map(Some),
        StageKind::Encode => encode::run(context).await.map(|()| None),
        StageKind::Audio => audio::run(context).await.map(|()| None),
        StageKind::Thumbnail => thumbnail::run(context).await.map(|()| None),
        StageKind::Merge => merge::run(context).await.map(|()| None),
        StageKind::Package => package::run(context).await.map(Some),
        StageKind::Verify => verify::run(context).await.map(|()| None),
        StageKind::Publish => publish::run(context).await.map(Some),
        StageKind::Cleanup => cleanup::run(context).await.map(|()| None),
    }
}
