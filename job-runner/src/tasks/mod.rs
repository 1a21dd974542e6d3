//! One module for each kind of stage. Each finds its own result first: a task that is run again
//! tells again what it told.

pub mod audio;
pub mod cleanup;
pub mod encode;
pub mod first_pass;
pub mod merge;
pub mod package;
pub mod probe;
pub mod publish;
pub mod split;
pub mod thumbnail;
pub mod tracks;
pub mod verify;
pub mod whole;

use transcode_engine::{StageId, StageKind, Summary};

use crate::{context::Context, error::TaskError, fault};

/// Runs the task; some tell a summary. Probe does Split's work too: a process less to start.
pub async fn run(context: &Context) -> Result<Vec<Summary>, TaskError> {
    let mut told = one(context).await?;
    if let [media @ Summary::Probe(_)] = told.as_slice() {
        let mut next = context.clone();
        next.task.facts.0.insert(context.task.stage.clone(), media.clone());
        next.task.stage = StageId::job(StageKind::Split);
        told.extend(one(&next).await?);
    }
    Ok(told)
}

async fn one(context: &Context) -> Result<Vec<Summary>, TaskError> {
    if let Some(fault) = fault::asked(context) {
        fault::happen(fault).await?;
    }
    let result = by_kind(context).await;
    if let Err(TaskError { distrusted, .. }) = &result {
        context.withdraw(distrusted).await?;
    }
    result
}

async fn by_kind(context: &Context) -> Result<Vec<Summary>, TaskError> {
    match context.task.stage.kind {
        StageKind::Probe => Ok(vec![probe::run(context).await?]),
        StageKind::Split => Ok(vec![split::run(context).await?]),
        StageKind::Whole => whole::run(context).await,
        StageKind::FirstPass => first_pass::run(context).await.map(|()| vec![]),
        StageKind::Encode => encode::run(context).await.map(|()| vec![]),
        StageKind::Audio => audio::run(context).await.map(|()| vec![]),
        StageKind::Thumbnail => thumbnail::run(context).await.map(|()| vec![]),
        StageKind::Merge => merge::run(context).await.map(|()| vec![]),
        StageKind::Package => Ok(vec![package::run(context).await?]),
        StageKind::Verify => verify::run(context).await.map(|()| vec![]),
        StageKind::Publish => Ok(vec![publish::run(context).await?]),
        StageKind::Cleanup => cleanup::run(context).await.map(|()| vec![]),
    }
}
