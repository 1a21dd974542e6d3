//! One chunk of video to one file for each rendition.
//!
//! The absolute timeline holds throughout: `-copyts` keeps source times, frames outside the chunk
//! are dropped by integer PTS, and encoders get those times unchanged (`-fps_mode passthrough`,
//! `-enc_time_base`). `showinfo` before the trim lists every decoded frame: the proof that decoding
//! began before the chunk and skipped nothing.

use std::path::Path;

use num_rational::Ratio;

use super::{Command, Program, SourceUrl};
use crate::{
    chunk::Chunk,
    codec::VideoCodec,
    ladder::Rendition,
    probe::{Colour, VideoStream},
    time::{MediaTime, Rational, Timescale, decimal_seconds},
};

/// Everything that one run needs.
#[derive(Debug, Clone, Copy)]
pub struct VideoTask<'a> {
    /// The source.
    pub source: &'a SourceUrl,
    /// Demuxers as ffprobe named them.
    pub container: &'a str,
    /// The stream.
    pub stream: &'a VideoStream,
    /// The chunk.
    pub chunk: &'a Chunk,
    /// Where to seek: the chunk's own place, or further back after a mismatch.
    pub seek: Option<MediaTime>,
    /// Renditions, and the file that each goes to.
    pub outputs: &'a [(&'a Rendition, &'a Path)],
    /// Ticks per second of the encoded files.
    pub timescale: Timescale,
    /// The longest segment of the whole source, frames: no keyframe is later than this.
    pub longest_segment: u32,
    /// Frames of the source share times and have to be set a tick apart.
    pub equal_times: bool,
}

/// Encodes a chunk.
pub fn encode(task: &VideoTask<'_>) -> Command {
    let mut command = decode(task);
    for (n, (rendition, path)) in task.outputs.iter().enumerate() {
        command.option("map", format!("[v{n}]"));
        timing(&mut command, task.timescale);
        encoder(&mut command, task, rendition);
        colour(&mut command, &encoded_colour(task.stream));
        command
            .option("video_track_timescale", task.timescale.0)
            .option("avoid_negative_ts", "disabled")
            .option("movflags", "+empty_moov+default_base_moof+frag_keyframe+frag_discont+negative_cts_offsets")
            .option("map_metadata", -1)
            .option("f", "mp4")
            .push([path.display().to_string()]);
    }
    command
}

/// Input and filters; one labelled output `[vN]` for each rendition.
fn decode(task: &VideoTask<'_>) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    command.push(["-copyts"]);
    if let Some(seek) = task.seek {
        // Rounded up: a target just before the keyframe would land on the one before it.
        let micros = Timescale(1_000_000);
        let seek = micros.time(micros.ceil(seek));
        command.option("seek_timestamp", 1).push(["-noaccurate_seek"]).option("ss", decimal_seconds(seek));
    }
    command.push(["-noautorotate"]).option("threads", 1);
    task.source.input(&mut command, task.container);
    command.option("filter_complex_threads", 1).option("filter_complex", graph(task));
    command
}

fn timing(command: &mut Command, timescale: Timescale) {
    command.option("fps_mode", "passthrough").option("enc_time_base", format!("1/{}", timescale.0));
}

fn graph(task: &VideoTask<'_>) -> String {
    let chunk = task.chunk;
    let mut shared =
        format!("[0:{}]showinfo=checksum=0,trim=start_pts={}:end_pts={}", task.stream.index, chunk.start, chunk.end);
    if task.equal_times {
        let first = format!("PTS+{}", chunk.shift);
        shared.push_str(&format!(",setpts=if(isnan(PREV_OUTPTS)\\,{first}\\,max(PTS\\,PREV_OUTPTS+1))"));
    }
    shared.push_str(match task.stream.rotation {
        90 => ",transpose=clock",
        180 => ",hflip,vflip",
        270 => ",transpose=cclock",
        _ => "",
    });
    let finish = |n: usize, rendition: &Rendition| format!("{}[v{n}]", picture(task.stream, rendition));
    match task.outputs {
        [(rendition, _)] => format!("{shared},{}", finish(0, rendition)),
        outputs => {
            let labels: String = (0..outputs.len()).map(|n| format!("[s{n}]")).collect();
            let each = outputs.iter().enumerate().map(|(n, (rendition, _))| format!("[s{n}]{}", finish(n, rendition)));
            format!("{shared},split={}{labels};{}", outputs.len(), each.collect::<Vec<_>>().join(";"))
        }
    }
}

/// Scale, pixel shape, pixel format. All of them look at one frame only, so that a chunk's edge
/// changes nothing.
fn picture(stream: &VideoStream, rendition: &Rendition) -> String {
    let format = if rendition.codec.bit_depth(stream.bit_depth) > 8 { "yuv420p10le" } else { "yuv420p" };
    // Also where the size is right already: it costs nothing, and a source may change its size midway.
    let scale = format!("scale={}:{}:flags=bicubic", rendition.width, rendition.height);
    let range = match (is_rgb(&stream.pixel_format), stream.colour.full_range) {
        (true, _) => ":out_color_matrix=bt709:out_range=tv",
        (false, true) => ":in_range=pc:out_range=pc",
        (false, false) => "",
    };
    let sar = sixteen_bit(rendition.sar);
    format!("{scale}{range},setsar={}/{}:max=65535,format={format}", sar.numer(), sar.denom())
}

/// Bitstreams carry pixel shapes as two 16-bit numbers (ITU-T H.264 E.2.1).
pub fn sixteen_bit(sar: Rational) -> Rational {
    let (mut n, mut d) = (*sar.numer(), *sar.denom());
    while n > 65535 || d > 65535 {
        (n, d) = ((n / 2).max(1), (d / 2).max(1));
    }
    Ratio::new(n, d)
}

fn is_rgb(pixel_format: &str) -> bool {
    ["rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8"].iter().any(|p| pixel_format.starts_with(p))
}

/// Colour description of what is encoded: the source's, or BT.709 for pictures that came as RGB.
pub fn encoded_colour(stream: &VideoStream) -> Colour {
    if !is_rgb(&stream.pixel_format) {
        return stream.colour.clone();
    }
    let bt709 = || Some("bt709".to_string());
    Colour { primaries: bt709(), transfer: bt709(), matrix: bt709(), full_range: false }
}

fn colour(command: &mut Command, colour: &Colour) {
    for (option, value) in
        [("color_primaries", &colour.primaries), ("color_trc", &colour.transfer), ("colorspace", &colour.matrix)]
    {
        if let Some(value) = value {
            command.option(option, value);
        }
    }
    command.option("color_range", if colour.full_range { "pc" } else { "tv" });
}

/// Encoder, its rate, its threads (never the node's number of cores: bytes depend on it) and
/// keyframes: one at each segment, by frame number, because expressions over time round.
fn encoder(command: &mut Command, task: &VideoTask<'_>, rendition: &Rendition) {
    let keyint = task.longest_segment;
    command.option("c:v", rendition.codec.encoder());
    match &rendition.codec {
        VideoCodec::H264 { crf, preset } => {
            command.option("preset", preset.name()).option("crf", crf).option("threads", 1);
            command.option("g", keyint).option("forced-idr", 1);
        }
        VideoCodec::Hevc { crf, preset, .. } => {
            command.option("preset", preset.name()).option("crf", crf).option("tag:v", "hvc1");
            // info=0: no version and options in the bitstream. No open GOPs: no RASL frames at joins.
            command.option("forced-idr", 1).option(
                "x265-params",
                format!("info=0:open-gop=0:keyint={keyint}:min-keyint=1:pools=1:frame-threads=1:log-level=error"),
            );
        }
        VideoCodec::Av1 { crf, preset, .. } => {
            command.option("preset", preset).option("crf", crf).option("g", keyint);
            command.option("svtav1-params", "enable-force-key-frames=1:lp=1");
        }
    }
    command.option("force_key_frames", format!("expr:{}", keyframes(task.chunk)));
}

/// `eq(n,0)+eq(n,96)+…`: n counts the frames of this run from 0 (ffmpeg's documentation of
/// `-force_key_frames`).
fn keyframes(chunk: &Chunk) -> String {
    let first = chunk.first_frame();
    let terms = chunk.segments.iter().map(|s| format!("eq(n,{})", s.first - first));
    terms.collect::<Vec<_>>().join("+")
}
