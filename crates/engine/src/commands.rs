//! The ffmpeg command of each task, from spec and facts alone: the runner runs it, `plan` prints it.

use std::path::{Path, PathBuf};

use transcode_api::Position;
use transcode_media::{
    argv::{
        self, Command, SourceUrl,
        audio::AudioTrack,
        thumbnail::DrawTask,
        video::{Output, VideoTask},
    },
    chunk::Chunk,
    codec::AudioCodec,
    probe::AudioStream,
    time::{MediaTime, Timescale},
};

use crate::{cover, facts::MediaSummary, facts::SplitSummary, spec::ResolvedSpec};

/// Encodes one chunk to one file for each rendition. `seek` is the chunk's own place, or further
/// back. `None` when the source has no video.
pub fn video(
    spec: &ResolvedSpec,
    media: &MediaSummary,
    split: &SplitSummary,
    chunk: &Chunk,
    seek: Option<MediaTime>,
    source: &SourceUrl,
    outputs: &[Output<'_>],
) -> Option<Command> {
    let (stream, facts) = (media.info.video.as_ref()?, media.video.as_ref()?);
    Some(argv::video::encode(&VideoTask {
        source,
        container: &media.info.container,
        stream,
        chunk,
        seek,
        outputs,
        timescale: facts.timescale,
        frame_rate: facts.highest_rate(),
        longest_segment: split.longest_segment,
        equal_times: facts.equal_times > 0,
        filters: &spec.filters,
        last: chunk.index + 1 == split.chunks,
        segment_duration: spec.segment_duration,
    }))
}

/// The source time of the thumbnail, never behind the last frame; `None` when the most representative
/// frame has to be found first.
pub fn thumbnail_time(spec: &ResolvedSpec, media: &MediaSummary) -> Option<MediaTime> {
    let place = match spec.thumbnail.as_ref()?.at? {
        Position::Time(time) => time,
        Position::Share(share) => {
            let duration = media.duration.ratio();
            MediaTime::new(*duration.numer() * i64::from(share), *duration.denom() * 10_000)
        }
    };
    let frame =
        media.video.as_ref().map_or(MediaTime::ZERO, |v| MediaTime::new(*v.frame_rate.denom(), *v.frame_rate.numer()));
    let end = media.video.as_ref().and_then(|video| video.still).map_or(media.duration, |still| still.from);
    let last = (end - frame - frame).max(MediaTime::ZERO);
    Some(media.origin + place.min(last))
}

/// Finds the most representative frame.
pub fn choose_thumbnail(media: &MediaSummary, source: &SourceUrl) -> Option<Command> {
    Some(argv::thumbnail::choose(source, &media.info.container, media.info.video.as_ref()?))
}

/// Draws the thumbnail at a source time.
pub fn draw_thumbnail(
    spec: &ResolvedSpec,
    media: &MediaSummary,
    source: &SourceUrl,
    at: MediaTime,
    path: &Path,
) -> Option<Command> {
    let (wanted, stream) = (spec.thumbnail.as_ref()?, media.info.video.as_ref()?);
    Some(argv::thumbnail::draw(&DrawTask {
        source,
        container: &media.info.container,
        stream,
        filters: &spec.filters,
        at,
        within: wanted.within,
        format: wanted.format,
        path,
    }))
}

/// Encodes every audio track; `path` names the file of each. `None` without audio.
pub fn audio(
    spec: &ResolvedSpec,
    media: &MediaSummary,
    source: &SourceUrl,
    path: impl Fn(usize) -> PathBuf,
) -> Option<Command> {
    let codec = spec.audio.as_ref()?;
    let paths: Vec<PathBuf> = (0..media.info.audio.len()).map(path).collect();
    let streams = media.info.audio.iter().zip(&paths).enumerate();
    let tracks: Vec<AudioTrack<'_>> =
        streams.map(|(n, (stream, path))| audio_track(codec, spec, media, n, stream, path)).collect();
    (!tracks.is_empty()).then(|| argv::audio::encode(source, &media.info.container, &tracks))
}

/// Encodes one audio track that may change its form midway: two commands that run together, with a pipe between them.
/// One for a pair, whose mono tracks don't change. `None` for what is not encoded.
pub fn changing_audio(
    spec: &ResolvedSpec,
    media: &MediaSummary,
    source: &SourceUrl,
    n: usize,
    pipe: &Path,
    path: &Path,
) -> Option<(Command, Option<Command>)> {
    let (codec, stream) = (spec.audio.as_ref()?, media.info.audio.get(n)?);
    let (encoder, container) = (codec.encoder()?, &media.info.container);
    let track = audio_track(codec, spec, media, n, stream, path);
    Some(match stream.right {
        Some(_) => (argv::audio::encode(source, container, &[track]), None),
        None => (
            argv::audio::decode_uniform(source, container, &track, pipe),
            Some(argv::audio::encode_uniform(&track, encoder, pipe)),
        ),
    })
}

fn audio_track<'a>(
    codec: &'a AudioCodec,
    spec: &ResolvedSpec,
    media: &MediaSummary,
    n: usize,
    stream: &'a AudioStream,
    path: &'a Path,
) -> AudioTrack<'a> {
    let scale = Timescale(codec.sample_rate(stream.sample_rate));
    let facts = media.audio.get(n);
    let followed = facts.filter(|facts| cover::silence_behind(spec, media, facts).is_some());
    let samples = followed.map(|facts| scale.round(cover::end_of_sound(spec, media, facts)));
    AudioTrack { stream, codec, origin: scale.round(media.origin), samples, path }
}
