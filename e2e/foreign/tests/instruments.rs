//! The judging itself: what differs, what a limit explains, and which limits are stale.

use e2e_foreign::{
    claims::{Facts, differences, reduced},
    limits::{self, Limit, judge},
    outputs::OUTPUTS,
    readers::READERS,
};

fn limit(finding: &str) -> Limit {
    Limit {
        tool: "tool".into(),
        outputs: vec!["film".into()],
        finding: finding.into(),
        reason: String::new(),
        reference: String::new(),
        version: None,
    }
}

fn explains(pattern: &str, finding: &str) -> bool {
    judge(&[limit(pattern)], "tool", "", "film", &[finding.into()]).is_empty()
}

#[test]
fn rates_are_compared_by_value() {
    assert_eq!(reduced("12800/512"), "25");
    assert_eq!(reduced("24000/1001"), "24000/1001");
    assert_eq!(reduced("60000/2002"), "30000/1001");
}

#[test]
fn only_what_both_know_differs() {
    let claimed = Facts::from([("codec", "av01".to_owned()), ("width", "320".to_owned())]);
    let seen = Facts::from([("codec", "vp09".to_owned()), ("language", "en".to_owned())]);
    assert_eq!(differences(&claimed, &seen), ["codec is vp09, and the manifest says av01"]);
}

#[test]
fn a_pattern_fits_the_whole_finding() {
    assert!(explains("low: * box *", "low: unknown box sgpd"));
    assert!(explains("low", "low"));
    assert!(explains("*", ""));
    assert!(!explains("low: *", "top: x"));
    assert!(!explains("*.mp4", "a.mp4 is odd"));
}

#[test]
fn unknown_findings_and_stale_limits_are_wrong() {
    let limits = [limit("known *"), limit("gone")];
    let wrong = judge(&limits, "tool", "", "film", &["known thing".into(), "new".into()]);
    assert_eq!(wrong.len(), 2);
    assert_eq!(wrong[0], "new");
    assert!(wrong[1].contains("\"gone\""), "{}", wrong[1]);
    assert!(judge(&limits, "other", "", "film", &[]).is_empty());
    assert!(judge(&limits, "tool", "", "hdr", &[]).is_empty());
}

#[test]
fn a_limit_of_one_version_is_not_stale_in_another() {
    let limits = [Limit { version: Some("1.22".into()), ..limit("gone") }];
    assert_eq!(judge(&limits, "tool", "tool 1.22.0", "film", &[]).len(), 1);
    assert!(judge(&limits, "tool", "tool 1.26.2", "film", &[]).is_empty());
    assert!(judge(&limits, "tool", "tool 1.26.2", "film", &["gone".into()]).is_empty());
}

#[test]
fn the_list_names_what_there_is() {
    let outputs: Vec<&str> = OUTPUTS.iter().map(|output| output.row.name).collect();
    let tools: Vec<&str> = READERS.iter().map(|reader| reader.name).collect();
    for limit in limits::read().unwrap() {
        assert!(tools.contains(&limit.tool.as_str()), "no reader {}", limit.tool);
        assert!(!limit.reason.is_empty() && !limit.reference.is_empty(), "{}", limit.finding);
        assert!(limit.outputs.iter().all(|output| outputs.contains(&output.as_str())), "{:?}", limit.outputs);
    }
}
