//! Containers and the codecs that they usually carry.

use super::{AV1_OPUS, H264, H264_TOGETHER, HEVC_OPUS, PLAIN, SMALL, TINY, WIDE};
use crate::row::{
    ROW, Row,
    Step::{Ffmpeg, Hole, Python},
};

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
    Row {
        name: "prores_mov_index_last",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "33"),
            clicks!("33"),
            "-c:v prores_ks -profile:v 2 -pix_fmt yuv422p10le -c:a pcm_s24le {out}"
        ))],
        file: "source.mov",
        options: TINY,
        frames: 825,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "av1_mp4",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "24", "33"),
            clicks!("33"),
            "-pix_fmt yuv420p10le -c:v libsvtav1 -preset 12 -g 48 -c:a libopus -ar 48000 {out}"
        ))],
        options: TINY,
        frames: 792,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "motion_jpeg_avi",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "33"),
            clicks!("33"),
            "-c:v mjpeg -pix_fmt yuvj422p -q:v 3 -c:a pcm_s16le {out}"
        ))],
        file: "source.avi",
        options: TINY,
        frames: 825,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "avi_packed_b_frames",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "33"),
            clicks!("33"),
            "-c:v libxvid -q:v 4 -bf 2 -g 50 -c:a pcm_s16le {out}"
        ))],
        file: "source.avi",
        options: TINY,
        frames: 823,
        pictures: SMALL,
        audio: PLAIN,
        counted: Some(25),
        ..ROW
    },
    // As XviD writes it: in every chunk of the AVI a frame, or a place for one that came in the chunk before.
    Row {
        name: "xvid_packed_b_frames",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "36"),
                "-c:v mpeg4 -q:v 4 -bf 2 -b_strategy 0 -g 50 -f m4v {out}"
            )),
            Python("mpeg4.py {in} {out} --packed 160x90 25"),
            Ffmpeg(concat!("-i {in} ", clicks!("36"), "-map 0 -map 1 -c:v copy -c:a pcm_s16le {out}")),
        ],
        file: "source.avi",
        options: TINY,
        frames: 900,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        counted: Some(25),
        ..ROW
    },
    Row {
        name: "avi_of_h264_with_b_frames",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "36"),
            clicks!("36"),
            "-c:v libx264 -preset veryfast -bf 3 -g 25 -c:a pcm_s16le {out}"
        ))],
        file: "source.avi",
        options: TINY,
        frames: 900,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        counted: Some(25),
        ..ROW
    },
    // Packets without a picture: the one before it stays on.
    Row {
        name: "mpeg4_not_coded",
        source: &[
            // How many pictures are held depends on how many are key frames, which versions of ffmpeg choose differently.
            Ffmpeg(concat!(
                pictures!("160x90", "25", "36"),
                "-c:v mpeg4 -q:v 4 -g 50 -sc_threshold 1000000000 -f m4v {out}"
            )),
            Python("mpeg4.py {in} {out} --hold 5"),
            Ffmpeg(concat!("-f m4v -r 25 -i {in} ", clicks!("36"), "-map 0 -map 1 -c:v copy -c:a aac {out}")),
        ],
        options: TINY,
        // ffmpeg 7.1 gives the last picture twice when it is done; ffprobe counts 724 with every version.
        shown: "trim=end_frame=724",
        frames: 724,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "mp4_samples_of_sei_alone",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "36"),
                "-c:v libx264 -preset veryfast -g 50 -bf 2 -b_strategy 0 {out}"
            )),
            Python("avc.py {in} {out} --messages 7"),
        ],
        options: TINY,
        frames: 859,
        chunks: 2,
        pictures: SMALL,
        ..ROW
    },
    Row {
        name: "cover_art",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "10"),
                clicks!("10"),
                "-c:v libx264 -preset ultrafast -g 25 -c:a aac {out}"
            )),
            Ffmpeg(
                "-i {in} -f lavfi -i color=red:size=64x64:duration=0.04 -map 0 -map 1 -c copy -c:v:1 mjpeg -disposition:v:1 attached_pic {out}",
            ),
        ],
        options: TINY,
        frames: 250,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "over_4_gib",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "33"),
                clicks!("33"),
                "-c:v libx264 -preset ultrafast -g 25 -bf 2 -c:a aac {out}"
            )),
            Hole(5 << 30),
        ],
        options: TINY,
        frames: 825,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "transport_stream_of_two_programs",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "34"),
            clicks!("34"),
            pictures!("192x108", "25", "34"),
            clicks!("34"),
            "-map 0 -map 1 -map 2 -map 3 -program title=one:st=0:st=1 -program title=two:st=2:st=3 -c:v libx264 -preset ultrafast -g 25 -c:a aac {out}"
        ))],
        file: "source.ts",
        options: TINY,
        frames: 850,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
];
