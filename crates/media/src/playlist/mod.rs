//! How players find the media: HLS and DASH over the same CMAF segments, as pure text.
//!
//! ```text
//! FinishedTrack ──> slots ──┬─> hls::media                  one line per segment or gap
//!                           ├─> hls::iframes                one line per key frame or gap
//!                           ├─> hls::master                 what there is to choose from
//!                           └─> dash::mpd                   all of it in one file
//! ```
//!
//! Nothing here reads a file: sizes and times come from the finished tracks, and `inspect` compares
//! what was written with the boxes.

pub mod dash;
mod groups;
pub mod hls;
mod pattern;
mod periods;
mod rate;
mod slots;
mod timeline;
mod uri;
mod variants;
mod xml;

pub use uri::relative_uri;

use std::collections::BTreeSet;

use crate::{
    captions::Channel,
    track::{FinishedTrack, TrackKind},
};

/// A track and where its own playlists lie. Paths are relative to the output prefix, with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTrack {
    /// The track.
    pub track: FinishedTrack,
    /// Path of its media playlist.
    pub playlist: String,
    /// Path of its I-frame playlist; `None` for audio, or when none is wanted.
    pub iframes: Option<String>,
}

/// Everything that one multivariant playlist or MPD shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presentation {
    /// Renditions in the order in which players shall see them: RFC 8216bis has players start with
    /// the first.
    pub video: Vec<ListedTrack>,
    /// Audio tracks, in the order of the source.
    pub audio: Vec<ListedTrack>,
}

/// Why a playlist can't be written: the tracks contradict themselves or each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaylistError {
    /// Neither video nor audio.
    #[error("there is no track to list")]
    NoTracks,
    /// All segments are gaps, or there are none at all.
    #[error("track `{track}` has no segments")]
    NoSegments {
        /// Name of the track.
        track: String,
    },
    /// A track in the wrong list: sound among the renditions, or pictures among the audio tracks.
    #[error("track `{track}` is listed as {listed} but is something else")]
    WrongKind {
        /// Name of the track.
        track: String,
        /// `video` or `audio`.
        listed: &'static str,
    },
    /// Segments and gaps together don't count up by one.
    #[error("track `{track}`: segment {expected} is neither there nor a gap; next is {found}")]
    Number {
        /// Name of the track.
        track: String,
        /// The number that should come next.
        expected: u32,
        /// The number that came.
        found: u32,
    },
    /// A segment doesn't start where the one before ends.
    #[error("track `{track}`: segment {number} starts at tick {found}, not at {expected}")]
    Time {
        /// Name of the track.
        track: String,
        /// The segment.
        number: u32,
        /// End of the segment before, ticks.
        expected: i64,
        /// Its own start, ticks.
        found: i64,
    },
    /// The key frames of a segment aren't one after the other within it.
    #[error("track `{track}`: the key frames of segment {number} are not in order, or not in it")]
    KeyFrames {
        /// Name of the track.
        track: String,
        /// The segment.
        number: u32,
    },
    /// A segment starts before the origin of the output timeline.
    #[error("track `{track}` starts at tick {start}, before the origin")]
    BeforeOrigin {
        /// Name of the track.
        track: String,
        /// Start of its first segment, ticks.
        start: i64,
    },
    /// The path of a segment isn't the one that its number gives.
    #[error("track `{track}`: segment {number} lies at `{found}`, not at `{expected}`")]
    Path {
        /// Name of the track.
        track: String,
        /// The segment.
        number: u32,
        /// What the pattern of the first segment's path gives.
        expected: String,
        /// The path.
        found: String,
    },
    /// The name of the first segment doesn't hold its number.
    #[error("track `{track}`: `{path}` does not contain the number {number}")]
    Unnumbered {
        /// Name of the track.
        track: String,
        /// The segment.
        number: u32,
        /// The path.
        path: String,
    },
    /// A gap that the first track doesn't have: DASH has no way to say it (see [`dash`]).
    #[error("track `{track}` has a gap before segment {number} that the first track does not have")]
    LoneGap {
        /// Name of the track.
        track: String,
        /// The segment after the gap.
        number: u32,
    },
}

impl Presentation {
    fn check(&self) -> Result<(), PlaylistError> {
        if self.video.is_empty() && self.audio.is_empty() {
            return Err(PlaylistError::NoTracks);
        }
        let of_kind = |listed: &'static str, tracks: &[ListedTrack], video: bool| match tracks
            .iter()
            .map(|t| &t.track.track)
            .find(|t| is_video(&t.kind) != video)
        {
            Some(track) => Err(PlaylistError::WrongKind { track: track.name.clone(), listed }),
            None => Ok(()),
        };
        of_kind("video", &self.video, true)?;
        of_kind("audio", &self.audio, false)
    }

    /// Captions inside the pictures, of all renditions.
    fn captions(&self) -> BTreeSet<Channel> {
        self.video.iter().flat_map(|listed| &listed.track.captions).copied().collect()
    }

    fn tracks(&self) -> impl Iterator<Item = &ListedTrack> {
        self.video.iter().chain(&self.audio)
    }

    /// `EXT-X-TARGETDURATION` of all media playlists, seconds.
    pub fn target_duration(&self) -> Result<u64, PlaylistError> {
        rate::target_duration(self.tracks().map(|listed| &listed.track))
    }
}

impl ListedTrack {
    fn name(&self) -> &str {
        &self.track.track.name
    }
}

fn is_video(kind: &TrackKind) -> bool {
    matches!(kind, TrackKind::Video { .. })
}
