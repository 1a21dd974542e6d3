//! Every specification of `refusals/` is refused for the reasons that its head says and for no
//! other; every one of `accepted/` is read. `e2e/apiserver` runs the same files on an API server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{fs, path::PathBuf};

use transcode_api::rules::Scope;
use transcode_manifest::{Problem, read, read_for, render};

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// The texts of the head's comments of one sort.
fn head<'a>(text: &'a str, sort: &str) -> Vec<&'a str> {
    let prefix = format!("# {sort}: ");
    text.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

/// `path: message; help`, without the place.
fn said(problem: &Problem) -> String {
    let line = problem.to_string();
    let place = format!("{}:{}:{}: ", problem.file(), problem.location().line, problem.location().column);
    let said = line.strip_prefix(&place).unwrap().to_owned();
    if problem.path.is_empty() { format!(": {said}") } else { said }
}

#[test]
fn refusals_name_the_field_and_what_would_be_right() {
    let mut wrong = Vec::new();
    for (name, text) in files("refusals") {
        let mut expected = head(&text, "expect");
        assert!(!expected.is_empty(), "{name} does not say what to expect");
        let scope = if head(&text, "scope") == ["cluster"] { Scope::Cluster } else { Scope::All };
        let Err(problems) = read_for(&name, &text, scope) else {
            wrong.push(format!("{name}: was read"));
            continue;
        };
        for problem in &problems {
            match expected.iter().position(|words| said(problem).contains(words)) {
                Some(found) => drop(expected.remove(found)),
                None => wrong.push(format!("{name}: not expected: {problem}")),
            }
        }
        wrong.extend(expected.iter().map(|words| format!("{name}: not said: {words}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_cluster_alone_refuses_is_read_locally() {
    for (name, text) in files("refusals") {
        if head(&text, "scope") == ["cluster"] {
            assert!(read(&name, &text).is_ok(), "{name}");
        }
    }
}

#[test]
fn accepted_specs_are_read() {
    let mut wrong = Vec::new();
    for (name, text) in files("accepted") {
        let scope = if head(&text, "scope") == ["local"] { Scope::All } else { Scope::Cluster };
        if let Err(problems) = read_for(&name, &text, scope) {
            wrong.extend(problems.iter().map(ToString::to_string));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn problems_are_rendered_with_their_lines() {
    for name in ["several", "key-twice", "tab", "unknown-field", "rule-two-sources"] {
        let file = format!("{name}.yaml");
        let (_, text) = files("refusals").into_iter().find(|(found, _)| *found == file).unwrap();
        let problems = read(&file, &text).unwrap_err();
        insta::assert_snapshot!(name, render(&problems, false));
    }
}

#[test]
fn colour_is_for_terminals() {
    let problems = read("job.yaml", "kind: TranscodeJbo").unwrap_err();
    assert!(!render(&problems, false).contains('\u{1b}'));
    assert!(render(&problems, true).contains("TranscodeJbo"));
}

#[test]
fn later_problems_find_their_lines() {
    let text = "apiVersion: transcode.media/v1alpha1\nkind: TranscodeJob\nmetadata: {name: a}\nspec:\n  inputs:\n  - name: main\n    http: {url: 'https://a.example/b'}\n  outputs:\n  - {name: main, s3: {store: s, bucket: vod, prefix: p}}\n  options:\n    renditions:\n    - name: 720p\n    - name: 480p\n      encode: {h264: {}}\n";
    let manifests = read("job.yaml", text).unwrap();
    let (document, job) = manifests.jobs().next().unwrap();
    assert_eq!(job.spec.inputs[0].name, "main");
    for (path, place) in [
        ("spec.options.renditions[1].encode", Some((14, 7))),
        ("spec.options.renditions[1]", Some((13, 7))),
        ("spec.options.renditions[1].encode.h264.rate.crf", Some((14, 16))),
        ("spec.options.video", Some((10, 3))),
        ("spec.inputs[0].http.url", Some((7, 12))),
        ("nowhere", None),
    ] {
        let found = document.locate(path).map(|at| (at.line, at.column));
        assert_eq!(found, place, "{path}");
    }
    let problem = document.problem("spec.outputs[0].s3.store", "there is no store `s`");
    assert_eq!(problem.to_string(), "job.yaml:9:23: spec.outputs[0].s3.store: there is no store `s`");
}
