//! Which audio tracks of a source a job keeps: those that the spec chooses, else all of them, and the mono tracks of
//! an MXF in pairs.

use serde::{Deserialize, Serialize};
use transcode_media::{
    language::bcp47,
    probe::{AudioStream, MediaInfo},
};

use crate::extend::{MAX_AUDIO_TRACKS, Refusal};

/// One item of the spec's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TrackChoice {
    /// Every track in a language, BCP 47, that is not chosen before.
    Language(String),
    /// By its place among the source's audio tracks.
    Index(u32),
    /// Two mono tracks by their places: left and right.
    Pair(u32, u32),
}

/// A track that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its place among the source's audio tracks.
    pub place: usize,
    /// The place of the mono track that is its right channel.
    pub right: Option<usize>,
}

/// The tracks that are kept, in their order.
pub fn choose(choices: &[TrackChoice], info: &MediaInfo) -> Result<Vec<Kept>, Refusal> {
    let tracks = &info.audio;
    if choices.is_empty() {
        return Ok(all(info));
    }
    let mut kept: Vec<Kept> = vec![];
    for (n, choice) in choices.iter().enumerate() {
        let found = chosen(choice, tracks, &kept);
        let found = found.map_err(|why| refusal(&format!("spec.options.audio.tracks[{n}] {why}"), tracks))?;
        kept.extend(found);
    }
    if kept.len() > MAX_AUDIO_TRACKS {
        let many = format!("spec.options.audio.tracks chooses {} tracks; {MAX_AUDIO_TRACKS} are the most", kept.len());
        return Err(refusal(&many, tracks));
    }
    Ok(kept)
}

/// What one item chooses, or why that is nothing.
fn chosen(choice: &TrackChoice, tracks: &[AudioStream], before: &[Kept]) -> Result<Vec<Kept>, String> {
    let one = |place: usize| Kept { place, right: None };
    match choice {
        TrackChoice::Language(wanted) => {
            let alike = |track: &AudioStream| bcp47(&track.language) == *wanted;
            let matching = (0..).zip(tracks).filter(|(_, track)| alike(track)).map(|(place, _)| place);
            let fresh =
                matching.filter(|place| before.iter().all(|kept| kept.place != *place && kept.right != Some(*place)));
            let found: Vec<Kept> = fresh.map(one).collect();
            if found.is_empty() { Err(format!("matches no track in the language `{wanted}`")) } else { Ok(found) }
        }
        TrackChoice::Index(index) => match tracks.get(*index as usize) {
            Some(_) => Ok(vec![one(*index as usize)]),
            None => Err(format!("names track {index}, and the last one is {}", tracks.len().saturating_sub(1))),
        },
        TrackChoice::Pair(left, right) => {
            let (left, right) = (*left as usize, *right as usize);
            let sides = tracks.get(left).zip(tracks.get(right)).filter(|_| left != right);
            match sides {
                Some((one, other)) if go_together(one, other) => Ok(vec![Kept { place: left, right: Some(right) }]),
                Some(_) => {
                    Err(format!("pairs tracks {left} and {right}, which are not two mono tracks of one sample rate"))
                }
                None => Err(format!("pairs tracks {left} and {right}, which are not two tracks of the source")),
            }
        }
    }
}

fn refusal(what: &str, tracks: &[AudioStream]) -> Refusal {
    let listed = tracks.iter().take(32).enumerate().map(|(n, track)| {
        let AudioStream { language, codec, channels, .. } = track;
        format!("{n}: {language} {codec}, {channels} channels")
    });
    let listed: Vec<String> = listed.collect();
    let listed = if listed.is_empty() { "no audio tracks".into() } else { listed.join("; ") };
    Refusal(format!("{what}. The source has {listed}"))
}

/// Every track. Those of an MXF that are mono and not compressed are taken in pairs: that is how stereo and more lies
/// in it (EBU R 123).
fn all(info: &MediaInfo) -> Vec<Kept> {
    let pcm = info.audio.iter().all(|track| track.codec.starts_with("pcm_"));
    let paired = info.container == "mxf" && pcm;
    let mut kept = vec![];
    let mut places = 0..info.audio.len();
    while let Some(place) = places.next() {
        let right = place + 1;
        let sides = info.audio.get(place).zip(info.audio.get(right));
        let pair = paired && sides.is_some_and(|(left, right)| go_together(left, right));
        kept.push(Kept { place, right: pair.then_some(right) });
        if pair {
            places.next();
        }
    }
    kept
}

fn go_together(left: &AudioStream, right: &AudioStream) -> bool {
    (left.channels, right.channels) == (1, 1)
        && left.sample_rate == right.sample_rate
        && bcp47(&left.language) == bcp47(&right.language)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source(container: &str, tracks: &[(&str, u32)]) -> MediaInfo {
        let track = |(n, (language, channels)): (usize, &(&str, u32))| {
            json!({"index": n + 1, "codec": "pcm_s24le", "channels": channels, "sampleRate": 48000,
                "timebase": {"num": 1, "den": 48000}, "language": language})
        };
        let audio: Vec<_> = tracks.iter().enumerate().map(track).collect();
        serde_json::from_value(json!({"container": container, "video": null, "audio": audio, "leftOut": []})).unwrap()
    }

    fn places(kept: Result<Vec<Kept>, Refusal>) -> Vec<(usize, Option<usize>)> {
        kept.unwrap().into_iter().map(|kept| (kept.place, kept.right)).collect()
    }

    #[test]
    fn tracks_are_chosen_by_language_and_by_place_in_their_order() {
        let source = source("mov", &[("eng", 2), ("fre", 2), ("eng", 6), ("und", 1), ("und", 1)]);
        let choose = |choices: &[TrackChoice]| choose(choices, &source);
        let language = |tag: &str| TrackChoice::Language(tag.into());
        assert_eq!(places(choose(&[])), [0, 1, 2, 3, 4].map(|n| (n, None)));
        assert_eq!(
            places(choose(&[language("fr"), TrackChoice::Index(2), language("en")])),
            [1, 2, 0].map(|n| (n, None))
        );
        assert_eq!(places(choose(&[TrackChoice::Pair(4, 3)])), [(4, Some(3))]);
        for (choice, words) in [
            (
                language("de"),
                "tracks[0] matches no track in the language `de`. The source has 0: eng pcm_s24le, 2 channels; 1: fre",
            ),
            (TrackChoice::Index(5), "tracks[0] names track 5, and the last one is 4"),
            (TrackChoice::Pair(0, 1), "tracks[0] pairs tracks 0 and 1, which are not two mono tracks"),
            (TrackChoice::Pair(3, 3), "which are not two tracks of the source"),
        ] {
            let error = choose(&[choice]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let many = choose(&[0, 1, 2, 3, 4, 0, 1, 2, 3].map(TrackChoice::Index)).unwrap_err().to_string();
        assert!(many.contains("chooses 9 tracks; 8 are the most"), "{many}");
    }

    #[test]
    fn mono_tracks_of_an_mxf_are_pairs() {
        let mono = [("und", 1); 5];
        assert_eq!(places(choose(&[], &source("mxf", &mono))), [(0, Some(1)), (2, Some(3)), (4, None)]);
        assert_eq!(places(choose(&[], &source("mov", &mono))).len(), 5);
        assert_eq!(places(choose(&[TrackChoice::Index(1)], &source("mxf", &mono))), [(1, None)]);
        let mixed = source("mxf", &[("und", 1), ("eng", 1), ("eng", 1), ("eng", 2)]);
        assert_eq!(places(choose(&[], &mixed)), [(0, None), (1, Some(2)), (3, None)]);
    }
}
