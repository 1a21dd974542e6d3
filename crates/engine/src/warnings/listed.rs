//! What playlists make of the sound.

use std::collections::{BTreeMap, BTreeSet};

use transcode_api::{Format, status::Warning};
use transcode_media::{codec::AudioCodec, language::bcp47};

use super::note;
use crate::{extend::unlisted_audio, facts::MediaSummary, plan::StageKind, spec::ResolvedSpec};

/// All of them.
pub(super) fn warnings(spec: &ResolvedSpec, media: &MediaSummary) -> Vec<Warning> {
    unlisted(spec, media).into_iter().chain(several_codecs(spec, media)).collect()
}

/// Sound that playlists leave out.
fn unlisted(spec: &ResolvedSpec, media: &MediaSummary) -> Option<Warning> {
    let unlisted = unlisted_audio(spec, media);
    if unlisted.is_empty() || spec.formats.iter().all(|format| *format == Format::Mp4) {
        return None;
    }
    let tracks = unlisted.iter().map(|n| format!("audio-{n}")).collect::<Vec<_>>().join(", ");
    let rest = match (unlisted.len() == media.info.audio.len(), media.info.video.is_some()) {
        (true, true) => "; they have no sound",
        (true, false) => "; they are not published",
        (false, _) => "",
    };
    let remedy = match spec.audio {
        Some(AudioCodec::Passthrough) => "`aac: {}` plays everywhere",
        _ => "`aac: {}` plays everywhere, and `mp3: {playlists: true}` lists it anyway",
    };
    let words =
        format!("HLS and DASH leave out {tracks}, because browsers don't play MP3 in fragmented MP4{rest}: {remedy}");
    Some(note(StageKind::Audio, "NotInPlaylists", words))
}

/// Sound that is passed through in several codecs, which HLS can't offer as one choice.
fn several_codecs(spec: &ResolvedSpec, media: &MediaSummary) -> Option<Warning> {
    let unlisted = unlisted_audio(spec, media);
    let listed = media.info.audio.iter().enumerate().filter(|(n, _)| !unlisted.contains(n));
    let mut choices: BTreeMap<&str, BTreeSet<(String, Option<&str>)>> = BTreeMap::new();
    for (_, stream) in listed {
        let choice = (bcp47(&stream.language), stream.title.as_deref());
        choices.entry(&stream.codec).or_default().insert(choice);
    }
    let passed = spec.audio == Some(AudioCodec::Passthrough) && spec.formats.contains(&Format::Hls);
    let differ = choices.values().zip(choices.values().skip(1)).any(|(a, b)| a != b);
    let codecs = choices.into_keys().collect::<Vec<_>>().join(", ");
    let words = format!(
        "audio tracks have different codecs ({codecs}); some HLS players offer only those in one of them: `aac: {{}}` makes them one choice"
    );
    (passed && differ).then(|| note(StageKind::Audio, "SeveralAudioCodecs", words))
}
