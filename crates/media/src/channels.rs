//! Channel layouts: where a source's channels belong, the layout in which a codec keeps them, and how what has no
//! place of its own in it is mixed.
//!
//! ```text
//! 2.1  --AAC-->  5.1        every channel is kept, the others of 5.1 are silent
//! 2.1  --AC-3->  2.1        the codec has it
//! 6.1  --AAC-->  5.1        BC goes at -3 dB to both surrounds (ITU-R BS.775)
//! ```

use crate::{codec::AudioCodec, probe::AudioStream};

/// Layouts by ffmpeg's names, with its names of their channels (`libavutil/channel_layout.c` of ffmpeg 9).
const LAYOUTS: &[(&str, &str)] = &[
    ("mono", "FC"),
    ("stereo", "FL FR"),
    ("2.1", "FL FR LFE"),
    ("3.0", "FL FR FC"),
    ("3.0(back)", "FL FR BC"),
    ("4.0", "FL FR FC BC"),
    ("quad", "FL FR BL BR"),
    ("quad(side)", "FL FR SL SR"),
    ("3.1", "FL FR FC LFE"),
    ("5.0", "FL FR FC BL BR"),
    ("5.0(side)", "FL FR FC SL SR"),
    ("4.1", "FL FR FC LFE BC"),
    ("5.1", "FL FR FC LFE BL BR"),
    ("5.1(side)", "FL FR FC LFE SL SR"),
    ("6.0", "FL FR FC BC SL SR"),
    ("6.0(front)", "FL FR FLC FRC SL SR"),
    ("3.1.2", "FL FR FC LFE TFL TFR"),
    ("hexagonal", "FL FR FC BL BR BC"),
    ("6.1", "FL FR FC LFE BC SL SR"),
    ("6.1(back)", "FL FR FC LFE BL BR BC"),
    ("6.1(front)", "FL FR LFE FLC FRC SL SR"),
    ("7.0", "FL FR FC BL BR SL SR"),
    ("7.0(front)", "FL FR FC FLC FRC SL SR"),
    ("7.1", "FL FR FC LFE BL BR SL SR"),
    ("7.1(wide)", "FL FR FC LFE BL BR FLC FRC"),
    ("7.1(wide-side)", "FL FR FC LFE FLC FRC SL SR"),
    ("5.1.2", "FL FR FC LFE SL SR TFL TFR"),
    ("5.1.2(back)", "FL FR FC LFE BL BR TFL TFR"),
    ("7.1(top)", "FL FR FC LFE BL BR TFL TFR"),
    ("octagonal", "FL FR FC BL BR BC SL SR"),
    ("cube", "FL FR BL BR TFL TFR TBL TBR"),
    ("5.1.4", "FL FR FC LFE BL BR TFL TFR TBL TBR"),
    ("7.1.2", "FL FR FC LFE BL BR SL SR TFL TFR"),
    ("7.1.4", "FL FR FC LFE BL BR SL SR TFL TFR TBL TBR"),
    ("9.1.4", "FL FR FC LFE BL BR FLC FRC SL SR TFL TFR TBL TBR"),
    ("hexadecagonal", "FL FR FC BL BR BC SL SR WL WR TBL TBR TBC TFC TFL TFR"),
    ("downmix", "DL DR"),
    ("22.2", "FL FR FC LFE BL BR FLC FRC BC SL SR TC TFL TFC TFR TBL TBC TBR LFE2 TSL TSR BFC BFL BFR"),
];

/// Where a channel goes that has no place: to each of its neighbours, so many times 3 dB softer. Of those in turn that
/// lack a place, to theirs (ITU-R BS.775-3 annex 4, table 2, for the layouts that it knows). LFE has none: BS.775 leaves it out.
const NEIGHBOURS: &[(&str, &[(&str, u8)])] = &[
    ("FC", &[("FL", 1), ("FR", 1)]),
    ("FL", &[("FC", 1)]),
    ("FR", &[("FC", 1)]),
    ("BC", &[("BL", 1), ("BR", 1)]),
    ("BL", &[("FL", 1)]),
    ("BR", &[("FR", 1)]),
    ("SL", &[("FL", 1)]),
    ("SR", &[("FR", 1)]),
    ("FLC", &[("FL", 1), ("FC", 1)]),
    ("FRC", &[("FR", 1), ("FC", 1)]),
    ("WL", &[("FL", 1), ("SL", 1)]),
    ("WR", &[("FR", 1), ("SR", 1)]),
    ("TFL", &[("FL", 1)]),
    ("TFC", &[("FC", 1)]),
    ("TFR", &[("FR", 1)]),
    ("TBL", &[("BL", 1)]),
    ("TBC", &[("BC", 1)]),
    ("TBR", &[("BR", 1)]),
    ("TSL", &[("SL", 1)]),
    ("TSR", &[("SR", 1)]),
    ("TC", &[("FL", 2), ("FR", 2)]),
    ("BFL", &[("FL", 1)]),
    ("BFC", &[("FC", 1)]),
    ("BFR", &[("FR", 1)]),
    ("LFE2", &[("LFE", 1)]),
    ("DL", &[("FL", 0)]),
    ("DR", &[("FR", 0)]),
];

/// Surrounds at the sides and behind: where a layout has one pair only, codecs differ in what they call it.
const SURROUNDS: [(&str, &str); 2] = [("SL", "BL"), ("SR", "BR")];

/// Layouts for numbers of channels of which nothing is said, as ffmpeg guesses them.
const GUESSES: [&str; 8] = ["mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1"];

/// The form in which a codec takes a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The source's layout, as it says or as it is taken for.
    pub source: String,
    /// Whether the source says it.
    pub known: bool,
    /// How many channels the source has.
    pub source_channels: u32,
    /// The encoded layout, as ffmpeg names it.
    pub layout: String,
    /// Encoded channels.
    pub channels: u32,
    /// Whether the spec asks for so many.
    pub asked: bool,
    /// Channels of the source without a place of their own.
    pub mixed: Vec<Mixed>,
}

/// A channel of the source that others take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixed {
    /// ffmpeg's name of it.
    pub channel: String,
    /// Where it is heard: channel, and how many times 3 dB softer. Nowhere: it is left out.
    pub into: Vec<(String, u8)>,
}

impl Form {
    /// Encoded channels that are not silent.
    pub fn sounding(&self) -> u32 {
        self.channels.min(self.source_channels)
    }

    /// Filters that make the encoded layout of the source's. `lossless` is for integers, which must not overflow.
    pub(crate) fn filters(&self, lossless: bool) -> String {
        let target = format!("aformat=channel_layouts={}", self.layout);
        let first = match (self.known, self.source_channels as usize > GUESSES.len()) {
            (false, true) => format!("pan={}|FL=c0|FR=c1,", self.source),
            (false, false) if self.source != self.layout => format!("aformat=channel_layouts={},", self.source),
            _ => String::new(),
        };
        if self.mixed.is_empty() || self.asked {
            // ffmpeg's own resampler: what is in both layouts stays, the rest is silent, or mixed as was asked for.
            return format!("{first}{target}");
        }
        let float = if lossless { "" } else { ":sample_fmts=fltp" };
        format!("aformat=channel_layouts={}{float},{},{target}", self.source, self.matrix(lossless))
    }

    /// Filters for sound that has the encoded layout already, in a container that does not say so.
    pub(crate) fn as_it_is(&self) -> String {
        let channels: String = (0..self.channels).map(|n| format!("|c{n}=c{n}")).collect();
        format!("pan={0}{channels},aformat=channel_layouts={0}", self.layout)
    }

    /// `pan=5.1|FL=FL+0.707107*FLC|…`
    fn matrix(&self, lossless: bool) -> String {
        let (source, target) = (channels_of(&self.source).unwrap_or_default(), channels_of(&self.layout));
        let target = target.unwrap_or_default();
        let rows: Vec<(&str, Vec<(&str, f64)>)> = target
            .iter()
            .map(|out| {
                let kept = source.iter().filter(|channel| place(channel, &source, &target) == Some(out));
                let mixed = self.mixed.iter().flat_map(|mixed| mixed.into.iter().map(move |into| (mixed, into)));
                let mixed = mixed.filter(|(_, (into, _))| into == out);
                let mixed = mixed.map(|(mixed, (_, steps))| (mixed.channel.as_str(), gain(*steps)));
                (*out, kept.map(|channel| (*channel, 1.0)).chain(mixed).collect())
            })
            .collect();
        let sum = |row: &(&str, Vec<(&str, f64)>)| row.1.iter().map(|(_, gain)| gain).sum::<f64>();
        let most = if lossless { rows.iter().map(sum).fold(1.0, f64::max) } else { 1.0 };
        let rows = rows.iter().filter(|(_, terms)| !terms.is_empty()).map(|(out, terms)| {
            let terms: Vec<String> = terms.iter().map(|(name, gain)| format!("{:.6}*{name}", gain / most)).collect();
            format!("|{out}={}", terms.join("+"))
        });
        format!("pan={}{}", self.layout, rows.collect::<String>())
    }
}

/// So many times 3 dB softer, as a factor.
fn gain(steps: u8) -> f64 {
    0.5_f64.powf(f64::from(steps) / 2.0)
}

/// Channels of a layout: of a name, or of `5 channels (FL+FR+FC+LFE+BC)`.
fn channels_of(layout: &str) -> Option<Vec<&str>> {
    if let Some((_, channels)) = LAYOUTS.iter().find(|(name, _)| *name == layout) {
        return Some(channels.split(' ').collect());
    }
    let (_, list) = layout.strip_suffix(')')?.split_once(" channels (")?;
    let named = |channel: &&str| *channel == "LFE" || NEIGHBOURS.iter().any(|(name, _)| name == channel);
    list.split('+').map(|channel| Some(channel).filter(named)).collect()
}

/// The other pair's name of a surround channel.
fn twin(channel: &str) -> Option<&'static str> {
    let twins = SURROUNDS.iter().flat_map(|(side, back)| [(side, back), (back, side)]);
    twins.into_iter().find_map(|(one, other)| (*one == channel).then_some(*other))
}

/// Where a channel of the source has a place of its own in the target.
fn place<'a>(channel: &str, source: &[&str], target: &[&'a str]) -> Option<&'a str> {
    let in_target = |name: &str| target.iter().find(|there| **there == name).copied();
    let channel = match channel {
        // Stereo that was mixed from more.
        "DL" => "FL",
        "DR" => "FR",
        other => other,
    };
    in_target(channel).or_else(|| in_target(twin(channel).filter(|twin| !source.contains(twin))?))
}

/// Where a channel without a place is heard.
fn spread(channel: &str, target: &[&str]) -> Vec<(String, u8)> {
    let there = |name: &str| target.contains(&name);
    let other = twin(channel);
    if let Some(near) = other.into_iter().chain(other.and(Some("BC"))).find(|name| there(name)) {
        return vec![(near.into(), 1)];
    }
    let neighbours = NEIGHBOURS.iter().find(|(name, _)| *name == channel).map_or(&[][..], |(_, list)| list);
    let mut heard: Vec<(String, u8)> = vec![];
    for (name, steps) in neighbours {
        // Only front left and right name each other's, by way of the centre; every layout has one of them.
        let further = if there(name) { vec![((*name).to_owned(), 0)] } else { spread(name, target) };
        for (into, more) in further {
            if !heard.iter().any(|(known, _)| *known == into) {
                heard.push((into, steps + more));
            }
        }
    }
    heard
}

impl AudioCodec {
    /// Layouts that the codec names, and that players know: the first is taken of several that do as well.
    fn layouts(&self) -> &'static [&'static str] {
        match self {
            // ISO/IEC 14496-3 table 1.19, of which ffmpeg and browsers take 7 for this 7.1. Others need a program
            // config element, which browsers refuse.
            AudioCodec::Aac { .. } => &["mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1"],
            // RFC 7845 5.1.1.2 and RFC 9639 9.1.3.
            AudioCodec::Opus { .. } | AudioCodec::Flac { .. } => {
                &["mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"]
            }
            // ETSI TS 102 366 table 4.3, each with or without the low frequencies, as far as ffmpeg has names for them.
            AudioCodec::Ac3 { .. } | AudioCodec::Eac3 { .. } => {
                &["mono", "stereo", "3.0", "2.1", "3.0(back)", "4.0", "quad", "3.1", "5.0", "4.1", "5.1"]
            }
            AudioCodec::Mp3 { .. } => &["mono", "stereo"],
            AudioCodec::Passthrough => &[],
        }
    }

    /// The form in which it takes a track: the smallest of its layouts that loses fewest channels and keeps most
    /// in a place of their own, of as many as are asked for.
    pub fn form(&self, stream: &AudioStream) -> Form {
        let asked = self.asked_channels();
        let told = stream.layout.as_deref().filter(|layout| channels_of(layout).is_some());
        let guess = GUESSES.get(stream.channels.saturating_sub(1) as usize).copied().unwrap_or("stereo");
        let source = told.unwrap_or(guess).to_owned();
        let from = channels_of(&source).unwrap_or_default();
        let size = |layout: &&str| channels_of(layout).map_or(0, |channels| channels.len() as u32);
        let fits = |layout: &&&str| asked.is_none_or(|asked| size(layout) == asked);
        let homeless = |layout: &str| -> Vec<&str> {
            let target = channels_of(layout).unwrap_or_default();
            from.iter().filter(|channel| place(channel, &from, &target).is_none()).copied().collect()
        };
        // Better mixed than lost.
        let lost = |layout: &str| {
            let target = channels_of(layout).unwrap_or_default();
            homeless(layout).into_iter().filter(|channel| spread(channel, &target).is_empty()).count()
        };
        let better = |layout: &&&str| (lost(layout), homeless(layout).len(), size(layout));
        let best = self.layouts().iter().filter(fits).min_by_key(better);
        let layout = match (best, asked) {
            (Some(layout), _) => *layout,
            // The encoder has what players may not know.
            (None, Some(asked)) => GUESSES.get(usize::from(asked.max(1) as u8) - 1).copied().unwrap_or("stereo"),
            (None, None) => source.as_str(),
        };
        let target = channels_of(layout).unwrap_or_default();
        let mixed = homeless(layout).into_iter();
        let mixed = mixed.map(|channel| Mixed { channel: channel.into(), into: spread(channel, &target) }).collect();
        Form {
            known: told.is_some() || stream.channels <= 2,
            source_channels: stream.channels,
            channels: if self.encoder().is_none() { stream.channels } else { target.len() as u32 },
            layout: layout.to_owned(),
            asked: asked.is_some(),
            mixed,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(codec: &AudioCodec, layout: Option<&str>, channels: u32) -> Form {
        let stream = serde_json::json!({"index": 0, "codec": "pcm", "channels": channels, "layout": layout,
            "sampleRate": 48000, "timebase": {"num": 1, "den": 48000}, "language": "und"});
        codec.form(&serde_json::from_value(stream).unwrap())
    }

    const AAC: AudioCodec = AudioCodec::Aac { bitrate: None, channels: None, sample_rate: None };
    const OPUS: AudioCodec = AudioCodec::Opus { bitrate: None, channels: None };
    const AC3: AudioCodec = AudioCodec::Ac3 { bitrate: None, channels: None };
    const MP3: AudioCodec = AudioCodec::Mp3 { bitrate: None, channels: None, playlists: false };

    #[test]
    fn every_layout_has_a_form_in_every_codec() {
        let mut table = String::new();
        for (layout, channels) in LAYOUTS {
            let count = channels.split(' ').count() as u32;
            for (name, codec) in [("aac", &AAC), ("opus", &OPUS), ("ac3", &AC3), ("mp3", &MP3)] {
                let form = form(codec, Some(layout), count);
                let mixed: Vec<String> = form
                    .mixed
                    .iter()
                    .map(|Mixed { channel, into }| {
                        let into: Vec<String> =
                            into.iter().map(|(name, steps)| format!("{name}-{}", steps * 3)).collect();
                        format!("{channel}>{}", into.join("&"))
                    })
                    .collect();
                let mixed = if mixed.is_empty() { String::new() } else { format!(" ({})", mixed.join(" ")) };
                table += &format!("{layout} {name} {}{mixed}\n", form.layout);
                let target = channels_of(&form.layout).unwrap();
                assert!(mixed_well(&form, &target), "{form:?}");
            }
        }
        insta::assert_snapshot!(table);
    }

    /// What is heard somewhere is heard from channels that there are, and nothing but low frequencies is left out.
    fn mixed_well(form: &Form, target: &[&str]) -> bool {
        form.mixed.iter().all(|Mixed { channel, into }| {
            into.iter().all(|(name, _)| target.contains(&name.as_str()))
                && (!into.is_empty() || channel.starts_with("LFE"))
        })
    }

    #[test]
    fn layouts_without_a_name_are_read() {
        let form = form(&AC3, Some("5 channels (FL+FR+FC+BL+LFE)"), 5);
        assert_eq!((form.layout.as_str(), form.known), ("5.1", true));
        assert_eq!(form.mixed, []);
    }

    #[test]
    fn what_is_not_said_is_guessed_and_told() {
        let six = form(&AAC, None, 6);
        assert_eq!(
            (six.layout.as_str(), six.known, six.filters(false).as_str()),
            ("5.1", false, "aformat=channel_layouts=5.1")
        );
        let many = form(&AAC, None, 16);
        assert_eq!(many.filters(false), "pan=stereo|FL=c0|FR=c1,aformat=channel_layouts=stereo");
        assert!(form(&AAC, None, 2).known);
    }

    #[test]
    fn as_many_channels_are_made_as_are_asked_for() {
        let asked = |channels| AudioCodec::Aac { bitrate: None, channels: Some(channels), sample_rate: None };
        let layouts: Vec<String> = (1..=8).map(|n| form(&asked(n), Some("5.1(side)"), 6).layout).collect();
        assert_eq!(layouts, ["mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1"]);
        assert_eq!(form(&asked(2), Some("5.1(side)"), 6).filters(false), "aformat=channel_layouts=stereo");
    }

    #[test]
    fn what_is_mixed_keeps_its_level_unless_it_could_overflow() {
        let wide = form(&AAC, Some("4.1"), 5).filters(false);
        assert_eq!(
            wide,
            "aformat=channel_layouts=4.1:sample_fmts=fltp,pan=5.1|FL=1.000000*FL|FR=1.000000*FR|FC=1.000000*FC|LFE=1.000000*LFE|BL=0.707107*BC|BR=0.707107*BC,aformat=channel_layouts=5.1"
        );
        let flac = form(&AudioCodec::Flac { channels: None }, Some("7.1(wide)"), 8).filters(true);
        assert!(flac.contains("|FC=0.414214*FC+0.292893*FLC+0.292893*FRC"), "{flac}");
    }
}
