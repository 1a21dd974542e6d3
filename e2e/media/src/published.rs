//! What a job published: files and their tracks, found by `job.json` and read by the test's own eyes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::boxes;

/// An output folder.
#[derive(Debug)]
pub struct Published {
    /// The folder.
    pub folder: PathBuf,
    /// `job.json`
    pub record: Value,
    /// Tracks of segments, in the record's order.
    pub tracks: Vec<Media>,
}

/// One track: an init segment and media segments.
#[derive(Debug)]
pub struct Media {
    /// Rendition, or `audio-0`.
    pub name: String,
    /// Paths below the output.
    pub init: String,
    /// Paths below the output, in order.
    pub segments: Vec<String>,
    /// Init and all segments, one after another.
    pub bytes: Vec<u8>,
    /// Size of each segment.
    pub sizes: Vec<usize>,
    /// What the boxes say.
    pub track: boxes::Track,
}

impl Published {
    /// Reads the folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let record: Value = serde_json::from_slice(&fs::read(folder.join("job.json")).context("job.json")?)?;
        let mut names: Vec<&str> = vec![];
        for name in files(&record, "init").filter_map(|f| f["track"].as_str()) {
            ensure!(!names.contains(&name), "{name} has two init segments");
            names.push(name);
        }
        let tracks = names.into_iter().map(|name| Media::read(folder, &record, name)).collect::<Result<_>>()?;
        Ok(Published { folder: folder.to_path_buf(), record, tracks })
    }

    /// Entries of the record of one kind: `segment`, `init`, `mp4`, `hls`, `dash`, `thumbnail`.
    pub fn files(&self, kind: &str) -> impl Iterator<Item = &Value> {
        files(&self.record, kind)
    }

    /// Paths of one kind.
    pub fn paths(&self, kind: &str) -> Vec<PathBuf> {
        self.files(kind).filter_map(|f| f["path"].as_str()).map(|p| self.folder.join(p)).collect()
    }

    /// Video tracks in the ladder's order.
    pub fn video(&self) -> Vec<&Media> {
        self.tracks.iter().filter(|t| t.track.is_video()).collect()
    }

    /// Audio tracks in the source's order.
    pub fn audio(&self) -> Vec<&Media> {
        self.tracks.iter().filter(|t| !t.track.is_video()).collect()
    }
}

fn files<'a>(record: &'a Value, kind: &str) -> impl Iterator<Item = &'a Value> {
    record["files"].as_array().into_iter().flatten().filter(move |f| f["kind"] == kind)
}

impl Media {
    fn read(folder: &Path, record: &Value, name: &str) -> Result<Self> {
        let of = |kind: &str| -> Vec<String> {
            files(record, kind)
                .filter(|f| f["track"] == name)
                .filter_map(|f| f["path"].as_str().map(str::to_owned))
                .collect()
        };
        let init = of("init").into_iter().next().context("no init segment")?;
        let segments = of("segment");
        let mut bytes = fs::read(folder.join(&init))?;
        let mut sizes = vec![];
        for segment in &segments {
            let content = fs::read(folder.join(segment)).with_context(|| segment.clone())?;
            sizes.push(content.len());
            bytes.extend(content);
        }
        let tracks = boxes::read(&bytes).with_context(|| format!("the boxes of {name}"))?;
        ensure!(tracks.len() == 1, "{name} holds {} tracks", tracks.len());
        let track = tracks.into_values().next().context("no track")?;
        Ok(Media { name: name.into(), init, segments, bytes, sizes, track })
    }

    /// Presentation time of the first sample of each segment, and of the end, ticks.
    pub fn bounds(&self) -> Vec<i64> {
        let track = &self.track;
        let of = |n: usize| track.samples.iter().filter(move |s| s.segment == n);
        let starts = (0..self.segments.len()).filter_map(|n| of(n).map(|s| s.composition - track.media_time).min());
        // Decoding ends with the last sample; what is shown is later by as much as at the start. The duration of the
        // sample that is shown last is that of its decoding.
        let end = track
            .samples
            .first()
            .zip(track.samples.last())
            .map(|(first, last)| last.decode + last.duration + first.composition - first.decode - track.media_time);
        starts.chain(end).collect()
    }

    /// Width and height at which the picture is to be displayed, pixels: coded size and `pasp` of the sample entry.
    pub fn displayed(&self) -> Result<(f64, u32)> {
        let entry = &self.bytes[self.track.description.clone()];
        let short = |at: usize| u32::from(entry[at]) << 8 | u32::from(entry[at + 1]);
        let pasp = entry.windows(4).position(|w| w == b"pasp").context("no pasp")?;
        let long = |at: usize| f64::from(short(at) << 16 | short(at + 2));
        Ok((f64::from(short(24)) * long(pasp + 4) / long(pasp + 8), short(26)))
    }

    /// Frames per second: of the densest run of a second or more, and on average. A track of less than a second has its average.
    pub fn frame_rates(&self) -> (f64, f64) {
        let scale = self.track.timescale;
        let mut times = self.track.presented();
        let average = times.len() as f64 * scale as f64;
        times.extend(self.bounds().last());
        let average = average / (times[times.len() - 1] - times[0]) as f64;
        // All runs of one to two seconds: a longer one has one of them in it that is as dense.
        let from = |from: usize| (from + 1..times.len()).map(move |to| (from, to));
        let most = (0..times.len()).flat_map(from).filter_map(|(from, to)| {
            let ticks = times[to] - times[from];
            (scale..2 * scale).contains(&ticks).then(|| (to - from) as f64 * scale as f64 / ticks as f64)
        });
        (most.reduce(f64::max).unwrap_or(average), average)
    }

    /// Bytes of a segment, in [`Media::bytes`].
    pub fn segment(&self, n: usize) -> &[u8] {
        let init = self.bytes.len() - self.sizes.iter().sum::<usize>();
        let start = init + self.sizes.iter().take(n).sum::<usize>();
        &self.bytes[start..start + self.sizes[n]]
    }

    /// Bytes of the init segment.
    pub fn init(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - self.sizes.iter().sum::<usize>()]
    }

    /// Access units, in decoding order.
    pub fn units(&self) -> impl Iterator<Item = &[u8]> {
        self.track.samples.iter().map(|s| &self.bytes[s.bytes.clone()])
    }
}
