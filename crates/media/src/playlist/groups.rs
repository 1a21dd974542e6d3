//! Audio rendition groups (RFC 8216bis 4.4.6.1.1).

use std::collections::BTreeSet;

use super::ListedTrack;
use crate::{language, track::TrackKind};

/// Tracks of which a player hears one: `EXT-X-MEDIA` with one `GROUP-ID`.
pub(super) struct Group<'a> {
    pub(super) id: String,
    pub(super) members: Vec<Member<'a>>,
}

/// A track with what its `EXT-X-MEDIA` says of it.
pub(super) struct Member<'a> {
    pub(super) listed: &'a ListedTrack,
    /// Unique in the group.
    pub(super) name: String,
    /// BCP 47; `und` when the source does not say, as in the MPD, where DASH-IF wants it for all sound.
    pub(super) language: &'a str,
    /// Exactly one per group.
    pub(super) default: bool,
    /// Whether a player may pick it by language: the first one of each language.
    pub(super) autoselect: bool,
    pub(super) channels: u32,
}

/// What the RFC wants to be the same in all groups: who the members are.
type Identity<'a> = (&'a str, Option<&'a str>);

/// One group per codec and number of channels when each of them holds the same languages and
/// titles, that is when they are several encodings of one choice; else one per codec. The group of the default track
/// comes first.
///
/// Groups must have corresponding members: if an English 5.1 track and a French stereo track were two groups, the
/// player's choice of a variant would decide the language. It does when they have different codecs, which only sound
/// that is passed through has. One group of both would be what the RFC wants, but each variant would name a codec that
/// hls.js drops it for where a browser does not know it, and that Shaka Player takes for the codec of all.
pub(super) fn groups(audio: &[ListedTrack]) -> Vec<Group<'_>> {
    let identities = |members: &[&ListedTrack]| {
        let mut all: Vec<_> = members.iter().filter_map(|m| identity(m)).map(own).collect();
        all.sort();
        all
    };
    let mut keyed = by(audio, |listed| format!("{}-{}ch", family(listed), channels(listed)));
    if keyed.windows(2).any(|pair| identities(&pair[0].1) != identities(&pair[1].1)) {
        keyed = by(audio, family);
    }
    let mut groups: Vec<Group> =
        keyed.into_iter().map(|(id, tracks)| Group { id, members: members(&tracks) }).collect();
    groups.sort_by_key(|group| !group.members.iter().any(|member| is_default(member.listed)));
    groups
}

/// Tracks with the same key, in order.
fn by(audio: &[ListedTrack], key: impl Fn(&ListedTrack) -> String) -> Vec<(String, Vec<&ListedTrack>)> {
    let mut keyed: Vec<(String, Vec<&ListedTrack>)> = Vec::new();
    for listed in audio {
        let key = key(listed);
        match keyed.iter_mut().find(|(k, _)| *k == key) {
            Some((_, members)) => members.push(listed),
            None => keyed.push((key, vec![listed])),
        }
    }
    keyed
}

/// `mp4a`, `ac-3`, `opus`; `mp3`, which shares its sample entry with AAC.
fn family(listed: &ListedTrack) -> String {
    match listed.track.track.codec.as_str() {
        "mp4a.6B" | "mp4a.69" => "mp3".to_owned(),
        codec => codec.split('.').next().unwrap_or(codec).to_ascii_lowercase(),
    }
}

fn channels(listed: &ListedTrack) -> u32 {
    match listed.track.track.kind {
        TrackKind::Audio { channels, .. } => channels,
        TrackKind::Video { .. } => 0,
    }
}

fn is_default(listed: &ListedTrack) -> bool {
    matches!(listed.track.track.kind, TrackKind::Audio { default: true, .. })
}

fn identity(listed: &ListedTrack) -> Option<Identity<'_>> {
    match &listed.track.track.kind {
        TrackKind::Audio { language, title, .. } => Some((language, title.as_deref())),
        TrackKind::Video { .. } => None,
    }
}

fn own((language, title): Identity<'_>) -> (String, Option<String>) {
    (language.to_owned(), title.map(str::to_owned))
}

fn members<'a>(tracks: &[&'a ListedTrack]) -> Vec<Member<'a>> {
    let (mut names, mut languages) = (BTreeSet::new(), BTreeSet::new());
    let mut members = Vec::new();
    for &listed in tracks {
        let TrackKind::Audio { language: tag, title, default, channels, .. } = &listed.track.track.kind else {
            continue;
        };
        let title = title.clone().filter(|title| !title.trim().is_empty());
        let wanted = title.or_else(|| language::name(tag)).unwrap_or_else(|| "Audio".to_owned());
        let name = unique(&quotable(&wanted), &mut names);
        members.push(Member {
            listed,
            name,
            language: tag,
            default: *default,
            autoselect: languages.insert(tag),
            channels: *channels,
        });
    }
    let default = members.iter().position(|m| m.default).unwrap_or(0);
    for (at, member) in members.iter_mut().enumerate() {
        member.default = at == default;
        // RFC 8216bis 4.4.6.1: a default that may not be chosen by itself is an error.
        member.autoselect |= member.default;
    }
    members
}

/// A quoted string can hold neither a quote nor a line break (RFC 8216bis 4.2).
pub(super) fn quotable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut count = 2_u32;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name} {count}");
        count += 1;
    }
    candidate
}
