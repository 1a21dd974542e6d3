//! `media_correctness FIGURES PAGE` writes the page of what the table of sources measured, from the folder that
//! `TRANSCODE_FIGURES` named when it ran.

use std::{
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use e2e_media::sources::TABLE;
use serde_json::Value;

const HEAD: &str = include_str!("media_correctness.md");

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [figures, page] = paths.as_slice() else { anyhow::bail!("it is media_correctness FIGURES PAGE") };
    let mut text = HEAD.to_owned();
    for build in builds(figures)? {
        end(&mut text, &figures.join(&build), &build)?;
    }
    fs::write(page, text).with_context(|| page.display().to_string())
}

/// Versions of ffmpeg that were run, the oldest first.
fn builds(figures: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(figures).with_context(|| figures.display().to_string())?;
    let mut builds: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let numbers = |build: &String| -> Vec<u32> {
        build.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    builds.sort_by_key(numbers);
    Ok(builds)
}

/// The section of one ffmpeg. Rows that it did not run are not in it.
fn end(text: &mut String, folder: &Path, build: &str) -> Result<()> {
    writeln!(text, "\n## ffmpeg {build}\n")?;
    writeln!(text, "| source | proved | frames | times | units | click | apart | access points |")?;
    writeln!(text, "|---|---|---|---|---|---|---|---|")?;
    let mut renditions = String::new();
    for row in TABLE.iter() {
        let file = folder.join(format!("{}.json", row.name));
        if !file.is_file() {
            continue;
        }
        let figures: Value = serde_json::from_slice(&fs::read(&file)?).with_context(|| file.display().to_string())?;
        let proved = if figures["proved"] == true { "yes" } else { "**no**" };
        let cells = [
            count(&figures["frames"]),
            count(&figures["equal_times"]),
            count(&figures["equal_units"]),
            number(&figures["click"], |n| format!("{n:.0}")),
            number(&figures["apart"], |n| format!("{n:.1}")),
            count(&figures["access_points"]),
        ];
        writeln!(text, "| {} | {proved} | {} |", row.name, cells.join(" | "))?;
        for (name, _, _) in row.pictures {
            rendition(&mut renditions, row.name, name, &figures["renditions"][name])?;
        }
    }
    writeln!(text, "\n| source | rendition | SSIM | least | dB | segment | join | bytes | kbit/s | peak |")?;
    writeln!(text, "|---|---|---|---|---|---|---|---|---|---|")?;
    text.push_str(&renditions);
    Ok(())
}

fn rendition(text: &mut String, row: &str, name: &str, figures: &Value) -> Result<()> {
    let decibels = |n: f64| format!("{n:+.2}");
    let cells = [
        number(&figures["ssim"], |n| format!("{n:.4}")),
        number(&figures["least_ssim"], |n| format!("{n:.4}")),
        number(&figures["decibels"], decibels),
        number(&figures["segment"], decibels),
        number(&figures["after_join"], decibels),
        number(&figures["bytes"], |n| format!("{n:+.2} %")),
        number(&figures["average"], |n| format!("{n:.0}")),
        number(&figures["peak"], |n| format!("{n:.0}")),
    ];
    Ok(writeln!(text, "| {row} | {name} | {} |", cells.join(" | "))?)
}

fn count(value: &Value) -> String {
    number(value, |n| format!("{n:.0}"))
}

/// A figure, or a dash where there is none.
fn number(value: &Value, form: impl Fn(f64) -> String) -> String {
    value.as_f64().map_or("–".into(), form)
}
