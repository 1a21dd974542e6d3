//! Before encoding: frame hashes and times of the chunks, one after another, are those of one
//! unchunked run.

use std::path::Path;

use anyhow::{Context, Error, Result, bail, ensure};

use crate::{
    listing::Listing,
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
    let names = &first.renditions;
    let compared = names.iter().zip(whole.iter().zip(&joined)).try_for_each(|(name, (whole, joined))| {
        ensure!(
            whole.frames.len() == row.frames,
            "the source has {} frames, the row says {}",
            whole.frames.len(),
            row.frames
        );
        same(whole, joined).with_context(|| name.clone())
    });
    let references = names.iter().zip(whole).map(|(name, frames)| Reference { name: name.clone(), frames }).collect();
    Ok((references, compared))
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
