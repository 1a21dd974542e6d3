//! What an init segment says of its track (`ftyp`, `moov`; ISO/IEC 23000-19 7.3.1).

use num_rational::Ratio;

use super::{
    InspectError,
    boxes::{Bytes, Children},
    roll, sample_entry,
};
use crate::{
    level::Conformance,
    time::{Rational, Timescale},
};

/// What an init segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitFacts {
    /// `tkhd.track_ID`.
    pub track_id: u32,
    /// `mdhd.timescale`.
    pub timescale: Timescale,
    /// RFC 6381 text, derived from the configuration record: `avc1.64001f`.
    pub codec: String,
    /// Where presentation time 0 lies on the media timeline, ticks (`elst`, ISO/IEC 14496-12 8.6.6);
    /// 0 without an edit list, negative when an empty edit delays the track.
    pub edit_media_time: i64,
    /// BCP 47 from `elng` when there is one, else the three letters of `mdhd`.
    pub language: String,
    /// What kind of track.
    pub kind: MediaKind,
    /// Bytes of each NAL unit's length field; `None` for codecs without NAL units.
    pub nal_length_size: Option<u8>,
    /// The parameter sets carry the encoder's name and settings: they would differ between builds
    /// and thread counts.
    pub has_encoder_banner: bool,
    /// Pre-rolls that sample groups describe, access units (`roll` in `sgpd`, ISO/IEC 14496-12 10.1); negative.
    pub rolls: Vec<i16>,
    /// `trex`: what a fragment's samples are unless it says otherwise. Zero in a progressive file.
    pub(super) defaults: Defaults,
}

/// What differs by the kind of track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaKind {
    /// Pictures.
    Video {
        /// Coded width of the sample entry, pixels.
        width: u32,
        /// Coded height of the sample entry, pixels.
        height: u32,
        /// Sample aspect ratio (`pasp`); 1 when absent.
        sar: Rational,
        /// `colr` of type `nclx`.
        colour: Option<Colour>,
        /// Profile, tier and level, of the parameter sets too where the codec has them.
        conformance: Conformance,
        /// HDR10 metadata.
        light: LightBoxes,
        /// How it is projected.
        spatial: SpatialBoxes,
    },
    /// Sound.
    Audio {
        /// Channels after decoding.
        channels: u32,
        /// Hz after decoding.
        sample_rate: u32,
        /// `ES_ID`, where there is an `esds`.
        stream_id: Option<u16>,
    },
}

/// Bodies of the boxes of HDR10 (ISO/IEC 14496-12 12.1.6 and 12.1.7).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LightBoxes {
    /// `mdcv`: colour volume of the mastering display.
    pub mastering_display: Option<Vec<u8>>,
    /// `clli`: content light level.
    pub content_light_level: Option<Vec<u8>>,
}

/// Bodies of the boxes of Spherical Video V2.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpatialBoxes {
    /// `st3d`: where the pictures of two eyes lie.
    pub stereo: Option<Vec<u8>>,
    /// `proj` of `sv3d`: the sphere.
    pub projection: Option<Vec<u8>>,
}

/// ISO/IEC 23091-2 code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// Colour primaries: 1 BT.709, 9 BT.2020.
    pub primaries: u16,
    /// Transfer characteristics: 1 BT.709, 16 PQ, 18 HLG.
    pub transfer: u16,
    /// Matrix coefficients.
    pub matrix: u16,
    /// Full range.
    pub full_range: bool,
}

/// `trex` (ISO/IEC 14496-12 8.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Defaults {
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

/// Reads an init segment: one track, with `mvex`, without samples.
pub fn inspect_init(data: &[u8]) -> Result<InitFacts, InspectError> {
    let file = Children::of(data)?;
    file.one("ftyp")?;
    if let Some(mdat) = file.all("mdat").next() {
        let size = mdat.body.len() as u64 + 8;
        return Err(InspectError::Unexpected { kind: "mdat".to_owned(), at: mdat.at, size });
    }
    let moov = file.inside("moov")?;
    let movie_timescale = movie_header(moov.one("mvhd")?)?.0;
    let mut facts = track(moov.one("trak")?, movie_timescale)?;
    facts.defaults = track_defaults(moov.inside("mvex")?.one("trex")?, facts.track_id)?;
    Ok(facts)
}

/// Timescale and duration of `mvhd` (8.2.2).
pub(super) fn movie_header(body: &[u8]) -> Result<(Timescale, u64), InspectError> {
    let mut bytes = Bytes::new(body, "mvhd");
    let wide = bytes.version_flags()?.0 == 1;
    bytes.take(if wide { 16 } else { 8 })?;
    let timescale = bytes.u32()?;
    let duration = bytes.sized(wide)?;
    match timescale {
        0 => Err(InspectError::invalid("mvhd", "the timescale is 0")),
        _ => Ok((Timescale(timescale), duration)),
    }
}

/// All of a `trak` but its sample tables.
pub(super) fn track(body: &[u8], movie_timescale: Timescale) -> Result<InitFacts, InspectError> {
    let trak = Children::of(body)?;
    let mdia = trak.inside("mdia")?;
    let (timescale, language) = media_header(mdia.one("mdhd")?)?;
    let language = match mdia.maybe("elng")? {
        Some(body) => extended_language(body)?,
        None => language,
    };
    let edit_media_time = match trak.maybe("edts")? {
        Some(body) => edit(&Children::of(body)?, timescale, movie_timescale)?,
        None => 0,
    };
    let stbl = mdia.inside("minf")?.inside("stbl")?;
    let entry = sample_entry::read(stbl.one("stsd")?)?;
    Ok(InitFacts {
        track_id: track_id(trak.one("tkhd")?)?,
        timescale,
        codec: entry.codec,
        edit_media_time,
        language,
        kind: entry.kind,
        nal_length_size: entry.nal_length_size,
        has_encoder_banner: entry.has_encoder_banner,
        rolls: roll::descriptions(&stbl)?,
        defaults: Defaults::default(),
    })
}

fn track_id(body: &[u8]) -> Result<u32, InspectError> {
    let mut bytes = Bytes::new(body, "tkhd");
    let wide = bytes.version_flags()?.0 == 1;
    bytes.take(if wide { 16 } else { 8 })?;
    bytes.u32()
}

/// `mdhd` (8.4.2): timescale and the packed language.
fn media_header(body: &[u8]) -> Result<(Timescale, String), InspectError> {
    let mut bytes = Bytes::new(body, "mdhd");
    let wide = bytes.version_flags()?.0 == 1;
    bytes.take(if wide { 16 } else { 8 })?;
    let timescale = bytes.u32()?;
    bytes.sized(wide)?;
    let packed = bytes.u16()?;
    if timescale == 0 {
        return Err(InspectError::invalid("mdhd", "the timescale is 0"));
    }
    let letters = [10, 5, 0].map(|shift| char::from(0x60 + ((packed >> shift) & 0x1f) as u8));
    Ok((Timescale(timescale), letters.iter().collect()))
}

/// `elng` (8.4.6): BCP 47, null-terminated.
fn extended_language(body: &[u8]) -> Result<String, InspectError> {
    let mut bytes = Bytes::new(body, "elng");
    bytes.version_flags()?;
    let text = bytes.take(bytes.remaining())?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    match text.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-') && !text.is_empty() {
        true => Ok(text.iter().copied().map(char::from).collect()),
        false => Err(InspectError::invalid("elng", "not a BCP 47 tag")),
    }
}

/// `elst`: one edit at normal rate, with at most one empty edit before it. More than that is
/// nothing that this system writes.
fn edit(edts: &Children, timescale: Timescale, movie_timescale: Timescale) -> Result<i64, InspectError> {
    let Some(body) = edts.maybe("elst")? else {
        return Ok(0);
    };
    let invalid = |why: &str| InspectError::invalid("elst", why);
    let mut bytes = Bytes::new(body, "elst");
    let wide = bytes.version_flags()?.0 == 1;
    let count = bytes.count(if wide { 20 } else { 12 })?;
    let (mut delay, mut start) = (0_u64, None);
    for _ in 0..count {
        let duration = bytes.sized(wide)?;
        let time = if wide { bytes.u64()?.cast_signed() } else { i64::from(bytes.i32()?) };
        if bytes.u32()? != 0x0001_0000 {
            return Err(invalid("an edit does not play at rate 1"));
        }
        match (time, start) {
            (-1, None) if delay == 0 => delay = duration,
            (0.., None) => start = Some(time),
            _ => return Err(invalid("more than one edit, or an empty one after it")),
        }
    }
    // In movie ticks; must come out even in media ticks, or the shift can't be said exactly.
    let delay = u128::from(delay) * u128::from(timescale.0);
    if !delay.is_multiple_of(u128::from(movie_timescale.0)) {
        return Err(invalid("an empty edit is no whole number of media ticks"));
    }
    let delay = i64::try_from(delay / u128::from(movie_timescale.0));
    let delay = delay.map_err(|_| invalid("an empty edit is too long"))?;
    start.unwrap_or(0).checked_sub(delay).ok_or_else(|| invalid("times overflow"))
}

fn track_defaults(body: &[u8], track_id: u32) -> Result<Defaults, InspectError> {
    let mut bytes = Bytes::new(body, "trex");
    bytes.version_flags()?;
    if bytes.u32()? != track_id {
        return Err(InspectError::invalid("trex", "is about another track"));
    }
    bytes.u32()?;
    Ok(Defaults { duration: bytes.u32()?, size: bytes.u32()?, flags: bytes.u32()? })
}

impl MediaKind {
    /// Whether it is pictures.
    pub fn is_video(&self) -> bool {
        matches!(self, MediaKind::Video { .. })
    }
}

/// `pasp` (12.1.4).
pub(super) fn aspect(body: &[u8]) -> Result<Rational, InspectError> {
    let mut bytes = Bytes::new(body, "pasp");
    match (bytes.u32()?, bytes.u32()?) {
        (0, _) | (_, 0) => Err(InspectError::invalid("pasp", "a spacing is 0")),
        (h, v) => Ok(Ratio::new(i64::from(h), i64::from(v))),
    }
}
