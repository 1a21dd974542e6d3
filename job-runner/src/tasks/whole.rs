//! Whole: all of a small job in one pod. The local driver, with this very program for its tasks. Nothing is
//! tried twice here: what fails is left to the stages, which find what is done.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use transcode_api::WorkDataDeletion;
use transcode_contract::RunnerEvent;
use transcode_engine::{Failure, Outcome, ResolvedSpec, StageKind, Summary, estimate, status::permille};
use transcode_local::{Ended, Event, LocalEngine, Until};

use crate::{context::Context, error::TaskError, log::Log, process};

/// Tells what Package and Publish told.
pub async fn run(context: &Context) -> Result<Vec<Summary>, TaskError> {
    let engine = engine(context)?;
    let stop = CancellationToken::new();
    let (sender, receiver) = mpsc::channel(64);
    let spec = spec(&context.task.spec);
    let (ended, failure) = tokio::join!(
        engine.run(&spec, Until::End, sender, stop.clone()),
        watch(receiver, engine.work_dir.join("logs"), &context.log, &stop)
    );
    match (ended.map_err(TaskError::transient)?, failure) {
        (Ended::Job(Outcome::Complete { .. }, told), _) => {
            let facts = told.0.observation.record.facts.0.into_values();
            Ok(facts.filter(|summary| StageKind::Whole.tells().contains(&summary.kind())).collect())
        }
        (_, Some(error)) => Err(error),
        (Ended::Job(Outcome::Failed { message, .. }, _), None) => Err(TaskError::transient(message)),
        (_, None) => Err(TaskError::transient("it was stopped")),
    }
}

fn engine(context: &Context) -> Result<LocalEngine, TaskError> {
    Ok(LocalEngine {
        runner: std::env::current_exe().map_err(TaskError::transient)?,
        workers: estimate::WHOLE_WORKERS,
        memory_mib: u64::MAX,
        work_dir: context.scratch.join("whole"),
        site: context.task.site.clone(),
        facts: context.task.facts.clone(),
    })
}

/// The job as its parts see it: a stage of its own cleans up later.
fn spec(spec: &ResolvedSpec) -> ResolvedSpec {
    let mut spec = spec.clone();
    spec.whole_below_seconds = None;
    spec.delete_work = WorkDataDeletion::Never;
    (spec.critical.max_attempts, spec.enhancement.max_attempts) = (1, 1);
    spec
}

/// Passes on what the tasks log, and stops everything at the first failure.
async fn watch(
    mut events: mpsc::Receiver<Event>,
    logs: PathBuf,
    log: &Log,
    stop: &CancellationToken,
) -> Option<TaskError> {
    let mut first = None;
    while let Some(event) = events.recv().await {
        match event {
            Event::Status(status) => {
                let (bundle, _, progress) = *status;
                let permille = permille(&bundle.plan, &progress, |_| 0) as u32;
                process::tell(&RunnerEvent::Progress { permille, frame: 0, fps: 0.0, speed: 0.0 });
            }
            Event::TaskEvent { event: command @ RunnerEvent::Command { .. }, .. } => process::tell(&command),
            Event::TaskEnded { batch, index, failure } => {
                copy_logs(&logs, &format!("{}-{index}-", batch.stage), log.clone());
                if let Some(told) = failure.filter(|_| first.is_none()) {
                    let failure = match told.failure {
                        Failure::Missing { .. } => Failure::Transient,
                        other => other,
                    };
                    first = Some(TaskError::new(failure, format!("{}: {}", batch.stage, told.message)));
                    stop.cancel();
                }
            }
            _ => {}
        }
    }
    first
}

/// The log of a task that ended, among this one's.
fn copy_logs(folder: &Path, prefix: &str, mut log: Log) {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let own = files.filter(|file| file.file_name().to_string_lossy().starts_with(prefix));
    for file in own.filter(|file| file.path().extension().is_some_and(|end| end == "log")) {
        let copied = std::fs::read(file.path()).and_then(|text| log.write_all(&text));
        if let Err(error) = copied {
            tracing::warn!(%error, file = %file.path().display(), "a task's log can't be copied");
        }
    }
}
