//! Codecs with all their parameters known, and what each means for the timeline and the container.

use serde::{Deserialize, Serialize};
use transcode_api::{Bitrate, X26xPreset};

use crate::rate::Rate;

/// How a rendition is encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum VideoCodec {
    /// x264, 8 bit.
    H264 {
        /// How many bits pictures get.
        #[serde(flatten)]
        rate: Rate,
        /// Speed against compression.
        preset: X26xPreset,
    },
    /// x265.
    Hevc {
        /// How many bits pictures get.
        #[serde(flatten)]
        rate: Rate,
        /// Speed against compression.
        preset: X26xPreset,
        /// 8 or 10; `None` follows the source.
        bit_depth: Option<u8>,
    },
    /// SVT-AV1.
    Av1 {
        /// Constant rate factor, 1 to 63.
        crf: u8,
        /// 0 (slowest) to 13.
        preset: u8,
        /// 8 or 10; `None` follows the source.
        bit_depth: Option<u8>,
    },
    /// libvpx's VP9.
    Vp9 {
        /// Constant quality, 1 to 63.
        crf: u8,
        /// `cpu-used`: 0 (slowest) to 8.
        speed: u8,
        /// 8 or 10; `None` follows the source.
        bit_depth: Option<u8>,
        /// Listed in HLS too.
        hls: bool,
    },
}

impl VideoCodec {
    /// ffmpeg's encoder.
    pub fn encoder(&self) -> &'static str {
        match self {
            VideoCodec::H264 { .. } => "libx264",
            VideoCodec::Hevc { .. } => "libx265",
            VideoCodec::Av1 { .. } => "libsvtav1",
            VideoCodec::Vp9 { .. } => "libvpx-vp9",
        }
    }

    /// How many bits pictures get.
    pub fn rate(&self) -> Rate {
        match self {
            VideoCodec::H264 { rate, .. } | VideoCodec::Hevc { rate, .. } => *rate,
            VideoCodec::Av1 { crf, .. } | VideoCodec::Vp9 { crf, .. } => Rate::Crf(*crf),
        }
    }

    /// Bits per sample of the encoded picture.
    pub fn bit_depth(&self, source: u8) -> u8 {
        let follow = if source > 8 { 10 } else { 8 };
        match self {
            VideoCodec::H264 { .. } => 8,
            VideoCodec::Hevc { bit_depth, .. }
            | VideoCodec::Av1 { bit_depth, .. }
            | VideoCodec::Vp9 { bit_depth, .. } => bit_depth.unwrap_or(follow),
        }
    }

    /// Whether HLS lists it. Apple's authoring rules know H.264, HEVC and AV1.
    pub fn in_hls(&self) -> bool {
        !matches!(self, VideoCodec::Vp9 { hls: false, .. })
    }

    /// Frames by which the encoder moves a picture forward in decode order, at most: B-pyramids of
    /// x264 and x265 reorder by two, without B-frames nothing moves, and AV1 and VP9 in MP4 have one
    /// temporal unit (superframe) for each shown frame, in order.
    pub fn reorder_depth(&self) -> u32 {
        match self {
            VideoCodec::H264 { preset: X26xPreset::Ultrafast, .. }
            | VideoCodec::Av1 { .. }
            | VideoCodec::Vp9 { .. } => 0,
            VideoCodec::H264 { .. } | VideoCodec::Hevc { .. } => 2,
        }
    }

    /// MiB that one encode of a picture of `pixels` takes with its decoder and filters, from
    /// measurements at 4K (8.3 million pixels): x264 medium 1.4 GiB, x265 10 bit 1.9 GiB, SVT-AV1
    /// preset 8 3.6 GiB.
    pub fn memory_mib(&self, pixels: u64) -> u64 {
        let per_megapixel = match self {
            VideoCodec::H264 { .. } => 170,
            VideoCodec::Hevc { .. } => 235,
            VideoCodec::Av1 { .. } => 440,
            VideoCodec::Vp9 { .. } => 200,
        };
        64 + pixels * per_megapixel / 1_000_000
    }

    /// CPU-nanoseconds a pixel in one pass, for estimates and for the order of tasks; measured on one core of a
    /// common server, x264 medium 60, x265 medium 260, SVT-AV1 preset 8 110.
    pub fn cost_per_pixel(&self) -> u64 {
        let speed = |preset: X26xPreset| match preset {
            X26xPreset::Ultrafast => 12,
            X26xPreset::Superfast => 20,
            X26xPreset::Veryfast => 35,
            X26xPreset::Faster => 60,
            X26xPreset::Fast => 80,
            X26xPreset::Medium => 100,
            X26xPreset::Slow => 170,
            X26xPreset::Slower => 420,
            X26xPreset::Veryslow => 900,
        };
        match self {
            VideoCodec::H264 { preset, .. } => 60 * speed(*preset) / 100,
            VideoCodec::Hevc { preset, .. } => 260 * speed(*preset) / 100,
            // Each preset step is about a third faster than the one before.
            VideoCodec::Av1 { preset, .. } => (0..*preset).fold(1900, |cost, _| cost * 7 / 10).max(15),
            VideoCodec::Vp9 { speed, .. } => (0..*speed).fold(1500, |cost, _| cost * 6 / 10).max(40),
        }
    }
}

/// How audio tracks are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum AudioCodec {
    /// AAC-LC by ffmpeg's own encoder.
    Aac {
        /// Of a track; `None` is 64k a channel.
        bitrate: Option<Bitrate>,
        /// `None` keeps the source's.
        channels: Option<u8>,
        /// Hz; `None` keeps the source's where AAC has it.
        sample_rate: Option<u32>,
    },
    /// libopus.
    Opus {
        /// Of a track; `None` is 48k a channel.
        bitrate: Option<Bitrate>,
        /// `None` keeps the source's.
        channels: Option<u8>,
    },
    /// AC-3 by ffmpeg's own encoder.
    Ac3 {
        /// Of a track; `None` is 96k a channel, at most 448k.
        bitrate: Option<Bitrate>,
        /// `None` keeps the source's.
        channels: Option<u8>,
    },
    /// E-AC-3 by ffmpeg's own encoder.
    Eac3 {
        /// Of a track; `None` is 64k a channel.
        bitrate: Option<Bitrate>,
        /// `None` keeps the source's.
        channels: Option<u8>,
    },
    /// MP3 by LAME.
    Mp3 {
        /// Of a track; `None` is 96k a channel.
        bitrate: Option<Bitrate>,
        /// `None` keeps the source's.
        channels: Option<u8>,
        /// Listed in HLS and DASH too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        playlists: bool,
    },
    /// FLAC by ffmpeg's own encoder.
    Flac {
        /// `None` keeps the source's.
        channels: Option<u8>,
    },
    /// The source's own access units.
    Passthrough,
}

/// Rates that MPEG-4 audio names (ISO/IEC 14496-3 table 1.18), without 88.2 and 96 kHz, which few
/// players decode.
const AAC_RATES: [u32; 9] = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000];
/// Rates of AC-3 (ETSI TS 102 366 4.4.1.3), and those of MPEG-1 (ISO/IEC 11172-3 2.4.2.3).
const DOLBY_AND_MP3_RATES: [u32; 3] = [32000, 44100, 48000];
/// The highest rate that FLAC is kept at; what is above is nothing that a microphone took.
const FLAC_RATES: [u32; 13] =
    [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176_400, 192_000];
/// Bit rates of AC-3 (ETSI TS 102 366 table 4.13), kbit/s.
const AC3_KILOBITS: [u32; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
/// Bit rates of MPEG-1 layer III (ISO/IEC 11172-3 2.4.2.3), kbit/s.
const MP3_KILOBITS: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];

/// The lowest rate that keeps all of the source's band.
fn at_least(rates: &[u32], source: u32) -> u32 {
    let highest = rates.last().copied().unwrap_or(48000);
    rates.iter().copied().find(|rate| *rate >= source).unwrap_or(highest)
}

/// The rate of the table next to what is wanted, bit/s.
fn nearest(kilobits: &[u32], wanted: u32) -> u32 {
    kilobits.iter().map(|rate| rate * 1000).min_by_key(|rate| rate.abs_diff(wanted)).unwrap_or(wanted)
}

/// How many samples an access unit may have that is passed through, by ffmpeg's name of the codec; `None` for
/// codecs that are not.
pub fn passed_through(codec: &str) -> Option<&'static [u32]> {
    Some(match codec {
        // ISO/IEC 14496-3 4.5.1.1, and twice that with spectral band replication.
        "aac" => &[1024, 960, 2048, 1920],
        // ISO/IEC 11172-3 2.4.2.1 and 13818-3 2.4.2.1.
        "mp3" => &[1152, 576],
        // ETSI TS 102 366 4.4 and E.1.3.1.4: blocks of 256.
        "ac3" => &[1536],
        "eac3" => &[1536, 768, 512, 256],
        // RFC 6716 2.1.4 and 3.2: 2.5 ms to 60 ms at 48 kHz.
        "opus" => &[120, 240, 480, 960, 1920, 2880],
        _ => return None,
    })
}

impl AudioCodec {
    /// ffmpeg's encoder; `None` where nothing is encoded.
    pub fn encoder(&self) -> Option<&'static str> {
        Some(match self {
            AudioCodec::Aac { .. } => "aac",
            AudioCodec::Opus { .. } => "libopus",
            AudioCodec::Ac3 { .. } => "ac3",
            AudioCodec::Eac3 { .. } => "eac3",
            AudioCodec::Mp3 { .. } => "libmp3lame",
            AudioCodec::Flac { .. } => "flac",
            AudioCodec::Passthrough => return None,
        })
    }

    /// Whether HLS and DASH list what becomes of a track in the codec `source`, by ffmpeg's name.
    ///
    /// No browser's Media Source Extensions take MP3 in MP4: hls.js and Shaka Player refuse a presentation whose only
    /// sound it is, and dash.js plays it without.
    pub fn in_playlists(&self, source: &str) -> bool {
        match self {
            AudioCodec::Mp3 { playlists, .. } => *playlists,
            AudioCodec::Passthrough => source != "mp3",
            _ => true,
        }
    }

    /// Samples in an access unit; `None` where the source says it.
    pub fn frame_samples(&self) -> Option<u32> {
        Some(match self {
            AudioCodec::Aac { .. } => 1024,
            AudioCodec::Opus { .. } => 960,
            AudioCodec::Ac3 { .. } | AudioCodec::Eac3 { .. } => 1536,
            AudioCodec::Mp3 { .. } => 1152,
            // Asked for: the encoder would choose by the rate.
            AudioCodec::Flac { .. } => 4096,
            AudioCodec::Passthrough => return None,
        })
    }

    /// Hz of the encoded track.
    pub fn sample_rate(&self, source: u32) -> u32 {
        match self {
            AudioCodec::Aac { sample_rate: Some(rate), .. } => *rate,
            AudioCodec::Aac { .. } => at_least(&AAC_RATES, source),
            AudioCodec::Opus { .. } => 48000,
            AudioCodec::Ac3 { .. } | AudioCodec::Eac3 { .. } | AudioCodec::Mp3 { .. } => {
                at_least(&DOLBY_AND_MP3_RATES, source)
            }
            AudioCodec::Flac { .. } => at_least(&FLAC_RATES, source),
            AudioCodec::Passthrough => source,
        }
    }

    /// Channels that the spec asks for.
    pub(crate) fn asked_channels(&self) -> Option<u32> {
        match self {
            AudioCodec::Aac { channels, .. }
            | AudioCodec::Opus { channels, .. }
            | AudioCodec::Ac3 { channels, .. }
            | AudioCodec::Eac3 { channels, .. }
            | AudioCodec::Mp3 { channels, .. }
            | AudioCodec::Flac { channels } => channels.map(u32::from),
            AudioCodec::Passthrough => None,
        }
    }

    /// Bit/s of a track; `None` for what is lossless or not encoded.
    pub fn bitrate(&self, channels: u32) -> Option<u32> {
        let asked = |bitrate: &Option<Bitrate>, default: u32| bitrate.map_or(default, |b| b.0);
        Some(match self {
            AudioCodec::Aac { bitrate, .. } => asked(bitrate, 64_000 * channels),
            // libopus refuses more than 256 kbit/s a channel.
            AudioCodec::Opus { bitrate, .. } => asked(bitrate, 48_000 * channels).min(256_000 * channels),
            AudioCodec::Ac3 { bitrate, .. } => nearest(&AC3_KILOBITS, asked(bitrate, (96_000 * channels).min(448_000))),
            AudioCodec::Eac3 { bitrate, .. } => asked(bitrate, 64_000 * channels),
            AudioCodec::Mp3 { bitrate, .. } => nearest(&MP3_KILOBITS, asked(bitrate, 96_000 * channels)),
            AudioCodec::Flac { .. } | AudioCodec::Passthrough => return None,
        })
    }
}
