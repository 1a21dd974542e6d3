//! What of a multivariant playlist's tags follows from the tracks: rates, codecs, sizes.

use std::collections::BTreeSet;

use num_rational::Ratio;

use super::{
    ListedTrack, PlaylistError,
    groups::Group,
    hls::CAPTIONS,
    rate,
    slots::{Slot, key_frames, slots},
    uri::relative_uri,
};
use crate::{
    captions::Channel,
    time::Rational,
    track::{TrackKind, VideoRange},
};

/// Peak and average bit rate, bit/s.
#[derive(Clone, Copy, Default)]
struct Rates {
    peak: u64,
    average: u64,
}

impl Rates {
    /// Of slots of the track.
    fn of(listed: &ListedTrack, slots: &[Slot], target: u64) -> Self {
        let timescale = listed.track.track.timescale;
        Rates { peak: rate::peak(slots, timescale, target), average: rate::average(slots, timescale) }
    }

    fn louder(self, other: Self) -> Self {
        Rates { peak: self.peak.max(other.peak), average: self.average.max(other.average) }
    }
}

/// An audio group as a part of variants.
pub(super) struct Sound<'a> {
    group: &'a Group<'a>,
    rates: Rates,
    /// Each codec of the group once.
    codecs: Vec<&'a str>,
}

impl<'a> Sound<'a> {
    pub(super) fn of(group: &'a Group<'a>, target: u64) -> Result<Self, PlaylistError> {
        let (mut rates, mut codecs) = (Rates::default(), Vec::new());
        for member in &group.members {
            rates = rates.louder(Rates::of(member.listed, &slots(&member.listed.track)?, target));
            let codec = member.listed.track.track.codec.as_str();
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        Ok(Sound { group, rates, codecs })
    }

    /// A variant without pictures: the default track of the group.
    pub(super) fn variant(&self, named: bool, path: &str) -> Vec<String> {
        let audio = if named { format!(",AUDIO=\"{}\"", self.group.id) } else { String::new() };
        let tag = format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"{audio}",
            self.rates.peak,
            self.rates.average,
            self.codecs.join(",")
        );
        let default = self.group.members.iter().find(|member| member.default);
        let uri = default.map(|member| relative_uri(path, &member.listed.playlist));
        std::iter::once(tag).chain(uri).collect()
    }
}

/// A rendition as a part of variants.
pub(super) struct Picture<'a> {
    listed: &'a ListedTrack,
    /// The presentation's target duration, seconds.
    target: u64,
    rates: Rates,
    /// At which it is to be displayed: with square pixels (RFC 8216bis 4.4.6.2, `RESOLUTION`).
    size: (u32, u32),
    /// The highest (RFC 8216bis 4.4.6.2, `FRAME-RATE`).
    frame_rate: Rational,
    range: &'static str,
}

impl<'a> Picture<'a> {
    pub(super) fn of(listed: &'a ListedTrack, target: u64) -> Result<Self, PlaylistError> {
        let TrackKind::Video { width, height, sar, frame_rate, peak_rate, range } = listed.track.track.kind else {
            return Err(PlaylistError::WrongKind { track: listed.name().to_owned(), listed: "video" });
        };
        Ok(Picture {
            listed,
            target,
            rates: Rates::of(listed, &slots(&listed.track)?, target),
            size: (square(width, sar), height),
            frame_rate: peak_rate.unwrap_or(frame_rate),
            range: match range {
                VideoRange::Sdr => "SDR",
                VideoRange::Pq => "PQ",
                VideoRange::Hlg => "HLG",
            },
        })
    }

    pub(super) fn variant(&self, sound: Option<&Sound>, captions: &BTreeSet<Channel>, path: &str) -> [String; 2] {
        let rates = sound.map_or(Rates::default(), |s| s.rates);
        let mut codecs = vec![self.listed.track.track.codec.as_str()];
        codecs.extend(sound.iter().flat_map(|s| s.codecs.iter().copied()));
        let audio = sound.map_or_else(String::new, |s| format!(",AUDIO=\"{}\"", s.group.id));
        let captions = if captions.is_empty() { "NONE".into() } else { format!("\"{CAPTIONS}\"") };
        let tag = format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\",RESOLUTION={}x{},\
             FRAME-RATE={},VIDEO-RANGE={}{audio},CLOSED-CAPTIONS={captions}",
            self.rates.peak + rates.peak,
            self.rates.average + rates.average,
            codecs.join(","),
            self.size.0,
            self.size.1,
            three_decimals(self.frame_rate),
            self.range,
        );
        [tag, relative_uri(path, &self.listed.playlist)]
    }

    pub(super) fn iframe_tag(&self, uri: &str) -> Result<String, PlaylistError> {
        let rates = Rates::of(self.listed, &key_frames(&self.listed.track)?, self.target);
        Ok(format!(
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\",\
             RESOLUTION={}x{},VIDEO-RANGE={},URI=\"{uri}\"",
            rates.peak, rates.average, self.listed.track.track.codec, self.size.0, self.size.1, self.range,
        ))
    }
}

/// The width of so many pixels of a shape, in square ones. Less than a pixel of difference is what even sizes leave:
/// 426x240 is shown at 426x240.
fn square(width: u32, sar: Rational) -> u32 {
    let own = Ratio::from_integer(i64::from(width));
    let off = own * sar - own;
    if off.numer().abs() < *off.denom() {
        return width;
    }
    u32::try_from((own * sar).round().to_integer()).unwrap_or(width)
}

/// `23.976`: RFC 8216bis wants `FRAME-RATE` rounded to three decimals.
fn three_decimals(rate: Rational) -> String {
    let millis = (rate * Ratio::from_integer(1000)).round().to_integer();
    format!("{}.{:03}", millis / 1000, millis % 1000)
}
