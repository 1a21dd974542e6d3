//! One media segment: `styp`, then `moof` and `mdat` for each key frame (ISO/IEC 23000-19 7.3.2).

use super::{fragment::NON_SYNC, roll, writer::Writer};
use crate::track::{FileFacts, KeyFrame, Segment};

/// A finished media segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentBytes {
    /// Its own.
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
    /// Key frames after the first, in order.
    pub further_keys: Vec<KeyFrame>,
}

impl SegmentBytes {
    /// What is recorded of it, once its bytes are stored as `file`.
    pub fn recorded(self, file: FileFacts) -> Segment {
        let SegmentBytes { number, bytes: _, start, duration, samples, key_bytes, further_keys } = self;
        Segment { number, file, start, duration, samples, key_bytes, further_keys }
    }
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
    /// Presentation time, ticks.
    pub(super) shown: i64,
}

/// The segment would have 2 GiB or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// sample_depends_on 2 (on nothing); sync.
const SYNC: u32 = 0x0200_0000;
/// sample_depends_on 1 (on others); no sync sample.
const DEPENDENT: u32 = 0x0100_0000 | NON_SYNC;

/// Bytes before the media of a fragment with so many samples, at most, counted from [`KeyFrame::offset`]: what has to be
/// fetched for [`super::progressive::read_fragment_head`].
pub fn head_bytes(samples: u32) -> u64 {
    STYP + FIXED + roll::SAMPLES_BYTES + 16 * u64::from(samples)
}

/// `styp`.
const STYP: u64 = 24;
/// `moof` 8, `mfhd` 16, `traf` 8, `tfhd` 20, `tfdt` 20, `trun` 20, `mdat` 8.
const FIXED: u64 = 100;

impl Kind {
    /// Bytes from the start of a `moof` for so many samples to the first of them.
    fn head(self, samples: usize) -> usize {
        let (fixed, group) = (FIXED as usize, roll::SAMPLES_BYTES as usize);
        match self {
            Kind::Video => fixed + 16 * samples,
            Kind::Audio { rolls } => fixed + if rolls { group } else { 0 } + 8 * samples,
        }
    }
}

/// A `moof` to be written, and the samples behind it.
#[derive(Debug)]
struct Fragment {
    /// Of its first byte.
    at: usize,
    rows: Vec<Row>,
}

/// Collects the samples of one segment, with room for the boxes in front of them, so that media is
/// in memory once.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    kind: Kind,
    fragments: Vec<Fragment>,
    /// Samples are appended here.
    pub(super) bytes: Vec<u8>,
}

impl SegmentWriter {
    pub(super) fn new(kind: Kind) -> Self {
        let mut styp = Writer::default();
        styp.brands(b"styp", b"msdh", &[b"msdh", b"cmfs"]);
        SegmentWriter { kind, fragments: Vec::new(), bytes: styp.into_bytes() }
    }

    /// Begins a fragment for the so many samples that come next.
    pub(super) fn fragment(&mut self, samples: usize) {
        let at = self.bytes.len();
        self.fragments.push(Fragment { at, rows: Vec::with_capacity(samples) });
        self.bytes.resize(at + self.kind.head(samples), 0);
    }

    /// Says of the sample whose bytes were just appended from `start` on what it is.
    pub(super) fn push(&mut self, start: usize, row: Row) -> Result<(), TooLarge> {
        let size = u32::try_from(self.bytes.len() - start).map_err(|_| TooLarge)?;
        if let Some(fragment) = self.fragments.last_mut() {
            fragment.rows.push(Row { size, ..row });
        }
        // The data offset is a signed 32-bit number.
        if self.bytes.len() > i32::MAX as usize { Err(TooLarge) } else { Ok(()) }
    }

    /// The whole segment; `start` and `duration` are of the presentation. `sequence` is the `mfhd.sequence_number` of the
    /// first fragment; that of each other is larger by the samples in between.
    pub(super) fn finish(
        self,
        number: u32,
        sequence: u32,
        decode_time: u64,
        start: i64,
        duration: u64,
    ) -> SegmentBytes {
        let SegmentWriter { kind, fragments, mut bytes } = self;
        let (mut samples, mut decode_time, mut keys) = (0, decode_time, Vec::new());
        for (Fragment { at, rows }, n) in fragments.iter().zip(0..) {
            let media = *at + kind.head(rows.len());
            let end = fragments.get(n + 1).map_or(bytes.len(), |next| next.at);
            let sequence = sequence.saturating_add(samples);
            let head = head(kind, sequence, decode_time, rows, end.saturating_sub(media));
            if let Some(place) = bytes.get_mut(*at..media) {
                place.copy_from_slice(&head);
            }
            let of_moof = if n == 0 { 0 } else { *at };
            let first = rows.first().map_or(0, |row| row.size as usize);
            keys.push(KeyFrame {
                offset: of_moof as u64,
                bytes: (media + first - of_moof) as u64,
                start: rows.first().map_or(start, |row| row.shown),
                samples: rows.len() as u32,
            });
            samples += rows.len() as u32;
            decode_time += rows.iter().map(|row| u64::from(row.duration)).sum::<u64>();
        }
        let key_bytes = keys.first().map_or(0, |key| key.bytes);
        let further_keys = keys.split_off(keys.len().min(1));
        SegmentBytes { number, bytes, start, duration, samples, key_bytes, further_keys }
    }
}

/// `moof`, and the header of `mdat`.
fn head(kind: Kind, sequence: u32, decode_time: u64, rows: &[Row], media: usize) -> Vec<u8> {
    let mut w = Writer::default();
    w.boxed(b"moof", |w| {
        w.full(b"mfhd", 0, 0, |w| w.u32(sequence));
        w.boxed(b"traf", |w| {
            // default-base-is-moof, default-sample-flags-present.
            w.full(b"tfhd", 0, 0x02_0020, |w| {
                w.u32(1); // track_ID
                w.u32(if kind == Kind::Video { DEPENDENT } else { SYNC });
            });
            w.full(b"tfdt", 1, 0, |w| w.u64(decode_time));
            run(w, kind, rows);
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
fn run(w: &mut Writer, kind: Kind, rows: &[Row]) {
    // Data offset, durations, sizes; for video flags and composition offsets as well.
    let flags = if kind == Kind::Video { 0xf01 } else { 0x301 };
    w.full(b"trun", 0, flags, |w| {
        w.u32(rows.len() as u32);
        // From the start of `moof` to the first sample, which follows the header of `mdat`.
        w.u32(kind.head(rows.len()) as u32);
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

    fn row(size: u32, sync: bool, shown: i64) -> Row {
        Row { duration: 10, size, sync, composition_offset: 0, shown }
    }

    #[test]
    fn the_head_has_the_size_that_was_set_aside() {
        for kind in [Kind::Video, Kind::Audio { rolls: false }, Kind::Audio { rolls: true }] {
            for count in [1, 2, 96] {
                let head = head(kind, 7, 1 << 40, &vec![row(5, true, 0); count], 5 * count);
                assert_eq!(head.len(), kind.head(count));
                assert!(STYP + head.len() as u64 <= head_bytes(count as u32));
            }
        }
    }

    /// A segment of fragments, each given by the sizes of its samples.
    fn written(fragments: &[&[u32]]) -> SegmentBytes {
        let (mut writer, mut shown) = (SegmentWriter::new(Kind::Video), 100);
        for sizes in fragments {
            writer.fragment(sizes.len());
            for (n, size) in sizes.iter().enumerate() {
                let start = writer.bytes.len();
                writer.bytes.resize(start + *size as usize, *size as u8);
                writer.push(start, row(*size, n == 0, shown)).unwrap();
                shown += 10;
            }
        }
        writer.finish(3, 41, 100, 100, 50)
    }

    #[test]
    fn every_key_frame_starts_a_fragment() {
        let segment = written(&[&[9, 2], &[7], &[8, 4]]);
        let heads = [2, 1, 2].map(|samples| FIXED + 16 * samples);
        let (second, third) = (STYP + heads[0] + 11, STYP + heads[0] + 11 + heads[1] + 7);
        assert_eq!((segment.key_bytes, segment.samples), (STYP + heads[0] + 9, 5));
        assert_eq!(
            segment.further_keys,
            [
                KeyFrame { offset: second, bytes: heads[1] + 7, start: 120, samples: 1 },
                KeyFrame { offset: third, bytes: heads[2] + 8, start: 130, samples: 2 },
            ]
        );
        assert_eq!(segment.bytes.len() as u64, third + heads[2] + 12);
        let field = |at: u64| u32::from_be_bytes(segment.bytes[at as usize..at as usize + 4].try_into().unwrap());
        let of_moofs = |from: u64| [STYP, second, third].map(|at| field(at + from));
        assert_eq!(of_moofs(20), [41, 43, 44], "mfhd.sequence_number");
        assert_eq!(of_moofs(68), [100, 120, 130], "tfdt, its lower half");
        for key in &segment.further_keys {
            assert_eq!(&segment.bytes[key.offset as usize + 4..][..4], b"moof");
            assert_eq!(segment.bytes[(key.offset + key.bytes) as usize - 1], if key.samples == 1 { 7 } else { 8 });
        }
    }

    #[test]
    fn one_key_frame_is_one_fragment() {
        let segment = written(&[&[9, 2, 7, 8, 4]]);
        assert_eq!(segment.bytes.windows(4).filter(|window| window == b"moof").count(), 1);
        assert_eq!(segment.further_keys, []);
    }
}
