//! Plain lines where there is no terminal: only what changed.

use super::{
    View,
    state::{Change, State},
};

/// Prints lines to standard error.
#[derive(Debug, Default)]
pub struct Plain;

impl View for Plain {
    fn changed(&mut self, state: &State, change: &Change) -> std::io::Result<()> {
        let name = &state.name;
        match change {
            // How it ended is told at the end.
            Change::Phase(_) if state.end().is_some() => {}
            Change::Phase(words)
            | Change::Stage(words)
            | Change::Failure(words)
            | Change::Step(words)
            | Change::Hint(words) => eprintln!("{name}: {words}"),
            Change::Blind(why) => eprintln!("{name}: {why}; waiting for it"),
            Change::Sighted => eprintln!("{name}: the API server is back"),
            Change::Status | Change::Progress => {}
        }
        Ok(())
    }
}
