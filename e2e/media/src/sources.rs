//! The table. A further kind of source is a further row here and nothing else.
//!
//! Chunks are at least 16 s long, so sources of 36 s give three of them.

use crate::row::{ROW, Row, Step};

use Step::{Camera, Ffmpeg, Script, Turn};

/// Clicks that no two windows share, over soft noise: what is late by a sample is seen.
macro_rules! clicks {
    ($length:literal) => {
        concat!(
            " -f lavfi -i \"aevalsrc=exprs='if(eq(mod(n,32119),11025),0.9,0)+if(eq(mod(n,40487),20000),-0.8,0)+0.01*random(0)':s=44100:d=",
            $length,
            "\" "
        )
    };
}

/// Pictures that all differ: a pattern in motion with a burnt-in timecode and frame number.
macro_rules! pictures {
    ($size:literal, $rate:literal, $length:literal) => {
        concat!(" -f lavfi -i testsrc2=size=", $size, ":rate=", $rate, ":duration=", $length, " ")
    };
}

/// Two small renditions in H.264.
const H264: &str = "{video: {segmentDuration: 2s, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}]}";
/// The same, decoded once for both.
const H264_TOGETHER: &str = "{video: {segmentDuration: 2s, fanOut: Chunk, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}]}";
/// HEVC and Opus.
const HEVC_OPUS: &str = "{video: {segmentDuration: 2s, encode: {hevc: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}], audio: {encode: {opus: {}}}}";
/// AV1 and Opus.
const AV1_OPUS: &str = "{video: {segmentDuration: 2s, encode: {av1: {preset: 12}}}, renditions: [{name: top, box: {width: 256, height: 256}}], audio: {encode: {opus: {}}}}";
/// 16:9 in the boxes above.
const WIDE: &[(&str, u32, u32)] = &[("top", 320, 180), ("low", 160, 90)];
/// One audio track of which nothing is said.
const PLAIN: &[(&str, Option<&str>)] = &[("und", None)];

/// Every row.
pub const TABLE: &[Row] = &[
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
        name: "turned_portrait",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "25", "20"),
                clicks!("20"),
                "-c:v libx264 -preset veryfast -g 25 -c:a aac {out}"
            )),
            Turn(90),
        ],
        options: H264,
        frames: 500,
        pictures: &[("top", 180, 320), ("low", 90, 160)],
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "turned_landscape_wide_pixels",
        source: &[
            Ffmpeg(concat!(
                pictures!("180x320", "10", "12"),
                "-vf setsar=8/9 -c:v libx264 -preset veryfast -g 25 {out}"
            )),
            Turn(270),
        ],
        options: H264,
        frames: 120,
        pictures: &[("top", 320, 160), ("low", 160, 80)],
        ..ROW
    },
    Row {
        name: "tagged_colours_av1_and_hevc_10_bit",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "12", "36"),
            clicks!("36"),
            "-c:v libx264 -preset veryfast -g 24 -bf 2 -color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv -c:a aac {out}"
        ))],
        options: "{video: {segmentDuration: 3s, encode: {av1: {preset: 12}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}, encode: {hevc: {preset: ultrafast, bitDepth: 10}}}]}",
        frames: 432,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "no_audio",
        source: &[Ffmpeg(concat!(pictures!("320x180", "25", "20"), "-c:v libx264 -preset veryfast -g 25 {out}"))],
        options: H264,
        frames: 500,
        pictures: WIDE,
        ..ROW
    },
    Row {
        name: "audio_only",
        source: &[Ffmpeg(concat!(clicks!("20"), "-c:a aac {out}"))],
        file: "source.m4a",
        chunks: 0,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "two_languages",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "20"),
            clicks!("20"),
            clicks!("19"),
            "-map 0 -map 1 -map 2 -c:v libx264 -preset veryfast -g 25 -c:a aac -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra -metadata:s:a:1 title=Commentaire -metadata:s:a:1 handler_name=Commentaire {out}"
        ))],
        file: "source.mkv",
        options: H264,
        frames: 500,
        pictures: WIDE,
        audio: &[("en", None), ("fr", Some("Commentaire"))],
        ..ROW
    },
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
        pictures: WIDE,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "wide_pixels_odd_size",
        source: &[Ffmpeg(concat!(
            pictures!("241x135", "25", "20"),
            "-vf setsar=16/11 -c:v libx264 -preset veryfast -pix_fmt yuv444p -g 25 {out}"
        ))],
        options: "{video: {segmentDuration: 2s, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 640, height: 640}}, {name: low, box: {width: 160, height: 160}}]}",
        frames: 500,
        pictures: &[("top", 240, 134), ("low", 160, 62)],
        ..ROW
    },
    Row {
        name: "quickstart_sample",
        source: &[Script("examples/make-sample.sh", "12")],
        options: "{video: {encode: {h264: {preset: veryfast}}}, renditions: [{name: 360p}, {name: 144p, encode: {hevc: {preset: ultrafast}}}]}",
        frames: 360,
        pictures: &[("360p", 640, 360), ("144p", 256, 144)],
        audio: &[("en", None)],
        ..ROW
    },
    Row {
        name: "camera",
        source: &[Camera("bikes.mp4", 36)],
        options: "{video: {encode: {h264: {preset: veryfast}}}}",
        frames: 902,
        chunks: 2,
        pictures: &[("360p", 640, 272)],
        ..ROW
    },
    Row {
        name: "camera_wide_pixels",
        source: &[Camera("carphone_pristine.mp4", 30)],
        options: "{video: {encode: {hevc: {preset: ultrafast}}}}",
        frames: 902,
        pictures: &[("144p", 176, 144)],
        ..ROW
    },
    Row {
        name: "film_with_surround_sound",
        source: &[Camera("bigbuckbunny.mp4", 5)],
        options: "{video: {segmentDuration: 1s, encode: {h264: {preset: veryfast}}}, renditions: [{name: 360p}]}",
        frames: 125,
        pictures: &[("360p", 640, 360)],
        audio: PLAIN,
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
        name: "interlaced_top_first",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "50", "36"),
            clicks!("36"),
            "-vf tinterlace=interleave_top,setfield=tff -pix_fmt yuv420p -c:v libx264 -preset veryfast -flags +ildct+ilme -x264-params tff=1 -g 50 -bf 2 -c:a aac {out}"
        ))],
        options: H264,
        frames: 900,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        shown: "yadif",
        ..ROW
    },
    Row {
        name: "interlaced_mpeg2_bottom_first",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "60000/1001", "36"),
            clicks!("36"),
            "-vf tinterlace=interleave_bottom,setfield=bff -pix_fmt yuv420p -c:v mpeg2video -b:v 3M -flags +ildct+ilme -top 0 -g 15 -bf 2 -c:a mp2 {out}"
        ))],
        file: "source.ts",
        options: H264_TOGETHER,
        frames: 1079,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        shown: "yadif",
        ..ROW
    },
    Row {
        name: "hdr10_kept_and_tone_mapped",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "24", "34"),
            clicks!("34"),
            "-pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv -x265-params log-level=error:keyint=48:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400 -tag:v hvc1 -c:a aac {out}"
        ))],
        options: "{video: {segmentDuration: 2s, encode: {hevc: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: av1, box: {width: 240, height: 240}, encode: {av1: {preset: 12}}}, {name: low, box: {width: 160, height: 160}, encode: {h264: {preset: veryfast}}}], thumbnail: {}}",
        frames: 816,
        chunks: 2,
        pictures: &[("top", 320, 180), ("av1", 240, 136), ("low", 160, 90)],
        audio: PLAIN,
        ranges: &[("top", "PQ"), ("av1", "PQ")],
        ..ROW
    },
    Row {
        name: "hlg_mov_to_vp9",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "25", "36"),
            "-pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc -color_range tv -x265-params log-level=error:keyint=50 -tag:v hvc1 {out}"
        ))],
        file: "source.mov",
        options: "{video: {segmentDuration: 2s, fanOut: Chunk, encode: {vp9: {speed: 8, hls: true}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}, dynamicRange: Standard}]}",
        frames: 900,
        chunks: 2,
        pictures: WIDE,
        ranges: &[("top", "HLG")],
        ..ROW
    },
    Row {
        name: "cropped_and_denoised",
        source: &[
            Ffmpeg(concat!(
                pictures!("180x320", "25", "36"),
                "-vf noise=alls=5:allf=t:all_seed=7 -c:v libx264 -preset veryfast -g 50 -bf 2 {out}"
            )),
            Turn(90),
        ],
        options: "{video: {segmentDuration: 2s, crop: {left: 20, right: 40, top: 10}, denoise: {strength: Medium}, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 130, height: 130}}]}",
        frames: 900,
        chunks: 2,
        pictures: &[("top", 260, 170), ("low", 130, 86)],
        shown: "crop=iw-60:ih-10:20:10",
        ..ROW
    },
    Row {
        name: "sound_as_ac3",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "20"),
            clicks!("20"),
            "-c:v libx264 -preset veryfast -g 25 -c:a aac {out}"
        ))],
        options: "{video: {segmentDuration: 2s}, audio: {encode: {ac3: {channels: 2}}}}",
        frames: 500,
        pictures: &[("144p", 160, 90)],
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "sound_as_eac3",
        source: &[Ffmpeg(concat!(clicks!("20"), "-ac 6 -c:a pcm_s16le {out}"))],
        file: "source.mkv",
        options: "{video: {segmentDuration: 3s}, audio: {encode: {eac3: {}}}}",
        chunks: 0,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "sound_as_mp3",
        source: &[Ffmpeg(concat!(clicks!("20"), "-ac 2 -c:a libmp3lame {out}"))],
        file: "source.mp3",
        options: "{audio: {encode: {mp3: {}}}}",
        chunks: 0,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "sound_as_flac",
        source: &[Ffmpeg(concat!(clicks!("20"), "-ar 96000 -c:a pcm_s24le {out}"))],
        file: "source.wav",
        options: "{audio: {encode: {flac: {}}}}",
        chunks: 0,
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
        frames: 1199,
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
