//! The ladder: which renditions, and how large each picture is.
//!
//! A rung is a box (1080p is 1920x1080, turned for portrait); a source's class is the smallest box
//! that holds its display size. The top rung keeps the source's own even size; nothing is upscaled.

use num_rational::Ratio;
use serde::{Deserialize, Serialize};
use transcode_api::{Box2, Crop, DynamicRange};

use crate::{codec::VideoCodec, probe::VideoStream, time::Rational, track::VideoRange};

/// Standard rungs, smallest first: the class and its 16:9 box.
pub const RUNGS: [(&str, Box2); 9] = [
    ("144p", Box2 { width: 256, height: 144 }),
    ("240p", Box2 { width: 426, height: 240 }),
    ("360p", Box2 { width: 640, height: 360 }),
    ("480p", Box2 { width: 854, height: 480 }),
    ("720p", Box2 { width: 1280, height: 720 }),
    ("1080p", Box2 { width: 1920, height: 1080 }),
    ("1440p", Box2 { width: 2560, height: 1440 }),
    ("2160p", Box2 { width: 3840, height: 2160 }),
    ("4320p", Box2 { width: 7680, height: 4320 }),
];

/// Rungs below the top one that a derived ladder has.
const DERIVED: [&str; 5] = ["480p", "720p", "1080p", "1440p", "2160p"];

/// What is asked for: one rung of an explicit list, with nothing left open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rung {
    /// Unique name.
    pub name: String,
    /// The picture fits in it; `None`: the box that the name implies.
    pub within: Option<Box2>,
    /// How it is encoded.
    pub codec: VideoCodec,
    /// What of a high dynamic range is kept; `None`: all of it where the codec has 10 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_range: Option<DynamicRange>,
}

/// One rendition with its picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendition {
    /// Unique name.
    pub name: String,
    /// Coded picture, pixels, even.
    pub width: u32,
    /// Coded picture, pixels, even.
    pub height: u32,
    /// Sample aspect ratio that keeps the display aspect ratio exact.
    pub sar: Rational,
    /// How it is encoded.
    pub codec: VideoCodec,
    /// Dynamic range.
    #[serde(default)]
    pub range: VideoRange,
}

/// The ladder and what a person should know about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ladder {
    /// In the order of the list, or top rung first.
    pub renditions: Vec<Rendition>,
    /// Rungs that were changed or left out, a sentence each.
    pub notes: Vec<String>,
}

/// A picture: coded size upright, and the shape of its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Picture {
    width: u32,
    height: u32,
    sar: Rational,
}

impl Picture {
    /// Upright, its rotation applied, its edges cut off.
    fn of(video: &VideoStream, crop: Option<Crop>) -> Self {
        let turned = video.rotation % 180 == 90;
        let (width, height, sar) = match turned {
            false => (video.width, video.height, video.sar),
            true => (video.height, video.width, video.sar.recip()),
        };
        let crop = crop.unwrap_or_default();
        Picture {
            width: width.saturating_sub(crop.left + crop.right).max(2),
            height: height.saturating_sub(crop.top + crop.bottom).max(2),
            sar,
        }
    }

    /// Size in square pixels; the larger of the two ways to square them, so that no detail is lost.
    fn display(self) -> (Rational, Rational) {
        let (w, h) = (Ratio::from_integer(i64::from(self.width)), Ratio::from_integer(i64::from(self.height)));
        if self.sar >= Ratio::from_integer(1) { (w * self.sar, h) } else { (w, h / self.sar) }
    }

    fn is_portrait(self) -> bool {
        let (width, height) = self.display();
        height > width
    }

    fn aspect(self) -> Rational {
        Ratio::new(i64::from(self.width), i64::from(self.height)) * self.sar
    }

    /// Its own size, made even; the pixel shape makes up for what that takes away.
    fn even(self) -> Self {
        self.resized(even_down(self.width), even_down(self.height))
    }

    fn resized(self, width: u32, height: u32) -> Self {
        Picture { width, height, sar: self.aspect() * Ratio::new(i64::from(height), i64::from(width)) }
    }

    /// The largest even picture in the box with this aspect ratio; `None` when its own size already
    /// fits, because then nothing is scaled.
    fn fitted(self, within: Box2) -> Option<Self> {
        let (width, height) = self.display();
        let scale = Ratio::new(i64::from(within.width), 1) / width;
        let scale = scale.min(Ratio::new(i64::from(within.height), 1) / height);
        (scale < Ratio::from_integer(1)).then(|| self.resized(even(width * scale), even(height * scale)))
    }
}

fn even_down(size: u32) -> u32 {
    (size & !1).max(2)
}

/// The nearest even number, at least 2.
fn even(size: Rational) -> u32 {
    ((size / 2).round().to_integer() * 2).max(2) as u32
}

/// The box, turned when the picture is upright.
fn turned(within: Box2, portrait: bool) -> Box2 {
    if portrait { Box2 { width: within.height, height: within.width } } else { within }
}

/// What a rendition keeps of the source's dynamic range: a codec with 8 bits has no room for a high one.
fn range(video: &VideoStream, codec: &VideoCodec, wanted: Option<DynamicRange>) -> VideoRange {
    let room = codec.bit_depth(video.bit_depth) > 8 && wanted != Some(DynamicRange::Standard);
    match video.colour.transfer.as_deref() {
        Some("smpte2084") if room => VideoRange::Pq,
        Some("arib-std-b67") if room => VideoRange::Hlg,
        _ => VideoRange::Sdr,
    }
}

/// Size of the upright picture without its edges, pixels; `None` when nothing is left of it.
pub fn cropped(video: &VideoStream, crop: Crop) -> Option<(u32, u32)> {
    let Picture { width, height, .. } = Picture::of(video, None);
    let left = |size: u32, cut: u32| size.checked_sub(cut).filter(|left| *left >= 2);
    left(width, crop.left + crop.right).zip(left(height, crop.top + crop.bottom))
}

/// What a spec says of the ladder.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// An explicit list; `None` derives one.
    pub rungs: Option<&'a [Rung]>,
    /// Codec of derived rungs.
    pub codec: &'a VideoCodec,
    /// Dynamic range of derived rungs.
    pub dynamic_range: Option<DynamicRange>,
    /// Edges that are cut off.
    pub crop: Option<Crop>,
}

/// The ladder of a source.
pub fn ladder(video: &VideoStream, wanted: &Wanted<'_>) -> Ladder {
    match wanted.rungs {
        None => derived(video, wanted),
        Some(rungs) => listed(video, wanted.crop, rungs),
    }
}

fn derived(video: &VideoStream, wanted: &Wanted<'_>) -> Ladder {
    let picture = Picture::of(video, wanted.crop);
    let portrait = picture.is_portrait();
    let holds = |within: Box2| picture.fitted(turned(within, portrait)).is_none();
    let class = RUNGS.iter().position(|(_, within)| holds(*within)).unwrap_or(RUNGS.len() - 1);
    let mut ladder = Ladder::default();
    for (place, (name, within)) in RUNGS.iter().enumerate().take(class + 1).rev() {
        let own = place == class;
        if !own && !DERIVED.contains(name) {
            continue;
        }
        let fitted = picture.fitted(turned(*within, portrait)).filter(|_| !own).unwrap_or(picture.even());
        let range = range(video, wanted.codec, wanted.dynamic_range);
        ladder.renditions.push(rendition(name, fitted, wanted.codec, range));
    }
    ladder
}

fn listed(video: &VideoStream, crop: Option<Crop>, rungs: &[Rung]) -> Ladder {
    let picture = Picture::of(video, crop);
    let portrait = picture.is_portrait();
    let mut ladder = Ladder::default();
    for rung in rungs {
        let named = RUNGS.iter().find(|(name, _)| *name == rung.name).map(|(_, within)| turned(*within, portrait));
        let fitted = rung.within.or(named).and_then(|within| picture.fitted(within));
        let range = range(video, &rung.codec, rung.dynamic_range);
        let made = rendition(&rung.name, fitted.unwrap_or(picture.even()), &rung.codec, range);
        let alike = |r: &&Rendition| Rendition { name: made.name.clone(), ..(*r).clone() } == made;
        if let Some(same) = ladder.renditions.iter().find(alike) {
            let (first, w, h) = (same.name.clone(), made.width, made.height);
            ladder.notes.push(format!(
                "{} is left out: it would be the same {w}x{h} picture as {first}, because nothing is upscaled",
                rung.name
            ));
            continue;
        }
        ladder.renditions.push(made);
    }
    ladder
}

fn rendition(name: &str, picture: Picture, codec: &VideoCodec, range: VideoRange) -> Rendition {
    Rendition {
        name: name.into(),
        width: picture.width,
        height: picture.height,
        sar: picture.sar,
        codec: codec.clone(),
        range,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transcode_api::X26xPreset;

    use super::*;
    use crate::{
        probe::{Colour, FrameTimes, Hdr10},
        rate::Rate,
        time::Timebase,
    };

    const CODEC: VideoCodec = VideoCodec::H264 { rate: Rate::Crf(23), preset: X26xPreset::Medium };

    fn source(width: u32, height: u32, sar: (i64, i64), rotation: u16) -> VideoStream {
        VideoStream {
            index: 0,
            codec: "h264".into(),
            width,
            height,
            container_crop: None,
            sar: Ratio::new(sar.0, sar.1),
            mirrored: false,
            rotation,
            timebase: Timebase { num: 1, den: 1000 },
            frame_rate: Ratio::from_integer(25),
            pixel_format: "yuv420p".into(),
            alpha: false,
            bit_depth: 8,
            colour: Colour::default(),
            interlaced: false,
            closed_captions: false,
            reordered: false,
            times: FrameTimes::Presentation,
            hdr10: Hdr10::default(),
            other_hdr: None,
            spatial: Default::default(),
            shown: None,
        }
    }

    const DERIVE: Wanted<'_> = Wanted { rungs: None, codec: &CODEC, dynamic_range: None, crop: None };

    fn sizes(video: &VideoStream) -> Vec<String> {
        let made = ladder(video, &DERIVE);
        made.renditions.iter().map(|r| format!("{} {}x{} {}", r.name, r.width, r.height, r.sar)).collect()
    }

    #[test]
    fn derived_ladders() {
        let table: [(VideoStream, &[&str]); 9] = [
            (
                source(3840, 2160, (1, 1), 0),
                &[
                    "2160p 3840x2160 1",
                    "1440p 2560x1440 1",
                    "1080p 1920x1080 1",
                    "720p 1280x720 1",
                    "480p 854x480 1280/1281",
                ],
            ),
            (source(1920, 1080, (1, 1), 0), &["1080p 1920x1080 1", "720p 1280x720 1", "480p 854x480 1280/1281"]),
            (source(1920, 800, (1, 1), 0), &["1080p 1920x800 1", "720p 1280x534 801/800", "480p 854x356 2136/2135"]),
            (source(1080, 1920, (1, 1), 0), &["1080p 1080x1920 1", "720p 720x1280 1", "480p 480x854 1281/1280"]),
            (source(1920, 1080, (1, 1), 90), &["1080p 1080x1920 1", "720p 720x1280 1", "480p 480x854 1281/1280"]),
            (source(720, 576, (16, 15), 0), &["720p 720x576 16/15", "480p 640x480 1"]),
            (source(640, 360, (1, 1), 0), &["360p 640x360 1"]),
            (source(101, 75, (1, 1), 0), &["144p 100x74 7474/7500"]),
            (source(1280, 720, (1, 1), 0), &["720p 1280x720 1", "480p 854x480 1280/1281"]),
        ];
        for (video, expected) in table {
            let expected: Vec<String> = expected.iter().map(|s| s.replace("7474/7500", "3737/3750")).collect();
            assert_eq!(sizes(&video), expected, "{}x{}", video.width, video.height);
        }
    }

    #[test]
    fn a_listed_rung_is_never_upscaled_and_doubles_are_named() {
        let rung = |name: &str, within| Rung { name: name.into(), within, codec: CODEC, dynamic_range: None };
        let rungs = [rung("1080p", None), rung("720p", None), rung("square", Some(Box2 { width: 300, height: 300 }))];
        let made = ladder(&source(1280, 720, (1, 1), 0), &Wanted { rungs: Some(&rungs), ..DERIVE });
        let names: Vec<_> = made.renditions.iter().map(|r| (r.name.as_str(), r.width, r.height)).collect();
        assert_eq!(names, [("1080p", 1280, 720), ("square", 300, 168)]);
        assert!(made.notes[0].starts_with("720p is left out"), "{:?}", made.notes);
    }

    #[test]
    fn a_high_dynamic_range_is_kept_where_there_is_room() {
        let hevc = |bit_depth| VideoCodec::Hevc { rate: Rate::Crf(26), preset: X26xPreset::Medium, bit_depth };
        let mut film = source(1280, 720, (1, 1), 0);
        (film.bit_depth, film.colour.transfer) = (10, Some("smpte2084".into()));
        assert_eq!(range(&film, &hevc(None), None), VideoRange::Pq);
        assert_eq!(range(&film, &hevc(None), Some(DynamicRange::Standard)), VideoRange::Sdr);
        assert_eq!(range(&film, &hevc(Some(8)), None), VideoRange::Sdr);
        assert_eq!(range(&film, &CODEC, None), VideoRange::Sdr);
        film.colour.transfer = Some("bt709".into());
        assert_eq!(range(&film, &hevc(None), None), VideoRange::Sdr);
    }

    #[test]
    fn edges_are_cut_off_the_upright_picture() {
        let crop = Crop { left: 100, top: 20, ..Crop::default() };
        let made = ladder(&source(720, 1280, (1, 1), 90), &Wanted { crop: Some(crop), ..DERIVE });
        assert_eq!((made.renditions[0].width, made.renditions[0].height), (1180, 700));
        assert_eq!(cropped(&source(100, 100, (1, 1), 0), Crop { right: 100, ..crop }), None);
    }

    proptest! {
        #[test]
        fn pictures_are_even_never_larger_and_keep_their_aspect(
            width in 2_u32..8000, height in 2_u32..8000, sn in 1_i64..64, sd in 1_i64..64, turn in 0_u16..4,
        ) {
            prop_assume!(sn * 8 > sd && sd * 8 > sn);
            let video = source(width, height, (sn, sd), turn * 90);
            let upright = Picture::of(&video, None);
            let made = ladder(&video, &DERIVE).renditions;
            prop_assert!(!made.is_empty());
            for r in &made {
                prop_assert!(r.width % 2 == 0 && r.height % 2 == 0);
                let aspect = Ratio::new(i64::from(r.width), i64::from(r.height)) * r.sar;
                prop_assert_eq!(aspect, upright.aspect());
            }
            prop_assert_eq!((made[0].width, made[0].height), (even_down(upright.width), even_down(upright.height)));
        }
    }
}
