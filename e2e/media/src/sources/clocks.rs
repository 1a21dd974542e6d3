//! Clocks that begin anew or are wrong, streams that move to other PIDs, pictures that are missing.

use super::{PLAIN, SMALL, TINY};
use crate::row::{
    ROW, Row,
    Step::{Append, Ffmpeg, Python},
};

/// Twelve seconds of a broadcast.
const BROADCAST: &str = concat!(
    pictures!("160x90", "25", "12"),
    clicks!("12"),
    "-c:v libx264 -preset ultrafast -g 25 -bf 2 -c:a mp2 -b:a 256k {out}"
);

/// What the rows have in common.
const TS: Row = Row { file: "source.ts", options: TINY, frames: 300, pictures: SMALL, audio: PLAIN, mended: 1, ..ROW };

/// The rows.
pub const ROWS: &[Row] = &[
    Row { name: "ts_pids_change", source: &[Ffmpeg(BROADCAST), Python("transport.py {in} {out} --pids 4..")], ..TS },
    // There and back, and in the end each on the PID of the other.
    Row {
        name: "ts_pids_change_and_back",
        source: &[Ffmpeg(BROADCAST), Python("transport.py {in} {out} --pids 3..6 --swap 8..")],
        ..TS
    },
    Row {
        name: "gops_cut_from_ts",
        source: &[Ffmpeg(BROADCAST), Python("transport.py {in} {out} --cut 4..8")],
        frames: 200,
        mended: 0,
        warns: &["the source has no pictures from 4.011s to 8.011s"],
        ..TS
    },
    Row {
        name: "clock_jumps_ahead",
        source: &[Ffmpeg(BROADCAST), Python("transport.py {in} {out} --shift all:5..:900 --flag")],
        warns: &["the source's clock jumps ahead by 15m0s at 5"],
        ..TS
    },
    // The second recording begins where the first ended, before its clock is set back.
    Row {
        name: "recordings_joined",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "20"),
                clicks!("20"),
                "-c:v libx264 -preset ultrafast -g 25 -bf 2 -c:a mp2 -b:a 256k {out}"
            )),
            Append(concat!(
                pictures!("160x90", "25", "20"),
                clicks!("20"),
                "-vf negate -c:v libx264 -preset ultrafast -g 25 -bf 2 -c:a mp2 -b:a 256k -output_ts_offset 20.08 {out}"
            )),
            Python("transport.py {in} {out} --shift all:20..:-20"),
        ],
        frames: 1000,
        chunks: 2,
        mended: 2,
        warns: &["the source's clock jumps back by 20"],
        ..TS
    },
    // What was heard before is not heard again.
    Row {
        name: "sound_steps_back",
        source: &[Ffmpeg(BROADCAST), Python("transport.py {in} {out} --shift sound:5..:-3")],
        mended: 0,
        warns: &["the times of audio track 0 step back at 4.", ", by 3"],
        ..TS
    },
    Row {
        name: "last_sample_of_hours",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "10"),
                clicks!("10"),
                "-c:v libx264 -preset ultrafast -g 25 -bf 0 -c:a aac {out}"
            )),
            Ffmpeg(
                "-i {in} -c copy -bsf:v \"setts=pts=PTS:dts=DTS:duration='if(eq(N,249),109094400,DURATION)'\" {out}",
            ),
        ],
        file: "source.mp4",
        frames: 250,
        warns: &["the last picture is to be shown for 2h22m3"],
        ..TS
    },
    Row {
        name: "pictures_hours_ahead",
        source: &[
            Ffmpeg(concat!(
                pictures!("160x90", "25", "10"),
                clicks!("10"),
                "-c:v libx264 -preset ultrafast -g 25 -bf 0 -c:a aac {out}"
            )),
            Ffmpeg("-i {in} -c copy -bsf:v \"setts=pts='if(between(N,100,101),PTS+9360000,PTS)'\" {out}"),
        ],
        file: "source.mkv",
        frames: 248,
        mended: 0,
        shown: "select=lt(t\\\\,60)",
        warns: &["2 pictures after 4", "have timestamps that jump ahead by 2h36m0"],
        ..TS
    },
];
