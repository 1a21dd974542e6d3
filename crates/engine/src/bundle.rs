//! A job in one file: spec, plan, observation. `replay` decides on it again, anywhere.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    assess::{Progress, assess},
    decide::{Decision, Grant, decide},
    observe::Observation,
    plan::Plan,
    spec::ResolvedSpec,
};

/// Everything that decisions about a job are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// Version of the engine that wrote it.
    pub engine: String,
    /// The resolved spec.
    pub spec: ResolvedSpec,
    /// The plan.
    pub plan: Plan,
    /// What was observed last.
    pub observation: Observation,
    /// What the site gave.
    pub grant: Grant,
    /// When it was observed.
    pub now: Timestamp,
}

impl Bundle {
    /// Progress and decision, as they were made of this bundle.
    pub fn replay(&self) -> (Progress, Decision) {
        let progress = assess(&self.plan, &self.observation);
        let decision = decide(&self.spec, &self.plan, &self.observation, &progress, self.grant, self.now);
        (progress, decision)
    }
}
