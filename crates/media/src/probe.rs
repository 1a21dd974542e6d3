//! What the source is: ffprobe's JSON, read once, into typed facts.

use num_rational::Ratio;
use serde::{Deserialize, Serialize};
use transcode_api::value::Rational;

use crate::time::Timebase;

/// Everything that is known of a source before its packets are read. Lives in storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaInfo {
    /// Demuxers as ffprobe names them, `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
    /// The video that is used: the default one, else the first that is no cover art.
    pub video: Option<VideoStream>,
    /// Audio tracks in the source's order.
    pub audio: Vec<AudioStream>,
    /// Streams that are not carried over, for a warning each.
    pub left_out: Vec<LeftOut>,
}

/// A video stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoStream {
    /// Stream index in the file.
    pub index: u32,
    /// ffmpeg's codec name.
    pub codec: String,
    /// Coded picture, pixels, before rotation.
    pub width: u32,
    /// Coded picture, pixels, before rotation.
    pub height: u32,
    /// Sample aspect ratio, 1 when unknown.
    pub sar: Rational,
    /// Clockwise turn that makes the picture upright: 0, 90, 180 or 270 degrees.
    pub rotation: u16,
    /// One tick of its timestamps.
    pub timebase: Timebase,
    /// Average frame rate as the container tells it.
    pub frame_rate: Rational,
    /// ffmpeg's pixel format.
    pub pixel_format: String,
    /// Bits per sample.
    pub bit_depth: u8,
    /// Colour description; names as ffmpeg has them, absent when the source does not say.
    pub colour: Colour,
    /// Field order other than progressive.
    pub interlaced: bool,
    /// CEA-608/708 in the video.
    pub closed_captions: bool,
}

/// Colour description, with ffmpeg's names (ISO/IEC 23091-2 code points by name).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Colour {
    /// `color_primaries`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primaries: Option<String>,
    /// `color_transfer`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// `color_space`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    /// `color_range` is `pc`.
    #[serde(default)]
    pub full_range: bool,
}

impl Colour {
    /// Whether the transfer function is a high dynamic range one (PQ or HLG).
    pub fn is_hdr(&self) -> bool {
        matches!(self.transfer.as_deref(), Some("smpte2084" | "arib-std-b67"))
    }
}

/// An audio stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioStream {
    /// Stream index in the file.
    pub index: u32,
    /// ffmpeg's codec name.
    pub codec: String,
    /// Channels.
    pub channels: u32,
    /// Channel layout as ffmpeg names it, `stereo`, `5.1(side)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Hz.
    pub sample_rate: u32,
    /// One tick of its timestamps.
    pub timebase: Timebase,
    /// ISO 639-2 as the container has it; `und` when it does not say.
    pub language: String,
    /// Title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The `default` disposition.
    #[serde(default)]
    pub default: bool,
}

impl AudioStream {
    /// As what is not carried over: it is declared, and nothing of it is in the file.
    pub fn without_packets(&self) -> LeftOut {
        LeftOut { index: self.index, what: format!("audio track ({}) without packets", self.codec) }
    }
}

/// A stream that is not carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Stream index in the file.
    pub index: u32,
    /// What it is, for people: `cover art (mjpeg)`.
    pub what: String,
}

/// Streams that are listed one by one; a file may have hundreds of attachments.
const MAX_LEFT_OUT: usize = 8;

/// Why ffprobe's answer is not a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Not JSON of the expected form.
    #[error("ffprobe's answer can't be read: {0}")]
    Unreadable(String),
    /// No stream that can be used.
    #[error("the source has neither a video nor an audio stream that ffmpeg can decode ({found})")]
    NothingToUse {
        /// What is in it.
        found: String,
    },
    /// A stream whose numbers make no sense.
    #[error("stream {index} has an impossible {what}: {value}")]
    Absurd {
        /// Stream index.
        index: u32,
        /// Which number.
        what: &'static str,
        /// Its value.
        value: String,
    },
}

/// Reads `ffprobe -show_format -show_streams -of json`.
pub fn read(json: &str) -> Result<MediaInfo, ProbeError> {
    let raw: RawProbe = serde_json::from_str(json).map_err(|e| ProbeError::Unreadable(e.to_string()))?;
    let chosen = raw.video_choice();
    let mut info =
        MediaInfo { container: raw.format.format_name.clone(), video: None, audio: vec![], left_out: vec![] };
    for stream in &raw.streams {
        match stream.codec_type.as_deref() {
            Some("video") if chosen == Some(stream.index) => info.video = Some(stream.video()?),
            // A track that is declared without parameters has no sound in it.
            Some("audio") if stream.decodable() && stream.audio().is_ok() => info.audio.extend(stream.audio()),
            _ => info.left_out.push(LeftOut { index: stream.index, what: stream.description() }),
        }
    }
    let more = info.left_out.len().saturating_sub(MAX_LEFT_OUT);
    if more > 0 {
        info.left_out.truncate(MAX_LEFT_OUT);
        info.left_out.push(LeftOut { index: u32::MAX, what: format!("{more} more tracks") });
    }
    if info.video.is_none() && info.audio.is_empty() {
        let found: Vec<_> = info.left_out.iter().map(|l| l.what.as_str()).collect();
        let found = if found.is_empty() { "no streams at all".into() } else { found.join(", ") };
        return Err(ProbeError::NothingToUse { found });
    }
    Ok(info)
}

#[derive(Deserialize)]
struct RawProbe {
    #[serde(default)]
    streams: Vec<RawStream>,
    #[serde(default)]
    format: RawFormat,
}

#[derive(Deserialize, Default)]
struct RawFormat {
    #[serde(default)]
    format_name: String,
}

#[derive(Deserialize)]
struct RawStream {
    index: u32,
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<i64>,
    height: Option<i64>,
    sample_aspect_ratio: Option<String>,
    pix_fmt: Option<String>,
    bits_per_raw_sample: Option<String>,
    color_range: Option<String>,
    color_space: Option<String>,
    color_transfer: Option<String>,
    color_primaries: Option<String>,
    field_order: Option<String>,
    closed_captions: Option<u8>,
    sample_rate: Option<String>,
    channels: Option<i64>,
    channel_layout: Option<String>,
    r_frame_rate: Option<String>,
    avg_frame_rate: Option<String>,
    time_base: Option<String>,
    #[serde(default)]
    disposition: RawDisposition,
    #[serde(default)]
    tags: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    side_data_list: Vec<RawSideData>,
}

#[derive(Deserialize, Default)]
struct RawDisposition {
    #[serde(default)]
    default: u8,
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Deserialize)]
struct RawSideData {
    rotation: Option<f64>,
}

impl RawProbe {
    fn video_choice(&self) -> Option<u32> {
        let mut candidates = self
            .streams
            .iter()
            .filter(|s| s.codec_type.as_deref() == Some("video") && s.disposition.attached_pic == 0 && s.decodable());
        let first = candidates.clone().next()?;
        Some(candidates.find(|s| s.disposition.default == 1).unwrap_or(first).index)
    }
}

impl RawStream {
    /// ffprobe leaves the name away, or says `unknown`, when there is no decoder.
    fn decodable(&self) -> bool {
        self.codec_name.as_deref().is_some_and(|name| name != "unknown" && name != "none")
    }

    fn description(&self) -> String {
        let codec = self.codec_name.as_deref().unwrap_or("unknown codec");
        match self.codec_type.as_deref() {
            Some("video") if self.disposition.attached_pic == 1 => format!("cover art ({codec})"),
            Some(kind) => format!("{kind} track ({codec})"),
            None => format!("unknown track ({codec})"),
        }
    }

    fn absurd(&self, what: &'static str, value: impl ToString) -> ProbeError {
        ProbeError::Absurd { index: self.index, what, value: value.to_string() }
    }

    fn timebase(&self) -> Result<Timebase, ProbeError> {
        let text = self.time_base.as_deref().unwrap_or_default();
        text.split_once('/')
            .and_then(|(n, d)| Timebase::new(n.parse().ok()?, d.parse().ok()?))
            .ok_or_else(|| self.absurd("timebase", text))
    }

    fn dimension(&self, what: &'static str, value: Option<i64>) -> Result<u32, ProbeError> {
        // 16384 is the largest picture of HEVC level 6.2 and AV1 level 6.3.
        let value = value.unwrap_or(0);
        u32::try_from(value).ok().filter(|v| (1..=16384).contains(v)).ok_or_else(|| self.absurd(what, value))
    }

    fn video(&self) -> Result<VideoStream, ProbeError> {
        let pixel_format = self.pix_fmt.clone().unwrap_or_default();
        let known = |v: &Option<String>| v.clone().filter(|v| v != "unknown" && v != "reserved" && v != "unspecified");
        Ok(VideoStream {
            index: self.index,
            codec: self.codec_name.clone().unwrap_or_default(),
            width: self.dimension("width", self.width)?,
            height: self.dimension("height", self.height)?,
            sar: self.sample_aspect_ratio.as_deref().and_then(|s| ratio(s, ':')).unwrap_or(Ratio::from_integer(1)),
            rotation: self.rotation()?,
            timebase: self.timebase()?,
            frame_rate: [&self.avg_frame_rate, &self.r_frame_rate]
                .into_iter()
                .find_map(|r| ratio(r.as_deref()?, '/'))
                .unwrap_or(Ratio::from_integer(25)),
            bit_depth: bit_depth(&pixel_format, self.bits_per_raw_sample.as_deref()),
            colour: Colour {
                primaries: known(&self.color_primaries),
                transfer: known(&self.color_transfer),
                matrix: known(&self.color_space).filter(|m| m != "gbr"),
                full_range: self.color_range.as_deref() == Some("pc") || pixel_format.starts_with("yuvj"),
            },
            pixel_format,
            interlaced: matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt")),
            closed_captions: self.closed_captions == Some(1),
        })
    }

    /// ffprobe tells the display matrix counter-clockwise; older files carry a `rotate` tag.
    fn rotation(&self) -> Result<u16, ProbeError> {
        let counter_clockwise = self.side_data_list.iter().find_map(|s| s.rotation);
        let tag = self.tags.get("rotate").and_then(|t| t.parse::<f64>().ok());
        let degrees = counter_clockwise.map(|r| -r).or(tag).unwrap_or(0.0).rem_euclid(360.0);
        match degrees.round() as i64 {
            d @ (0 | 90 | 180 | 270) => Ok(d as u16),
            360 => Ok(0),
            other => Err(self.absurd("rotation (only quarter turns can be kept)", other)),
        }
    }

    fn audio(&self) -> Result<AudioStream, ProbeError> {
        let rate = self.sample_rate.as_deref().unwrap_or_default();
        let channels = self.channels.unwrap_or(0);
        Ok(AudioStream {
            index: self.index,
            codec: self.codec_name.clone().unwrap_or_default(),
            channels: u32::try_from(channels)
                .ok()
                .filter(|c| (1..=64).contains(c))
                .ok_or_else(|| self.absurd("channel count", channels))?,
            layout: self.channel_layout.clone().filter(|l| l != "unknown"),
            sample_rate: rate
                .parse()
                .ok()
                .filter(|r| (1..=768_000).contains(r))
                .ok_or_else(|| self.absurd("sample rate", rate))?,
            timebase: self.timebase()?,
            // BCP 47 tags have 35 characters in practice (RFC 5646 4.4.1).
            language: self.tags.get("language").map_or("und".into(), |l| l.chars().take(35).collect()),
            title: self.tags.get("title").map(|t| t.chars().filter(|c| !c.is_control()).take(80).collect()),
            default: self.disposition.default == 1,
        })
    }
}

/// `16:15`, `30000/1001`; `None` for `0/0` and `0:1`.
fn ratio(text: &str, separator: char) -> Option<Rational> {
    let (n, d) = text.split_once(separator)?;
    let (n, d) = (n.parse::<i64>().ok()?, d.parse::<i64>().ok()?);
    (n > 0 && d > 0).then(|| Ratio::new(n, d))
}

/// From the pixel format's name, which ends in its depth (`yuv420p10le`); `bits_per_raw_sample` is
/// not told by every demuxer.
fn bit_depth(pixel_format: &str, raw: Option<&str>) -> u8 {
    let name = pixel_format.trim_end_matches("le").trim_end_matches("be");
    for depth in [9_u8, 10, 12, 14, 16] {
        if name.ends_with(&format!("p{depth}")) || (name == "p010" && depth == 10) {
            return depth;
        }
    }
    raw.and_then(|r| r.parse().ok()).filter(|d| (8..=16).contains(d)).unwrap_or(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = r#"{
        "streams": [
            {"index": 0, "codec_name": "mjpeg", "codec_type": "video", "width": 600, "height": 600,
             "time_base": "1/90000", "disposition": {"default": 1, "attached_pic": 1}},
            {"index": 1, "codec_name": "hevc", "codec_type": "video", "width": 1920, "height": 1080,
             "pix_fmt": "yuv420p10le", "sample_aspect_ratio": "1:1", "time_base": "1/600",
             "avg_frame_rate": "30000/1001", "color_transfer": "arib-std-b67", "color_space": "bt2020nc",
             "side_data_list": [{"side_data_type": "Display Matrix", "rotation": -90}]},
            {"index": 2, "codec_name": "aac", "codec_type": "audio", "sample_rate": "44100", "channels": 2,
             "channel_layout": "stereo", "time_base": "1/44100", "tags": {"language": "eng"}},
            {"index": 3, "codec_type": "data", "time_base": "1/600"}
        ],
        "format": {"format_name": "mov,mp4"}
    }"#;

    #[test]
    fn a_phone_clip_is_understood() {
        let info = read(PHONE).unwrap();
        let video = info.video.unwrap();
        assert_eq!((video.index, video.rotation, video.bit_depth), (1, 90, 10));
        assert!(video.colour.is_hdr());
        assert_eq!(video.frame_rate, Ratio::new(30000, 1001));
        assert_eq!(info.audio[0].language, "eng");
        let left: Vec<_> = info.left_out.iter().map(|l| l.what.as_str()).collect();
        assert_eq!(left, ["cover art (mjpeg)", "data track (unknown codec)"]);
    }

    #[test]
    fn a_source_without_media_is_refused_with_what_is_in_it() {
        let error = read(r#"{"streams": [{"index": 0, "codec_type": "subtitle", "codec_name": "srt"}]}"#).unwrap_err();
        assert!(error.to_string().contains("subtitle track (srt)"), "{error}");
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let json = PHONE.replace("\"width\": 1920", "\"width\": 4294967295");
        assert!(matches!(read(&json), Err(ProbeError::Absurd { what: "width", .. })));
    }
}
