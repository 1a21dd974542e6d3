//! Makes the source of a row, once: the file is kept in the cache under a digest of its recipe and
//! of ffmpeg's version.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::{
    boxes, camera,
    row::{Row, Step},
    sparse, tool,
};

/// The source of a row.
pub fn source(row: &Row) -> Result<PathBuf> {
    let recipe = format!("{:?} {} {}", row.source, row.file, ffmpeg_version()?);
    let folder = tool::cache("sources")?.join(&hex::encode(Sha256::digest(recipe))[..16]);
    let file = folder.join(row.file);
    if file.is_file() {
        return Ok(file);
    }
    fs::create_dir_all(&folder)?;
    let kitchen = tempfile::tempdir_in(&folder)?;
    let mut dish = PathBuf::new();
    for (n, step) in row.source.iter().enumerate() {
        let next = kitchen.path().join(format!("{n}-{}", row.file));
        take(step, &dish, &next).with_context(|| format!("step {n} of the source"))?;
        dish = next;
    }
    fs::rename(&dish, &file)?;
    Ok(file)
}

fn take(step: &Step, from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    match step {
        Step::Ffmpeg(words) => {
            tool::ffmpeg(&format!("-v error {words}"), &[("in", from), ("out", to)], folder).map(drop)
        }
        Step::Append(words) => {
            let more = folder.join("more").with_extension(to.extension().unwrap_or_default());
            tool::ffmpeg(&format!("-v error {words}"), &[("out", &more)], folder)?;
            Ok(fs::write(to, [fs::read(from)?, fs::read(more)?].concat())?)
        }
        Step::Hole(length) => sparse::with_hole(from, to, *length),
        Step::Turn(degrees) | Step::Mirror(degrees) => {
            let mut bytes = fs::read(from)?;
            ensure!(turn(&mut bytes, *degrees, matches!(step, Step::Mirror(_))), "no tkhd box to turn");
            Ok(fs::write(to, bytes)?)
        }
        Step::Python(words) => tool::python(words, &[("in", from), ("out", to)], folder).map(drop),
        Step::Script(script, words) => {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(script);
            tool::run("bash", [script.as_path(), to, Path::new(words)].map(|p| p.display().to_string()), folder)
                .map(drop)
        }
        Step::Camera(name, seconds) => {
            let clip = camera::clip(name)?;
            let words = format!("-v error -stream_loop -1 -i {{clip}} -t {seconds} -c copy {{out}}");
            tool::ffmpeg(&words, &[("clip", &clip), ("out", to)], folder).map(drop)
        }
    }
}

/// Writes the matrix of the first track's `tkhd` (ISO/IEC 14496-12 8.3.2): 16.16 numbers a b u c d v.
fn turn(bytes: &mut [u8], degrees: u16, mirrored: bool) -> bool {
    let Some(tkhd) = boxes::find(bytes, &[b"moov", b"trak", b"tkhd"]) else { return false };
    let (cos, sin): (i32, i32) = match degrees {
        90 => (0, 1),
        180 => (-1, 0),
        270 => (0, -1),
        _ => (1, 0),
    };
    // Version 0: the matrix lies 40 bytes into the content.
    let place = tkhd.start + 40;
    let side = if mirrored { -1 } else { 1 };
    for (n, value) in [(0, side * cos), (1, side * sin), (3, -sin), (4, cos)] {
        bytes[place + 4 * n..place + 4 * n + 4].copy_from_slice(&(value << 16).to_be_bytes());
    }
    true
}

/// The first line of what ffmpeg says of its version.
pub(crate) fn ffmpeg_version() -> Result<&'static str> {
    static VERSION: OnceLock<String> = OnceLock::new();
    if let Some(known) = VERSION.get() {
        return Ok(known);
    }
    let ran = tool::run("ffmpeg", ["-version"], Path::new("."))?;
    let first = String::from_utf8_lossy(&ran.stdout).lines().next().unwrap_or_default().to_owned();
    Ok(VERSION.get_or_init(|| first))
}
