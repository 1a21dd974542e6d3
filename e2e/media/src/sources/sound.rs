//! Sound: none, alone, several tracks, every codec.

use super::{H264, PASSTHROUGH, PLAIN, SMALL, TINY, WIDE};
use crate::row::{
    ROW, Row,
    Step::{self, Ffmpeg, Python},
};

const L: &[(u32, u32)] = &[(300, 1000)];
const R: &[(u32, u32)] = &[(500, 1000)];
const C: &[(u32, u32)] = &[(700, 1000)];
const LOW: &[(u32, u32)] = &[(60, 1000)];
const BL: &[(u32, u32)] = &[(1100, 1000)];
const BR: &[(u32, u32)] = &[(1300, 1000)];

/// Six seconds of a layout: a tone for each channel, and clicks in the first.
macro_rules! tones {
    ($layout:literal, $first:literal $(, $hz:literal)*) => {
        concat!(
            "-f lavfi -i \"aevalsrc=exprs='if(eq(mod(n,32119),11025),0.9,0)+0.02*sin(2*PI*", $first, "*t)",
            $("|0.02*sin(2*PI*", $hz, "*t)",)*
            "':c=", $layout, ":s=48000:d=6\" "
        )
    };
}

/// A track for each layout.
const LAYOUTS: &[Step] = &[Ffmpeg(concat!(
    tones!("2.1", "300", "500", "60"),
    tones!("3.1", "300", "500", "700", "60"),
    tones!("4.1", "300", "500", "700", "60", "900"),
    tones!("quad", "300", "500", "1100", "1300"),
    tones!("7.1(wide)", "300", "500", "700", "60", "1100", "1300", "1500", "1700"),
    "-map 0 -map 1 -map 2 -map 3 -map 4 -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger -metadata:s:a:2 language=fra -metadata:s:a:3 language=ita -metadata:s:a:4 language=spa -c:a pcm_s24le {out}"
))];
const FIVE: &[(&str, Option<&str>)] = &[("en", None), ("de", None), ("fr", None), ("it", None), ("es", None)];

/// The rows.
pub const ROWS: &[Row] = &[
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
        options: "{audio: {encode: {mp3: {playlists: true}}}}",
        chunks: 0,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "sound_as_mp3_beside_pictures",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "6"),
            clicks!("6"),
            "-c:v libx264 -preset ultrafast -g 25 -c:a aac {out}"
        ))],
        options: "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}], audio: {encode: {mp3: {}}}}",
        frames: 150,
        pictures: SMALL,
        audio: PLAIN,
        unlisted: &["audio-0"],
        warnings: &["browsers don't play MP3"],
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
        name: "passthrough",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "20"),
            clicks!("20"),
            "-c:v libx264 -preset veryfast -g 25 -c:a aac {out}"
        ))],
        options: PASSTHROUGH,
        frames: 500,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "chapters",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "10"),
                clicks!("10"),
                "-c:v libx264 -preset veryfast -g 25 -c:a aac {out}"
            )),
            Python("chapters.py {in} {out}"),
        ],
        options: TINY,
        file: "source.mkv",
        frames: 250,
        pictures: SMALL,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "passthrough_transport_stream",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "40"),
            clicks!("40"),
            "-itsoffset 0.06 ",
            clicks!("39"),
            "-map 0 -map 1 -map 2 -c:v libx264 -preset veryfast -g 25 -c:a:0 aac -c:a:1 ac3 -metadata:s:a:0 language=deu -metadata:s:a:1 language=jpn {out}"
        ))],
        file: "source.ts",
        options: PASSTHROUGH,
        frames: 1000,
        pictures: SMALL,
        audio: &[("de", None), ("ja", None)],
        ..ROW
    },
    Row {
        name: "passthrough_matroska",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "20"),
            clicks!("20"),
            clicks!("20"),
            clicks!("20"),
            "-map 0 -map 1 -map 2 -map 3 -c:v libx264 -preset veryfast -g 25 -c:a:0 libopus -ar:a:0 48000 -c:a:1 libmp3lame -c:a:2 eac3 -metadata:s:a:0 language=deu -metadata:s:a:1 language=jpn -metadata:s:a:2 language=fra {out}"
        ))],
        file: "source.mkv",
        options: PASSTHROUGH,
        frames: 500,
        pictures: SMALL,
        audio: &[("de", None), ("ja", None), ("fr", None)],
        unlisted: &["audio-1"],
        warnings: &["browsers don't play MP3", "have different codecs"],
        ..ROW
    },
    Row {
        name: "mono_and_surround",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "10"),
            clicks!("10"),
            clicks!("10"),
            "-map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -g 25 -c:a:0 aac -ac:a:0 1 -c:a:1 ac3 -ac:a:1 6 -metadata:s:a:0 language=deu -metadata:s:a:1 language=jpn {out}"
        ))],
        options: TINY,
        pictures: SMALL,
        file: "source.mkv",
        frames: 250,
        audio: &[("de", None), ("ja", None)],
        ..ROW
    },
    Row {
        name: "holes_in_sound",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "12"),
            clicks!("12"),
            "-af \"aselect='not(between(t,3,4.2)+between(t,6,6.4))'\" -c:v libx264 -preset ultrafast -g 25 -c:a pcm_s16le {out}"
        ))],
        options: TINY,
        pictures: SMALL,
        file: "source.mkv",
        frames: 300,
        audio: PLAIN,
        ..ROW
    },
    // Containers that don't say how long packets last, and a last one that is shorter than the others.
    Row {
        name: "wavpack_matroska",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "6"),
            clicks!("5.7"),
            "-c:v libx264 -preset ultrafast -g 25 -c:a wavpack {out}"
        ))],
        options: TINY,
        pictures: SMALL,
        file: "source.mkv",
        frames: 150,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "tta_matroska",
        source: &[Ffmpeg(concat!(clicks!("5.7"), "-c:a tta {out}"))],
        file: "source.mkv",
        chunks: 0,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "alac_matroska",
        source: &[Ffmpeg(concat!(clicks!("5.7"), "-c:a alac {out}"))],
        file: "source.mkv",
        chunks: 0,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "adpcm_flash",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "6"),
            // ADPCM has no clicks: its steps have to grow first.
            "-f lavfi -i anoisesrc=color=pink:amplitude=0.5:sample_rate=44100:duration=5.7:seed=7 ",
            "-c:v flv -g 25 -c:a adpcm_swf {out}"
        ))],
        options: TINY,
        pictures: SMALL,
        file: "source.flv",
        frames: 150,
        audio: PLAIN,
        ..ROW
    },
    Row {
        name: "hole_in_wavpack",
        source: &[Ffmpeg(concat!(
            clicks!("9"),
            "-af \"aselect='not(between(t,3,4.2))'\" -frame_size 4410 -c:a wavpack {out}"
        ))],
        file: "source.mkv",
        chunks: 0,
        audio: PLAIN,
        warnings: &["holes in the timestamps of audio track 0 are filled with silence"],
        ..ROW
    },
    Row {
        name: "chosen_of_twelve_tracks",
        source: &[Ffmpeg(concat!(
            tones!("mono", "300"),
            tones!("stereo", "500", "700"),
            tones!("stereo", "1100", "1300"),
            "-map 0 -map 0 -map 0 -map 0 -map 0 -map 0 -map 0 -map 1 -map 0 -map 0 -map 0 -map 2 -metadata:s:a:7 language=fre -metadata:s:a:11 language=ger -c:a pcm_s16le {out}"
        ))],
        file: "source.mkv",
        options: "{audio: {tracks: [{index: 11}, {language: fr}, {pair: [0, 10]}]}}",
        chunks: 0,
        audio: &[("de", None), ("fr", None), ("und", None)],
        tones: &[&[BL, BR], &[R, C], &[L, L]],
        warnings: &["each of 8 audio tracks that options.audio.tracks does not choose is left out"],
        ..ROW
    },
    Row {
        name: "mono_tracks_of_mxf",
        source: &[Ffmpeg(concat!(
            pictures!("160x90", "25", "6"),
            tones!("stereo", "300", "500"),
            tones!("stereo", "1100", "1300"),
            "-filter_complex \"[1:a]channelsplit[a][b];[2:a]channelsplit[c][d]\" -map 0:v -map [a] -map [b] -map [c] -map [d] -c:v mpeg2video -c:a pcm_s24le {out}"
        ))],
        file: "source.mxf",
        options: TINY,
        pictures: SMALL,
        frames: 150,
        audio: &[("und", None), ("und", None)],
        tones: &[&[L, R], &[BL, BR]],
        warnings: &["become left and right of audio track 1, as broadcasters have them"],
        ..ROW
    },
    Row {
        name: "layouts_as_aac",
        source: LAYOUTS,
        file: "source.mov",
        chunks: 0,
        audio: FIVE,
        tones: &[
            &[L, R, &[], LOW, &[], &[]],
            &[L, R, C, LOW, &[], &[]],
            &[L, R, C, LOW, &[(900, 707)], &[(900, 707)]],
            &[L, R, &[], BL, BR],
            &[
                &[(300, 1000), (1500, 707)],
                &[(500, 1000), (1700, 707)],
                &[(700, 1000), (1500, 707), (1700, 707)],
                LOW,
                BL,
                BR,
            ],
        ],
        warnings: &[
            "audio track 0 becomes 5.1, because aac has no 2.1: all its channels are kept",
            "audio track 2 is mixed from 4.1 to 5.1, because aac has no 4.1: BC goes to BL and BR at -3 dB",
            "FLC goes to FL and FC at -3 dB, FRC goes to FR and FC at -3 dB",
        ],
        ..ROW
    },
    Row {
        name: "layouts_as_ac3",
        source: LAYOUTS,
        file: "source.mov",
        options: "{audio: {encode: {ac3: {}}}}",
        chunks: 0,
        audio: FIVE,
        tones: &[
            &[L, R, LOW],
            &[L, R, C, LOW],
            &[L, R, C, LOW, &[(900, 1000)]],
            &[L, R, BL, BR],
            &[
                &[(300, 1000), (1500, 707)],
                &[(500, 1000), (1700, 707)],
                &[(700, 1000), (1500, 707), (1700, 707)],
                LOW,
                BL,
                BR,
            ],
        ],
        warnings: &["audio track 4 is mixed from 7.1(wide) to 5.1"],
        ..ROW
    },
    Row {
        name: "layouts_as_opus",
        source: LAYOUTS,
        file: "source.mov",
        options: "{audio: {encode: {opus: {}}}}",
        chunks: 0,
        audio: FIVE,
        tones: &[
            &[L, R, &[], LOW, &[], &[]],
            &[L, R, C, LOW, &[], &[]],
            &[L, R, C, LOW, &[(900, 1000)], &[], &[]],
            &[L, R, BL, BR],
            &[
                &[(300, 1000), (1500, 707)],
                &[(500, 1000), (1700, 707)],
                &[(700, 1000), (1500, 707), (1700, 707)],
                LOW,
                BL,
                BR,
            ],
        ],
        warnings: &["audio track 2 becomes 6.1, because libopus has no 4.1"],
        ..ROW
    },
];
