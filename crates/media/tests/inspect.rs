//! The inspector on what ffmpeg writes, judged by ffprobe, and on what nobody should write.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod inspect_fixtures;

use std::io::Cursor;

use inspect_fixtures::*;
use proptest::prelude::*;
use transcode_media::{
    inspect::{
        Finding, InitFacts, InspectError, MediaKind, SegmentFacts, continuity, inspect_init, inspect_progressive,
        inspect_segment,
    },
    time::{Rational, Timescale},
    track::Gap,
};

fn facts(stream: &Fragments) -> (InitFacts, Vec<SegmentFacts>) {
    let init = inspect_init(&stream.init).unwrap();
    let segments = stream.segments.iter().map(|s| inspect_segment(s, &init).unwrap()).collect();
    (init, segments)
}

/// What `continuity` says of segments that are numbered from 1.
fn findings(segments: &[SegmentFacts], gaps: &[Gap]) -> Vec<Finding> {
    let numbered: Vec<_> = (1..).zip(segments.iter().cloned()).collect();
    continuity(&numbered, gaps)
}

/// Times, sizes and flags of all samples, as ffprobe sees the whole stream.
fn assert_as_ffprobe(stream: &Fragments) {
    let (_, segments) = facts(stream);
    let packets = stream.packets();
    let samples: Vec<_> = segments.iter().flat_map(|s| &s.samples).collect();
    assert_eq!(samples.len(), packets.len());
    // ffprobe shows PTS after the edit list, and DTS from an arbitrary shift.
    for (sample, packet) in samples.iter().zip(&packets) {
        assert_eq!(sample.pts, packet.pts);
        assert_eq!(u64::from(sample.size), packet.size);
        assert_eq!(sample.sync, packet.key);
    }
    assert_eq!(findings(&segments, &[]).iter().filter(|f| !is_banner(f)).count(), 0);
}

fn starts_with_random_access(segment: &SegmentFacts) -> bool {
    segment.fragments.iter().all(|fragment| fragment.starts_with_random_access)
}

fn is_banner(finding: &Finding) -> bool {
    matches!(finding, Finding::EncoderBanner { .. })
}

#[test]
fn h264_with_b_frames() {
    let stream = Fragments::video("libx264", &["-bf", "3", "-b:v", "300k"]);
    assert_as_ffprobe(&stream);
    let (init, segments) = facts(&stream);
    assert_eq!(init.timescale, Timescale(12_800));
    assert_eq!(init.codec, stream.codec_of_hls());
    assert_eq!(init.nal_length_size, Some(4));
    let MediaKind::Video { width, height, sar, .. } = init.kind else { panic!("video") };
    assert_eq!((width, height, sar), (320, 180, Rational::new(4, 3)));
    assert_eq!(segments.len(), 3);
    assert!(segments.iter().all(starts_with_random_access));
    assert!(segments[0].has_encoder_banner && !segments[1].has_encoder_banner);
    assert_eq!(segments[1].decode_time(), 25_600);
    assert_eq!(segments[0].decode_end(), 25_600);
    assert_eq!(segments[0].samples[0].offset + u64::from(segments[0].samples[0].size), segments[0].key_bytes());
}

#[test]
fn h264_without_a_banner() {
    let stream = Fragments::video("libx264", &["-bsf:v", "filter_units=remove_types=6"]);
    let (_, segments) = facts(&stream);
    assert!(segments.iter().all(|s| !s.has_encoder_banner));
    assert_eq!(findings(&segments, &[]), []);
}

#[test]
fn open_gops_are_seen_in_the_bitstream() {
    let stream = Fragments::video("libx264", &["-x264-params", "open-gop=1:bframes=3"]);
    let (_, segments) = facts(&stream);
    assert!(starts_with_random_access(&segments[0]));
    assert!(!starts_with_random_access(&segments[1]), "a recovery point is no IDR");
    assert!(findings(&segments, &[]).contains(&Finding::NoRandomAccess { segment: 2 }));
}

#[test]
fn hevc() {
    let params = "forced-idr=1:open-gop=0:log-level=none";
    let stream = Fragments::video("libx265", &["-tag:v", "hvc1", "-x265-params", params]);
    assert_as_ffprobe(&stream);
    let (init, segments) = facts(&stream);
    assert!(init.codec.starts_with("hvc1.1.6.L"), "{}", init.codec);
    assert!(init.has_encoder_banner);
    assert!(segments.iter().all(starts_with_random_access));

    let params = "info=0:open-gop=1:log-level=none";
    let stream = Fragments::video("libx265", &["-tag:v", "hvc1", "-x265-params", params]);
    let (init, segments) = facts(&stream);
    assert!(!init.has_encoder_banner && segments.iter().all(|s| !s.has_encoder_banner));
    assert!(starts_with_random_access(&segments[0]) && !starts_with_random_access(&segments[1]));
}

#[test]
fn av1() {
    let colour = [
        "-preset",
        "12",
        "-color_primaries",
        "bt709",
        "-color_trc",
        "bt709",
        "-colorspace",
        "bt709",
        "-color_range",
        "tv",
    ];
    let stream = Fragments::video("libsvtav1", &colour);
    assert_as_ffprobe(&stream);
    let (init, segments) = facts(&stream);
    assert_eq!(init.codec, "av01.0.00M.08");
    assert_eq!(init.nal_length_size, None);
    assert!(segments.iter().all(|s| starts_with_random_access(s) && !s.has_encoder_banner));
    let MediaKind::Video { colour: Some(colour), .. } = init.kind else { panic!("colour") };
    assert_eq!((colour.primaries, colour.transfer, colour.matrix), (1, 1, 1));
}

#[test]
fn aac_has_its_priming_in_an_edit_list() {
    let stream = Fragments::audio("aac", &["-metadata:s:a:0", "language=fra"]);
    assert_as_ffprobe(&stream);
    let (init, segments) = facts(&stream);
    assert_eq!(init.codec, "mp4a.40.2");
    assert_eq!((init.timescale, init.edit_media_time), (Timescale(48_000), 1024));
    // Muxers put the number of the track there.
    assert_eq!(init.kind, MediaKind::Audio { channels: 2, sample_rate: 48_000, stream_id: Some(1) });
    assert_eq!(init.language, "fra");
    assert_eq!(segments[0].samples[0].pts, -1024);
    assert!(segments[0].has_encoder_banner, "Lavc in the first access unit");
}

#[test]
fn opus() {
    let stream = Fragments::audio("libopus", &[]);
    assert_as_ffprobe(&stream);
    let (init, segments) = facts(&stream);
    assert_eq!(init.codec, "Opus");
    assert_eq!(init.kind, MediaKind::Audio { channels: 2, sample_rate: 48_000, stream_id: None });
    assert_eq!(init.edit_media_time, 312);
    assert!(segments.iter().all(|s| !s.has_encoder_banner && starts_with_random_access(s)));
}

#[test]
fn progressive_files() {
    for (faststart, flags) in [(true, "+faststart"), (false, "+negative_cts_offsets")] {
        let (data, folder) = progressive(flags);
        let facts = inspect_progressive(&mut Cursor::new(&data)).unwrap();
        assert_eq!(facts.moov_first, faststart);
        assert_eq!(facts.tracks.len(), 2);
        for (at, track) in facts.tracks.iter().enumerate() {
            let packets = packets(&folder.path().join(PROGRESSIVE), at);
            assert_eq!(track.table.len(), packets.len());
            for (sample, packet) in track.table.samples().zip(&packets) {
                assert_eq!((sample.pts, sample.sync), (packet.pts, packet.key));
                assert_eq!((u64::from(sample.size), sample.offset), (packet.size, packet.offset));
            }
            assert!(!track.table.wide_offsets());
            assert!(track.presentation_times().is_sorted());
            let bytes: u64 = track.table.samples().map(|s| u64::from(s.size)).sum();
            assert!(bytes < facts.media.iter().map(|(start, end)| end - start).sum());
        }
        assert_eq!(facts.tracks[0].media_duration(), 6 * 12_800);
        assert_eq!(facts.tracks[1].init.edit_media_time, 1024);
        assert_eq!((facts.tracks[0].roll, facts.tracks[1].roll), (None, Some(-1)), "as ffmpeg writes it");
    }
}

#[test]
fn continuity_tells_what_is_wrong_and_where() {
    let stream = Fragments::video("libx264", &["-bf", "2", "-bsf:v", "filter_units=remove_types=6"]);
    let (_, segments) = facts(&stream);
    let gap = |duration| Gap { number: 2, start: 25_600, duration };
    let missing = [(1, segments[0].clone()), (3, segments[2].clone())];
    assert_eq!(continuity(&missing, &[gap(25_600)]), []);
    let without = continuity(&missing, &[]);
    assert_eq!(
        without,
        [
            Finding::Number { expected: 2, found: 3 },
            Finding::DecodeTime { segment: 3, expected: 25_600, found: 51_200 },
        ]
    );
    assert_eq!(without[0].to_string(), "segment 2 should come next, but 3 does");
    assert_eq!(continuity(&missing, &[gap(25_599)]).len(), 1);

    let mut broken = segments.clone();
    broken[1].samples[3].pts = broken[1].samples[4].pts;
    let pts = broken[1].samples[4].pts;
    assert!(findings(&broken, &[]).contains(&Finding::SamePts { segment: 2, pts }));
    let mut broken = segments.clone();
    broken[1].samples[3].pts = 0;
    let found = findings(&broken, &[]);
    assert!(found.iter().any(|f| matches!(f, Finding::Overlap { found: 0, .. })), "{found:?}");
    assert!(found.iter().any(|f| matches!(f, Finding::NegativeOffset { .. })));
    let mut broken = segments.clone();
    broken[2].samples[0].sync = false;
    assert_eq!(findings(&broken, &[]), [Finding::NotSync { segment: 3 }]);
    let mut broken = segments;
    broken[2].fragments[0].sequence = broken[1].fragments[0].sequence;
    let last = broken[1].fragments[0].sequence;
    assert_eq!(findings(&broken, &[]), [Finding::Sequence { segment: 3, last, found: last }]);
}

#[test]
fn key_frames_inside_of_a_segment_are_found() {
    let stream = Fragments::video("libx264", &["-bf", "2", "-bsf:v", "filter_units=remove_types=6"]);
    let init = inspect_init(&stream.init).unwrap();
    let two = inspect_segment(&[stream.segments[0].as_slice(), &stream.segments[1]].concat(), &init).unwrap();
    let (_, segments) = facts(&stream);
    assert_eq!(findings(&[two.clone(), segments[2].clone()], &[]), []);
    assert_eq!(two.samples.len(), segments[0].samples.len() + segments[1].samples.len());
    assert_eq!((two.decode_time(), two.decode_end()), (0, segments[1].decode_end()));
    let [key] = two.further_keys()[..] else { panic!("one more") };
    let moof = stream.segments[1].windows(4).position(|w| w == b"moof").unwrap() as u64 - 4;
    assert_eq!(key.offset, stream.segments[0].len() as u64 + moof);
    assert_eq!(key.bytes, segments[1].key_bytes() - moof);
    assert_eq!((key.start, key.samples as usize), (segments[1].samples[0].pts, segments[1].samples.len()));
    assert_eq!(two.hidden_key(), None);

    let mut hidden = two.clone();
    hidden.samples[60].sync = true;
    assert_eq!(hidden.hidden_key(), Some(&hidden.samples[60]));
    // The second fragment, a frame later.
    let mut late = two;
    late.fragments[1].decode_time += 512;
    let (expected, found) = (25_600, 26_112);
    assert!(findings(&[late], &[]).contains(&Finding::DecodeTime { segment: 1, expected, found }));
}

#[test]
fn a_segment_holds_whole_fragments_and_nothing_else() {
    let stream = Fragments::video("libx264", &[]);
    let init = inspect_init(&stream.init).unwrap();
    let segment = &stream.segments[0];
    let of = |data: &[u8]| inspect_segment(data, &init);
    let mdat = segment.windows(4).position(|w| w == b"mdat").unwrap() - 4;

    let two = [segment.as_slice(), &segment[..mdat]].concat();
    assert!(matches!(of(&two), Err(InspectError::Missing("mdat"))));
    let two = [&segment[..mdat], segment].concat();
    assert!(matches!(of(&two), Err(InspectError::Unexpected { kind, .. }) if kind == "moof"));
    let mfra = [segment.as_slice(), b"\0\0\0\x08mfra"].concat();
    assert!(matches!(of(&mfra), Err(InspectError::Unexpected { kind, .. }) if kind == "mfra"));
    assert!(matches!(of(&segment[..mdat]), Err(InspectError::Missing("mdat"))));
    assert!(matches!(of(&segment[mdat..]), Err(InspectError::Unexpected { .. })));
    assert!(matches!(of(&[]), Err(InspectError::Missing("moof"))));

    let mut longer = segment.clone();
    let size = u32::from_be_bytes(longer[mdat..mdat + 4].try_into().unwrap()) + 3;
    longer[mdat..mdat + 4].copy_from_slice(&size.to_be_bytes());
    longer.extend([0; 3]);
    let why = of(&longer).unwrap_err().to_string();
    assert_eq!(why, "`mdat`: 3 bytes belong to no sample");
    let mut other = init.clone();
    other.track_id = 2;
    assert!(inspect_segment(segment, &other).is_err());
}

/// Init segment, media segment, progressive file.
type Sample = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Small real files whose bytes are then changed.
fn corpus() -> &'static [Sample] {
    static CORPUS: std::sync::OnceLock<Vec<Sample>> = std::sync::OnceLock::new();
    CORPUS.get_or_init(|| {
        let x265 = ["-tag:v", "hvc1", "-x265-params", "log-level=none"];
        let streams = [
            Fragments::video("libx264", &[]),
            Fragments::video("libx265", &x265),
            Fragments::video("libsvtav1", &["-preset", "12"]),
            Fragments::audio("aac", &[]),
            Fragments::audio("libopus", &[]),
        ];
        let file = progressive("+faststart").0;
        streams.into_iter().map(|mut s| (s.init, s.segments.swap_remove(1), file.clone())).collect()
    })
}

/// Reads everything that the bytes could be; only panics and runaway allocations matter.
fn read_all(init: &InitFacts, data: &[u8]) {
    let _ = inspect_segment(data, init);
    let _ = inspect_progressive(&mut Cursor::new(data));
    if let Ok(init) = inspect_init(data) {
        let _ = inspect_segment(data, &init);
    }
}

#[test]
fn truncated_files_are_errors() {
    for (init, segment, file) in corpus() {
        let facts = inspect_init(init).unwrap();
        for cut in 0..init.len() {
            assert!(inspect_init(&init[..cut]).is_err(), "init cut at {cut}");
        }
        for cut in (0..segment.len()).filter(|cut| *cut < 3000 || cut % 97 == 0) {
            assert!(inspect_segment(&segment[..cut], &facts).is_err(), "segment cut at {cut}");
        }
        for cut in (0..file.len()).filter(|cut| cut % 211 == 0) {
            assert!(inspect_progressive(&mut Cursor::new(&file[..cut])).is_err());
        }
    }
}

#[test]
fn every_header_byte_may_be_anything() {
    for (at, (init, segment, file)) in corpus().iter().enumerate() {
        let facts = inspect_init(init).unwrap();
        // The headers and tables of 2 s and 6 s of media; what follows is coded samples.
        let file = if at == 0 { file.as_slice() } else { &[] };
        for (data, headers) in [(init.as_slice(), 2000), (segment, 1200), (file, 5000)] {
            let mut broken = data.to_vec();
            for at in 0..data.len().min(headers) {
                for value in [0, 0xff, data[at] ^ 0x80, data[at].wrapping_add(1)] {
                    broken[at] = value;
                    read_all(&facts, &broken);
                }
                broken[at] = data[at];
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn flipped_bytes_never_panic(
        which in 0_usize..5,
        kind in 0_usize..3,
        flips in proptest::collection::vec((0_usize..6000, any::<[u8; 4]>()), 1..5),
    ) {
        let (init, segment, file) = &corpus()[which];
        let facts = inspect_init(init).unwrap();
        let mut data = [init, segment, file][kind].clone();
        for (at, bytes) in flips {
            let at = at % (data.len() - 4);
            data[at..at + 4].copy_from_slice(&bytes);
        }
        read_all(&facts, &data);
    }

    #[test]
    fn noise_never_panics(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let facts = inspect_init(&corpus()[0].0).unwrap();
        read_all(&facts, &data);
    }
}
