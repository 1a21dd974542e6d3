//! Headers that a bucket serves published objects with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `Cache-Control` of published objects. `job.json` is always `no-cache`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheControl {
    /// Of media and init segments, which never change under one name.
    /// Default: `public, max-age=31536000, immutable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z-]+(=[0-9]+)?( *, *[A-Za-z-]+(=[0-9]+)?)*$"), extend("title" = "cache directives such as `public, max-age=60`, with times in seconds"))]
    pub segments: Option<String>,
    /// Of HLS playlists and the MPD, which the next run replaces. Default: `public, max-age=60`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z-]+(=[0-9]+)?( *, *[A-Za-z-]+(=[0-9]+)?)*$"), extend("title" = "cache directives such as `public, max-age=60`, with times in seconds"))]
    pub playlists: Option<String>,
    /// Of progressive MP4s and the thumbnail, which the next run replaces. Default: `public, max-age=60`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z-]+(=[0-9]+)?( *, *[A-Za-z-]+(=[0-9]+)?)*$"), extend("title" = "cache directives such as `public, max-age=60`, with times in seconds"))]
    pub files: Option<String>,
}

/// `Content-Type` of published objects for which services and players use more than one. All others have the
/// registered one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentTypes {
    /// Of HLS playlists. Default: `application/vnd.apple.mpegurl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 127), regex(pattern = r"^[a-z]+/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$"), extend("title" = "a media type such as `video/mp4`"))]
    pub hls: Option<String>,
    /// Of the MPD. Default: `application/dash+xml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 127), regex(pattern = r"^[a-z]+/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$"), extend("title" = "a media type such as `video/mp4`"))]
    pub dash: Option<String>,
    /// Of media segments (`.m4s`). Default: `video/iso.segment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 127), regex(pattern = r"^[a-z]+/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$"), extend("title" = "a media type such as `video/mp4`"))]
    pub segments: Option<String>,
    /// Of media segments of audio tracks. Default: as `segments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 127), regex(pattern = r"^[a-z]+/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$"), extend("title" = "a media type such as `audio/mp4`"))]
    pub audio_segments: Option<String>,
}
