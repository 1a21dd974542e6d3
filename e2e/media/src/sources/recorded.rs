//! Clips that were not made for a test.

use super::PLAIN;
use crate::row::{
    ROW, Row,
    Step::{Camera, Script},
};

/// The rows.
pub const ROWS: &[Row] = &[
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
];
