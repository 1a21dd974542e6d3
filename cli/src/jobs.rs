//! Manifests to resolved specs. Every problem of every file is printed at once.

use std::{
    io::{IsTerminal, Read},
    path::Path,
};

use anyhow::Context;
use transcode_api::{ProfileKind, TranscodeJob};
use transcode_engine::{ResolvedSpec, resolve};
use transcode_manifest::{Document, Manifests, Problem, read, render};

use crate::{Exit, args::FileArgs};

/// Resolved jobs, or `None` after the problems were printed.
pub fn load(files: &FileArgs) -> anyhow::Result<Option<Vec<ResolvedSpec>>> {
    let (mut manifests, mut problems) = (vec![], vec![]);
    for file in &files.filename {
        match read(&name(file), &text(file)?) {
            Ok(found) => manifests.push(found),
            Err(found) => problems.extend(found),
        }
    }
    let mut specs = vec![];
    if problems.is_empty() {
        for (document, job) in manifests.iter().flat_map(Manifests::jobs) {
            match resolved(job, document, &manifests) {
                Ok(spec) => specs.push(spec),
                Err(found) => problems.extend(found),
            }
        }
    }
    for (n, spec) in specs.iter().enumerate() {
        let same =
            |other: &&ResolvedSpec| (&other.output.file, &other.output.s3) == (&spec.output.file, &spec.output.s3);
        if let Some(other) = specs.iter().take(n).find(same) {
            anyhow::bail!(
                "{} and {} have the same output; each job's output belongs to it alone",
                other.name,
                spec.name
            );
        }
    }
    if !problems.is_empty() {
        eprint!("{}", render(&problems, std::io::stderr().is_terminal()));
        return Ok(None);
    }
    anyhow::ensure!(
        !specs.is_empty(),
        "there is no TranscodeJob in {}",
        files.filename.iter().map(|f| name(f)).collect::<Vec<_>>().join(", ")
    );
    Ok(Some(specs))
}

/// `validate`
pub fn validate(files: &FileArgs) -> anyhow::Result<Exit> {
    let Some(specs) = load(files)? else { return Ok(Exit::WrongUse) };
    for spec in specs {
        println!("{}/{} is valid", spec.namespace, spec.name);
    }
    Ok(Exit::Done)
}

/// What problems call a file.
pub fn name(file: &Path) -> String {
    if file == Path::new("-") { "<stdin>".into() } else { file.display().to_string() }
}

/// The text of a file, or of standard input.
pub fn text(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input can't be read")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))
}

fn resolved(job: &TranscodeJob, document: &Document, manifests: &[Manifests]) -> Result<ResolvedSpec, Vec<Problem>> {
    let mut profiles = vec![];
    let mut problems = vec![];
    for (n, wanted) in job.spec.profiles.iter().enumerate() {
        let found = match wanted.kind {
            ProfileKind::TranscodeProfile => manifests
                .iter()
                .flat_map(Manifests::profiles)
                .find(|(_, p)| {
                    p.metadata.name.as_deref() == Some(&wanted.name) && p.metadata.namespace == job.metadata.namespace
                })
                .map(|(_, p)| p.spec.clone()),
            ProfileKind::ClusterTranscodeProfile => manifests
                .iter()
                .flat_map(Manifests::cluster_profiles)
                .find(|(_, p)| p.metadata.name.as_deref() == Some(&wanted.name))
                .map(|(_, p)| p.spec.clone().into()),
        };
        match found {
            Some(profile) => profiles.push(profile),
            None => problems.push(document.problem(
                &format!("spec.profiles[{n}].name"),
                &format!(
                    "no {:?} is named `{}` in the given files; the local engine reads profiles from the files of -f",
                    wanted.kind, wanted.name
                ),
            )),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    resolve(job, &profiles).map_err(|invalid| invalid.iter().map(|i| document.problem(&i.path, &i.message)).collect())
}
