//! A minimal reader of static MPDs (ISO/IEC 23009-1): which files, how long, from when.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{InspectError, hls::seconds};
use crate::time::{MediaTime, Timescale};

/// What an MPD says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MpdFacts {
    /// `mediaPresentationDuration`.
    pub duration: MediaTime,
    /// One per period and `Representation`, in order.
    pub representations: Vec<RepresentationFacts>,
}

/// A `Representation` in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepresentationFacts {
    /// `@id`.
    pub id: String,
    /// RFC 6381 text.
    pub codecs: String,
    /// bit/s.
    pub bandwidth: u64,
    /// `Period@start`.
    pub period_start: MediaTime,
    /// Ticks per second of the times below.
    pub timescale: Timescale,
    /// Media time at the period's start, ticks.
    pub presentation_time_offset: u64,
    /// URI of the init segment as written, relative to the MPD.
    pub initialization: String,
    /// In order.
    pub segments: Vec<MpdSegment>,
}

/// A segment of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MpdSegment {
    /// `$Number$`.
    pub number: u64,
    /// As expanded from the template, relative to the MPD.
    pub uri: String,
    /// `S@t`, ticks.
    pub start: u64,
    /// `S@d`, ticks.
    pub duration: u64,
}

/// All segments of an MPD together. A day of 4 s segments in 10 tracks has 216,000.
const SEGMENT_LIMIT: usize = 250_000;
/// Of a template, bytes; with the limit above, all URIs take at most 256 MiB.
const URI_LIMIT: usize = 1024;

/// Reads a static MPD whose representations have a `SegmentTemplate` with `$Number$` and a
/// `SegmentTimeline` each: what this system writes.
pub fn mpd(text: &str) -> Result<MpdFacts, InspectError> {
    let mut xml = Reader::from_str(text);
    xml.config_mut().check_end_names = true;
    let mut state = State::default();
    loop {
        let event = xml.read_event();
        let line = || {
            let read = usize::try_from(xml.buffer_position()).unwrap_or(0).min(text.len());
            text.as_bytes()[..read].iter().filter(|byte| **byte == b'\n').count() + 1
        };
        let result = match event {
            Ok(Event::Start(tag)) => state.element(&tag),
            Ok(Event::Empty(tag)) => state.element(&tag).and_then(|()| state.end(tag.name().as_ref())),
            Ok(Event::End(tag)) => state.end(tag.name().as_ref()),
            Ok(Event::DocType(_)) => Err("a document type is not allowed".to_owned()),
            Ok(Event::Eof) => {
                return state.finish().map_err(|why| InspectError::Text { line: line(), why });
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        result.map_err(|why| InspectError::Text { line: line(), why })?;
    }
}

#[derive(Default)]
struct State {
    duration: Option<MediaTime>,
    depth: usize,
    period_start: MediaTime,
    representation: Option<RepresentationFacts>,
    template: Option<Template>,
    segments: usize,
    done: Vec<RepresentationFacts>,
}

/// A `SegmentTemplate` as it is expanded.
struct Template {
    media: String,
    /// Of the next segment.
    number: u64,
    /// Of the next segment, ticks.
    time: u64,
}

impl State {
    fn element(&mut self, tag: &BytesStart) -> Result<(), String> {
        self.depth += 1;
        match tag.local_name().as_ref() {
            "MPD" => {
                if attribute(tag, "type")?.as_deref().unwrap_or("static") != "static" {
                    return Err("the MPD is not static".to_owned());
                }
                self.duration = Some(duration(&required(tag, "mediaPresentationDuration")?)?);
            }
            "Period" => {
                let start = attribute(tag, "start")?;
                self.period_start = start.map_or(Ok(MediaTime::ZERO), |text| duration(&text))?;
            }
            "Representation" => self.representation = Some(self.representation(tag)?),
            "SegmentTemplate" => self.template(tag)?,
            "S" => self.timeline(tag)?,
            "SegmentList" | "SegmentBase" | "BaseURL" => {
                return Err("only SegmentTemplate is expected".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn representation(&self, tag: &BytesStart) -> Result<RepresentationFacts, String> {
        Ok(RepresentationFacts {
            id: required(tag, "id")?,
            codecs: required(tag, "codecs")?,
            bandwidth: integer(&required(tag, "bandwidth")?)?,
            period_start: self.period_start,
            timescale: Timescale(1),
            presentation_time_offset: 0,
            initialization: String::new(),
            segments: Vec::new(),
        })
    }

    fn template(&mut self, tag: &BytesStart) -> Result<(), String> {
        let representation = self.representation.as_mut();
        let representation = representation.ok_or("a SegmentTemplate outside of Representation")?;
        let timescale = u32::try_from(integer_or(tag, "timescale", 1)?).unwrap_or(0);
        if timescale == 0 {
            return Err("the timescale is out of range".to_owned());
        }
        representation.timescale = Timescale(timescale);
        representation.presentation_time_offset = integer_or(tag, "presentationTimeOffset", 0)?;
        representation.initialization = required(tag, "initialization")?;
        let (media, number) = (required(tag, "media")?, integer_or(tag, "startNumber", 1)?);
        self.template = Some(Template { media, number, time: 0 });
        Ok(())
    }

    fn timeline(&mut self, tag: &BytesStart) -> Result<(), String> {
        let (Some(representation), Some(template)) = (&mut self.representation, &mut self.template) else {
            return Err("an S outside of SegmentTemplate".to_owned());
        };
        if attribute(tag, "n")?.is_some() {
            return Err("S@n is not expected: players do not read it".to_owned());
        }
        let duration = integer(&required(tag, "d")?)?;
        let repeats = usize::try_from(integer_or(tag, "r", 0)?).unwrap_or(usize::MAX);
        template.time = integer_or(tag, "t", template.time)?;
        self.segments = self.segments.saturating_add(repeats).saturating_add(1);
        if self.segments > SEGMENT_LIMIT {
            return Err(format!("there are more than {SEGMENT_LIMIT} segments"));
        }
        for _ in 0..=repeats {
            representation.segments.push(MpdSegment {
                number: template.number,
                uri: expand(&template.media, template.number)?,
                start: template.time,
                duration,
            });
            template.number = template.number.checked_add(1).ok_or("a number overflows")?;
            template.time = template.time.checked_add(duration).ok_or("a time overflows")?;
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), String> {
        self.depth = self.depth.saturating_sub(1);
        match name {
            "SegmentTemplate" => self.template = None,
            "Representation" => {
                let representation = self.representation.take().ok_or("Representation ends twice")?;
                if representation.segments.is_empty() {
                    return Err(format!("`{}` has no segments", representation.id));
                }
                self.done.push(representation);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<MpdFacts, String> {
        if self.depth != 0 {
            return Err("the document ends inside of an element".to_owned());
        }
        Ok(MpdFacts {
            duration: self.duration.ok_or("there is no MPD element")?,
            representations: std::mem::take(&mut self.done),
        })
    }
}

/// `$Number$` or `$Number%06d$` once (5.3.9.4.4); other identifiers aren't expected.
fn expand(template: &str, number: u64) -> Result<String, String> {
    let parts: Vec<&str> = template.split('$').collect();
    let [before, identifier, after] = parts.as_slice() else {
        return Err(format!("`{template}` does not have one $Number$"));
    };
    let width = match identifier.strip_prefix("Number") {
        Some("") => Some(1),
        Some(format) => format
            .strip_prefix("%0")
            .and_then(|format| format.strip_suffix('d'))
            .and_then(|width| width.parse::<usize>().ok()),
        None => None,
    };
    match width.filter(|width| *width <= 20 && template.len() <= URI_LIMIT) {
        Some(width) => Ok(format!("{before}{number:0width$}{after}")),
        None => Err(format!("`${identifier}$` is not expected")),
    }
}

fn attribute(tag: &BytesStart, name: &str) -> Result<Option<String>, String> {
    let found = tag.try_get_attribute(name).map_err(|error| error.to_string())?;
    let Some(found) = found else { return Ok(None) };
    let text = quick_xml::escape::unescape(&found.value).map_err(|error| error.to_string())?;
    Ok(Some(text.into_owned()))
}

fn required(tag: &BytesStart, name: &str) -> Result<String, String> {
    attribute(tag, name)?.ok_or_else(|| format!("the attribute {name} is missing"))
}

fn integer(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number in range"))
}

fn integer_or(tag: &BytesStart, name: &str, default: u64) -> Result<u64, String> {
    attribute(tag, name)?.map_or(Ok(default), |text| integer(&text))
}

/// xs:duration of seconds only, `PT12.5S`: what this system writes.
fn duration(text: &str) -> Result<MediaTime, String> {
    let seconds_only = text.strip_prefix("PT").and_then(|text| text.strip_suffix('S'));
    seconds(seconds_only.ok_or_else(|| format!("`{text}` is not PT<seconds>S"))?)
}
