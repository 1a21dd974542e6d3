//! Plan and progress to the status subresource: what a person and `kubectl wait` read.

use jiff::{SignedDuration, Timestamp};
use transcode_api::{
    Input,
    status::{
        Condition, MediaStatus, OutputStatus, Phase, ProgressStatus, RenditionStatus, StageStatus, TranscodeJobStatus,
        Usage,
    },
};
use transcode_media::{
    probe::{AudioStream, VideoStream},
    time::{MediaTime, human},
};

use crate::{
    assess::{Progress, StageProgress, StageState},
    extend::{fan_out, renditions, whole},
    facts::{Facts, MediaSummary},
    observe::{Intent, Observation, Waiting},
    plan::{Plan, StageEnd, StageId, StageKind},
    record::Outcome,
    spec::ResolvedSpec,
    warnings::warnings,
};

/// The status of a job. A function of its arguments; nothing is appended to an earlier one.
pub fn status(
    spec: &ResolvedSpec,
    plan: &Plan,
    observation: &Observation,
    progress: &Progress,
    now: Timestamp,
) -> TranscodeJobStatus {
    let facts = &observation.record.facts;
    let (phase, message) = phase(observation, progress);
    let rows: Vec<_> = plan.stages.keys().filter_map(|id| Some((id, progress.stages.get(id)?))).collect();
    TranscodeJobStatus {
        observed_generation: None,
        phase: Some(phase),
        conditions: conditions(phase, &progress.ended, observation.waiting.as_ref(), &message),
        message: Some(message),
        started_at: observation.record.times.values().map(|t| t.started).min().map(seconds),
        finished_at: observation.record.ended_at.map(seconds),
        source: Some(source(spec)),
        resolved: None,
        pool: Some(pool(spec)),
        fan_out: fan_out_words(spec, facts, !whole_failed(progress)),
        media: facts.media().map(source_words),
        progress: Some(overall(spec, plan, observation, progress, now)),
        stages: rows
            .iter()
            .map(|(id, standing)| {
                row(id.to_string(), standing, plan.stages.get(id).map_or(0, |s| s.tasks), observation, id)
            })
            .collect(),
        renditions: rendition_rows(spec, facts),
        outputs: facts.publish().map_or(vec![], |p| {
            p.outputs.iter().map(|(kind, uri)| OutputStatus { kind: kind.clone(), uri: uri.clone() }).collect()
        }),
        warnings: warnings(spec, facts, progress),
        usage: facts.package().map(|p| Usage {
            cpu_seconds: p.cpu_seconds,
            bytes_read: p.bytes_read,
            bytes_written: facts.publish().map_or(0, |p| p.bytes),
        }),
    }
}

fn phase(observation: &Observation, progress: &Progress) -> (Phase, String) {
    match &progress.ended {
        Some(Outcome::Complete { reason }) if reason == "AlreadyPublished" => {
            (Phase::Succeeded, "the same job is published already and verifies".into())
        }
        Some(Outcome::Complete { .. }) => (Phase::Succeeded, "published and verified".into()),
        Some(Outcome::Failed { message, .. }) => (Phase::Failed, message.clone()),
        None if observation.intent == Intent::Suspend => (Phase::Suspended, "suspended by spec.suspend".into()),
        None if observation.waiting.is_some() => {
            (Phase::Queued, observation.waiting.as_ref().map_or(String::new(), |w| w.message.clone()))
        }
        None if observation.record.times.is_empty() => (Phase::Pending, "nothing runs yet".into()),
        None => {
            let open: Vec<_> = progress
                .stages
                .iter()
                .filter(|(_, s)| s.state == StageState::Open)
                .map(|(id, _)| id.to_string())
                .collect();
            (Phase::Running, open.join(", "))
        }
    }
}

/// The status of a job that has no plan: it waits for something, or can never run.
pub fn without_plan(ended: Option<Outcome>, reason: &str, message: &str) -> TranscodeJobStatus {
    bare(if ended.is_some() { Phase::Failed } else { Phase::Pending }, ended, reason, message)
}

/// The status of a job that waits in line and was not begun.
pub fn in_line(reason: &str, message: &str) -> TranscodeJobStatus {
    bare(Phase::Queued, None, reason, message)
}

/// The status of a job that something keeps from going on; all else that it tells stays.
pub fn held(told: TranscodeJobStatus, reason: &str, message: &str) -> TranscodeJobStatus {
    let TranscodeJobStatus { phase, conditions, message, .. } =
        bare(told.phase.unwrap_or(Phase::Pending), None, reason, message);
    TranscodeJobStatus { phase, conditions, message, ..told }
}

fn bare(phase: Phase, ended: Option<Outcome>, reason: &str, message: &str) -> TranscodeJobStatus {
    let waiting = Waiting { reason: reason.into(), message: message.into() };
    TranscodeJobStatus {
        phase: Some(phase),
        conditions: conditions(phase, &ended, Some(&waiting), message),
        message: Some(message.into()),
        ..TranscodeJobStatus::default()
    }
}

/// As kstatus wants them: never Reconciling and Stalled together, absent otherwise.
fn conditions(phase: Phase, ended: &Option<Outcome>, waiting: Option<&Waiting>, message: &str) -> Vec<Condition> {
    let condition = |kind: &str, status: bool, reason: &str| Condition {
        kind: kind.into(),
        status: if status { "True" } else { "False" }.into(),
        reason: reason.into(),
        message: message.into(),
        last_transition_time: None,
    };
    match ended {
        Some(Outcome::Complete { reason }) => {
            vec![condition("Ready", true, reason), condition("Complete", true, reason)]
        }
        Some(Outcome::Failed { reason, .. }) => {
            vec![
                condition("Ready", false, reason),
                condition("Stalled", true, reason),
                condition("Failed", true, reason),
            ]
        }
        // Nothing is under way, and nothing is wrong.
        None if phase == Phase::Suspended => {
            vec![condition("Ready", false, "Suspended"), condition("Suspended", true, "Suspended")]
        }
        None => {
            let reason = if phase == Phase::Pending { "Pending" } else { "Running" };
            let queued = waiting.map(|waiting| condition("Queued", true, &waiting.reason));
            let common = [condition("Ready", false, reason), condition("Reconciling", true, reason)];
            common.into_iter().chain(queued).collect()
        }
    }
}

/// `s3://raw/movie.mov`; of a URL no user, password or signature, and nothing of one that is in a Secret.
fn source(spec: &ResolvedSpec) -> String {
    let Input { s3, http, file, .. } = &spec.input;
    let s3 = s3.as_ref().map(|s3| format!("s3://{}/{}", s3.bucket, s3.key));
    let http = || {
        let http = http.as_ref()?;
        if let Some(secret) = &http.url_secret_ref {
            return Some(format!("Secret {}, key {}", secret.name, secret.key));
        }
        let (scheme, rest) = http.url.as_ref()?.split_once("://")?;
        let place = rest.split(['?', '#']).next()?;
        let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        Some(format!("{scheme}://{}{path}", host.rsplit('@').next()?))
    };
    s3.or_else(http).or_else(|| Some(file.as_ref()?.path.clone())).unwrap_or_default()
}

/// `disk=ssd,pool=video`
fn pool(spec: &ResolvedSpec) -> String {
    let labels = spec.scheduling.encode.as_ref().and_then(|encode| encode.node_selector.as_ref());
    let words: Vec<_> = labels.into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
    if words.is_empty() { "any".into() } else { words.join(",") }
}

/// The source in words.
pub fn source_words(media: &MediaSummary) -> MediaStatus {
    MediaStatus {
        duration: human(media.duration),
        container: media.info.container.clone(),
        video: media.info.video.as_ref().map(|v| video_words(v, media)),
        audio: media.info.audio.iter().map(audio_words).collect(),
    }
}

/// `h264 1920x1080 25 fps yuv420p`
fn video_words(video: &VideoStream, media: &MediaSummary) -> String {
    let (_, rate, constant) = media.video.as_ref().map_or((0, video.frame_rate, true), |v| v.of_source());
    let rate = *rate.numer() as f64 / *rate.denom() as f64;
    let variable = if constant { "" } else { " variable" };
    let mirrored = if video.mirrored { " mirrored" } else { "" };
    let turned = match video.rotation {
        0 => String::new(),
        degrees => format!(" turned {degrees}°"),
    };
    let rate = format!("{rate:.3}");
    let rate = rate.trim_end_matches('0').trim_end_matches('.');
    format!(
        "{} {}x{}{mirrored}{turned} {rate} fps{variable} {}",
        video.codec, video.width, video.height, video.pixel_format
    )
}

/// `aac 48000 Hz 2 ch eng`
fn audio_words(audio: &AudioStream) -> String {
    format!("{} {} Hz {} ch {}", audio.codec, audio.sample_rate, audio.channels, audio.language)
}

/// Share of the work that is done, in thousandths; weighted by media time. `running` tells the
/// thousandths of all running tasks of a stage together.
pub fn permille(plan: &Plan, progress: &Progress, running: impl Fn(&crate::plan::StageId) -> u32) -> u64 {
    let (mut done, mut total) = (MediaTime::ZERO, MediaTime::ZERO);
    for (id, stage) in &plan.stages {
        total = total + stage.weight;
        let standing = progress.stages.get(id);
        let tasks = i64::from(standing.map_or(0, |s| s.done.len())) * 1000 + i64::from(running(id));
        let all = i64::from(stage.tasks.max(1)) * 1000;
        done = done + MediaTime::new(*stage.weight.ratio().numer() * tasks, *stage.weight.ratio().denom() * all);
    }
    match progress.ended {
        Some(Outcome::Complete { .. }) => 1000,
        _ if total == MediaTime::ZERO => 0,
        _ => (done.ratio() / total.ratio() * 1000).to_integer().clamp(0, 999) as u64,
    }
}

fn overall(
    spec: &ResolvedSpec,
    plan: &Plan,
    observation: &Observation,
    progress: &Progress,
    now: Timestamp,
) -> ProgressStatus {
    let permille = permille(plan, progress, |_| 0);
    let started = observation.record.times.values().map(|t| t.started).min();
    let names = observation.record.facts.media().map_or(vec![], |m| renditions(spec, m).renditions);
    let is_done = |name: &str| {
        progress.stages.iter().any(|(id, s)| {
            id.kind == StageKind::Encode && (id.subject.is_empty() || id.subject == name) && s.is_satisfied()
        })
    };
    let done = names.iter().filter(|r| is_done(&r.name)).count();
    // Below a twentieth the start-up time dominates and the estimate misleads.
    let eta = started.filter(|_| permille >= 50 && progress.ended.is_none()).map(|start| {
        let passed = now.duration_since(start).as_secs().max(0);
        SignedDuration::from_secs(passed * (1000 - permille as i64) / permille as i64)
    });
    ProgressStatus {
        percent: format!("{}%", permille / 10),
        renditions: format!("{done}/{}", names.len()),
        eta: eta.map(|eta| human(MediaTime::seconds(eta.as_secs()))),
    }
}

fn row(
    name: String,
    standing: &StageProgress,
    total: u32,
    observation: &Observation,
    id: &crate::plan::StageId,
) -> StageStatus {
    let times = observation.record.times.get(id);
    let waits_to_retry = standing.running.is_empty() && standing.due.values().any(Option::is_some);
    let state = match &standing.state {
        StageState::Waiting => "Waiting",
        StageState::Open if waits_to_retry => "Retrying",
        StageState::Open => "Running",
        StageState::Ended(StageEnd::Done) => "Done",
        StageState::Ended(StageEnd::DoneWithGaps(_)) => "DoneWithGaps",
        StageState::Ended(StageEnd::SoftFailed(_)) => "SoftFailed",
        StageState::Ended(StageEnd::Failed(_)) => "Failed",
        StageState::Ended(StageEnd::Skipped) => "Skipped",
    };
    StageStatus {
        name,
        state: state.into(),
        done: standing.done.len(),
        total,
        failed_attempts: standing.failed_attempts,
        started_at: times.map(|t| seconds(t.started)),
        finished_at: times.and_then(|t| t.finished).map(seconds),
        message: standing
            .last_failure
            .as_ref()
            .filter(|_| standing.end() != Some(&StageEnd::Done))
            .map(|f| f.message.chars().take(1000).collect()),
    }
}

fn rendition_rows(spec: &ResolvedSpec, facts: &Facts) -> Vec<RenditionStatus> {
    let Some(media) = facts.media() else { return vec![] };
    let measured = |name: &str| facts.package().and_then(|p| p.tracks.get(name));
    let video = renditions(spec, media).renditions.into_iter().map(|r| RenditionStatus {
        codec: measured(&r.name).map_or_else(|| r.codec.encoder().into(), |t| t.codec.clone()),
        bitrate: measured(&r.name).map(|t| t.bitrate),
        bytes: measured(&r.name).map(|t| t.bytes),
        resolution: Some(format!("{}x{}", r.width, r.height)),
        name: r.name,
    });
    let tracks = spec.audio.iter().flat_map(|codec| media.info.audio.iter().map(move |stream| (codec, stream)));
    let audio = tracks.enumerate().map(|(n, (codec, stream))| {
        let name = format!("audio-{n}");
        RenditionStatus {
            codec: measured(&name).map_or_else(|| codec.encoder().unwrap_or(&stream.codec).into(), |t| t.codec.clone()),
            bitrate: measured(&name).map(|t| t.bitrate),
            bytes: measured(&name).map(|t| t.bytes),
            resolution: None,
            name,
        }
    });
    video.chain(audio).collect()
}

fn whole_failed(progress: &Progress) -> bool {
    let whole = progress.stages.get(&StageId::job(StageKind::Whole));
    whole.is_some_and(|standing| matches!(standing.end(), Some(StageEnd::SoftFailed(_))))
}

/// Which way tasks are cut and why, once it is known; `together` when one task may do all.
pub fn fan_out_words(spec: &ResolvedSpec, facts: &Facts, together: bool) -> Option<String> {
    let (media, split) = (facts.media()?, facts.split()?);
    let count = renditions(spec, media).renditions.len();
    let small = whole(spec, media, split).zip(spec.whole_below_seconds);
    if let Some((seconds, below)) = small.filter(|_| together) {
        return Some(format!("Whole: about {seconds} s of work are fewer than {below} s, so one task does it all"));
    }
    let (picked, why) = fan_out(spec, split, count);
    (count > 0).then(|| format!("{picked:?}: {why}"))
}

/// As everywhere in Kubernetes: RFC 3339, in whole seconds.
pub fn seconds(time: Timestamp) -> String {
    time.round(jiff::Unit::Second).unwrap_or(time).to_string()
}
