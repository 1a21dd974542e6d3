//! Times of frames: rates, pauses, starts, times that containers lack or share.

use super::{H264, H264_TOGETHER, PLAIN, SMALL, TINY, WIDE};
use crate::row::{
    ROW, Row,
    Step::{Ffmpeg, Python},
};

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "variable_rate_with_pauses",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "40"),
            clicks!("40"),
            "-vf \"select='lt(t,9)+between(t,9,17)*not(mod(n,5))+between(t,24.4,33)+gte(t,36.5)'\" -fps_mode passthrough -c:v libx264 -preset veryfast -g 40 -bf 2 -c:a aac {out}"
        ))],
        options: H264,
        frames: 569,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "webm_without_default_duration",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "30", "12"),
                "-vf \"select='not(eq(mod(n,7),3))',settb=1/1000,setpts='PTS+mod(7*N,13)'\" -fps_mode passthrough -enc_time_base 1/1000 -c:v libvpx -deadline realtime -cpu-used 8 -g 60 -b:v 300k {out}"
            )),
            Python("matroska.py {in} {out} --no-default-duration"),
        ],
        file: "source.webm",
        options: "{video: {segmentDuration: 2s, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 320, height: 320}, encode: {av1: {preset: 12}}}]}",
        frames: 309,
        pictures: &[("top", 320, 180), ("low", 320, 180)],
        codecs: &[("top", "avc1.64000d"), ("low", "av01.0.00M.08")],
        ..ROW
    },
    Row {
        name: "transport_stream_of_variable_rate",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "30", "12"),
            "-vf \"select='not(eq(mod(n,7),3))',settb=1/1000,setpts='PTS+mod(7*N,13)'\" -fps_mode passthrough -enc_time_base 1/90000 -c:v libx264 -preset ultrafast -g 60 {out}"
        ))],
        file: "source.ts",
        options: "{video: {segmentDuration: 2s, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 320, height: 320}, encode: {hevc: {preset: ultrafast}}}]}",
        frames: 309,
        pictures: &[("top", 320, 180), ("low", 320, 180)],
        codecs: &[("top", "avc1.64000d"), ("low", "hvc1.1.6.L60.")],
        ..ROW
    },
    Row {
        name: "equal_times",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "10", "36"),
            "-c:v libx264 -preset veryfast -g 10 -bf 0 -bsf:v \"setts=ts='if(eq(mod(N,40),7),PREV_OUTPTS,PTS)'\" {out}"
        ))],
        file: "source.mkv",
        options: H264,
        frames: 360,
        chunks: 2,
        pictures: WIDE,
        ..ROW
    },
    Row {
        name: "transport_stream_audio_late",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "5", "40"),
            clicks!("34"),
            "-af asetpts=PTS+0.7/TB -c:v libx264 -preset veryfast -g 4 -bf 2 -c:a mp2 -b:a 256k {out}"
        ))],
        file: "source.ts",
        options: H264,
        frames: 200,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    // So late that ffprobe has looked enough, and knows neither its channels nor its rate.
    Row {
        name: "transport_stream_audio_after_twelve_seconds",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "20"),
            clicks!("8"),
            "-af asetpts=PTS+12/TB -c:v libx264 -preset ultrafast -g 25 -c:a mp2 -b:a 256k {out}"
        ))],
        file: "source.ts",
        options: TINY,
        frames: 500,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "video_late_in_mkv",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "20"),
            clicks!("21"),
            "-vf setpts=PTS+0.52/TB -fps_mode passthrough -c:v libx264 -preset veryfast -g 25 -c:a pcm_s16le {out}"
        ))],
        file: "source.mkv",
        options: H264,
        frames: 500,
        ahead: 13,
        held: 12,
        warns: &["the picture begins at 0.52s: its first frame is shown from the start, 13 times"],
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "avi_without_presentation_times",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "36"),
            clicks!("36"),
            "-c:v mpeg4 -b:v 2M -bf 2 -g 50 -c:a pcm_s16le {out}"
        ))],
        file: "source.avi",
        options: H264,
        frames: 900,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "avi_of_h264_with_left_out_frames",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "50"),
            clicks!("50"),
            "-vf \"select='not(mod(n,7))+gt(mod(n,50),20)'\" -fps_mode vfr -c:v libx264 -preset veryfast -bf 0 -g 50 -c:a pcm_s16le {out}"
        ))],
        file: "source.avi",
        options: H264,
        frames: 800,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "program_stream",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "36"),
            clicks!("36"),
            "-c:v mpeg2video -b:v 3M -bf 2 -g 15 -c:a mp2 -b:a 256k -f vob {out}"
        ))],
        file: "source.vob",
        options: H264_TOGETHER,
        frames: 900,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "flash_and_beep",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "30", "36"),
            " -f lavfi -i \"aevalsrc=exprs='if(lt(mod(n,48000),2400),0.7*sin(2*PI*(1000+20000*mod(t,1))*mod(t,1)),0)':s=48000:d=36\" ",
            "-vf drawbox=color=white:t=fill:enable='lt(mod(n\\,30)\\,2)' -c:v libx264 -preset veryfast -g 45 -bf 2 -c:a aac {out}"
        ))],
        options: H264,
        frames: 1080,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        flashes: true,
        ..ROW
    },
    Row {
        name: "rate_59_94_mkv",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "60000/1001", "34"),
            "-c:v libx264 -preset ultrafast -g 60 -bf 2 {out}"
        ))],
        file: "source.mkv",
        options: TINY,
        frames: 2038,
        chunks: 2,
        pictures: SMALL,
        ..ROW
    },
    Row {
        name: "rate_120_mkv",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "120", "33"),
            "-c:v libx264 -preset ultrafast -g 120 -bf 2 {out}"
        ))],
        file: "source.mkv",
        options: TINY,
        frames: 3960,
        chunks: 2,
        pictures: SMALL,
        ..ROW
    },
    Row {
        name: "rate_14_985_mkv",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "14985/1000", "36"),
            clicks!("36"),
            "-c:v libx264 -preset ultrafast -g 30 -bf 2 -c:a aac {out}"
        ))],
        file: "source.mkv",
        options: TINY,
        frames: 540,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "rate_30_303_mkv",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "1000/33", "36"),
            "-c:v libx264 -preset ultrafast -g 30 -bf 2 {out}"
        ))],
        file: "source.mkv",
        options: TINY,
        frames: 1091,
        chunks: 2,
        pictures: SMALL,
        ..ROW
    },
    Row {
        name: "starts_at_a_large_time",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "36"),
            clicks!("36"),
            "-c:v libx264 -preset ultrafast -g 25 -bf 2 -c:a aac -output_ts_offset 100000.37 {out}"
        ))],
        file: "source.mkv",
        options: TINY,
        frames: 900,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "one_frame",
        source: &[Ffmpeg(concat!(pictures!("160x90", "25", "0.04"), "-c:v libx264 -preset ultrafast {out}"))],
        options: TINY,
        frames: 1,
        pictures: SMALL,
        ..ROW
    },
    Row {
        name: "shorter_than_a_segment",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "1.4"),
            clicks!("1.4"),
            "-c:v libx264 -preset ultrafast -bf 2 -c:a aac {out}"
        ))],
        options: TINY,
        frames: 35,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "transport_stream_wraps",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "40"),
            clicks!("40"),
            "-c:v libx264 -preset ultrafast -g 25 -bf 2 -c:a aac -output_ts_offset 95430 {out}"
        ))],
        file: "source.ts",
        options: TINY,
        frames: 1000,
        chunks: 2,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    // Frames whose number or times filters change.
    Row {
        name: "variable_rate_to_constant",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "30", "40"),
            clicks!("40"),
            "-vf \"select='lt(t,9)+between(t,9,17)*not(mod(n,5))+between(t,24.4,33)+gte(t,36.5)'\" -fps_mode passthrough -c:v libx264 -preset veryfast -g 40 -bf 2 -c:a aac {out}"
        ))],
        options: "{video: {segmentDuration: 2s, frameRate: 25, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}]}",
        frames: 1000,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        shown: "fps=25",
        ..ROW
    },
    Row {
        name: "film_rate_in_ts_to_ntsc_rate",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "24000/1001", "40"),
            clicks!("40"),
            "-c:v libx264 -preset veryfast -g 48 -bf 3 -c:a aac {out}"
        ))],
        file: "source.ts",
        options: "{video: {segmentDuration: 2s, fanOut: Chunk, frameRate: 30000/1001, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}]}",
        frames: 1200,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        shown: "fps=30000/1001",
        ..ROW
    },
    Row {
        name: "half_of_sixty_frames",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "60", "36"),
            clicks!("36"),
            "-c:v libx264 -preset veryfast -g 120 -bf 2 -c:a aac {out}"
        ))],
        file: "source.mkv",
        options: "{video: {segmentDuration: 2s, frameRate: 30, encode: {hevc: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}]}",
        frames: 1080,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        shown: "fps=30",
        ..ROW
    },
];
