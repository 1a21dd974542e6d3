//! ffmpeg's own account of frames: `framehash`.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::tool;

/// A decoded frame.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame {
    /// Ticks of the listing.
    pub pts: i64,
    /// Of its pixels or samples.
    pub hash: String,
}

/// Frames of one stream with their timebase.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Seconds per tick.
    pub timebase: (i64, i64),
    /// In the order in which they came.
    pub frames: Vec<Frame>,
}

impl Listing {
    /// Reads what `-f framehash` wrote of a single stream.
    pub fn parse(text: &str) -> Result<Self> {
        let mut listing = Listing { timebase: (1, 1), frames: vec![] };
        for line in text.lines() {
            if let Some(timebase) = line.strip_prefix("#tb 0: ") {
                let (n, d) = timebase.split_once('/').context("no timebase")?;
                listing.timebase = (n.trim().parse()?, d.trim().parse()?);
            }
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            ensure!(fields.len() >= 6, "not a line of framehash: {line}");
            listing.frames.push(Frame { pts: fields[2].parse()?, hash: fields[5].to_owned() });
        }
        Ok(listing)
    }

    /// Presentation times, ticks.
    pub fn times(&self) -> Vec<i64> {
        self.frames.iter().map(|f| f.pts).collect()
    }

    /// Seconds of a frame.
    pub fn seconds(&self, frame: &Frame) -> f64 {
        frame.pts as f64 * self.timebase.0 as f64 / self.timebase.1 as f64
    }
}

/// Decodes one stream of a file, playlist or manifest to its end; any message of a decoder is an error.
pub fn decode(input: &Path, stream: &str, folder: &Path) -> Result<Listing> {
    let words = format!(
        "-v error -xerror -copyts -allowed_extensions ALL -i {{in}} -map 0:{stream} -fps_mode passthrough -enc_time_base:v 1/1000000 -f framehash -hash md5 -"
    );
    // The option belongs to the HLS reader only.
    let words = if input.extension().is_some_and(|e| e == "m3u8") {
        words
    } else {
        words.replace("-allowed_extensions ALL ", "")
    };
    let ran = tool::ffmpeg(&words, &[("in", input)], folder)?;
    ensure!(ran.stderr.trim().is_empty(), "decoding {} says: {}", input.display(), ran.stderr.trim());
    Listing::parse(&String::from_utf8_lossy(&ran.stdout))
}
