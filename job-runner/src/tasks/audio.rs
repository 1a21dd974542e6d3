//! Audio: every track once, encoded or as it is, in one pass over the source, then cut where the video's segments are.

use std::{
    collections::BTreeSet,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    time::Instant,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use transcode_contract::{AudioResult, Usage, VERSION};
use transcode_engine::{Failure, Layout, commands, cover::end_of_sound, layout};
use transcode_media::{
    cmaf::{
        AudioCodecConfig, SampleEntry,
        audio::{AudioError, AudioPlan, AudioSegment, audio_segments},
        codec::codec_text,
        encoded::EncodedTrack,
        init::{AudioInit, Language, TrackInit, init_segment},
    },
    codec::{AudioCodec, passed_through},
    language::{bcp47, iso639_2},
    probe::{AudioStream, MediaInfo},
    time::{MediaTime, Timescale, human},
    timeline::Timeline,
    track::{FinishedTrack, Track, TrackKind},
};

use crate::{
    context::Context,
    error::TaskError,
    process::{self, CHANGES, Follow},
    source::OpenSource,
};

/// How far the times of sound that is passed through may be off: what `encode` leaves alone too.
pub const PASSTHROUGH_SLACK: MediaTime = MediaTime::new_raw(1, 100);

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let started = Instant::now();
    let (layout, media) = (context.layout()?, context.media()?);
    if let Some(known) = context.get_json::<AudioResult>(&layout.audio_result()).await?
        && is_whole(context, &known).await?
    {
        return Ok(());
    }
    let codec =
        context.task.spec.audio.as_ref().ok_or_else(|| TaskError::new(Failure::Misconfigured, "audio is disabled"))?;
    let source = OpenSource::open(context).await?;
    let path = |n: usize| context.scratch.join(format!("audio-{n}.mp4"));
    let command = commands::audio(&context.task.spec, media, &source.url(), path);
    let command = command.ok_or_else(|| TaskError::bad_input("the source has no audio"))?;
    let cpu = process::cpu_millis();
    let follow = Follow { stall: context.stall(), ..Follow::default() };
    let encoded = source.run(&command, follow).await;
    let (undecodable, changes) = match encoded {
        Ok(finished) => (finished.undecodable, false),
        Err(error) if error.message.contains(CHANGES) && codec.encoder().is_some() => {
            (changing(context, &source, &path).await?, true)
        }
        Err(error) => return Err(error),
    };
    let usage = Usage {
        cpu_millis: process::cpu_millis() - cpu,
        wall_millis: started.elapsed().as_millis() as u64,
        bytes_read: source.bytes_read(),
    };
    let index = context.packet_index().await?;
    let timeline = context.timeline(&index)?;
    // Of several tracks with the default disposition the first one wins; without any, the first.
    let default = media.info.audio.iter().position(|a| a.default).unwrap_or(0);
    let probed: Option<MediaInfo> = context.get_json(&layout::media_info(&media.source_key)).await?;
    let mut tracks = vec![];
    for (n, stream) in media.info.audio.iter().enumerate() {
        let probed = probed.iter().flat_map(|probed| &probed.audio).find(|probed| probed.index == stream.index);
        let padding = probed.map_or(0, |probed| probed.initial_padding);
        let storing = Storing { context, layout: &layout, codec, stream, padding, n, default: n == default };
        tracks.push(storing.track(&path(n), timeline.as_ref()).await?);
    }
    let result = AudioResult {
        version: VERSION,
        key: layout.audio.clone(),
        tracks,
        undecodable,
        changes,
        usage,
        ran: Some(context.run_so_far()),
        command: command.to_string(),
    };
    context.put_result(&layout.audio_result(), &result).await
}

/// Encodes sound that changes its form midway, a track at a time. Gives the number of packets that no decoder took.
async fn changing(context: &Context, source: &OpenSource, path: &impl Fn(usize) -> PathBuf) -> Result<u32, TaskError> {
    let (spec, media) = (&context.task.spec, context.media()?);
    let follow = Follow { stall: context.stall(), ..Follow::default() };
    let mut undecodable = 0;
    for n in 0..media.info.audio.len() {
        let pipe = context.scratch.join(format!("audio-{n}.nut"));
        let commands = commands::changing_audio(spec, media, &source.url(), n, &pipe, &path(n));
        let Some((decode, encode)) = commands else { continue };
        let decoded = match encode {
            None => source.run(&decode, follow).await?,
            Some(encode) => {
                let made = mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR);
                made.map_err(|error| TaskError::scratch(&pipe, &error.into()))?;
                tokio::try_join!(source.run(&decode, follow), source.run(&encode, follow))?.0
            }
        };
        undecodable += decoded.undecodable;
    }
    Ok(undecodable)
}

async fn is_whole(context: &Context, known: &AudioResult) -> Result<bool, TaskError> {
    for track in &known.tracks {
        for file in track.segments.iter().map(|s| &s.file).chain([&track.track.init]) {
            if context.store.head(&file.path).await?.is_none_or(|meta| meta.size != file.bytes) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// One track on its way to storage.
struct Storing<'a> {
    context: &'a Context,
    layout: &'a Layout,
    codec: &'a AudioCodec,
    stream: &'a AudioStream,
    /// Samples that decoders leave out at its start, by its container.
    padding: u32,
    n: usize,
    default: bool,
}

impl Storing<'_> {
    async fn track(&self, path: &Path, timeline: Option<&Timeline>) -> Result<FinishedTrack, TaskError> {
        let mut encoded = open(path)?;
        let scale = encoded.timescale();
        let timing = self.timing(path, &mut encoded)?;
        let starts = std::iter::once(0).chain(self.boundaries(scale, timeline)?);
        let mut cuts: Vec<AudioSegment> =
            starts.zip(1..).map(|(start, number)| AudioSegment { number, start }).collect();
        // A segment in which no access unit begins would be empty: it goes to the one before.
        let unit = i64::from(timing.access_unit);
        let mut last = i64::MIN / 2;
        cuts.retain(|cut| {
            let long = cut.start - last >= unit;
            last = if long { cut.start } else { last };
            long
        });
        cuts.iter_mut().zip(1..).for_each(|(cut, number)| cut.number = number);
        let folder = self.layout.audio_track(self.n);
        let track = self.describe(encoded.entry(), scale, &timing, &folder).await?;
        let Timing { offset, priming, access_unit, slack } = timing;
        let SampleEntry::Audio(entry) = encoded.entry() else { return Err(TaskError::transient("there is no audio")) };
        let rolls = entry.config.roll_distance(access_unit).is_some();
        let plan = AudioPlan { offset, priming, access_unit, slack, rolls, segments: &cuts };
        let mut segments = vec![];
        for made in audio_segments(encoded, &plan).map_err(|e| wrong(self.n, scale, e))? {
            let mut made = made.map_err(|e| wrong(self.n, scale, e))?;
            let key = format!("{folder}/segments/{:06}.m4s", made.number);
            let file = self.context.put(&key, std::mem::take(&mut made.bytes).into()).await?;
            segments.push(made.recorded(file));
        }
        Ok(FinishedTrack { track, segments, gaps: vec![], captions: BTreeSet::new() })
    }

    /// An encoder begins with its priming, at the job's origin. What is copied has the times of the source.
    fn timing(&self, path: &Path, encoded: &mut EncodedTrack<BufReader<File>>) -> Result<Timing, TaskError> {
        let SampleEntry::Audio(entry) = encoded.entry() else { return Err(TaskError::transient("there is no audio")) };
        let (usual, rate, scale) = (entry.config.priming(), entry.sample_rate, encoded.timescale());
        // What decoders leave out, in ticks of the source: Opus says it itself.
        let opus = matches!(entry.config, AudioCodecConfig::Opus(_));
        let skipped = i64::from(if opus { usual } else { self.padding });
        let start = encoded.start().map_err(TaskError::transient)?;
        if let Some(access_unit) = self.codec.frame_samples() {
            return Ok(Timing { offset: -i64::from(usual) - start, priming: usual, access_unit, slack: 0 });
        }
        if rate != scale.0 {
            return Err(TaskError::bad_input(format!(
                "audio track {} is AAC with two sample rates (HE-AAC), which is not passed through: encode it, say with audio.encode.aac",
                self.n
            )));
        }
        let (tick, origin) = (self.stream.timebase, self.context.media()?.origin);
        let heard = tick.time(tick.round(scale.time(start)) + tick.round(scale.time(skipped)));
        let begins = scale.round(heard - origin) - skipped;
        let facts = self.context.media()?.audio.get(self.n);
        let told = facts.map_or(0, |facts| scale.round(facts.start));
        let slack = scale.round(PASSTHROUGH_SLACK);
        if (begins.max(0) - told).abs() > slack {
            return Err(TaskError::bad_input(format!(
                "audio track {} begins {} after its first access unit: what is before is damaged, and can't be passed through; encode it, say with audio.encode.aac",
                self.n,
                human(scale.time(begins.max(0) - told))
            )));
        }
        let access_unit = access_unit(open(path)?, passed_through(&self.stream.codec).unwrap_or_default())?;
        Ok(Timing {
            offset: begins - start,
            priming: priming(-begins, access_unit, scale),
            access_unit,
            slack: (slack as u32).min(access_unit / 2),
        })
    }

    /// Where segments 2, 3, … begin: where the video's do, and after its end at the usual length.
    fn boundaries(&self, scale: Timescale, timeline: Option<&Timeline>) -> Result<Vec<i64>, TaskError> {
        let length = self.context.task.spec.segment_duration;
        let facts = self.context.media()?.audio.get(self.n);
        let (spec, media) = (&self.context.task.spec, self.context.media()?);
        let audio_end = facts.map_or(MediaTime::ZERO, |facts| end_of_sound(spec, media, facts));
        let mut list: Vec<i64> = vec![];
        let mut next = length;
        if let Some(timeline) = timeline {
            let starts = timeline.segments(length).into_iter().skip(1);
            list.extend(starts.map(|s| scale.ceil(timeline.timescale.time(timeline.at(s.first)))));
            next = timeline.timescale.time(timeline.end);
        }
        while next < audio_end {
            list.push(scale.ceil(next));
            next = next + length;
        }
        Ok(list)
    }

    async fn describe(
        &self,
        entry: &SampleEntry,
        scale: Timescale,
        timing: &Timing,
        folder: &str,
    ) -> Result<Track, TaskError> {
        let SampleEntry::Audio(audio) = entry else { return Err(TaskError::transient("the encoder wrote no audio")) };
        let language = Language::new(&iso639_2(&self.stream.language)).unwrap_or(Language::UNDETERMINED);
        let (priming, roll) = (timing.priming, audio.config.roll_distance(timing.access_unit));
        let audio = AudioInit { entry: audio.clone().primed(priming), timescale: scale, priming, language, roll };
        let init = init_segment(&TrackInit::Audio(audio));
        let form = self.codec.form(self.stream);
        Ok(Track {
            name: format!("audio-{}", self.n),
            codec: codec_text(entry, None).map_err(TaskError::transient)?,
            timescale: scale,
            init: self.context.put(&format!("{folder}/init.mp4"), init.into()).await?,
            kind: TrackKind::Audio {
                channels: form.channels,
                layout: Some(form.layout),
                sample_rate: scale.0,
                language: bcp47(&self.stream.language),
                title: self.stream.title.clone(),
                default: self.default,
                priming,
            },
        })
    }
}

/// When the access units of a track are, ticks.
struct Timing {
    /// Output time = time in the file + this.
    offset: i64,
    /// Samples before the job's origin.
    priming: u32,
    /// Samples in each.
    access_unit: u32,
    /// How far one may be from its place.
    slack: u32,
}

/// Samples that a decoder needs before the job's origin, of those that there are: whole access units are left out
/// where a container begins far into its sound. Two are enough, and 80 ms of Opus (RFC 7845 4.6).
fn priming(before: i64, access_unit: u32, scale: Timescale) -> u32 {
    let unit = i64::from(access_unit);
    let needed = (2 * unit).max(scale.ceil(MediaTime::millis(80)));
    let left_out = (before - needed).max(0) / unit * unit;
    u32::try_from(before - left_out).unwrap_or(0)
}

fn open(path: &Path) -> Result<EncodedTrack<BufReader<File>>, TaskError> {
    let file = File::open(path).map_err(|e| TaskError::scratch(path, &e))?;
    EncodedTrack::open(BufReader::new(file)).map_err(TaskError::transient)
}

/// Samples in an access unit: of what a codec allows, the nearest to what they have on average.
fn access_unit(mut track: EncodedTrack<BufReader<File>>, allowed: &[u32]) -> Result<u32, TaskError> {
    let first = track.next().transpose().map_err(TaskError::transient)?;
    let first = first.ok_or_else(|| TaskError::bad_input("the source's audio track is empty"))?;
    let (mut last, mut steps) = (first, 0);
    for unit in track {
        (last, steps) = (unit.map_err(TaskError::transient)?, steps + 1);
    }
    let average = if steps == 0 { i64::from(first.duration) } else { (last.pts - first.pts) / steps };
    let nearest = allowed.iter().min_by_key(|unit| average.abs_diff(i64::from(**unit)));
    nearest.copied().ok_or_else(|| TaskError::new(Failure::Misconfigured, "this codec is not passed through"))
}

/// Why track `n` can't be cut. A short unit amid others is where sound that is passed through changes its form.
fn wrong(n: usize, scale: Timescale, error: AudioError) -> TaskError {
    match error {
        AudioError::Duration { time, found, expected } if found < expected => {
            TaskError::bad_input(format!("audio track {n} changes at {}: {CHANGES}", human(scale.time(time))))
        }
        AudioError::Hole { expected, found } => TaskError::bad_input(format!(
            "the access unit of audio track {n} that should be at {} is at {}: the sound has a hole, access units of several lengths or a drifting clock, and can't be passed through; encode it, say with audio.encode.aac",
            human(scale.time(expected)),
            human(scale.time(found))
        )),
        other => TaskError::transient(format!("audio track {n}: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_sound_before_the_origin_as_much_is_kept_as_a_decoder_needs() {
        let scale = Timescale(44_100);
        assert_eq!([-5, 0, 1024, 2112].map(|before| priming(before, 1024, scale)), [0, 0, 1024, 2112]);
        // 48 units: 44 of them are of no use.
        assert_eq!(priming(48 * 1024, 1024, scale), 4 * 1024);
        assert_eq!(priming(48_000, 960, Timescale(48_000)), 4 * 960);
        assert_eq!(priming(i64::MAX, 1024, scale) as i64 % 1024, i64::MAX % 1024);
    }

    #[test]
    fn sound_that_changes_its_form_is_the_sources_fault_and_is_not_tried_again() {
        let short = AudioError::Duration { time: 882_000, expected: 1024, found: 1 };
        let error = wrong(0, Timescale(44_100), short);
        assert_eq!(error.failure, Failure::BadInput);
        assert!(error.message.contains("audio track 0 changes at 20s: sound that changes"), "{}", error.message);
        assert_eq!(wrong(0, Timescale(44_100), AudioError::NotAudio).failure, Failure::Transient);
    }
}
