//! Reads manifests strictly: the same refusals as the API server's with strict field validation,
//! all at once, each with its line, its field and what would be right.
//!
//! ```text
//! text ─ tree.rs ──────────▶ node.rs, each with its span  scalar.rs: what a bare word means
//!      ─ meta.rs ──────────▶ apiVersion, kind, metadata
//!      ─ check.rs, leaf.rs ▶ the CRD's own schema         rules.rs: the CRD's own CEL
//!      ─ lib.rs, serde ────▶ TranscodeJob, TranscodeProfile, ClusterTranscodeProfile
//! ```
//!
//! ```
//! let problems = transcode_manifest::read("job.yaml", "kind: TranscodeJbo").unwrap_err();
//! assert!(problems[0].to_string().starts_with("job.yaml:1:7: kind: `TranscodeJbo` is not a kind"));
//! ```
//!
//! Three things are refused here although an API server takes them: `generateName` without a
//! name (the local engine makes no names up), tags other than YAML's own, and a nesting or an
//! expansion by aliases that no manifest needs.

mod check;
mod leaf;
mod meta;
mod node;
mod open;
mod problem;
mod rules;
mod scalar;
mod source;
mod tree;
mod words;

use std::rc::Rc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use transcode_api::{ClusterTranscodeProfile, TranscodeJob, TranscodeProfile, crd, rules::Scope};

use crate::{
    check::{Check, Place},
    node::{Node, Value},
    problem::Kind,
    rules::Rules,
    source::{Source, Span},
};
pub use crate::{
    problem::{Problem, render},
    source::Location,
};

/// The objects of one text, in its order; at least one.
#[derive(Debug)]
pub struct Manifests {
    /// Every document.
    pub documents: Vec<Document>,
}

/// One object and where its fields stand.
#[derive(Debug)]
pub struct Document {
    /// The object.
    pub object: Object,
    source: Source,
    root: Rc<Node>,
}

/// An object of one of the kinds.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A job.
    Job(Box<TranscodeJob>),
    /// A profile of a namespace.
    Profile(Box<TranscodeProfile>),
    /// A profile of the cluster.
    ClusterProfile(Box<ClusterTranscodeProfile>),
}

impl Manifests {
    /// The jobs, each with its document.
    pub fn jobs(&self) -> impl Iterator<Item = (&Document, &TranscodeJob)> {
        self.documents.iter().filter_map(|document| match &document.object {
            Object::Job(job) => Some((document, &**job)),
            _ => None,
        })
    }

    /// The profiles of namespaces.
    pub fn profiles(&self) -> impl Iterator<Item = (&Document, &TranscodeProfile)> {
        self.documents.iter().filter_map(|document| match &document.object {
            Object::Profile(profile) => Some((document, &**profile)),
            _ => None,
        })
    }

    /// The profiles of the cluster.
    pub fn cluster_profiles(&self) -> impl Iterator<Item = (&Document, &ClusterTranscodeProfile)> {
        self.documents.iter().filter_map(|document| match &document.object {
            Object::ClusterProfile(profile) => Some((document, &**profile)),
            _ => None,
        })
    }
}

impl Document {
    /// Where a field stands, such as `spec.options.renditions[1].encode`: its name, or the value
    /// of a list's item. A field that is not written is looked for where it would belong: the
    /// nearest field around it. None only when the path's first field is not written.
    pub fn locate(&self, path: &str) -> Option<Location> {
        self.find(path).map(|span| span.at)
    }

    /// A problem of this document that was found later, by the engine for example.
    pub fn problem(&self, path: &str, message: &str) -> Problem {
        let span = self.find(path).unwrap_or_else(|| first_key(&self.root));
        Problem::new(&self.source, span, path, message)
    }

    fn find(&self, path: &str) -> Option<Span> {
        let (mut node, mut found) = (&*self.root, None);
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match (step.strip_suffix(']'), &node.value) {
                (Some(index), Value::List(items)) => {
                    index.parse::<usize>().ok().and_then(|i| items.get(i)).map(|item| (first_key(item), &**item))
                }
                (None, _) => node.entry(step).map(|entry| (entry.key_span, &*entry.node)),
                _ => None,
            };
            let Some((span, inner)) = next else { break };
            (node, found) = (inner, Some(span));
        }
        found
    }
}

fn first_key(node: &Node) -> Span {
    node.entries().first().map_or(node.span, |entry| entry.key_span)
}

/// Reads a text for the local engine: every rule but those of a cluster. `name` is what problems
/// call the text, usually its file.
pub fn read(name: &str, text: &str) -> Result<Manifests, Vec<Problem>> {
    read_for(name, text, Scope::All)
}

/// Reads a text. With [`Scope::Cluster`] the rules of a cluster hold as well.
pub fn read_for(name: &str, text: &str, scope: Scope) -> Result<Manifests, Vec<Problem>> {
    let source = Source::new(name, text.trim_start_matches('\u{feff}'));
    let mut problems = Vec::new();
    let rules = Rules::new(scope);
    let roots = tree::load(&source, &mut problems);
    let of_the_text: Vec<usize> = problems.iter().map(Problem::offset).collect();
    let mut problems_of_values = Vec::new();
    let mut documents = Vec::new();
    for root in roots.into_iter().filter(|root| !root.is_null()) {
        let mut check = Check { source: &source, rules: &rules, problems: &mut problems_of_values };
        if let Some(object) = object(&mut check, &root) {
            documents.push(Document { object, source: source.clone(), root });
        }
    }
    // One problem a place: what is no value has no right type either.
    problems_of_values.retain(|problem| !of_the_text.contains(&problem.offset()));
    problems.append(&mut problems_of_values);
    if documents.is_empty() && problems.is_empty() {
        let span = Span { at: Location { line: 1, column: 1 }, start: 0, end: 0 };
        problems.push(Problem::new(&source, span, "", "there is no object in here").help("write a TranscodeJob"));
    }
    if problems.is_empty() {
        return Ok(Manifests { documents });
    }
    problems.sort_by_key(Problem::location);
    Err(problems)
}

/// Checks one document. None when something is wrong with it.
fn object(check: &mut Check<'_>, root: &Node) -> Option<Object> {
    let before = check.problems.len();
    let place = Place { path: String::new(), at: first_key(root) };
    if !matches!(root.value, Value::Map(_)) {
        let problem = Problem::new(check.source, root.span, "", "a document is a mapping");
        check.push(problem.help("it starts with `apiVersion:` and `kind:`"));
        return None;
    }
    let kind = meta::kind(check, root, &place)?;
    meta::api_version(check, root, &place);
    meta::metadata(check, root, kind, &place);
    fields(check, root, kind, &place);
    if check.problems.len() > before {
        return None;
    }
    let mut json = root.json();
    if let Some(object) = json.as_object_mut() {
        object.remove("status");
    }
    let object = match kind {
        "TranscodeJob" => serde_json::from_value(json).map(Object::Job),
        "TranscodeProfile" => serde_json::from_value(json).map(Object::Profile),
        _ => serde_json::from_value(json).map(Object::ClusterProfile),
    };
    object.map_err(|error| check.push(Problem::new(check.source, place.at, "", error.to_string()))).ok()
}

/// Everything but `apiVersion`, `kind` and `metadata` against the kind's schema.
fn fields(check: &mut Check<'_>, root: &Node, kind: &str, place: &Place) {
    let Some(mut schema) = crd::schema(kind).cloned() else {
        return;
    };
    let properties = schema.properties.get_or_insert_default();
    let status = properties.get("status").cloned();
    for name in ["apiVersion", "kind", "metadata", "status"] {
        let open = JSONSchemaProps { x_kubernetes_preserve_unknown_fields: Some(true), ..Default::default() };
        properties.insert(name.into(), open);
    }
    check.value(root, &schema, place);
    // The API server drops the status of a new object, but not before it looked at the names.
    if let Some((status, entry)) = status.zip(root.entry("status").filter(|entry| !entry.node.is_null())) {
        let mut problems = Vec::new();
        let mut inner = Check { source: check.source, rules: check.rules, problems: &mut problems };
        inner.value(&entry.node, &status, &Place { path: "status".into(), at: entry.key_span });
        check.problems.extend(problems.into_iter().filter(|problem| problem.kind == Kind::Unknown));
    }
}
