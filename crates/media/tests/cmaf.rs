//! From ffmpeg's encodes to segments and progressive files, and back through ffmpeg.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cmaf_fixtures;

use std::fs::File;

use cmaf_fixtures::{
    CHUNK, FRAMES, OnDisk, SEGMENT, Source, TONE, Track, encode_tone, open, progressive, tone, tone_by_ffmpeg,
};
use proptest::prelude::*;
use transcode_media::cmaf::{
    SampleEntry,
    audio::{AudioError, AudioPlan, AudioSegment, audio_segments},
    codec::codec_text,
    encoded::EncodedTrack,
    init::{TrackInit, init_segment},
    rewrite::{ChunkPlan, Fragments, RewriteError, SegmentFrames, video_segments},
};
use transcode_media::{
    inspect::{continuity, inspect_init, inspect_progressive, inspect_segment},
    time,
};

const X264: [&str; 8] = ["-c:v", "libx264", "-preset", "medium", "-threads", "1", "-forced-idr", "1"];
const X265: [&str; 10] = [
    "-c:v",
    "libx265",
    "-preset",
    "veryfast",
    "-tag:v",
    "hvc1",
    "-forced-idr",
    "1",
    "-x265-params",
    "info=0:open-gop=0:pools=1:frame-threads=1:log-level=error",
];
const AV1: [&str; 6] = ["-c:v", "libsvtav1", "-preset", "12", "-g", "24"];
const AAC: [&str; 4] = ["-c:a", "aac", "-b:a", "96k"];
const OPUS: [&str; 4] = ["-c:a", "libopus", "-b:a", "96k"];

/// Segments as verify reads them, joined as ffmpeg reads them, and the same as a progressive file.
fn check_video(source: &Source, encoder: &[&str], delay: u32) -> Track {
    let track = source.track(encoder, delay);
    let init = inspect_init(&init_segment(&track.init)).unwrap();
    assert_eq!(init.edit_media_time, i64::from(delay));
    let TrackInit::Video(video) = &track.init else { panic!() };
    let text = codec_text(&SampleEntry::Video(video.entry.clone()), video.colour).unwrap();
    assert_eq!(text, init.codec);

    let facts: Vec<_> = track.segments.iter().map(|s| inspect_segment(&s.bytes, &init).unwrap()).collect();
    assert_eq!(continuity(&(1..).zip(facts.iter().cloned()).collect::<Vec<_>>(), &[]), []);
    let mut before = 0;
    for ((number, segment), facts) in (1..).zip(&track.segments).zip(&facts) {
        assert_eq!((segment.number, &segment.further_keys), (number, &facts.further_keys()));
        assert_eq!(facts.hidden_key(), None, "every key frame begins a fragment");
        for fragment in &facts.fragments {
            assert_eq!(fragment.sequence as usize, before + fragment.samples.start + 1);
        }
        before += facts.samples.len();
        assert_eq!(segment.samples as usize, facts.samples.len());
        assert_eq!(segment.key_bytes, facts.key_bytes());
        assert_eq!(segment.start, facts.decode_time() as i64);
        assert_eq!(segment.duration, facts.decode_end() - facts.decode_time());
        assert!(!facts.has_encoder_banner);
    }
    assert_eq!(facts.last().unwrap().decode_end() as i64, source.end);

    for bytes in [track.joined(), progressive(&[&track])] {
        let file = OnDisk::new(&bytes);
        file.decode();
        assert_eq!(file.times("v:0", "frame=pts"), source.times);
    }
    let file = inspect_progressive(&mut std::io::Cursor::new(progressive(&[&track]))).unwrap();
    assert!(file.moov_first && !file.tracks[0].table.wide_offsets());
    assert_eq!(file.tracks[0].presentation_times(), source.times);
    assert_eq!(file.duration, init.timescale.time(source.end));
    track
}

#[test]
fn x264_at_a_constant_rate() {
    let track = check_video(&Source::constant(), &X264, 2002);
    let whole = track.joined();
    assert!(!whole.windows(11).any(|window| window == b"x264 - core"));
}

#[test]
fn x264_at_a_variable_rate() {
    let source = Source::variable();
    check_video(&source, &X264, source.delay());
}

/// Key frames of every chunk beside those that start its segments, and how they are asked for.
const KEYS: [usize; 4] = [1, 10, 30, 31];
const FORCED: [&str; 2] = ["-force_key_frames", "expr:eq(n,0)+eq(n,1)+eq(n,10)+eq(n,24)+eq(n,30)+eq(n,31)"];

/// Every key frame begins a fragment, and is one picture by itself: the right one.
fn check_keys(encoder: &[&str], delay: u32) {
    let source = Source::constant();
    let track = check_video(&source, &[encoder, &FORCED].concat(), delay);
    let keys = track.segments.iter().flat_map(|segment| &segment.further_keys).map(|key| key.start);
    let chunks = (0..FRAMES).step_by(CHUNK);
    let asked: Vec<i64> = chunks.flat_map(|first| KEYS.map(|key| source.times[first + key])).collect();
    assert_eq!(keys.collect::<Vec<_>>(), asked);
    let shown = OnDisk::new(&track.joined()).pictures();
    for segment in &track.segments {
        for key in &segment.further_keys {
            let part = &segment.bytes[key.offset as usize..][..key.bytes as usize];
            let alone = OnDisk::new(&[&init_segment(&track.init)[..], part].concat()).pictures();
            let at = source.times.iter().position(|time| *time == key.start).unwrap();
            assert_eq!(alone, shown[at..=at]);
        }
    }
}

#[test]
fn key_frames_inside_of_segments_begin_fragments() {
    check_keys(&X264, 2002);
    check_keys(&X265, 2002);
    let forced = ["-svtav1-params", "enable-force-key-frames=1"];
    check_keys(&[&AV1[..], &forced].concat(), 0);
}

#[test]
fn a_segment_can_be_one_fragment_with_its_own_number() {
    let (source, folder) = (Source::constant(), tempfile::tempdir().unwrap());
    let path = folder.path().join("s.mp4");
    source.encode(CHUNK..2 * CHUNK, &[&X264[..], &FORCED].concat(), &path);
    let segments = source.segments(1);
    let plan = ChunkPlan { composition_delay: 2002, fragments: Fragments::Segments, ..source.chunk(1, &segments) };
    let track = EncodedTrack::open(File::open(&path).unwrap()).unwrap();
    let init = init_segment(&source.init(track.entry(), 2002));
    let init = inspect_init(&init).unwrap();
    for (segment, planned) in video_segments(track, &plan).unwrap().map(Result::unwrap).zip(&segments) {
        let facts = inspect_segment(&segment.bytes, &init).unwrap();
        let [fragment] = &facts.fragments[..] else { panic!("one fragment") };
        assert_eq!((fragment.sequence, fragment.samples.len()), (planned.number, SEGMENT));
        assert!(segment.further_keys.is_empty() && facts.further_keys().is_empty());
    }
}

#[test]
fn x264_without_reordering_has_no_edit_list() {
    let track = check_video(&Source::constant(), &[&X264[..], &["-bf", "0"]].concat(), 0);
    assert!(!init_segment(&track.init).windows(4).any(|window| window == b"edts"));
}

#[test]
fn x265_at_a_constant_and_a_variable_rate() {
    check_video(&Source::constant(), &X265, 2002);
    let source = Source::variable();
    check_video(&source, &X265, source.delay());
}

#[test]
fn svt_av1_at_a_constant_rate() {
    check_video(&Source::constant(), &AV1, 0);
}

/// Starts of the segments of a constant-rate video of 4.8 s, in samples.
const STARTS: [i64; 6] = [0, 38_438, 76_877, 115_315, 153_754, 192_192];

fn check_audio(encoder: &[&str], priming: u32, unit: u32, codec: &str, roll: Option<i16>) {
    let track = tone(encoder, priming, unit, &STARTS);
    let init = inspect_init(&init_segment(&track.init)).unwrap();
    assert_eq!((init.codec.as_str(), init.language.as_str()), (codec, "fra"));
    let facts: Vec<_> = track.segments.iter().map(|s| inspect_segment(&s.bytes, &init).unwrap()).collect();
    assert_eq!(continuity(&(1..).zip(facts.iter().cloned()).collect::<Vec<_>>(), &[]), []);
    assert_eq!(facts.len(), STARTS.len());
    assert!(init.rolls.iter().copied().eq(roll) && facts.iter().all(|facts| facts.roll == roll), "{:?}", init.rolls);
    assert_eq!(facts[0].decode_time(), 0);
    assert_eq!(facts.last().unwrap().decode_end() as i64, TONE + i64::from(priming));
    for (facts, segment) in facts.iter().zip(&track.segments) {
        let start = STARTS[segment.number as usize - 1];
        let first = facts.samples[0].pts;
        assert!(first < start + i64::from(unit) && (first >= start || segment.number == 1));
        assert!(facts.fragments.len() == 1 && segment.further_keys.is_empty());
        assert_eq!(segment.start, first.max(0));
    }
    let ends: Vec<_> = track.segments.iter().map(|s| s.start + s.duration as i64).collect();
    let starts: Vec<_> = track.segments.iter().skip(1).map(|s| s.start).collect();
    assert_eq!(ends[..5], starts);
    assert_eq!(ends[5], TONE);

    let unchanged = OnDisk::new(&track.joined());
    unchanged.decode();
    let times = unchanged.times("a:0", "packet=pts");
    assert_eq!(times[0], -i64::from(priming));
    let whole = OnDisk::new(&progressive(&[&track]));
    whole.decode();
    assert_eq!(whole.times("a:0", "packet=pts"), times);
    // Two channels of 16 bits. libavformat doesn't trim the last access unit of its own files either.
    let sound = whole.sound();
    assert!(sound.len() as i64 >= TONE * 4 && (sound.len() as i64) < (TONE + i64::from(unit)) * 4);
    assert!(sound == tone_by_ffmpeg(encoder), "the sound differs from ffmpeg's own file");
    let facts = inspect_progressive(&mut std::io::Cursor::new(progressive(&[&track]))).unwrap();
    assert_eq!(facts.duration, time::MediaTime::new(TONE, 48_000));
    assert_eq!(facts.tracks[0].roll, roll);
    assert_eq!(whole.times("a:0", "frame=pts")[0], 0);
}

#[test]
fn aac_starts_at_zero_and_ends_with_the_source() {
    check_audio(&AAC, 1024, 1024, "mp4a.40.2", Some(-1));
}

#[test]
fn opus_starts_at_zero_and_ends_with_the_source() {
    check_audio(&OPUS, 312, 960, "Opus", Some(-4));
}

#[test]
fn pictures_and_two_sounds_in_a_progressive_file() {
    let video = Source::constant().track(&X264, 2002);
    let aac = tone(&AAC, 1024, 1024, &STARTS);
    let opus = tone(&OPUS, 312, 960, &STARTS);
    let bytes = progressive(&[&video, &aac, &opus]);
    let facts = inspect_progressive(&mut std::io::Cursor::new(&bytes)).unwrap();
    assert!(facts.moov_first);
    assert_eq!(facts.duration, time::MediaTime::new(TONE, 48_000));
    let counts: Vec<_> = facts.tracks.iter().map(|track| track.table.len()).collect();
    let units = |track: &Track| track.segments.iter().map(|s| s.samples as usize).sum::<usize>();
    assert_eq!(counts, [FRAMES, units(&aac), units(&opus)]);

    let file = OnDisk::new(&bytes);
    file.decode();
    assert_eq!(file.times("v:0", "frame=pts")[0], 0);
    assert_eq!(file.probe("v:0", "stream=codec_name,nb_frames"), ["h264", "144"]);
    assert_eq!(file.probe("a:0", "stream_disposition=default"), ["1"]);
    assert_eq!(file.probe("a:1", "stream_disposition=default"), ["0"]);
    assert_eq!(file.probe("a:1", "stream=codec_name:stream_tags=language"), ["opus", "fra"]);
}

#[test]
fn boundaries_between_chunks_need_keyframes_and_the_right_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.mp4");
    let source = Source::constant();
    source.encode(CHUNK..2 * CHUNK, &[&X264[..], &["-sc_threshold", "0"]].concat(), &path);
    let segments = source.segments(1);
    let good = ChunkPlan { composition_delay: 2002, ..source.chunk(1, &segments) };
    let rewrite = |plan: &ChunkPlan<'_>| {
        video_segments(EncodedTrack::open(File::open(&path).unwrap()).unwrap(), plan).map(|_| ())
    };
    assert!(rewrite(&good).is_ok());

    let short = ChunkPlan { composition_delay: 1001, ..good };
    match rewrite(&short) {
        Err(RewriteError::DelayTooShort { needed: 2002, planned: 1001 }) => {}
        other => panic!("{other:?}"),
    }
    let cut = |at: usize| {
        let part = |number, frames| SegmentFrames { number, frames };
        [part(3, 0..at), part(4, at..CHUNK)]
    };
    let late = cut(SEGMENT + 1);
    match rewrite(&ChunkPlan { segments: &late, ..good }) {
        Err(RewriteError::NoKeyframe { segment: 4, time }) => assert_eq!(time, source.times[73]),
        other => panic!("{other:?}"),
    }
    let mut times = good.times.to_vec();
    times[5] += 1;
    match rewrite(&ChunkPlan { times: &times, ..good }) {
        Err(RewriteError::FrameMismatch { missing, unexpected }) => {
            assert_eq!((missing.first, unexpected.first), (vec![times[5]], vec![times[5] - 1]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interval_without_frames_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.mp4");
    let source = Source::constant();
    let nothing = Source { graph: format!("{}:d=1", source.graph), ..source };
    nothing.encode(CHUNK..2 * CHUNK, &X264, &path);
    assert!(std::fs::metadata(&path).unwrap().len() < 1000);
    assert_eq!(EncodedTrack::open(File::open(&path).unwrap()).unwrap().count(), 0);
    let segments = nothing.segments(1);
    let track = EncodedTrack::open(File::open(&path).unwrap()).unwrap();
    match video_segments(track, &nothing.chunk(1, &segments)) {
        Err(RewriteError::Empty { expected: CHUNK }) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn damaged_files_are_errors_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.mp4");
    let source = Source::constant();
    source.encode(0..CHUNK, &[&X264[..], &["-crf", "51"]].concat(), &path);
    let good = std::fs::read(&path).unwrap();
    let segments = source.segments(0);
    let plan = ChunkPlan { composition_delay: 2002, ..source.chunk(0, &segments) };
    let whole = |bytes: &[u8]| {
        let Ok(track) = open(bytes) else { return false };
        let Ok(mut segments) = video_segments(track, &plan) else { return false };
        segments.all(|segment| segment.is_ok())
    };
    assert!(whole(&good));
    // What follows the last fragment is `mfra`, which isn't looked at.
    let end = good.windows(4).rposition(|window| window == b"mfra").unwrap() - 4;
    for cut in (0..end).step_by(37) {
        assert!(!whole(&good[..cut]), "{cut}");
    }
    let boxes = (0..2000).chain((2000..good.len()).step_by(101));
    for at in boxes {
        for flip in [0xff, 0x80, 0x01] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            whole(&bad);
        }
    }
}

#[test]
fn chunks_of_one_and_two_frames_keep_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.mp4");
    let source = Source::constant();
    for encoder in [&X264[..], &X265, &AV1] {
        for frames in 1..3 {
            source.encode(7..7 + frames, encoder, &path);
            let segments = [SegmentFrames { number: 9, frames: 0..frames }];
            let plan = ChunkPlan {
                before: 7,
                times: &source.times[7..7 + frames],
                end: source.times[7 + frames],
                offset: 0,
                composition_delay: 2002,
                segments: &segments,
                fragments: Fragments::KeyFrames,
            };
            let track = EncodedTrack::open(File::open(&path).unwrap()).unwrap();
            let written: Vec<_> = video_segments(track, &plan).unwrap().map(Result::unwrap).collect();
            assert_eq!((written.len(), written[0].start), (1, 7007), "{encoder:?} {frames}");
        }
    }
}

#[test]
fn holes_and_early_starts_of_sound_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    encode_tone(&AAC, &path);
    let good = std::fs::read(&path).unwrap();
    let segments = [AudioSegment { number: 1, start: 0 }];
    let first_within = |bytes: &[u8], offset, slack| {
        let plan = AudioPlan { offset, priming: 1024, access_unit: 1024, slack, rolls: true, segments: &segments };
        let mut written = audio_segments(open(bytes).unwrap(), &plan).unwrap();
        (written.next().unwrap().map(|_| ()), written.next().is_none())
    };
    let first = |bytes: &[u8], offset| first_within(bytes, offset, 0);
    assert!(matches!(first(&good, -1024), (Ok(()), true)));
    assert!(matches!(first(&good, -1025), (Err(AudioError::TooEarly { time: -1025, .. }), true)));
    // The second fragment's time, two access units later.
    let mut hole = good.clone();
    let tfdts = hole.windows(4).enumerate().filter(|(_, window)| window == b"tfdt");
    let second = tfdts.map(|(at, _)| at).nth(1).unwrap() + 14;
    hole[second] = hole[second].wrapping_add(8);
    match first(&hole, -1024) {
        (Err(AudioError::Hole { expected, found }), true) => assert_eq!(found - expected, 2048),
        other => panic!("{other:?}"),
    }
    // What a container rounds is no hole, and leaves none.
    let mut rounded = good.clone();
    rounded[second + 1] = rounded[second + 1].wrapping_add(40);
    assert!(matches!(first(&rounded, -1024), (Err(AudioError::Hole { .. }), true)));
    assert!(matches!(first_within(&rounded, -1024, 39), (Err(AudioError::Hole { .. }), true)));
    assert!(matches!(first_within(&rounded, -1024, 40), (Ok(()), true)));
}

proptest! {
    #[test]
    fn heads_of_segments_are_read_without_trust(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = transcode_media::cmaf::progressive::read_fragment_head(&bytes, u64::MAX - 90);
        let _ = TrackInit::parse(&bytes);
    }
}
