//! Bars on a terminal: one for the whole with its ETA, a line for each stage that is under way.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar};
use jiff::Timestamp;

use super::{
    View,
    state::{Change, State},
};
use crate::progress::bars::style;

/// Stages that are shown at a time: a screen holds no more.
const ROWS: usize = 16;

/// The terminal.
#[derive(Debug, Clone)]
pub struct Bars {
    all: MultiProgress,
}

impl Bars {
    /// Draws to standard error, once there is something to draw.
    pub fn new() -> Self {
        Bars { all: MultiProgress::new() }
    }

    /// The bars of a job.
    pub fn job(&self, name: &str) -> JobBars {
        let whole = self.all.add(ProgressBar::new(1000));
        whole.set_style(style("{prefix:.bold} {bar:32.cyan/dim} {percent:>3}% {msg}"));
        whole.set_prefix(name.to_owned());
        whole.enable_steady_tick(Duration::from_millis(500));
        JobBars { all: self.all.clone(), whole, rows: BTreeMap::new() }
    }
}

/// The bars of one job.
#[derive(Debug)]
pub struct JobBars {
    all: MultiProgress,
    whole: ProgressBar,
    rows: BTreeMap<String, ProgressBar>,
}

impl JobBars {
    fn draw(&mut self, state: &State) {
        self.whole.set_position(state.permille());
        self.whole.set_message(state.trouble().unwrap_or_else(|| state.eta(Timestamp::now())));
        let rows: Vec<_> = state.rows().into_iter().filter(|row| row.is_active()).take(ROWS).collect();
        let over: Vec<_> =
            self.rows.keys().filter(|name| !rows.iter().any(|row| row.name == **name)).cloned().collect();
        for name in over {
            self.remove(&name);
        }
        let mut above = self.whole.clone();
        for row in rows {
            let bar = self.rows.entry(row.name.clone()).or_insert_with(|| {
                let bar = self.all.insert_after(&above, ProgressBar::new(1000));
                bar.set_style(style("  {prefix:24!} {bar:22.green/dim} {percent:>3}% {msg}"));
                bar.set_prefix(row.name.clone());
                bar
            });
            bar.set_position(row.permille);
            bar.set_message(row.words);
            above = bar.clone();
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some(bar) = self.rows.remove(name) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}

impl View for JobBars {
    fn changed(&mut self, state: &State, change: &Change) -> std::io::Result<()> {
        match change {
            Change::Failure(words) | Change::Hint(words) => self.all.println(format!("{}: {words}", state.name))?,
            _ => {}
        }
        self.draw(state);
        Ok(())
    }

    fn tick(&mut self, state: &State) {
        self.draw(state);
    }

    fn close(&mut self) {
        let names: Vec<_> = self.rows.keys().cloned().collect();
        for name in names {
            self.remove(&name);
        }
        self.whole.finish_and_clear();
    }
}
