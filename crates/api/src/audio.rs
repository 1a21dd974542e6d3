//! Audio options. Every audio track of the source, or those that are chosen, is encoded once, or passed through.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{value::Bitrate, video::Mode};

/// Options of all audio tracks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioOptions {
    /// Disabled leaves every audio track out. Default: Enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Which audio tracks of the source are kept, in this order, eight at most. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub tracks: Option<Vec<AudioTrackChoice>>,
    /// Codec of every track. Default: AAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<AudioEncode>,
}

/// Audio tracks of the source: exactly one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioTrackChoice {
    /// Every track in this language that is not chosen before: BCP 47 or ISO 639-2, `en` or `eng`; `und` is every
    /// track that names no language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 35))]
    pub language: Option<String>,
    /// The track at this place among the source's audio tracks; 0 is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1023))]
    pub index: Option<u32>,
    /// Two mono tracks that become left and right of a stereo track: their places, as in `index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2), inner(range(max = 1023)))]
    pub pair: Option<Vec<u32>>,
}

/// Codec of the audio tracks: exactly one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioEncode {
    /// AAC-LC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aac: Option<AacEncode>,
    /// Opus; always 48 kHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opus: Option<OpusEncode>,
    /// AC-3 (Dolby Digital), up to 5.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ac3: Option<DolbyEncode>,
    /// E-AC-3 (Dolby Digital Plus), up to 5.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eac3: Option<DolbyEncode>,
    /// MP3, one or two channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mp3: Option<Mp3Encode>,
    /// FLAC: lossless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flac: Option<FlacEncode>,
    /// The source's own AAC, AC-3, E-AC-3, MP3 or Opus, not encoded again. Other codecs, and tracks with holes or
    /// that begin late, are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passthrough: Option<AudioPassthrough>,
}

/// AAC-LC by ffmpeg's own encoder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AacEncode {
    /// Bit/s of a track, 16k to 512k. Default: 64k for each channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<Bitrate>,
    /// Channels, 1 to 8. Default: the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8))]
    pub channels: Option<u8>,
    /// Hz. Default: the source's, or the nearest that AAC has, at most 48000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8000, max = 96000))]
    pub sample_rate: Option<u32>,
}

/// Opus by libopus.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpusEncode {
    /// Bit/s of a track, 6k to 510k. Default: 48k for each channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<Bitrate>,
    /// Channels, 1 to 8. Default: the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8))]
    pub channels: Option<u8>,
}

/// AC-3 or E-AC-3 by ffmpeg's own encoders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DolbyEncode {
    /// Bit/s of a track, 32k to 640k. Default: 96k a channel for AC-3, 64k for E-AC-3; the nearest that AC-3 has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<Bitrate>,
    /// Channels, 1 to 6. Default: the source's, or 6 when it has more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 6))]
    pub channels: Option<u8>,
}

/// MP3 by LAME.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mp3Encode {
    /// Bit/s of a track, 32k to 320k. Default: 96k for each channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<Bitrate>,
    /// Channels, 1 or 2. Default: the source's, or 2 when it has more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2))]
    pub channels: Option<u8>,
    /// Lists the sound in HLS and DASH too, where browsers don't play MP3. Default: false, which leaves it to the MP4s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playlists: Option<bool>,
}

/// Sound as the source has it; there is nothing to say of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioPassthrough {}

/// FLAC by ffmpeg's own encoder, 16 bits a sample, or 24 when the source has more than 16.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlacEncode {
    /// Channels, 1 to 8. Default: the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8))]
    pub channels: Option<u8>,
}
