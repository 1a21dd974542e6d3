//! Every audio track in one demux pass, encoded or copied to a file of its own.

use std::path::Path;

use super::{Command, Program, SourceUrl};
use crate::{codec::AudioCodec, probe::AudioStream};

/// One track of the run.
#[derive(Debug, Clone, Copy)]
pub struct AudioTrack<'a> {
    /// The stream.
    pub stream: &'a AudioStream,
    /// How it is made.
    pub codec: &'a AudioCodec,
    /// The job's origin on the source timeline, in samples at the encoded rate: where the sound begins.
    pub origin: i64,
    /// Samples in all, where silence follows what the source has.
    pub samples: Option<i64>,
    /// The file.
    pub path: &'a Path,
}

/// Encodes all tracks, or copies them.
pub fn encode(source: &SourceUrl, container: &str, tracks: &[AudioTrack<'_>]) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    // However much of it is damaged, that is told by whoever counts.
    command.push(["-copyts", "-vn"]).option("max_error_rate", 1);
    // Sound that changes its form ends the run: filters would begin anew at each change, with silence from the
    // origin on. What follows it is below.
    command.option("reinit_filter", 0);
    source.input(&mut command, container);
    for (n, track) in tracks.iter().enumerate() {
        match track.codec.encoder() {
            Some(encoder) => {
                let layout = track.codec.form(track.stream).filters(is_lossless(track.codec));
                encoded(&mut command, track, encoder, &layout, n);
            }
            None => copied(&mut command, track),
        }
        written(&mut command, track);
    }
    // What is copied is decoded too: damage has to be told.
    for track in tracks.iter().filter(|track| track.codec.encoder().is_none()) {
        command.option("map", format!("0:{}", track.stream.index)).option("f", "null").push(["-"]);
    }
    command
}

/// Decodes a track whose sound changes its channels or its sample rate, and gives all of it the encoded layout and rate:
/// into a pipe, for [`encode_uniform`]. Filters without a memory lose nothing where they begin anew, and neither does
/// PCM, whose packets have any length.
pub fn decode_uniform(source: &SourceUrl, container: &str, track: &AudioTrack<'_>, pipe: &Path) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    command.push(["-copyts", "-vn"]).option("max_error_rate", 1);
    source.input(&mut command, container);
    let rate = track.codec.sample_rate(track.stream.sample_rate);
    let layout = track.codec.form(track.stream).filters(is_lossless(track.codec));
    let filters = format!("{layout},aformat=sample_fmts=flt:sample_rates={rate}");
    command.option("map", format!("0:{}", track.stream.index)).option("af", filters).option("c:a", "pcm_f32le");
    command.option("f", "nut").push([pipe.display().to_string()]);
    command
}

/// Encodes what [`decode_uniform`] writes.
pub fn encode_uniform(track: &AudioTrack<'_>, encoder: &str, pipe: &Path) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    command.push(["-copyts"]);
    SourceUrl::pasteable(pipe.display().to_string()).input(&mut command, "nut");
    let stream = AudioStream { index: 0, ..track.stream.clone() };
    let layout = track.codec.form(track.stream).as_it_is();
    encoded(&mut command, &AudioTrack { stream: &stream, ..*track }, encoder, &layout, 0);
    written(&mut command, track);
    command
}

/// The file of a track.
fn written(command: &mut Command, track: &AudioTrack<'_>) {
    command
        .option("avoid_negative_ts", "disabled")
        .option("movflags", movflags(track.codec))
        .option("frag_duration", 2_000_000)
        .option("map_metadata", -1)
        // Chapters would be a track of text.
        .option("map_chapters", -1)
        .option("fflags", "+bitexact")
        .option("f", "mp4")
        .push([track.path.display().to_string()]);
}

fn is_lossless(codec: &AudioCodec) -> bool {
    matches!(codec, AudioCodec::Flac { .. })
}

/// `aresample=async=1` goes by the times of decoded samples and stretches nothing (ffmpeg's resampler
/// documentation). From `first_pts` on it pads or trims the start, to half a sample (`min_comp`);
/// holes later on are filled with silence, and deviations below 10 ms (`min_hard_comp`) are rounding
/// and are left alone.
fn encoded(command: &mut Command, track: &AudioTrack<'_>, encoder: &str, layout: &str, n: usize) {
    let codec = track.codec;
    let form = codec.form(track.stream);
    let rate = codec.sample_rate(track.stream.sample_rate);
    let lossless = is_lossless(codec);
    let samples = match lossless {
        true if track.stream.bits > 16 => ":sample_fmts=s32",
        true => ":sample_fmts=s16",
        false => "",
    };
    // These encoders are 256 samples late, half a transform, and leave as many out at the end.
    let end = match codec {
        AudioCodec::Ac3 { .. } | AudioCodec::Eac3 { .. } => ",apad=pad_len=256",
        _ => "",
    };
    let on_time = format!("aresample={rate}:async=1:first_pts={}:min_comp=0.00001:min_hard_comp=0.01", track.origin);
    let silence = track.samples.map_or(String::new(), |samples| format!(",apad=whole_len={samples}"));
    let filters = format!("{layout}{samples}{silence}{end}");
    let left = track.stream.index;
    match track.stream.right {
        None => command.option("map", format!("0:{left}")).option("af", format!("{on_time},{filters}")),
        Some(right) => {
            let sides = format!("[0:{left}]{on_time}[l];[0:{right}]{on_time}[r]");
            let joined = "[l][r]join=inputs=2:channel_layout=stereo:map=0.0-FL|1.0-FR";
            command
                .option("filter_complex", format!("{sides};{joined},{filters}[a{n}]"))
                .option("map", format!("[a{n}]"))
        }
    };
    command.option("c:a", encoder).option("threads", 1);
    if let Some(bitrate) = codec.bitrate(form.sounding()) {
        command.option("b:a", bitrate);
    }
    if let Some(size) = codec.frame_samples().filter(|_| lossless) {
        // The muxer of ffmpeg 5.1 calls FLAC in MP4 experimental.
        command.option("frame_size", size).option("strict", "experimental");
    }
    if lossless && track.stream.bits > 16 {
        // Of 32 bits, 24 are the sample. Newer ffmpegs, where they may experiment, would encode all 32, which many
        // decoders don't support.
        command.option("bits_per_raw_sample", 24);
    }
    // No version of the encoder in the first access unit.
    command.option("flags:a", "+bitexact");
    if let AudioCodec::Opus { .. } = codec
        && form.channels > 2
    {
        command.option("mapping_family", 1);
    }
}

/// Access units as they are. Those of AAC lose the header that they have in transport streams, which MP4 has once
/// for all (ffmpeg's bitstream filter does nothing to what has none).
fn copied(command: &mut Command, track: &AudioTrack<'_>) {
    command.option("map", format!("0:{}", track.stream.index)).option("c:a", "copy");
    if track.stream.codec == "aac" {
        command.option("bsf:a", "aac_adtstoasc");
    }
}

/// The boxes of AC-3 and E-AC-3 describe the first access unit, so `moov` has to wait for it; so does that of what
/// is copied. Its fragments tell the source's times (`frag_discont`), and not those since the first of them.
fn movflags(codec: &AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Passthrough => "+delay_moov+default_base_moof+frag_discont",
        AudioCodec::Ac3 { .. } | AudioCodec::Eac3 { .. } => "+delay_moov+default_base_moof",
        _ => "+empty_moov+default_base_moof",
    }
}
