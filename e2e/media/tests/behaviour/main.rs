//! How a run behaves: what it does again, how it ends, what it refuses, where it reads and writes.
//!
//! ```text
//! resume.rs  kill, Ctrl-C, a second run         fault.rs      what fails, and what then
//! places.rs  S3 and HTTP                        thumbnail.rs  the picture
//! plan.rs    what `plan` prints                 ends.rs       exit codes and words
//! bad.rs     cut and damaged sources            rate.rs       caps that hold over joins
//! memory.rs  how much of it, for two hours      report.rs     figures of the HTML report
//! captions.rs  those that would be lost         passthrough.rs  sound that would not be whole
//! sound.rs   sound that changes midway        sandbox.rs    a hostile program in ffprobe's place
//! ```

mod bad;
mod captions;
mod ends;
mod fault;
mod memory;
mod passthrough;
mod places;
mod plan;
mod rate;
mod report;
mod resume;
mod sandbox;
mod sound;
mod thumbnail;

use std::path::PathBuf;

use anyhow::Result;
use e2e_media::{
    product::Job,
    recipe,
    row::{ROW, Row, Step},
};
use tempfile::TempDir;

/// Small, and long enough for five chunks of two renditions.
const FILM: Row = Row {
    source: &[Step::Ffmpeg(
        "-f lavfi -i testsrc2=size=192x108:rate=10:duration=72 -f lavfi -i sine=frequency=600:duration=72 -c:v libx264 -preset veryfast -g 10 -bf 2 -c:a aac {out}",
    )],
    ..ROW
};
/// Chunks of [`FILM`].
const CHUNKS: u64 = 5;
/// Two renditions, a task for each of their chunks.
const OPTIONS: &str = "{video: {segmentDuration: 2s, fanOut: ChunkRendition, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 192, height: 192}}, {name: low, box: {width: 96, height: 96}}]}";

/// A folder that is kept when the test fails and `TRANSCODE_KEEP` is set.
fn folder() -> Result<TempDir> {
    let mut folder = tempfile::tempdir()?;
    folder.disable_cleanup(std::env::var_os("TRANSCODE_KEEP").is_some());
    Ok(folder)
}

fn film() -> Result<PathBuf> {
    recipe::source(&FILM)
}

/// A job over the film, with retries that don't wait.
fn job(folder: &TempDir, options: &str) -> Result<Job> {
    job_with(folder, options, "")
}

/// As [`job`], with further lines of `spec`.
fn job_with(folder: &TempDir, options: &str, lines: &str) -> Result<Job> {
    let path = |path: PathBuf| e2e_media::product::quoted(&path);
    let input = format!("file: {{path: {}}}", path(film()?));
    let output = format!("file: {{path: {}}}", path(folder.path().join("out")));
    Job::new(folder.path(), &input, &output, &rest(options, lines))
}

/// Further members of `spec`.
fn rest(options: &str, lines: &str) -> String {
    let retry =
        "{critical: {maxAttempts: 3, initialDelaySeconds: 0}, enhancement: {maxAttempts: 2, initialDelaySeconds: 0}}";
    format!("  options: {options}\n  retry: {retry}\n{lines}")
}
