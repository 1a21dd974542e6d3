//! One chunk of video to one file for each rendition.
//!
//! The absolute timeline holds throughout: `-copyts` keeps source times, frames outside the chunk
//! are dropped by integer PTS, and encoders get those times unchanged (`-fps_mode passthrough`,
//! `-enc_time_base`). `showinfo` before the trim lists every decoded frame: the proof that decoding
//! began before the chunk and skipped nothing.

use std::path::Path;

use num_rational::Ratio;

use super::{
    Command, Program, SourceUrl,
    encoder::encoder,
    filters::{Filters, container_crop, rotate, tone_map},
};
use crate::{
    chunk::Chunk,
    ladder::Rendition,
    probe::{Colour, VideoStream},
    rate::Squeeze,
    still::Still,
    time::{MediaTime, Rational, Timescale},
    track::VideoRange,
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
    pub outputs: &'a [Output<'a>],
    /// Ticks per second of the encoded files.
    pub timescale: Timescale,
    /// Frames a second behind the filters, the most that any second has; the same for all chunks.
    pub frame_rate: Rational,
    /// The longest segment of the whole source, frames: no keyframe is later than this.
    pub longest_segment: u32,
    /// Frames of the source share times and have to be set a tick apart.
    pub equal_times: bool,
    /// What is done to the pictures.
    pub filters: &'a Filters,
    /// Whether no chunk follows.
    pub last: bool,
    /// Length of a segment.
    pub segment_duration: MediaTime,
}

/// A rendition of a run.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// The rendition.
    pub rendition: &'a Rendition,
    /// The file that it goes to.
    pub path: &'a Path,
    /// How hard a capped encoder is held down.
    pub squeeze: Squeeze,
    /// Which pass it is.
    pub pass: Pass<'a>,
}

/// Which pass over a chunk; a rate that is an average takes two.
#[derive(Debug, Clone, Copy)]
pub enum Pass<'a> {
    /// The only one.
    Only,
    /// The first: [`Output::path`] gets what the encoder notes of each picture, and nothing is encoded. x264
    /// adds a file of its own beside it, `….mbtree`.
    First,
    /// The second, with what the first noted.
    Second {
        /// What the first left.
        statistics: &'a Path,
        /// What this chunk may take, bit/s.
        bitrate: u32,
    },
}

/// Encodes a chunk.
pub fn encode(task: &VideoTask<'_>) -> Command {
    let mut command = decode(task);
    for (n, output) in task.outputs.iter().enumerate() {
        command.option("map", format!("[v{n}]"));
        timing(&mut command, task.timescale);
        encoder(&mut command, task, output);
        if matches!(output.pass, Pass::First) {
            command.option("f", "null").push(["-".to_string()]);
            continue;
        }
        command
            .option("video_track_timescale", task.timescale.0)
            .option("avoid_negative_ts", "disabled")
            .option("movflags", "+empty_moov+default_base_moof+frag_keyframe+frag_discont+negative_cts_offsets")
            .option("map_metadata", -1)
            // Chapters would be a track of text.
            .option("map_chapters", -1)
            .option("f", "mp4")
            .push([output.path.display().to_string()]);
    }
    command
}

/// Input and filters; one labelled output `[vN]` for each rendition.
fn decode(task: &VideoTask<'_>) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    command.push(["-copyts"]);
    command.seek(task.seek);
    command.push(["-noautorotate"]).option("threads", 1);
    task.source.video(&mut command, task.container, task.stream);
    command.option("filter_complex_threads", 1).option("filter_complex", graph(task));
    command
}

fn timing(command: &mut Command, timescale: Timescale) {
    command.option("fps_mode", "passthrough").option("enc_time_base", format!("1/{}", timescale.0));
}

fn graph(task: &VideoTask<'_>) -> String {
    let chunk = task.chunk;
    let mut shared = vec![format!("[0:{}]showinfo=checksum=0", task.stream.index)];
    // Behind one that is later than all, trim would let nothing pass.
    shared.extend(task.stream.shown.map(|(first, last)| format!("select='between(pts\\,{first}\\,{last})'")));
    shared.extend(task.filters.without_captions().map(str::to_string));
    shared.extend(task.filters.deinterlace(task.stream));
    let (start, end) = match chunk.kept {
        None => (chunk.start, chunk.end),
        Some(kept) => {
            shared.extend(Filters::to_film(kept.lead).or_else(|| task.filters.convert_rate(kept.hold)));
            (kept.start, kept.end)
        }
    };
    shared.push(format!("trim=start_pts={start}:end_pts={end}"));
    if task.equal_times {
        let first = format!("PTS+{}", chunk.shift);
        shared.push(format!("setpts=if(isnan(PREV_OUTPTS)\\,{first}\\,max(PTS\\,PREV_OUTPTS+1))"));
    }
    shared.extend(container_crop(task.stream));
    shared.extend(chunk.still.map(|still| held(&still, chunk.own_frames())));
    shared.extend(chunk.ahead.map(|ahead| shown_before(&ahead, chunk.own_frames())));
    shared.extend(rotate(task.stream).map(str::to_string));
    shared.extend(task.filters.upright());
    let shared = shared.join(",");
    let finish = |n: usize, rendition: &Rendition| {
        format!("{},{}[v{n}]", picture(task.stream, rendition), described(&encoded_colour(task.stream, rendition)))
    };
    match task.outputs {
        [output] => format!("{shared},{}", finish(0, output.rendition)),
        outputs => {
            let labels: String = (0..outputs.len()).map(|n| format!("[s{n}]")).collect();
            let each = outputs.iter().enumerate().map(|(n, o)| format!("[s{n}]{}", finish(n, o.rendition)));
            format!("{shared},split={}{labels};{}", outputs.len(), each.collect::<Vec<_>>().join(";"))
        }
    }
}

/// The last picture once more for each of its copies, behind `own` frames. Captions are not said twice.
fn held(still: &Still, own: u32) -> String {
    let Still { frames, zero, place, step, .. } = still;
    // The first of nothing but copies is the picture itself.
    let more = frames - u32::from(own == 0);
    let (place, ticks, of) = (place - i64::from(own), step.numer(), step.denom());
    format!(
        "tpad=stop={more}:stop_mode=clone,sidedata=mode=delete:type=A53_CC:enable=gte(n\\,{own}),setpts=if(lt(N\\,{own})\\,PTS\\,round((N+{place})*{ticks}/{of})+{zero})"
    )
}

/// The first picture once for each of its copies, before `own` frames. tpad moves those; they keep their distances.
fn shown_before(ahead: &Still, own: u32) -> String {
    let Still { frames, zero, place, step, begin, .. } = ahead;
    // The last of nothing but copies is the picture itself.
    let more = frames - u32::from(own == 0);
    let placed = format!("round((N{place:+})*{}/{})+{zero}", step.numer(), step.denom());
    let placed = begin.map_or(placed.clone(), |begin| format!("if(N\\,{placed}\\,{begin})"));
    format!(
        "tpad=start={more}:start_mode=clone,sidedata=mode=delete:type=A53_CC:enable=lt(n\\,{frames}),setpts=if(gt(N\\,{frames})\\,PREV_OUTPTS+PTS-PREV_INPTS\\,{placed})"
    )
}

/// Scale, dynamic range, pixel shape, pixel format. All of them look at one frame only, so that a chunk's
/// edge changes nothing.
fn picture(stream: &VideoStream, rendition: &Rendition) -> String {
    let format = if rendition.codec.bit_depth(stream.bit_depth) > 8 { "yuv420p10le" } else { "yuv420p" };
    // Also where the size is right already: it costs nothing, and a source may change its size midway.
    let scale = format!("scale={}:{}:flags=bicubic", rendition.width, rendition.height);
    if is_tone_mapped(stream, rendition) {
        // Scaled first: linear light in floating point is expensive.
        let mapped = tone_map(stream);
        let sar = sixteen_bit(rendition.sar);
        let shape = format!("setsar={}/{}:max=65535", sar.numer(), sar.denom());
        return format!("{scale},format=yuv420p10le,{mapped},{shape},format={format}");
    }
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

/// Whether a high dynamic range becomes a standard one.
fn is_tone_mapped(stream: &VideoStream, rendition: &Rendition) -> bool {
    stream.colour.is_hdr() && rendition.range == VideoRange::Sdr
}

/// Colour description of what is encoded: the source's, or BT.709 for pictures that came as RGB or are
/// tone-mapped. It is the same for all renditions, however small: none leaves it to players.
pub fn encoded_colour(stream: &VideoStream, rendition: &Rendition) -> Colour {
    if !is_rgb(&stream.pixel_format) && !is_tone_mapped(stream, rendition) {
        return stream.colour.as_shown(stream.width, stream.height);
    }
    let bt709 = || Some("bt709".to_string());
    Colour { primaries: bt709(), transfer: bt709(), matrix: bt709(), full_range: false }
}

/// Frames say what their colours mean: since ffmpeg 7 encoders believe them, not the options of the same names.
fn described(colour: &Colour) -> String {
    let mut filter = format!("setparams=range={}", if colour.full_range { "pc" } else { "tv" });
    for (option, value) in
        [("color_primaries", &colour.primaries), ("color_trc", &colour.transfer), ("colorspace", &colour.matrix)]
    {
        if let Some(value) = value {
            filter.push_str(&format!(":{option}={value}"));
        }
    }
    filter
}
