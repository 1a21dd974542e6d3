//! What an object is served with.

use std::fmt::Debug;

/// Headers of one object, which a bucket keeps with it. A folder has no place for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// `Content-Type`; `None` goes by the extension of the object's name.
    pub content_type: Option<String>,
    /// `Cache-Control`; `None` sends none.
    pub cache_control: Option<String>,
}

/// Knows with what objects are to be served.
pub trait Describe: Debug + Send + Sync {
    /// Headers of the object with this key.
    fn headers(&self, key: &str) -> Headers;
}

/// Goes by names alone.
#[derive(Debug)]
pub(crate) struct ByName;

impl Describe for ByName {
    fn headers(&self, _key: &str) -> Headers {
        Headers::default()
    }
}

/// What players and browsers expect to be told of a file with this name.
pub(crate) fn content_type(key: &str) -> &'static str {
    let name = key.rsplit('/').next().unwrap_or(key);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "mp4" => "video/mp4",
        "m4a" => "audio/mp4",
        // ISO/IEC 23009-1, annex C: of any kind of media. Players don't look at it.
        "m4s" => "video/iso.segment",
        "vtt" => "text/vtt",
        "json" => "application/json",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        _ => "application/octet-stream",
    }
}
