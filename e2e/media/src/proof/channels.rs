//! Channels: each tone of the source is heard from the speakers that it belongs to, as loud as it is said to be.

use std::{collections::BTreeSet, f64::consts::TAU, fs, path::Path};

use anyhow::{Context, Result, ensure};

use super::Evidence;
use crate::tool;

/// Amplitude of the tones, of which [`crate::row::Row::tones`] tells thousandths.
const AMPLITUDE: f64 = 0.02;
/// How much encoders change one, and how much of one they put elsewhere, of that.
const EXACTNESS: f64 = 0.12;
const LEAKAGE: f64 = 0.05;

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    if evidence.row.tones.is_empty() {
        return Ok(());
    }
    let tracks = evidence.published.audio();
    ensure!(tracks.len() == evidence.row.tones.len(), "{} tracks, expected {}", tracks.len(), evidence.row.tones.len());
    for (media, expected) in tracks.into_iter().zip(evidence.row.tones) {
        let file = evidence.folder.join(format!("{}-tones.mp4", media.name));
        fs::write(&file, &media.bytes)?;
        tones_at(&file, 2, expected, &evidence.folder).with_context(|| media.name.clone())?;
    }
    Ok(())
}

/// The tones of each channel in the second from `at` on, in the order of ffmpeg's channels.
pub fn tones_at(file: &Path, at: u32, expected: &[&[(u32, u32)]], folder: &Path) -> Result<()> {
    let words = format!("-v error -ss {at} -t 1 -i {{in}} -map 0:a:0 -ar 48000 -f f32le -");
    let bytes = tool::ffmpeg(&words, &[("in", file)], folder)?.stdout;
    let samples: Vec<f64> =
        bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect();
    ensure!(samples.len() == 48_000 * expected.len(), "{} samples in {} channels", samples.len(), expected.len());
    let all: BTreeSet<u32> = expected.iter().flat_map(|tones| tones.iter().map(|(hz, _)| *hz)).collect();
    for (n, tones) in expected.iter().enumerate() {
        let channel: Vec<f64> = samples.iter().skip(n).step_by(expected.len()).copied().collect();
        for hz in &all {
            let wanted = tones.iter().find(|(of, _)| of == hz).map_or(0.0, |(_, level)| f64::from(*level) / 1000.0);
            let found = amplitude(&channel, *hz) / AMPLITUDE;
            let allowed = if wanted > 0.0 { EXACTNESS * wanted } else { LEAKAGE };
            ensure!(
                (found - wanted).abs() <= allowed,
                "{hz} Hz has level {found:.3} in channel {n} instead of {wanted}"
            );
        }
    }
    Ok(())
}

/// Of a tone of whole Hz in a second of 48 kHz.
fn amplitude(samples: &[f64], hz: u32) -> f64 {
    let parts = samples.iter().zip(0_u32..).map(|(sample, n)| {
        let angle = TAU * f64::from(hz) * f64::from(n) / 48_000.0;
        (sample * angle.cos(), sample * angle.sin())
    });
    let (re, im) = parts.fold((0.0, 0.0), |(re, im), (x, y)| (re + x, im + y));
    re.hypot(im) * 2.0 / samples.len() as f64
}
