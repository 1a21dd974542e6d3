//! Levels: what a decoder has to be capable of.
//!
//! Encoders choose the level from the rate and buffer that they are given. Those differ among the chunks of a capped
//! rendition, and an init segment says the level once for all of them: so it is chosen here, by the cap itself.

use std::cmp::Ordering;

use num_rational::Ratio;
use transcode_api::X26xPreset;

use crate::{rate::Cap, time::Rational};

/// What a decoder is given.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Coded picture, pixels.
    pub width: u32,
    /// Coded picture, pixels.
    pub height: u32,
    /// Per second.
    pub frame_rate: Rational,
    /// Its rate and buffer.
    pub cap: Cap,
}

/// Its name; most blocks a second, in a picture, and in all pictures that are kept; kbit/s, kbit.
type H264Limits = (&'static str, i64, u32, u32, u32, u32);

/// ITU-T H.264 table A-1, without level 1b.
const H264: [H264Limits; 19] = [
    ("1", 1485, 99, 396, 64, 175),
    ("1.1", 3000, 396, 900, 192, 500),
    ("1.2", 6000, 396, 2376, 384, 1000),
    ("1.3", 11_880, 396, 2376, 768, 2000),
    ("2", 11_880, 396, 2376, 2000, 2000),
    ("2.1", 19_800, 792, 4752, 4000, 4000),
    ("2.2", 20_250, 1620, 8100, 4000, 4000),
    ("3", 40_500, 1620, 8100, 10_000, 10_000),
    ("3.1", 108_000, 3600, 18_000, 14_000, 14_000),
    ("3.2", 216_000, 5120, 20_480, 20_000, 20_000),
    ("4", 245_760, 8192, 32_768, 20_000, 25_000),
    ("4.1", 245_760, 8192, 32_768, 50_000, 62_500),
    ("4.2", 522_240, 8704, 34_816, 50_000, 62_500),
    ("5", 589_824, 22_080, 110_400, 135_000, 135_000),
    ("5.1", 983_040, 36_864, 184_320, 240_000, 240_000),
    ("5.2", 2_073_600, 36_864, 184_320, 240_000, 240_000),
    ("6", 4_177_920, 139_264, 696_320, 240_000, 240_000),
    ("6.1", 8_355_840, 139_264, 696_320, 480_000, 480_000),
    ("6.2", 16_711_680, 139_264, 696_320, 800_000, 800_000),
];

/// Its name; most luma samples in a picture and a second; kbit/s, kbit of the Main tier.
type HevcLimits = (&'static str, u64, i64, u32, u32);

/// ITU-T H.265 tables A.8 and A.9. x265 never keeps more than the six pictures that every level allows.
const HEVC: [HevcLimits; 13] = [
    ("1", 36_864, 552_960, 128, 350),
    ("2", 122_880, 3_686_400, 1500, 1500),
    ("2.1", 245_760, 7_372_800, 3000, 3000),
    ("3", 552_960, 16_588_800, 6000, 6000),
    ("3.1", 983_040, 33_177_600, 10_000, 10_000),
    ("4", 2_228_224, 66_846_720, 12_000, 12_000),
    ("4.1", 2_228_224, 133_693_440, 20_000, 20_000),
    ("5", 8_912_896, 267_386_880, 25_000, 25_000),
    ("5.1", 8_912_896, 534_773_760, 40_000, 40_000),
    ("5.2", 8_912_896, 1_069_547_520, 60_000, 60_000),
    ("6", 35_651_584, 1_069_547_520, 60_000, 60_000),
    ("6.1", 35_651_584, 2_139_095_040, 120_000, 120_000),
    ("6.2", 35_651_584, 4_278_190_080, 240_000, 240_000),
];

impl Demand {
    /// Whether so many kbit/s and kbit are enough for the cap; a profile may count more bits to each.
    fn fits_cap(&self, factor: f64, bitrate: u32, buffer: u32) -> bool {
        let enough = |kilobits: u32, bits: u32| f64::from(kilobits) * 1000.0 * factor >= f64::from(bits);
        enough(bitrate, self.cap.max_bitrate) && enough(buffer, self.cap.buffer_size)
    }

    /// No side of a picture is longer than the root of eight of the largest pictures (H.264 A.3.1, H.265 A.4.1).
    fn fits_sides(width: u32, height: u32, largest: u64) -> bool {
        u64::from(width.max(height)).pow(2) <= largest * 8
    }

    fn rate_at_most(&self, a_picture: u64, a_second: i64) -> bool {
        let all = self.frame_rate * Ratio::from_integer(a_picture as i64);
        all.cmp(&Ratio::from_integer(a_second)) != Ordering::Greater
    }

    /// The lowest level of H.264 for what x264 makes of it; the highest there is where none is enough.
    pub fn h264(&self, preset: X26xPreset) -> &'static str {
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
        // cpbBrVclFactor (A.3.1, A.3.3): `ultrafast` is Baseline, others are High.
        let factor = if preset == X26xPreset::Ultrafast { 1.0 } else { 1.25 };
        let fits = |(_, a_second, picture, all, bitrate, buffer): &&H264Limits| {
            blocks <= *picture
                && Self::fits_sides(width, height, u64::from(*picture))
                && self.rate_at_most(u64::from(blocks), *a_second)
                && blocks * kept <= *all
                && self.fits_cap(factor, *bitrate, *buffer)
        };
        H264.iter().find(fits).map_or("6.2", |level| level.0)
    }

    /// The lowest level of HEVC's Main tier; the highest there is where none is enough.
    pub fn hevc(&self) -> &'static str {
        let samples = u64::from(self.width) * u64::from(self.height);
        let fits = |(_, picture, a_second, bitrate, buffer): &&HevcLimits| {
            samples <= *picture
                && Self::fits_sides(self.width, self.height, *picture)
                && self.rate_at_most(samples, *a_second)
                && self.fits_cap(1.0, *bitrate, *buffer)
        };
        HEVC.iter().find(fits).map_or("6.2", |level| level.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(width: u32, height: u32, fps: i64, kilobits: u32) -> Demand {
        let cap = Cap { max_bitrate: kilobits * 1000, buffer_size: kilobits * 2000 };
        Demand { width, height, frame_rate: Ratio::from_integer(fps), cap }
    }

    /// What x264 and x265 say themselves of the same pictures, rate and buffer.
    #[test]
    fn levels_are_those_that_encoders_choose() {
        let h264 = |demand: Demand| demand.h264(X26xPreset::Medium);
        assert_eq!(h264(demand(256, 144, 25, 400)), "1.2");
        assert_eq!(h264(demand(640, 360, 25, 800)), "3");
        assert_eq!(h264(demand(1280, 720, 30, 3000)), "3.1");
        assert_eq!(h264(demand(1920, 1080, 25, 5000)), "4");
        assert_eq!(h264(demand(1920, 1080, 60, 8000)), "4.2");
        assert_eq!(demand(1280, 720, 25, 3000).h264(X26xPreset::Veryslow), "5");
        assert_eq!(demand(256, 144, 25, 400).hevc(), "2");
        assert_eq!(demand(1920, 1080, 30, 5000).hevc(), "4");
        assert_eq!(demand(3840, 2160, 60, 15_000).hevc(), "5.1");
    }

    #[test]
    fn the_cap_and_its_buffer_raise_the_level() {
        assert_eq!(demand(256, 144, 25, 480).h264(X26xPreset::Medium), "1.2");
        assert_eq!(demand(256, 144, 25, 481).h264(X26xPreset::Medium), "1.3");
        assert_eq!(demand(256, 144, 25, 500).h264(X26xPreset::Medium), "1.3");
        assert_eq!(demand(256, 144, 25, 751).hevc(), "2.1");
        assert_eq!(demand(256, 144, 9000, 900_000_000 / 1000).h264(X26xPreset::Medium), "6.2");
    }
}
