//! Containers and the codecs that they usually carry.

use super::{AV1_OPUS, H264, H264_TOGETHER, HEVC_OPUS, PLAIN, WIDE};
use crate::row::{ROW, Row, Step::Ffmpeg};

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "mkv_opus",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "24000/1001", "36"),
            clicks!("36"),
            "-c:v libx264 -preset veryfast -g 48 -bf 2 -c:a libopus -ar 48000 {out}"
        ))],
        file: "source.mkv",
        options: HEVC_OPUS,
        frames: 864,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "mkv_flac_to_opus",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "20"),
            clicks!("20"),
            "-c:v libx264 -preset veryfast -g 25 -c:a flac -ar 48000 {out}"
        ))],
        file: "source.mkv",
        options: AV1_OPUS,
        frames: 500,
        pictures: &[("top", 256, 144)],
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "mov_pcm_to_opus",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "36"),
            clicks!("36"),
            "-c:v libx264 -preset veryfast -g 50 -c:a pcm_s16le {out}"
        ))],
        file: "source.mov",
        options: AV1_OPUS,
        frames: 900,
        chunks: 2,
        pictures: &[("top", 256, 144)],
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "transport_stream",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "40"),
            clicks!("40"),
            "-c:v libx264 -preset veryfast -g 12 -bf 2 -c:a aac {out}"
        ))],
        file: "source.ts",
        options: H264_TOGETHER,
        frames: 1000,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "webm_vp9",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "12", "36"),
            clicks!("36"),
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 24 -b:v 300k -c:a libvorbis -q:a 6 {out}"
        ))],
        file: "source.webm",
        options: H264,
        frames: 432,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "fragmented_mp4",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "50", "34"),
            clicks!("34"),
            "-c:v libx264 -preset veryfast -g 50 -bf 2 -c:a aac -movflags +frag_keyframe+empty_moov+default_base_moof {out}"
        ))],
        options: H264,
        frames: 1700,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
];
