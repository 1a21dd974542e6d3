//! What published objects are served with, by what lies at a path. Bytes don't depend on it, so no
//! key of media has it; the job's key has what was set, so that publishing again applies it.

use transcode_api::{CacheControl, ContentTypes, S3Output};

use crate::layout::{RECORD, WORK, is_ours};

/// Of segments: a name has the key of its content, so its bytes never change. RFC 8246, section 2.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Of what the next run replaces. What is cached longer names segments that Cleanup has deleted; what
/// is not cached at all costs a request each time that an MP4 is sought in.
const SHORT: &str = "public, max-age=60";
/// Of the record: who waits for it wants to see it at once.
const ALWAYS_ASK: &str = "no-cache";

/// Headers of one object; `None` leaves one to the store, which goes by the name's extension for
/// Content-Type and sends no Cache-Control.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Cache-Control`
    pub cache_control: Option<String>,
}

/// What lies at a path below the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    Init {
        audio: bool,
    },
    Segment {
        audio: bool,
    },
    Hls,
    Dash,
    File {
        audio: bool,
    },
    Record,
    /// No player asks for it.
    Work,
}

impl Object {
    fn at(path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let audio = folder.split('/').nth(2) == Some("audio");
        match extension {
            _ if path.split('/').next() == Some(WORK) => Object::Work,
            "m3u8" => Object::Hls,
            "mpd" => Object::Dash,
            "m4s" if is_ours(path) => Object::Segment { audio },
            "mp4" if is_ours(path) && name == "init.mp4" => Object::Init { audio },
            // An MP4 or a picture that waits for Publish to copy it.
            _ if is_ours(path) => Object::Work,
            _ if path == RECORD => Object::Record,
            // The MP4 of a source without video; no rendition has this name.
            _ => Object::File { audio: name.ends_with("_audio.mp4") },
        }
    }
}

/// What an object at `path` below `output` is served with.
pub fn headers(output: &S3Output, path: &str) -> Headers {
    let object = Object::at(path);
    Headers { content_type: content_type(output, object), cache_control: cache_control(output, object) }
}

fn content_type(output: &S3Output, object: Object) -> Option<String> {
    let ContentTypes { hls, dash, segments, audio_segments } = output.content_types.clone().unwrap_or_default();
    match object {
        Object::Hls => hls,
        Object::Dash => dash,
        Object::Segment { audio: true } => audio_segments.or(segments),
        Object::Segment { audio: false } => segments,
        // RFC 4337, section 2: MP4 without video.
        Object::Init { audio: true } | Object::File { audio: true } => Some("audio/mp4".into()),
        Object::Init { audio: false } | Object::File { audio: false } | Object::Record | Object::Work => None,
    }
}

fn cache_control(output: &S3Output, object: Object) -> Option<String> {
    let CacheControl { segments, playlists, files } = output.cache_control.clone().unwrap_or_default();
    let (set, default) = match object {
        Object::Init { .. } | Object::Segment { .. } => (segments, FOR_EVER),
        Object::Hls | Object::Dash => (playlists, SHORT),
        Object::File { .. } => (files, SHORT),
        Object::Record => (None, ALWAYS_ASK),
        Object::Work => return None,
    };
    Some(set.unwrap_or_else(|| default.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn output(more: serde_json::Value) -> S3Output {
        let mut output = json!({"store": "media", "bucket": "vod", "prefix": "movies/42"});
        output.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(output).unwrap()
    }

    fn of(output: &S3Output, path: &str) -> (Option<String>, Option<String>) {
        let key = crate::layout::key(&"any");
        let Headers { content_type, cache_control } = headers(output, &path.replace("KEY", &key));
        (content_type, cache_control)
    }

    #[test]
    fn names_with_a_content_key_are_kept_for_ever_and_others_are_not() {
        let output = output(json!({}));
        for (path, kind, cache) in [
            ("outputs/KEY/720p/init.mp4", None, Some(FOR_EVER)),
            ("outputs/KEY/720p/segments/000001.m4s", None, Some(FOR_EVER)),
            ("outputs/KEY/audio/0/init.mp4", Some("audio/mp4"), Some(FOR_EVER)),
            ("outputs/KEY/audio/0/segments/000001.m4s", None, Some(FOR_EVER)),
            ("outputs/KEY/720p/playlist.m3u8", None, Some(SHORT)),
            ("master.m3u8", None, Some(SHORT)),
            ("manifest.mpd", None, Some(SHORT)),
            ("film_720p.mp4", None, Some(SHORT)),
            ("film_audio.mp4", Some("audio/mp4"), Some(SHORT)),
            ("thumbnails/thumbnail.jpg", None, Some(SHORT)),
            ("job.json", None, Some(ALWAYS_ASK)),
            ("outputs/KEY/720p.mp4", None, None),
            ("outputs/KEY/thumbnail.jpg", None, None),
            ("_work/KEY/package/master.m3u8", None, None),
            ("_work/KEY/chunks.json", None, None),
        ] {
            assert_eq!(of(&output, path), (kind.map(Into::into), cache.map(Into::into)), "{path}");
        }
    }

    #[test]
    fn what_is_set_wins() {
        let set = output(json!({
            "cacheControl": {"segments": "max-age=1", "playlists": "no-cache", "files": "max-age=3"},
            "contentTypes": {"hls": "application/x-mpegURL", "dash": "text/xml", "segments": "video/mp4"},
        }));
        let is = |path: &str, kind: Option<&str>, cache: &str| {
            assert_eq!(of(&set, path), (kind.map(Into::into), Some(cache.into())), "{path}");
        };
        is("outputs/KEY/720p/segments/000001.m4s", Some("video/mp4"), "max-age=1");
        is("outputs/KEY/audio/0/segments/000001.m4s", Some("video/mp4"), "max-age=1");
        is("outputs/KEY/audio/0/init.mp4", Some("audio/mp4"), "max-age=1");
        is("outputs/KEY/720p/iframes.m3u8", Some("application/x-mpegURL"), "no-cache");
        is("manifest.mpd", Some("text/xml"), "no-cache");
        is("film_720p.mp4", None, "max-age=3");
        is("job.json", None, ALWAYS_ASK);
        let sound = output(json!({"contentTypes": {"segments": "video/mp4", "audioSegments": "audio/mp4"}}));
        assert_eq!(of(&sound, "outputs/KEY/audio/0/segments/000001.m4s").0.as_deref(), Some("audio/mp4"));
    }
}
