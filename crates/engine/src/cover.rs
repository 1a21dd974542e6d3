//! How every track comes to cover the whole presentation: silence before and behind sound, the first picture shown
//! before its time, and the last one held. Players end or stall where one track does not.

use transcode_api::status::Warning;
use transcode_media::{
    codec::AudioCodec,
    still::UNEVEN,
    time::{MediaTime, human},
};

use crate::{
    extend::{has_audio, renditions},
    facts::{AudioFacts, MediaSummary, StillFacts, VideoFacts},
    plan::StageKind,
    spec::ResolvedSpec,
    warnings::note,
};

/// Until when sound that is carried over is heard, from the origin.
pub fn heard_until(spec: &ResolvedSpec, audio: &[AudioFacts]) -> Option<MediaTime> {
    audio.iter().map(AudioFacts::end).max().filter(|_| spec.audio.is_some())
}

/// The end of an audio track that is made of a source's: with the silence behind it.
pub fn end_of_sound(spec: &ResolvedSpec, media: &MediaSummary, audio: &AudioFacts) -> MediaTime {
    audio.end() + silence_behind(spec, media, audio).unwrap_or(MediaTime::ZERO)
}

/// Silence behind an audio track up to the end of the presentation. What is passed through can't have any.
pub fn silence_behind(spec: &ResolvedSpec, media: &MediaSummary, audio: &AudioFacts) -> Option<MediaTime> {
    Some(lacking(spec, media, audio)?).filter(|_| spec.audio != Some(AudioCodec::Passthrough))
}

/// How much earlier than the presentation an audio track ends, where that matters.
fn lacking(spec: &ResolvedSpec, media: &MediaSummary, audio: &AudioFacts) -> Option<MediaTime> {
    let heard = heard_until(spec, &media.audio)?;
    // Without renditions no picture is shown, however long it is.
    let pictures = renditions(spec, media).renditions;
    let end = if pictures.is_empty() { heard } else { media.duration };
    Some(end - audio.end()).filter(|lacking| *lacking > UNEVEN)
}

/// What is filled.
pub fn warnings(spec: &ResolvedSpec, media: &MediaSummary) -> Vec<Warning> {
    let held = media.video.as_ref().filter(|_| !renditions(spec, media).renditions.is_empty());
    let held = held.map(|video| picture_held(video, media));
    let sound = media.audio.iter().enumerate().filter(|_| has_audio(spec, media));
    held.into_iter().flatten().chain(sound.flat_map(|(n, audio)| silent(spec, media, n, audio))).collect()
}

fn picture_held(video: &VideoFacts, media: &MediaSummary) -> Vec<Warning> {
    let before = video.ahead.map(|StillFacts { frames, from }| {
        format!("the picture begins at {}: its first frame is shown from the start, {frames} times", human(from))
    });
    let behind = video.still.map(|StillFacts { frames, from }| {
        let (from, end) = (human(from), human(media.duration));
        format!("the picture ends at {from}: the last frame is shown until {end}, {frames} times")
    });
    before.into_iter().chain(behind).map(|words| note(StageKind::Encode, "PictureHeld", words)).collect()
}

fn silent(spec: &ResolvedSpec, media: &MediaSummary, n: usize, audio: &AudioFacts) -> Vec<Warning> {
    let before = (audio.start > UNEVEN)
        .then(|| ("SilenceAdded", format!("audio track {n} begins at {}: silence precedes it", human(audio.start))));
    let behind = lacking(spec, media, audio).map(|lacking| {
        let (from, long) = (human(audio.end()), human(lacking));
        match silence_behind(spec, media, audio) {
            Some(_) => ("SilenceAdded", format!("audio track {n} ends at {from}: {long} of silence follow it")),
            None => (
                "SoundEndsEarly",
                format!(
                    "audio track {n} ends at {from}, {long} before the presentation does, and players may stop there: it is passed through, so no silence can follow it. Encode it, say with audio.encode.aac"
                ),
            ),
        }
    });
    before.into_iter().chain(behind).map(|(reason, words)| note(StageKind::Audio, reason, words)).collect()
}
