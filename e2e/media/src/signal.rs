//! Sound as samples on a timeline, and what can be found in it.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::tool;

/// Samples, one channel.
#[derive(Debug, Clone)]
pub struct Sound {
    /// Hz.
    pub rate: i64,
    /// Time of the first one, in samples.
    pub start: i64,
    /// From -1 to 1.
    pub samples: Vec<f32>,
}

/// A gap or an overlap of timestamps beyond this is a real one, seconds; below it is rounding.
const ROUNDING: f64 = 0.015;

impl Sound {
    /// Decodes an audio stream as ffmpeg presents it, with its own times: silence where it has holes.
    /// `rate` resamples it.
    pub fn of(input: &Path, stream: &str, rate: Option<i64>, folder: &Path) -> Result<Self> {
        let resample = rate.map_or(String::new(), |rate| format!("aresample={rate},"));
        let words = format!(
            "-v info -copyts -i {{in}} -map 0:{stream} -af {resample}aformat=sample_fmts=fltp:channel_layouts=mono,ashowinfo -f f32le -"
        );
        let ran = tool::ffmpeg(&words, &[("in", input)], folder)?;
        let decoded = floats(&ran.stdout);
        let mut sound: Option<Sound> = None;
        let mut taken = 0;
        for line in ran.stderr.lines().filter(|l| l.contains("ashowinfo") && l.contains(" pts:")) {
            let field = |name: &str| line.split_once(name)?.1.split_whitespace().next()?.parse::<i64>().ok();
            let (pts, rate) = (field(" pts:").context("a frame without time")?, field(" rate:").context("no rate")?);
            let count = field(" nb_samples:").context("no nb_samples")? as usize;
            let sound = sound.get_or_insert_with(|| Sound { rate, start: pts, samples: vec![] });
            let silence = pts - sound.end();
            let mut samples = decoded.get(taken..taken + count).context("fewer samples than ashowinfo told")?;
            if silence.abs() as f64 > ROUNDING * rate as f64 {
                // A hole is silent; of what overlaps the earlier is heard.
                sound.samples.resize(sound.samples.len() + silence.max(0) as usize, 0.0);
                samples = &samples[count.min((-silence).max(0) as usize)..];
            }
            sound.samples.extend(samples);
            taken += count;
        }
        ensure!(taken == decoded.len(), "{} samples and {taken} told", decoded.len());
        sound.context("no sound")
    }

    /// Decodes every access unit of a file with nothing skipped; the caller knows the edit list.
    pub fn whole(file: &Path, folder: &Path) -> Result<Vec<f32>> {
        let words = "-v error -flags2 +skip_manual -ignore_editlist 1 -copyts -i {in} -map 0:a:0 -af aformat=sample_fmts=flt:channel_layouts=mono -f f32le -";
        Ok(floats(&tool::ffmpeg(words, &[("in", file)], folder)?.stdout))
    }

    /// Time after the last sample, in samples.
    pub fn end(&self) -> i64 {
        self.start + self.samples.len() as i64
    }

    fn window(&self, from: i64, length: usize) -> Option<&[f32]> {
        let at = usize::try_from(from - self.start).ok()?;
        self.samples.get(at..at + length)
    }

    /// How many samples later than here the same sound is in `other`, at some of its loudest places
    /// over the whole length; `None` where it isn't.
    pub fn lags(&self, other: &Sound) -> Vec<Option<i64>> {
        let parts = 6;
        let part = self.samples.len() / parts;
        let loudest = (0..parts).filter_map(|n| {
            let slice = self.samples.get(n * part..(n + 1) * part)?;
            let peak = slice.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
            (peak.1.abs() > 0.1).then_some(self.start + (n * part + peak.0) as i64)
        });
        loudest.filter_map(|at| self.lag(other, at)).collect()
    }

    /// Of the sound around one place; the outer `None` is too near to an end to tell.
    fn lag(&self, other: &Sound, at: i64) -> Option<Option<i64>> {
        const REACH: i64 = 3000;
        const LENGTH: usize = 2048;
        let from = at - LENGTH as i64 / 2;
        let here = self.window(from, LENGTH)?;
        let there = other.window(from - REACH, LENGTH + 2 * REACH as usize)?;
        let peak = here[LENGTH / 2];
        let power = here.iter().map(|s| s * s).sum::<f32>() / LENGTH as f32;
        let score = |lag: &usize| match peak * peak > 100.0 * power {
            // An impulse: an encoder spreads it, and has noise of its own instead of its highest frequencies, but
            // below them its peak stays.
            true => f64::from(below_highest(there, LENGTH / 2 + lag) * peak.signum() * 4.0),
            false => likeness(here, &there[*lag..lag + LENGTH]),
        };
        let best = (0..=2 * REACH as usize).map(|lag| (score(&lag), lag)).max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some((best.0 > 0.6).then_some(best.1 as i64 - REACH))
    }

    /// Seconds at which it gets loud after at least a quarter of a second of less.
    pub fn beeps(&self) -> Vec<f64> {
        let loud = self.samples.iter().fold(0.0_f32, |m, s| m.max(s.abs())) / 3.0;
        let mut found = vec![];
        let mut quiet_since = i64::MIN / 2;
        for (n, sample) in self.samples.iter().enumerate() {
            let at = self.start + n as i64;
            if sample.abs() >= loud {
                if at - quiet_since > self.rate / 4 {
                    found.push(at as f64 / self.rate as f64);
                }
                quiet_since = at;
            }
        }
        found
    }
}

/// The sample at a place without what is above an eighth of the rate: those around it count less the further off
/// they are.
fn below_highest(samples: &[f32], at: usize) -> f32 {
    const REACH: usize = 8;
    let around = &samples[at - REACH..=at + REACH];
    let weight = |n: usize| 1.0 - n.abs_diff(REACH) as f32 / (REACH + 1) as f32;
    around.iter().enumerate().map(|(n, sample)| sample * weight(n)).sum()
}

/// Seconds of pictures that are bright while the one before is not.
pub fn flashes(input: &Path, folder: &Path) -> Result<Vec<f64>> {
    // On standard output: in its log, ffmpeg mixes lines of several threads.
    let ran = tool::ffmpeg(
        "-v error -copyts -i {in} -map 0:v:0 -vf format=yuv420p,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=- -fps_mode passthrough -f null -",
        &[("in", input)],
        folder,
    )?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let mut found = vec![];
    let (mut bright, mut time) = (true, 0.0);
    for line in text.lines() {
        if let Some((_, told)) = line.split_once("pts_time:") {
            time = told.trim().parse()?;
        } else if let Some(mean) = line.strip_prefix("lavfi.signalstats.YAVG=") {
            let is_bright = mean.parse::<f64>()? > 200.0;
            if is_bright && !bright {
                found.push(time);
            }
            bright = is_bright;
        }
    }
    Ok(found)
}

/// Correlation, 1 for the same.
fn likeness(a: &[f32], b: &[f32]) -> f64 {
    let (mut ab, mut aa, mut bb) = (0.0_f64, 1e-9_f64, 1e-9_f64);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    ab / (aa * bb).sqrt()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
