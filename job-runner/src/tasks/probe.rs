//! Probe: what the source is, and the index of its packets.

use std::collections::BTreeSet;

use itertools::Itertools;
use transcode_api::Integrity;
use transcode_engine::{
    Failure, MediaSummary, ResolvedSpec, Summary,
    cover::heard_until,
    extend::MAX_AUDIO_TRACKS,
    facts::{AudioFacts, Holes, SourceFrames, StillFacts, VideoFacts},
    layout,
    tracks::{self, Kept},
};
use transcode_media::{
    argv::{self, Program, TRANSPORT_STREAM, probe::Analysis},
    container,
    index::{
        AudioSpan, PacketIndex, VideoIndex,
        clock::{Clock, ClockError},
    },
    probe::{self, AudioStream, LeftOut, MediaInfo},
    retime::Retiming,
    still::Still,
    time::{MediaTime, Rational},
    timeline::{Timeline, origin},
};

use crate::{
    context::Context,
    error::TaskError,
    process::{self, Follow},
    source::OpenSource,
};

mod frames;

use frames::Packets;

/// The oldest ffmpeg that does all that is asked of it.
const OLDEST: (u32, u32) = (5, 1);

/// Runs the task.
pub async fn run(context: &Context) -> Result<Summary, TaskError> {
    let spec = &context.task.spec;
    let encoder_build = encoders(context).await?;
    context.store.check().await?;
    let mut source = OpenSource::open(context).await?;
    let identity = source.identity().clone();
    if identity.size == 0 {
        return Err(TaskError::bad_input(format!("the source {} is empty", identity.uri)));
    }
    not_where_output_goes(context, &identity.uri)?;
    let missing_bytes = source.missing_bytes().await?;
    if missing_bytes > 0 && spec.integrity == Integrity::Strict {
        return Err(TaskError::bad_input(format!(
            "the source ends early: by its own account it has {} bytes, and {} are there. Get the whole file, or take what is there with options.integrity: Permissive",
            identity.size + missing_bytes,
            identity.size
        )));
    }
    let source_key = layout::source_key(&spec.namespace, &identity.uri, identity.size, &identity.tag);
    let (info_key, index_key) = (layout::media_info(&source_key), layout::packet_index(&source_key));
    let known: Option<MediaInfo> = context.get_json(&info_key).await?;
    let index = context.get_bytes(&index_key).await?.and_then(|b| postcard::from_bytes::<PacketIndex>(&b).ok());
    let (info, index) = match (known, index) {
        (Some(info), Some(index)) => (info, index),
        _ => {
            let (mut info, mut packets, first_frames) = listed(&mut source).await?;
            frames::begin(&source, &mut info, &mut packets, &first_frames).await?;
            let mut index = packets.index;
            last_sounds(&source, &info, &mut index).await?;
            if missing_bytes > 0 {
                frames::end(&source, &info, &mut index).await?;
            }
            clip(&mut info, &mut index);
            let bytes = postcard::to_stdvec(&index).map_err(TaskError::transient)?;
            context.put(&index_key, bytes.into()).await?;
            context.put_json(&info_key, &info).await?;
            (info, index)
        }
    };
    let mut media = summary(info, &index, spec)?;
    media.source = identity.uri;
    media.source_key = source_key;
    media.encoder_build = encoder_build;
    media.bytes = identity.size;
    media.missing_bytes = missing_bytes;
    Ok(Summary::Probe(Box::new(media)))
}

/// Publishing would replace the source.
fn not_where_output_goes(context: &Context, source: &str) -> Result<(), TaskError> {
    // Files have many names; the output's folder is there since it was tried.
    let real = |uri: &str| std::fs::canonicalize(uri).map_or_else(|_| uri.into(), |path| path.display().to_string());
    let output = context.store.uri("");
    let (source_file, folder) = (real(source), real(&output));
    let mut paths = [source, &source_file]
        .into_iter()
        .cartesian_product([&output, &folder])
        .filter_map(|(file, folder)| file.strip_prefix(folder.as_str()));
    if paths.any(|path| layout::is_written(&context.task.spec.name, path.trim_start_matches('/'))) {
        return Err(TaskError::new(
            Failure::Misconfigured,
            format!(
                "the source {source} lies where this job writes its output, and would be replaced; choose another output, or another name for the job"
            ),
        ));
    }
    Ok(())
}

/// What lists of streams and packets say.
struct Listed {
    info: MediaInfo,
    packets: Packets,
    /// Times of the first frames.
    first_frames: Vec<i64>,
    clock: Result<Clock, ClockError>,
}

/// Lists the source: again where streams move or the clock is closed up, as every later reader will see it.
async fn listed(source: &mut OpenSource) -> Result<(MediaInfo, Packets, Vec<i64>), TaskError> {
    let mut listed = list(source).await?;
    let routes = source.routes();
    if !routes.is_empty() {
        source.serve(vec![], routes.clone()).await?;
        listed = list(source).await?;
    }
    let mut clock = listed.clock.map_err(TaskError::bad_input)?;
    if !clock.splices.is_empty() {
        source.serve(clock.splices.clone(), routes.clone()).await?;
        listed = list(source).await?;
        let now = listed.clock.map_err(TaskError::bad_input)?;
        clock = clock.mended(now).map_err(TaskError::bad_input)?;
    }
    let Listed { mut info, mut packets, first_frames, .. } = listed;
    if let (Some(strays), Some(stream), Some(video)) = (&clock.strays, &mut info.video, &mut packets.index.video) {
        stream.shown = Some(strays.shown);
        video.leave_out_strays(strays.shown);
    }
    let rewritten = !(clock.splices.is_empty() && routes.is_empty());
    info.clock = Clock { routes, rewritten, ..clock };
    Ok((info, packets, first_frames))
}

async fn list(source: &mut OpenSource) -> Result<Listed, TaskError> {
    let (mut info, analysis) = streams(source).await?;
    container_crop(source, &mut info).await?;
    if info.container == TRANSPORT_STREAM {
        source.watch().await?;
    }
    let first_frames = look(source, &mut info).await?;
    let (packets, clock) = frames::packets(source, &mut info, analysis).await?;
    Ok(Listed { packets, info, first_frames, clock })
}

/// The last picture is not shown for hours because a number says so.
fn clip(info: &mut MediaInfo, index: &mut PacketIndex) {
    let heard = index.audio.iter().filter(|span| span.end > span.start);
    let heard_until = heard.map(|span| span.timebase.time(span.end)).max();
    info.clock.last_picture = index.video.as_mut().and_then(|video| video.clip_last(heard_until));
}

/// Reads on where a stream begins late; its packets have no durations until it is known what it is.
async fn streams(source: &OpenSource) -> Result<(MediaInfo, Analysis), TaskError> {
    let told = async |analysis| {
        let command = argv::probe::streams(&source.url(), analysis);
        source.run(&command, Follow::default()).await.map(|finished| finished.stdout)
    };
    let (mut json, mut analysis) = (told(Analysis::Usual).await?, Analysis::Usual);
    if probe::lacks_parameters(&json) {
        analysis = Analysis::Patient;
        json = told(analysis).await?;
    }
    Ok((probe::read(&json).map_err(TaskError::bad_input)?, analysis))
}

/// Reads the container's crop where ffprobe did not: before 7.1 it knows of none.
async fn container_crop(source: &OpenSource, info: &mut MediaInfo) -> Result<(), TaskError> {
    let Some(stream) = info.video.as_mut().filter(|stream| stream.container_crop.is_none()) else { return Ok(()) };
    let matroska = info.container.starts_with("matroska");
    if matroska || info.container.starts_with("mov") {
        let Some(crop) = container::crop(&source.track_headers().await?, stream.index) else { return Ok(()) };
        let whole = Rational::new(stream.width.into(), stream.height.into());
        stream.crop(crop);
        // Matroska's display size is that of the cropped picture (RFC 9559 5.1.4.1.28.14); an old ffprobe holds it
        // against the whole one.
        if matroska && stream.sar != Rational::from_integer(1) {
            stream.sar *= whole / Rational::new(stream.width.into(), stream.height.into());
        }
    }
    Ok(())
}

/// What only the first frames say; their times, ticks.
async fn look(source: &OpenSource, info: &mut MediaInfo) -> Result<Vec<i64>, TaskError> {
    let Some(stream) = &info.video else { return Ok(vec![]) };
    let command = argv::probe::first_frames(&source.url(), info, stream);
    let finished = source.run(&command, Follow::default()).await?;
    probe::look(info, &finished.stdout).map_err(TaskError::bad_input)
}

/// Finds out when the sounds end of which only a decoder knows.
async fn last_sounds(source: &OpenSource, info: &MediaInfo, index: &mut PacketIndex) -> Result<(), TaskError> {
    for (stream, span) in info.audio.iter().zip(&mut index.audio) {
        let Some(seek) = span.tail() else { continue };
        let command = argv::probe::last_sound(&source.url(), &info.container, stream, seek);
        let finished = source.run(&command, Follow::default()).await?;
        span.end(&finished.stdout, stream.sample_rate);
    }
    Ok(())
}

/// From its first sample on: what decoders leave out of the first packet does not count. More than a packet or two is
/// another clock.
fn heard_from(stream: &AudioStream, span: &AudioSpan) -> AudioSpan {
    let left_out = span.timebase.time(stream.start - span.start);
    let start = if (MediaTime::ZERO..MediaTime::millis(100)).contains(&left_out) { stream.start } else { span.start };
    AudioSpan { start, ..span.clone() }
}

/// The audio tracks that the job keeps, with what packets say of each. Of a pair it is what they say of its left one.
fn kept<'a>(
    info: &mut MediaInfo,
    index: &'a PacketIndex,
    spec: &ResolvedSpec,
) -> Result<Vec<(AudioStream, &'a AudioSpan)>, TaskError> {
    let kept = if spec.audio.is_some() { &spec.audio_tracks[..] } else { &[] };
    let kept = tracks::choose(kept, info).map_err(|why| TaskError::new(Failure::Misconfigured, why.to_string()))?;
    let tracks = std::mem::take(&mut info.audio);
    let of = |place: usize| tracks.get(place).cloned().zip(index.audio.get(place));
    let paired = |kept: &Kept| {
        let (left, span) = of(kept.place)?;
        let right = kept.right.and_then(|place| tracks.get(place));
        Some((right.map_or(left.clone(), |right| left.paired(right)), span))
    };
    let used: BTreeSet<usize> = kept.iter().flat_map(|kept| [Some(kept.place), kept.right]).flatten().collect();
    let unused = tracks.len() - used.len();
    if unused > 0 {
        let what = format!("each of {unused} audio tracks that options.audio.tracks does not choose");
        info.left_out.push(LeftOut { index: None, what, video: false });
    }
    Ok(kept.iter().filter_map(paired).collect())
}

/// What streams and packets say; the caller adds where they come from.
fn summary(mut info: MediaInfo, index: &PacketIndex, spec: &ResolvedSpec) -> Result<MediaSummary, TaskError> {
    let declared = kept(&mut info, index, spec)?.into_iter();
    let (heard, silent): (Vec<_>, Vec<_>) = declared.partition(|(_, span)| span.end > span.start);
    info.left_out.extend(silent.iter().map(|(stream, _)| stream.without_packets()));
    // One more than is taken is enough for a refusal, and all that a summary has room for.
    let (streams, spans): (Vec<_>, Vec<_>) = heard.into_iter().take(MAX_AUDIO_TRACKS + 1).unzip();
    info.audio = streams;
    let spans: Vec<AudioSpan> = info.audio.iter().zip(spans).map(|(stream, span)| heard_from(stream, span)).collect();
    // Spans tell the start now, and who needs the padding finds it in storage: reports are short.
    info.audio.iter_mut().for_each(|stream| (stream.start, stream.initial_padding) = (0, 0));
    info.clock.splices.clear();
    info.clock.routes.clear();
    let carried = if spec.audio.is_some() { spans.as_slice() } else { &[] };
    let retiming = spec.filters.retiming();
    let origin = origin(index.video.as_ref(), retiming, carried).map_err(TaskError::bad_input)?;
    let nominal = info.video.as_ref().map_or(Rational::from_integer(25), |v| v.frame_rate);
    let audio: Vec<AudioFacts> = spans.iter().map(|span| audio_facts(span, origin)).collect();
    let heard = heard_until(spec, &audio);
    let timeline = |retiming: Option<Retiming>, heard: Option<MediaTime>| {
        let made = index.video.as_ref().map(|v| Timeline::new(v, retiming, origin, heard, nominal));
        made.transpose().map_err(TaskError::bad_input)
    };
    let source = retiming.map(|_| timeline(None, None)).transpose()?.flatten();
    let timeline =
        timeline(retiming, heard)?.map(Timeline::shown_from_start).transpose().map_err(TaskError::bad_input)?;
    let ends = heard.into_iter();
    let duration = ends.chain(timeline.iter().map(|t| t.timescale.time(t.end))).max().unwrap_or(MediaTime::ZERO);
    let video = timeline.zip(index.video.as_ref()).map(|(made, index)| video_facts(&made, source, index, origin));
    Ok(MediaSummary {
        info,
        source: String::new(),
        source_key: String::new(),
        encoder_build: String::new(),
        bytes: 0,
        missing_bytes: 0,
        origin,
        duration,
        video,
        audio,
    })
}

fn audio_facts(span: &AudioSpan, origin: MediaTime) -> AudioFacts {
    let time = |ticks| span.timebase.time(ticks);
    AudioFacts {
        start: time(span.start) - origin,
        length: time(span.end - span.start),
        holes: (span.holes > 0).then(|| Holes {
            count: span.holes,
            first: time(span.first_hole) - origin,
            first_end: MediaTime::ZERO,
            silence: time(span.silence),
        }),
    }
}

/// `source` is the timeline without what filters make of it, where they make another.
fn video_facts(made: &Timeline, source: Option<Timeline>, index: &VideoIndex, origin: MediaTime) -> VideoFacts {
    let copies = |still: Option<Still>, first_after: fn(&Timeline, u32) -> u32| {
        let from = |frames| made.timescale.time(made.at(first_after(made, frames)));
        still.map(|Still { frames, .. }| StillFacts { frames, from: from(frames) })
    };
    VideoFacts {
        frames: made.frames(),
        ahead: copies(made.ahead, |_, frames| frames),
        still: copies(made.still, |made, frames| made.frames() - frames),
        timescale: made.timescale,
        frame_rate: made.frame_rate(),
        highest_rate: made.constant_rate.is_none().then(|| made.highest_rate()),
        constant: made.constant_rate.is_some(),
        source: source.zip(made.retimed.as_ref()).map(|(source, retimed)| SourceFrames {
            frames: source.frames(),
            frame_rate: source.frame_rate(),
            constant: source.constant_rate.is_some(),
            left_out: source.frames() - retimed.distinct(),
        }),
        equal_times: made.equal_times,
        holes: index.holes().map(|holes| Holes {
            count: holes.count,
            first: index.timebase.time(holes.first.start) - origin,
            first_end: index.timebase.time(holes.first.end) - origin,
            silence: index.timebase.time(holes.length),
        }),
        undecodable_head: index.undecodable,
        undecodable_tail: index.undecodable_end,
    }
}

/// Version of ffmpeg; refuses one that is too old or lacks an encoder that the spec asks for.
async fn encoders(context: &Context) -> Result<String, TaskError> {
    let wrong = |message: String| TaskError::new(Failure::Misconfigured, message);
    let version = process::ask(context.reach(), Program::Ffmpeg, &["-version"]).await?;
    let build = version.split_whitespace().nth(2).unwrap_or("unknown").to_string();
    if release(&build).is_some_and(|v| v < OLDEST) {
        return Err(wrong(format!("ffmpeg {build} is too old; 5.1 or later is needed")));
    }
    let spec = &context.task.spec;
    let video = match &spec.renditions {
        Some(rungs) => rungs.iter().map(|r| r.codec.encoder()).collect(),
        None => vec![spec.video.encoder()],
    };
    let known = process::ask(context.reach(), Program::Ffmpeg, &["-hide_banner", "-encoders"]).await?;
    let has = |name: &str| known.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    match video.into_iter().chain(spec.audio.as_ref().and_then(|a| a.encoder())).find(|name| !has(name)) {
        Some(lacking) => Err(wrong(format!(
            "this ffmpeg ({build}) has no encoder {lacking}; choose another codec or another ffmpeg"
        ))),
        None => Ok(build),
    }
}

/// `5.1.9-0+deb12u1` or `n9.0.2-17-g…` to (5, 1); `None` for builds without a release number.
fn release(build: &str) -> Option<(u32, u32)> {
    let mut numbers = build.trim_start_matches('n').split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read() {
        assert_eq!(release("5.1.9-0+deb12u1"), Some((5, 1)));
        assert_eq!(release("n9.0.2-17-g2a571b6068"), Some((9, 0)));
        assert_eq!(release("N-1234-gabcdef"), None);
        assert!(release("4.4.2").unwrap() < OLDEST);
    }
}
