//! Audio: every track once, in one pass over the source, then cut where the video's segments are.

use std::{collections::BTreeSet, fs::File, io::BufReader, path::Path, time::Instant};

use transcode_contract::{AudioResult, Usage, VERSION};
use transcode_engine::{Failure, Layout, commands};
use transcode_media::{
    cmaf::{
        SampleEntry,
        audio::{AudioError, AudioPlan, AudioSegment, audio_segments},
        codec::codec_text,
        encoded::EncodedTrack,
        init::{AudioInit, Language, TrackInit, init_segment},
    },
    codec::AudioCodec,
    language::{bcp47, iso639_2},
    probe::AudioStream,
    time::{MediaTime, Timescale, human},
    timeline::Timeline,
    track::{FinishedTrack, Segment, Track, TrackKind},
};

use crate::{
    context::Context,
    error::TaskError,
    process::{self, Follow},
    source::OpenSource,
};

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
    let undecodable = source.explain(process::run(&command, follow).await)?.undecodable;
    let usage = Usage {
        cpu_millis: process::cpu_millis() - cpu,
        wall_millis: started.elapsed().as_millis() as u64,
        bytes_read: source.bytes_read(),
    };
    let index = context.packet_index().await?;
    let timeline = context.timeline(&index)?;
    // Of several tracks with the default disposition the first one wins; without any, the first.
    let default = media.info.audio.iter().position(|a| a.default).unwrap_or(0);
    let mut tracks = vec![];
    for (n, stream) in media.info.audio.iter().enumerate() {
        let storing = Storing { context, layout: &layout, codec, stream, n, default: n == default };
        tracks.push(storing.track(&path(n), timeline.as_ref()).await?);
    }
    let result = AudioResult {
        version: VERSION,
        key: layout.audio.clone(),
        tracks,
        undecodable,
        usage,
        ran: Some(context.run_so_far()),
        command: command.to_string(),
    };
    context.put_result(&layout.audio_result(), &result).await
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
    n: usize,
    default: bool,
}

impl Storing<'_> {
    async fn track(&self, path: &Path, timeline: Option<&Timeline>) -> Result<FinishedTrack, TaskError> {
        let file = File::open(path).map_err(|e| TaskError::scratch(path, &e))?;
        let mut encoded = EncodedTrack::open(BufReader::new(file)).map_err(TaskError::transient)?;
        let scale = encoded.timescale();
        let starts = std::iter::once(0).chain(self.boundaries(scale, timeline)?);
        let mut cuts: Vec<AudioSegment> =
            starts.zip(1..).map(|(start, number)| AudioSegment { number, start }).collect();
        // A segment in which no access unit begins would be empty: it goes to the one before.
        let unit = i64::from(self.codec.frame_samples());
        let mut last = i64::MIN / 2;
        cuts.retain(|cut| {
            let long = cut.start - last >= unit;
            last = if long { cut.start } else { last };
            long
        });
        cuts.iter_mut().zip(1..).for_each(|(cut, number)| cut.number = number);
        let folder = self.layout.audio_track(self.n);
        let track = self.describe(encoded.entry(), scale, &folder).await?;
        let TrackKind::Audio { priming, .. } = track.kind else {
            return Err(TaskError::transient("the encoder wrote no audio"));
        };
        let plan = AudioPlan {
            offset: -i64::from(priming) - encoded.start().map_err(TaskError::transient)?,
            priming,
            access_unit: self.codec.frame_samples(),
            segments: &cuts,
        };
        let mut segments = vec![];
        for made in audio_segments(encoded, &plan).map_err(|e| wrong(self.n, scale, e))? {
            let made = made.map_err(|e| wrong(self.n, scale, e))?;
            let key = format!("{folder}/segments/{:06}.m4s", made.number);
            let file = self.context.put(&key, made.bytes.into()).await?;
            segments.push(Segment {
                number: made.number,
                file,
                start: made.start,
                duration: made.duration,
                samples: made.samples,
                key_bytes: made.key_bytes,
            });
        }
        Ok(FinishedTrack { track, segments, gaps: vec![], captions: BTreeSet::new() })
    }

    /// Where segments 2, 3, … begin: where the video's do, and after its end at the usual length.
    fn boundaries(&self, scale: Timescale, timeline: Option<&Timeline>) -> Result<Vec<i64>, TaskError> {
        let length = self.context.task.spec.segment_duration;
        let facts = self.context.media()?.audio.get(self.n);
        let audio_end = facts.map_or(MediaTime::ZERO, |a| a.start + a.length);
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

    async fn describe(&self, entry: &SampleEntry, scale: Timescale, folder: &str) -> Result<Track, TaskError> {
        let SampleEntry::Audio(audio) = entry else { return Err(TaskError::transient("the encoder wrote no audio")) };
        let priming = audio.config.priming();
        let language = Language::new(&iso639_2(&self.stream.language)).unwrap_or(Language::UNDETERMINED);
        let init =
            init_segment(&TrackInit::Audio(AudioInit { entry: audio.clone(), timescale: scale, priming, language }));
        Ok(Track {
            name: format!("audio-{}", self.n),
            codec: codec_text(entry, None).map_err(TaskError::transient)?,
            timescale: scale,
            init: self.context.put(&format!("{folder}/init.mp4"), init.into()).await?,
            kind: TrackKind::Audio {
                channels: self.codec.channels(self.stream.channels),
                sample_rate: scale.0,
                language: bcp47(&self.stream.language),
                title: self.stream.title.clone(),
                default: self.default,
                priming,
            },
        })
    }
}

/// Why track `n` can't be cut. ffmpeg hands an encoder a short unit where the decoded sound changes its form,
/// and begins anew behind it.
fn wrong(n: usize, scale: Timescale, error: AudioError) -> TaskError {
    match error {
        AudioError::Duration { time, found, expected } if found < expected => TaskError::bad_input(format!(
            "the sound of audio track {n} changes its sample rate or its channels at {}, which encoders can't follow. Give it one form first: ffmpeg -i SOURCE -map 0 -c copy -c:a pcm_s16le -ar 48000 -ac 2 OUT.mkv",
            human(scale.time(time))
        )),
        other => TaskError::transient(format!("audio track {n}: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_that_changes_its_form_is_the_sources_fault_and_is_not_tried_again() {
        let short = AudioError::Duration { time: 882_000, expected: 1024, found: 1 };
        let error = wrong(0, Timescale(44_100), short);
        assert_eq!(error.failure, Failure::BadInput);
        assert!(error.message.contains("changes its sample rate or its channels at 20s"), "{}", error.message);
        assert_eq!(wrong(0, Timescale(44_100), AudioError::NotAudio).failure, Failure::Transient);
    }
}
