//! Sample tables of a progressive file (`stbl`; ISO/IEC 14496-12 8.6, 8.7).

use super::writer::Writer;

/// One sample, compact: 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// To the next decode time, ticks.
    pub(super) duration: u32,
    /// Bytes.
    pub(super) size: u32,
    /// Presentation time - decode time, before the edit list, ticks; never negative.
    pub(super) composition_offset: u32,
    pub(super) sync: bool,
}

/// Samples that lie side by side in the file: a chunk of `stsc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) samples: u32,
    /// Of its first byte, counted from the start of the media.
    pub(super) offset: u64,
}

/// Writes what follows `stsd`. `base` is where the media starts in the file; with `wide`, offsets
/// have 64 bits.
pub(super) fn write<'a>(
    w: &mut Writer,
    samples: impl Iterator<Item = &'a Sample> + Clone,
    chunks: &[Chunk],
    base: u64,
    wide: bool,
) {
    runs(w, b"stts", samples.clone().map(|sample| sample.duration));
    if samples.clone().any(|sample| sample.composition_offset != 0) {
        runs(w, b"ctts", samples.clone().map(|sample| sample.composition_offset));
    }
    if !samples.clone().all(|sample| sample.sync) {
        let sync = samples.clone().zip(1_u32..).filter(|(sample, _)| sample.sync);
        table(w, b"stss", sync, |w, (_, number)| w.u32(number));
    }
    w.full(b"stsz", 0, 0, |w| {
        w.u32(0); // sizes differ
        w.u32(samples.clone().count() as u32);
        samples.for_each(|sample| w.u32(sample.size));
    });
    sample_to_chunk(w, chunks);
    let offsets = chunks.iter().map(|chunk| base + chunk.offset);
    table(w, if wide { b"co64" } else { b"stco" }, offsets, |w, offset| w.sized(wide, offset));
}

/// `stts` and `ctts` version 0: how many times which value.
fn runs(w: &mut Writer, kind: &[u8; 4], values: impl Iterator<Item = u32>) {
    let mut values = values.peekable();
    let runs = std::iter::from_fn(|| {
        let value = values.next()?;
        let mut count = 1_u32;
        while values.next_if_eq(&value).is_some() {
            count += 1;
        }
        Some((count, value))
    });
    table(w, kind, runs, |w, (count, value)| {
        w.u32(count);
        w.u32(value);
    });
}

/// `stsc` (8.7.4): an entry wherever the number of samples changes.
fn sample_to_chunk(w: &mut Writer, chunks: &[Chunk]) {
    let mut last = None;
    let changes = chunks.iter().zip(1_u32..).filter(|(chunk, _)| {
        let changed = last != Some(chunk.samples);
        last = Some(chunk.samples);
        changed
    });
    table(w, b"stsc", changes, |w, (chunk, number)| {
        w.u32(number);
        w.u32(chunk.samples);
        w.u32(1); // sample description
    });
}

/// A full box with a count of entries, and the entries.
fn table<T>(w: &mut Writer, kind: &[u8; 4], entries: impl Iterator<Item = T>, mut entry: impl FnMut(&mut Writer, T)) {
    w.full(kind, 0, 0, |w| {
        let at = w.len();
        w.u32(0);
        let mut count = 0;
        for item in entries {
            entry(w, item);
            count += 1;
        }
        w.set_u32(at, count);
    });
}
