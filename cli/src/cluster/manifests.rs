//! Files to what is applied. Every problem of every file is printed at once.

use std::io::IsTerminal;

use serde_json::Value;
use transcode_api::{ClusterTranscodeProfile, TranscodeJob, TranscodeProfile, rules::Scope};
use transcode_manifest::{Manifests, Object, Problem, read_for, render};

use crate::{args::FileArgs, jobs};

/// What `Problem` says of an object without a name.
const NAME: &str = "metadata.name";
/// What the API server keeps itself, and doesn't take.
const KEPT: [&str; 2] = ["managedFields", "creationTimestamp"];

/// One object as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its kind.
    pub kind: Kind,
    /// Its name; none when the API server is to make one up.
    pub name: Option<String>,
    /// Its namespace, if it says one.
    pub namespace: Option<String>,
    /// All of it, as it is written.
    pub object: Value,
}

/// Kinds, in the order in which they are made: profiles are there before a job looks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `ClusterTranscodeProfile`
    ClusterProfile,
    /// `TranscodeProfile`
    Profile,
    /// `TranscodeJob`
    Job,
}

/// Everything that the files have, profiles first; `None` after problems were printed.
pub fn load(files: &FileArgs) -> anyhow::Result<Option<Vec<Wanted>>> {
    let (mut wanted, mut problems) = (vec![], vec![]);
    for file in &files.filename {
        match parse(&jobs::name(file), &jobs::text(file)?) {
            Ok(found) => wanted.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        eprint!("{}", render(&problems, std::io::stderr().is_terminal()));
        return Ok(None);
    }
    wanted.sort_by_key(|wanted| wanted.kind);
    Ok(Some(wanted))
}

/// The objects of one text, by the rules of a cluster.
fn parse(name: &str, text: &str) -> Result<Vec<Wanted>, Vec<Problem>> {
    let raw: Vec<Value> = serde_saphyr::from_multiple(text.trim_start_matches('\u{feff}')).unwrap_or_default();
    let raw: Vec<Value> = raw.into_iter().filter(|value| !value.is_null()).collect();
    match read_for(name, text, Scope::Cluster) {
        Ok(manifests) => Ok(checked(manifests, raw)),
        Err(problems) => match nameless(&problems, &raw) {
            Some(_) if raw.is_empty() => Err(problems),
            None => Ok(raw.into_iter().filter_map(unchecked).collect()),
            Some(problems) => Err(problems),
        },
    }
}

/// Objects as they are written: what another program applied of the same file is then the same. Where
/// two readers of YAML differ, the one that checked it is right.
fn checked(manifests: Manifests, raw: Vec<Value>) -> Vec<Wanted> {
    let mut raw = raw.into_iter();
    let wanted = manifests.documents.into_iter().map(|document| {
        let (kind, typed) = match &document.object {
            Object::Job(job) => (Kind::Job, serde_json::to_value(job)),
            Object::Profile(profile) => (Kind::Profile, serde_json::to_value(profile)),
            Object::ClusterProfile(profile) => (Kind::ClusterProfile, serde_json::to_value(profile)),
        };
        let written = raw.next().map(pruned).filter(|written| read(kind, written).as_ref() == Some(&document.object));
        Wanted::new(kind, pruned(written.unwrap_or_else(|| typed.unwrap_or_default())))
    });
    wanted.collect()
}

/// An object without a name, in a text of which nothing else is wrong.
fn unchecked(written: Value) -> Option<Wanted> {
    let kind = kind(&written)?;
    let written = pruned(written);
    read(kind, &written).map(|_| Wanted::new(kind, written))
}

fn kind(written: &Value) -> Option<Kind> {
    match written["kind"].as_str()? {
        "TranscodeJob" => Some(Kind::Job),
        "TranscodeProfile" => Some(Kind::Profile),
        "ClusterTranscodeProfile" => Some(Kind::ClusterProfile),
        _ => None,
    }
}

fn read(kind: Kind, written: &Value) -> Option<Object> {
    let written = written.clone();
    match kind {
        Kind::Job => serde_json::from_value::<TranscodeJob>(written).ok().map(|job| Object::Job(Box::new(job))),
        Kind::Profile => {
            serde_json::from_value::<TranscodeProfile>(written).ok().map(|profile| Object::Profile(Box::new(profile)))
        }
        Kind::ClusterProfile => serde_json::from_value::<ClusterTranscodeProfile>(written)
            .ok()
            .map(|profile| Object::ClusterProfile(Box::new(profile))),
    }
}

/// Only what a user may say.
fn pruned(mut written: Value) -> Value {
    if let Some(object) = written.as_object_mut() {
        object.remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|name, value| !KEPT.contains(&name.as_str()) && !value.is_null());
        }
    }
    written
}

/// The local engine wants a name of every object; an API server makes one up from `generateName`.
/// None when nothing else is wrong.
fn nameless(problems: &[Problem], raw: &[Value]) -> Option<Vec<Problem>> {
    let text = |object: &Value, field: &str| object["metadata"][field].as_str().is_some_and(|text| !text.is_empty());
    // Problems come in the order of the documents.
    let known = raw.iter().filter(|object| kind(object).is_some());
    let mut generated = known.filter(|object| !text(object, "name")).map(|object| text(object, "generateName"));
    let left: Vec<Problem> = problems
        .iter()
        .filter(|problem| !(problem.path == NAME && is_missing(problem) && generated.next() == Some(true)))
        .cloned()
        .collect();
    (!left.is_empty()).then_some(left)
}

fn is_missing(problem: &Problem) -> bool {
    problem.message.contains("required and missing")
}

impl Wanted {
    fn new(kind: Kind, object: Value) -> Self {
        let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
        Wanted { kind, name: text("name").filter(|name| !name.is_empty()), namespace: text("namespace"), object }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "spec:\n  inputs: [{name: main, http: {url: 'https://media.example/movie.mov'}}]\n  \
        outputs: [{name: main, s3: {store: default, bucket: vod, prefix: movies/42}}]\n";

    fn job(metadata: &str) -> String {
        format!("apiVersion: transcode.media/v1alpha1\nkind: TranscodeJob\nmetadata: {metadata}\n{SPEC}")
    }

    #[test]
    fn what_is_sent_is_what_is_written() {
        let text = format!("{}  options: {{audio: {{encode: {{aac: {{bitrate: 128k}}}}}}}}\n", job("{name: movie}"));
        let wanted = parse("job.yaml", &text).unwrap();
        assert_eq!(wanted[0].name.as_deref(), Some("movie"));
        assert_eq!(wanted[0].object["spec"]["options"]["audio"]["encode"]["aac"]["bitrate"], "128k");
    }

    #[test]
    fn names_may_be_made_up() {
        let text = format!("{}---\n{}", job("{generateName: movie-, namespace: video}"), job("{name: film}"));
        let wanted = parse("job.yaml", &text).unwrap();
        assert_eq!((wanted[0].name.as_deref(), wanted[1].name.as_deref()), (None, Some("film")));
        assert_eq!(wanted[0].object["metadata"]["generateName"], "movie-");
    }

    #[test]
    fn one_without_any_name_is_a_problem_all_the_same() {
        let text = format!("{}---\n{}", job("{generateName: movie-}"), job("{labels: {a: b}}"));
        let problems = parse("job.yaml", &text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].location().line > 7);
        let text = job("{generateName: movie-}").replace("bucket", "buckt");
        let problems = parse("job.yaml", &text).unwrap_err();
        assert!(problems.iter().all(|problem| problem.path != NAME), "{problems:?}");
    }

    #[test]
    fn the_rules_of_a_cluster_hold() {
        let text =
            job("{name: movie}").replace("http: {url: 'https://media.example/movie.mov'}", "file: {path: a.mov}");
        let problems = parse("job.yaml", &text).unwrap_err();
        assert!(problems[0].message.contains("use s3 or http on a cluster"), "{problems:?}");
    }
}
