//! DASH (ISO/IEC 23009-1): one static MPD with a `SegmentTemplate` and `SegmentTimeline` per track.
//!
//! **Gaps.** File names carry absolute numbers, so after a gap both `@t` and `$Number$` jump. Within
//! one period only `S@n` could say so, which Shaka Player 5.2 and dash.js 5.2 do not read: they
//! would fetch the wrong files; and dash.js ends a track for good at a hole of over 10 ms in a
//! static timeline (it looks for the segment at the last one's end + 0.01 s). So each gap ends a
//! period: the next one starts where the gap ends, with its own `@startNumber` and
//! `@presentationTimeOffset`. Sound that goes on through a gap is listed in both periods, with the
//! segment over the bound in each.
//!
//! **Times** are presentation times after the edit list: `S@t` is [`Segment::start`], and a
//! period's start is where it lies on the output timeline.
//!
//! [`Segment::start`]: crate::track::Segment::start

use std::collections::BTreeSet;

use num_rational::Ratio;

use super::{
    ListedTrack, PlaylistError, Presentation,
    periods::{Part, Period, periods},
    timeline::write_segments,
    xml::{Attributes, Xml},
};
use crate::{
    captions::Channel,
    time::{MediaTime, Rational, Timescale},
    track::{TrackKind, VideoRange},
};

/// What clients must know to play it (ISO/IEC 23009-1 8.4 and 8.12).
const PROFILES: &str = "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019";
/// ISO/IEC 23091-3 channel configurations.
const CHANNELS_SCHEME: &str = "urn:mpeg:mpegB:cicp:ChannelConfiguration";
/// The older scheme, whose value players read as a number of channels.
const CHANNEL_COUNT_SCHEME: &str = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011";

fn attributes() -> Attributes {
    Attributes::default()
}

/// The MPD of a presentation, to be written at `path` (relative to the output prefix).
///
/// Sizes are the coded ones with `@sar`, and of a variable rate `@frameRate` is the average (ISO/IEC 23009-1
/// 5.3.7.2), where HLS has the displayed size and the highest rate.
///
/// `@bandwidth` is the measured peak over a window of a segment, and `@minBufferTime` the longest
/// segment, so a client with that much bandwidth and buffer never runs dry.
pub fn mpd(presentation: &Presentation, path: &str) -> Result<String, PlaylistError> {
    presentation.check()?;
    let cut = periods(presentation)?;
    let mut xml = Xml::new();
    xml.open(
        "MPD",
        attributes()
            .with("xmlns", "urn:mpeg:dash:schema:mpd:2011")
            .with("profiles", PROFILES)
            .with("type", "static")
            .with("mediaPresentationDuration", duration(cut.duration))
            .with("maxSegmentDuration", duration(cut.longest))
            .with("minBufferTime", duration(cut.longest)),
    );
    for (at, period) in cut.periods.iter().enumerate() {
        xml.open("Period", attributes().with("id", at).with("start", duration(period.start)));
        write_period(&mut xml, period, presentation, path)?;
        xml.close();
    }
    Ok(xml.finish())
}

fn write_period(xml: &mut Xml, period: &Period, presentation: &Presentation, path: &str) -> Result<(), PlaylistError> {
    // Players switch within a set only, and not from one codec or dynamic range to another.
    let mut families: Vec<((&str, VideoRange), Vec<&Part>)> = Vec::new();
    for part in &period.video {
        let family = family(part.listed);
        match families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, parts)) => parts.push(part),
            None => families.push((family, vec![part])),
        }
    }
    for (at, ((_, range), parts)) in families.iter().enumerate() {
        xml.open("AdaptationSet", video_set(at, parts));
        write_colour(xml, *range);
        write_captions(xml, &presentation.captions());
        for part in parts {
            xml.open("Representation", video_representation(part));
            write_segments(xml, part, period.start, path)?;
            xml.close();
        }
        xml.close();
    }
    let main = presentation.audio.iter().position(is_default).unwrap_or(0);
    let main = presentation.audio.get(main).map(ListedTrack::name);
    for part in &period.audio {
        let position = presentation.audio.iter().position(|a| a.name() == part.listed.name());
        let id = families.len() + position.unwrap_or(0);
        let role = if Some(part.listed.name()) == main { "main" } else { "alternate" };
        write_audio_set(xml, part, id, role, period.start, path)?;
    }
    Ok(())
}

fn family(listed: &ListedTrack) -> (&str, VideoRange) {
    let codec = &listed.track.track.codec;
    let range = match listed.track.track.kind {
        TrackKind::Video { range, .. } => range,
        TrackKind::Audio { .. } => VideoRange::Sdr,
    };
    (codec.split('.').next().unwrap_or(codec), range)
}

fn is_default(listed: &ListedTrack) -> bool {
    matches!(listed.track.track.kind, TrackKind::Audio { default: true, .. })
}

fn video_set(id: usize, parts: &[&Part]) -> Attributes {
    let sizes = parts.iter().filter_map(|part| match part.listed.track.track.kind {
        TrackKind::Video { width, height, sar, frame_rate, .. } => Some((width, height, sar, frame_rate)),
        TrackKind::Audio { .. } => None,
    });
    let largest = sizes.clone().max_by_key(|(width, height, ..)| u64::from(*width) * u64::from(*height));
    let par = largest.map(|(width, height, sar, _)| {
        let par = Ratio::new(i64::from(width), i64::from(height.max(1))) * sar;
        format!("{}:{}", par.numer(), par.denom())
    });
    attributes()
        .with("id", id)
        .with("contentType", "video")
        .with("mimeType", "video/mp4")
        .with("segmentAlignment", true)
        .with("startWithSAP", 1)
        .maybe("maxWidth", sizes.clone().map(|size| size.0).max())
        .maybe("maxHeight", sizes.clone().map(|size| size.1).max())
        .maybe("maxFrameRate", sizes.map(|size| size.3).max().map(fraction))
        .maybe("par", par)
}

/// Captions inside the pictures (SCTE 214-1 6.4.2): `CC1=und;CC3=und`, and `1=lang:und;2=lang:und`, as nobody says in
/// which language they are.
fn write_captions(xml: &mut Xml, captions: &BTreeSet<Channel>) {
    let (mut line_21, mut services) = (vec![], vec![]);
    for channel in captions {
        match channel {
            Channel::Line21(_) => line_21.push(format!("{channel}=und")),
            Channel::Service(n) => services.push(format!("{n}=lang:und")),
        }
    }
    for (scheme, values) in [("urn:scte:dash:cc:cea-608:2015", line_21), ("urn:scte:dash:cc:cea-708:2015", services)] {
        if !values.is_empty() {
            xml.empty("Accessibility", attributes().with("schemeIdUri", scheme).with("value", values.join(";")));
        }
    }
}

/// Supplemental, not essential: dash.js drops sets with essential transfer functions that it isn't
/// told to accept, and here every rendition would be dropped.
fn write_colour(xml: &mut Xml, range: VideoRange) {
    // ISO/IEC 23091-2 code points: BT.2020 primaries and non-constant luminance; PQ 16, HLG 18.
    let transfer = match range {
        VideoRange::Sdr => return,
        VideoRange::Pq => 16,
        VideoRange::Hlg => 18,
    };
    for (scheme, value) in [
        ("urn:mpeg:mpegB:cicp:ColourPrimaries", 9),
        ("urn:mpeg:mpegB:cicp:TransferCharacteristics", transfer),
        ("urn:mpeg:mpegB:cicp:MatrixCoefficients", 9),
    ] {
        let property = attributes().with("schemeIdUri", scheme).with("value", value);
        xml.empty("SupplementalProperty", property);
    }
}

fn video_representation(part: &Part) -> Attributes {
    let shared = representation(part);
    match part.listed.track.track.kind {
        TrackKind::Video { width, height, sar, frame_rate, .. } => shared
            .with("width", width)
            .with("height", height)
            .with("sar", format!("{}:{}", sar.numer(), sar.denom()))
            .with("frameRate", fraction(frame_rate)),
        TrackKind::Audio { .. } => shared,
    }
}

fn representation(part: &Part) -> Attributes {
    let track = &part.listed.track.track;
    attributes().with("id", &track.name).with("codecs", &track.codec).with("bandwidth", part.peak)
}

fn write_audio_set(
    xml: &mut Xml,
    part: &Part,
    id: usize,
    role: &'static str,
    start: MediaTime,
    path: &str,
) -> Result<(), PlaylistError> {
    let track = &part.listed.track.track;
    let TrackKind::Audio { channels, layout, sample_rate, language, title, .. } = &track.kind else {
        return Ok(());
    };
    xml.open(
        "AdaptationSet",
        attributes()
            .with("id", id)
            .with("contentType", "audio")
            .with("mimeType", "audio/mp4")
            .with("lang", language)
            .with("segmentAlignment", true)
            .with("startWithSAP", 1),
    );
    // The schema wants Label before Role (ISO/IEC 23009-1 5.3.7.3, then 5.3.3.3).
    if let Some(title) = title {
        xml.leaf("Label", title);
    }
    xml.empty("Role", attributes().with("schemeIdUri", "urn:mpeg:dash:role:2011").with("value", role));
    xml.open("Representation", representation(part).with("audioSamplingRate", sample_rate));
    let (scheme, value) = channel_configuration(*channels, layout.as_deref());
    xml.empty("AudioChannelConfiguration", attributes().with("schemeIdUri", scheme).with("value", value));
    write_segments(xml, part, start, path)?;
    xml.close();
    xml.close();
    Ok(())
}

/// Layouts that ISO/IEC 23091-3 table 2 has a number for, by ffmpeg's names. Of others players learn how many channels
/// there are.
const CONFIGURATIONS: [(&str, u32); 13] = [
    ("mono", 1),
    ("stereo", 2),
    ("3.0", 3),
    ("4.0", 4),
    ("5.0", 5),
    ("5.0(side)", 5),
    ("5.1", 6),
    ("5.1(side)", 6),
    ("3.0(back)", 9),
    ("quad", 10),
    ("quad(side)", 10),
    ("6.1", 11),
    // With surround backs.
    ("7.1", 12),
];

fn channel_configuration(channels: u32, layout: Option<&str>) -> (&'static str, u32) {
    // A track of a version that told no layout has the usual one.
    let usual = match channels {
        1..=6 => Some(channels),
        7 => Some(11),
        8 => Some(12),
        _ => None,
    };
    let number = match layout {
        Some(layout) => CONFIGURATIONS.iter().find(|(name, _)| *name == layout).map(|(_, number)| *number),
        None => usual,
    };
    number.map_or((CHANNEL_COUNT_SCHEME, channels), |number| (CHANNELS_SCHEME, number))
}

/// `30000/1001`, `25`.
fn fraction(rate: Rational) -> String {
    rate.to_string()
}

/// `PT4.004S`: xs:duration, rounded up to the microsecond so that no end is cut off.
fn duration(time: MediaTime) -> String {
    let micros = Timescale(1_000_000).ceil(time);
    let mut text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    format!("PT{text}S")
}
