//! What the proofs measure, as a file for each row and ffmpeg: `TRANSCODE_FIGURES/5.1.9/closed_gop.json`.

use std::{cell::RefCell, env, fs, path::PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::recipe::ffmpeg_version;

/// Figures of one row, by name.
#[derive(Debug, Default)]
pub struct Figures(RefCell<Map<String, Value>>);

impl Figures {
    /// Where figures are gathered, if they are.
    pub fn folder() -> Option<PathBuf> {
        env::var_os("TRANSCODE_FIGURES").map(PathBuf::from)
    }

    /// Keeps a figure.
    pub fn tell(&self, name: &str, value: impl Into<Value>) {
        self.0.borrow_mut().insert(name.into(), value.into());
    }

    /// Adds to a count.
    pub fn add(&self, name: &str, count: usize) {
        let sum = self.number(name).unwrap_or(0.0) as usize + count;
        self.tell(name, sum);
    }

    /// Keeps the greatest of several.
    pub fn greatest(&self, name: &str, value: f64) {
        let value = self.number(name).map_or(value, |known| known.max(value));
        self.tell(name, value);
    }

    /// Keeps a figure of one rendition.
    pub fn of(&self, rendition: &str, name: &str, value: impl Into<Value>) {
        let mut all = self.0.borrow_mut();
        all.entry("renditions").or_insert_with(|| json!({}))[rendition][name] = value.into();
    }

    /// Writes them, where they are gathered.
    pub fn write(&self, row: &str, proved: bool) -> Result<()> {
        let Some(folder) = Figures::folder() else { return Ok(()) };
        let build = ffmpeg_version()?.split_whitespace().nth(2).context("ffmpeg tells no version")?;
        let folder = folder.join(build);
        fs::create_dir_all(&folder)?;
        self.tell("proved", proved);
        Ok(fs::write(folder.join(format!("{row}.json")), serde_json::to_string_pretty(&*self.0.borrow())?)?)
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.0.borrow().get(name)?.as_f64()
    }
}
