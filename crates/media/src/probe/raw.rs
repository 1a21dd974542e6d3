//! ffprobe's JSON as it comes, and what its fields mean.

use std::collections::BTreeMap;

use num_rational::Ratio;
use serde::Deserialize;
use transcode_api::value::Rational;

use super::{
    AudioStream, Colour, ContainerCrop, FrameTimes, Hdr10, LeftOut, LightLevel, Mastering, OtherHdr, ProbeError,
    VideoStream,
};
use crate::{spatial::Spatial, time::Timebase};

mod spatial;

use spatial::RawSpatial;

#[derive(Deserialize)]
pub(super) struct RawProbe {
    #[serde(default)]
    programs: Vec<RawProgram>,
    #[serde(default)]
    pub(super) streams: Vec<RawStream>,
    #[serde(default)]
    pub(super) format: RawFormat,
}

/// A program of a transport stream (ISO/IEC 13818-1): streams that belong together.
#[derive(Deserialize)]
struct RawProgram {
    #[serde(default)]
    streams: Vec<RawMember>,
}

#[derive(Deserialize)]
struct RawMember {
    index: u32,
}

impl RawProgram {
    fn has(&self, index: u32) -> bool {
        self.streams.iter().any(|stream| stream.index == index)
    }
}

#[derive(Deserialize, Default)]
pub(super) struct RawFormat {
    #[serde(default)]
    pub(super) format_name: String,
}

#[derive(Deserialize)]
pub(super) struct RawStream {
    pub(super) index: u32,
    pub(super) codec_type: Option<String>,
    codec_name: Option<String>,
    codec_tag_string: Option<String>,
    profile: Option<String>,
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
    has_b_frames: Option<i64>,
    sample_rate: Option<String>,
    channels: Option<i64>,
    channel_layout: Option<String>,
    bits_per_sample: Option<u8>,
    initial_padding: Option<u32>,
    start_pts: Option<i64>,
    r_frame_rate: Option<String>,
    avg_frame_rate: Option<String>,
    time_base: Option<String>,
    #[serde(default)]
    disposition: RawDisposition,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    side_data_list: Vec<RawSideData>,
}

#[derive(Deserialize, Default)]
pub(super) struct RawDisposition {
    #[serde(default)]
    default: u8,
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Deserialize)]
pub(super) struct RawFrames {
    #[serde(default)]
    pub(super) frames: Vec<RawFrame>,
}

#[derive(Deserialize)]
pub(super) struct RawFrame {
    pub(super) interlaced_frame: Option<u8>,
    pub(super) top_field_first: Option<u8>,
    pub(super) best_effort_timestamp: Option<i64>,
    #[serde(default)]
    pub(super) side_data_list: Vec<RawSideData>,
}

/// Side data of a stream or a frame. Newer versions of ffprobe nest some of it; what is nested is no use here.
#[derive(Deserialize)]
pub(super) struct RawSideData {
    #[serde(default)]
    side_data_type: String,
    rotation: Option<f64>,
    displaymatrix: Option<String>,
    dv_profile: Option<i64>,
    crop_left: Option<u32>,
    crop_top: Option<u32>,
    crop_right: Option<u32>,
    crop_bottom: Option<u32>,
    max_content: Option<i64>,
    max_average: Option<i64>,
    red_x: Option<String>,
    red_y: Option<String>,
    green_x: Option<String>,
    green_y: Option<String>,
    blue_x: Option<String>,
    blue_y: Option<String>,
    white_point_x: Option<String>,
    white_point_y: Option<String>,
    max_luminance: Option<String>,
    min_luminance: Option<String>,
    #[serde(flatten)]
    spatial: RawSpatial,
}

impl RawSideData {
    /// Writes down what this says of the picture. What is known already stays: it came earlier.
    pub(super) fn tell(&self, video: &mut VideoStream) {
        let kind = self.side_data_type.as_str();
        video.closed_captions |= kind == "ATSC A53 Part 4 Closed Captions";
        video.hdr10.mastering = video.hdr10.mastering.or_else(|| self.mastering());
        if kind == "Frame Cropping" {
            let [left, top, right, bottom] = [self.crop_left, self.crop_top, self.crop_right, self.crop_bottom]
                .map(|pixels| pixels.unwrap_or_default());
            video.crop(ContainerCrop { left, top, right, bottom, by_ffmpeg: true });
        }
        let level = |value: Option<i64>| u16::try_from(value?).ok();
        let light = level(self.max_content).zip(level(self.max_average));
        let light = light.map(|(content, average)| LightLevel { content, average });
        video.hdr10.light = video.hdr10.light.or(light.filter(|level| level.content > 0));
        let other = match self.dv_profile.and_then(|profile| u8::try_from(profile).ok()) {
            Some(profile) => Some(OtherHdr::DolbyVision(profile)),
            None => kind.contains("2094-40").then_some(OtherHdr::Hdr10Plus),
        };
        video.other_hdr = video.other_hdr.or(other);
        self.spatial.tell(kind, video);
    }

    /// Primaries without luminance, or the other way round, are no colour volume.
    fn mastering(&self) -> Option<Mastering> {
        let in_units = |text: &Option<String>, unit: i64| {
            let (n, d) = text.as_deref()?.split_once('/')?;
            let value = Ratio::new(n.parse::<i64>().ok()?, d.parse::<i64>().ok().filter(|d| *d > 0)?);
            Some((value * unit).round().to_integer())
        };
        let place = |x: &Option<String>, y: &Option<String>| {
            let number = |text| u16::try_from(in_units(text, 50_000)?).ok();
            Some((number(x)?, number(y)?))
        };
        let luminance = |text| u32::try_from(in_units(text, 10_000)?).ok();
        Some(Mastering {
            primaries: [
                place(&self.red_x, &self.red_y)?,
                place(&self.green_x, &self.green_y)?,
                place(&self.blue_x, &self.blue_y)?,
            ],
            white: place(&self.white_point_x, &self.white_point_y)?,
            max_luminance: luminance(&self.max_luminance).filter(|max| *max > 0)?,
            min_luminance: luminance(&self.min_luminance)?,
        })
    }

    /// A matrix with a negative determinant mirrors. `00000000:  -65536  0  0` is its first row.
    fn mirrors(&self) -> bool {
        let rows = self.displaymatrix.iter().flat_map(|text| text.lines());
        let numbers = rows.filter_map(|row| row.split_once(':')).flat_map(|(_, row)| row.split_whitespace());
        let matrix: Vec<f64> = numbers.filter_map(|number| number.parse().ok()).collect();
        matches!(matrix.as_slice(), [a, b, _, c, d, ..] if a * d - b * c < 0.0)
    }
}

impl RawProbe {
    pub(super) fn video_choice(&self) -> Option<u32> {
        let mut candidates = self
            .streams
            .iter()
            .filter(|s| s.codec_type.as_deref() == Some("video") && s.disposition.attached_pic == 0 && s.decodable());
        let first = candidates.clone().next()?;
        Some(candidates.find(|s| s.disposition.default == 1).unwrap_or(first).index)
    }

    /// Whether a stream is of the program that is used: that of the chosen video, else of the first sound.
    /// What is in no program goes with all of them.
    pub(super) fn together(&self, video: Option<u32>, stream: u32) -> bool {
        let sound = || self.streams.iter().find(|s| s.codec_type.as_deref() == Some("audio")).map(|s| s.index);
        let used = video.or_else(sound).and_then(|index| self.programs.iter().find(|p| p.has(index)));
        let in_none = !self.programs.iter().any(|program| program.has(stream));
        in_none || used.is_none_or(|program| program.has(stream))
    }
}

impl RawStream {
    /// ffprobe leaves the name away, or says `unknown`, when there is no decoder.
    pub(super) fn decodable(&self) -> bool {
        self.codec_name.as_deref().is_some_and(|name| name != "unknown" && name != "none")
    }

    /// Whether it could be decoded, if only it were known what it is.
    pub(super) fn lacks_parameters(&self) -> bool {
        let none = |value: Option<i64>| value.unwrap_or(0) == 0;
        self.decodable()
            && match self.codec_type.as_deref() {
                Some("video") => none(self.width),
                Some("audio") => none(self.channels) || self.sample_rate.as_deref().is_none_or(|rate| rate == "0"),
                _ => false,
            }
    }

    /// As one that is not carried over.
    pub(super) fn left_out(&self) -> LeftOut {
        let tag = self.codec_tag_string.as_deref().filter(|tag| !tag.starts_with("[0]"));
        let codec = match (self.codec_name.as_deref(), tag) {
            (Some(name), _) => name.to_string(),
            (None, Some(tag)) => format!("unknown codec, tag {tag}"),
            (None, None) => "unknown codec".into(),
        };
        let picture = self.disposition.attached_pic == 1;
        let what = match self.codec_type.as_deref() {
            Some("video") if picture => format!("cover art ({codec})"),
            Some(kind) => format!("{kind} track ({codec})"),
            None => format!("unknown track ({codec})"),
        };
        LeftOut { index: Some(self.index), what, video: self.codec_type.as_deref() == Some("video") && !picture }
    }

    /// As one that belongs to what is not shown.
    pub(super) fn of_another_program(&self) -> LeftOut {
        let left = self.left_out();
        LeftOut { what: format!("{} of another program", left.what), ..left }
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

    pub(super) fn video(&self) -> Result<VideoStream, ProbeError> {
        let pixel_format = self.pix_fmt.clone().unwrap_or_default();
        let known = |v: &Option<String>| v.clone().filter(|v| v != "unknown" && v != "reserved" && v != "unspecified");
        let mut stream = VideoStream {
            index: self.index,
            codec: self.codec_name.clone().unwrap_or_default(),
            width: self.dimension("width", self.width)?,
            height: self.dimension("height", self.height)?,
            container_crop: None,
            sar: self.sample_aspect_ratio.as_deref().and_then(|s| ratio(s, ':')).unwrap_or(Ratio::from_integer(1)),
            mirrored: self.is_mirrored(),
            rotation: self.rotation()?,
            timebase: self.timebase()?,
            frame_rate: [&self.avg_frame_rate, &self.r_frame_rate]
                .into_iter()
                .find_map(|r| ratio(r.as_deref()?, '/'))
                .unwrap_or(Ratio::from_integer(25)),
            bit_depth: bit_depth(&pixel_format, self.bits_per_raw_sample.as_deref()),
            alpha: has_alpha(&pixel_format) || self.has_alpha_beside(),
            colour: Colour {
                primaries: known(&self.color_primaries),
                transfer: known(&self.color_transfer),
                matrix: known(&self.color_space).filter(|m| m != "gbr"),
                full_range: self.color_range.as_deref() == Some("pc") || pixel_format.starts_with("yuvj"),
            },
            pixel_format,
            interlaced: matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt")),
            closed_captions: self.closed_captions == Some(1),
            reordered: self.has_b_frames.unwrap_or(0) > 0,
            times: FrameTimes::Presentation,
            hdr10: Hdr10::default(),
            other_hdr: None,
            spatial: Spatial::default(),
            shown: None,
        };
        self.side_data_list.iter().for_each(|data| data.tell(&mut stream));
        Ok(stream)
    }

    /// `AlphaMode` of Matroska: a second picture in `BlockAdditional`.
    fn has_alpha_beside(&self) -> bool {
        self.tags.iter().any(|(name, value)| name.eq_ignore_ascii_case("alpha_mode") && value == "1")
    }

    fn is_mirrored(&self) -> bool {
        self.side_data_list.iter().any(RawSideData::mirrors)
    }

    /// ffprobe tells the display matrix counter-clockwise; older files carry a `rotate` tag.
    fn rotation(&self) -> Result<u16, ProbeError> {
        let counter_clockwise = self.side_data_list.iter().find_map(|s| s.rotation);
        let tag = self.tags.get("rotate").and_then(|t| t.parse::<f64>().ok());
        let turn = counter_clockwise.map(|r| -r).or(tag).unwrap_or(0.0);
        // It is where the upper edge comes to lie, whose ends a mirror exchanges.
        let degrees = if self.is_mirrored() { turn + 180.0 } else { turn }.rem_euclid(360.0);
        match degrees.round() as i64 {
            d @ (0 | 90 | 180 | 270) => Ok(d as u16),
            360 => Ok(0),
            other => Err(self.absurd("rotation (only quarter turns can be kept)", other)),
        }
    }

    pub(super) fn audio(&self) -> Result<AudioStream, ProbeError> {
        let rate = self.sample_rate.as_deref().unwrap_or_default();
        let channels = self.channels.unwrap_or(0);
        Ok(AudioStream {
            index: self.index,
            codec: self.codec_name.clone().unwrap_or_default(),
            profile: self.profile.clone().filter(|p| p != "unknown"),
            start: self.start_pts.unwrap_or(0).max(0),
            // A start before 0 counts them in: then nothing is left out.
            initial_padding: self.initial_padding.filter(|_| self.start_pts >= Some(0)).unwrap_or(0),
            channels: u32::try_from(channels)
                .ok()
                .filter(|c| (1..=64).contains(c))
                .ok_or_else(|| self.absurd("channel count", channels))?,
            layout: self.channel_layout.clone().filter(|l| l != "unknown"),
            bits: [self.bits_per_raw_sample.as_deref().and_then(|b| b.parse().ok()), self.bits_per_sample]
                .into_iter()
                .flatten()
                .max()
                .unwrap_or(0),
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
            right: None,
        })
    }
}

/// `16:15`, `30000/1001`; `None` for `0/0` and `0:1`.
fn ratio(text: &str, separator: char) -> Option<Rational> {
    let (n, d) = text.split_once(separator)?;
    let (n, d) = (n.parse::<i64>().ok()?, d.parse::<i64>().ok()?);
    (n > 0 && d > 0).then(|| Ratio::new(n, d))
}

/// By ffmpeg's names (libavutil/pixdesc.c).
fn has_alpha(pixel_format: &str) -> bool {
    let names = ["yuva", "ya8", "ya16", "yaf", "rgba", "bgra", "argb", "abgr", "gbrap", "ayuv", "vuya", "uyva"];
    names.iter().any(|name| pixel_format.starts_with(name))
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
