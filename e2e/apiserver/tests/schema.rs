//! The definitions on a real API server: they install, they refuse and accept the same manifests
//! as the command line, and a job's fields stay as they are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use e2e_apiserver::{Response, Server, skipped};
use serde_json::{Value, json};
use transcode_api::{GROUP, VERSION, crd, rules::MUTABLE};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file of a folder: name and text.
fn files(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// A server with the committed definitions, each of them accepted as it is.
fn server_with_crds() -> Server {
    let server = Server::start().unwrap_or_else(|error| panic!("{error:#}"));
    for (name, text) in files("crds") {
        let made = server.create(&format!("{CRDS}?fieldValidation=Strict"), &text).unwrap();
        assert!(made.accepted(), "{name}: {}", made.message());
    }
    for crd in crd::crds() {
        let path = format!("{CRDS}/{}", crd.metadata.name.as_deref().unwrap());
        let conditions = (0..200).find_map(|_| {
            let conditions = server.get(&path).unwrap().body["status"]["conditions"].clone();
            let established = condition(&conditions, "Established") == Some("True");
            established.then_some(conditions).or_else(|| {
                thread::sleep(Duration::from_millis(100));
                None
            })
        });
        let conditions = conditions.unwrap_or_else(|| panic!("{path} is not established"));
        assert_eq!(condition(&conditions, "NonStructuralSchema"), None, "{path}");
    }
    // Established is true a moment before the resources are served.
    let served = |kind: &str| server.get(&collection(kind)).is_ok_and(|response| response.accepted());
    for crd in crd::crds() {
        let kind = &crd.spec.names.kind;
        assert!(
            (0..200).any(|_| served(kind) || {
                thread::sleep(Duration::from_millis(100));
                false
            }),
            "{kind}"
        );
    }
    server
}

fn condition<'a>(conditions: &'a Value, name: &str) -> Option<&'a str> {
    conditions.as_array()?.iter().find(|condition| condition["type"] == name)?["status"].as_str()
}

/// Where objects of a kind are made; jobs when there is no such kind.
fn collection(kind: &str) -> String {
    let names = crd::crds().iter().find(|crd| crd.spec.names.kind == kind).map(|crd| &crd.spec);
    let plural = names.map_or("transcodejobs", |spec| &spec.names.plural);
    let namespace = if names.is_some_and(|spec| spec.scope == "Cluster") { "" } else { "/namespaces/default" };
    format!("/apis/{GROUP}/{VERSION}{namespace}/{plural}")
}

/// Asks the server for each document of a text; the first refusal, else none.
fn refusal(server: &Server, text: &str) -> Option<Response> {
    let mut documents = vec![String::new()];
    for line in text.trim_start_matches('\u{feff}').lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let empty = |document: &String| document.lines().all(|line| line.trim().is_empty() || line.starts_with('#'));
    documents.iter().filter(|document| !empty(document)).find_map(|document| {
        let kind = ["ClusterTranscodeProfile", "TranscodeProfile"].into_iter().find(|kind| {
            let (plain, json) = (format!("kind: {kind}\n"), format!("\"kind\": \"{kind}\""));
            document.starts_with(&plain) || document.contains(&format!("\n{plain}")) || document.contains(&json)
        });
        let path = collection(kind.unwrap_or("TranscodeJob"));
        let response = server.create(&format!("{path}?dryRun=All&fieldValidation=Strict"), document).unwrap();
        (!response.accepted()).then_some(response)
    })
}

/// What a file's head says of one sort.
fn head<'a>(text: &'a str, sort: &str) -> Option<&'a str> {
    let prefix = format!("# {sort}: ");
    text.lines().find_map(|line| line.strip_prefix(&prefix))
}

#[test]
fn command_line_and_api_server_refuse_the_same() {
    if skipped("command_line_and_api_server_refuse_the_same") {
        return;
    }
    let server = server_with_crds();
    let mut wrong = Vec::new();
    for (name, text) in files("crates/manifest/tests/refusals") {
        let exception = head(&text, "server").unwrap_or_default();
        if exception.starts_with("not asked: ") {
            continue;
        }
        let accepts = exception.starts_with("accepts: ");
        let says = exception.strip_prefix("says: ").unwrap_or_default();
        let known = exception.is_empty() || accepts || !says.is_empty();
        assert!(known, "{name}: `{exception}` is nothing that this test knows");
        match refusal(&server, &text) {
            None if !accepts => wrong.push(format!("{name}: the server accepts it")),
            Some(response) if accepts => wrong.push(format!("{name}: the server refuses it: {}", response.message())),
            Some(response) if !matches!(response.status, 400 | 422) => {
                wrong.push(format!("{name}: {} {}", response.status, response.message()));
            }
            Some(response) if !says.split(" … ").all(|words| response.message().contains(words)) => {
                wrong.push(format!("{name}: `{says}` is not in: {}", response.message()));
            }
            _ => {}
        }
    }
    for (name, text) in files("crates/manifest/tests/accepted") {
        let local = head(&text, "scope") == Some("local");
        match refusal(&server, &text) {
            None if local => wrong.push(format!("{name}: is for the local engine, the server accepts it")),
            Some(response) if !local => wrong.push(format!("{name}: {}", response.message())),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Another value for every field of a spec that must stay.
fn changes() -> Vec<(&'static str, Value)> {
    vec![
        ("profiles", json!([])),
        ("stores", json!([{"name": "other", "s3": {}}])),
        ("inputs", json!([{"name": "main", "http": {"url": "https://media.example/other.mov"}}])),
        ("outputs", json!([{"name": "main", "s3": {"store": "default", "bucket": "vod", "prefix": "other"}}])),
        ("options", json!({"video": {"segmentDuration": "6s"}})),
        ("retry", json!({"critical": {"factor": 3}})),
        ("workData", json!({"deleteOn": "Never"})),
    ]
}

#[test]
fn fields_of_a_job_cannot_be_changed() {
    if skipped("fields_of_a_job_cannot_be_changed") {
        return;
    }
    let server = server_with_crds();
    let (_, text) =
        files("crates/manifest/tests/accepted").into_iter().find(|(name, _)| name == "everything.yaml").unwrap();
    let collection = collection("TranscodeJob");
    let made = server.create(&collection, &text).unwrap();
    assert!(made.accepted(), "{}", made.message());
    let path = format!("{collection}/{}", made.body["metadata"]["name"].as_str().unwrap());

    let changes = changes();
    for (field, value) in &changes {
        for change in [value.clone(), Value::Null] {
            let response = server.patch(&path, &json!({"spec": {*field: change}})).unwrap();
            assert_eq!(response.status, 422, "{field} to {change}: {}", response.message());
            let required = change.is_null() && response.message().contains("Required value");
            let said = response.message().contains(&format!("{field} cannot be changed: make a new job instead"));
            assert!(said || required, "{field} to {change}: {}", response.message());
        }
    }
    for value in [json!({"maxParallel": 3}), json!({"maxParallel": null}), Value::Null, json!({"maxParallel": 4})] {
        let response = server.patch(&path, &json!({"spec": {"scheduling": value}})).unwrap();
        assert!(response.accepted(), "{}", response.message());
    }
}

#[test]
fn every_field_of_a_job_is_tried() {
    let spec = &crd::schema("TranscodeJob").unwrap().properties.as_ref().unwrap()["spec"];
    let fields: BTreeSet<&str> = spec.properties.as_ref().unwrap().keys().map(String::as_str).collect();
    let mutable = MUTABLE.iter().map(|field| field.split('.').next().unwrap());
    let tried: BTreeSet<&str> = changes().iter().map(|(field, _)| *field).chain(mutable).collect();
    assert_eq!(tried, fields, "a field of the spec is not tried here");
}
