//! Audio rendition groups (RFC 8216bis 4.4.6.1.1).

use std::collections::BTreeSet;

use super::ListedTrack;
use crate::track::TrackKind;

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
    /// `None` when the source does not say.
    pub(super) language: Option<&'a str>,
    /// Exactly one per group.
    pub(super) default: bool,
    /// Whether a player may pick it by language: the first one of each language.
    pub(super) autoselect: bool,
    pub(super) channels: u32,
}

/// What the RFC wants to be the same in all groups: who the members are.
type Identity<'a> = (&'a str, Option<&'a str>);

/// One group per codec and number of channels when each of them holds the same languages and
/// titles, that is when they are several encodings of one choice; else one group for all.
///
/// Groups must have corresponding members. If an English 5.1 track and a French stereo track were
/// two groups, the player's choice of a variant would decide the language.
pub(super) fn groups(audio: &[ListedTrack]) -> Vec<Group<'_>> {
    let mut keyed: Vec<(String, Vec<&ListedTrack>)> = Vec::new();
    for listed in audio {
        let key = key(listed);
        match keyed.iter_mut().find(|(k, _)| *k == key) {
            Some((_, members)) => members.push(listed),
            None => keyed.push((key, vec![listed])),
        }
    }
    let identities = |members: &[&ListedTrack]| {
        let mut all: Vec<_> = members.iter().filter_map(|m| identity(m)).map(own).collect();
        all.sort();
        all
    };
    if keyed.windows(2).any(|pair| identities(&pair[0].1) != identities(&pair[1].1)) {
        keyed = vec![("audio".to_owned(), audio.iter().collect())];
    }
    keyed.into_iter().map(|(id, tracks)| Group { id, members: members(&tracks) }).collect()
}

/// `mp4a-2ch`.
fn key(listed: &ListedTrack) -> String {
    let codec = &listed.track.track.codec;
    let family = codec.split('.').next().unwrap_or(codec).to_ascii_lowercase();
    match listed.track.track.kind {
        TrackKind::Audio { channels, .. } => format!("{family}-{channels}ch"),
        TrackKind::Video { .. } => family,
    }
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
        let TrackKind::Audio { language, title, default, channels, .. } = &listed.track.track.kind else {
            continue;
        };
        let language = Some(language.as_str()).filter(|tag| !tag.is_empty() && *tag != "und");
        let wanted = title.as_deref().filter(|t| !t.trim().is_empty()).or(language);
        let name = unique(&quotable(wanted.unwrap_or("Audio")), &mut names);
        members.push(Member {
            listed,
            name,
            language,
            default: *default,
            autoselect: languages.insert(language),
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
