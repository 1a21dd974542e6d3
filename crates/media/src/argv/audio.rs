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
    if tracks.iter().any(|track| track.codec.encoder().is_none()) {
        // Sound that changes its form ends the run, instead of being converted for what decodes it.
        command.option("reinit_filter", 0);
    }
    source.input(&mut command, container);
    for track in tracks {
        command.option("map", format!("0:{}", track.stream.index));
        match track.codec.encoder() {
            Some(encoder) => encoded(&mut command, track, encoder),
            None => copied(&mut command, track),
        }
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
    // What is copied is decoded too: damage has to be told.
    for track in tracks.iter().filter(|track| track.codec.encoder().is_none()) {
        command.option("map", format!("0:{}", track.stream.index)).option("f", "null").push(["-"]);
    }
    command
}

/// `aresample=async=1` goes by the times of decoded samples and stretches nothing (ffmpeg's resampler
/// documentation). From `first_pts` on it pads or trims the start, to half a sample (`min_comp`);
/// holes later on are filled with silence, and deviations below 10 ms (`min_hard_comp`) are rounding
/// and are left alone.
fn encoded(command: &mut Command, track: &AudioTrack<'_>, encoder: &str) {
    let codec = track.codec;
    let channels = codec.channels(track.stream.channels);
    let rate = codec.sample_rate(track.stream.sample_rate);
    let lossless = matches!(codec, AudioCodec::Flac { .. });
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
    let silence = track.samples.map_or(String::new(), |samples| format!(",apad=whole_len={samples}"));
    let filters = format!(
        "aresample={rate}:async=1:first_pts={}:min_comp=0.00001:min_hard_comp=0.01,aformat=channel_layouts={}{samples}{silence}{end}",
        track.origin,
        codec.layout(channels)
    );
    command.option("af", filters).option("c:a", encoder).option("threads", 1);
    if let Some(bitrate) = codec.bitrate(channels) {
        command.option("b:a", bitrate);
    }
    if let Some(size) = codec.frame_samples().filter(|_| lossless) {
        // The muxer of ffmpeg 5.1 calls FLAC in MP4 experimental.
        command.option("frame_size", size).option("strict", "experimental");
    }
    // No version of the encoder in the first access unit.
    command.option("flags:a", "+bitexact");
    if let AudioCodec::Opus { .. } = codec
        && channels > 2
    {
        command.option("mapping_family", 1);
    }
}

/// Access units as they are. Those of AAC lose the header that they have in transport streams, which MP4 has once
/// for all (ffmpeg's bitstream filter does nothing to what has none).
fn copied(command: &mut Command, track: &AudioTrack<'_>) {
    command.option("c:a", "copy");
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
