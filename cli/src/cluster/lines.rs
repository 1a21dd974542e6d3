//! A runner's log for people: its events and its JSON lines as time, level and words.

use serde::Deserialize;
use serde_json::{Map, Value};
use transcode_contract::RunnerEvent;

use super::paint::Paint;

/// Progress is told once in so many thousandths.
const STEP: u32 = 100;

/// Makes lines readable, one after the other.
#[derive(Debug)]
pub struct Readable {
    paint: Paint,
    told: Option<u32>,
}

/// A line of `tracing`.
#[derive(Deserialize)]
struct Traced {
    level: String,
    #[serde(default)]
    fields: Map<String, Value>,
}

impl Readable {
    /// For a new log.
    pub fn new(paint: Paint) -> Self {
        Readable { paint, told: None }
    }

    /// A line as the kubelet gives it, behind its time: what is printed, or nothing where another line
    /// says the same.
    pub fn line(&mut self, line: &str) -> Option<String> {
        let (time, line) = line.split_once(' ').unwrap_or(("", line));
        let words = match serde_json::from_str::<RunnerEvent>(line) {
            // The line of `tracing` beside it says it too.
            Ok(RunnerEvent::Command { .. }) => return None,
            Ok(RunnerEvent::Progress { permille, fps, speed, .. }) => self.progress(permille, fps, speed)?,
            Err(_) => match serde_json::from_str::<Traced>(line) {
                Ok(traced) => self.traced(traced),
                Err(_) => line.into(),
            },
        };
        Some(format!("{} {words}", self.paint.dim(clock(time))))
    }

    fn progress(&mut self, permille: u32, fps: f32, speed: f32) -> Option<String> {
        let step = permille / STEP;
        // A second command of the task begins anew.
        if self.told.is_some_and(|told| told == step) {
            return None;
        }
        self.told = Some(step);
        Some(self.paint.dim(&format!("      {:>3}% {fps:.0} fps {speed:.2}x", permille / 10)))
    }

    fn traced(&self, mut traced: Traced) -> String {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let message = traced.fields.remove("message").map(text).unwrap_or_default();
        if let Some(command) = traced.fields.remove("command") {
            return format!("{:<5} $ {}", traced.level, self.paint.bold(&text(command)));
        }
        let reason = traced.fields.remove("reason").map_or(String::new(), |reason| format!("{}: ", text(reason)));
        let rest: String = traced.fields.into_iter().map(|(name, value)| format!(" {name}={}", text(value))).collect();
        let level = format!("{:<5}", traced.level);
        let level = match traced.level.as_str() {
            "ERROR" => self.paint.bad(&level),
            "WARN" => self.paint.warn(&level),
            _ => level,
        };
        format!("{level} {reason}{message}{rest}")
    }
}

/// `17:50:05` of `2026-11-21T17:50:05.123456789Z`; what is no time stays as it is.
fn clock(time: &str) -> &str {
    match time.split_once('T') {
        Some((_, clock)) => clock.get(..8).unwrap_or(clock),
        None => time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<String> {
        let mut readable = Readable::new(Paint::PLAIN);
        lines.iter().filter_map(|line| readable.line(&format!("2026-11-21T17:50:05.123456789Z {line}"))).collect()
    }

    #[test]
    fn lines_are_for_people() {
        let lines = read(&[
            r#"{"timestamp":"2026-11-21T17:50:05.1Z","level":"INFO","fields":{"message":"start","command":"ffmpeg -i 'a b'"},"target":"job_runner::process"}"#,
            r#"{"event":"command","line":"ffmpeg -i 'a b'"}"#,
            r#"{"event":"progress","permille":12,"frame":3,"fps":24.6,"speed":0.98}"#,
            r#"{"event":"progress","permille":90,"frame":30,"fps":24.6,"speed":0.98}"#,
            r#"{"event":"progress","permille":417,"frame":40,"fps":24.0,"speed":1.0}"#,
            r#"{"timestamp":"t","level":"ERROR","fields":{"reason":"BadInput","message":"no such object"},"target":"job_runner"}"#,
            "exec /job-runner: no such file",
        ]);
        assert_eq!(
            lines,
            [
                "17:50:05 INFO  $ ffmpeg -i 'a b'",
                "17:50:05         1% 25 fps 0.98x",
                "17:50:05        41% 24 fps 1.00x",
                "17:50:05 ERROR BadInput: no such object",
                "17:50:05 exec /job-runner: no such file",
            ]
        );
    }
}
