//! Every track lasts from the start of the presentation until its end: players end or stall where one of them does
//! not. What is passed through lasts as long as the source's.

use anyhow::{Result, ensure};

use super::Evidence;

/// How far starts and ends may be apart, seconds: access units are filled up, and containers round.
const UNEVEN: f64 = 0.1;

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let covers = |media: &&crate::published::Media| media.track.is_video() || !evidence.passed_through();
    let covering = || evidence.published.tracks.iter().filter(covers);
    let end = |media: &crate::published::Media| {
        Some((*media.bounds().last()? as f64 / media.track.timescale as f64, media.name.clone()))
    };
    let ends: Vec<(f64, String)> = covering().filter_map(end).collect();
    let longest = ends.iter().map(|(end, _)| *end).fold(0.0, f64::max);
    let short: Vec<_> = ends.iter().filter(|(end, _)| longest - end > UNEVEN).collect();
    ensure!(short.is_empty(), "the presentation lasts {longest:.3} s, and tracks end before: {short:?}");
    let start = |media: &crate::published::Media| {
        Some((*media.bounds().first()? as f64 / media.track.timescale as f64, media.name.clone()))
    };
    let starts: Vec<(f64, String)> = covering().filter_map(start).collect();
    // Copies of the first picture begin with the presentation itself.
    let late = if evidence.row.ahead > 0 { 0.0 } else { UNEVEN };
    let late: Vec<_> = starts.iter().filter(|(start, _)| *start > late).collect();
    ensure!(late.is_empty(), "the presentation begins at 0, and tracks begin later: {late:?}");
    Ok(())
}
