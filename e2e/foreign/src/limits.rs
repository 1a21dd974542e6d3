//! What is known of the tools: findings that are no fault of the output, each with its reason.

use anyhow::{Context, Result};
use serde::Deserialize;

const LIST: &str = include_str!("../limits.json");

/// A finding that is no fault of the output.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The reader that says it.
    pub tool: String,
    /// Names of the outputs of which it says it.
    pub outputs: Vec<String>,
    /// The finding; `*` stands for anything.
    pub finding: String,
    /// Why it is no fault of the output.
    pub reason: String,
    /// Where the standard or the tool says so.
    pub reference: String,
    /// The version of a tool that the distribution brings; another one need not say it.
    #[serde(default)]
    pub version: Option<String>,
}

/// All of them.
pub fn read() -> Result<Vec<Limit>> {
    serde_json::from_str(LIST).context("limits.json")
}

/// What is wrong with an output in the eyes of a tool: findings that no limit explains, and limits that explain
/// none. `version` is what the tool says of itself.
pub fn judge(limits: &[Limit], tool: &str, version: &str, output: &str, findings: &[String]) -> Vec<String> {
    let here: Vec<&Limit> =
        limits.iter().filter(|limit| limit.tool == tool && limit.outputs.iter().any(|name| name == output)).collect();
    let explained = |finding: &String| here.iter().any(|limit| matches(&limit.finding, finding));
    let due = |limit: &Limit| limit.version.as_ref().is_none_or(|known| version.contains(known.as_str()));
    let stale = |limit: &&&Limit| due(limit) && !findings.iter().any(|finding| matches(&limit.finding, finding));
    let unknown = findings.iter().filter(|finding| !explained(finding)).cloned();
    let stale = here.iter().filter(stale).map(|limit| {
        format!("limits.json is stale: {tool} no longer says of {output} that \"{}\"; delete it", limit.finding)
    });
    unknown.chain(stale).collect()
}

/// Whether a pattern with `*` for anything fits the whole text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    let mut ends = text.char_indices().map(|(n, _)| n).chain([text.len()]);
    ends.any(|n| matches(rest, &text[n..]))
}
