//! Init segments: `ftyp` and `moov` (ISO/IEC 23000-19 7.3.1).
//!
//! Built from the encoder's configuration and the plan alone, so that all chunks of a track have
//! the same bytes; `btrt`, creation times and the muxer's name, which differ, aren't written.

use num_rational::Ratio;

use super::{
    AudioEntry, BoxError, SampleEntry, VideoEntry,
    bytes::Cursor,
    encoded::Movie,
    headers::{self, Edit, TrackHeader},
    roll, spatial,
    writer::Writer,
};
use crate::{
    probe::{Hdr10, LightLevel, Mastering},
    spatial::Spatial,
    time::{Rational, Timescale},
};

/// Code points of ISO/IEC 23091-2, for `colr` of type `nclx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// Colour primaries: 1 BT.709, 9 BT.2020.
    pub primaries: u16,
    /// Transfer characteristics: 1 BT.709, 16 PQ, 18 HLG.
    pub transfer: u16,
    /// Matrix coefficients: 1 BT.709, 9 BT.2020.
    pub matrix: u16,
    /// Full range.
    pub full_range: bool,
}

/// Three lower-case letters of ISO 639-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language([u8; 3]);

impl Language {
    /// `und`.
    pub const UNDETERMINED: Language = Language(*b"und");

    /// `None` unless it is three letters a to z.
    pub fn new(letters: &str) -> Option<Self> {
        let letters: [u8; 3] = letters.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_lowercase).then_some(Language(letters))
    }

    /// Three times five bits, `a` is 1 (ISO/IEC 14496-12 8.4.2.3).
    pub(super) fn packed(self) -> u16 {
        self.0.iter().fold(0, |packed, letter| packed << 5 | u16::from(letter - 0x60))
    }

    /// What isn't three letters is undetermined.
    fn unpacked(packed: u16) -> Self {
        let letters = [10, 5, 0].map(|shift| 0x60 + (packed >> shift & 0x1f) as u8);
        let known = letters.iter().all(u8::is_ascii_lowercase);
        if known { Language(letters) } else { Language::UNDETERMINED }
    }
}

/// What the init segment of a video track is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoInit {
    /// Codec, configuration and coded size, from the encoder.
    pub entry: VideoEntry,
    /// Ticks per second.
    pub timescale: Timescale,
    /// `elst.media_time`, ticks: how much later than its decode time a frame may be presented.
    /// 0 writes no edit list.
    pub composition_delay: u32,
    /// Sample (pixel) aspect ratio; positive.
    pub sar: Rational,
    /// `None` writes no `colr`.
    pub colour: Option<Colour>,
    /// `mdcv` and `clli`, where known.
    pub hdr10: Hdr10,
    /// `st3d` and `sv3d`, where known.
    pub spatial: Spatial,
}

/// What the init segment of an audio track is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioInit {
    /// Codec and configuration, from the encoder.
    pub entry: AudioEntry,
    /// Ticks per second; the sampling rate.
    pub timescale: Timescale,
    /// `elst.media_time`, samples: decoded first and thrown away (AAC 1024, Opus its pre-skip).
    pub priming: u32,
    /// Of the sound.
    pub language: Language,
    /// [`AudioCodecConfig::roll_distance`](super::AudioCodecConfig::roll_distance), access units.
    pub roll: Option<i16>,
}

/// What an init segment is built from, and all that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackInit {
    /// Pictures.
    Video(VideoInit),
    /// Sound.
    Audio(AudioInit),
}

impl VideoInit {
    /// Size with square pixels, 16.16 pixels: the coded height, and the width that fits (`tkhd`,
    /// ISO/IEC 14496-12 8.3.2.3).
    pub(super) fn display_size(&self) -> (u32, u32) {
        let (num, den) = (i128::from(*self.sar.numer()), i128::from(*self.sar.denom()));
        let width = (i128::from(self.entry.width) << 16) * num / den.max(1);
        let width = u32::try_from(width).unwrap_or(u32::from(self.entry.width) << 16);
        (width, u32::from(self.entry.height) << 16)
    }
}

impl TrackInit {
    /// Ticks per second.
    pub fn timescale(&self) -> Timescale {
        match self {
            TrackInit::Video(video) => video.timescale,
            TrackInit::Audio(audio) => audio.timescale,
        }
    }

    /// Where the presentation's 0 lies on the media timeline, ticks (`elst.media_time`).
    pub fn media_time(&self) -> u32 {
        match self {
            TrackInit::Video(video) => video.composition_delay,
            TrackInit::Audio(audio) => audio.priming,
        }
    }

    /// Access units of pre-roll; negative.
    pub(super) fn roll(&self) -> Option<i16> {
        match self {
            TrackInit::Video(_) => None,
            TrackInit::Audio(audio) => audio.roll,
        }
    }

    /// Reads back an init segment that [`init_segment`] wrote.
    pub fn parse(init: &[u8]) -> Result<Self, BoxError> {
        let moov = Cursor::new(init, "init segment").one("moov")?;
        let movie = Movie::read(moov)?;
        let media_time = headers::read_edit(movie.trak)?;
        match movie.entry.entry {
            SampleEntry::Video(entry) => Ok(TrackInit::Video(VideoInit {
                entry,
                timescale: movie.timescale,
                composition_delay: media_time,
                sar: aspect(movie.entry.boxes)?,
                colour: colour(movie.entry.boxes)?,
                hdr10: light(movie.entry.boxes)?,
                spatial: spatial::read(movie.entry.boxes)?,
            })),
            SampleEntry::Audio(entry) => Ok(TrackInit::Audio(AudioInit {
                entry,
                timescale: movie.timescale,
                priming: media_time,
                language: Language::unpacked(movie.language),
                roll: roll::read(movie.trak.path(&["mdia", "minf", "stbl"])?)?,
            })),
        }
    }
}

/// `pasp` (12.1.4); square pixels without one.
fn aspect(boxes: Cursor<'_>) -> Result<Rational, BoxError> {
    let Some(mut pasp) = boxes.find("pasp")? else {
        return Ok(Ratio::from_integer(1));
    };
    match (pasp.u32()?, pasp.u32()?) {
        (0, _) | (_, 0) => Err(BoxError::invalid("pasp", "a spacing is 0")),
        (h, v) => Ok(Ratio::new(i64::from(h), i64::from(v))),
    }
}

/// `colr` (12.1.5).
fn colour(boxes: Cursor<'_>) -> Result<Option<Colour>, BoxError> {
    let Some(mut colr) = boxes.find("colr")? else {
        return Ok(None);
    };
    if colr.take(4)? != b"nclx" {
        return Ok(None);
    }
    Ok(Some(Colour {
        primaries: colr.u16()?,
        transfer: colr.u16()?,
        matrix: colr.u16()?,
        full_range: colr.u8()? & 0x80 != 0,
    }))
}

/// `mdcv` and `clli` (12.1.6, 12.1.7): primaries in the order green, blue, red.
fn light(boxes: Cursor<'_>) -> Result<Hdr10, BoxError> {
    let mut hdr10 = Hdr10::default();
    if let Some(mut mdcv) = boxes.find("mdcv")? {
        let [green, blue, red, white] = [(); 4].map(|()| Ok::<_, BoxError>((mdcv.u16()?, mdcv.u16()?)));
        hdr10.mastering = Some(Mastering {
            primaries: [red?, green?, blue?],
            white: white?,
            max_luminance: mdcv.u32()?,
            min_luminance: mdcv.u32()?,
        });
    }
    if let Some(mut clli) = boxes.find("clli")? {
        hdr10.light = Some(LightLevel { content: clli.u16()?, average: clli.u16()? });
    }
    Ok(hdr10)
}

/// The init segment of a track.
pub fn init_segment(init: &TrackInit) -> Vec<u8> {
    let edit = Edit { duration: 0, media_time: i64::from(init.media_time()) };
    let header = TrackHeader {
        id: 1,
        enabled: true,
        alternate_group: 0,
        presentation: 0,
        media: 0,
        edits: Some(edit).filter(|edit| edit.media_time > 0).into_iter().collect(),
    };
    let mut w = Writer::default();
    w.brands(b"ftyp", b"iso6", &[b"iso6", b"cmfc"]);
    w.boxed(b"moov", |w| {
        headers::movie(w, init.timescale().0, 0, 2);
        headers::track(w, init, &header, |w| {
            w.full(b"stts", 0, 0, |w| w.u32(0));
            w.full(b"stsc", 0, 0, |w| w.u32(0));
            w.full(b"stsz", 0, 0, |w| w.zeros(8));
            w.full(b"stco", 0, 0, |w| w.u32(0));
            if let Some(distance) = init.roll() {
                roll::description(w, distance);
            }
        });
        w.boxed(b"mvex", |w| {
            w.full(b"trex", 0, 0, |w| {
                w.u32(1); // track_ID
                w.u32(1); // sample description
                w.zeros(12); // no default duration, size, flags: fragments say them
            });
        });
    });
    w.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cmaf::{AudioCodecConfig, VideoCodecConfig},
        spatial::{Eyes, Projection, Sphere},
    };

    fn video() -> VideoInit {
        VideoInit {
            entry: VideoEntry { config: VideoCodecConfig::Av1(vec![0x81, 4, 0x0c, 0]), width: 720, height: 576 },
            timescale: Timescale(25_000),
            composition_delay: 2000,
            sar: Ratio::new(16, 11),
            colour: Some(Colour { primaries: 9, transfer: 16, matrix: 9, full_range: true }),
            hdr10: Hdr10 {
                mastering: Some(Mastering {
                    primaries: [(34_000, 16_000), (13_250, 34_500), (7500, 3000)],
                    white: (15_635, 16_450),
                    max_luminance: 10_000_000,
                    min_luminance: 1,
                }),
                light: Some(LightLevel { content: 1000, average: 400 }),
            },
            spatial: Spatial {
                eyes: Some(Eyes::TopBottom),
                sphere: Some(Sphere {
                    yaw: -65536,
                    pitch: 3,
                    roll: 7 << 16,
                    projection: Projection::Equirectangular([0, 0, 1 << 30, 1 << 30]),
                }),
                more: false,
            },
        }
    }

    #[test]
    fn an_init_segment_says_what_it_was_built_from() {
        let audio = AudioInit {
            entry: AudioEntry {
                config: AudioCodecConfig::Opus(vec![0, 6, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0]),
                channels: 6,
                sample_rate: 48_000,
                channel_layout: Some(vec![0, 0, 0, 0, 1, 6]),
            },
            timescale: Timescale(48_000),
            priming: 312,
            language: Language::new("deu").unwrap(),
            roll: Some(-4),
        };
        let plain = VideoInit {
            composition_delay: 0,
            colour: None,
            hdr10: Hdr10::default(),
            spatial: Spatial::default(),
            ..video()
        };
        let sphere = Sphere { yaw: 0, pitch: 0, roll: 0, projection: Projection::Cubemap(0) };
        let faces = VideoInit { spatial: Spatial { eyes: None, sphere: Some(sphere), more: false }, ..video() };
        for init in
            [TrackInit::Video(video()), TrackInit::Audio(audio), TrackInit::Video(plain), TrackInit::Video(faces)]
        {
            assert_eq!(TrackInit::parse(&init_segment(&init)), Ok(init));
        }
    }

    #[test]
    fn wide_pixels_widen_the_display_only() {
        let exact = (720_u64 << 16) * 16 / 11;
        assert_eq!(video().display_size(), (exact as u32, 576 << 16));
    }

    #[test]
    fn languages_are_three_letters() {
        for wrong in ["", "en", "EN", "engl", "e-n"] {
            assert_eq!(Language::new(wrong), None, "{wrong}");
        }
        assert_eq!(Language::unpacked(0), Language::UNDETERMINED);
    }

    #[test]
    fn cut_off_anywhere_is_an_error() {
        let init = init_segment(&TrackInit::Video(video()));
        for end in 0..init.len() {
            assert!(TrackInit::parse(&init[..end]).is_err(), "{end}");
        }
    }
}
