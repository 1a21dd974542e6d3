//! What pictures look like: shape, turn, colours, fields, filters.

use super::{H264, H264_TOGETHER, PLAIN, SMALL, TINY, WIDE};
use crate::row::{
    ROW, Row,
    Step::{Append, Ffmpeg, Mirror, Python, Turn},
};

/// Cuts off what containers hide, unless ffmpeg has done so (from 7.1 on).
const HIDDEN: &str = r"crop=160:140:if(gt(iw\\,160)\\,40\\,0):if(gt(ih\\,140)\\,10\\,0),setsar=1";

/// The rows.
pub const ROWS: &[Row] = &[
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
    // Selfie cameras.
    Row {
        name: "mirrored",
        source: &[
            Ffmpeg(concat!(pictures!("160x90", "25", "5"), "-c:v libx264 -preset ultrafast -g 25 {out}")),
            Mirror(0),
        ],
        options: TINY,
        frames: 125,
        pictures: SMALL,
        ..ROW
    },
    Row {
        name: "mirrored_and_turned",
        source: &[
            Ffmpeg(concat!(pictures!("160x90", "25", "5"), "-c:v libx264 -preset ultrafast -g 25 {out}")),
            Mirror(90),
        ],
        options: TINY,
        frames: 125,
        pictures: &[("low", 90, 160)],
        ..ROW
    },
    Row {
        name: "all_around_for_two_eyes",
        source: &[
            Ffmpeg(concat!(pictures!("320x180", "25", "5"), "-c:v libx264 -preset ultrafast -g 25 {out}")),
            Python("spherical.py {in} {out} --stereo 1 --angles 10 -20 30 --bounds 0 0 0x40000000 0x40000000"),
        ],
        options: H264,
        frames: 125,
        pictures: WIDE,
        ..ROW
    },
    Row {
        name: "all_around_on_a_cube",
        source: &[
            Ffmpeg(concat!(pictures!("160x90", "25", "5"), "-c:v libx264 -preset ultrafast -g 25 {out}")),
            Python("spherical.py {in} {out} --angles 0 0 0 --cubemap 0"),
        ],
        options: TINY,
        frames: 125,
        pictures: SMALL,
        ..ROW
    },
    Row {
        name: "tagged_colours_av1_and_hevc_10_bit",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "12", "36"),
            clicks!("36"),
            "-c:v libx264 -preset veryfast -g 24 -bf 2 -vf setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv -c:a aac {out}"
        ))],
        options: "{video: {segmentDuration: 3s, encode: {av1: {preset: 12}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}, encode: {hevc: {preset: ultrafast, bitDepth: 10}}}]}",
        frames: 432,
        chunks: 2,
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
        name: "interlaced_576_at_its_levels",
        source: &[Ffmpeg(concat!(
            pictures!("720x576", "50", "4"),
            "-vf tinterlace=interleave_top,setfield=tff,setsar=64/45 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -flags +ildct+ilme -x264-params tff=1 -g 25 {out}"
        ))],
        options: "{video: {segmentDuration: 2s, fanOut: Chunk}, renditions: [{name: h264, box: {width: 1024, height: 1024}, encode: {h264: {preset: veryfast}}}, {name: h265, box: {width: 1024, height: 1024}, encode: {hevc: {preset: ultrafast}}}, {name: av1, box: {width: 1024, height: 1024}, encode: {av1: {preset: 12}}}, {name: vp9, box: {width: 1024, height: 1024}, encode: {vp9: {speed: 8, hls: true}}}]}",
        frames: 100,
        pictures: &[("h264", 720, 576), ("h265", 720, 576), ("av1", 720, 576), ("vp9", 720, 576)],
        shown: "yadif",
        codecs: &[
            ("h264", "avc1.64001e"),
            ("h265", "hvc1.1.6.L90."),
            ("av1", "av01.0.04M.08"),
            ("vp9", "vp09.00.30.08"),
        ],
        ..ROW
    },
    Row {
        name: "interlaced_later",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "25", "8"),
                "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 25 -bf 0 {out}"
            )),
            Append(concat!(
                pictures!("320x180", "50", "12"),
                "-vf tinterlace=interleave_top,setfield=tff -pix_fmt yuv420p -c:v libx264 -preset ultrafast -flags +ildct+ilme -x264-params tff=1 -g 25 -bf 0 -output_ts_offset 8 {out}"
            )),
        ],
        file: "source.ts",
        options: TINY,
        frames: 500,
        pictures: SMALL,
        shown: "yadif=deint=interlaced",
        ..ROW
    },
    Row {
        name: "matroska_crop",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "25", "8"),
                "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p {out}"
            )),
            Python("matroska.py {in} {out} --crop 10 30 40 120"),
        ],
        file: "source.mkv",
        options: "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 80, height: 80}}], thumbnail: {}}",
        frames: 200,
        pictures: &[("top", 160, 140), ("low", 80, 70)],
        shown: HIDDEN,
        ..ROW
    },
    Row {
        name: "clean_aperture",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "25", "8"),
                clicks!("8"),
                "-map 1 -map 0 -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac {out}"
            )),
            Python("clap.py {in} {out} 40 10 120 30"),
        ],
        options: "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 80, height: 80}}]}",
        frames: 200,
        pictures: &[("top", 160, 140), ("low", 80, 70)],
        audio: PLAIN,
        shown: HIDDEN,
        ..ROW
    },
    Row {
        name: "untagged_hd",
        source: &[Ffmpeg(concat!(
            pictures!("1280x720", "10", "3"),
            "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 10 {out}"
        ))],
        options: "{video: {segmentDuration: 1s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 1280, height: 1280}}, {name: low, box: {width: 320, height: 320}, encode: {av1: {preset: 12}}}]}",
        frames: 30,
        pictures: &[("top", 1280, 720), ("low", 320, 180)],
        codecs: &[("top", "avc1.42c01f"), ("low", "av01.0.00M.08")],
        ..ROW
    },
    Row {
        name: "interlaced_mpeg2_bottom_first",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "60000/1001", "36"),
            clicks!("36"),
            "-vf tinterlace=interleave_bottom,setfield=bff -pix_fmt yuv420p -c:v mpeg2video -b:v 3M -flags +ildct+ilme -g 15 -bf 2 -c:a mp2 {out}"
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
        name: "film_from_video",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "24000/1001", "40"),
            clicks!("40"),
            "-vf telecine=pattern=23,setfield=tff -pix_fmt yuv420p -c:v mpeg2video -b:v 3M -flags +ildct+ilme -g 15 -bf 2 -c:a mp2 {out}"
        ))],
        file: "source.ts",
        options: "{video: {segmentDuration: 2s, inverseTelecine: {}, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}]}",
        frames: 960,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        shown: "fieldmatch,decimate",
        ..ROW
    },
    Row {
        name: "film_after_sound",
        source: &[Ffmpeg(concat!(
            "-itsoffset 2 ",
            pictures!("320x180", "24000/1001", "10"),
            clicks!("11"),
            "-vf telecine=pattern=23,setfield=tff -pix_fmt yuv420p -c:v mpeg2video -b:v 3M -flags +ildct+ilme -g 15 -bf 2 -c:a mp2 {out}"
        ))],
        file: "source.ts",
        options: "{video: {segmentDuration: 2s, inverseTelecine: {}, encode: {h264: {preset: veryfast}}}, renditions: [{name: low, box: {width: 320, height: 320}}]}",
        frames: 240,
        ahead: 38,
        pictures: &[("low", 320, 180)],
        audio: PLAIN,
        shown: "fieldmatch,decimate",
        ..ROW
    },
    Row {
        name: "coded_by_fields",
        source: &[
            Python("fields.py {out} --pictures 900"),
            Ffmpeg(concat!("-f h264 -framerate 25 -i {in} ", clicks!("36"), "-map 0 -map 1 -c:v copy -c:a aac {out}")),
        ],
        file: "source.ts",
        options: TINY,
        frames: 900,
        chunks: 2,
        pictures: &[("low", 160, 96)],
        audio: PLAIN,
        shown: "yadif",
        ..ROW
    },
    Row {
        name: "coded_by_fields_and_frames",
        source: &[
            Python("fields.py {out} --pictures 900 --mixed"),
            Ffmpeg("-f h264 -framerate 25 -i {in} -c:v copy {out}"),
        ],
        options: "{video: {segmentDuration: 2s, deinterlace: {}, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}",
        frames: 900,
        chunks: 2,
        pictures: &[("low", 160, 96)],
        shown: "yadif",
        ..ROW
    },
    Row {
        name: "hdr10_kept_and_tone_mapped",
        source: &[Ffmpeg(concat!(
            pictures!("320x180", "24", "34"),
            clicks!("34"),
            "-pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -vf setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv -x265-params log-level=error:keyint=48:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400 -tag:v hvc1 -c:a aac {out}"
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
            "-pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -vf setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc:range=tv -x265-params log-level=error:keyint=50 -tag:v hvc1 {out}"
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
        name: "captions_inside_pictures",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "30000/1001", "36"),
                "-c:v libx264 -preset veryfast -g 30 -bf 0 -f h264 {out}"
            )),
            Python("captions.py {in} {out} --rate 30000/1001"),
            Ffmpeg(concat!(
                "-f h264 -framerate 30000/1001 -i {in} ",
                clicks!("36"),
                "-map 0 -map 1 -c:v copy -c:a aac {out}"
            )),
        ],
        file: "source.ts",
        options: H264,
        frames: 1079,
        chunks: 2,
        pictures: WIDE,
        audio: PLAIN,
        captions: &["CC1", "CC3", "SERVICE1"],
        ..ROW
    },
    Row {
        name: "captions_inside_interlaced_pictures",
        source: &[
            Ffmpeg(concat!(
                pictures!("320x180", "60000/1001", "36"),
                "-vf tinterlace=interleave_top,setfield=tff -pix_fmt yuv420p -c:v libx264 -preset ultrafast -flags +ildct+ilme -x264-params tff=1 -g 30 -bf 0 -f h264 {out}"
            )),
            Python("captions.py {in} {out} --rate 30000/1001"),
            Ffmpeg("-f h264 -framerate 30000/1001 -i {in} -c:v copy {out}"),
        ],
        file: "source.ts",
        options: TINY,
        frames: 1079,
        chunks: 2,
        pictures: SMALL,
        shown: "yadif",
        captions: &["CC1", "CC3", "SERVICE1"],
        ..ROW
    },
    Row {
        name: "size_shape_and_format_change_midway",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "20"),
                clicks!("20"),
                "-c:v libx264 -preset ultrafast -g 25 -c:a aac {out}"
            )),
            Append(concat!(
                pictures!("240x136", "25", "20"),
                clicks!("20"),
                "-vf setsar=4/3 -pix_fmt yuv422p -c:v libx264 -preset ultrafast -g 25 -c:a aac -output_ts_offset 20 {out}"
            )),
        ],
        options: TINY,
        pictures: SMALL,
        file: "source.ts",
        frames: 1000,
        chunks: 2,
        audio: PLAIN,
        ..ROW
    },
];
