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
}

/// All of them.
pub fn read() -> Result<Vec<Limit>> {
    serde_json::from_str(LIST).context("limits.json")
}

/// What is wrong with an output in the eyes of a tool: findings that no limit explains, and limits that explain
/// none.
pub fn judge(limits: &[Limit], tool: &str, output: &str, findings: &[String]) -> Vec<String> {
    let here: Vec<&Limit> =
        limits.iter().filter(|limit| limit.tool == tool && limit.outputs.iter().any(|name| name == output)).collect();
    let explained = |finding: &String| here.iter().any(|limit| matches(&limit.finding, finding));
    let stale = |limit: &&&Limit| !findings.iter().any(|finding| matches(&limit.finding, finding));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(finding: &str) -> Limit {
        Limit {
            tool: "tool".into(),
            outputs: vec!["film".into()],
            finding: finding.into(),
            reason: String::new(),
            reference: String::new(),
        }
    }

    #[test]
    fn a_pattern_fits_the_whole_text() {
        assert!(matches("low: * box *", "low: unknown box sgpd"));
        assert!(matches("low", "low"));
        assert!(matches("*", ""));
        assert!(!matches("low: *", "top: x"));
        assert!(!matches("*.mp4", "a.mp4 is odd"));
    }

    #[test]
    fn unknown_findings_and_stale_limits_are_wrong() {
        let limits = [limit("known *"), limit("gone")];
        let wrong = judge(&limits, "tool", "film", &["known thing".into(), "new".into()]);
        assert_eq!(wrong.len(), 2);
        assert_eq!(wrong[0], "new");
        assert!(wrong[1].contains("\"gone\""), "{}", wrong[1]);
        assert!(judge(&limits, "other", "film", &[]).is_empty());
    }

    #[test]
    fn the_list_reads_and_names_what_there_is() {
        let outputs: Vec<&str> = crate::outputs::OUTPUTS.iter().map(|output| output.row.name).collect();
        let tools: Vec<&str> = crate::readers::READERS.iter().map(|reader| reader.name).collect();
        for limit in read().unwrap() {
            assert!(tools.contains(&limit.tool.as_str()), "no reader {}", limit.tool);
            assert!(!limit.reason.is_empty() && !limit.reference.is_empty(), "{}", limit.finding);
            for output in &limit.outputs {
                assert!(outputs.contains(&output.as_str()), "no output {output}");
            }
        }
    }
}
