//! What happens to the sound: holes that are filled, layouts that change.

use transcode_api::status::Warning;
use transcode_media::{
    channels::{Form, Mixed},
    time::human,
};

use super::note;
use crate::{
    facts::{AudioFacts, MediaSummary},
    plan::StageKind,
    spec::ResolvedSpec,
};

/// All of them, track by track.
pub(super) fn of_sound(spec: &ResolvedSpec, media: &MediaSummary) -> Vec<Warning> {
    let Some(codec) = &spec.audio else { return vec![] };
    let tracks = media.info.audio.iter().zip(&media.audio).enumerate();
    let found = tracks.flat_map(|(n, (stream, facts))| {
        let layout = codec.encoder().and_then(|encoder| of_layout(n, &codec.form(stream), encoder));
        let paired = stream.right.filter(|_| spec.audio_tracks.is_empty()).map(|right| pair(n, stream.index, right));
        paired.into_iter().chain(holes(n, facts)).chain(layout)
    });
    found.collect()
}

/// Sound that changes its channels or its sample rate midway, as broadcasts do between programmes.
pub(super) fn changes(spec: &ResolvedSpec, media: &MediaSummary) -> Warning {
    let layout = |stream| Some(spec.audio.as_ref()?.form(stream).layout);
    let layouts: Vec<String> = media.info.audio.iter().filter_map(layout).collect();
    let words = format!(
        "the source's sound changes its channels or its sample rate midway; each track keeps one layout throughout ({}), and stretches with other channels are mixed to it",
        layouts.join(", ")
    );
    note(StageKind::Audio, "SoundChanges", words)
}

/// Unasked: whoever chooses pairs knows of them.
fn pair(n: usize, left: u32, right: u32) -> Warning {
    let words = format!(
        "the mono tracks in streams {left} and {right} become left and right of audio track {n}, as broadcasters have them (EBU R 123); options.audio.tracks takes them one by one, or other pairs"
    );
    note(StageKind::Audio, "MonoTracksPaired", words)
}

fn holes(n: usize, audio: &AudioFacts) -> Option<Warning> {
    let holes = audio.holes.as_ref()?;
    let words = format!(
        "{} holes in the timestamps of audio track {n} are filled with silence, {} in all; the first is at {}",
        holes.count,
        human(holes.silence),
        human(holes.first)
    );
    Some(note(StageKind::Audio, "HolesFilled", words))
}

/// A layout that is another than the source's, without having been asked for, or that nobody knows.
fn of_layout(n: usize, form: &Form, encoder: &str) -> Option<Warning> {
    let Form { source, source_channels, layout, .. } = form;
    let mut words = vec![];
    if !form.known {
        let taken = match *source_channels {
            ..=8 => format!("they are taken as {source}"),
            _ => "the first two become stereo, and the others are left out".into(),
        };
        words.push(format!(
            "audio track {n} does not say which speakers its {source_channels} channels belong to: {taken}"
        ));
    }
    if !form.asked && !form.mixed.is_empty() {
        let mixed: Vec<String> = form.mixed.iter().map(mixed).collect();
        words.push(format!(
            "audio track {n} is mixed from {source} to {layout}, because {encoder} has no {source}: {}",
            mixed.join(", ")
        ));
    } else if !form.asked && form.channels > form.source_channels {
        words.push(format!(
            "audio track {n} becomes {layout}, because {encoder} has no {source}: all its channels are kept, and the others are silent"
        ));
    }
    (!words.is_empty()).then(|| note(StageKind::Audio, "ChannelLayout", words.join("; ")))
}

/// `BC goes to BL and BR at -3 dB`.
fn mixed(mixed: &Mixed) -> String {
    let Mixed { channel, into } = mixed;
    let Some((_, steps)) = into.first() else { return format!("{channel} is left out") };
    let level = |steps: &u8| if *steps == 0 { "0 dB".to_owned() } else { format!("-{} dB", steps * 3) };
    if into.iter().all(|(_, other)| other == steps) {
        let names: Vec<&str> = into.iter().map(|(name, _)| name.as_str()).collect();
        return format!("{channel} goes to {} at {}", names.join(" and "), level(steps));
    }
    let each: Vec<String> = into.iter().map(|(name, steps)| format!("{name} at {}", level(steps))).collect();
    format!("{channel} goes to {}", each.join(" and "))
}

#[cfg(test)]
mod tests {
    use transcode_media::{codec::AudioCodec, probe::AudioStream};

    use super::*;

    fn words(codec: &AudioCodec, layout: Option<&str>, channels: u32) -> Option<String> {
        let stream = serde_json::json!({"index": 1, "codec": "pcm", "channels": channels, "layout": layout,
            "sampleRate": 48000, "timebase": {"num": 1, "den": 48000}, "language": "und"});
        let stream: AudioStream = serde_json::from_value(stream).unwrap();
        of_layout(0, &codec.form(&stream), codec.encoder().unwrap()).map(|warning| warning.message)
    }

    #[test]
    fn a_layout_changes_with_a_warning_and_not_where_it_was_asked_for() {
        let aac = |channels| AudioCodec::Aac { bitrate: None, channels, sample_rate: None };
        assert_eq!(words(&aac(None), Some("5.1(side)"), 6), None);
        assert_eq!(words(&aac(Some(2)), Some("5.1"), 6), None);
        assert_eq!(
            words(&AudioCodec::Mp3 { bitrate: None, channels: None, playlists: false }, Some("4.1"), 5).unwrap(),
            "audio track 0 is mixed from 4.1 to stereo, because libmp3lame has no 4.1: FC goes to FL and FR at -3 dB, LFE is left out, BC goes to FL and FR at -6 dB"
        );
        assert_eq!(
            words(&aac(None), None, 3).unwrap(),
            "audio track 0 does not say which speakers its 3 channels belong to: they are taken as 2.1; audio track 0 becomes 5.1, because aac has no 2.1: all its channels are kept, and the others are silent"
        );
        assert_eq!(
            words(&aac(None), None, 16).unwrap(),
            "audio track 0 does not say which speakers its 16 channels belong to: the first two become stereo, and the others are left out"
        );
    }
}
