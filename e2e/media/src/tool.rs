//! Running the tools that measure. A missing one is named with the package that brings it.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// What a program left.
#[derive(Debug, Default)]
pub struct Ran {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

/// Runs a program to its success, in `folder`.
pub fn run<S: AsRef<str>>(program: &str, args: impl IntoIterator<Item = S>, folder: &Path) -> Result<Ran> {
    let args: Vec<String> = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
    let line = || shlex::try_join([program].into_iter().chain(args.iter().map(String::as_str))).unwrap_or_default();
    let output = Command::new(program).args(&args).current_dir(folder).stdin(Stdio::null()).output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{program} is missing: apt-get install {}", package(program))
        }
        other => other.with_context(line)?,
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{}: {}\n{}", output.status, line(), tail(&stderr));
    }
    Ok(Ran { stdout: output.stdout, stderr })
}

/// Runs ffmpeg on words of a shell, `{name}` replaced by paths.
pub fn ffmpeg(words: &str, paths: &[(&str, &Path)], folder: &Path) -> Result<Ran> {
    run("ffmpeg", filled(&format!("-hide_banner -nostdin -y {words}"), paths)?, folder)
}

/// Runs ffprobe on words of a shell and gives its answer.
pub fn ffprobe(words: &str, paths: &[(&str, &Path)], folder: &Path) -> Result<String> {
    let ran = run("ffprobe", filled(&format!("-hide_banner -v error {words}"), paths)?, folder)?;
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// Runs a script of e2e/tools on words of a shell, `{name}` replaced by paths.
pub fn python(words: &str, paths: &[(&str, &Path)], folder: &Path) -> Result<Ran> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools");
    run("python3", filled(&format!("{{tools}}/{words}"), &[paths, &[("tools", &tools)]].concat())?, folder)
}

/// A folder below the user's cache for what is made once.
pub fn cache(name: &str) -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let folder =
        cache.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?.join("transcode-operator").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn filled(words: &str, paths: &[(&str, &Path)]) -> Result<Vec<String>> {
    let mut words = shlex::split(words).with_context(|| format!("unbalanced quotes: {words}"))?;
    for (name, path) in paths {
        let place = format!("{{{name}}}");
        words.iter_mut().for_each(|word| *word = word.replace(&place, &path.display().to_string()));
    }
    Ok(words)
}

fn package(program: &str) -> &str {
    match program {
        "ffmpeg" | "ffprobe" => "ffmpeg",
        "pip" | "python3" => "python3-pip",
        other => other,
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
