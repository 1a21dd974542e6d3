//! Bars on a terminal: one for the whole with its ETA, a line for each task that runs.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use transcode_contract::RunnerEvent;
use transcode_engine::{BatchId, ResolvedSpec};
use transcode_local::Event;

use super::{Running, first_words, short, task_name};

/// Shows events until the run ends.
pub async fn show(spec: &ResolvedSpec, mut events: mpsc::Receiver<Event>) {
    let all = MultiProgress::new();
    let whole = all.add(ProgressBar::new(1000));
    whole.set_style(style("{prefix:.bold} {bar:32.cyan/dim} {percent:>3}% {msg}"));
    whole.set_prefix(spec.name.clone());
    whole.enable_steady_tick(Duration::from_millis(500));
    let started = Instant::now();
    let mut running = Running::default();
    let mut bars: BTreeMap<(BatchId, u32), ProgressBar> = BTreeMap::new();
    while let Some(event) = events.recv().await {
        running.note(&event);
        match event {
            Event::TaskStarted { batch, index, attempt } => {
                let bar = all.add(ProgressBar::new(1000));
                bar.set_style(style("  {prefix:24!} {bar:22.green/dim} {percent:>3}% {msg}"));
                let again = if attempt > 0 { format!(" (try {})", attempt + 1) } else { String::new() };
                bar.set_prefix(format!("{}{again}", task_name(&batch, index)));
                bar.tick();
                bars.insert((batch, index), bar);
            }
            Event::TaskEvent { batch, index, event: RunnerEvent::Progress { permille, fps, speed, .. } } => {
                if let Some(bar) = bars.get(&(batch, index)) {
                    bar.set_position(u64::from(permille));
                    bar.set_message(format!("{fps:.0} fps {speed:.2}x"));
                }
                advance(&whole, started, running.permille());
            }
            Event::TaskEnded { batch, index, failure } => {
                if let Some(bar) = bars.remove(&(batch.clone(), index)) {
                    bar.finish_and_clear();
                    all.remove(&bar);
                }
                if let Some(failure) = failure {
                    let _ = all.println(format!("{} failed, {}", task_name(&batch, index), first_words(&failure)));
                }
            }
            Event::Status(_) => advance(&whole, started, running.permille()),
            _ => {}
        }
    }
    whole.finish_and_clear();
}

fn advance(whole: &ProgressBar, started: Instant, permille: u64) {
    whole.set_position(permille);
    whole.set_message(eta(started.elapsed(), permille));
}

/// What is left after so much time; nothing below a twentieth: the start-up would mislead.
pub fn eta(passed: Duration, permille: u64) -> String {
    match permille {
        50..1000 => format!("{} left", short(passed.mul_f64((1000 - permille) as f64 / permille as f64))),
        _ => short(passed),
    }
}

/// A bar of ours.
pub fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▌░")
}
