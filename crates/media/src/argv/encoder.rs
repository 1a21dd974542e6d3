//! Encoders and what they are told: rate, threads, keyframes, parameter sets, light.
//!
//! Everything that an init segment says is the same in every chunk of a rendition.

use std::path::Path;

use transcode_api::X26xPreset;

use super::{
    Command,
    video::{Output, Pass, VideoTask},
};
use crate::{
    chunk::{Chunk, Kept},
    codec::VideoCodec,
    level::Demand,
    probe::Hdr10,
    rate::{Rate, Vbv},
    time::MediaTime,
    track::VideoRange,
};

/// How long the chunk is shown.
fn length(task: &VideoTask<'_>) -> MediaTime {
    let copies = [task.chunk.ahead, task.chunk.still].into_iter().flatten().map(|copies| copies.length());
    let copies = copies.fold(MediaTime::ZERO, |sum, length| sum + length);
    if task.chunk.own_frames() == 0 {
        return copies;
    }
    let own = match (task.chunk.kept, task.filters.frame_rate) {
        (Some(Kept { start, end, lead: Some(lead), .. }), _) => lead.tick.time(end - start),
        (Some(kept), Some(rate)) => MediaTime::new((kept.end - kept.start) * rate.denom(), *rate.numer()),
        _ => task.stream.timebase.time(task.chunk.end - task.chunk.start),
    };
    own + copies
}

/// Encoder, its profile, tier and level, its rate, its threads (never the node's number of cores: bytes depend on it) and
/// keyframes: one at each segment, by frame number, because expressions over time round.
pub(super) fn encoder(command: &mut Command, task: &VideoTask<'_>, output: &Output<'_>) {
    let (keyint, rendition) = (task.longest_segment, output.rendition);
    // Encoders of ffmpeg 5.1 drop it; later ones take it from the frames, which say the same.
    let hdr10 = if rendition.range == VideoRange::Sdr { Hdr10::default() } else { task.stream.hdr10 };
    let cap = rendition.codec.rate().cap().filter(|_| !matches!(output.pass, Pass::First));
    let vbv = cap.map(|cap| cap.vbv(length(task), task.last, task.segment_duration, output.squeeze));
    let level = Demand::of(rendition, task.frame_rate).limit(&rendition.codec).level;
    // Filters may leave frames without a rate; a timebase would be taken for it.
    let (fps, a_second) = (task.frame_rate.numer(), task.frame_rate.denom());
    let deep = rendition.codec.bit_depth(task.stream.bit_depth) > 8;
    command.option("c:v", rendition.codec.encoder());
    match &rendition.codec {
        VideoCodec::H264 { rate, preset } => {
            let profile = if *preset == X26xPreset::Ultrafast { "baseline" } else { "high" };
            command.option("preset", preset.name()).option("profile:v", profile).option("level", level);
            quality(command, rate, output.pass, vbv);
            let pass = match output.pass {
                Pass::Only => None,
                Pass::First => Some((1, output.path)),
                Pass::Second { statistics, .. } => Some((2, statistics)),
            };
            // Made for encodes in pieces: parameter sets that do not depend on the pictures.
            let mut parameters = format!("stitchable=1:fps={fps}/{a_second}");
            if let Some((pass, statistics)) = pass {
                command.option("pass", pass);
                parameters.push_str(&format!(":stats={}", escaped(statistics)));
            }
            command.option("x264-params", parameters);
            if let Some(Vbv { max_bitrate, buffer_size, initial }) = vbv {
                command.option("maxrate", max_bitrate).option("bufsize", buffer_size);
                command.option("rc_init_occupancy", initial);
            }
            command.option("threads", 1).option("g", keyint).option("forced-idr", 1);
        }
        VideoCodec::Hevc { rate, preset, .. } => {
            let profile = if deep { "main10" } else { "main" };
            command.option("preset", preset.name()).option("profile:v", profile);
            quality(command, rate, output.pass, vbv);
            let vbv = vbv.map(|vbv| x265_vbv(&vbv)).unwrap_or_default();
            // x265 takes a level for the highest that it may need, and writes the lowest that it did. 30 is level 1.
            command.option("bsf:v", format!("hevc_metadata=level={}", level.0 * 3));
            // info=0: no version and options in the bitstream. No open GOPs: no RASL frames at joins.
            command.option("tag:v", "hvc1").option("forced-idr", 1).option(
                "x265-params",
                format!(
                    "info=0:open-gop=0:keyint={keyint}:min-keyint=1:pools=1:frame-threads=1:log-level=error:high-tier=0:fps={fps}/{a_second}{vbv}{}",
                    x265_light(&hdr10)
                ),
            );
        }
        VideoCodec::Av1 { crf, preset, .. } => {
            command.option("preset", preset).option("crf", crf).option("g", keyint);
            let (fps, a_second) =
                if task.frame_rate > SVTAV1_FASTEST.into() { (&SVTAV1_FASTEST, &1) } else { (fps, a_second) };
            command.option(
                "svtav1-params",
                format!(
                    "enable-force-key-frames=1:lp=1:fps-num={fps}:fps-denom={a_second}:level={}{}",
                    level.0,
                    svtav1_light(&hdr10)
                ),
            );
        }
        VideoCodec::Vp9 { crf, speed, .. } => {
            command.option("deadline", "good").option("cpu-used", speed).option("crf", crf).option("b:v", 0);
            command.option("g", keyint).option("lag-in-frames", 25).option("auto-alt-ref", 1);
            command.option("row-mt", 0).option("tile-columns", 0).option("threads", 1);
        }
    }
    command.option("force_key_frames", format!("expr:{}", keyframes(task.chunk)));
}

/// Frames a second that SVT-AV1 takes at most.
const SVTAV1_FASTEST: i64 = 240;
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
    format!(":vbv-maxrate={rate}:vbv-bufsize={size}:vbv-init={initial:.3}")
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
    let terms: Vec<String> = chunk.segments.iter().map(|s| format!("eq(n,{})", s.first - first)).collect();
    sum(&terms)
}

/// A sum of which each term adds a level, of at most a hundred (`libavutil/eval.c`): many terms are halved.
fn sum(terms: &[String]) -> String {
    if terms.len() <= 50 {
        return terms.join("+");
    }
    let (one, other) = terms.split_at(terms.len() / 2);
    format!("({})+({})", sum(one), sum(other))
}
