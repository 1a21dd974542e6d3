//! Which files are generated, and whether they are as they should be.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{crds, reference};

/// Generated files: path from the root of the repository, and text.
pub type Files = BTreeMap<PathBuf, String>;

/// Makes files of one sort.
type Generator = fn() -> Result<Files>;

/// Every generator. A new one is one line here.
const GENERATORS: &[Generator] = &[crds::generate, reference::generate];

/// Folders in which nothing else lives: a file that no generator makes is left over.
const FOLDERS: &[&str] = &["crds", crds::TEMPLATES];

/// What is not as it should be.
#[derive(Debug, PartialEq, Eq)]
enum Drift {
    Missing(PathBuf),
    /// The number of the first line that differs, and what it should be.
    Differs(PathBuf, usize, String),
    LeftOver(PathBuf),
}

/// Writes the generated files, or with `check` says which of them differ.
pub fn run(check: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in no repository")?;
    let mut files = Files::new();
    for generator in GENERATORS {
        files.append(&mut generator()?);
    }
    let drift = drift(root, &files)?;
    if check {
        return report(&drift);
    }
    for change in &drift {
        match change {
            Drift::LeftOver(path) => {
                fs::remove_file(root.join(path))?;
                println!("removed {}", path.display());
            }
            Drift::Missing(path) | Drift::Differs(path, ..) => {
                write(&root.join(path), files.get(path).map(String::as_str).unwrap_or_default())?;
                println!("wrote   {}", path.display());
            }
        }
    }
    println!("{} generated files, {} changed", files.len(), drift.len());
    Ok(())
}

fn report(drift: &[Drift]) -> Result<()> {
    for change in drift {
        match change {
            Drift::Missing(path) => eprintln!("{}: missing", path.display()),
            Drift::Differs(path, line, wanted) => {
                eprintln!("{}:{line}: should be `{wanted}`", path.display())
            }
            Drift::LeftOver(path) => eprintln!("{}: no generator makes this file", path.display()),
        }
    }
    if !drift.is_empty() {
        bail!("{} generated files are not up to date: run `cargo xtask codegen` and commit the result", drift.len());
    }
    Ok(())
}

fn drift(root: &Path, files: &Files) -> Result<Vec<Drift>> {
    let mut drift = Vec::new();
    for (path, wanted) in files {
        match fs::read_to_string(root.join(path)) {
            Ok(found) if found == *wanted => {}
            Ok(found) => {
                let (line, wanted) = first_difference(&found, wanted);
                drift.push(Drift::Differs(path.clone(), line, wanted));
            }
            Err(_) => drift.push(Drift::Missing(path.clone())),
        }
    }
    for folder in FOLDERS {
        let Ok(entries) = fs::read_dir(root.join(folder)) else {
            continue;
        };
        for entry in entries {
            let path = Path::new(folder).join(entry?.file_name());
            if !files.contains_key(&path) {
                drift.push(Drift::LeftOver(path));
            }
        }
    }
    Ok(drift)
}

fn first_difference(found: &str, wanted: &str) -> (usize, String) {
    let (mut lines, mut number) = (found.lines(), 1);
    for line in wanted.lines() {
        if lines.next() != Some(line) {
            return (number, line.to_owned());
        }
        number += 1;
    }
    (number, "the end".to_owned())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_what_would_be_written() {
        run(true).unwrap();
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), (2, "c".to_owned()));
        assert_eq!(first_difference("a\nb\n", "a\n"), (2, "the end".to_owned()));
        assert_eq!(first_difference("a\n", "a\nb\n"), (2, "b".to_owned()));
    }
}
