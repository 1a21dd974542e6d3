//! Playlists: golden files, and what other parsers and this crate's own reader read from them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod playlist_fixtures;

use std::path::PathBuf;

use m3u8_rs::{AlternativeMediaType, ClosedCaptionGroupId, MasterPlaylist, MediaPlaylist};
use playlist_fixtures::*;
use proptest::prelude::*;
use transcode_media::{
    inspect::{self, HlsFacts, MasterFacts, MediaFacts},
    playlist::{ListedTrack, PlaylistError, Presentation, dash, hls},
    time::{MediaTime, Rational, decimal_seconds},
    track::{TrackKind, VideoRange},
};

const MASTER: &str = "master.m3u8";
const MPD: &str = "manifest.mpd";

/// Compares with `tests/golden/<name>`; `UPDATE_GOLDEN=1` writes it.
fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, wanted, "{}: UPDATE_GOLDEN=1 accepts this", path.display());
}

fn all_golden(case: &str, presentation: &Presentation) {
    for (path, text) in hls::files(presentation, MASTER).unwrap() {
        let name = path.rsplit('/').take(2).collect::<Vec<_>>();
        golden(&format!("{case}.{}", name.into_iter().rev().collect::<Vec<_>>().join(".")), &text);
    }
    golden(&format!("{case}.{MPD}"), &dash::mpd(presentation, MPD).unwrap());
}

fn m3u8_master(text: &str) -> MasterPlaylist {
    m3u8_rs::parse_master_playlist_res(text.as_bytes()).unwrap()
}

fn m3u8_media(text: &str) -> MediaPlaylist {
    m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap()
}

fn own_media(text: &str) -> MediaFacts {
    match inspect::playlist_hls(text).unwrap() {
        HlsFacts::Media(media) => media,
        HlsFacts::Master(_) => panic!("not a media playlist"),
    }
}

/// The media playlist of a track by itself.
fn media(listed: &ListedTrack) -> String {
    let (video, audio) = match listed.track.track.kind {
        TrackKind::Video { .. } => (vec![listed.clone()], vec![]),
        TrackKind::Audio { .. } => (vec![], vec![listed.clone()]),
    };
    hls::media(listed, Presentation { video, audio }.target_duration().unwrap()).unwrap()
}

fn own_master(text: &str) -> MasterFacts {
    match inspect::playlist_hls(text).unwrap() {
        HlsFacts::Master(master) => master,
        HlsFacts::Media(_) => panic!("not a multivariant playlist"),
    }
}

#[test]
fn golden_files() {
    all_golden("film", &film());
    all_golden("gaps", &with_gaps(film(), &[2, 3]));
    all_golden("audio-only", &Presentation { video: vec![], ..film() });
    all_golden("vfr", &vfr());
    let captions = with_captions(film(), &["CC1", "CC3", "SERVICE1"]);
    golden("captions.master.m3u8", &hls::master(&captions, MASTER).unwrap());
    golden("captions.manifest.mpd", &dash::mpd(&captions, MPD).unwrap());
}

#[test]
fn m3u8_rs_reads_the_multivariant_playlist() {
    let film = film();
    let text = hls::master(&film, MASTER).unwrap();
    let master = m3u8_master(&text);
    assert!(master.independent_segments);
    assert_eq!((master.version, master.variants.len()), (Some(7), 6));

    let (variants, iframes) = master.variants.split_at(3);
    for ((variant, iframe), listed) in variants.iter().zip(iframes).zip(&film.video) {
        let track = &listed.track;
        let (width, height, rate) = picture(listed);
        let loudest = film.audio.iter().map(|a| a.track.average_bandwidth()).max().unwrap();
        assert!(!variant.is_i_frame && iframe.is_i_frame);
        assert_eq!(variant.uri, listed.playlist);
        assert_eq!(variant.average_bandwidth, Some(track.average_bandwidth() + loudest));
        assert!(variant.bandwidth >= variant.average_bandwidth.unwrap());
        assert!(iframe.bandwidth < variant.bandwidth);
        assert_eq!(variant.codecs, Some(format!("{},mp4a.40.2", track.track.codec)));
        let resolution = variant.resolution.unwrap();
        assert_eq!((resolution.width, resolution.height), (u64::from(width), u64::from(height)));
        let exact = *rate.numer() as f64 / *rate.denom() as f64;
        assert!((variant.frame_rate.unwrap() - exact).abs() < 0.0005);
        assert_eq!(variant.audio.as_deref(), Some("mp4a-2ch"));
    }
    let [english, french] = master.alternatives.as_slice() else { panic!("two audio tracks") };
    assert!(english.media_type == AlternativeMediaType::Audio && english.default);
    assert!(!french.default && french.autoselect);
    assert_eq!(french.language.as_deref(), Some("fr"));
    assert_eq!(english.channels.as_deref(), Some("2"));
    assert_eq!(french.name, "Commentaire \u{ab}\u{a0}'x'\u{a0}\u{bb}");
}

#[test]
fn m3u8_rs_reads_captions() {
    let master = m3u8_master(&hls::master(&with_captions(film(), &["CC3", "SERVICE1"]), MASTER).unwrap());
    let listed = master.alternatives.iter().filter(|a| a.media_type == AlternativeMediaType::ClosedCaptions);
    let listed: Vec<_> = listed.map(|a| (a.group_id.as_str(), a.instream_id.as_ref().unwrap().to_string())).collect();
    assert_eq!(listed, [("captions", "CC3".to_owned()), ("captions", "SERVICE1".to_owned())]);
    for variant in master.variants.iter().filter(|variant| !variant.is_i_frame) {
        assert_eq!(variant.closed_captions, Some(ClosedCaptionGroupId::GroupId("captions".into())));
    }
}

#[test]
fn m3u8_rs_and_the_own_reader_agree_on_media_playlists() {
    for listed in with_gaps(film(), &[2]).video.iter().chain(&film().audio).chain(&vfr().video) {
        let text = media(listed);
        let (theirs, ours) = (m3u8_media(&text), own_media(&text));
        assert!(theirs.end_list && ours.ended);
        assert_eq!(theirs.target_duration, ours.target_duration);
        assert_eq!(theirs.media_sequence, ours.media_sequence);
        assert_eq!(theirs.segments[0].map.as_ref().map(|m| &m.uri), ours.map.as_ref());
        assert_eq!(theirs.segments.len(), ours.segments.len());
        for (a, b) in theirs.segments.iter().zip(&ours.segments) {
            assert_eq!(a.uri, b.uri);
            assert!((f64::from(a.duration) - b.duration.as_secs_f64()).abs() < 0.0001);
            assert_eq!(a.unknown_tags.iter().any(|tag| tag.tag == "X-GAP"), b.gap);
        }
    }
}

#[test]
fn extinf_sums_to_the_exact_duration_and_never_drifts() {
    for listed in film().video.iter().chain(&film().audio).chain(&vfr().video) {
        let facts = own_media(&media(listed));
        // Sums up to a segment are decode times, and those count from the priming of sound on.
        let priming = match listed.track.track.kind {
            TrackKind::Audio { priming, .. } => listed.track.track.timescale.time(i64::from(priming)),
            TrackKind::Video { .. } => MediaTime::ZERO,
        };
        let exact = listed.track.duration();
        assert_eq!(decimal_seconds(facts.duration()), decimal_seconds(exact), "{}", listed.playlist);
        let mut at = MediaTime::ZERO;
        for (segment, fact) in listed.track.segments.iter().zip(&facts.segments) {
            let start = listed.track.track.timescale.time(segment.start - listed.track.segments[0].start);
            let start = if segment.number > 1 { start + priming } else { start };
            let off = (at - start).ratio();
            assert!(off <= Rational::new(1, 1_000_000) && -off <= Rational::new(1, 1_000_000));
            at = at + fact.duration;
        }
        let longest = facts.segments.iter().map(|s| s.duration).max().unwrap();
        assert!(facts.target_duration as i64 >= longest.ratio().round().to_integer());
    }
}

#[test]
fn the_target_duration_is_the_same_in_every_media_playlist() {
    let mut film = film();
    // Sound is cut at its access units: half a frame more is another second.
    film.audio[1] = timed_sound(film.audio[1].clone(), &[188 * 1024, 211 * 1024, 188 * 1024, 166 * 1024]);
    let files = hls::files(&film, MASTER).unwrap();
    let targets = files.iter().filter(|(path, _)| path != MASTER).map(|(_, text)| own_media(text).target_duration);
    assert_eq!(targets.collect::<Vec<_>>(), [5; 8]);
}

#[test]
fn iframe_playlists_name_every_key_frame() {
    let mut film = film();
    // Of 4.004 s in segment 2, 2.002 and 1 s.
    film.video[0] = with_keys(film.video[0].clone(), 2, &[(48_048, 30_000), (72_048, 70_000)]);
    let listed = &film.video[0];
    let text = hls::iframes(listed, listed.iframes.as_ref().unwrap(), 4).unwrap();
    let (theirs, ours) = (m3u8_media(&text), own_media(&text));
    assert_eq!((theirs.segments.len(), ours.segments.len()), (6, 6));
    let named = |n: usize| (ours.segments[n].range.unwrap(), decimal_seconds(ours.segments[n].duration));
    let second = ((0, 90_000), "2.002000".to_owned());
    let further = [((48_048, 30_000), "1.000000".to_owned()), ((72_048, 70_000), "1.002000".to_owned())];
    assert_eq!([named(1), named(2), named(3)], [second, further[0].clone(), further[1].clone()]);
    assert_eq!(ours.segments[1].uri, ours.segments[3].uri);
    assert_eq!(decimal_seconds(ours.duration()), decimal_seconds(listed.track.duration()));
    assert!(media(listed) == media(&self::film().video[0]), "whole segments are listed as before");

    // The rates count them: 500,000 + 900,000 + 1,600,000 + 700,000, a tenth of each, and 100,000 more in 16.016 s.
    let master = m3u8_master(&hls::master(&film, MASTER).unwrap());
    let tag = master.variants.iter().find(|variant| variant.is_i_frame).unwrap();
    assert_eq!(tag.average_bandwidth, Some(234_766));
    // The most in 2 to 6 s: 30,000 and 70,000 of segment 2 in 2.002 s.
    assert_eq!(tag.bandwidth, 399_601);
}

#[test]
fn key_frames_outside_of_their_segment_are_errors() {
    for keys in [&[(0, 1)][..], &[(96_096, 1)], &[(9, 1), (9, 1)], &[(9, 1), (8, 1)], &[(-1, 1)]] {
        let listed = with_keys(film().video[0].clone(), 2, keys);
        let error = hls::iframes(&listed, "iframes.m3u8", 4).unwrap_err();
        assert!(matches!(error, PlaylistError::KeyFrames { number: 2, .. }), "{keys:?}: {error}");
    }
}

#[test]
fn iframe_playlists_name_the_first_sample_of_each_segment() {
    let film = with_gaps(film(), &[2]);
    let listed = &film.video[0];
    let text = hls::iframes(listed, listed.iframes.as_ref().unwrap(), 4).unwrap();
    let (theirs, ours) = (m3u8_media(&text), own_media(&text));
    assert!(theirs.i_frames_only && ours.iframes_only);
    let segments = ours.segments.iter().filter(|s| !s.gap);
    for (fact, segment) in segments.zip(&listed.track.segments) {
        assert_eq!(fact.range, Some((0, segment.key_bytes)));
    }
    assert_eq!(theirs.segments[0].byte_range.as_ref().map(|r| (r.length, r.offset)), Some((50_000, Some(0))));
    assert!(ours.segments[1].gap && ours.segments[1].range.is_none());
    assert_eq!(ours.version, 8);
}

#[test]
fn dash_mpd_reads_the_mpd() {
    let film = film();
    let text = dash::mpd(&film, MPD).unwrap();
    let mpd = dash_mpd_core::parse(&text).unwrap();
    assert_eq!(mpd.mpdtype.as_deref(), Some("static"));
    assert_eq!(mpd.mediaPresentationDuration.unwrap().as_secs_f64(), 16.064);
    let [period] = mpd.periods.as_slice() else { panic!("one period") };
    let [video, english, french] = period.adaptations.as_slice() else { panic!("three sets") };
    assert_eq!((video.maxWidth, video.maxHeight), (Some(1920), Some(1080)));
    assert_eq!(video.par.as_deref(), Some("16:9"));
    assert_eq!((english.lang.as_deref(), french.lang.as_deref()), (Some("en"), Some("fr")));
    let roles = [english, french].map(|set| set.Role[0].value.clone().unwrap());
    assert_eq!(roles, ["main", "alternate"]);

    for (representation, listed) in video.representations.iter().zip(&film.video) {
        let (width, height, rate) = picture(listed);
        assert_eq!(representation.id.as_deref(), Some(listed.track.track.name.as_str()));
        assert_eq!(representation.codecs.as_deref(), Some(listed.track.track.codec.as_str()));
        assert_eq!((representation.width, representation.height), (Some(width.into()), Some(height.into())));
        assert_eq!(representation.frameRate.as_deref(), Some(rate.to_string().as_str()));
        let template = representation.SegmentTemplate.as_ref().unwrap();
        let timeline = &template.SegmentTimeline.as_ref().unwrap().segments;
        let count: i64 = timeline.iter().map(|s| 1 + s.r.unwrap_or(0)).sum();
        assert_eq!(count as usize, listed.track.segments.len());
        let ticks: u64 = timeline.iter().map(|s| s.d * (1 + s.r.unwrap_or(0) as u64)).sum();
        assert_eq!(ticks, listed.track.segments.iter().map(|s| s.duration).sum::<u64>());
    }
}

/// Every segment of every track, once, with its own path and time.
fn assert_mpd_names_all(presentation: &Presentation) {
    let facts = inspect::mpd(&dash::mpd(presentation, MPD).unwrap()).unwrap();
    for listed in presentation.video.iter().chain(&presentation.audio) {
        let track = &listed.track;
        let mut found = Vec::new();
        for part in facts.representations.iter().filter(|r| r.id == track.track.name) {
            assert_eq!(part.timescale, track.track.timescale);
            assert_eq!(part.initialization, track.track.init.path);
            let offset = part.timescale.time(part.presentation_time_offset as i64);
            // Up to the microsecond of the one and half a tick of the other.
            let off = (offset - part.period_start).ratio();
            let half = Rational::new(1, 1_000_000) + part.timescale.time(1).ratio() / 2;
            assert!(-half <= off && off <= half, "times and periods share the output timeline");
            found.extend(part.segments.iter().map(|s| (s.number, s.start, s.duration, s.uri.clone())));
        }
        found.dedup();
        let wanted =
            track.segments.iter().map(|s| (u64::from(s.number), s.start as u64, s.duration, s.file.path.clone()));
        assert_eq!(found, wanted.collect::<Vec<_>>(), "{}", track.track.name);
    }
}

#[test]
fn numbers_and_times_stay_true_over_gaps() {
    for gaps in [&[][..], &[1], &[2], &[2, 3], &[4], &[1, 3], &[1, 4], &[2, 4], &[1, 2, 4]] {
        assert_mpd_names_all(&with_gaps(film(), gaps));
    }
    assert_mpd_names_all(&vfr());
    assert_mpd_names_all(&Presentation { video: vec![], ..film() });
}

#[test]
fn gaps_are_said_in_hls_and_cut_dash_into_periods() {
    let film = with_gaps(film(), &[2, 3]);
    let facts = own_media(&media(&film.video[0]));
    assert_eq!(facts.segments.iter().map(|s| s.gap).collect::<Vec<_>>(), [false, true, true, false]);
    assert_eq!(facts.segments[1].uri, "segments/000002.m4s");
    assert_eq!(decimal_seconds(facts.duration()), "16.016000");
    let mpd = dash_mpd_core::parse(&dash::mpd(&film, MPD).unwrap()).unwrap();
    let starts: Vec<_> = mpd.periods.iter().map(|p| p.start.unwrap().as_secs_f64()).collect();
    assert_eq!(starts, [0.0, 12.012]);
}

#[test]
fn hdr_is_said_in_both_beside_sdr() {
    let mut film = film();
    // Two of three renditions, each as a variant and as an I-frame variant.
    film.video = film
        .video
        .into_iter()
        .zip([VideoRange::Pq, VideoRange::Pq, VideoRange::Sdr])
        .map(|(v, r)| with_range(v, r))
        .collect();
    let master = hls::master(&film, MASTER).unwrap();
    assert_eq!((master.matches("VIDEO-RANGE=PQ").count(), master.matches("VIDEO-RANGE=SDR").count()), (4, 2));
    let mpd = dash::mpd(&film, MPD).unwrap();
    let transfer = "<SupplementalProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:TransferCharacteristics\" value=\"16\"/>";
    assert_eq!(mpd.matches(transfer).count(), 1);
    assert_eq!(mpd.matches("contentType=\"video\"").count(), 2, "players do not switch between dynamic ranges");
}

#[test]
fn audio_groups_have_corresponding_members() {
    // Each language in stereo and in 5.1: two groups, and each rendition once per group.
    let mut both = film();
    both.audio.extend(film().audio.into_iter().map(|listed| with_channels(listed, 6)));
    let master = own_master(&hls::master(&both, MASTER).unwrap());
    assert_eq!(master.variants.len(), 6);
    let groups = |name: &str| master.renditions.iter().filter(|r| r.group == name).count();
    assert_eq!((groups("mp4a-2ch"), groups("mp4a-6ch")), (2, 2));

    // English in 5.1 and French in stereo are one choice, so one group.
    let mut mixed = film();
    mixed.audio[0] = with_channels(mixed.audio[0].clone(), 6);
    let text = hls::master(&mixed, MASTER).unwrap();
    let master = own_master(&text);
    assert!(master.variants.iter().all(|v| v.audio.as_deref() == Some("mp4a")));
    assert_eq!(text.matches("DEFAULT=YES").count(), 1);
}

#[test]
fn each_variant_names_the_codec_of_its_own_sound() {
    // Passed through: English AC-3, and French AAC, which is the default.
    let mut mixed = film();
    mixed.audio[0].track.track.codec = "ac-3".into();
    for (listed, is_default) in mixed.audio.iter_mut().zip([false, true]) {
        if let TrackKind::Audio { default, .. } = &mut listed.track.track.kind {
            *default = is_default;
        }
    }
    let text = hls::master(&mixed, MASTER).unwrap();
    let master = own_master(&text);
    let sounds: Vec<_> =
        master.variants.iter().map(|v| (v.audio.as_deref().unwrap(), v.codecs[1..].join(","))).collect();
    let (french, english) = (("mp4a", "mp4a.40.2".to_owned()), ("ac-3", "ac-3".to_owned()));
    assert_eq!(sounds, [french.clone(), english.clone(), french.clone(), english.clone(), french, english]);
    // A default in each group.
    assert_eq!(text.matches("DEFAULT=YES").count(), 2);
}

#[test]
fn contradictions_are_refused() {
    let change = |edit: fn(&mut ListedTrack)| {
        let mut film = film();
        edit(&mut film.video[1]);
        (hls::master(&film, MASTER).err(), dash::mpd(&film, MPD).err())
    };
    let (hls, dash) = change(|t| drop(t.track.segments.remove(1)));
    assert!(matches!(hls, Some(PlaylistError::Number { expected: 2, found: 3, .. })));
    assert_eq!(hls, dash);
    let (hls, _) = change(|t| t.track.segments[2].start += 1);
    assert!(matches!(hls, Some(PlaylistError::Time { number: 3, .. })));
    let (hls, _) = change(|t| t.track.segments[0].start = -1);
    assert!(matches!(hls, Some(PlaylistError::BeforeOrigin { start: -1, .. })));
    let (_, dash) = change(|t| t.track.segments[2].file.path.insert(0, 'x'));
    assert!(matches!(dash, Some(PlaylistError::Path { number: 3, .. })));
    let (_, dash) = change(|t| t.track.segments[0].file.path = "first.m4s".into());
    assert!(matches!(dash, Some(PlaylistError::Unnumbered { number: 1, .. })));
    let (hls, _) = change(|t| t.track.segments.clear());
    assert!(matches!(hls, Some(PlaylistError::NoSegments { .. })));

    let mut lone = film();
    lone.video[2] = gapped(lone.video[2].clone(), &[2]);
    assert!(matches!(dash::mpd(&lone, MPD), Err(PlaylistError::LoneGap { number: 3, .. })));
    let none = Presentation { video: vec![], audio: vec![] };
    assert_eq!(hls::master(&none, MASTER), Err(PlaylistError::NoTracks));
    let mixed = Presentation { audio: film().video, ..film() };
    assert!(matches!(dash::mpd(&mixed, MPD), Err(PlaylistError::WrongKind { listed: "audio", .. })));
}

#[test]
fn the_readers_survive_broken_text() {
    let film = with_gaps(film(), &[2]);
    let mut texts: Vec<String> = hls::files(&film, MASTER).unwrap().into_iter().map(|f| f.1).collect();
    texts.push(dash::mpd(&film, MPD).unwrap());
    for text in &texts {
        for cut in (0..text.len()).step_by(3).filter(|at| text.is_char_boundary(*at)) {
            let _ = inspect::playlist_hls(&text[..cut]);
            assert!(inspect::mpd(&text[..cut]).is_err() || cut + 1 >= text.len());
            for other in ["\"", "=", ",", "-1", "99999999999999999999", "$", "<", "\n"] {
                let broken = format!("{}{other}{}", &text[..cut], &text[cut..]);
                let _ = (inspect::playlist_hls(&broken), inspect::mpd(&broken));
            }
        }
    }
    let bomb = dash::mpd(&film, MPD).unwrap().replace(" d=", " r=\"4000000000\" d=");
    let why = inspect::mpd(&bomb).unwrap_err().to_string();
    assert!(why.contains("more than 250000 segments"), "{why}");
}

proptest! {
    #[test]
    fn any_track_keeps_its_duration_and_its_timeline(
        durations in proptest::collection::vec(1_u64..2_000_000, 1..40),
        timescale in 1_000_u32..200_000,
        gap in 0_usize..40,
    ) {
        let mut film = vfr();
        film.video[0] = timed(film.video[0].clone(), timescale, &durations);
        if durations.len() > 1 {
            let number = 1 + (gap % durations.len()) as u32;
            film.video[0] = gapped(film.video[0].clone(), &[number]);
        }
        let listed = &film.video[0];
        let facts = own_media(&media(listed));
        prop_assert_eq!(decimal_seconds(facts.duration()), decimal_seconds(listed.track.duration()));
        prop_assert_eq!(facts.segments.len(), durations.len());
        let rounded = |s: &transcode_media::inspect::HlsSegment| s.duration.ratio().round().to_integer();
        let longest = facts.segments.iter().map(rounded).max().unwrap();
        prop_assert_eq!(facts.target_duration as i64, longest.max(1));
        assert_mpd_names_all(&film);
    }
}
