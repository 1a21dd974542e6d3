//! What `kubectl-transcode plan -o json` tells: the commands that the product runs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{listing::Listing, tool};

/// A plan.
#[derive(Debug)]
pub struct Plan {
    /// All of it.
    pub json: Value,
    commands: BTreeMap<String, Vec<String>>,
}

impl Plan {
    /// Reads `-o json`.
    pub fn parse(text: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(text)?;
        let mut commands = BTreeMap::new();
        for (name, line) in json["commands"].as_object().context("no commands")? {
            let line = line.as_str().context("a command is a text")?;
            commands.insert(name.clone(), shlex::split(line).with_context(|| format!("can't be pasted: {line}"))?);
        }
        Ok(Plan { json, commands })
    }

    /// Has its commands read one file in the place of another.
    pub fn read(&mut self, source: &Path, other: &Path) {
        let (source, other) = (source.display().to_string(), other.display().to_string());
        self.commands.values_mut().flatten().filter(|word| **word == source).for_each(|word| *word = other.clone());
    }

    /// The audio command, without the program's name.
    pub fn audio(&self) -> Option<&[String]> {
        self.commands.get("audio").and_then(|words| words.get(1..))
    }

    /// Number of chunks.
    pub fn chunks(&self) -> usize {
        self.json["chunks"].as_array().map_or(0, Vec::len)
    }

    /// Commands of the chunks, in order, for each set of renditions that is encoded together.
    pub fn encodes(&self) -> Vec<Vec<Encode>> {
        let mut sets: BTreeMap<&str, Vec<(u64, Encode)>> = BTreeMap::new();
        for (name, words) in &self.commands {
            let Some((set, chunk)) = name.strip_prefix("encode ").and_then(|n| n.split_once(" chunk ")) else {
                continue;
            };
            let encode = Encode { renditions: set.split('+').map(str::to_owned).collect(), words: words[1..].to_vec() };
            sets.entry(set).or_default().push((chunk.parse().unwrap_or(u64::MAX), encode));
        }
        sets.into_values()
            .map(|mut chunks| {
                chunks.sort_by_key(|(n, _)| *n);
                chunks.into_iter().map(|(_, encode)| encode).collect()
            })
            .collect()
    }
}

/// A command that encodes one chunk.
#[derive(Debug, Clone)]
pub struct Encode {
    /// What it encodes, in the order of its outputs.
    pub renditions: Vec<String>,
    words: Vec<String>,
}

impl Encode {
    /// The same command without seek, trim and what knows of the source's end: the whole source in one run.
    pub fn unchunked(&self) -> Result<Self> {
        let mut words = vec![];
        let mut rest = self.words.iter();
        while let Some(word) = rest.next() {
            match word.as_str() {
                "-ss" | "-seek_timestamp" => drop(rest.next()),
                "-noaccurate_seek" => {}
                "-filter_complex" => {
                    words.push(word.clone());
                    words.push(without_trim(rest.next().context("no graph")?)?);
                }
                _ => words.push(word.clone()),
            }
        }
        Ok(Encode { renditions: self.renditions.clone(), words })
    }

    /// Encodes the whole source in one run, with keyframes forced at these frames. Gives each rendition's file.
    pub fn encode_unchunked(&self, keyframes: &[usize], folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
        let mut words = self.unchunked()?.words;
        let terms: Vec<String> = keyframes.iter().map(|n| format!("eq(n,{n})")).collect();
        for at in 1..words.len() {
            if words[at - 1] == "-force_key_frames" {
                words[at] = format!("expr:{}", nested(&terms));
            }
        }
        words.extend(["-loglevel".into(), "error".into()]);
        tool::run("ffmpeg", &words, folder)?;
        let outputs = words.windows(3).filter(|w| w[..2] == ["-f", "mp4"]).map(|w| folder.join(&w[2]));
        Ok(self.renditions.iter().cloned().zip(outputs).collect())
    }

    /// Runs its decoding and filters, with hashes of frames in the place of encoders.
    pub fn hashes(&self, folder: &Path) -> Result<Vec<Listing>> {
        let first = self.words.iter().position(|w| w == "-map").context("no output")?;
        let timebase = self
            .words
            .iter()
            .position(|w| w == "-enc_time_base")
            .and_then(|at| self.words.get(at + 1))
            .context("no timebase")?;
        let mut words = self.words[..first].to_vec();
        words.extend(["-loglevel".into(), "error".into()]);
        let files: Vec<String> = (0..self.renditions.len()).map(|n| format!("{n}.framehash")).collect();
        for (n, file) in files.iter().enumerate() {
            let label = format!("[v{n}]");
            let options = [
                "-map",
                &label,
                "-fps_mode",
                "passthrough",
                "-enc_time_base",
                timebase,
                "-f",
                "framehash",
                "-hash",
                "md5",
                file,
            ];
            words.extend(options.map(str::to_owned));
        }
        tool::run("ffmpeg", &words, folder)?;
        files.iter().map(|file| Listing::parse(&std::fs::read_to_string(folder.join(file))?)).collect()
    }
}

/// `[0:0]showinfo=checksum=0,bwdif=…,tpad=…,setpts=…,fps=…,trim=start_pts=1:end_pts=2,scale=…` to
/// `[0:0]bwdif=…,fps=…,scale=…`, and where film is made, without the trim before it.
fn without_trim(graph: &str) -> Result<String> {
    let (before, after) = graph.rsplit_once("trim=start_pts=").context("a graph without trim")?;
    let (interval, after) = after.split_once(',').context("trim is the last filter")?;
    ensure!(interval.contains(":end_pts="), "trim has no end: {interval}");
    let before = before.replace("showinfo=checksum=0,", "");
    let cut = |from: &str, to: &str| Some(before.find(from)?..before.find(to)?);
    let before = match cut("tpad=", "fps=fps=").or_else(|| cut("trim=start_pts=", "fieldmatch")) {
        Some(cut) => format!("{}{}", &before[..cut.start], &before[cut.end..]),
        None => before,
    };
    Ok(format!("{before}{}", without_copies(after)))
}

/// `tpad=…,sidedata=…,setpts=…,scale=…` to `scale=…`, as often as it is there: one run knows nothing of sound that begins
/// earlier or is longer.
fn without_copies(graph: &str) -> String {
    let Some((before, copies)) = graph.split_once("tpad=") else { return graph.to_owned() };
    let rest = copies.split_once("setpts=").and_then(|(_, rest)| {
        let end = rest.match_indices(',').find(|(at, _)| !rest[..*at].ends_with('\\'))?.0;
        rest.get(end + 1..)
    });
    format!("{before}{}", without_copies(rest.unwrap_or(copies)))
}

/// A sum; ffmpeg takes a hundred levels of them.
fn nested(terms: &[String]) -> String {
    match terms {
        [] => "0".into(),
        [term] => term.clone(),
        terms => {
            let (one, other) = terms.split_at(terms.len() / 2);
            format!("({}+{})", nested(one), nested(other))
        }
    }
}
