//! What every object has around its spec: `apiVersion`, `kind` and `metadata`.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrBool};
use transcode_api::{GROUP, VERSION};

use crate::{
    check::{Check, Place},
    node::{Entry, Node},
    problem::Problem,
    words,
};

/// The kinds that can be read.
pub(crate) const KINDS: [&str; 3] = ["TranscodeJob", "TranscodeProfile", "ClusterTranscodeProfile"];

/// `TranscodeJob` and so on, when the document says so; else a problem.
pub(crate) fn kind(check: &mut Check<'_>, root: &Node, place: &Place) -> Option<&'static str> {
    let Some(entry) = root.entry("kind") else {
        let problem = Problem::new(check.source, place.at, "kind", "this field is required and missing");
        check.push(problem.help(format!("it is one of {}", words::list(KINDS))));
        return None;
    };
    let found = entry.node.text().unwrap_or_default();
    let known = KINDS.into_iter().find(|kind| *kind == found);
    if known.is_none() {
        let near = words::nearest(found, KINDS).map(|near| format!("did you mean `{near}`? "));
        let message = format!("{} is not a kind of {GROUP}", words::quoted(check.source.slice(entry.node.span)));
        let help = format!("{}it is one of {}", near.unwrap_or_default(), words::list(KINDS));
        check.push(Problem::new(check.source, entry.node.span, "kind", message).help(help));
    }
    known
}

/// `apiVersion` is the one that there is.
pub(crate) fn api_version(check: &mut Check<'_>, root: &Node, place: &Place) {
    let wanted = format!("{GROUP}/{VERSION}");
    let (span, message) = match root.entry("apiVersion") {
        None => (place.at, "this field is required and missing".to_owned()),
        Some(entry) if entry.node.text() == Some(&wanted) => return,
        Some(entry) => {
            let found = words::quoted(check.source.slice(entry.node.span));
            (entry.node.span, format!("{found} is not a version that is served"))
        }
    };
    check.push(Problem::new(check.source, span, "apiVersion", message).help(format!("write `{wanted}`")));
}

/// The object's name and labels by the rules of Kubernetes.
pub(crate) fn metadata(check: &mut Check<'_>, root: &Node, kind: &str, place: &Place) {
    let Some(entry) = root.entry("metadata").filter(|entry| !entry.node.is_null()) else {
        missing_name(check, place);
        return;
    };
    let place = Place { path: "metadata".into(), at: entry.key_span };
    check.value(&entry.node, &schema(), &place);
    match entry.node.entry("name") {
        Some(name) => {
            if let Some(text) = name.node.text().filter(|text| !is_subdomain(text)) {
                let message = format!("{} is not a name for an object", words::quoted(text));
                let help = "a name is lower-case letters, digits, `-` and `.`, at most 253, with a letter or digit at both ends";
                check.push(Problem::new(check.source, name.node.span, "metadata.name", message).help(help));
            } else if name.node.is_null() {
                missing_name(check, &place);
            }
        }
        None => missing_name(check, &place),
    }
    if let Some(namespace) = entry.node.entry("namespace") {
        self::namespace(check, namespace, kind);
    }
    for field in ["labels", "annotations"] {
        for entry in entry.node.get(field).map(Node::entries).unwrap_or_default() {
            label(check, field, entry);
        }
    }
}

fn missing_name(check: &mut Check<'_>, place: &Place) {
    let problem = Problem::new(check.source, place.at, "metadata.name", "this field is required and missing");
    check.push(problem.help("give the object a name, such as `name: movie-42` below `metadata:`"));
}

fn namespace(check: &mut Check<'_>, entry: &Entry, kind: &str) {
    let Some(text) = entry.node.text() else {
        return;
    };
    let (message, help) = match kind {
        "ClusterTranscodeProfile" => ("a profile of the cluster is in no namespace".to_owned(), "leave the field out"),
        _ if is_label(text) => return,
        _ => (
            format!("{} is not the name of a namespace", words::quoted(text)),
            "a namespace is lower-case letters, digits and `-`, at most 63",
        ),
    };
    check.push(Problem::new(check.source, entry.node.span, "metadata.namespace", message).help(help));
}

fn label(check: &mut Check<'_>, field: &str, entry: &Entry) {
    let path = format!("metadata.{field}.{}", entry.key);
    let key = if field == "annotations" { entry.key.to_lowercase() } else { entry.key.clone() };
    if !is_qualified(&key) {
        let help = "a key is letters, digits, `-`, `_` and `.`, at most 63, behind an optional `dns.prefix/`";
        let message = format!("{} is not a key here", words::quoted(&entry.key));
        check.push(Problem::new(check.source, entry.key_span, &*path, message).help(help));
    }
    let value = entry.node.text().unwrap_or_default();
    if field == "labels" && !value.is_empty() && !is_word(value) {
        let help =
            "a label's value is letters, digits, `-`, `_` and `.`, at most 63, with a letter or digit at both ends";
        let message = format!("{} is not a label's value", words::quoted(value));
        check.push(Problem::new(check.source, entry.node.span, path, message).help(help));
    }
}

/// `ObjectMeta`.
fn schema() -> JSONSchemaProps {
    let typed = |kind: &str| JSONSchemaProps { type_: Some(kind.into()), ..JSONSchemaProps::default() };
    let texts = || JSONSchemaProps {
        additional_properties: Some(JSONSchemaPropsOrBool::Schema(Box::new(typed("string")))),
        ..typed("object")
    };
    let anything = || JSONSchemaProps { x_kubernetes_preserve_unknown_fields: Some(true), ..typed("array") };
    let mut properties = BTreeMap::from([
        ("labels".to_owned(), texts()),
        ("annotations".to_owned(), texts()),
        ("finalizers".to_owned(), anything()),
        ("ownerReferences".to_owned(), anything()),
        ("managedFields".to_owned(), anything()),
        ("generation".to_owned(), typed("integer")),
        ("deletionGracePeriodSeconds".to_owned(), typed("integer")),
    ]);
    for name in ["name", "generateName", "namespace", "uid", "resourceVersion", "selfLink"] {
        properties.insert(name.into(), typed("string"));
    }
    for name in ["creationTimestamp", "deletionTimestamp"] {
        properties.insert(name.into(), typed("string"));
    }
    JSONSchemaProps { type_: Some("object".into()), properties: Some(properties), ..JSONSchemaProps::default() }
}

/// A DNS-1123 subdomain.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| is_edged(label, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), b"-"))
}

/// A DNS-1123 label.
fn is_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_subdomain(text)
}

/// A label's value, or the name part of its key.
fn is_word(text: &str) -> bool {
    text.len() <= 63 && is_edged(text, |b| b.is_ascii_alphanumeric(), b"-_.")
}

fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_word(name),
        None => is_word(key),
    }
}

/// Only letters that `edge` allows at both ends; `inside` may stand between them.
fn is_edged(text: &str, edge: impl Fn(&u8) -> bool, inside: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(&edge)
        && bytes.last().is_some_and(&edge)
        && bytes.iter().all(|b| edge(b) || inside.contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for name in ["a", "movie-42", "a.b", "0"] {
            assert!(is_subdomain(name), "{name}");
        }
        for name in ["", "A", "-a", "a-", "a..b", "a_b", "a.-b", &"a".repeat(254)] {
            assert!(!is_subdomain(name), "{name}");
        }
        assert!(is_qualified("app.kubernetes.io/Name_x"));
        assert!(!is_qualified("/x") && !is_qualified("a/b/c") && !is_qualified("A.b/c"));
        assert!(is_label("team-a") && !is_label("team.a"));
    }
}
