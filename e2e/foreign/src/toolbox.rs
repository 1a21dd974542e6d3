//! Where the tools are, and how they are run.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, bail};
use e2e_media::tool;

/// What a program said, however it ended.
#[derive(Debug)]
pub struct Said {
    /// Whether it succeeded.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a program in `folder` to its end. A failure is an answer.
pub fn ask(program: &Path, args: &[&str], environment: &[(&str, &str)], folder: &Path) -> Result<Said> {
    let mut command = Command::new(program);
    command.args(args).envs(environment.iter().copied()).current_dir(folder).stdin(Stdio::null());
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{} is missing: run hack/bootstrap.sh --tests", program.display())
        }
        other => other.with_context(|| program.display().to_string())?,
    };
    Ok(Said {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The folder that `install.sh` fills from npm and PyPI.
pub fn packages() -> Result<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found(&FOLDER, || last_line("install.sh", &[]))
}

/// Our command over the readers in Go.
pub fn mediacheck() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found(&PROGRAM, || {
        last_line("../tools/install.sh", &["mediacheck"])?;
        last_line("../tools/install.sh", &["--path", "mediacheck"])
    })
}

fn found(
    place: &'static OnceLock<Result<PathBuf, String>>,
    find: impl FnOnce() -> Result<PathBuf>,
) -> Result<&'static Path> {
    let found = place.get_or_init(|| find().map_err(|e| format!("{e:#}")));
    found.as_deref().map_err(|e| anyhow!("{e}"))
}

/// Runs a script of ours and takes the path on its last line.
fn last_line(script: &str, args: &[&str]) -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = here.join(script).display().to_string();
    let ran = tool::run("bash", [&[script.as_str()], args].concat(), here)?;
    Ok(PathBuf::from(String::from_utf8_lossy(&ran.stdout).lines().last().unwrap_or_default()))
}
