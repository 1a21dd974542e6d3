//! Before encoding: frame hashes and times of the chunks, one after another, are those of one
//! unchunked run.

use std::path::Path;

use anyhow::{Context, Error, Result, bail, ensure};

use crate::{
    listing::{Frame, Listing},
    plan::{Encode, Plan},
    row::Row,
};

/// One rendition's frames in one run.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The rendition.
    pub name: String,
    /// Its frames.
    pub frames: Listing,
}

/// The references, and whether the chunks agree with them.
pub fn prove(row: &Row, plan: &Plan, folder: &Path) -> Result<Vec<Reference>, (Vec<Reference>, Error)> {
    let mut references = vec![];
    let mut result = Ok(());
    for set in plan.encodes() {
        match one_set(row, &set, folder) {
            Ok((found, compared)) => {
                references.extend(found);
                result = result.and(compared);
            }
            Err(error) => return Err((references, error)),
        }
    }
    match result {
        Ok(()) => Ok(references),
        Err(error) => Err((references, error)),
    }
}

fn one_set(row: &Row, chunks: &[Encode], folder: &Path) -> Result<(Vec<Reference>, Result<()>)> {
    let first = chunks.first().context("no chunk")?;
    let whole = first.unchunked()?.hashes(folder).context("one run")?;
    let mut joined: Vec<Listing> = vec![];
    for (n, chunk) in chunks.iter().enumerate() {
        let parts = chunk.hashes(folder).with_context(|| format!("chunk {n}"))?;
        if joined.is_empty() {
            joined = parts;
        } else {
            joined.iter_mut().zip(parts).for_each(|(all, part)| all.frames.extend(part.frames));
        }
    }
    let whole: Vec<Listing> =
        whole.into_iter().zip(&joined).map(|(whole, joined)| held(row, whole, joined)).collect::<Result<_>>()?;
    let names = &first.renditions;
    let compared = names.iter().zip(whole.iter().zip(&joined)).try_for_each(|(name, (whole, joined))| {
        ensure!(
            whole.frames.len() == row.shown_frames(),
            "the source has {} frames, the row says {}",
            whole.frames.len() - row.ahead - row.held,
            row.frames
        );
        same(whole, joined).with_context(|| name.clone())
    });
    let references = names.iter().zip(whole).map(|(name, frames)| Reference { name: name.clone(), frames }).collect();
    Ok((references, compared))
}

/// What one run shows with the first frame before it and the last frame behind it as often again as the row says, at
/// times that are near those in chunks: those are at a constant rate, else five times a second.
fn held(row: &Row, mut whole: Listing, joined: &Listing) -> Result<Listing> {
    let (Some(first), Some(last)) = (whole.frames.first().cloned(), whole.frames.last().cloned()) else {
        return Ok(whole);
    };
    let (before, joined) = joined.frames.split_at(row.ahead.min(joined.frames.len()));
    let second = whole.timebase.1 as f64 / whole.timebase.0 as f64;
    let (steps, length) = (whole.frames.len() - 1, (last.pts - first.pts) as f64);
    let average = length / steps.max(1) as f64;
    let near = |(n, frame): (usize, &Frame)| (frame.pts - first.pts) as f64 - n as f64 * average;
    let constant = steps > 0 && whole.frames.iter().enumerate().all(|frame| near(frame).abs() <= second / 500.0);
    let step = if constant { average } else { second / 5.0 };
    let copies = joined.iter().skip(whole.frames.len()).take(row.held);
    // How long the source shows its last frame is its own affair.
    let begin = joined.get(whole.frames.len()).map_or(0.0, |copy| copy.pts as f64);
    ensure!(begin == 0.0 || begin > last.pts as f64, "the last frame is repeated at {begin} ticks");
    ensure!(
        !constant || row.held == 0 || (begin - last.pts as f64 - step).abs() <= second / 500.0,
        "a hole at the end"
    );
    let copies: Vec<Frame> = copies.map(|copy| Frame { pts: copy.pts, hash: last.hash.clone() }).collect();
    for (n, copy) in copies.iter().enumerate() {
        let expected = begin + n as f64 * step;
        ensure!((copy.pts as f64 - expected).abs() <= second / 500.0, "copy {n} is at {}, not {expected}", copy.pts);
    }
    let before: Vec<Frame> = before.iter().map(|copy| Frame { pts: copy.pts, hash: first.hash.clone() }).collect();
    for (n, copy) in before.iter().enumerate() {
        let off = (copy.pts as f64 - (first.pts as f64 - (before.len() - n) as f64 * step)).abs();
        // The first of all is where the sound begins.
        let earlier = if n == 0 { step } else { 0.0 };
        ensure!(off <= earlier + second / 500.0, "copy {n} before the first frame is at {}", copy.pts);
    }
    whole.frames = [before, whole.frames, copies].concat();
    Ok(whole)
}

fn same(whole: &Listing, joined: &Listing) -> Result<()> {
    ensure!(whole.timebase == joined.timebase, "timebases {:?} and {:?}", whole.timebase, joined.timebase);
    if let Some(n) =
        (0..whole.frames.len().max(joined.frames.len())).find(|n| whole.frames.get(*n) != joined.frames.get(*n))
    {
        let (of_whole, of_joined) = (whole.frames.get(n), joined.frames.get(n));
        bail!(
            "{} frames in chunks, {} in one run; frame {n} is {of_joined:?}, not {of_whole:?}",
            joined.frames.len(),
            whole.frames.len()
        );
    }
    Ok(())
}
