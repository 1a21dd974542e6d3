//! One media segment: `styp`, `moof`, `mdat` (ISO/IEC 23000-19 7.3.2).

use super::{fragment::NON_SYNC, roll, writer::Writer};

/// A finished media segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentBytes {
    /// `mfhd.sequence_number`.
    pub number: u32,
    /// The file.
    pub bytes: Vec<u8>,
    /// Presentation time at which it starts, ticks; never negative, since priming isn't presented.
    pub start: i64,
    /// To the start of the next segment, ticks.
    pub duration: u64,
    /// Access units.
    pub samples: u32,
    /// Bytes from the start of the file to the end of the first sample.
    pub key_bytes: u64,
}

/// What kind of samples a segment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// With flags and composition offsets.
    Video,
    /// All sync, presented in decode order.
    Audio {
        /// All belong to the init segment's pre-roll.
        rolls: bool,
    },
}

/// One sample of a segment; its bytes are appended to [`SegmentWriter::bytes`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) sync: bool,
    pub(super) composition_offset: u32,
}

/// The segment would have 2 GiB or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// sample_depends_on 2 (on nothing); sync.
const SYNC: u32 = 0x0200_0000;
/// sample_depends_on 1 (on others); no sync sample.
const DEPENDENT: u32 = 0x0100_0000 | NON_SYNC;

/// Bytes of everything before the media of a segment with so many samples, at most: what has to be
/// fetched for [`super::progressive::read_segment_head`].
pub fn head_bytes(samples: u32) -> u64 {
    FIXED + roll::SAMPLES_BYTES + 16 * u64::from(samples)
}

/// `styp` 24, `moof` 8, `mfhd` 16, `traf` 8, `tfhd` 20, `tfdt` 20, `trun` 20, `mdat` 8.
const FIXED: u64 = 124;

impl Kind {
    fn head(self, samples: usize) -> usize {
        let (fixed, group) = (FIXED as usize, roll::SAMPLES_BYTES as usize);
        match self {
            Kind::Video => fixed + 16 * samples,
            Kind::Audio { rolls } => fixed + if rolls { group } else { 0 } + 8 * samples,
        }
    }
}

/// Collects the samples of one segment, with room for the boxes in front of them, so that media is
/// in memory once.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    kind: Kind,
    head: usize,
    rows: Vec<Row>,
    /// Samples are appended here.
    pub(super) bytes: Vec<u8>,
}

impl SegmentWriter {
    pub(super) fn new(kind: Kind, samples: usize) -> Self {
        let head = kind.head(samples);
        SegmentWriter { kind, head, rows: Vec::with_capacity(samples), bytes: vec![0; head] }
    }

    /// Says of the sample whose bytes were just appended from `start` on what it is.
    pub(super) fn push(&mut self, start: usize, row: Row) -> Result<(), TooLarge> {
        let size = u32::try_from(self.bytes.len() - start).map_err(|_| TooLarge)?;
        self.rows.push(Row { size, ..row });
        // The data offset is a signed 32-bit number.
        if self.bytes.len() > i32::MAX as usize { Err(TooLarge) } else { Ok(()) }
    }

    /// The whole segment; `start` and `duration` are of the presentation.
    pub(super) fn finish(mut self, number: u32, decode_time: u64, start: i64, duration: u64) -> SegmentBytes {
        let media = self.bytes.len() - self.head;
        let head = head(self.kind, number, decode_time, &self.rows, media);
        let key_bytes = head.len() as u64 + self.rows.first().map_or(0, |row| u64::from(row.size));
        self.bytes.splice(..self.head, head);
        SegmentBytes { number, bytes: self.bytes, start, duration, samples: self.rows.len() as u32, key_bytes }
    }
}

fn head(kind: Kind, number: u32, decode_time: u64, rows: &[Row], media: usize) -> Vec<u8> {
    let mut w = Writer::default();
    w.brands(b"styp", b"msdh", &[b"msdh", b"cmfs"]);
    // From the start of `moof` to the first sample, which follows the header of `mdat`.
    let data_offset = kind.head(rows.len()) - w.len();
    w.boxed(b"moof", |w| {
        w.full(b"mfhd", 0, 0, |w| w.u32(number));
        w.boxed(b"traf", |w| {
            // default-base-is-moof, default-sample-flags-present.
            w.full(b"tfhd", 0, 0x02_0020, |w| {
                w.u32(1); // track_ID
                w.u32(if kind == Kind::Video { DEPENDENT } else { SYNC });
            });
            w.full(b"tfdt", 1, 0, |w| w.u64(decode_time));
            run(w, kind, rows, data_offset);
            if kind == (Kind::Audio { rolls: true }) {
                roll::samples(w, rows.len() as u32);
            }
        });
    });
    w.u32((media + 8) as u32);
    w.bytes(b"mdat");
    w.into_bytes()
}

/// `trun` (ISO/IEC 14496-12 8.8.8), version 0: composition offsets are never negative.
fn run(w: &mut Writer, kind: Kind, rows: &[Row], data_offset: usize) {
    // Data offset, durations, sizes; for video flags and composition offsets as well.
    let flags = if kind == Kind::Video { 0xf01 } else { 0x301 };
    w.full(b"trun", 0, flags, |w| {
        w.u32(rows.len() as u32);
        w.u32(data_offset as u32);
        for row in rows {
            w.u32(row.duration);
            w.u32(row.size);
            if kind == Kind::Video {
                w.u32(if row.sync { SYNC } else { DEPENDENT });
                w.u32(row.composition_offset);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_has_the_size_that_was_set_aside() {
        for kind in [Kind::Video, Kind::Audio { rolls: false }, Kind::Audio { rolls: true }] {
            for count in [1, 2, 96] {
                let row = Row { duration: 1, size: 5, sync: true, composition_offset: 0 };
                let head = head(kind, 7, 1 << 40, &vec![row; count], 5 * count);
                assert_eq!(head.len(), kind.head(count));
                assert!(head.len() as u64 <= head_bytes(count as u32));
            }
        }
    }
}
