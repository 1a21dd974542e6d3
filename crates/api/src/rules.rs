//! Rules that a schema cannot say, in one table: the CRDs carry them as `x-kubernetes-validations`
//! and the command line evaluates the very same expressions.

/// Where a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    All,
    /// On a cluster only: the CRD carries it, the local engine does not evaluate it.
    Cluster,
}

/// One rule on one place of a spec.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Kinds that carry the rule.
    pub kinds: &'static [&'static str],
    /// Dotted path from the object's root; `[]` steps into each item of a list.
    pub path: &'static str,
    /// CEL over `self`, the value at `path`; true means valid. Only functions of plain CEL.
    pub cel: &'static str,
    /// What is wrong and what would be right.
    pub message: &'static str,
    /// Where it holds.
    pub scope: Scope,
}

/// Fields of a job's spec that may change once it exists. Every other field stays as it is.
pub const MUTABLE: &[&str] = &["scheduling.maxParallel", "suspend", "cancel", "retryToken", "ttlSecondsAfterFinished"];

const JOB: &[&str] = &["TranscodeJob"];
const EVERY: &[&str] = &["TranscodeJob", "TranscodeProfile", "ClusterTranscodeProfile"];

const fn rule(kinds: &'static [&'static str], path: &'static str, cel: &'static str, message: &'static str) -> Rule {
    Rule { kinds, path, cel, message, scope: Scope::All }
}

const ONE_CODEC: &str = "[has(self.h264), has(self.hevc), has(self.av1), has(self.vp9)].filter(x, x).size() == 1";
const ONE_CODEC_MESSAGE: &str = "say exactly one of h264, hevc, av1 and vp9";
const H264_RATE: &str = "[has(self.crf), has(self.cappedCrf), has(self.averageBitrate)].filter(x, x).size() == 1";
const H264_RATE_MESSAGE: &str = "say exactly one of crf, cappedCrf and averageBitrate";
const HEVC_RATE: &str = "has(self.crf) != has(self.cappedCrf)";
const HEVC_RATE_MESSAGE: &str = "say exactly one of crf and cappedCrf";
const DEPTH: &str = "!has(self.bitDepth) || self.bitDepth != 9";
const DEPTH_MESSAGE: &str = "bitDepth is 8 or 10";

/// Every rule.
pub const RULES: &[Rule] = &[
    rule(
        JOB,
        "spec.inputs[]",
        "[has(self.s3), has(self.http), has(self.file)].filter(x, x).size() == 1",
        "say exactly one of s3, http and file",
    ),
    Rule {
        kinds: JOB,
        path: "spec.inputs[]",
        cel: "!has(self.file)",
        message: "a file is read by the local engine only (kubectl transcode run); use s3 or http on a cluster",
        scope: Scope::Cluster,
    },
    rule(
        JOB,
        "spec.inputs[].http",
        "has(self.url) != has(self.urlSecretRef)",
        "say exactly one of url and urlSecretRef",
    ),
    rule(
        JOB,
        "spec.outputs[]",
        "[has(self.s3), has(self.file)].filter(x, x).size() == 1",
        "say exactly one of s3 and file",
    ),
    Rule {
        kinds: JOB,
        path: "spec.outputs[]",
        cel: "!has(self.file)",
        message: "a file is written by the local engine only (kubectl transcode run); use s3 on a cluster",
        scope: Scope::Cluster,
    },
    rule(EVERY, "spec.options.video.encode", ONE_CODEC, ONE_CODEC_MESSAGE),
    rule(EVERY, "spec.options.renditions[].encode", ONE_CODEC, ONE_CODEC_MESSAGE),
    rule(EVERY, "spec.options.video.encode.h264.rate", H264_RATE, H264_RATE_MESSAGE),
    rule(EVERY, "spec.options.video.encode.hevc.rate", HEVC_RATE, HEVC_RATE_MESSAGE),
    rule(EVERY, "spec.options.renditions[].encode.h264.rate", H264_RATE, H264_RATE_MESSAGE),
    rule(EVERY, "spec.options.renditions[].encode.hevc.rate", HEVC_RATE, HEVC_RATE_MESSAGE),
    rule(EVERY, "spec.options.video.encode.hevc", DEPTH, DEPTH_MESSAGE),
    rule(EVERY, "spec.options.renditions[].encode.hevc", DEPTH, DEPTH_MESSAGE),
    rule(EVERY, "spec.options.video.encode.av1", DEPTH, DEPTH_MESSAGE),
    rule(EVERY, "spec.options.renditions[].encode.av1", DEPTH, DEPTH_MESSAGE),
    rule(EVERY, "spec.options.video.encode.vp9", DEPTH, DEPTH_MESSAGE),
    rule(EVERY, "spec.options.renditions[].encode.vp9", DEPTH, DEPTH_MESSAGE),
    rule(
        EVERY,
        "spec.options.renditions[]",
        "has(self.box) || self.name in ['144p', '240p', '360p', '480p', '720p', '1080p', '1440p', '2160p', '4320p']",
        "a rendition whose name is not a standard size needs box: {width, height}",
    ),
    rule(
        EVERY,
        "spec.options.renditions[]",
        "self.name != 'audio' && !self.name.startsWith('audio-')",
        "audio and audio-… are the names of audio tracks; take another",
    ),
    rule(
        EVERY,
        "spec.options.audio.tracks[]",
        "[has(self.language), has(self.index), has(self.pair)].filter(x, x).size() == 1",
        "say exactly one of language, index and pair",
    ),
    rule(
        EVERY,
        "spec.options.audio.encode",
        "[has(self.aac), has(self.opus), has(self.ac3), has(self.eac3), has(self.mp3), has(self.flac), has(self.passthrough)].filter(x, x).size() == 1",
        "say exactly one of aac, opus, ac3, eac3, mp3, flac and passthrough",
    ),
];
