//! What the manifest says of each track, and how it differs from what a reader sees.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Result, anyhow};
use dash_mpd_core::{AdaptationSet, MPD, Representation};

/// What is said of a track: names of facts and their values, `width` and `320`. A reader says what it sees in the
/// same words.
pub type Facts = BTreeMap<&'static str, String>;

/// Facts of every representation of a manifest, by its id.
pub fn read(manifest: &Path) -> Result<BTreeMap<String, Facts>> {
    Ok(listed(&parse(manifest)?).map(|(set, one)| (one.id.clone().unwrap_or_default(), facts(set, one))).collect())
}

/// The same, by the files that the representations name.
pub fn read_by_file(manifest: &Path) -> Result<BTreeMap<String, Facts>> {
    let file = |one: &Representation| one.BaseURL.first().map(|url| url.base.clone()).unwrap_or_default();
    Ok(listed(&parse(manifest)?).map(|(set, one)| (file(one), facts(set, one))).collect())
}

fn parse(manifest: &Path) -> Result<MPD> {
    dash_mpd_core::parse(&fs::read_to_string(manifest)?).map_err(|e| anyhow!("{}: {e}", manifest.display()))
}

fn listed(mpd: &MPD) -> impl Iterator<Item = (&AdaptationSet, &Representation)> {
    let sets = mpd.periods.iter().flat_map(|period| &period.adaptations);
    sets.flat_map(|set| set.representations.iter().map(move |one| (set, one)))
}

/// Attributes that all representations have in common may stand on the set (ISO/IEC 23009-1 5.3.7).
fn facts(set: &AdaptationSet, one: &Representation) -> Facts {
    let mut facts = Facts::new();
    let mut say = |name, value: Option<String>| value.map(|value| facts.insert(name, value));
    say("codec", one.codecs.clone().or(set.codecs.clone()));
    say("width", one.width.or(set.width).map(|n| n.to_string()));
    say("height", one.height.or(set.height).map(|n| n.to_string()));
    say("pixel aspect", one.sar.clone().or(set.sar.clone()));
    say("frame rate", one.frameRate.clone().or(set.frameRate.clone()).map(|rate| reduced(&rate)));
    say("sampling rate", one.audioSamplingRate.clone().or(set.audioSamplingRate.clone()));
    say("language", set.lang.clone());
    let channels = one.AudioChannelConfiguration.first().or(set.AudioChannelConfiguration.first());
    say("channels", channels.and_then(|c| Some(format!("{} of {}", c.value.clone()?, scheme(&c.schemeIdUri)))));
    facts
}

/// The older name of the same numbers (ISO/IEC 23009-1 5.8.5.4).
fn scheme(name: &str) -> &str {
    match name {
        "urn:mpeg:dash:23003:3:audio_channel_configuration:2011" => "urn:mpeg:mpegB:cicp:ChannelConfiguration",
        other => other,
    }
}

/// `12800/512` is `25`.
pub fn reduced(rate: &str) -> String {
    let (n, d) = rate.split_once('/').unwrap_or((rate, "1"));
    let (Ok(n), Ok(d)) = (n.parse::<u64>(), d.parse::<u64>()) else { return rate.to_owned() };
    let (mut a, mut b) = (n, d);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    if d == a { (n / a).to_string() } else { format!("{}/{}", n / a.max(1), d / a.max(1)) }
}

/// Facts that both sides know and see differently.
pub fn differences(claimed: &Facts, seen: &Facts) -> Vec<String> {
    let both = claimed.iter().filter_map(|(name, value)| Some((name, value, seen.get(name)?)));
    both.filter(|(_, claimed, seen)| claimed != seen)
        .map(|(name, claimed, seen)| format!("{name} is {seen}, and the manifest says {claimed}"))
        .collect()
}
