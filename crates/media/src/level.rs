//! Profiles, tiers and levels: what a decoder has to be capable of.
//!
//! Encoders that are not told choose a level from what they see: a timebase for a frame rate, or the rate and buffer
//! of one chunk. An init segment says the level once for all chunks: so it is chosen here, by the size of the picture,
//! by the plan's frame rate, and by the cap where there is one. A rate factor without a cap has no bit rate that could
//! be known before it is encoded.

use std::{cmp::Ordering, fmt};

use num_rational::Ratio;
use transcode_api::X26xPreset;

use crate::{codec::VideoCodec, ladder::Rendition, rate::Cap, time::Rational};

/// What a decoder is given.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Coded picture, pixels.
    pub width: u32,
    /// Coded picture, pixels.
    pub height: u32,
    /// Per second.
    pub frame_rate: Rational,
    /// Its rate and buffer, where they have a limit.
    pub cap: Option<Cap>,
}

/// A level in tenths: 31 is 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub u8);

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// A level, and the bit rate that a decoder of that level can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The level.
    pub level: Level,
    /// Bit/s.
    pub bitrate: u64,
}

/// What the headers of a stream promise to decoders, in the codec's own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conformance {
    /// `profile_idc` (H.264, H.265), `seq_profile` (AV1), profile (VP9).
    pub profile: u8,
    /// The High tier (H.265, AV1).
    pub high_tier: bool,
    /// `level_idc` (H.264), `general_level_idc` (H.265), `seq_level_idx` (AV1), level (VP9).
    pub level: u8,
}

impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tier = if self.high_tier { "High" } else { "Main" };
        write!(f, "profile {}, {tier} tier, level {}", self.profile, self.level)
    }
}

/// Level; most blocks a second, in a picture, and in all pictures that are kept; kbit/s, kbit.
type H264Limits = (u8, i64, u32, u32, u32, u32);

/// ITU-T H.264 table A-1, without level 1b.
const H264: [H264Limits; 19] = [
    (10, 1485, 99, 396, 64, 175),
    (11, 3000, 396, 900, 192, 500),
    (12, 6000, 396, 2376, 384, 1000),
    (13, 11_880, 396, 2376, 768, 2000),
    (20, 11_880, 396, 2376, 2000, 2000),
    (21, 19_800, 792, 4752, 4000, 4000),
    (22, 20_250, 1620, 8100, 4000, 4000),
    (30, 40_500, 1620, 8100, 10_000, 10_000),
    (31, 108_000, 3600, 18_000, 14_000, 14_000),
    (32, 216_000, 5120, 20_480, 20_000, 20_000),
    (40, 245_760, 8192, 32_768, 20_000, 25_000),
    (41, 245_760, 8192, 32_768, 50_000, 62_500),
    (42, 522_240, 8704, 34_816, 50_000, 62_500),
    (50, 589_824, 22_080, 110_400, 135_000, 135_000),
    (51, 983_040, 36_864, 184_320, 240_000, 240_000),
    (52, 2_073_600, 36_864, 184_320, 240_000, 240_000),
    (60, 4_177_920, 139_264, 696_320, 240_000, 240_000),
    (61, 8_355_840, 139_264, 696_320, 480_000, 480_000),
    (62, 16_711_680, 139_264, 696_320, 800_000, 800_000),
];

/// Level; most luma samples in a picture and a second; kbit/s, kbit of the Main tier.
type HevcLimits = (u8, u64, i64, u32, u32);

/// ITU-T H.265 tables A.8 and A.9. x265 never keeps more than the six pictures that every level allows.
const HEVC: [HevcLimits; 13] = [
    (10, 36_864, 552_960, 128, 350),
    (20, 122_880, 3_686_400, 1500, 1500),
    (21, 245_760, 7_372_800, 3000, 3000),
    (30, 552_960, 16_588_800, 6000, 6000),
    (31, 983_040, 33_177_600, 10_000, 10_000),
    (40, 2_228_224, 66_846_720, 12_000, 12_000),
    (41, 2_228_224, 133_693_440, 20_000, 20_000),
    (50, 8_912_896, 267_386_880, 25_000, 25_000),
    (51, 8_912_896, 534_773_760, 40_000, 40_000),
    (52, 8_912_896, 1_069_547_520, 60_000, 60_000),
    (60, 35_651_584, 1_069_547_520, 60_000, 60_000),
    (61, 35_651_584, 2_139_095_040, 120_000, 120_000),
    (62, 35_651_584, 4_278_190_080, 240_000, 240_000),
];

/// Level; most luma samples in a picture, in its width and its height; most samples and frames a second; kbit/s.
type Av1Limits = (u8, u64, u32, u32, i64, i64, u32);

/// AV1 bitstream specification A.3: `MaxPicSize`, `MaxHSize`, `MaxVSize`, `MaxDisplayRate`, `MaxHeaderRate`,
/// `MainMbps`.
const AV1: [Av1Limits; 14] = [
    (20, 147_456, 2048, 1152, 4_423_680, 150, 1500),
    (21, 278_784, 2816, 1584, 8_363_520, 150, 3000),
    (30, 665_856, 4352, 2448, 19_975_680, 150, 6000),
    (31, 1_065_024, 5504, 3096, 31_950_720, 150, 10_000),
    (40, 2_359_296, 6144, 3456, 70_778_880, 300, 12_000),
    (41, 2_359_296, 6144, 3456, 141_557_760, 300, 20_000),
    (50, 8_912_896, 8192, 4352, 267_386_880, 300, 30_000),
    (51, 8_912_896, 8192, 4352, 534_773_760, 300, 40_000),
    (52, 8_912_896, 8192, 4352, 1_069_547_520, 300, 60_000),
    (53, 8_912_896, 8192, 4352, 1_069_547_520, 300, 60_000),
    (60, 35_651_584, 16_384, 8704, 1_069_547_520, 300, 60_000),
    (61, 35_651_584, 16_384, 8704, 2_139_095_040, 300, 100_000),
    (62, 35_651_584, 16_384, 8704, 4_278_190_080, 300, 160_000),
    (63, 35_651_584, 16_384, 8704, 4_278_190_080, 300, 160_000),
];

/// Level; most luma samples in a picture and a second; the longest side, pixels; kbit/s.
type Vp9Limits = (u8, u64, i64, u32, u32);

/// VP9 levels (webmproject.org/vp9/levels).
const VP9: [Vp9Limits; 14] = [
    (10, 36_864, 829_440, 512, 200),
    (11, 73_728, 2_764_800, 768, 800),
    (20, 122_880, 4_608_000, 960, 1800),
    (21, 245_760, 9_216_000, 1344, 3600),
    (30, 552_960, 20_736_000, 2048, 7200),
    (31, 983_040, 36_864_000, 2752, 12_000),
    (40, 2_228_224, 83_558_400, 4160, 18_000),
    (41, 2_228_224, 160_432_128, 4160, 30_000),
    (50, 8_912_896, 311_951_360, 8384, 60_000),
    (51, 8_912_896, 588_251_136, 8384, 120_000),
    (52, 8_912_896, 1_176_502_272, 8384, 180_000),
    (60, 35_651_584, 1_176_502_272, 16_832, 180_000),
    (61, 35_651_584, 2_353_004_544, 16_832, 240_000),
    (62, 35_651_584, 4_706_009_088, 16_832, 480_000),
];

/// The first row that fits, else the last one.
fn lowest<T: Copy, const N: usize>(table: &[T; N], fits: impl Fn(&T) -> bool) -> T {
    table.iter().find(|row| fits(row)).copied().unwrap_or(table[N - 1])
}

impl Demand {
    /// Of a rendition at so many frames a second, the most that the plan has for any second.
    pub fn of(rendition: &Rendition, frame_rate: Rational) -> Self {
        let Rendition { width, height, codec, .. } = rendition;
        Demand { width: *width, height: *height, frame_rate, cap: codec.rate().cap() }
    }

    /// Whether so many kbit/s and kbit are enough for the cap; a profile may count more than 1000 bits to each.
    fn fits_cap(&self, factor: u64, bitrate: u32, buffer: u32) -> bool {
        let enough = |kilobits: u32, bits: u32| u64::from(kilobits) * factor >= u64::from(bits);
        self.cap.is_none_or(|cap| enough(bitrate, cap.max_bitrate) && enough(buffer, cap.buffer_size))
    }

    /// No side of a picture is longer than the root of eight of the largest pictures (H.264 A.3.1, H.265 A.4.1).
    fn fits_sides(width: u32, height: u32, largest: u64) -> bool {
        u64::from(width.max(height)).pow(2) <= largest * 8
    }

    fn rate_at_most(&self, a_picture: u64, a_second: i64) -> bool {
        let all = self.frame_rate * Ratio::from_integer(a_picture as i64);
        all.cmp(&Ratio::from_integer(a_second)) != Ordering::Greater
    }

    fn samples(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The lowest level of H.264 for what x264 makes of it; the highest there is where none is enough.
    pub fn h264(&self, preset: X26xPreset) -> Limit {
        let (width, height) = (self.width.div_ceil(16), self.height.div_ceil(16));
        let blocks = width * height;
        // A pyramid of B-frames needs four pictures; x264's presets refer to more from `slow` on.
        let kept = match preset {
            X26xPreset::Ultrafast => 1,
            X26xPreset::Slow => 5,
            X26xPreset::Slower => 8,
            X26xPreset::Veryslow => 16,
            _ => 4,
        };
        // cpbBrVclFactor (A.3.1, A.3.3): 1000 of Baseline, 1250 of High.
        let factor = if preset == X26xPreset::Ultrafast { 1000 } else { 1250 };
        let (level, .., kilobits, _) = lowest(&H264, |(_, a_second, picture, all, bitrate, buffer)| {
            blocks <= *picture
                && Self::fits_sides(width, height, u64::from(*picture))
                && self.rate_at_most(u64::from(blocks), *a_second)
                && blocks * kept <= *all
                && self.fits_cap(factor, *bitrate, *buffer)
        });
        Limit { level: Level(level), bitrate: u64::from(kilobits) * factor }
    }

    /// The lowest level of HEVC's Main tier; the highest there is where none is enough.
    pub fn hevc(&self) -> Limit {
        let (level, .., kilobits, _) = lowest(&HEVC, |(_, picture, a_second, bitrate, buffer)| {
            self.samples() <= *picture
                && Self::fits_sides(self.width, self.height, *picture)
                && self.rate_at_most(self.samples(), *a_second)
                && self.fits_cap(1000, *bitrate, *buffer)
        });
        Limit { level: Level(level), bitrate: u64::from(kilobits) * 1000 }
    }

    /// The lowest level of AV1's Main tier; the highest there is where none is enough.
    pub fn av1(&self) -> Limit {
        let (level, .., kilobits) = lowest(&AV1, |(_, picture, width, height, a_second, frames, _)| {
            self.samples() <= *picture
                && self.width <= *width
                && self.height <= *height
                && self.rate_at_most(self.samples(), *a_second)
                && self.rate_at_most(1, *frames)
        });
        Limit { level: Level(level), bitrate: u64::from(kilobits) * 1000 }
    }

    /// The lowest level of VP9; the highest there is where none is enough.
    pub fn vp9(&self) -> Limit {
        let (level, .., kilobits) = lowest(&VP9, |(_, picture, a_second, side, _)| {
            self.samples() <= *picture
                && self.width.max(self.height) <= *side
                && self.rate_at_most(self.samples(), *a_second)
        });
        Limit { level: Level(level), bitrate: u64::from(kilobits) * 1000 }
    }

    /// The lowest level of a codec.
    pub fn limit(&self, codec: &VideoCodec) -> Limit {
        match codec {
            VideoCodec::H264 { preset, .. } => self.h264(*preset),
            VideoCodec::Hevc { .. } => self.hevc(),
            VideoCodec::Av1 { .. } => self.av1(),
            VideoCodec::Vp9 { .. } => self.vp9(),
        }
    }

    /// What headers have to say of a stream of this codec, with pictures of `bit_depth`.
    pub fn conformance(&self, codec: &VideoCodec, bit_depth: u8) -> Conformance {
        let deep = bit_depth > 8;
        let Level(tenths) = self.limit(codec).level;
        let (profile, level) = match codec {
            // Baseline and High (H.264 A.2).
            VideoCodec::H264 { preset: X26xPreset::Ultrafast, .. } => (66, tenths),
            VideoCodec::H264 { .. } => (100, tenths),
            // Main and Main 10; thirty times the level (H.265 A.3, A.4.1).
            VideoCodec::Hevc { .. } => (if deep { 2 } else { 1 }, tenths * 3),
            // Main; four indexes for each whole level from 2 on (AV1 A.3).
            VideoCodec::Av1 { .. } => (0, (tenths / 10 - 2) * 4 + tenths % 10),
            VideoCodec::Vp9 { .. } => (if deep { 2 } else { 0 }, tenths),
        };
        Conformance { profile, high_tier: false, level }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(width: u32, height: u32, fps: i64, kilobits: u32) -> Demand {
        let cap = Cap { max_bitrate: kilobits * 1000, buffer_size: kilobits * 2000 };
        Demand { width, height, frame_rate: Ratio::from_integer(fps), cap: (kilobits > 0).then_some(cap) }
    }

    /// What x264 and x265 say themselves of the same pictures, rate and buffer.
    #[test]
    fn levels_are_those_that_encoders_choose() {
        let h264 = |demand: Demand| demand.h264(X26xPreset::Medium).level;
        assert_eq!(h264(demand(256, 144, 25, 400)), Level(12));
        assert_eq!(h264(demand(640, 360, 25, 800)), Level(30));
        assert_eq!(h264(demand(1280, 720, 30, 3000)), Level(31));
        assert_eq!(h264(demand(1920, 1080, 25, 5000)), Level(40));
        assert_eq!(h264(demand(1920, 1080, 60, 8000)), Level(42));
        assert_eq!(demand(1280, 720, 25, 3000).h264(X26xPreset::Veryslow).level, Level(50));
        assert_eq!(demand(256, 144, 25, 400).hevc().level, Level(20));
        assert_eq!(demand(1920, 1080, 30, 5000).hevc().level, Level(40));
        assert_eq!(demand(3840, 2160, 60, 15_000).hevc().level, Level(51));
    }

    #[test]
    fn the_cap_and_its_buffer_raise_the_level() {
        assert_eq!(demand(256, 144, 25, 480).h264(X26xPreset::Medium).level, Level(12));
        assert_eq!(demand(256, 144, 25, 481).h264(X26xPreset::Medium).level, Level(13));
        assert_eq!(demand(256, 144, 25, 500).h264(X26xPreset::Medium).level, Level(13));
        assert_eq!(demand(256, 144, 25, 751).hevc().level, Level(21));
        assert_eq!(demand(256, 144, 9000, 900_000_000 / 1000).h264(X26xPreset::Medium).level, Level(62));
    }

    #[test]
    fn every_codec_has_a_level_without_a_cap() {
        let levels = |width, height, fps| {
            let demand = demand(width, height, fps, 0);
            let limits = [demand.h264(X26xPreset::Medium), demand.hevc(), demand.av1(), demand.vp9()];
            limits.map(|limit| limit.level.0)
        };
        assert_eq!(levels(720, 576, 25), [30, 30, 30, 30]);
        assert_eq!(levels(1280, 720, 30), [31, 31, 31, 31]);
        assert_eq!(levels(1920, 1080, 60), [42, 41, 41, 41]);
        assert_eq!(levels(3840, 2160, 30), [51, 50, 50, 50]);
        assert_eq!(levels(320, 180, 240), [31, 30, 40, 30]);
        assert_eq!(levels(16_384, 8640, 120), [62, 62, 63, 62]);
    }

    #[test]
    fn headers_say_it_in_numbers_of_their_codec() {
        let rate = crate::rate::Rate::Crf(23);
        let preset = X26xPreset::Medium;
        let codecs = [
            (VideoCodec::H264 { rate, preset: X26xPreset::Ultrafast }, 8, (66, 31)),
            (VideoCodec::H264 { rate, preset }, 8, (100, 31)),
            (VideoCodec::Hevc { rate, preset, bit_depth: None }, 10, (2, 93)),
            (VideoCodec::Av1 { crf: 30, preset: 8, bit_depth: None }, 10, (0, 5)),
            (VideoCodec::Vp9 { crf: 30, speed: 4, bit_depth: None, hls: false }, 10, (2, 31)),
        ];
        for (codec, depth, (profile, level)) in codecs {
            let said = demand(1280, 720, 30, 0).conformance(&codec, depth);
            assert_eq!(said, Conformance { profile, high_tier: false, level }, "{codec:?}");
        }
        assert_eq!(Level(31).to_string(), "3.1");
    }
}
