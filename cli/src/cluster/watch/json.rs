//! A status a line on standard output, for programs.

use std::io::Write;

use serde_json::json;

use super::{
    View,
    state::{Change, State},
};

/// Prints statuses.
#[derive(Debug)]
pub struct Lines {
    namespace: String,
}

impl Lines {
    /// Of a job in a namespace.
    pub fn new(namespace: &str) -> Self {
        Lines { namespace: namespace.into() }
    }
}

impl View for Lines {
    fn changed(&mut self, state: &State, change: &Change) -> std::io::Result<()> {
        match change {
            Change::Status => {
                let job = format!("{}/{}", self.namespace, state.name);
                writeln!(std::io::stdout(), "{}", json!({"job": job, "status": state.status()}))?;
            }
            Change::Blind(why) => eprintln!("{}: {why}; waiting for it", state.name),
            Change::Hint(words) => eprintln!("{}: {words}", state.name),
            _ => {}
        }
        Ok(())
    }
}
