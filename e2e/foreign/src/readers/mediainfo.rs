//! MediaInfo names what breaks the rules of a format, and says how it understands each track.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{differences, name};
use crate::{claims::Facts, outputs::Output, toolbox};

/// Asks it.
pub fn read(output: &Output) -> Result<Vec<String>> {
    let folder = output.scratch()?;
    let mut findings = vec![];
    for file in [output.files(), output.published.paths("thumbnail")].concat() {
        let path = file.display().to_string();
        let said = toolbox::ask(Path::new("mediainfo"), &["--Output=JSON", &path], &[], folder.path())?;
        let answer: Value = serde_json::from_str(&said.stdout).with_context(|| said.stdout.clone())?;
        let tracks = answer["media"]["track"].as_array().with_context(|| format!("it knows nothing of {path}"))?;
        for track in tracks {
            broken("", &track["extra"], &mut |what| findings.push(format!("{}: {what}", name(&file))));
        }
        let seen: Vec<&Value> = tracks
            .iter()
            .filter(|t| ["Video", "Audio", "Image"].contains(&t["@type"].as_str().unwrap_or("")))
            .collect();
        if seen.is_empty() {
            findings.push(format!("{}: it finds no track", name(&file)));
        }
        if let [one] = seen.as_slice() {
            findings.extend(differences(output, &file, &facts(one)));
        }
        for video in seen.iter().filter(|t| t["@type"] == "Video") {
            findings.extend(frames(output, &file, video));
        }
    }
    Ok(findings)
}

/// What stands below `ConformanceErrors` and its like.
fn broken(path: &str, value: &Value, tell: &mut impl FnMut(String)) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let here = format!("{path}/{key}");
        match value {
            Value::String(text) if here.contains("Conformance") || here.contains("Error") => {
                tell(format!("{here}: {text}"))
            }
            _ => broken(&here, value, tell),
        }
    }
}

fn facts(track: &Value) -> Facts {
    let text = |name: &str| track[name].as_str().map(str::to_owned);
    let known = [
        ("width", text("Sampled_Width").or(text("Width"))),
        ("height", text("Sampled_Height").or(text("Height"))),
        ("sampling rate", text("SamplingRate")),
        ("language", text("Language")),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn frames(output: &Output, file: &Path, video: &Value) -> Option<String> {
    let seen = video["FrameCount"].as_str()?;
    let expected = output.kind.row.frames.to_string();
    (seen != expected).then(|| format!("{}: it counts {seen} frames of {expected}", name(file)))
}
