//! A minimal reader of HLS playlists (RFC 8216bis): which files, how long, which bytes.

use std::collections::BTreeMap;

use super::InspectError;
use crate::time::MediaTime;

/// One of the two kinds of playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HlsFacts {
    /// Names playlists.
    Master(MasterFacts),
    /// Names segments.
    Media(MediaFacts),
}

/// A multivariant playlist. URIs are as written, relative to the playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MasterFacts {
    /// `EXT-X-VERSION`.
    pub version: u32,
    /// `EXT-X-STREAM-INF`.
    pub variants: Vec<VariantFacts>,
    /// `EXT-X-I-FRAME-STREAM-INF`.
    pub iframes: Vec<VariantFacts>,
    /// `EXT-X-MEDIA`.
    pub renditions: Vec<RenditionFacts>,
}

/// A variant, or an I-frame variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantFacts {
    /// Its playlist.
    pub uri: String,
    /// bit/s.
    pub bandwidth: u64,
    /// RFC 6381 texts.
    pub codecs: Vec<String>,
    /// Width and height, pixels.
    pub resolution: Option<(u32, u32)>,
    /// Group of its sound.
    pub audio: Option<String>,
}

/// An alternative rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenditionFacts {
    /// `GROUP-ID`.
    pub group: String,
    /// `NAME`.
    pub name: String,
    /// Its playlist; without one it is in the variant's.
    pub uri: Option<String>,
}

/// A media or I-frame playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaFacts {
    /// `EXT-X-VERSION`.
    pub version: u32,
    /// Seconds.
    pub target_duration: u64,
    /// Number of the first segment.
    pub media_sequence: u64,
    /// The init segment.
    pub map: Option<String>,
    /// Names key frames only.
    pub iframes_only: bool,
    /// There will be no more segments.
    pub ended: bool,
    /// In order.
    pub segments: Vec<HlsSegment>,
}

/// A segment of a media playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HlsSegment {
    /// As written, relative to the playlist.
    pub uri: String,
    /// `EXTINF`, exact.
    pub duration: MediaTime,
    /// Offset and length, bytes; `None` is the whole file.
    pub range: Option<(u64, u64)>,
    /// Is not there, and must not be fetched.
    pub gap: bool,
}

impl MediaFacts {
    /// Sum of all segments and gaps.
    pub fn duration(&self) -> MediaTime {
        self.segments.iter().map(|segment| segment.duration).sum()
    }
}

/// A day of 1 s segments has 86,400; beyond this the sum of durations could overflow.
const SEGMENT_LIMIT: usize = 500_000;

/// Reads a playlist of either kind.
pub fn playlist_hls(text: &str) -> Result<HlsFacts, InspectError> {
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        let problem = |why: String| InspectError::Text { line: at + 1, why };
        match line.trim_end() {
            line if at == 0 && line != "#EXTM3U" => {
                return Err(problem("a playlist starts with #EXTM3U".to_owned()));
            }
            "" => {}
            line => reader.line(line).map_err(problem)?,
        }
    }
    reader.finish().map_err(|why| InspectError::Text { line: text.lines().count(), why })
}

#[derive(Default)]
struct Reader {
    version: u32,
    master: MasterFacts,
    media: MediaFacts,
    is_media: bool,
    /// What stands before the next URI.
    variant: Option<VariantFacts>,
    duration: Option<MediaTime>,
    range: Option<(u64, u64)>,
    gap: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let Some(tag) = line.strip_prefix("#EXT") else {
            return if line.starts_with('#') { Ok(()) } else { self.uri(line) };
        };
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        match name {
            "-X-VERSION" => self.version = number(value)?,
            "-X-TARGETDURATION" => {
                self.is_media = true;
                self.media.target_duration = number(value)?;
            }
            "-X-MEDIA-SEQUENCE" => self.media.media_sequence = number(value)?,
            "-X-I-FRAMES-ONLY" => self.media.iframes_only = true,
            "-X-ENDLIST" => self.media.ended = true,
            "-X-GAP" => self.gap = true,
            "-X-BYTERANGE" => self.range = Some(byte_range(value)?),
            "INF" => self.duration = Some(seconds(value.split(',').next().unwrap_or(value))?),
            "-X-MAP" => self.media.map = Some(attributes(value)?.text("URI")?),
            "-X-STREAM-INF" => self.variant = Some(variant(&attributes(value)?, String::new())?),
            "-X-I-FRAME-STREAM-INF" => {
                let attributes = attributes(value)?;
                let uri = attributes.text("URI")?;
                self.master.iframes.push(variant(&attributes, uri)?);
            }
            "-X-MEDIA" => {
                let attributes = attributes(value)?;
                self.master.renditions.push(RenditionFacts {
                    group: attributes.text("GROUP-ID")?,
                    name: attributes.text("NAME")?,
                    uri: attributes.maybe("URI"),
                });
            }
            "-X-DISCONTINUITY" | "-X-KEY" => return Err(format!("#EXT{name} is not expected")),
            _ => {}
        }
        Ok(())
    }

    fn uri(&mut self, uri: &str) -> Result<(), String> {
        if self.media.segments.len() >= SEGMENT_LIMIT {
            return Err(format!("there are more than {SEGMENT_LIMIT} segments"));
        }
        match (self.variant.take(), self.duration.take()) {
            (Some(variant), None) => {
                self.master.variants.push(VariantFacts { uri: uri.to_owned(), ..variant });
            }
            (None, Some(duration)) => self.media.segments.push(HlsSegment {
                uri: uri.to_owned(),
                duration,
                range: self.range.take(),
                gap: std::mem::take(&mut self.gap),
            }),
            _ => return Err("a URI needs #EXTINF or #EXT-X-STREAM-INF before it".to_owned()),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<HlsFacts, String> {
        if self.variant.is_some() || self.duration.is_some() {
            return Err("the last tag has no URI after it".to_owned());
        }
        let is_master = !(self.master.variants.is_empty() && self.master.renditions.is_empty());
        (self.master.version, self.media.version) = (self.version, self.version);
        match (self.is_media, is_master) {
            (true, false) => Ok(HlsFacts::Media(self.media)),
            (false, true) => Ok(HlsFacts::Master(self.master)),
            _ => Err("neither a media nor a multivariant playlist".to_owned()),
        }
    }
}

fn variant(attributes: &Attributes, uri: String) -> Result<VariantFacts, String> {
    let codecs = attributes.maybe("CODECS").unwrap_or_default();
    let resolution = attributes.maybe("RESOLUTION").map(|size| {
        let (width, height) = size.split_once('x').ok_or("RESOLUTION is not <width>x<height>")?;
        Ok::<_, String>((number(width)?, number(height)?))
    });
    Ok(VariantFacts {
        uri,
        bandwidth: number(&attributes.text("BANDWIDTH")?)?,
        codecs: codecs.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect(),
        resolution: resolution.transpose()?,
        audio: attributes.maybe("AUDIO"),
    })
}

/// An attribute list (4.2).
struct Attributes(BTreeMap<String, String>);

impl Attributes {
    fn maybe(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn text(&self, name: &str) -> Result<String, String> {
        self.maybe(name).ok_or_else(|| format!("the attribute {name} is missing"))
    }
}

fn attributes(mut list: &str) -> Result<Attributes, String> {
    let mut attributes = BTreeMap::new();
    while !list.is_empty() {
        let (name, rest) = list.split_once('=').ok_or("an attribute has no `=`")?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(rest) => {
                let (value, rest) = rest.split_once('"').ok_or("a quoted string has no end")?;
                match rest.strip_prefix(',') {
                    Some(rest) => (value, rest),
                    None if rest.is_empty() => (value, rest),
                    None => return Err(format!("`{rest}` after a quoted string")),
                }
            }
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        if attributes.insert(name.trim().to_owned(), value.to_owned()).is_some() {
            return Err(format!("the attribute {name} stands twice"));
        }
        list = rest;
    }
    Ok(Attributes(attributes))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number in range"))
}

/// `length@offset`; an offset must be given, since this system always does.
fn byte_range(text: &str) -> Result<(u64, u64), String> {
    let (length, offset) = text.split_once('@').ok_or("a byte range without an offset")?;
    Ok((number(offset)?, number(length)?))
}

/// A decimal of at most six places, exact. Seven digits before the point are 115 days.
pub(super) fn seconds(text: &str) -> Result<MediaTime, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 7 || fraction.len() > 6 {
        return Err(format!("`{text}` is not a duration in seconds"));
    }
    let scale = 10_i64.pow(fraction.len() as u32);
    Ok(MediaTime::new(number::<i64>(whole)? * scale + number::<i64>(fraction)?, scale))
}
