//! How the plan grows: `begin` knows only the spec, `extend` adds the rest once the source is known.

use transcode_api::{FanOut, Format, Integrity, WorkDataDeletion};
use transcode_media::{
    codec::{AudioCodec, passed_through},
    ladder::{Ladder, Rendition, Wanted, cropped, ladder},
    probe::OtherHdr,
    time::{MediaTime, human},
};

use crate::{
    estimate::{FIRST_PASS_PART, chunk_demand, demand, estimate, whole_demand},
    facts::{Facts, MediaSummary, SplitSummary},
    plan::{Domain, Need, PLAN_VERSION, Plan, RetryPolicy, Stage, StageId, StageKind},
    spec::ResolvedSpec,
};

/// Audio tracks at most: their facts have to fit a pod's termination message.
pub const MAX_AUDIO_TRACKS: usize = 8;

/// Silence that is put before an audio track or into its holes at most. More is a broken clock, and would be
/// encoded and stored for hours.
const MAX_SILENCE: MediaTime = MediaTime::seconds(3600);

/// How much later than the picture sound may begin that is passed through. Players jump over what has one of them
/// alone: hls.js and Shaka Player over this much without being told to.
const MAX_LATE: MediaTime = MediaTime::new_raw(1, 10);

/// How long Publish waits for enhancements once everything else is ready.
const ENHANCEMENT_PATIENCE_SECONDS: u32 = 60;

/// A source that this version does not take, and why; nothing is changed in silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// The plan before anything is known of the source.
pub fn begin(spec: &ResolvedSpec) -> Plan {
    let mut plan = Plan { version: PLAN_VERSION, stages: Default::default() };
    let probe = StageId::job(StageKind::Probe);
    plan.append(vec![
        critical(spec, None, probe.clone(), vec![], MediaTime::ZERO),
        critical(spec, None, StageId::job(StageKind::Split), vec![Need::Done(probe)], MediaTime::ZERO),
    ]);
    if spec.delete_work == WorkDataDeletion::Success {
        plan.append(vec![Stage {
            domain: Domain::Enhancement,
            retry: spec.enhancement,
            ..critical(spec, None, StageId::job(StageKind::Cleanup), vec![Need::JobComplete], MediaTime::ZERO)
        }]);
    }
    plan
}

/// The ladder of a source under a spec.
pub fn renditions(spec: &ResolvedSpec, media: &MediaSummary) -> Ladder {
    match &media.info.video {
        None => Ladder::default(),
        Some(video) => ladder(
            video,
            &Wanted {
                rungs: spec.renditions.as_deref(),
                codec: &spec.video,
                dynamic_range: spec.dynamic_range,
                crop: spec.filters.crop,
            },
        ),
    }
}

/// Whether there is audio to make.
pub fn has_audio(spec: &ResolvedSpec, media: &MediaSummary) -> bool {
    spec.audio.is_some() && !media.info.audio.is_empty()
}

/// The stages after Split. Deterministic; never touches earlier stages.
pub fn extend(spec: &ResolvedSpec, plan: &Plan, facts: &Facts) -> Result<Vec<Stage>, Refusal> {
    let (Some(media), Some(split)) = (facts.media(), facts.split()) else { return Ok(vec![]) };
    if plan.is_extended() {
        return Ok(vec![]);
    }
    accept(spec, media)?;
    affordable(spec, media, split)?;
    let made = Made::new(spec, media, split);
    let mut stages = made.encode();
    let encoded = stages.iter().filter(|s| s.id.kind != StageKind::FirstPass);
    let encoded: Vec<Need> = encoded.map(|s| Need::Done(s.id.clone())).collect();
    stages.extend(made.thumbnail());
    let merges = made.merge(&encoded);
    let merged: Vec<Need> = merges.iter().map(|s| Need::Done(s.id.clone())).collect();
    stages.extend(merges);
    let id = |kind| StageId::job(kind);
    let small = MediaTime::ZERO;
    stages.push(critical(spec, Some(media), id(StageKind::Package), encoded, small));
    let needs = [vec![Need::Done(id(StageKind::Package))], merged].concat();
    stages.push(critical(spec, Some(media), id(StageKind::Verify), needs, made.share(30)));
    let mut needs = vec![Need::Done(id(StageKind::Verify))];
    if spec.thumbnail.is_some() && media.info.video.is_some() {
        needs.push(Need::Settled { stage: id(StageKind::Thumbnail), within_seconds: ENHANCEMENT_PATIENCE_SECONDS });
    }
    stages.push(critical(spec, Some(media), id(StageKind::Publish), needs, small));
    if let Some(cpu_seconds) = whole(spec, media, split) {
        let whole = made.whole(&stages, cpu_seconds);
        // What begins once the source is known begins when that failed.
        let first = |stage: &&mut Stage| stage.needs.iter().all(|need| whole.needs.contains(need));
        stages.iter_mut().filter(first).for_each(|stage| stage.needs.push(Need::Ended(whole.id.clone())));
        stages.push(whole);
    }
    Ok(stages)
}

/// CPU seconds of a job that is small enough to be done in one task: starting many would take longer. None
/// for a larger one, and when the spec says how tasks are cut.
pub fn whole(spec: &ResolvedSpec, media: &MediaSummary, split: &SplitSummary) -> Option<u64> {
    let below = spec.whole_below_seconds.filter(|_| spec.fan_out == FanOut::Auto)?;
    Some(estimate(spec, media, split, 1).cpu_seconds).filter(|seconds| *seconds < u64::from(below))
}

/// Which way the tasks are cut, and why.
pub fn fan_out(spec: &ResolvedSpec, split: &SplitSummary, renditions: usize) -> (FanOut, String) {
    let workers = spec.max_parallel.unwrap_or(1);
    match spec.fan_out {
        FanOut::Auto if renditions <= 1 => (FanOut::ChunkRendition, "there is one rendition".into()),
        FanOut::Auto if split.chunks < workers => {
            (FanOut::ChunkRendition, format!("{} chunks are fewer than {workers} workers", split.chunks))
        }
        FanOut::Auto => (
            FanOut::Chunk,
            format!("{} chunks keep {workers} workers busy, and one decode serves all renditions", split.chunks),
        ),
        asked => (asked, "the spec says so".into()),
    }
}

/// Refuses more work than the site gives to one job.
fn affordable(spec: &ResolvedSpec, media: &MediaSummary, split: &SplitSummary) -> Result<(), Refusal> {
    let Some(most) = spec.most_cpu_hours.map(u64::from) else { return Ok(()) };
    let hours = estimate(spec, media, split, 1).cpu_seconds.div_ceil(3600);
    match hours > most {
        true => Err(Refusal(format!(
            "the job takes about {hours} CPU hours, and this site allows {most} for a job: make fewer or smaller renditions, take a faster preset, or create the job again when the chart's allow.cpuHours is higher"
        ))),
        false => Ok(()),
    }
}

/// Refuses what this version would have to change or drop.
fn accept(spec: &ResolvedSpec, media: &MediaSummary) -> Result<(), Refusal> {
    let no = |reason: &str| Err(Refusal(reason.into()));
    if let Some(video) = &media.info.video {
        if video.other_hdr == Some(OtherHdr::DolbyVision(5)) {
            return no(
                "the source is Dolby Vision profile 5, whose colours nothing but a Dolby Vision decoder can show; convert it to profile 8 or HDR10 first",
            );
        }
        if let Some(crop) = spec.filters.crop.filter(|crop| cropped(video, *crop).is_none()) {
            return Err(Refusal(format!(
                "spec.options.video.crop takes {} columns and {} rows off a picture that has {}x{} pixels (turned by {} degrees), so that nothing would be left",
                crop.left + crop.right,
                crop.top + crop.bottom,
                video.width,
                video.height,
                video.rotation
            )));
        }
    }
    if spec.filters.inverse_telecine && media.info.video.as_ref().is_some_and(|video| video.bit_depth > 8) {
        return no(
            "inverse telecine works on 8 bits, and the source has more: leave options.video.inverseTelecine out",
        );
    }
    let made = renditions(spec, media).renditions;
    let captioned = media.info.video.as_ref().is_some_and(|video| video.closed_captions);
    if let Some(refusal) = made.iter().filter(|_| captioned).find_map(|rendition| without_captions(spec, rendition)) {
        return Err(refusal);
    }
    let unseen = media.info.left_out.iter().find(|left| left.video && media.info.video.is_none());
    let wanted = spec.renditions.as_ref().is_none_or(|list| !list.is_empty());
    if let Some(left) = unseen.filter(|_| wanted && spec.integrity == Integrity::Strict) {
        return Err(Refusal(format!(
            "this ffmpeg can't decode the only video ({left}); sound alone is made with options.renditions: []"
        )));
    }
    if spec.formats.iter().eq([&Format::Hls]) && !made.is_empty() && !made.iter().any(|r| r.codec.in_hls()) {
        return no(
            "spec.outputs[0].formats is hls alone, and HLS lists no VP9, so nothing would be published: add dash or mp4, take another codec, or say `vp9: {hls: true}`",
        );
    }
    sound(spec, media)?;
    let listed = unlisted_audio(spec, media).len() < media.info.audio.len();
    if made.is_empty() && has_audio(spec, media) && !listed && !spec.formats.contains(&Format::Mp4) {
        return no(
            "HLS and DASH list no MP3, which browsers don't play in fragmented MP4, and spec.outputs[0].formats has nothing else, so nothing would be published: add mp4, take another codec such as aac, or set `mp3: {playlists: true}`",
        );
    }
    if made.is_empty() && !has_audio(spec, media) {
        return no(match &media.info.video {
            Some(_) => {
                "nothing would be made: options.renditions is empty, and the source's audio is disabled or missing"
            }
            None => "nothing would be made: the source has no video and its audio is disabled or missing",
        });
    }
    Ok(())
}

/// Audio tracks, by their place among them, that HLS and DASH leave out.
pub fn unlisted_audio(spec: &ResolvedSpec, media: &MediaSummary) -> Vec<usize> {
    let tracks = spec.audio.iter().flat_map(|codec| media.info.audio.iter().map(move |stream| (codec, stream)));
    let hidden = tracks.enumerate().filter(|(_, (codec, stream))| !codec.in_playlists(&stream.codec));
    hidden.map(|(n, _)| n).collect()
}

/// Sound that is not taken as it is, or not at all.
fn sound(spec: &ResolvedSpec, media: &MediaSummary) -> Result<(), Refusal> {
    if !has_audio(spec, media) {
        return Ok(());
    }
    if media.info.audio.len() > MAX_AUDIO_TRACKS {
        return Err(Refusal(format!(
            "the source has more than {MAX_AUDIO_TRACKS} audio tracks, which is the limit: choose some with options.audio.tracks, by language or index, or leave all out with options.audio: {{mode: Disabled}}"
        )));
    }
    let mut holes = media.audio.iter().enumerate().filter_map(|(n, track)| Some((n, track.holes.as_ref()?)));
    if let Some((n, holes)) = holes.find(|(_, holes)| holes.silence > MAX_SILENCE) {
        return Err(Refusal(format!(
            "audio track {n} has {} holes of {} in all, the first at {}; at most {} are filled with silence: its timestamps are broken, remux it first",
            holes.count,
            human(holes.silence),
            human(holes.first),
            human(MAX_SILENCE)
        )));
    }
    let mut starts = media.audio.iter().enumerate();
    if let Some((n, track)) = starts.find(|(_, track)| track.start > MAX_SILENCE) {
        return Err(Refusal(format!(
            "audio track {n} starts {} after the beginning; at most {} are filled with silence: its timestamps are broken, remux it first",
            human(track.start),
            human(MAX_SILENCE)
        )));
    }
    if spec.audio == Some(AudioCodec::Passthrough)
        && let Some(refusal) = not_passed_through(media)
    {
        return Err(refusal);
    }
    Ok(())
}

/// Why a track can't be carried over as it is.
fn not_passed_through(media: &MediaSummary) -> Option<Refusal> {
    let mut tracks = media.info.audio.iter().zip(&media.audio).enumerate();
    tracks.find_map(|(n, (stream, facts))| {
        let why = match (&facts.holes, passed_through(&stream.codec)) {
            (_, None) if stream.codec == "flac" => {
                return Some(Refusal(format!(
                    "audio track {n} is FLAC, which is not passed through: `flac: {{}}` loses nothing either"
                )));
            }
            (_, None) => format!("is {}, which is not AAC, AC-3, E-AC-3, MP3 or Opus", stream.codec),
            _ if stream.right.is_some() => "is a pair of mono tracks".into(),
            _ if stream.codec == "aac" && stream.profile.as_ref().is_some_and(|profile| profile != "LC") => {
                format!("is AAC of the profile {}", stream.profile.as_deref().unwrap_or_default())
            }
            // ISO/IEC 13818-3 goes down to 16 kHz, what is below is nobody's standard.
            _ if stream.codec == "mp3" && stream.sample_rate < 16_000 => {
                format!("is MP3 at {} Hz, which MP4 has not", stream.sample_rate)
            }
            _ if media.info.clock.steps_back.iter().any(|step| step.stream == stream.index) => {
                "has timestamps that step back".into()
            }
            (Some(holes), _) => format!("has a hole in its timestamps at {}", human(holes.first)),
            (None, _) if facts.start > MAX_LATE => format!("begins {} late", human(facts.start)),
            (None, _) => return None,
        };
        Some(Refusal(format!(
            "audio track {n} {why}, and can't be passed through: encode it, say with audio.encode.aac"
        )))
    })
}

/// Why a rendition of a source with captions is refused; `None` when it keeps them, or is told not to.
pub fn without_captions(spec: &ResolvedSpec, rendition: &Rendition) -> Option<Refusal> {
    let why = spec.filters.loses_captions(&rendition.codec)?;
    let (name, codec) = (&rendition.name, rendition.codec.encoder());
    Some(Refusal(format!(
        "the source has CEA-608/708 captions inside its pictures, and {name} ({codec}) would lose them: {why}. Take H.264 and the source's frame rate, or leave them out with options.video.captions: {{mode: Disabled}}"
    )))
}

fn critical(
    spec: &ResolvedSpec,
    media: Option<&MediaSummary>,
    id: StageId,
    needs: Vec<Need>,
    weight: MediaTime,
) -> Stage {
    Stage {
        demand: demand(id.kind, media),
        id,
        needs,
        domain: Domain::Critical,
        retry: spec.critical,
        tasks: 1,
        gaps_allowed: false,
        weight,
    }
}

struct Made<'a> {
    spec: &'a ResolvedSpec,
    media: &'a MediaSummary,
    split: &'a SplitSummary,
    ladder: Ladder,
}

impl<'a> Made<'a> {
    fn new(spec: &'a ResolvedSpec, media: &'a MediaSummary, split: &'a SplitSummary) -> Self {
        Made { spec, media, split, ladder: renditions(spec, media) }
    }

    /// A part of the media's duration, for stages that only read or copy.
    fn share(&self, part: i64) -> MediaTime {
        MediaTime::new(*self.media.duration.ratio().numer(), *self.media.duration.ratio().denom() * part)
    }

    /// Video chunks, in a first pass too where the rate asks for it, then audio.
    fn encode(&self) -> Vec<Stage> {
        let needs = vec![Need::Done(StageId::job(StageKind::Split))];
        let renditions = &self.ladder.renditions;
        let together: Vec<(&str, &[Rendition])> = match fan_out(self.spec, self.split, renditions.len()).0 {
            _ if renditions.is_empty() => vec![],
            FanOut::Chunk => vec![("", renditions)],
            _ => renditions.iter().map(|r| (r.name.as_str(), std::slice::from_ref(r))).collect(),
        };
        let mut stages = vec![];
        for (subject, of) in together {
            let twice: Vec<Rendition> = of.iter().filter(|r| r.codec.rate().passes() == 2).cloned().collect();
            let first = (!twice.is_empty()).then(|| self.chunks(StageKind::FirstPass, subject, &twice, needs.clone()));
            let needs = needs.iter().cloned().chain(first.iter().map(|first| Need::Done(first.id.clone()))).collect();
            let encode = self.chunks(StageKind::Encode, subject, of, needs);
            stages.extend(first.into_iter().chain([encode]));
        }
        if has_audio(self.spec, self.media) {
            stages.push(critical(self.spec, Some(self.media), StageId::job(StageKind::Audio), needs, self.share(20)));
        }
        stages
    }

    /// A task for each chunk, of these renditions.
    fn chunks(&self, kind: StageKind, subject: &str, of: &[Rendition], needs: Vec<Need>) -> Stage {
        let id = StageId { kind, subject: subject.into() };
        let part = if kind == StageKind::FirstPass { FIRST_PASS_PART as i64 } else { 1 };
        let weight = self.share(part) * of.len() as i64;
        Stage {
            gaps_allowed: self.spec.integrity == Integrity::Permissive,
            demand: chunk_demand(self.media, self.split, of),
            tasks: self.split.chunks,
            ..critical(self.spec, Some(self.media), id, needs, weight)
        }
    }

    /// All of them in one task, tried once.
    fn whole(&self, stages: &[Stage], cpu_seconds: u64) -> Stage {
        let needs = vec![Need::Done(StageId::job(StageKind::Probe)), Need::Done(StageId::job(StageKind::Split))];
        Stage {
            domain: Domain::Enhancement,
            retry: RetryPolicy { max_attempts: 1, ..self.spec.enhancement },
            demand: whole_demand(stages.iter().map(|stage| stage.demand), cpu_seconds),
            ..critical(self.spec, Some(self.media), StageId::job(StageKind::Whole), needs, MediaTime::ZERO)
        }
    }

    fn thumbnail(&self) -> Option<Stage> {
        (self.spec.thumbnail.is_some() && self.media.info.video.is_some()).then(|| Stage {
            domain: Domain::Enhancement,
            retry: self.spec.enhancement,
            ..critical(
                self.spec,
                Some(self.media),
                StageId::job(StageKind::Thumbnail),
                vec![Need::Done(StageId::job(StageKind::Probe))],
                MediaTime::ZERO,
            )
        })
    }

    /// One progressive MP4 for each rendition, or one of the audio alone; each starts when its own
    /// chunks and the audio are done.
    fn merge(&self, encoded: &[Need]) -> Vec<Stage> {
        if !self.spec.formats.contains(&Format::Mp4) {
            return vec![];
        }
        let names: Vec<&str> = match self.ladder.renditions.as_slice() {
            [] => vec!["audio"],
            renditions => renditions.iter().map(|r| r.name.as_str()).collect(),
        };
        let concerns = |need: &&Need, name: &str| match need {
            Need::Done(id) => {
                id.kind != StageKind::Encode || id.subject.is_empty() || id.subject == name || self.split.chunks == 0
            }
            _ => true,
        };
        // In permissive mode a gap of one rendition is a gap of all: wait for all.
        let strict = self.spec.integrity == Integrity::Strict;
        names
            .into_iter()
            .map(|name| {
                let needs = encoded.iter().filter(|n| !strict || concerns(n, name)).cloned().collect();
                critical(self.spec, Some(self.media), StageId::rendition(StageKind::Merge, name), needs, self.share(50))
            })
            .collect()
    }
}
