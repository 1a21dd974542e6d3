//! Content keys and where everything lies. Keys form a tree, one for each artifact: the keys of its
//! inputs, its own parameters, the encoder's version. A changed option moves only what it changes.
//!
//! ```text
//! source ─> cut (segments, chunks) ─> rendition ─┐
//!                 └────────────────> audio ──────┴─> job
//! ```
//!
//! Paths are relative to the output prefix.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use transcode_api::Format;

use crate::{extend::renditions, facts::MediaSummary, spec::ResolvedSpec};

/// Version of what encoders are asked to do and of how their output is rewritten; part of every key,
/// so that a changed pipeline never meets its own old work.
const PIPELINE: u32 = 7;

/// Where intermediate data lies.
pub const WORK: &str = "_work";
/// Where media lies.
pub const MEDIA: &str = "outputs";
/// The record of what was published; written last of all.
pub const RECORD: &str = "job.json";
/// Name of the multivariant playlist.
pub const MULTIVARIANT: &str = "master.m3u8";
/// Name of the MPD.
pub const MPD: &str = "manifest.mpd";

/// Keys of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// The source with its packet index.
    pub source: String,
    /// Segments and chunks.
    pub cut: String,
    /// Each rendition, by name.
    pub renditions: BTreeMap<String, String>,
    /// All audio tracks.
    pub audio: String,
    /// The thumbnail.
    pub thumbnail: String,
    /// Everything that the job publishes.
    pub job: String,
}

/// A key of anything that serialises: 128 bits of SHA-256, hex.
pub fn key(parts: &impl Serialize) -> String {
    // Plain data structures always serialise; should one not, its key is that of nothing.
    let bytes = serde_json::to_vec(parts).unwrap_or_default();
    hex::encode(&Sha256::digest(bytes)[..16])
}

/// Key of a source: namespace, where it is, size, and ETag or modification time.
pub fn source_key(namespace: &str, uri: &str, size: u64, tag: &str) -> String {
    key(&("source", PIPELINE, namespace, uri, size, tag))
}

impl Layout {
    /// Keys of a job whose source is known.
    pub fn new(spec: &ResolvedSpec, media: &MediaSummary) -> Self {
        let source = media.source_key.clone();
        let build = &media.encoder_build;
        let (ahead, still) = media.video.as_ref().map_or((None, None), |video| (video.ahead, video.still));
        let cut = match (spec.filters.retiming(), still, ahead) {
            (None, None, None) => key(&("cut", &source, media.origin, &spec.segment_duration)),
            (Some(retiming), None, None) => key(&("cut", &source, media.origin, &spec.segment_duration, retiming)),
            // How long pictures are shown depends on the sound that is carried over.
            (retiming, Some(still), None) => {
                key(&("cut", &source, media.origin, &spec.segment_duration, retiming, still, media.duration))
            }
            (retiming, still, Some(ahead)) => {
                let (origin, duration) = (media.origin, media.duration);
                key(&("cut", &source, origin, &spec.segment_duration, retiming, still, duration, ahead))
            }
        };
        let ladder = renditions(spec, media).renditions;
        let renditions: BTreeMap<_, _> = ladder
            .iter()
            // What permissive jobs made of a damaged source is nothing for strict ones.
            .map(|r| (r.name.clone(), key(&("rendition", &cut, build, r, &spec.filters, spec.integrity))))
            .collect();
        let audio = match spec.audio_tracks.as_slice() {
            [] => key(&("audio", &cut, build, &spec.audio)),
            tracks => key(&("audio", &cut, build, &spec.audio, tracks)),
        };
        let thumbnail = key(&("thumbnail", &source, build, &spec.thumbnail, &spec.filters));
        let formats: Vec<Format> = spec.formats.iter().copied().collect();
        let order: Vec<&str> = ladder.iter().map(|r| r.name.as_str()).collect();
        let job = ("job", order, &renditions, &audio, &thumbnail, formats, &spec.name, spec.integrity);
        let headers = spec.output.s3.as_ref().map(|s3| (&s3.cache_control, &s3.content_types));
        let job = match headers {
            None | Some((None, None)) => key(&job),
            Some(headers) => key(&(job, headers)),
        };
        Layout { source, cut, renditions, audio, thumbnail, job }
    }

    /// Folder of a video track.
    pub fn rendition(&self, name: &str) -> String {
        let key = self.renditions.get(name).map_or("", String::as_str);
        format!("{MEDIA}/{key}/{name}")
    }

    /// Folder of an audio track, by its place among the audio tracks.
    pub fn audio_track(&self, track: usize) -> String {
        format!("{MEDIA}/{}/audio/{track}", self.audio)
    }

    /// Result object of a chunk of a rendition.
    pub fn chunk_result(&self, rendition: &str, chunk: u32) -> String {
        format!("{}{chunk:06}.json", self.chunk_results(rendition))
    }

    /// Folder of the result objects of a rendition's chunks.
    pub fn chunk_results(&self, rendition: &str) -> String {
        let key = self.renditions.get(rendition).map_or("", String::as_str);
        format!("{WORK}/{key}/results/encode/")
    }

    /// Result object of the first pass over a chunk of a rendition.
    pub fn first_pass_result(&self, rendition: &str, chunk: u32) -> String {
        format!("{}{chunk:06}.json", self.first_pass_results(rendition))
    }

    /// Prefix of the result objects of the first passes over a rendition.
    pub fn first_pass_results(&self, rendition: &str) -> String {
        self.first_pass(rendition, "results/")
    }

    /// What the encoder noted in the first pass over a chunk; `extension` tells its files apart.
    pub fn statistics(&self, rendition: &str, chunk: u32, extension: &str) -> String {
        format!("{}{chunk:06}.{extension}", self.first_pass(rendition, ""))
    }

    /// What the first passes over all chunks of a rendition found out.
    pub fn complexities(&self, rendition: &str) -> String {
        format!("{}complexities.json", self.first_pass(rendition, ""))
    }

    fn first_pass(&self, rendition: &str, what: &str) -> String {
        let key = self.renditions.get(rendition).map_or("", String::as_str);
        format!("{WORK}/{key}/{what}firstpass/")
    }

    /// Result object of the audio stage.
    pub fn audio_result(&self) -> String {
        format!("{WORK}/{}/results/audio/000000.json", self.audio)
    }

    /// Result object of a stage with one task about the whole job or one rendition.
    pub fn result(&self, stage: &crate::plan::StageId) -> String {
        format!("{WORK}/{}/results/{stage}/000000.json", self.job)
    }

    /// The end of the log of a task that failed.
    pub fn log(&self, stage: &crate::plan::StageId, task: u32, attempt: u32) -> String {
        format!("{WORK}/{}/logs/{stage}/{task:06}-{attempt}.log", self.job)
    }

    /// The chunk table.
    pub fn chunk_table(&self) -> String {
        format!("{WORK}/{}/chunks.json", self.cut)
    }

    /// A rendition's progressive MP4 before it is published.
    pub fn merged(&self, rendition: &str) -> String {
        format!("{MEDIA}/{}/{rendition}.mp4", self.job)
    }

    /// The thumbnail before it is published.
    pub fn thumbnail(&self, extension: &str) -> String {
        format!("{MEDIA}/{}/thumbnail.{extension}", self.thumbnail)
    }

    /// Where Package leaves a playlist that Publish will write to `path`.
    pub fn staged(&self, path: &str) -> String {
        format!("{WORK}/{}/package/{path}", self.job)
    }
}

/// Full probe of a source.
pub fn media_info(source_key: &str) -> String {
    format!("{WORK}/{source_key}/media.json")
}

/// Packet index of a source.
pub fn packet_index(source_key: &str) -> String {
    format!("{WORK}/{source_key}/index.bin")
}

/// Whether a path below the output is one that jobs write media or work data to: the folder may hold
/// other people's files, under the same names too.
pub fn is_ours(path: &str) -> bool {
    let mut parts = path.split('/');
    let folder = parts.next().is_some_and(|folder| [WORK, MEDIA].contains(&folder));
    let hex = |key: &str| key.len() == 32 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    folder && parts.next().is_some_and(hex)
}

/// Whether a job of this name writes to a path below its output.
pub fn is_written(job: &str, path: &str) -> bool {
    let playlist = [RECORD, MULTIVARIANT, MPD].contains(&path);
    let mp4 = path.strip_prefix(job).is_some_and(|rest| rest.starts_with('_') && rest.ends_with(".mp4"));
    playlist || mp4 || path.starts_with("thumbnails/thumbnail.") || is_ours(path)
}

/// A published progressive MP4.
pub fn published_mp4(job: &str, rendition: &str) -> String {
    format!("{job}_{rendition}.mp4")
}

/// A published thumbnail.
pub fn published_thumbnail(extension: &str) -> String {
    format!("thumbnails/thumbnail.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_not_ours() {
        let key = key(&"any");
        assert!(is_ours(&format!("{WORK}/{key}/chunks.json")) && is_ours(&format!("{MEDIA}/{key}/low/init.mp4")));
        for path in ["outputs/holiday.mp4", "outputs/2026/a.mp4", "_work/", "job.json", &format!("mine/{key}/a")] {
            assert!(!is_ours(path), "{path}");
        }
        for path in
            ["film_720p.mp4", "job.json", "master.m3u8", "thumbnails/thumbnail.jpg", &format!("{MEDIA}/{key}/a")]
        {
            assert!(is_written("film", path), "{path}");
        }
        assert!(!is_written("film", "film.mp4") && !is_written("film", "movie_720p.mp4"));
    }
}
