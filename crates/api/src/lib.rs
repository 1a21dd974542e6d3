//! The API group `transcode.media/v1alpha1`: what a user writes and what the status tells.
//!
//! ```text
//! job.rs      TranscodeJob: inputs, outputs, options, scheduling, retry
//! profile.rs  TranscodeProfile, ClusterTranscodeProfile: the same options, shared
//! video.rs    renditions and video encoding       audio.rs      audio encoding
//! scheduling.rs  where pods go and what they ask for
//! storage.rs  stores, inputs, outputs             headers.rs    what objects are served with
//! thumbnail.rs  the thumbnail
//! value.rs    media time, bit rates, positions    status.rs     the status subresource
//! crd.rs      the custom resource definitions, made of all of these
//! network.rs  networks that a site opens to jobs
//! rules.rs    the one table of rules that the schema itself cannot say (CEL)
//! ```
//!
//! Types only: no client, no async runtime, no defaults. Defaults belong to `transcode-engine`,
//! because a default that the API server fills in would win over every profile.

pub mod audio;
pub mod crd;
pub mod headers;
pub mod job;
pub mod network;
pub mod profile;
pub mod rules;
pub mod scheduling;
pub mod status;
pub mod storage;
pub mod thumbnail;
pub mod value;
pub mod video;

pub use audio::{
    AacEncode, AudioEncode, AudioOptions, AudioPassthrough, AudioTrackChoice, DolbyEncode, FlacEncode, Mp3Encode,
    OpusEncode,
};
pub use headers::{CacheControl, ContentTypes};
pub use job::{Attempts, ProcessingOptions, Retry, TranscodeJob, TranscodeJobSpec, WorkData, WorkDataDeletion};
pub use network::AllowedNetwork;
pub use profile::{ClusterTranscodeProfile, ProfileKind, ProfileRef, ProfileSpec, TranscodeProfile};
pub use scheduling::{PodResources, PodSettings, Priority, Scheduling, TaintEffect, Toleration, TolerationOperator};
pub use status::TranscodeJobStatus;
pub use storage::{
    Addressing, CredentialsSpec, FileInput, FileOutput, Format, HttpInput, Input, OnDelete, Output, S3Input, S3Output,
    S3Store, SecretKeyRef, SecretRef, StoreSpec,
};
pub use thumbnail::{ImageFormat, Thumbnail};
pub use value::{Bitrate, FrameRate, MediaTime, Position, Rational, ValueError};
pub use video::{
    Av1Encode, Av1Rate, AverageBitrate, Box2, CappedCrf, Crop, Deinterlace, Denoise, DenoiseStrength, DynamicRange,
    FanOut, H264Encode, H264Rate, HevcEncode, HevcRate, Integrity, Mode, Rendition, VideoEncode, VideoOptions,
    Vp9Encode, Vp9Rate, X26xPreset,
};

/// The API group of every kind in this crate.
pub const GROUP: &str = "transcode.media";
/// The one served version.
pub const VERSION: &str = "v1alpha1";
