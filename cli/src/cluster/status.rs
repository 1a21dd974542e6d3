//! `status`: a job on one screen.

use std::{io::Write, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;
use transcode_api::{
    TranscodeJob, TranscodeJobStatus,
    status::{MediaStatus, Phase, RenditionStatus, StageStatus},
};

use crate::{
    Exit,
    args::{StatusArgs, StatusOutput},
    cluster::{
        Cluster,
        paint::{Paint, table},
    },
    progress::{first_line, mib, short},
};

/// Prints how a job stands.
pub async fn run(args: StatusArgs) -> anyhow::Result<Exit> {
    let cluster = Cluster::connect(&args.cluster).await?;
    let job = cluster.job(&args.job).await?;
    let status = job.status.clone().unwrap_or_default();
    let text = match args.output {
        StatusOutput::Text => render(&job, Timestamp::now(), Paint::stdout()),
        StatusOutput::Json => serde_json::to_string_pretty(&status)? + "\n",
        StatusOutput::Yaml => serde_saphyr::to_string(&status)?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Done)
}

/// `Running`, or what a job is that nobody has looked at.
pub fn phase(job: &TranscodeJob) -> &'static str {
    match job.status.as_ref().and_then(|status| status.phase) {
        None | Some(Phase::Pending) => "Pending",
        Some(Phase::Queued) => "Queued",
        Some(Phase::Suspended) => "Suspended",
        Some(Phase::Running) => "Running",
        Some(Phase::Succeeded) => "Succeeded",
        Some(Phase::Failed) => "Failed",
    }
}

/// Time between two times of a status; to `now` while the second is missing.
pub fn took(started: Option<&str>, finished: Option<&str>, now: Timestamp) -> Option<Duration> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let end = finished.map_or(Some(now), time)?;
    Duration::try_from(end.duration_since(time(started?)?)).ok()
}

/// The screen.
fn render(job: &TranscodeJob, now: Timestamp, paint: Paint) -> String {
    let Some(status) = &job.status else {
        return format!(
            "{} in {}: no operator has looked at it yet (see docs/how-to/install.md)\n",
            paint.bold(&job.name_any()),
            job.namespace().unwrap_or_default()
        );
    };
    let mut text = head(job, status, now, paint);
    text.push_str(&conditions(status, now, paint));
    let heading = |title: &str, body: String| match body.is_empty() {
        true => String::new(),
        false => format!("\n{}\n{body}", paint.bold(title)),
    };
    text.push_str(&heading("RENDITIONS", renditions(&status.renditions, paint)));
    text.push_str(&heading("STAGES", stages(&status.stages, now, paint)));
    let warnings = status.warnings.iter().map(|warning| {
        let attempts = if warning.attempts > 0 { format!(" ({} attempts)", warning.attempts) } else { String::new() };
        format!("  {}\n", paint.warn(&format!("{}: {}{attempts}", warning.stage, warning.message)))
    });
    text.push_str(&heading("WARNINGS", warnings.collect()));
    let outputs: Vec<_> = status.outputs.iter().map(|o| vec![o.kind.clone(), o.uri.clone()]).collect();
    text.push_str(&heading("OUTPUTS", table(&outputs, "  ", |_, _, cell| cell.into())));
    text
}

fn head(job: &TranscodeJob, status: &TranscodeJobStatus, now: Timestamp, paint: Paint) -> String {
    let mut rows = vec![];
    let mut row = |name: &str, words: String| rows.push(vec![name.to_owned(), words]);
    row("Name", paint.bold(&job.name_any()));
    row("Namespace", job.namespace().unwrap_or_default());
    let name = phase(job);
    let message = status.message.as_deref().filter(|words| !words.is_empty()).map(|words| format!(": {words}"));
    row("Phase", paint.state(name, name) + &message.unwrap_or_default());
    let changes = [
        (job.spec.cancel == Some(true), "cancelled"),
        (job.spec.suspend == Some(true), "suspended"),
        (job.metadata.deletion_timestamp.is_some(), "being deleted"),
        (status.observed_generation < job.metadata.generation, "changed since: this is of before the change"),
    ];
    let changes: Vec<_> = changes.iter().filter(|(is, _)| *is).map(|(_, words)| *words).collect();
    if !changes.is_empty() {
        row("Also", paint.warn(&changes.join(", ")));
    }
    if let Some(progress) = &status.progress {
        let eta = progress.eta.as_ref().map_or(String::new(), |eta| format!(", {eta} left"));
        row("Progress", format!("{}, {} renditions{eta}", progress.percent, progress.renditions));
    }
    if let Some(took) = took(status.started_at.as_deref(), status.finished_at.as_deref(), now) {
        row("Started", format!("{}, {}", status.started_at.as_deref().unwrap_or_default(), words_of(took, status)));
    }
    if let Some(media) = &status.media {
        row("Source", source(media));
    }
    if let Some(fan_out) = &status.fan_out {
        row("Fan-out", fan_out.clone());
    }
    if let Some(usage) = &status.usage {
        let (read, written) = (mib(usage.bytes_read), mib(usage.bytes_written));
        row("Used", format!("{} CPU-seconds, {read:.1} MiB read, {written:.1} MiB published", usage.cpu_seconds));
    }
    table(&rows, "", |_, column, cell| if column == 0 { paint.dim(cell) } else { cell.into() })
}

fn words_of(took: Duration, status: &TranscodeJobStatus) -> String {
    let words = if status.finished_at.is_some() { "took" } else { "running for" };
    format!("{words} {}", short(took))
}

fn source(media: &MediaStatus) -> String {
    let tracks = media.video.iter().chain(&media.audio).cloned();
    [media.duration.clone(), media.container.clone()].into_iter().chain(tracks).collect::<Vec<_>>().join(", ")
}

/// The message of most is the phase's own.
fn conditions(status: &TranscodeJobStatus, now: Timestamp, paint: Paint) -> String {
    let rows: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| {
            let since = took(condition.last_transition_time.as_deref(), None, now);
            let message = Some(&condition.message).filter(|message| status.message.as_ref() != Some(message));
            vec![
                condition.kind.clone(),
                condition.status.clone(),
                condition.reason.clone(),
                since.map_or(String::new(), |since| format!("for {}", short(since))),
                message.map_or(String::new(), |message| first_line(message)),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("\n{}\n{}", paint.bold("CONDITIONS"), table(&rows, "  ", |_, _, cell| cell.into()))
}

fn renditions(renditions: &[RenditionStatus], paint: Paint) -> String {
    if renditions.is_empty() {
        return String::new();
    }
    let mut rows = vec![["NAME", "RESOLUTION", "CODEC", "BIT RATE", "SIZE"].map(str::to_owned).to_vec()];
    rows.extend(renditions.iter().map(|rendition| {
        vec![
            rendition.name.clone(),
            rendition.resolution.clone().unwrap_or_else(|| "-".into()),
            rendition.codec.clone(),
            rendition.bitrate.map_or(String::new(), |rate| format!("{} kbit/s", rate / 1000)),
            rendition.bytes.map_or(String::new(), |bytes| format!("{:.1} MiB", mib(bytes))),
        ]
    }));
    table(&rows, "  ", |row, _, cell| if row == 0 { paint.dim(cell) } else { cell.into() })
}

fn stages(stages: &[StageStatus], now: Timestamp, paint: Paint) -> String {
    if stages.is_empty() {
        return String::new();
    }
    let mut rows = vec![["NAME", "STATE", "DONE", "FAILED", "STARTED", "TOOK", "MESSAGE"].map(str::to_owned).to_vec()];
    rows.extend(stages.iter().map(|stage| {
        let started = stage.started_at.as_deref();
        let took = took(started, stage.finished_at.as_deref(), now);
        vec![
            stage.name.clone(),
            stage.state.clone(),
            format!("{}/{}", stage.done, stage.total),
            if stage.failed_attempts > 0 { stage.failed_attempts.to_string() } else { "-".into() },
            started.map_or("-".into(), clock),
            took.map_or("-".into(), short),
            stage.message.as_deref().map_or(String::new(), first_line),
        ]
    }));
    let state = |row: usize| row.checked_sub(1).and_then(|n| stages.get(n)).map_or("", |stage| stage.state.as_str());
    table(&rows, "  ", |row, column, cell| match (row, column) {
        (0, _) => paint.dim(cell),
        (_, 1) => paint.state(state(row), cell),
        (_, 6) => paint.warn(cell),
        _ => cell.into(),
    })
}

/// `17:50:05` of an RFC 3339 time.
fn clock(time: &str) -> String {
    time.split_once('T').map_or(time, |(_, clock)| clock.trim_end_matches('Z')).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-01-02T03:04:35Z";

    fn job(status: serde_json::Value) -> TranscodeJob {
        let metadata = json!({"name": "movie", "namespace": "video", "generation": 2});
        let spec = json!({"inputs": [], "outputs": []});
        serde_json::from_value(json!({
            "apiVersion": "transcode.media/v1alpha1", "kind": "TranscodeJob",
            "metadata": metadata, "spec": spec, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_running_job_on_one_screen() {
        let condition = |kind: &str, status: &str, message: &str| {
            json!({"type": kind, "status": status, "reason": "Running", "message": message,
                "lastTransitionTime": "2026-01-02T03:04:05Z"})
        };
        let job = job(json!({
            "observedGeneration": 2, "phase": "Running", "message": "encode-720p",
            "conditions": [condition("Ready", "False", "encode-720p"), condition("Queued", "True", "no room")],
            "startedAt": "2026-01-02T03:04:05Z", "fanOut": "ChunkRendition: 12 chunks",
            "media": {"duration": "48s", "container": "mov", "video": "h264 1920x1080 25 fps yuv420p", "audio": ["aac 48000 Hz 2 ch eng"]},
            "progress": {"percent": "42%", "renditions": "0/1", "eta": "1m20s"},
            "renditions": [
                {"name": "720p", "resolution": "1280x720", "codec": "avc1.64001f", "bitrate": 1_500_000, "bytes": 9_437_184},
                {"name": "audio-0", "codec": "aac"},
            ],
            "stages": [
                {"name": "probe", "state": "Done", "done": 1, "total": 1,
                    "startedAt": "2026-01-02T03:04:05Z", "finishedAt": "2026-01-02T03:04:06Z"},
                {"name": "encode-720p", "state": "Retrying", "done": 5, "total": 12, "failedAttempts": 2,
                    "startedAt": "2026-01-02T03:04:07Z", "message": "no space\nat all"},
                {"name": "verify", "state": "Waiting", "done": 0, "total": 1},
            ],
            "warnings": [{"stage": "thumbnail", "reason": "Transient", "message": "no picture", "attempts": 2}],
            "outputs": [{"kind": "hls", "uri": "s3://vod/movie/master.m3u8"}],
            "usage": {"cpuSeconds": 10, "bytesRead": 1_048_576, "bytesWritten": 2_097_152},
        }));
        insta::assert_snapshot!(render(&job, NOW.parse().unwrap(), Paint::PLAIN));
    }

    #[test]
    fn what_changed_since_is_told() {
        let mut stale = job(json!({"observedGeneration": 1, "phase": "Failed", "message": "cancelled"}));
        stale.spec.suspend = Some(true);
        let text = render(&stale, NOW.parse().unwrap(), Paint::PLAIN);
        assert!(text.contains("Also       suspended, changed since"), "{text}");
        stale.status = None;
        assert!(render(&stale, NOW.parse().unwrap(), Paint::PLAIN).contains("no operator has looked at it yet"));
    }
}
