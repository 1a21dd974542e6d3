//! Tracks of unequal length: what begins later or ends earlier than the presentation is filled.

use super::{PASSTHROUGH, PLAIN, SMALL, TINY};
use crate::row::{ROW, Row, Step::Ffmpeg};

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "sound_longer_than_picture",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "8"),
            clicks!("12"),
            "-c:v libx264 -preset ultrafast -g 25 -c:a aac {out}"
        ))],
        options: TINY,
        pictures: SMALL,
        frames: 200,
        held: 100,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "sound_shorter_than_picture",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "12"),
            clicks!("7"),
            "-c:v libx264 -preset ultrafast -g 25 -c:a aac {out}"
        ))],
        options: TINY,
        pictures: SMALL,
        frames: 300,
        audio: PLAIN,
        ..ROW
    },
    // Chunks of nothing but copies of the last picture, which a decoder shows behind those that it refers to.
    Row {
        name: "variable_picture_under_long_sound",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "4"),
            clicks!("37"),
            "-vf \"select='lt(t,1)+not(mod(n,7))'\" -fps_mode passthrough -c:v libx264 -preset veryfast -g 60 -bf 2 -c:a aac {out}"
        ))],
        file: "source.mkv",
        options: "{video: {segmentDuration: 2s, fanOut: Chunk, encode: {hevc: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 160, height: 160}}, {name: low, box: {width: 80, height: 80}}]}",
        pictures: &[("top", 160, 90), ("low", 80, 46)],
        frames: 36,
        held: 166,
        chunks: 2,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "converted_picture_under_sound",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "3"),
            clicks!("20"),
            "-c:v libx264 -preset veryfast -g 25 -c:a aac {out}"
        ))],
        options: "{video: {segmentDuration: 3s, frameRate: 30000/1001, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}",
        pictures: SMALL,
        frames: 90,
        held: 510,
        shown: "fps=30000/1001",
        audio: PLAIN,
        ..ROW
    },
    // Chunks of nothing but copies of the first picture, and a last one with the source's own among copies.
    Row {
        name: "variable_picture_after_long_silence",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "4"),
            clicks!("27"),
            "-vf \"select='lt(t,1)+not(mod(n,7))',settb=1/1000,setpts=PTS+20.31/TB\" -fps_mode passthrough -enc_time_base 1/1000 -c:v libx264 -preset veryfast -g 60 -bf 2 -c:a aac {out}"
        ))],
        file: "source.mkv",
        options: "{video: {segmentDuration: 2s, fanOut: Chunk, encode: {hevc: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 160, height: 160}}, {name: low, box: {width: 80, height: 80}}]}",
        pictures: &[("top", 160, 90), ("low", 80, 46)],
        frames: 36,
        ahead: 101,
        held: 14,
        chunks: 2,
        audio: PLAIN,
        warns: &["the picture begins at 20.3", "its first frame is shown from the start, 101 times"],
        ..ROW
    },
    // An edit list delays the picture. Frames of the new rate begin where the sound does.
    Row {
        name: "converted_picture_after_sound",
        source: &[Ffmpeg(concat!(
            "-itsoffset 1.92 ",
            pictures!("160x90", "25", "10"),
            clicks!("10"),
            "-fps_mode passthrough -c:v libx264 -preset veryfast -g 25 -c:a aac {out}"
        ))],
        options: "{video: {segmentDuration: 3s, frameRate: 30000/1001, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}",
        pictures: SMALL,
        frames: 299,
        ahead: 58,
        shown: "fps=30000/1001",
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "picture_after_sound_that_passes_through",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "24000/1001", "10"),
            clicks!("12"),
            "-vf settb=1/24000,setpts=PTS+1.94/TB -fps_mode passthrough -enc_time_base 1/24000 -c:v libx264 -preset veryfast -g 25 -bf 2 -c:a aac {out}"
        ))],
        options: PASSTHROUGH,
        pictures: SMALL,
        frames: 240,
        ahead: 46,
        audio: PLAIN,
        ..ROW
    },
    // What a capture has before its first keyframe is heard and not seen.
    Row {
        name: "capture_that_begins_between_keyframes",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "24"),
                clicks!("24"),
                "-c:v libx264 -preset veryfast -g 50 -bf 2 -c:a mp2 {out}"
            )),
            Ffmpeg("-ss 2.5 -i {in} -c copy -copyinkf {out}"),
        ],
        file: "source.ts",
        options: TINY,
        pictures: SMALL,
        frames: 500,
        ahead: 42,
        audio: PLAIN,
        warns: &["its first frame is shown from the start, 42 times"],
        ..ROW
    },
    Row {
        name: "one_picture_under_sound",
        source: &[Ffmpeg(concat!(pictures!("160x90", "25", "0.04"), clicks!("20"), "-c:v mjpeg -c:a aac {out}"))],
        options: TINY,
        pictures: SMALL,
        frames: 1,
        held: 99,
        audio: PLAIN,
        ..ROW
    },
];
