//! What the source is: ffprobe's JSON, read once, into typed facts.

use std::fmt;

use serde::{Deserialize, Serialize};
use transcode_api::value::Rational;

use crate::{container::ContainerCrop, index::clock::Clock, spatial::Spatial, time::Timebase};

mod raw;

use raw::{RawFrame, RawFrames, RawProbe, RawStream};

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
    /// The container lacks presentation times of its video: they are made up from decode times.
    #[serde(default)]
    pub generated_times: bool,
    /// What the container's reader found wrong first, in ffprobe's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint: Option<String>,
    /// What is known of its clock.
    #[serde(default, skip_serializing_if = "Clock::is_sound")]
    pub clock: Clock,
}

/// A video stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoStream {
    /// Stream index in the file.
    pub index: u32,
    /// ffmpeg's codec name.
    pub codec: String,
    /// What the container shows of the picture, pixels, before rotation.
    pub width: u32,
    /// What the container shows of the picture, pixels, before rotation.
    pub height: u32,
    /// What the container does not show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_crop: Option<ContainerCrop>,
    /// Sample aspect ratio, 1 when unknown.
    pub sar: Rational,
    /// Left and right are exchanged before it is turned.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mirrored: bool,
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
    /// Pixels say how opaque they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub alpha: bool,
    /// Colour description; names as ffmpeg has them, absent when the source does not say.
    pub colour: Colour,
    /// Field order other than progressive, or frames at the start that are marked as interlaced.
    pub interlaced: bool,
    /// CEA-608/708 in the video.
    pub closed_captions: bool,
    /// Frames are shown in another order than they are stored.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reordered: bool,
    /// Where the times of its frames come from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub times: FrameTimes,
    /// Mastering display and light level.
    #[serde(default, skip_serializing_if = "Hdr10::is_empty")]
    pub hdr10: Hdr10,
    /// Metadata of other dynamic range systems, which no rendition keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_hdr: Option<OtherHdr>,
    /// Pictures all around, or for two eyes.
    #[serde(default, skip_serializing_if = "Spatial::is_empty")]
    pub spatial: Spatial,
    /// First and last time of the pictures, ticks, where some are strays with times before or behind all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<(i64, i64)>,
}

/// Where the times of frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FrameTimes {
    /// Packets have presentation times.
    #[default]
    Presentation,
    /// Packets have decode times only, and are shown in the order in which they are stored.
    Decode,
    /// Packets have decode times only. A decoder gives each frame the time of the packet that it read last, which is so
    /// many ticks too late.
    Late(i64),
}

/// Static metadata of HDR10 (SMPTE ST 2086 and CTA-861.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hdr10 {
    /// The display on which the picture was graded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mastering: Option<Mastering>,
    /// How bright it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub light: Option<LightLevel>,
}

impl Hdr10 {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Hdr10::default()
    }
}

/// Colour volume of a mastering display (SMPTE ST 2086), in the units of ITU-T H.265 D.3.28.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mastering {
    /// x and y of red, green and blue, 1/50000.
    pub primaries: [(u16, u16); 3],
    /// x and y of white, 1/50000.
    pub white: (u16, u16),
    /// 1/10000 cd/m2.
    pub max_luminance: u32,
    /// 1/10000 cd/m2.
    pub min_luminance: u32,
}

/// Content light level (CTA-861.3), cd/m2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightLevel {
    /// MaxCLL: of the brightest pixel.
    pub content: u16,
    /// MaxFALL: the average of the brightest frame.
    pub average: u16,
}

/// Dynamic range systems beyond HDR10 and HLG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OtherHdr {
    /// Dolby Vision of this profile.
    DolbyVision(u8),
    /// HDR10+ (SMPTE ST 2094-40).
    Hdr10Plus,
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

    /// What pictures of this size are taken for, where the source does not say: players guess, and by the size of each
    /// rendition. As mpv and GStreamer do, more than 576 lines or at least 1280 columns are BT.709, smaller pictures
    /// BT.601, of which 576 and 288 lines are the variant of 625-line systems. What the source says of a matrix goes
    /// before its size; a high dynamic range or BT.2020 is not guessed at.
    pub fn as_shown(&self, width: u32, height: u32) -> Self {
        let wide = [&self.primaries, &self.transfer, &self.matrix]
            .into_iter()
            .flatten()
            .any(|name| ["bt2020", "smpte2084", "arib-std-b67", "smpte43"].iter().any(|high| name.starts_with(high)));
        let system = match self.matrix.as_deref() {
            _ if wide => return self.clone(),
            Some("bt709") => ["bt709"; 3],
            Some("smpte170m") => ["smpte170m"; 3],
            Some("bt470bg") => ["bt470bg", "smpte170m", "bt470bg"],
            Some(_) => return self.clone(),
            None if width >= 1280 || height > 576 => ["bt709"; 3],
            None if [288, 576].contains(&height) => ["bt470bg", "smpte170m", "bt470bg"],
            None => ["smpte170m"; 3],
        };
        let [primaries, transfer, matrix] = system.map(|name| Some(name.to_string()));
        Colour {
            primaries: self.primaries.clone().or(primaries),
            transfer: self.transfer.clone().or(transfer),
            matrix: self.matrix.clone().or(matrix),
            full_range: self.full_range,
        }
    }
}

/// Facts of eight tracks have to fit a pod's termination message.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// An audio stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioStream {
    /// Stream index in the file.
    pub index: u32,
    /// ffmpeg's codec name.
    pub codec: String,
    /// ffmpeg's name of its profile, `LC`, `HE-AAC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Where its sound begins, ticks, never before 0: with what decoders leave out where the container has no times
    /// for it (MP3 by itself).
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: i64,
    /// Samples that decoders leave out at the start, where the container says so and ffprobe tells it (6 and later).
    #[serde(default, skip_serializing_if = "is_default")]
    pub initial_padding: u32,
    /// Channels.
    pub channels: u32,
    /// Channel layout as ffmpeg names it, `stereo`, `5.1(side)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Bits per sample of what is not compressed, or without a loss; 0 otherwise.
    #[serde(default)]
    pub bits: u8,
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
    /// Stream index of another mono track, which is the right channel of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<u32>,
}

impl AudioStream {
    /// As what is not carried over: it is declared, and nothing of it is in the file.
    pub fn without_packets(&self) -> LeftOut {
        LeftOut { index: Some(self.index), what: format!("audio track ({}) without packets", self.codec), video: false }
    }

    /// The left and the right channel of one track.
    pub fn paired(self, right: &AudioStream) -> AudioStream {
        let layout = Some("stereo".into());
        AudioStream { channels: 2, layout, right: Some(right.index), default: self.default || right.default, ..self }
    }
}

/// A stream that is not carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Stream index in the file; `None` for several together.
    pub index: Option<u32>,
    /// What it is, for people: `cover art (mjpeg)`.
    pub what: String,
    /// It is a video, and not a picture that goes with the sound.
    #[serde(default)]
    pub video: bool,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "stream {index}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Streams that are listed one by one; a file may have hundreds of attachments.
const MAX_LEFT_OUT: usize = 8;

/// Adds what only the frames say: ffprobe's `-show_frames` of the first ones, as JSON. Gives their times, ticks.
pub fn look(info: &mut MediaInfo, json: &str) -> Result<Vec<i64>, ProbeError> {
    let raw: RawFrames = serde_json::from_str(json).map_err(|e| ProbeError::Unreadable(e.to_string()))?;
    let Some(video) = &mut info.video else { return Ok(vec![]) };
    if video.codec == "hevc" && are_fields(&raw.frames) {
        let first = if raw.frames.first().is_some_and(|f| f.top_field_first == Some(1)) { "top" } else { "bottom" };
        return Err(ProbeError::Fields { index: video.index, width: video.width, height: video.height, first });
    }
    for frame in &raw.frames {
        video.interlaced |= frame.interlaced_frame == Some(1);
        frame.side_data_list.iter().for_each(|data| data.tell(video));
    }
    Ok(raw.frames.iter().filter_map(|frame| frame.best_effort_timestamp).collect())
}

/// Whether pictures are fields: interlaced, and by turns the top and the bottom one (`pic_struct`, ITU-T H.265 D.3.3).
/// ffmpeg gives each by itself, other than those of H.264 and MPEG-2.
fn are_fields(frames: &[RawFrame]) -> bool {
    let parity = |frame: &RawFrame| frame.top_field_first.filter(|_| frame.interlaced_frame == Some(1));
    let turns = |pair: &[RawFrame]| parity(&pair[0]).zip(parity(&pair[1])).is_some_and(|(one, other)| one != other);
    frames.len() > 1 && frames.windows(2).all(turns)
}

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
    /// Each picture is a field.
    #[error(
        "stream {index} is HEVC coded by fields, which is not supported: each of its pictures of {width}x{height} is every second line of a frame. Put the fields together first: ffmpeg -i SOURCE -map 0 -c copy -c:v libx264 -crf 12 -flags +ildct+ilme -vf weave=first_field={first} OUT.mkv"
    )]
    Fields {
        /// Stream index.
        index: u32,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// The field that comes first: `top` or `bottom`.
        first: &'static str,
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

/// Whether ffprobe met no packet of a stream that it could decode, as far as it read.
pub fn lacks_parameters(json: &str) -> bool {
    serde_json::from_str::<RawProbe>(json).is_ok_and(|raw| raw.streams.iter().any(RawStream::lacks_parameters))
}

/// Reads `ffprobe -show_format -show_programs -show_streams -of json`.
pub fn read(json: &str) -> Result<MediaInfo, ProbeError> {
    let raw: RawProbe = serde_json::from_str(json).map_err(|e| ProbeError::Unreadable(e.to_string()))?;
    let chosen = raw.video_choice();
    let mut info = MediaInfo {
        container: raw.format.format_name.clone(),
        video: None,
        audio: vec![],
        left_out: vec![],
        generated_times: false,
        complaint: None,
        clock: Clock::default(),
    };
    for stream in &raw.streams {
        match stream.codec_type.as_deref() {
            Some("video") if chosen == Some(stream.index) => info.video = Some(stream.video()?),
            Some("video" | "audio") if !raw.together(chosen, stream.index) => {
                info.left_out.push(stream.of_another_program())
            }
            // A track that is declared without parameters has no sound in it.
            Some("audio") if stream.decodable() && stream.audio().is_ok() => info.audio.extend(stream.audio()),
            _ => info.left_out.push(stream.left_out()),
        }
    }
    let more = info.left_out.len().saturating_sub(MAX_LEFT_OUT);
    if more > 0 {
        info.left_out.truncate(MAX_LEFT_OUT);
        info.left_out.push(LeftOut { index: None, what: format!("{more} more tracks"), video: false });
    }
    if info.video.is_none() && info.audio.is_empty() {
        let found: Vec<_> = info.left_out.iter().map(|l| l.what.as_str()).collect();
        let found = if found.is_empty() { "no streams at all".into() } else { found.join(", ") };
        return Err(ProbeError::NothingToUse { found });
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use num_rational::Ratio;

    use super::*;
    use crate::spatial::{Eyes, Projection, Sphere};

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
    fn fields_by_themselves_are_refused() {
        let frame = |interlaced, top| format!(r#"{{"interlaced_frame": {interlaced}, "top_field_first": {top}}}"#);
        let frames = |all: &[String]| format!(r#"{{"frames": [{}]}}"#, all.join(","));
        let looked = |json: &str| look(&mut read(PHONE).unwrap(), json);
        let error = looked(&frames(&[frame(1, 0), frame(1, 1), frame(1, 0)])).unwrap_err();
        assert!(
            error.to_string().contains("pictures of 1920x1080") && error.to_string().contains("first_field=bottom")
        );
        for interlaced in [[frame(1, 1), frame(1, 1)], [frame(1, 1), frame(0, 0)]] {
            assert!(looked(&frames(&interlaced)).is_ok());
        }
    }

    #[test]
    fn colours_that_nobody_named_are_those_of_the_size() {
        let names = |colour: Colour, width, height| {
            let Colour { primaries, transfer, matrix, .. } = colour.as_shown(width, height);
            [primaries, transfer, matrix].map(|name| name.unwrap_or_default())
        };
        let untagged = Colour::default;
        assert_eq!(names(untagged(), 1280, 544), ["bt709"; 3]);
        assert_eq!(names(untagged(), 608, 1080), ["bt709"; 3]);
        assert_eq!(names(untagged(), 720, 576), ["bt470bg", "smpte170m", "bt470bg"]);
        assert_eq!(names(untagged(), 720, 480), ["smpte170m"; 3]);
        let matrix = Colour { matrix: Some("bt709".into()), ..untagged() };
        assert_eq!(names(matrix, 720, 480), ["bt709"; 3]);
        let high = Colour { transfer: Some("smpte2084".into()), ..untagged() };
        assert_eq!(names(high, 1280, 720), ["", "smpte2084", ""]);
    }

    #[test]
    fn a_source_without_media_is_refused_with_what_is_in_it() {
        let error = read(r#"{"streams": [{"index": 0, "codec_type": "subtitle", "codec_name": "srt"}]}"#).unwrap_err();
        assert!(error.to_string().contains("subtitle track (srt)"), "{error}");
    }

    #[test]
    fn a_stream_that_begins_late_has_no_parameters_yet() {
        assert!(!lacks_parameters(PHONE));
        assert!(lacks_parameters(&PHONE.replace("\"44100\", \"channels\": 2", "\"0\", \"channels\": 0")));
        assert!(lacks_parameters(&PHONE.replace("\"width\": 1920", "\"width\": 0")));
    }

    #[test]
    fn mirrored_pictures_are_mirrored_then_turned() {
        // a b and c d of a display matrix, ffprobe's rotation, and what it comes to.
        let all = [
            ((1, 0, 0, 1), 0, (false, 0)),
            ((-1, 0, 0, 1), -180, (true, 0)),
            ((0, -1, -1, 0), 90, (true, 90)),
            ((1, 0, 0, -1), 0, (true, 180)),
            ((0, 1, 1, 0), -90, (true, 270)),
            ((0, 1, -1, 0), -90, (false, 90)),
        ];
        for ((a, b, c, d), rotation, expected) in all {
            let row = |n: u8, x: i32, y: i32| format!("\\n0000000{n}: {} {} 0", x * 65536, y * 65536);
            let matrix = row(0, a, b) + &row(1, c, d);
            let json = PHONE
                .replace("\"rotation\": -90", &format!("\"displaymatrix\": \"{matrix}\", \"rotation\": {rotation}"));
            let video = read(&json).unwrap().video.unwrap();
            assert_eq!((video.mirrored, video.rotation), expected, "{matrix}");
        }
    }

    #[test]
    fn pictures_all_around_say_how_they_are_projected() {
        let spatial = |eyes: &str, sphere: &str| {
            let stereo = format!(r#"{{"side_data_type": "Stereo 3D", "type": "{eyes}", "inverted": 0}}"#);
            let sphere =
                format!(r#"{{"side_data_type": "Spherical Mapping", {sphere}, "yaw": 10, "pitch": -1, "roll": 0}}"#);
            let turned = r#"{"side_data_type": "Display Matrix", "rotation": -90}"#;
            read(&PHONE.replace(turned, &format!("{stereo}, {sphere}"))).unwrap().video.unwrap().spatial
        };
        let sphere = |projection| Some(Sphere { yaw: 10 << 16, pitch: -65536, roll: 0, projection });
        let half = r#""projection": "tiled equirectangular", "bound_left": 959, "bound_right": 960, "bound_top": 0, "bound_bottom": 0"#;
        let quarter = 1 << 30;
        assert_eq!(
            spatial("side by side", half),
            Spatial {
                eyes: Some(Eyes::LeftRight),
                sphere: sphere(Projection::Equirectangular([0, 0, quarter, quarter])),
                more: false
            }
        );
        let cube = spatial("2D", r#""projection": "cubemap", "padding": 0"#);
        assert_eq!(cube, Spatial { eyes: None, sphere: sphere(Projection::Cubemap(0)), more: false });
        let odd = spatial("checkerboard", r#""projection": "fisheye""#);
        assert_eq!(odd, Spatial { eyes: None, sphere: None, more: true });
        // Other side data has fields of the same names.
        let other = r#"{"side_data_type": "Film Grain", "type": 3, "padding": "none"}"#;
        let json = PHONE.replace(r#"{"side_data_type": "Display Matrix", "rotation": -90}"#, other);
        assert!(read(&json).unwrap().video.unwrap().spatial.is_empty());
    }

    #[test]
    fn transparency_is_seen_by_the_format_or_the_tag() {
        let alpha = |format: &str, tags: &str| {
            let json = PHONE
                .replace("\"pix_fmt\": \"yuv420p10le\"", &format!("\"pix_fmt\": \"{format}\", \"tags\": {{{tags}}}"));
            read(&json).unwrap().video.unwrap().alpha
        };
        for format in
            ["yuva420p", "yuva444p12le", "rgba", "argb", "bgra", "rgba64be", "gbrap", "ya8", "ya16le", "ayuv64le"]
        {
            assert!(alpha(format, ""), "{format}");
        }
        for format in ["yuv420p", "rgb24", "bgr0", "gbrp", "gray", "yuvj420p", "p010le", "nv12"] {
            assert!(!alpha(format, ""), "{format}");
        }
        // WebM keeps it beside the pictures, and only libvpx looks.
        assert!(alpha("yuv420p", "\"alpha_mode\": \"1\"") && alpha("yuv420p", "\"ALPHA_MODE\": \"1\""));
        assert!(!alpha("yuv420p", "\"alpha_mode\": \"0\""));
    }

    #[test]
    fn the_sound_of_other_programs_is_left_out() {
        let stream = |index: u32, kind: &str| {
            let video = r#""codec_name": "h264", "width": 160, "height": 90"#;
            let audio = r#""codec_name": "aac", "sample_rate": "44100", "channels": 2"#;
            let rest = if kind == "video" { video } else { audio };
            format!(r#"{{"index": {index}, "codec_type": "{kind}", "time_base": "1/90000", {rest}}}"#)
        };
        let streams = [(0, "audio"), (1, "video"), (2, "audio"), (3, "audio")].map(|(n, kind)| stream(n, kind));
        // Index 3 is in no program: it goes with any.
        let json = format!(
            r#"{{"programs": [{{"streams": [{{"index": 0}}]}}, {{"streams": [{{"index": 1}}, {{"index": 2}}]}}], "streams": [{}]}}"#,
            streams.join(",")
        );
        let info = read(&json).unwrap();
        assert_eq!(info.audio.iter().map(|a| a.index).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(info.left_out[0].to_string(), "stream 0: audio track (aac) of another program");
        let radio = json.replace("video", "data");
        assert_eq!(read(&radio).unwrap().audio.iter().map(|a| a.index).collect::<Vec<_>>(), [0, 3]);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let json = PHONE.replace("\"width\": 1920", "\"width\": 4294967295");
        assert!(matches!(read(&json), Err(ProbeError::Absurd { what: "width", .. })));
    }
}
