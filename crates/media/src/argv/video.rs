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
    filters::{Filters, rotate, tone_map},
};
use crate::{
    chunk::Chunk,
    codec::VideoCodec,
    ladder::Rendition,
    level::Demand,
    probe::{Colour, Hdr10, VideoStream},
    rate::{Rate, Squeeze, Vbv},
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
    task.source.input(&mut command, task.container);
    command.option("filter_complex_threads", 1).option("filter_complex", graph(task));
    command
}

fn timing(command: &mut Command, timescale: Timescale) {
    command.option("fps_mode", "passthrough").option("enc_time_base", format!("1/{}", timescale.0));
}

fn graph(task: &VideoTask<'_>) -> String {
    let chunk = task.chunk;
    let mut shared = vec![format!("[0:{}]showinfo=checksum=0", task.stream.index)];
    shared.extend(task.filters.deinterlace(task.stream));
    let (start, end) = match chunk.kept {
        None => (chunk.start, chunk.end),
        Some(kept) => {
            shared.extend(task.filters.convert_rate(kept.hold));
            (kept.start, kept.end)
        }
    };
    shared.push(format!("trim=start_pts={start}:end_pts={end}"));
    if task.equal_times {
        let first = format!("PTS+{}", chunk.shift);
        shared.push(format!("setpts=if(isnan(PREV_OUTPTS)\\,{first}\\,max(PTS\\,PREV_OUTPTS+1))"));
    }
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
/// tone-mapped.
pub fn encoded_colour(stream: &VideoStream, rendition: &Rendition) -> Colour {
    if !is_rgb(&stream.pixel_format) && !is_tone_mapped(stream, rendition) {
        return stream.colour.clone();
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

/// How long the chunk is shown.
fn length(task: &VideoTask<'_>) -> MediaTime {
    match task.chunk.kept.zip(task.filters.frame_rate) {
        Some((kept, rate)) => MediaTime::new((kept.end - kept.start) * rate.denom(), *rate.numer()),
        None => task.stream.timebase.time(task.chunk.end - task.chunk.start),
    }
}

/// Encoder, its rate, its threads (never the node's number of cores: bytes depend on it) and
/// keyframes: one at each segment, by frame number, because expressions over time round.
fn encoder(command: &mut Command, task: &VideoTask<'_>, output: &Output<'_>) {
    let (keyint, rendition) = (task.longest_segment, output.rendition);
    // Encoders of ffmpeg 5.1 drop it; later ones take it from the frames, which say the same.
    let hdr10 = if rendition.range == VideoRange::Sdr { Hdr10::default() } else { task.stream.hdr10 };
    let cap = rendition.codec.rate().cap().filter(|_| !matches!(output.pass, Pass::First));
    let vbv = cap.map(|cap| cap.vbv(length(task), task.last, task.segment_duration, output.squeeze));
    let demand = rendition.codec.rate().cap().map(|cap| Demand {
        width: rendition.width,
        height: rendition.height,
        frame_rate: task.filters.frame_rate.unwrap_or(task.stream.frame_rate),
        cap,
    });
    command.option("c:v", rendition.codec.encoder());
    match &rendition.codec {
        VideoCodec::H264 { rate, preset } => {
            command.option("preset", preset.name());
            quality(command, rate, output.pass, vbv);
            let pass = match output.pass {
                Pass::Only => None,
                Pass::First => Some((1, output.path)),
                Pass::Second { statistics, .. } => Some((2, statistics)),
            };
            // Made for encodes in pieces: parameter sets that do not depend on the pictures.
            let mut parameters = "stitchable=1".to_string();
            if let Some((pass, statistics)) = pass {
                command.option("pass", pass);
                parameters.push_str(&format!(":stats={}", escaped(statistics)));
            }
            command.option("x264-params", parameters);
            if let Some(Vbv { max_bitrate, buffer_size, initial }) = vbv {
                command.option("maxrate", max_bitrate).option("bufsize", buffer_size);
                command.option("rc_init_occupancy", initial);
            }
            if let Some(demand) = demand {
                command.option("level", demand.h264(*preset));
            }
            command.option("threads", 1).option("g", keyint).option("forced-idr", 1);
        }
        VideoCodec::Hevc { rate, preset, .. } => {
            command.option("preset", preset.name());
            quality(command, rate, output.pass, vbv);
            let vbv = vbv.map(|vbv| x265_vbv(&vbv)).unwrap_or_default();
            if let Some(demand) = demand {
                // x265 takes a level for the highest that it may need, and writes the lowest that it did.
                command.option("bsf:v", format!("hevc_metadata=level={}", demand.hevc()));
            }
            // info=0: no version and options in the bitstream. No open GOPs: no RASL frames at joins.
            command.option("tag:v", "hvc1").option("forced-idr", 1).option(
                "x265-params",
                format!(
                    "info=0:open-gop=0:keyint={keyint}:min-keyint=1:pools=1:frame-threads=1:log-level=error{vbv}{}",
                    x265_light(&hdr10)
                ),
            );
        }
        VideoCodec::Av1 { crf, preset, .. } => {
            command.option("preset", preset).option("crf", crf).option("g", keyint);
            command.option("svtav1-params", format!("enable-force-key-frames=1:lp=1{}", svtav1_light(&hdr10)));
        }
        VideoCodec::Vp9 { crf, speed, .. } => {
            command.option("deadline", "good").option("cpu-used", speed).option("crf", crf).option("b:v", 0);
            command.option("g", keyint).option("lag-in-frames", 25).option("auto-alt-ref", 1);
            command.option("row-mt", 0).option("tile-columns", 0).option("threads", 1);
        }
    }
    command.option("force_key_frames", format!("expr:{}", keyframes(task.chunk)));
}

/// Rate factor of first passes: x264 at common rates is not far from it.
const FIRST_PASS_CRF: u8 = 24;

fn quality(command: &mut Command, rate: &Rate, pass: Pass<'_>, vbv: Option<Vbv>) {
    // An average above the cap would move the cap (x264).
    let most = vbv.map_or(u32::MAX, |vbv| vbv.max_bitrate);
    match (rate, pass) {
        (Rate::AverageBitrate { .. }, Pass::First) => command.option("crf", FIRST_PASS_CRF),
        (Rate::AverageBitrate { .. }, Pass::Second { bitrate, .. }) => command.option("b:v", bitrate.min(most)),
        (Rate::AverageBitrate { bitrate, .. }, Pass::Only) => command.option("b:v", bitrate.min(&most)),
        (Rate::Crf(crf) | Rate::CappedCrf { crf, .. }, _) => command.option("crf", crf),
    };
}

/// A path in a list of options (`av_get_token` of ffmpeg's libavutil).
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for c in path.display().to_string().chars() {
        if matches!(c, '\\' | '\'' | ':') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// x265's options of the same meaning, kbit and kbit/s.
fn x265_vbv(vbv: &Vbv) -> String {
    let (rate, size) = (vbv.max_bitrate / 1000, vbv.buffer_size / 1000);
    // More than 1 would be kbit.
    let initial = f64::from(vbv.initial) / f64::from(vbv.buffer_size.max(1));
    format!(":high-tier=0:vbv-maxrate={rate}:vbv-bufsize={size}:vbv-init={initial:.3}")
}

/// x265's options `master-display` (1/50000 and 1/10000 cd/m2, as ITU-T H.265 D.3.28 has them) and `max-cll`.
fn x265_light(hdr10: &Hdr10) -> String {
    let mut options = String::new();
    if let Some(m) = &hdr10.mastering {
        let [r, g, b] = m.primaries.map(|(x, y)| format!("({x},{y})"));
        let (x, y) = m.white;
        let (max, min) = (m.max_luminance, m.min_luminance);
        options.push_str(&format!(":master-display=G{g}B{b}R{r}WP({x},{y})L({max},{min})"));
    }
    if let Some(light) = &hdr10.light {
        options.push_str(&format!(":max-cll={},{}", light.content, light.average));
    }
    options
}

/// SVT-AV1's options `mastering-display` (fractions and cd/m2) and `content-light`.
fn svtav1_light(hdr10: &Hdr10) -> String {
    let mut options = String::new();
    if let Some(m) = &hdr10.mastering {
        // 1/50000 has five decimals.
        let place = |(x, y): (u16, u16)| {
            let [x, y] = [x, y].map(|c| u32::from(c) * 2);
            format!("({}.{:05},{}.{:05})", x / 100_000, x % 100_000, y / 100_000, y % 100_000)
        };
        let [r, g, b] = m.primaries.map(place);
        let [max, min] = [m.max_luminance, m.min_luminance].map(|l| format!("{}.{:04}", l / 10_000, l % 10_000));
        options.push_str(&format!(":mastering-display=G{g}B{b}R{r}WP{}L({max},{min})", place(m.white)));
    }
    if let Some(light) = &hdr10.light {
        options.push_str(&format!(":content-light={},{}", light.content, light.average));
    }
    options
}

/// `eq(n,0)+eq(n,96)+…`: n counts the frames of this run from 0 (ffmpeg's documentation of
/// `-force_key_frames`).
fn keyframes(chunk: &Chunk) -> String {
    let first = chunk.first_frame();
    let terms = chunk.segments.iter().map(|s| format!("eq(n,{})", s.first - first));
    terms.collect::<Vec<_>>().join("+")
}
