//! Rate control that holds over joins.
//!
//! A player reads at no more than the cap through a buffer (ITU-T H.264 annex C, x264's VBV). An encoder keeps to
//! that within its chunk, but knows nothing of the chunk before. So each chunk begins with the buffer filled to
//! [`INITIAL`] only, and its encoder is given a rate so much below the cap that the difference fills the buffer to
//! that mark again by the chunk's end, whatever the encoder used: the next chunk finds what it counts on.

use serde::{Deserialize, Serialize};

use crate::time::{MediaTime, Timescale};

/// How bits are shared out among pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Rate {
    /// Constant rate factor.
    Crf(u8),
    /// Constant rate factor as far as the cap allows.
    CappedCrf {
        /// Constant rate factor.
        crf: u8,
        /// What it may not exceed.
        #[serde(flatten)]
        cap: Cap,
    },
    /// An average over the whole video.
    AverageBitrate {
        /// Bit/s.
        bitrate: u32,
        /// What no part of it may exceed.
        #[serde(flatten)]
        cap: Cap,
    },
}

impl Rate {
    /// The cap, if there is one.
    pub fn cap(&self) -> Option<Cap> {
        match self {
            Rate::Crf(_) => None,
            Rate::CappedCrf { cap, .. } | Rate::AverageBitrate { cap, .. } => Some(*cap),
        }
    }

    /// How often each chunk is encoded.
    pub fn passes(&self) -> u32 {
        if matches!(self, Rate::AverageBitrate { .. }) { 2 } else { 1 }
    }
}

/// The highest rate at which a player has to read, and through which buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cap {
    /// Bit/s.
    pub max_bitrate: u32,
    /// Bits.
    pub buffer_size: u32,
}

/// Part of the buffer that is full when a chunk begins.
const INITIAL: f64 = 0.3;

/// A segment may exceed the cap by a tenth: what Apple allows measured peaks over the declared rate (HLS Authoring
/// Specification 9.3).
const PEAK_PERCENT: u128 = 110;
/// Part of a segment that a buffer may hold so that the segment is never larger than that, its boxes included.
const SPARE: f64 = 0.08;

/// How hard an encoder is held down, in the order in which it is tried.
///
/// An encoder that fills its buffer in an easy segment may spend all of it in the next, which is then above the cap
/// by what the buffer holds. A buffer for a tenth of a segment makes that impossible; lower rates are for encoders
/// that overshoot all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Squeeze {
    /// The rate and buffer that were asked for.
    None,
    /// A buffer that holds no more than a segment may exceed the cap.
    Buffer,
    /// And a rate of this many percent.
    Rate(u32),
}

impl Squeeze {
    /// All, in order.
    pub const ALL: [Squeeze; 5] =
        [Squeeze::None, Squeeze::Buffer, Squeeze::Rate(90), Squeeze::Rate(75), Squeeze::Rate(60)];
}

/// What an encoder is told of a decoder's buffer: VBV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vbv {
    /// Bit/s.
    pub max_bitrate: u32,
    /// Bits.
    pub buffer_size: u32,
    /// Bits in the buffer at the start.
    pub initial: u32,
}

impl Cap {
    /// Bits in the buffer when a chunk begins.
    fn initial(&self) -> f64 {
        f64::from(self.buffer_size) * INITIAL
    }

    /// Bit/s that a chunk of so many seconds may take throughout, and leave the buffer to the next as it found it.
    /// Half of the cap is left however short the chunk is.
    pub fn sustained(&self, seconds: f64, last: bool) -> u32 {
        let rate = f64::from(self.max_bitrate);
        let refill = if last { 0.0 } else { self.initial() / seconds.max(1.0) };
        (rate - refill).max(rate / 2.0) as u32
    }

    /// For a chunk that lasts `chunk` and that another one follows, or none.
    pub fn vbv(&self, chunk: MediaTime, last: bool, segment: MediaTime, squeeze: Squeeze) -> Vbv {
        let (rate, sustained) = (f64::from(self.max_bitrate), f64::from(self.sustained(chunk.as_secs_f64(), last)));
        let share = if let Squeeze::Rate(percent) = squeeze { f64::from(percent) / 100.0 } else { 1.0 };
        let buffer = match squeeze {
            Squeeze::None => f64::from(self.buffer_size),
            Squeeze::Buffer | Squeeze::Rate(_) => rate * segment.as_secs_f64() * SPARE,
        };
        let buffer = buffer.min(f64::from(self.buffer_size));
        Vbv {
            max_bitrate: (sustained * share) as u32,
            buffer_size: buffer as u32,
            initial: self.initial().min(buffer * 0.9) as u32,
        }
    }
}

/// What the pictures of a chunk cost in a first pass, bits. All chunks have the same rate factor there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Complexity {
    /// Of residuals.
    pub texture: u64,
    /// Of motion vectors.
    pub motion: u64,
    /// Of everything else.
    pub other: u64,
}

impl Complexity {
    /// Sums what x264 notes of each picture: `… tex:8123 mv:512 misc:90 …`. `None` where they noted nothing.
    pub fn read(statistics: &str) -> Option<Self> {
        let mut sum = None;
        for word in statistics.split_ascii_whitespace() {
            let Some((name, bits)) = word.split_once(':') else { continue };
            let field: fn(&mut Complexity) -> &mut u64 = match name {
                "tex" => |sum| &mut sum.texture,
                "mv" => |sum| &mut sum.motion,
                "misc" => |sum| &mut sum.other,
                _ => continue,
            };
            *field(sum.get_or_insert_default()) += bits.trim_end_matches(';').parse::<u64>().ok()?;
        }
        sum
    }

    /// Bits at so many times the quantiser of the first pass: how x264 (`qscale2bits` in its ratecontrol.c) tells
    /// what a second pass will take.
    fn bits(&self, scale: f64) -> f64 {
        self.texture as f64 * scale.powf(-1.1) + self.motion as f64 * scale.powf(-0.5) + self.other as f64
    }
}

/// Shares `total` bits among chunks so that all are quantised alike, as one encoder does that sees the whole video.
/// None gets more bits than the most that comes with it.
pub fn share(total: f64, chunks: &[(Complexity, f64)]) -> Vec<f64> {
    let shares = |scale: f64| chunks.iter().map(move |(complexity, most)| complexity.bits(scale).min(*most));
    // Quantisers of 8-bit video span a factor of 400; halving an interval 64 times is exact.
    let (mut finest, mut coarsest) = (1e-4_f64, 1e4_f64);
    for _ in 0..64 {
        let middle = (finest * coarsest).sqrt();
        match shares(middle).sum::<f64>() > total {
            true => finest = middle,
            false => coarsest = middle,
        }
    }
    shares(coarsest).collect()
}

/// Why pictures do not keep to a cap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverCap {
    /// A segment is too large.
    #[error("segment {segment} has {bitrate} bit/s, the cap is {max}")]
    Segment {
        /// Its number.
        segment: u32,
        /// Its own rate, bit/s.
        bitrate: u64,
        /// The cap, bit/s.
        max: u32,
    },
    /// A player that reads at the cap would have to wait for a picture.
    #[error(
        "a player that reads at {max} bit/s waits for a picture of segment {segment}: {lacking} bits are not there in time"
    )]
    Underflow {
        /// The segment's number.
        segment: u32,
        /// Bits that come too late.
        lacking: u64,
        /// The cap, bit/s.
        max: u32,
    },
}

/// The pictures of a segment in decode order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSizes {
    /// Its number.
    pub number: u32,
    /// Bytes of the file beside its pictures.
    pub boxes: u64,
    /// Bytes of each picture, and ticks to the next.
    pub samples: Vec<(u32, u32)>,
}

impl SegmentSizes {
    /// Bytes of the boxes of a segment that is still to be written: `trun` has four numbers for each picture.
    pub fn boxes_of(pictures: u32, fragments: u32) -> u64 {
        28 + 100 * u64::from(fragments) + 16 * u64::from(pictures)
    }
}

/// A player's buffer, and the rule for segments, over segments that follow each other.
///
/// The rule is that of `BANDWIDTH`: runs of half a target duration or more (RFC 8216bis 4.4.6.2), of which a short
/// last segment is one together with its neighbour.
#[derive(Debug)]
pub struct CapCheck {
    cap: Cap,
    timescale: Timescale,
    /// Segments shorter than this are judged together with the one before.
    least: MediaTime,
    /// Bits.
    fullness: f64,
    /// Bytes and ticks of the segment before.
    before: (u64, u64),
}

impl CapCheck {
    /// From the start of any chunk. `segment` is the target duration.
    pub fn new(cap: Cap, timescale: Timescale, segment: MediaTime) -> Self {
        let least = MediaTime::new(*segment.ratio().numer(), *segment.ratio().denom() * 2);
        CapCheck { cap, timescale, least, fullness: cap.initial(), before: (0, 0) }
    }

    /// The next segment.
    pub fn next(&mut self, segment: &SegmentSizes) -> Result<(), OverCap> {
        self.buffer(segment)?;
        let sum = |part: fn(&(u32, u32)) -> u32| segment.samples.iter().map(|s| u64::from(part(s))).sum::<u64>();
        let (bytes, ticks) = (sum(|s| s.0) + segment.boxes, sum(|s| s.1));
        let short = self.timescale.time(ticks as i64) < self.least;
        let (bytes_there, ticks_there) = if short { self.before } else { (0, 0) };
        let (bytes, ticks) = (bytes + bytes_there, ticks + ticks_there);
        self.before = (bytes, ticks);
        let lone = short && ticks_there == 0;
        let allowed = u128::from(self.cap.max_bitrate) * u128::from(ticks) * PEAK_PERCENT;
        if !lone && u128::from(bytes) * 8 * 100 * u128::from(self.timescale.0) > allowed {
            let bitrate = (u128::from(bytes) * 8 * u128::from(self.timescale.0) / u128::from(ticks.max(1))) as u64;
            return Err(OverCap::Segment { segment: segment.number, bitrate, max: self.cap.max_bitrate });
        }
        Ok(())
    }

    /// Each picture leaves the buffer at its decode time, which goes on filling at the cap.
    fn buffer(&mut self, segment: &SegmentSizes) -> Result<(), OverCap> {
        let (size, max) = (f64::from(self.cap.buffer_size), self.cap.max_bitrate);
        for (bytes, ticks) in &segment.samples {
            self.fullness -= f64::from(*bytes) * 8.0;
            if self.fullness < 0.0 {
                return Err(OverCap::Underflow { segment: segment.number, lacking: -self.fullness as u64, max });
            }
            let filled = f64::from(max) * f64::from(*ticks) / f64::from(self.timescale.0);
            self.fullness = (self.fullness + filled).min(size);
        }
        Ok(())
    }

    /// A segment that is missing: the buffer is as at the start of a chunk.
    pub fn gap(&mut self) {
        (self.fullness, self.before) = (self.cap.initial(), (0, 0));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAP: Cap = Cap { max_bitrate: 1_000_000, buffer_size: 1_000_000 };
    const SEGMENT: MediaTime = MediaTime::seconds(4);
    const SCALE: Timescale = Timescale(25);

    /// A segment of 4 s at 25 frames per second, of `bits` in all.
    fn segment(number: u32, bits: u32) -> SegmentSizes {
        SegmentSizes { number, boxes: 0, samples: vec![(bits / 8 / 100, 1); 100] }
    }

    #[test]
    fn a_segment_may_exceed_the_cap_by_a_tenth() {
        let mut check = CapCheck::new(Cap { buffer_size: 4_000_000, ..CAP }, SCALE, SEGMENT);
        assert_eq!(check.next(&segment(1, 4_390_000)), Ok(()));
        let over = check.next(&segment(2, 4_410_000));
        assert_eq!(over, Err(OverCap::Segment { segment: 2, bitrate: 1_102_400, max: 1_000_000 }));
    }

    #[test]
    fn a_short_last_segment_is_judged_with_the_one_before() {
        let last = SegmentSizes { number: 2, boxes: 0, samples: vec![(30_000, 1)] };
        let cap = Cap { buffer_size: 4_000_000, ..CAP };
        let mut check = CapCheck::new(cap, SCALE, SEGMENT);
        check.next(&segment(1, 3_800_000)).unwrap();
        assert_eq!(check.next(&last), Ok(()));
        let mut check = CapCheck::new(cap, SCALE, SEGMENT);
        check.next(&segment(1, 4_240_000)).unwrap();
        assert!(matches!(check.next(&last), Err(OverCap::Segment { segment: 2, .. })));
    }

    #[test]
    fn a_picture_that_comes_too_late_is_told() {
        let large = SegmentSizes { number: 1, boxes: 0, samples: vec![(50_000, 25), (1000, 75)] };
        let over = CapCheck::new(CAP, SCALE, SEGMENT).next(&large);
        assert_eq!(over, Err(OverCap::Underflow { segment: 1, lacking: 100_000, max: 1_000_000 }));
    }

    #[test]
    fn what_encoders_note_is_summed() {
        let x264 = "#options: 640x360 fps=25/1\nin:0 out:0 type:I dur:2 cpbdur:2 q:18.9 aq:16.7 tex:8123 mv:512 misc:90 imb:900 ;\nin:1 out:1 type:P dur:2 tex:10 mv:2 misc:1 ;\n";
        let read = Complexity { texture: 8133, motion: 514, other: 91 };
        assert_eq!(Complexity::read(x264), Some(read));
        assert_eq!(Complexity::read("#options: none"), None);
    }

    #[test]
    fn hard_chunks_get_more_and_what_one_can_not_take_goes_to_the_others() {
        let of = |texture| Complexity { texture, motion: texture / 10, other: 1000 };
        let easy_and_hard = [(of(1_000_000), 1e9), (of(3_000_000), 1e9)];
        let shares = share(2_000_000.0, &easy_and_hard);
        assert!((shares.iter().sum::<f64>() - 2_000_000.0).abs() < 1.0, "{shares:?}");
        assert!((2.9..3.0).contains(&(shares[1] / shares[0])), "{shares:?}");
        let capped = share(2_000_000.0, &[(of(1_000_000), 1e9), (of(3_000_000), 1_200_000.0)]);
        assert!((capped[0] - 800_000.0).abs() < 1.0 && capped[1] == 1_200_000.0, "{capped:?}");
        assert_eq!(share(9e9, &[(of(1_000_000), 5e5), (of(9_000_000), 5e5)]), [5e5, 5e5]);
    }

    proptest! {
        /// Whatever encoders make of their chunks, as long as each keeps to its own buffer.
        #[test]
        fn chunks_that_keep_to_their_vbv_hold_together(
            wishes in prop::collection::vec(prop::collection::vec(0_u32..120_000, 300..500), 1..6),
            buffer_size in 200_000_u32..4_000_000,
        ) {
            let cap = Cap { buffer_size, ..CAP };
            let mut check = CapCheck::new(cap, SCALE, SEGMENT);
            for (n, chunk) in wishes.iter().enumerate() {
                let last = n + 1 == wishes.len();
                let vbv = cap.vbv(SCALE.time(chunk.len() as i64), last, SEGMENT, Squeeze::None);
                let mut fullness = f64::from(vbv.initial);
                let spent = chunk.iter().map(|wish| {
                    let bytes = wish.min(&((fullness / 8.0) as u32)).to_owned();
                    let filled = fullness - f64::from(bytes) * 8.0 + f64::from(vbv.max_bitrate) / 25.0;
                    fullness = filled.min(f64::from(vbv.buffer_size));
                    (bytes, 1)
                });
                let samples = spent.collect();
                prop_assert_eq!(check.buffer(&SegmentSizes { number: 1, boxes: 0, samples }), Ok(()));
            }
        }
    }
}
