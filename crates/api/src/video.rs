//! Video options: how renditions are encoded, and which.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Bitrate, FrameRate, MediaTime};

/// Whether a feature is used. Written out so that a job can switch off what a profile switches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// The feature is used.
    #[default]
    Enabled,
    /// The feature is not used.
    Disabled,
}

/// Options of all video renditions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VideoOptions {
    /// Codec and rate of every rendition that does not say its own. Default: H.264, CRF 23, medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<VideoEncode>,
    /// Length of a media segment, 1s to 30s; rounded to whole frames. Default: 4s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^(([1-9]|[12][0-9])(\.[0-9]{1,9})?|30)s$|^([1-9][0-9]{3}|[12][0-9]{4}|30000)ms$|^00:00:((0[1-9]|[12][0-9])(\.[0-9]{1,9})?|30)$|^[1-9][0-9]{0,8}/[1-9][0-9]{0,7}s$", "title" = "a media time of 1s to 30s, such as `4s`, `2500ms` or `00:00:04`"))]
    pub segment_duration: Option<MediaTime>,
    /// How tasks are cut. Default: Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fan_out: Option<FanOut>,
    /// What of a high dynamic range (PQ or HLG) is kept in renditions that do not say their own. Default:
    /// `Source` where the codec has 10 bits, else `Standard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_range: Option<DynamicRange>,
    /// Interlaced pictures to progressive ones, one for each frame. Default: those frames of an interlaced
    /// source that are marked as interlaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deinterlace: Option<Deinterlace>,
    /// Film that was made video by telecine (29.97 or 30 frames a second) to film again (23.976 or 24). Default: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse_telecine: Option<InverseTelecine>,
    /// Frames a second, 1 to 120: `25`, `30000/1001`, or `Source`. Frames are left out and repeated at their own times;
    /// nothing gets faster or slower, and none is made up. Default: `Source`, also where that is variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<FrameRate>,
    /// Cuts off the edges of the picture, before anything else is done to it. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Takes away noise within each picture. Default: none is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denoise: Option<Denoise>,
    /// CEA-608/708 captions inside the pictures. Default: kept, and listed in playlists, in H.264 at the source's
    /// frame rate; any other rendition of a source with captions is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<Captions>,
}

/// CEA-608/708 captions inside the pictures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Captions {
    /// Disabled leaves them out. Default: Enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

/// What becomes of a high dynamic range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DynamicRange {
    /// Kept, with its mastering display and light level. Needs 10 bits: HEVC, AV1 or VP9.
    Source,
    /// Tone-mapped to BT.709.
    Standard,
}

/// Deinterlacing. Without `mode: Disabled` every frame is taken for interlaced, whatever it is marked as.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deinterlace {
    /// Disabled leaves the pictures combed. Default: Enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

/// Inverse telecine: fields of the same picture of film are put together, and the frame of each five that repeats another
/// is left out. It is done instead of deinterlacing. Needs a constant rate, and film throughout: of video one frame in
/// five is lost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InverseTelecine {
    /// Default: Enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

/// Pixels that are cut off, of the picture as it is shown: after rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Crop {
    /// Pixels, even. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 8192), extend("multipleOf" = 2))]
    pub left: u32,
    /// Pixels, even. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 8192), extend("multipleOf" = 2))]
    pub top: u32,
    /// Pixels, even. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 8192), extend("multipleOf" = 2))]
    pub right: u32,
    /// Pixels, even. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 8192), extend("multipleOf" = 2))]
    pub bottom: u32,
}

fn is_zero(pixels: &u32) -> bool {
    *pixels == 0
}

/// Denoising.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Denoise {
    /// Disabled takes no noise away. Default: Enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// How much. Default: Light.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<DenoiseStrength>,
}

/// How much noise is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum DenoiseStrength {
    /// Grain of a good camera.
    #[default]
    Light,
    /// Noise of a small sensor in the evening.
    Medium,
    /// Noise that hides the picture; fine texture goes with it.
    Strong,
}

/// How encoding is spread over tasks. Never changes what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum FanOut {
    /// `ChunkRendition` while there are fewer chunks than workers, else `Chunk`.
    Auto,
    /// A task per chunk and rendition: the shortest time to the end on many workers.
    ChunkRendition,
    /// A task per chunk that decodes once and encodes every rendition: the least CPU time.
    Chunk,
}

/// Codec of a rendition: exactly one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VideoEncode {
    /// H.264 (AVC), 8 bit, by x264.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub h264: Option<H264Encode>,
    /// HEVC (H.265), 8 or 10 bit, by x265.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hevc: Option<HevcEncode>,
    /// AV1, 8 or 10 bit, by SVT-AV1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub av1: Option<Av1Encode>,
    /// VP9, 8 or 10 bit, by libvpx. In DASH and MP4; HLS lists it only when it is told to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vp9: Option<Vp9Encode>,
}

/// H.264 by x264.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct H264Encode {
    /// How many bits pictures get. Default: CRF 23.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<H264Rate>,
    /// Speed against compression. Default: medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<X26xPreset>,
}

/// HEVC by x265.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HevcEncode {
    /// How many bits pictures get. Default: CRF 26.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<HevcRate>,
    /// Speed against compression. Default: medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<X26xPreset>,
    /// Bits per sample, 8 or 10. Default: the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 10))]
    pub bit_depth: Option<u8>,
}

/// AV1 by SVT-AV1.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Av1Encode {
    /// Constant rate factor. Default: 35.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Av1Rate>,
    /// Speed against compression: 0 is slowest, 13 fastest. Default: 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 13))]
    pub preset: Option<u8>,
    /// Bits per sample, 8 or 10. Default: the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 10))]
    pub bit_depth: Option<u8>,
}

/// VP9 by libvpx.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vp9Encode {
    /// Constant quality. Default: 31.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Vp9Rate>,
    /// libvpx's `cpu-used`: 0 is slowest, 8 fastest. Default: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 8))]
    pub speed: Option<u8>,
    /// Bits per sample, 8 or 10. Default: the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 10))]
    pub bit_depth: Option<u8>,
    /// Lists the rendition in HLS too, which Apple's players do not know VP9 in. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hls: Option<bool>,
}

/// Rate control of libvpx: exactly one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vp9Rate {
    /// Constant quality, 1 to 63: lower is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 63))]
    pub crf: Option<u8>,
}

/// Rate control of x265: exactly one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HevcRate {
    /// Constant rate factor, 1 to 51: lower is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 51))]
    pub crf: Option<u8>,
    /// A constant rate factor as far as a cap allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capped_crf: Option<CappedCrf>,
}

/// Rate control of x264: exactly one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct H264Rate {
    /// Constant rate factor, 1 to 51: lower is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 51))]
    pub crf: Option<u8>,
    /// A constant rate factor as far as a cap allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capped_crf: Option<CappedCrf>,
    /// An average bit rate over the whole video, in two passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_bitrate: Option<AverageBitrate>,
}

/// A constant rate factor under a cap. No segment has more than 1.10 times `maxBitrate`, and a player that
/// reads at `maxBitrate` through a buffer of `bufferSize` never waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CappedCrf {
    /// Constant rate factor, 1 to 51: lower is better.
    #[schemars(range(min = 1, max = 51))]
    pub crf: u8,
    /// Bit/s, 10k to 500M.
    pub max_bitrate: Bitrate,
    /// Bits (VBV): how much of what is easy to encode may be saved for what is hard. Default: a second of `maxBitrate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_size: Option<Bitrate>,
}

/// An average bit rate. Two passes; hard parts get more of the bits, wherever in the video they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AverageBitrate {
    /// Bit/s over the whole video, 10k to 500M.
    pub bitrate: Bitrate,
    /// Bit/s that no segment exceeds by more than a tenth. Default: 1.5 times `bitrate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bitrate: Option<Bitrate>,
    /// Bits (VBV). Default: a second of `maxBitrate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_size: Option<Bitrate>,
}

/// Rate control of SVT-AV1: exactly one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Av1Rate {
    /// Constant rate factor, 1 to 63: lower is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 63))]
    pub crf: Option<u8>,
}

/// The presets of x264 and x265.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the encoders' own")]
pub enum X26xPreset {
    Ultrafast,
    Superfast,
    Veryfast,
    Faster,
    Fast,
    Medium,
    Slow,
    Slower,
    Veryslow,
}

impl X26xPreset {
    /// The name that x264 and x265 know.
    pub fn name(self) -> &'static str {
        match self {
            X26xPreset::Ultrafast => "ultrafast",
            X26xPreset::Superfast => "superfast",
            X26xPreset::Veryfast => "veryfast",
            X26xPreset::Faster => "faster",
            X26xPreset::Fast => "fast",
            X26xPreset::Medium => "medium",
            X26xPreset::Slow => "slow",
            X26xPreset::Slower => "slower",
            X26xPreset::Veryslow => "veryslow",
        }
    }
}

/// One rung of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rendition {
    /// A DNS label of at most 20 characters, not `audio` or `audio-…`. One of 144p, 240p, 360p, 480p, 720p, 1080p, 1440p,
    /// 2160p and 4320p brings its 16:9 box along; any other name needs `box`.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), extend("title" = "a DNS label: lower-case letters, digits and `-`, not at an end"))]
    pub name: String,
    /// The picture fits in this box with its aspect ratio kept; never upscaled.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "box")]
    pub within: Option<Box2>,
    /// Codec and rate of this rendition. Default: `video.encode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<VideoEncode>,
    /// What of a high dynamic range is kept in this rendition. Default: `video.dynamicRange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_range: Option<DynamicRange>,
}

/// A box in pixels. Turned by itself for portrait sources when the rung's name implies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Box2 {
    /// Pixels, 16 to 8192.
    #[schemars(range(min = 16, max = 8192))]
    pub width: u32,
    /// Pixels, 16 to 8192.
    #[schemars(range(min = 16, max = 8192))]
    pub height: u32,
}

/// What happens to a source or a chunk that cannot be encoded whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Integrity {
    /// A missing or bad chunk fails the job and is named.
    #[default]
    Strict,
    /// The gap is published in all renditions alike and listed.
    Permissive,
}
