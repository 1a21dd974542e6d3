//! What a runner tells its driver: a bounded report at the end, progress lines before.

use serde::{Deserialize, Serialize};
use transcode_engine::{Failure, Summary, observe::TaskFailure};

use crate::ExitCode;

/// Size of a report at most: a pod's termination message holds 4,096 bytes in all.
pub const MAX_REPORT: usize = 3_584;
/// Bytes of a failure in a report; its message may need an escape for each byte.
const MAX_FAILURE: usize = 1_500;
/// Bytes of a message in a report.
const MAX_MESSAGE: usize = 1_000;

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// How it ended.
    pub told: Told,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Told {
    /// It succeeded; a few stages tell something. Probe tells what Split found too.
    Done(Vec<Summary>),
    /// It failed.
    Failed(TaskFailure),
}

impl Report {
    /// A success; the summaries are shortened to what a report holds, the last one first. One that
    /// does not fit at all is left out: its stage then runs by itself.
    pub fn done(mut told: Vec<Summary>) -> Self {
        // The rest of a report takes a few dozen bytes.
        let fits = |told: &Vec<Summary>| serde_json::to_vec(told).is_ok_and(|bytes| bytes.len() <= MAX_REPORT - 64);
        while !fits(&told) {
            let shorter = told.iter_mut().rev().any(Summary::shorten);
            if !shorter && told.pop().is_none() {
                break;
            }
        }
        Report { version: crate::VERSION, told: Told::Done(told) }
    }

    /// A failure; the message and the list of missing results are cut to what a report holds.
    pub fn failed(mut failure: Failure, message: &str) -> Self {
        let message = message.get(..message.floor_char_boundary(MAX_MESSAGE)).unwrap_or_default().into();
        let fits = |failure: &Failure| serde_json::to_vec(failure).is_ok_and(|bytes| bytes.len() <= MAX_FAILURE);
        while !fits(&failure) && failure.shorten() {}
        Report { version: crate::VERSION, told: Told::Failed(TaskFailure { failure, message }) }
    }

    /// What an exit code (none when a signal ended the runner) and the report that came with it mean.
    /// Only exit code 0 with a report is a success. `log` tells a person where to look.
    pub fn judge(code: Option<i32>, report: Option<&[u8]>, log: &str) -> Result<Vec<Summary>, TaskFailure> {
        match (code, report.and_then(Report::read).map(|report| report.told)) {
            (Some(0), Some(Told::Done(told))) => Ok(told),
            (Some(code), Some(Told::Failed(failure))) if code == ExitCode::of(&failure.failure) as i32 => Err(failure),
            (code, _) => Err(TaskFailure {
                failure: ExitCode::failure(code.filter(|c| *c != 0)),
                message: match code {
                    Some(code) if code == ExitCode::WrongUse as i32 => {
                        format!("the runner did not understand its arguments: is its image of another version? {log}")
                    }
                    Some(code) => format!("the runner exited with {code} and left no report; {log}"),
                    None => format!("the runner was killed; {log}"),
                },
            }),
        }
    }

    /// Reads a report; a hostile one is `None`.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let report: Report = (bytes.len() <= 4 * MAX_REPORT).then(|| serde_json::from_slice(bytes).ok())??;
        let sane = match &report.told {
            Told::Done(told) => told.iter().all(Summary::is_sane),
            Told::Failed(_) => true,
        };
        (report.version <= crate::VERSION && sane).then_some(report)
    }
}

/// A line on the runner's standard output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum RunnerEvent {
    /// How far the task is.
    #[serde(rename_all = "camelCase")]
    Progress {
        /// Thousandths of the task.
        permille: u32,
        /// Frames so far.
        frame: u64,
        /// Frames a second.
        fps: f32,
        /// Media seconds a second.
        speed: f32,
    },
    /// A program that was started, as a person would type it.
    Command {
        /// Shell-quoted.
        line: String,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use transcode_engine::TaskSet;

    use super::*;

    fn told(summary: serde_json::Value) -> Summary {
        let report = Report::done(vec![serde_json::from_value(summary).unwrap()]);
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.len() <= MAX_REPORT, "{} bytes: {text}", text.len());
        let Told::Done(mut told) = report.told else { panic!("no success") };
        told.pop().unwrap()
    }

    #[test]
    fn the_longest_probe_fits() {
        let track = json!({
            "index": 65_535, "codec": "pcm_s24le", "profile": "HE-AACv2", "channels": 8, "layout": "7.1(wide-side)", "sampleRate": 768_000,
            "timebase": {"num": 1, "den": 1_000_000}, "language": "zh-Hant-TW", "title": "\"é".repeat(40), "default": true
        });
        let facts = json!({
            "start": "-123456789/90000s", "length": "123456789012/90000s", "holes": null
        });
        let mut audio = vec![facts; 9];
        audio[3]["holes"] = json!({"count": 12_345, "first": "123456789/90000s", "silence": "123456789/90000s"});
        let stream = json!({
            "index": 0, "codec": "prores", "width": 7680, "height": 4320, "sar": [4095, 4096], "rotation": 270,
            "timebase": {"num": 1, "den": 10_000_000}, "frameRate": [120_000, 1001], "pixelFormat": "yuv444p12le",
            "bitDepth": 12, "interlaced": false, "closedCaptions": false, "colour": {
                "primaries": "bt470bg", "transfer": "iec61966-2-1", "matrix": "chroma-derived-nc", "fullRange": false
            }
        });
        let video = json!({
            "frames": 4_294_967_295_u32, "timescale": 10_000_000, "frameRate": [120_000, 1001], "constant": false,
            "equalTimes": 4_294_967_295_u32, "undecodableHead": 4_294_967_295_u32
        });
        let left: Vec<_> = (0..9).map(|n| json!({"index": n, "what": "subtitle track (hdmv_pgs_subtitle)"})).collect();
        let summary = told(json!({"probe": {
            "info": {"container": "mov,mp4,m4a,3gp,3g2,mj2", "video": stream, "audio": vec![track; 9], "leftOut": left},
            "source": format!("https://example.com/{}", "p".repeat(480)), "sourceKey": "k".repeat(32),
            "encoderBuild": "5.1.9-0+deb12u1", "bytes": u64::MAX, "origin": "-123456789/90000s",
            "duration": "123456789012/90000s", "video": video, "audio": audio
        }}));
        let Summary::Probe(media) = summary else { panic!("another summary") };
        assert_eq!((media.info.audio.len(), media.audio.len()), (9, 9));
    }

    #[test]
    fn very_many_missing_results_fit() {
        let scattered = || (0..1000).step_by(2).collect::<TaskSet>();
        let stage = |n| (format!("encode-rendition-of-{n}").parse().unwrap(), scattered());
        let report = Report::failed(Failure::Missing { lost: (0..16).map(stage).collect() }, &"\"".repeat(9000));
        let text = serde_json::to_vec(&report).unwrap();
        assert!(text.len() <= MAX_REPORT, "{} bytes", text.len());
        let Some(Told::Failed(told)) = Report::read(&text).map(|report| report.told) else { panic!("no failure") };
        let Failure::Missing { lost } = told.failure else { panic!("another failure") };
        assert!(lost.values().all(|tasks| tasks.contains(0) && tasks.contains(998)));
    }

    #[test]
    fn work_that_is_not_told_is_left_out_of_a_split() {
        let scattered: Vec<_> = (0..1000).step_by(2).map(|n: u32| n.to_string()).collect();
        let summary = told(json!({"split": {
            "segments": 15_000, "chunks": 1000, "longestSegment": 120, "longestChunk": 1800, "preroll": 0,
            "compositionDelay": 3003, "table": "t".repeat(64), "published": false,
            "found": {"1080p": scattered.join(","), "720p": scattered.join(","), "480p": "0-900"}
        }}));
        let Summary::Split(split) = summary else { panic!("another summary") };
        assert_eq!(split.found.keys().collect::<Vec<_>>(), ["1080p", "480p"]);
    }
}
