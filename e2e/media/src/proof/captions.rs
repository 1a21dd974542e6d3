//! Captions inside the pictures: every picture of every rendition has those of the source's, byte for byte.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::Evidence;
use crate::{bitstream::nals, published::Media, tool};

/// What a picture's message of registered user data begins with when it has captions in it.
const CAPTIONS: &[u8] = b"\xb5\x00\x31GA94\x03";

/// Proves it. Where a source has captions its pictures are coded in the order in which they are shown.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let mut expected = match evidence.row.captions {
        [] => vec![None; evidence.row.frames],
        _ => of_source(evidence).context("the source")?,
    };
    ensure!(expected.len() == evidence.row.frames, "the source has {} pictures", expected.len());
    // Nothing is said twice.
    expected.splice(0..0, vec![None; evidence.row.ahead]);
    expected.resize(evidence.row.shown_frames(), None);
    for media in evidence.published.video().into_iter().filter(|media| &media.track.entry == b"avc1") {
        let found = of_rendition(media);
        let differing = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        ensure!(found.len() == expected.len(), "{} has {} pictures", media.name, found.len());
        if let Some(n) = differing {
            let (found, expected) = (&found[n], &expected[n]);
            anyhow::bail!("picture {n} of {} has {found:02x?}, the source's {expected:02x?}", media.name);
        }
    }
    Ok(())
}

/// In the order in which pictures are shown.
fn of_rendition(media: &Media) -> Vec<Option<Vec<u8>>> {
    let mut samples: Vec<_> = media.track.samples.iter().collect();
    samples.sort_by_key(|sample| sample.composition);
    samples.into_iter().map(|sample| nals(&media.bytes[sample.bytes.clone()]).find_map(message)).collect()
}

/// A message for each picture, by start codes.
fn of_source(evidence: &Evidence<'_>) -> Result<Vec<Option<Vec<u8>>>> {
    let raw = evidence.folder.join("source.h264");
    tool::ffmpeg(
        "-v error -i {in} -map 0:v -c copy -bsf:v h264_mp4toannexb -f h264 {out}",
        &[("in", &evidence.source), ("out", &raw)],
        &evidence.folder,
    )?;
    let stream = fs::read(&raw)?;
    let starts: Vec<usize> =
        stream.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(at, _)| at + 3).collect();
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    let (mut pictures, mut said) = (vec![], None);
    for (start, end) in starts.iter().zip(ends) {
        let nal = &stream[*start..end];
        said = said.or_else(|| message(nal));
        if matches!(nal[0] & 0x1f, 1 | 5) {
            pictures.push(said.take());
        }
    }
    Ok(pictures)
}

/// `cc_data` without `em_data`, which means nothing, of an SEI (ITU-T H.264 7.3.2.3.1) in whose message captions are; none of them is 255 bytes long. What is
/// in it has no two zeros one after the other, so there is no emulation prevention.
fn message(nal: &[u8]) -> Option<Vec<u8>> {
    let mut rest = nal.strip_prefix(&[6])?;
    while let [_, size, after @ ..] = rest {
        let (payload, after) = after.split_at_checked(usize::from(*size))?;
        if let Some([count, _, constructs @ ..]) = payload.strip_prefix(CAPTIONS) {
            return Some([&[*count], constructs].concat());
        }
        rest = after;
    }
    None
}
