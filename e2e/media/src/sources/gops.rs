//! Groups of pictures: where decoding can start, and what refers to what.

use super::{H264, H264_TOGETHER, HEVC_OPUS, LONG, PLAIN, SMALL, TINY, WIDE};
use crate::row::{
    ROW, Row,
    Step::{Ffmpeg, Python},
};

/// Other pictures, which have nothing in common with a pattern in motion.
macro_rules! scenes {
    () => {
        " -f lavfi -i life=size=320x180:rate=25:seed=3:mold=10:life_color=white "
    };
}

/// Where they begin and end: some frames of the start and the end, none on whole seconds.
const SCENES: &[usize] = &[37, 80, 117, 160, 240, 320, 437, 837];

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "closed_gop",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "36"),
            clicks!("36"),
            "-c:v libx264 -preset veryfast -g 50 -bf 2 -c:a aac {out}"
        ))],
        options: H264,
        frames: 900,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "open_gop",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "36"),
            clicks!("36"),
            "-c:v libx264 -preset veryfast -x264-params open-gop=1:keyint=48:bframes=3:b-pyramid=normal -c:a aac {out}"
        ))],
        options: H264_TOGETHER,
        frames: 900,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "open_gop_hevc_10_bit",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "24", "34"),
            "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params log-level=error:open-gop=1:keyint=48:bframes=4 -tag:v hvc1 {out}"
        ))],
        options: HEVC_OPUS,
        frames: 816,
        chunks: 2,
        pictures: WIDE,
        ..ROW
    },
    Row {
        name: "ntsc_b_frames_edit_list",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "30000/1001", "38"),
                clicks!("38"),
                "-c:v libx264 -preset veryfast -g 60 -bf 3 -c:a aac {out}"
            )),
            // Cut without encoding: the edit list hides what lies before 1.3 s.
            Ffmpeg("-ss 1.3 -i {in} -c copy {out}"),
        ],
        options: H264,
        frames: 1100,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "begins_between_keyframes",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "10", "42"),
                clicks!("42"),
                "-c:v libx264 -preset veryfast -g 5 -bf 2 -c:a aac {out}"
            )),
            Ffmpeg("-ss 3.7 -i {in} -c copy -copyinkf {out}"),
        ],
        file: "source.ts",
        options: H264,
        frames: 380,
        ahead: 5,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "begins_with_leading_pictures",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "25", "40"),
                clicks!("40"),
                "-c:v libx265 -preset ultrafast -x265-params log-level=error:open-gop=1:keyint=20:bframes=4 -c:a aac {out}"
            )),
            Ffmpeg("-ss 4.5 -i {in} -c copy {out}"),
        ],
        file: "source.ts",
        options: H264,
        frames: 880,
        ahead: 17,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "all_intra_50",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "50", "33"),
            clicks!("33"),
            "-c:v libx264 -preset ultrafast -g 1 -c:a aac {out}"
        ))],
        options: TINY,
        frames: 1650,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "intra_refresh",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "36"),
            "-c:v libx264 -preset veryfast -x264-params intra-refresh=1:keyint=50 {out}"
        ))],
        file: "source.ts",
        options: TINY,
        frames: 900,
        pictures: SMALL,
        ..ROW
    },
    // Encoders put key frames where another scene begins, inside of segments too.
    Row {
        name: "scene_cuts",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "36"),
            scenes!(),
            clicks!("36"),
            "-filter_complex [0][1]overlay=shortest=1:enable='lt(mod(n\\,80)\\,37)'[v] -map [v] -map 2:a -c:v libx264 -preset veryfast -g 50 -sc_threshold 0 -c:a aac {out}"
        ))],
        options: H264,
        frames: 900,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        cuts: SCENES,
        ..ROW
    },
    Row {
        name: "scene_cuts_hevc",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "36"),
            scenes!(),
            "-filter_complex [0][1]overlay=shortest=1:enable='lt(mod(n\\,80)\\,37)'[v] -map [v] -c:v libx264 -preset veryfast -g 50 -sc_threshold 0 {out}"
        ))],
        options: "{video: {segmentDuration: 2s, encode: {hevc: {preset: superfast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}",
        frames: 900,
        chunks: 2,
        pictures: SMALL,
        cuts: SCENES,
        ..ROW
    },
    // Nothing says how far pictures are reordered, and none is until 20 s.
    Row {
        name: "h264_pyramid_begins_later",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "36"),
                clicks!("36"),
                "-c:v libx264 -preset veryfast -bf 3 -g 50 -x264-params b-pyramid=normal:b-adapt=0:ref=4 -force_key_frames \"expr:if(lt(t,20),not(mod(n,2)),0)\" -c:a aac -write_crc32 0 {out}"
            )),
            Python("avc.py {in} {out} --bare"),
        ],
        file: "source.mkv",
        options: TINY,
        frames: 900,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "one_keyframe_in_an_hour",
        source: &[Ffmpeg(concat!(
            pictures!("64x36", "1", "3600"),
            "-c:v libx264 -preset ultrafast -g 10000 -sc_threshold 0 -bf 2 {out}"
        ))],
        options: LONG,
        pictures: &[("low", 64, 36)],
        frames: 3600,
        ..ROW
    },
    Row {
        name: "two_hours",
        source: &[Ffmpeg(concat!(pictures!("64x36", "1", "7200"), "-c:v libx264 -preset ultrafast -g 60 -bf 2 {out}"))],
        options: LONG,
        pictures: &[("low", 64, 36)],
        frames: 7200,
        chunks: 32,
        long: true,
        ..ROW
    },
];
