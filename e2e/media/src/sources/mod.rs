//! The table: rows by kind of source, a file each. A further source is a further row and nothing else.
//!
//! Chunks are at least 16 s long, so sources of 36 s give three of them.

use std::sync::LazyLock;

use crate::row::Row;

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

mod clocks;
mod containers;
mod gops;
mod picture;
mod recorded;
mod sound;
mod timing;
mod uneven;

/// Two small renditions in H.264.
const H264: &str = "{video: {segmentDuration: 2s, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}]}";
/// The same, decoded once for both.
const H264_TOGETHER: &str = "{video: {segmentDuration: 2s, fanOut: Chunk, encode: {h264: {preset: veryfast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}]}";
/// HEVC and Opus.
const HEVC_OPUS: &str = "{video: {segmentDuration: 2s, encode: {hevc: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}], audio: {encode: {opus: {}}}}";
/// AV1 and Opus.
const AV1_OPUS: &str = "{video: {segmentDuration: 2s, encode: {av1: {preset: 12}}}, renditions: [{name: top, box: {width: 256, height: 256}}], audio: {encode: {opus: {}}}}";
/// One rendition, as cheap as can be.
const TINY: &str = "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}";
/// The same, with the sound of the source.
const PASSTHROUGH: &str = "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}], audio: {encode: {passthrough: {}}}}";
/// 16:9 in its box.
const SMALL: &[(&str, u32, u32)] = &[("low", 160, 90)];
/// The same in long segments, for what takes hours.
const LONG: &str = "{video: {segmentDuration: 10s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 64, height: 64}}]}";
/// 16:9 in the boxes of the others.
const WIDE: &[(&str, u32, u32)] = &[("top", 320, 180), ("low", 160, 90)];
/// One audio track of which nothing is said.
const PLAIN: &[(&str, Option<&str>)] = &[("und", None)];

/// Every row.
pub static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    [gops::ROWS, timing::ROWS, clocks::ROWS, containers::ROWS, picture::ROWS, sound::ROWS, uneven::ROWS, recorded::ROWS]
        .concat()
});
