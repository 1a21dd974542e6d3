//! Every track lasts until the end of the presentation: players end or stall where one of them ends. What is
//! passed through lasts as long as the source's.

use anyhow::{Result, ensure};

use super::Evidence;

/// How far ends may be apart, seconds: access units are filled up, and containers round.
const UNEVEN: f64 = 0.1;

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let ends = evidence.published.tracks.iter().filter(|media| media.track.is_video() || !evidence.passed_through());
    let end = |media: &crate::published::Media| {
        Some((*media.bounds().last()? as f64 / media.track.timescale as f64, media.name.clone()))
    };
    let ends: Vec<(f64, String)> = ends.filter_map(end).collect();
    let longest = ends.iter().map(|(end, _)| *end).fold(0.0, f64::max);
    let short: Vec<_> = ends.iter().filter(|(end, _)| longest - end > UNEVEN).collect();
    ensure!(short.is_empty(), "the presentation lasts {longest:.3} s, and tracks end before: {short:?}");
    Ok(())
}
