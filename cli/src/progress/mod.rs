//! What a person or a program sees of a run: bars on a terminal, plain lines elsewhere, JSON events
//! with `-o json`.

pub mod bars;
mod json;
mod plain;

use std::{collections::BTreeMap, io::IsTerminal, path::Path, time::Duration};

use tokio::sync::mpsc;
use transcode_api::TranscodeJobStatus;
use transcode_contract::RunnerEvent;
use transcode_engine::{
    BatchId, Outcome, Progress, ResolvedSpec, StageId, bundle::Bundle, observe::TaskFailure, status::permille,
};
use transcode_local::{Ended, Event};
use transcode_media::time::{MediaTime, human};

use crate::args::RunOutput;

/// Shows events until the run ends.
pub async fn show(output: RunOutput, spec: ResolvedSpec, events: mpsc::Receiver<Event>) {
    match output {
        RunOutput::Json => json::show(&spec, events).await,
        RunOutput::Text if std::io::stderr().is_terminal() => bars::show(&spec, events).await,
        RunOutput::Text => plain::show(&spec, events).await,
    }
}

/// Shows how a run ended.
pub fn end(
    output: RunOutput,
    spec: &ResolvedSpec,
    work_dir: &Path,
    wall: Duration,
    ended: &Ended,
) -> anyhow::Result<()> {
    match output {
        RunOutput::Json => json::end(spec, ended),
        RunOutput::Text => {
            summary(spec, work_dir, wall, ended);
            Ok(())
        }
    }
}

/// Thousandths of each running task, and the job as it stood last.
#[derive(Debug, Default)]
struct Running {
    tasks: BTreeMap<(BatchId, u32), u32>,
    last: Option<Box<(Bundle, TranscodeJobStatus, Progress)>>,
}

impl Running {
    /// Takes an event.
    fn note(&mut self, event: &Event) {
        match event {
            Event::TaskStarted { batch, index, .. } => {
                self.tasks.insert((batch.clone(), *index), 0);
            }
            Event::TaskEvent { batch, index, event: RunnerEvent::Progress { permille, .. } } => {
                self.tasks.insert((batch.clone(), *index), *permille);
            }
            Event::TaskEnded { batch, index, .. } => {
                self.tasks.remove(&(batch.clone(), *index));
            }
            Event::Status(state) => self.last = Some(state.clone()),
            _ => {}
        }
    }

    /// Thousandths of the whole, running tasks included.
    fn permille(&self) -> u64 {
        let Some((bundle, _, progress)) = self.last.as_deref() else { return 0 };
        let of = |stage: &StageId| self.tasks.iter().filter(|((b, _), _)| b.stage == *stage).map(|(_, p)| *p).sum();
        permille(&bundle.plan, progress, of)
    }
}

/// `encode-720p chunk 3`, `audio`.
fn task_name(batch: &BatchId, index: u32) -> String {
    match batch.stage.kind {
        kind if kind.is_of_chunks() => format!("{} chunk {index}", batch.stage),
        _ => batch.stage.to_string(),
    }
}

/// Reason and first line: the rest is in the log, and at the end when it is the job's.
fn first_words(failure: &TaskFailure) -> String {
    format!("{}: {}", failure.failure.reason(), first_line(&failure.message))
}

/// The first line of a message, cut where it gets long.
pub fn first_line(message: &str) -> String {
    const LONGEST: usize = 120;
    let line = message.lines().next().unwrap_or_default();
    let cut = if line.chars().count() > LONGEST { "…" } else { "" };
    format!("{}{cut}", printable(&line.chars().take(LONGEST).collect::<String>()))
}

/// A text of others, with the control characters in it written out: a terminal would obey them.
pub fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() && c != '\n' { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// `3m20s`
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, s) => format!("{h}h{m:02}m{s:02}s"),
    }
}

fn summary(spec: &ResolvedSpec, work_dir: &Path, wall: Duration, ended: &Ended) {
    match ended {
        Ended::Interrupted => eprintln!("\n{} was interrupted; the same command goes on from here", spec.name),
        Ended::Planned(_) => {}
        Ended::Job(outcome, state) => {
            let (bundle, status) = state.as_ref();
            warnings(status);
            match outcome {
                Outcome::Complete { reason } if reason == "AlreadyPublished" => {
                    println!("{}: nothing to do, the same job is published already and everything is there", spec.name);
                }
                Outcome::Complete { .. } => published(spec, bundle, status, wall),
                Outcome::Failed { reason, message } => {
                    eprintln!("{}: failed, {reason}: {}", spec.name, printable(message));
                    eprintln!("logs of every task are in {}", work_dir.join("logs").display());
                }
            }
        }
    }
}

fn published(spec: &ResolvedSpec, bundle: &Bundle, status: &TranscodeJobStatus, wall: Duration) {
    let media = bundle.observation.record.facts.media().map_or(MediaTime::ZERO, |m| m.duration);
    let speed = media.as_secs_f64() / wall.as_secs_f64().max(0.001);
    println!("{}: published and verified, {} of media in {} ({speed:.2}x)", spec.name, human(media), short(wall));
    results(status);
}

/// Prints what was changed, left out, or failed softly.
pub fn warnings(status: &TranscodeJobStatus) {
    for warning in &status.warnings {
        let attempts = if warning.attempts > 0 { format!(" ({} attempts)", warning.attempts) } else { String::new() };
        eprintln!("warning: {}: {}{attempts}", warning.stage, printable(&warning.message));
    }
}

/// Prints what a job that succeeded made, and what it used.
pub fn results(status: &TranscodeJobStatus) {
    for rendition in &status.renditions {
        let resolution = rendition.resolution.as_deref().unwrap_or("");
        let rate = rendition.bitrate.map_or(String::new(), |b| format!("{} kbit/s", b / 1000));
        let bytes = rendition.bytes.map_or(String::new(), |b| format!("{:.1} MiB", b as f64 / 1_048_576.0));
        println!("  {:<12} {:<10} {:<18} {:>12} {:>12}", rendition.name, resolution, rendition.codec, rate, bytes);
    }
    for output in &status.outputs {
        println!("  {:<12} {}", output.kind, printable(&output.uri));
    }
    if let Some(usage) = &status.usage {
        println!(
            "  in all {} CPU-seconds, {:.1} MiB read from the source, {:.1} MiB published",
            usage.cpu_seconds,
            mib(usage.bytes_read),
            mib(usage.bytes_written)
        );
    }
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_no_text_of_others() {
        assert_eq!(printable("a\x1b]0;title\x07\nb é"), "a\\u{1b}]0;title\\u{7}\nb é");
    }
}
