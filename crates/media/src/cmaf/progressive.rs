//! A progressive MP4 with its index first, out of the segments that are already there.
//!
//! ```text
//! init segments ─────────> TrackInit ──────┐
//! head of every fragment ─> SegmentSamples ┴──> plan ──> header (ftyp, moov, mdat's header)
//!                                                    └─> copies: byte ranges of segments, in order
//! ```
//!
//! No media is read: whoever writes the file appends the ranges to the header.

pub use super::head::{FragmentSamples, SegmentSamples, read_fragment_head};
use super::{
    BoxError,
    headers::{self, TrackHeader},
    init::TrackInit,
    layout::{Laid, close_gaps, cut, joined, lay, movie_timescale, place},
    roll, tables,
    writer::Writer,
};
use crate::time::MediaTime;

/// Samples of all tracks together; more would not fit the 32-bit sizes of boxes.
const MAX_SAMPLES: usize = 100_000_000;

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgressiveError {
    /// A segment's head is damaged.
    #[error("the head of a segment: {0}")]
    Box(#[from] BoxError),
    /// A segment's samples or fragments don't follow each other, or it isn't one of this system's.
    #[error("the head of a segment: {0}")]
    Segment(&'static str),
    /// There is no track, or one has no segment.
    #[error("track {track} has no segments")]
    Empty {
        /// Index.
        track: usize,
    },
    /// A segment starts before the one before it ends.
    #[error("segment {segment} of track {track} starts at {found}, but the one before ends at {expected}")]
    Overlap {
        /// Index.
        track: usize,
        /// Index in the track.
        segment: usize,
        /// Decode time, ticks.
        expected: u64,
        /// Decode time, ticks.
        found: u64,
    },
    /// Times or sizes overflow.
    #[error("the file would be too long or too large")]
    TooLarge,
}

/// A track of the file.
#[derive(Debug, Clone)]
pub struct ProgressiveTrack {
    /// From its init segment.
    pub init: TrackInit,
    /// Of several audio tracks, the one that is played; if none is, the first.
    pub default: bool,
    /// In order.
    pub segments: Vec<SegmentSamples>,
}

/// Bytes of a segment that come next in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// Index of the track.
    pub track: usize,
    /// Index of the segment in the track.
    pub segment: usize,
    /// First byte in the segment's file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// How to write the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressivePlan {
    /// `ftyp`, `moov` and the header of `mdat`.
    pub header: Vec<u8>,
    /// What follows, in order.
    pub copies: Vec<Copy>,
    /// Size of the file, bytes.
    pub bytes: u64,
}

/// Plans the file: video tracks first, then audio, each in the order given. Tracks take turns about
/// every `interleave` of time. A gap between segments becomes a longer last sample before it.
pub fn plan(mut tracks: Vec<ProgressiveTrack>, interleave: MediaTime) -> Result<ProgressivePlan, ProgressiveError> {
    let count: usize = tracks.iter().flat_map(|t| &t.segments).map(|s| s.samples.len()).sum();
    if count > MAX_SAMPLES {
        return Err(ProgressiveError::TooLarge);
    }
    for (at, track) in tracks.iter_mut().enumerate() {
        close_gaps(track, at)?;
    }
    let movie = movie_timescale(&tracks);
    let mut pieces = Vec::new();
    let mut laid = Vec::new();
    for (at, track) in tracks.iter().enumerate() {
        laid.push(lay(track, movie)?);
        pieces.extend(cut(track, at, interleave));
    }
    pieces.sort_by_key(|piece| (piece.time, piece.track));
    let media = place(&pieces, &mut laid)?;
    let header = header(&tracks, &laid, movie, media)?;
    let bytes = (header.len() as u64).checked_add(media).ok_or(ProgressiveError::TooLarge)?;
    Ok(ProgressivePlan { header, copies: joined(&pieces), bytes })
}

/// `ftyp`, `moov` and `mdat`'s header, with 64-bit offsets and size when they are needed.
fn header(tracks: &[ProgressiveTrack], laid: &[Laid], movie: u32, media: u64) -> Result<Vec<u8>, ProgressiveError> {
    let mut front = Writer::default();
    front.brands(b"ftyp", b"isom", &[b"isom", b"iso4", b"mp41", b"mp42"]);
    let front = front.into_bytes();
    let large = media.checked_add(16).is_none_or(|size| size > u64::from(u32::MAX));
    let mdat = if large { 16 } else { 8 };
    let length = |index: &[u8]| (front.len() + index.len()) as u64 + mdat;
    // The offsets' values don't change the size of the index, but their width does.
    let narrow = index(tracks, laid, movie, 0, false);
    let end = length(&narrow).checked_add(media).ok_or(ProgressiveError::TooLarge)?;
    let wide = end > u64::from(u32::MAX);
    let sized = if wide { index(tracks, laid, movie, 0, true) } else { narrow };
    let index = index(tracks, laid, movie, length(&sized), wide);
    if u32::try_from(index.len()).is_err() {
        return Err(ProgressiveError::TooLarge);
    }
    let mut w = Writer::default();
    w.bytes(&front);
    w.bytes(&index);
    w.u32(if large { 1 } else { (media + mdat) as u32 });
    w.bytes(b"mdat");
    if large {
        w.u64(media.checked_add(mdat).ok_or(ProgressiveError::TooLarge)?);
    }
    Ok(w.into_bytes())
}

/// `moov`; the media starts at byte `base`.
fn index(tracks: &[ProgressiveTrack], laid: &[Laid], movie: u32, base: u64, wide: bool) -> Vec<u8> {
    let is_audio = |track: &&ProgressiveTrack| matches!(track.init, TrackInit::Audio(_));
    let any_default = tracks.iter().filter(is_audio).any(|track| track.default);
    let mut first_audio = true;
    let mut w = Writer::default();
    w.boxed(b"moov", |w| {
        let longest = laid.iter().map(|track| track.presentation).max().unwrap_or(0);
        headers::movie(w, movie, longest, tracks.len() as u32 + 1);
        let ids = 1_u32..;
        let (video, audio): (Vec<_>, Vec<_>) = tracks.iter().zip(laid).partition(|(track, _)| !is_audio(track));
        for ((track, laid), id) in video.into_iter().chain(audio).zip(ids) {
            let audio = is_audio(&track);
            let first = audio && std::mem::take(&mut first_audio);
            let header = TrackHeader {
                id,
                enabled: !audio || if any_default { track.default } else { first },
                alternate_group: u16::from(audio),
                presentation: laid.presentation,
                media: laid.media,
                edits: laid.edits.clone(),
            };
            headers::track(w, &track.init, &header, |w| {
                let samples = track.segments.iter().flat_map(|segment| &segment.samples);
                let count = samples.clone().count() as u32;
                tables::write(w, samples, &laid.chunks, base, wide);
                if let Some(distance) = track.init.roll() {
                    roll::description(w, distance);
                    roll::samples(w, count);
                }
            });
        }
    });
    w.into_bytes()
}

#[cfg(test)]
mod tests {
    use num_rational::Ratio;

    use super::{
        super::{VideoCodecConfig, VideoEntry, bytes::Cursor, init::VideoInit, tables::Sample},
        *,
    };
    use crate::time::Timescale;

    /// A segment of 4 s with a sample a second of `size` bytes, which lie behind a head of 100.
    fn segment(seconds: u64, size: u32) -> SegmentSamples {
        let sample = |sync| Sample { duration: 1000, size, composition_offset: 40, sync };
        SegmentSamples {
            decode_time: seconds * 1000,
            places: vec![(4, 100)],
            samples: vec![sample(true), sample(false), sample(false), sample(false)],
        }
    }

    fn track(segments: Vec<SegmentSamples>) -> ProgressiveTrack {
        let config = VideoCodecConfig::Av1(vec![0x81, 4, 0x0c, 0]);
        let init = TrackInit::Video(VideoInit {
            entry: VideoEntry { config, width: 64, height: 64 },
            timescale: Timescale(1000),
            composition_delay: 40,
            sar: Ratio::from_integer(1),
            colour: None,
            hdr10: crate::probe::Hdr10::default(),
            spatial: Default::default(),
        });
        ProgressiveTrack { init, default: true, segments }
    }

    fn planned(segments: Vec<SegmentSamples>) -> ProgressivePlan {
        plan(vec![track(segments)], MediaTime::seconds(2)).unwrap()
    }

    fn trak<'a>(plan: &'a ProgressivePlan, path: &[&'static str]) -> Cursor<'a> {
        // The header of `mdat` at the end has no body here.
        let boxes = Cursor::new(&plan.header, "file").one("moov").unwrap();
        let mut found = boxes.one("trak").unwrap().path(path).unwrap();
        found.version_flags().unwrap();
        found
    }

    const STBL: [&str; 3] = ["mdia", "minf", "stbl"];

    #[test]
    fn a_file_of_more_than_4_gib_has_wide_offsets_and_a_wide_mdat() {
        let plan = planned(vec![segment(0, 600_000_000), segment(4, 600_000_000)]);
        assert_eq!(plan.bytes, plan.header.len() as u64 + 4_800_000_000);
        let mut co64 = trak(&plan, &[&STBL[..], &["co64"]].concat());
        assert_eq!(co64.u32(), Ok(4));
        let base = plan.header.len() as u64;
        let offsets: Vec<u64> = (0..4).map(|_| co64.u64().unwrap()).collect();
        assert_eq!(offsets, [0, 1, 2, 3].map(|n| base + n * 1_200_000_000));
        let mdat = &plan.header[plan.header.len() - 16..];
        assert_eq!(mdat, [&[0, 0, 0, 1][..], b"mdat", &4_800_000_016_u64.to_be_bytes()].concat());
    }

    #[test]
    fn just_below_4_gib_everything_is_narrow() {
        let plan = planned(vec![segment(0, 1_073_000_000)]);
        assert_eq!(trak(&plan, &[&STBL[..], &["stco"]].concat()).u32(), Ok(2));
        let mdat = &plan.header[plan.header.len() - 8..];
        assert_eq!(mdat, [&4_292_000_008_u32.to_be_bytes()[..], b"mdat"].concat());
        assert_eq!(plan.copies.len(), 1, "neighbours are joined");
        assert_eq!((plan.copies[0].offset, plan.copies[0].length), (100, 4_292_000_000));
    }

    #[test]
    fn fragments_of_a_segment_change_nothing_but_where_it_is_copied_from() {
        let whole = planned(vec![segment(0, 5), segment(4, 5)]);
        let mut parts = vec![segment(0, 5), segment(4, 5)];
        parts[1].places = vec![(1, 100), (3, 300)];
        let parts = planned(parts);
        assert_eq!(parts.header, whole.header);
        let ranges = |plan: &ProgressivePlan| -> Vec<(usize, u64, u64)> {
            plan.copies.iter().map(|copy| (copy.segment, copy.offset, copy.length)).collect()
        };
        assert_eq!(ranges(&whole), [(0, 100, 20), (1, 100, 20)]);
        assert_eq!(ranges(&parts), [(0, 100, 20), (1, 100, 5), (1, 300, 15)]);
    }

    #[test]
    fn fragments_of_a_segment_follow_each_other() {
        let fragment = |decode_time| {
            let SegmentSamples { samples, .. } = segment(0, 5);
            FragmentSamples { decode_time, offset: 100, samples }
        };
        let two = SegmentSamples::of([fragment(7000), fragment(11_000)]).unwrap();
        assert_eq!((two.decode_time, two.samples.len(), two.decode_end()), (7000, 8, 15_000));
        for wrong in [vec![], vec![fragment(7000), fragment(10_999)]] {
            assert!(matches!(SegmentSamples::of(wrong), Err(ProgressiveError::Segment(_))));
        }
    }

    #[test]
    fn a_gap_prolongs_the_sample_before_it() {
        let plan = planned(vec![segment(0, 5), segment(12, 5)]);
        let mut stts = trak(&plan, &[&STBL[..], &["stts"]].concat());
        let fields: Vec<u32> = (0..7).map(|_| stts.u32().unwrap()).collect();
        assert_eq!(fields, [3, 3, 1000, 1, 9000, 4, 1000]);
        let mut elst = trak(&plan, &["edts", "elst"]);
        let edit: Vec<u32> = (0..3).map(|_| elst.u32().unwrap()).collect();
        assert_eq!(edit, [1, 16_000, 40]);
    }

    #[test]
    fn a_track_that_starts_late_has_an_empty_edit() {
        let plan = planned(vec![segment(3, 5)]);
        let mut elst = trak(&plan, &["edts", "elst"]);
        let fields: Vec<u32> = (0..7).map(|_| elst.u32().unwrap()).collect();
        assert_eq!(fields, [2, 3000, u32::MAX, 0x0001_0000, 4000, 40, 0x0001_0000]);
    }

    #[test]
    fn overlaps_and_empty_tracks_are_errors() {
        let overlap = plan(vec![track(vec![segment(0, 5), segment(3, 5)])], MediaTime::seconds(1));
        let (expected, found) = (4000, 3000);
        let error = ProgressiveError::Overlap { track: 0, segment: 1, expected, found };
        assert_eq!(overlap, Err(error));
        let empty = plan(vec![track(vec![])], MediaTime::seconds(1));
        assert_eq!(empty, Err(ProgressiveError::Empty { track: 0 }));
    }
}
