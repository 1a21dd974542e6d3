//! Golden command lines: a reviewer sees a changed argument as a diff.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use num_rational::Ratio;
use transcode_api::{Box2, Crop, DenoiseStrength, ImageFormat, X26xPreset};
use transcode_media::{
    argv::{
        SourceUrl,
        audio::{self, AudioTrack},
        filters::Filters,
        probe,
        thumbnail::{self, DrawTask},
        video::{self, Output, Pass, VideoTask},
    },
    chunk::{Chunk, Kept},
    codec::{AudioCodec, VideoCodec},
    container::ContainerCrop,
    ladder::Rendition,
    probe::{AudioStream, Colour, FrameTimes, Hdr10, LightLevel, Mastering, MediaInfo, VideoStream},
    rate::{Cap, Rate, Squeeze},
    retime::Hold,
    still::Still,
    time::{MediaTime, Timebase, Timescale},
    timeline::Span,
    track::VideoRange,
};

fn stream() -> VideoStream {
    VideoStream {
        index: 1,
        codec: "hevc".into(),
        width: 1920,
        height: 1080,
        container_crop: None,
        sar: Ratio::from_integer(1),
        mirrored: false,
        rotation: 90,
        timebase: Timebase { num: 1, den: 30000 },
        frame_rate: Ratio::new(30000, 1001),
        pixel_format: "yuv420p10le".into(),
        alpha: false,
        bit_depth: 10,
        colour: Colour {
            primaries: Some("bt709".into()),
            transfer: Some("bt709".into()),
            matrix: Some("bt709".into()),
            full_range: false,
        },
        interlaced: false,
        closed_captions: false,
        reordered: false,
        times: FrameTimes::Presentation,
        hdr10: Hdr10::default(),
        other_hdr: None,
        spatial: Default::default(),
        shown: None,
    }
}

/// PQ with metadata, interlaced, upright.
fn graded() -> VideoStream {
    let bt2020 = || Some("bt2020".to_string());
    VideoStream {
        mirrored: false,
        rotation: 0,
        interlaced: true,
        colour: Colour {
            primaries: bt2020(),
            transfer: Some("smpte2084".into()),
            matrix: Some("bt2020nc".into()),
            full_range: false,
        },
        hdr10: Hdr10 {
            mastering: Some(Mastering {
                primaries: [(34_000, 16_000), (13_250, 34_500), (7500, 3000)],
                white: (15_635, 16_450),
                max_luminance: 10_000_000,
                min_luminance: 50,
            }),
            light: Some(LightLevel { content: 1250, average: 400 }),
        },
        ..stream()
    }
}

fn rendition(name: &str, width: u32, height: u32, sar: (i64, i64), codec: VideoCodec) -> Rendition {
    Rendition { name: name.into(), width, height, sar: Ratio::new(sar.0, sar.1), codec, range: VideoRange::Sdr }
}

fn encode(stream: &VideoStream, renditions: &[Rendition], filters: &Filters, equal_times: bool) -> String {
    encode_kept(Pass::Only, stream, renditions, filters, equal_times, (None, None))
}

fn encode_kept(
    pass: Pass<'_>,
    stream: &VideoStream,
    renditions: &[Rendition],
    filters: &Filters,
    equal_times: bool,
    (kept, still): (Option<Kept>, Option<Still>),
) -> String {
    encode_shown(pass, stream, renditions, filters, equal_times, (kept, None, still))
}

fn encode_shown(
    pass: Pass<'_>,
    stream: &VideoStream,
    renditions: &[Rendition],
    filters: &Filters,
    equal_times: bool,
    (kept, ahead, still): (Option<Kept>, Option<Still>, Option<Still>),
) -> String {
    let chunk = Chunk {
        index: 2,
        first_segment: 9,
        segments: vec![Span { first: 960, frames: 120 }, Span { first: 1080, frames: 120 }],
        start: 960_960,
        end: 1_201_200,
        kept,
        ahead,
        still,
        shift: 3,
        seek: Some(MediaTime::new(1001, 33)),
        preroll: 30,
    };
    let paths: Vec<String> = renditions.iter().map(|r| format!("{}.mp4", r.name)).collect();
    let outputs = renditions.iter().zip(paths.iter().map(Path::new));
    let outputs: Vec<_> =
        outputs.map(|(rendition, path)| Output { rendition, path, squeeze: Squeeze::None, pass }).collect();
    let source = SourceUrl::loopback("http://127.0.0.1:1234/secret/source.mp4".into());
    let task = VideoTask {
        source: &source,
        container: "mov,mp4,m4a",
        stream,
        chunk: &chunk,
        seek: chunk.seek,
        outputs: &outputs,
        timescale: Timescale(30000),
        frame_rate: filters.frame_rate.unwrap_or(stream.frame_rate),
        longest_segment: 120,
        equal_times,
        filters,
        last: false,
        segment_duration: MediaTime::seconds(4),
    };
    video::encode(&task).to_string()
}

#[test]
fn one_decode_for_three_codecs() {
    let renditions = [
        rendition(
            "high",
            1080,
            1920,
            (1, 1),
            VideoCodec::Hevc { rate: Rate::Crf(26), preset: X26xPreset::Slow, bit_depth: None },
        ),
        rendition("mid", 480, 854, (1281, 1280), VideoCodec::H264 { rate: Rate::Crf(23), preset: X26xPreset::Medium }),
        rendition("low", 240, 426, (1, 1), VideoCodec::Av1 { crf: 35, preset: 8, bit_depth: Some(8) }),
    ];
    insta::assert_snapshot!(encode(&stream(), &renditions, &Filters::default(), false));
}

#[test]
fn a_high_dynamic_range_is_kept_and_tone_mapped() {
    let hdr = |name, codec| Rendition { range: VideoRange::Pq, ..rendition(name, 1280, 720, (1, 1), codec) };
    let renditions = [
        hdr("hevc", VideoCodec::Hevc { rate: Rate::Crf(26), preset: X26xPreset::Slow, bit_depth: None }),
        hdr("av1", VideoCodec::Av1 { crf: 35, preset: 8, bit_depth: None }),
        hdr("vp9", VideoCodec::Vp9 { crf: 31, speed: 4, bit_depth: None, hls: false }),
        rendition("h264", 640, 360, (1, 1), VideoCodec::H264 { rate: Rate::Crf(23), preset: X26xPreset::Medium }),
    ];
    let crop = Crop { left: 4, top: 8, right: 2, bottom: 0 };
    let filters = Filters { crop: Some(crop), denoise: Some(DenoiseStrength::Light), ..Filters::default() };
    insta::assert_snapshot!(encode(&graded(), &renditions, &filters, false));
}

#[test]
fn one_rendition_of_an_rgb_source_with_equal_times() {
    let rgb =
        VideoStream { rotation: 0, pixel_format: "bgr0".into(), bit_depth: 8, colour: Colour::default(), ..stream() };
    let renditions =
        [rendition("720p", 1280, 720, (1, 1), VideoCodec::H264 { rate: Rate::Crf(20), preset: X26xPreset::Veryfast })];
    insta::assert_snapshot!(encode(&rgb, &renditions, &Filters::default(), true));
}

#[test]
fn container_crop() {
    let mut cropped = VideoStream { rotation: 0, sar: Ratio::new(4, 3), ..stream() };
    cropped.crop(ContainerCrop { left: 9999, ..ContainerCrop::default() });
    assert_eq!((cropped.width, cropped.container_crop), (1920, None));
    cropped.crop(ContainerCrop { left: 30, top: 20, right: 0, bottom: 10, by_ffmpeg: true });
    let codec = VideoCodec::H264 { rate: Rate::Crf(20), preset: X26xPreset::Veryfast };
    insta::assert_snapshot!(encode(
        &cropped,
        &[rendition("360p", 640, 360, (1, 1), codec)],
        &Filters::default(),
        false
    ));
}

#[test]
fn capped_rate_factors() {
    let capped = |crf| Rate::CappedCrf { crf, cap: Cap { max_bitrate: 2_000_000, buffer_size: 3_000_000 } };
    let of = |name, codec| rendition(name, 1280, 720, (1, 1), codec);
    let preset = X26xPreset::Medium;
    let renditions = [
        of("h264", VideoCodec::H264 { rate: capped(21), preset }),
        of("hevc", VideoCodec::Hevc { rate: capped(24), preset, bit_depth: None }),
    ];
    insta::assert_snapshot!(encode(&stream(), &renditions, &Filters::default(), false));
}

#[test]
fn the_last_chunk_at_another_frame_rate() {
    let renditions =
        [rendition("720p", 1280, 720, (1, 1), VideoCodec::H264 { rate: Rate::Crf(20), preset: X26xPreset::Veryfast })];
    let filters = Filters { frame_rate: Some(Ratio::from_integer(25)), ..Filters::default() };
    let hold = Some(Hold { frame: 1_200_200, until: 1_203_601 });
    let kept = Kept { start: 800, end: 1000, hold, lead: None };
    insta::assert_snapshot!(encode_kept(Pass::Only, &stream(), &renditions, &filters, false, (Some(kept), None)));
}

#[test]
fn the_last_picture_is_shown_on() {
    let renditions =
        [rendition("h264", 1280, 720, (1, 1), VideoCodec::H264 { rate: Rate::Crf(23), preset: X26xPreset::Medium })];
    let still = |frames| copies(frames, 1080, None);
    let lines = [120, 240].map(|frames| {
        encode_kept(Pass::Only, &stream(), &renditions, &Filters::default(), false, (None, Some(still(frames))))
    });
    insta::assert_snapshot!(lines.join("\n"));
}

fn copies(frames: u32, place: i64, begin: Option<i64>) -> Still {
    Still { frames, zero: 33, place, step: Ratio::new(1001, 1), rate: Ratio::new(30_000, 1001), begin }
}

/// In a chunk with frames of the source and one without, and before and behind them.
#[test]
fn the_first_picture_is_shown_from_the_start() {
    let renditions =
        [rendition("h264", 1280, 720, (1, 1), VideoCodec::H264 { rate: Rate::Crf(23), preset: X26xPreset::Medium })];
    let lines = [
        (Some(copies(120, -120, Some(-120_000))), None),
        (Some(copies(240, -300, None)), None),
        (Some(copies(20, -20, None)), Some(copies(30, 190, None))),
    ];
    let lines = lines.map(|(ahead, still)| {
        encode_shown(Pass::Only, &stream(), &renditions, &Filters::default(), false, (None, ahead, still))
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn two_passes_for_an_average() {
    let cap = Cap { max_bitrate: 2_000_000, buffer_size: 3_000_000 };
    let rate = Rate::AverageBitrate { bitrate: 1_500_000, cap };
    let codec = VideoCodec::H264 { rate, preset: X26xPreset::Medium };
    let renditions = [rendition("h264", 1280, 720, (1, 1), codec)];
    let second = Pass::Second { statistics: Path::new("it's c:.stats"), bitrate: 1_234_567 };
    let lines = [Pass::First, second]
        .map(|pass| encode_kept(pass, &stream(), &renditions, &Filters::default(), false, (None, None)));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_audio_track_in_one_pass() {
    let sound = |index, channels, rate, layout: Option<&str>| AudioStream {
        index,
        codec: "aac".into(),
        channels,
        profile: None,
        start: 0,
        initial_padding: 0,
        layout: layout.map(Into::into),
        bits: 0,
        sample_rate: rate,
        timebase: Timebase { num: 1, den: rate },
        language: "eng".into(),
        title: None,
        default: true,
        right: None,
    };
    let (stereo, surround) = (sound(1, 2, 44_100, Some("stereo")), sound(2, 6, 96_000, None));
    let aac = AudioCodec::Aac { bitrate: None, channels: None, sample_rate: None };
    let opus = AudioCodec::Opus { bitrate: None, channels: None };
    let studio = AudioStream { bits: 24, ..stereo.clone() };
    let (ac3, flac) = (AudioCodec::Ac3 { bitrate: None, channels: None }, AudioCodec::Flac { channels: None });
    let tracks = [
        AudioTrack { stream: &stereo, codec: &aac, origin: 0, samples: None, path: Path::new("a.mp4") },
        AudioTrack { stream: &surround, codec: &opus, origin: -1024, samples: Some(480_000), path: Path::new("b.mp4") },
        AudioTrack { stream: &surround, codec: &ac3, origin: 0, samples: None, path: Path::new("c.mp4") },
        AudioTrack { stream: &studio, codec: &flac, origin: 0, samples: None, path: Path::new("d.mp4") },
    ];
    insta::assert_snapshot!(
        audio::encode(&SourceUrl::pasteable("my clip.mkv".into()), "matroska,webm", &tracks).to_string()
    );
    let as_it_is = AudioTrack { codec: &AudioCodec::Passthrough, ..tracks[0] };
    insta::assert_snapshot!(audio::encode(&SourceUrl::pasteable("clip.ts".into()), "mpegts", &[as_it_is]).to_string());
}

#[test]
fn probes_and_pictures() {
    let source = SourceUrl::pasteable("clip.mov".into());
    let info = MediaInfo {
        container: "mov,mp4".into(),
        video: Some(stream()),
        audio: vec![],
        left_out: vec![],
        generated_times: false,
        complaint: None,
        clock: Default::default(),
    };
    let box2 = Some(Box2 { width: 640, height: 640 });
    let lines = [
        probe::streams(&source, probe::Analysis::Usual),
        probe::first_frames(&source, &info, &stream()),
        probe::packets(&source, &info, probe::Analysis::Usual),
        thumbnail::choose(&source, "mov,mp4", &stream()),
        thumbnail::draw(&DrawTask {
            source: &source,
            container: "mov,mp4",
            stream: &stream(),
            filters: &Filters::default(),
            at: MediaTime::seconds(4),
            within: box2,
            format: ImageFormat::Webp,
            path: Path::new("t.webp"),
        }),
    ];
    insta::assert_snapshot!(lines.map(|c| c.to_string()).join("\n"));
}

#[test]
fn decoders_hold_back_what_the_standard_allows_and_are_late_without_times() {
    let source = SourceUrl::pasteable("clip.avi".into());
    let frames = |times| {
        let stream = VideoStream { codec: "h264".into(), times, timebase: Timebase { num: 1, den: 25 }, ..stream() };
        probe::frames(&source, "avi", &stream, Some(MediaTime::seconds(3)), 100).to_string()
    };
    let lines = [FrameTimes::Presentation, FrameTimes::Decode, FrameTimes::Late(2)].map(frames);
    insta::assert_snapshot!(lines.join("\n"));
}
