//! Presentations to write playlists of.

use transcode_media::{
    playlist::{ListedTrack, Presentation},
    time::{Rational, Timescale},
    track::{FileFacts, FinishedTrack, Gap, KeyFrame, Segment, Track, TrackKind, VideoRange},
};

fn file(path: String, bytes: u64) -> FileFacts {
    FileFacts { path, bytes, sha256: "00".repeat(32) }
}

fn listed(folder: &str, track: Track, durations: &[u64], bytes: &[u64]) -> ListedTrack {
    let mut start = 0;
    let segments = durations.iter().zip(bytes).zip(1..).map(|((duration, bytes), number)| {
        let segment = Segment {
            number,
            file: file(format!("{folder}/segments/{number:06}.m4s"), *bytes),
            start,
            duration: *duration,
            samples: 96,
            key_bytes: bytes / 10,
            further_keys: vec![],
        };
        start += *duration as i64;
        segment
    });
    let track = FinishedTrack { segments: segments.collect(), track, gaps: vec![], captions: Default::default() };
    let iframes = matches!(track.track.kind, TrackKind::Video { .. });
    ListedTrack {
        track,
        playlist: format!("{folder}/media.m3u8"),
        iframes: iframes.then(|| format!("{folder}/iframes.m3u8")),
    }
}

fn rendition(name: &str, codec: &str, width: u32, height: u32, bytes: [u64; 4]) -> ListedTrack {
    let folder = format!("outputs/k-{name}/{name}");
    let track = Track {
        name: name.into(),
        codec: codec.into(),
        timescale: Timescale(24_000),
        init: file(format!("{folder}/init.mp4"), 800),
        kind: TrackKind::Video {
            width,
            height,
            sar: Rational::from_integer(1),
            frame_rate: Rational::new(24_000, 1001),
            peak_rate: None,
            range: VideoRange::Sdr,
        },
    };
    // 4 x 4.004 s.
    listed(&folder, track, &[96_096; 4], &bytes)
}

fn sound(name: &str, language: &str, title: Option<&str>, default: bool) -> ListedTrack {
    let folder = format!("outputs/k-{name}/{name}");
    let track = Track {
        name: name.into(),
        codec: "mp4a.40.2".into(),
        timescale: Timescale(48_000),
        init: file(format!("{folder}/init.mp4"), 700),
        kind: TrackKind::Audio {
            channels: 2,
            layout: None,
            sample_rate: 48_000,
            language: language.into(),
            title: title.map(str::to_owned),
            default,
            priming: 1024,
        },
    };
    // 188 and 189 access units of 1024 samples, 753 in all.
    let durations = [188 * 1024, 188 * 1024, 188 * 1024, 189 * 1024];
    let bytes = if default { [64_000, 64_100, 64_000, 64_400] } else { [63_000; 4] };
    listed(&folder, track, &durations, &bytes)
}

/// Three renditions at 23.976 fps and two audio tracks, four segments each.
pub fn film() -> Presentation {
    Presentation {
        video: vec![
            rendition("720p", "avc1.64001f", 1280, 720, [500_000, 900_000, 1_600_000, 700_000]),
            rendition("1080p", "avc1.640028", 1920, 1080, [1_100_000, 1_900_000, 3_600_000, 900_000]),
            rendition("240p", "avc1.64000d", 426, 240, [80_000, 90_000, 160_000, 70_000]),
        ],
        audio: vec![
            sound("audio-0", "en", None, true),
            sound("audio-1", "fr", Some("Commentaire \u{ab}\u{a0}\"x\"\u{a0}\u{bb}"), false),
        ],
    }
}

/// One rendition with a variable frame rate and uneven segments, no sound.
pub fn vfr() -> Presentation {
    let track = Track {
        name: "source".into(),
        codec: "hvc1.2.4.L90.90".into(),
        timescale: Timescale(90_000),
        init: file("outputs/k/source/init.mp4".into(), 900),
        kind: TrackKind::Video {
            width: 720,
            height: 576,
            sar: Rational::new(64, 45),
            frame_rate: Rational::new(45_233, 3000),
            peak_rate: Some(Rational::from_integer(25)),
            range: VideoRange::Hlg,
        },
    };
    let durations = [363_337, 360_001, 360_001, 378_893, 3600];
    let bytes = [400_000, 410_000, 390_000, 500_000, 20_000];
    Presentation { video: vec![listed("outputs/k/source", track, &durations, &bytes)], audio: vec![] }
}

/// The track with other durations, in another timescale.
pub fn timed(from: ListedTrack, timescale: u32, durations: &[u64]) -> ListedTrack {
    let track = Track { timescale: Timescale(timescale), ..from.track.track };
    listed("outputs/k/source", track, durations, &vec![1000; durations.len()])
}

/// The sound with other durations of its segments.
pub fn timed_sound(from: ListedTrack, durations: &[u64]) -> ListedTrack {
    listed("outputs/k/sound", from.track.track, durations, &vec![1000; durations.len()])
}

/// The track with key frames inside a segment: at ticks after its start, of so many bytes.
pub fn with_keys(mut listed: ListedTrack, number: u32, keys: &[(i64, u64)]) -> ListedTrack {
    let segment = listed.track.segments.iter_mut().find(|segment| segment.number == number).unwrap();
    segment.further_keys = keys
        .iter()
        .map(|(after, bytes)| KeyFrame {
            offset: *after as u64,
            bytes: *bytes,
            start: segment.start + after,
            samples: 9,
        })
        .collect();
    listed
}

/// The track without the segments of these numbers.
pub fn gapped(mut listed: ListedTrack, numbers: &[u32]) -> ListedTrack {
    let (gaps, segments) = listed.track.segments.into_iter().partition(|s| numbers.contains(&s.number));
    listed.track.segments = segments;
    listed.track.gaps =
        Vec::into_iter(gaps).map(|s: Segment| Gap { number: s.number, start: s.start, duration: s.duration }).collect();
    listed
}

/// The same gaps in all renditions; sound goes on.
pub fn with_gaps(mut film: Presentation, numbers: &[u32]) -> Presentation {
    film.video = film.video.into_iter().map(|listed| gapped(listed, numbers)).collect();
    film
}

/// Captions inside the pictures of all renditions.
pub fn with_captions(mut film: Presentation, channels: &[&str]) -> Presentation {
    for listed in &mut film.video {
        listed.track.captions = channels.iter().map(|channel| channel.parse().unwrap()).collect();
    }
    film
}

/// The track with another number of channels, under another name.
pub fn with_channels(mut listed: ListedTrack, count: u32) -> ListedTrack {
    listed.track.track.name += "-surround";
    if let TrackKind::Audio { channels, .. } = &mut listed.track.track.kind {
        *channels = count;
    }
    listed
}

/// Width, height and frame rate.
pub fn picture(listed: &ListedTrack) -> (u32, u32, Rational) {
    match listed.track.track.kind {
        TrackKind::Video { width, height, frame_rate, .. } => (width, height, frame_rate),
        TrackKind::Audio { .. } => panic!("no picture"),
    }
}

/// The track with another dynamic range.
pub fn with_range(mut listed: ListedTrack, wanted: VideoRange) -> ListedTrack {
    if let TrackKind::Video { range, .. } = &mut listed.track.track.kind {
        *range = wanted;
    }
    listed
}
