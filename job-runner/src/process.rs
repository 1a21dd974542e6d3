//! The one place that starts programs. It logs each as a line that a person can paste, follows its
//! progress, keeps the lines that matter, and turns the end into a failure that says why.

use std::{process::Stdio, time::Duration};

use nix::sys::resource::{UsageWho, getrusage};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command as Process,
    time::Instant,
};
use transcode_contract::RunnerEvent;
use transcode_engine::Failure;
use transcode_media::argv::{Command, Program};

use crate::error::TaskError;

mod log;
mod sandbox;

pub use log::CHANGES;
use log::Log;
pub use sandbox::{Reach, hide};

/// A program without any sign of life for so long is stuck, unless the site says otherwise.
const STALL: Duration = Duration::from_secs(300);
/// A program that is asked for its version answers at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes that a pipe of Linux holds (pipe(7)).
const PIPE: usize = 64 << 10;
/// A log is read so often: ffmpeg writes several lines for each frame, one at a time, and to wake for each of them
/// would take more time than to read it.
const BREATH: Duration = Duration::from_millis(20);

/// What a program left.
#[derive(Debug, Default)]
pub struct Finished {
    /// Standard output, for programs whose answer it is.
    pub stdout: String,
    /// Presentation times of decoded frames, as `showinfo` told them.
    pub shown: Vec<i64>,
    /// Times of those of them that are marked as interlaced.
    pub interlaced: Vec<i64>,
    /// Times of those of them that have captions in them.
    pub captioned: Vec<i64>,
    /// Frames that ffmpeg says it wrote.
    pub frames: u64,
    /// Errors in its log although it succeeded.
    pub complaints: String,
    /// Times of those frames that the decoder calls corrupt, where [`Follow::damage`] is set.
    pub damaged: Vec<i64>,
    /// Packets that no decoder took.
    pub undecodable: u32,
    /// Packets of H.264 in which its parser met no picture.
    pub pictureless: u32,
}

/// How a program is followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Follow {
    /// Frames that it will have done at its end; 0 when unknown.
    pub frames: u64,
    /// Thousandths of the task that are done when it starts and when it ends.
    pub permille: (u32, u32),
    /// How long it may show no sign of life.
    pub stall: Option<Duration>,
    /// Whether [`Finished::damaged`] is wanted. ffmpeg then logs every step of every frame.
    pub damage: bool,
}

/// Starts a program and waits for its end. Dropping the future kills it.
pub async fn run(reach: Reach<'_>, command: &Command, follow: Follow) -> Result<Finished, TaskError> {
    run_lines(reach, command, follow, None).await
}

/// As [`run`], with each line of standard output given to `on_line` instead of being kept.
pub async fn run_lines(
    reach: Reach<'_>,
    command: &Command,
    follow: Follow,
    on_line: Option<&mut (dyn FnMut(&str) + Send)>,
) -> Result<Finished, TaskError> {
    announce(command);
    let mut process = program(command.program, reach);
    if command.program == Program::Ffmpeg {
        process.args(["-nostats", "-progress", "pipe:1", "-loglevel", "repeat+level+info"]);
        if follow.damage {
            process.arg("-debug_ts");
        }
    }
    process.args(&command.args).env("SVT_LOG", "1").env("AV_LOG_FORCE_NOCOLOR", "1");
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = sandbox::spawn(&mut process, reach).map_err(|e| not_started(command.program, &e))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(TaskError::transient("the program's output can't be read"));
    };
    let mut output = Output {
        program: command.program,
        follow,
        on_line,
        finished: Finished::default(),
        frame: 0,
        time: 0,
        fps: 0.0,
        speed: 0.0,
    };
    let mut log = Log::default();
    let mut out_lines = BufReader::new(stdout).lines();
    let mut errors = BufReader::with_capacity(PIPE, stderr);
    let mut error_line = vec![];
    let stall = follow.stall.unwrap_or(STALL);
    let (mut out_open, mut errors_open) = (true, true);
    let mut alive = Instant::now();
    let mut breath = None;
    while out_open || errors_open {
        tokio::select! {
            line = out_lines.next_line(), if out_open => match line {
                Ok(Some(line)) => if output.line(&line) { alive = Instant::now() },
                _ => out_open = false,
            },
            read = errors.read_until(b'\n', &mut error_line), if errors_open && breath.is_none() => {
                if read.is_err() || error_line.is_empty() {
                    errors_open = false;
                    continue;
                }
                alive = Instant::now();
                log.line(String::from_utf8_lossy(&error_line).trim_end_matches('\n'), &mut output.finished);
                error_line.clear();
                breath = errors.buffer().is_empty().then(|| alive + BREATH);
            },
            () = tokio::time::sleep_until(breath.unwrap_or(alive)), if breath.is_some() => breath = None,
            () = tokio::time::sleep_until(alive + stall) => {
                return Err(TaskError::new(Failure::Stuck, format!("{} showed no progress for {} s", command.program.name(), stall.as_secs())));
            }
        }
    }
    let status = child.wait().await.map_err(TaskError::transient)?;
    output.finished.frames = output.frame;
    output.finished.complaints = log.errors.join("\n");
    // ffmpeg 5.1 ends well although its muxer could not write.
    match status.success() && !log.tells_of_a_full_disk() {
        true => Ok(output.finished),
        false => Err(log.failure(command.program, status)),
    }
}

/// A short answer of a program, such as its version.
pub async fn ask(reach: Reach<'_>, program: Program, args: &[&str]) -> Result<String, TaskError> {
    let mut process = self::program(program, reach);
    process.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let asked = format!("{} {}", program.name(), args.join(" "));
    let child = sandbox::spawn(&mut process, reach).map_err(|e| not_started(program, &e))?;
    let answer = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let answer = answer.map_err(|_| {
        TaskError::new(Failure::Misconfigured, format!("{asked} gave no answer in {} s", PATIENCE.as_secs()))
    })?;
    let answer = answer.map_err(TaskError::transient)?;
    if !answer.status.success() {
        let words = String::from_utf8_lossy(&answer.stderr);
        let words = words.trim().lines().last().unwrap_or("it said nothing");
        let how = format!("{asked} ended with {}: {words}; install ffmpeg again", answer.status);
        return Err(TaskError::new(Failure::Misconfigured, how));
    }
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

/// A program with the few variables that it needs: not the runner's credentials, and no proxy, which
/// would get between it and the loopback server. What it writes by itself goes into the work folder.
fn program(program: Program, reach: Reach<'_>) -> Process {
    let kept = |name: &str| {
        let families = ["LC_", "FONTCONFIG_", "NVIDIA_"];
        ["PATH", "LD_LIBRARY_PATH", "LANG"].contains(&name) || families.iter().any(|family| name.starts_with(family))
    };
    let mut process = Process::new(program.name());
    process.env_clear().envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(kept)));
    process.env("HOME", reach.work).env("TMPDIR", reach.work);
    process
}

/// CPU time of all children that have ended, milliseconds.
pub fn cpu_millis() -> u64 {
    let millis = |t: nix::sys::time::TimeVal| u64::try_from(t.tv_sec() * 1000 + t.tv_usec() / 1000).unwrap_or(0);
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| millis(usage.user_time()) + millis(usage.system_time()))
}

/// A line for the driver.
pub fn tell(event: &RunnerEvent) {
    if let Ok(line) = serde_json::to_string(event) {
        println!("{line}");
    }
}

fn announce(command: &Command) {
    let line = command.to_string();
    tracing::info!(command = %line, "start");
    tell(&RunnerEvent::Command { line });
}

fn not_started(program: Program, error: &std::io::Error) -> TaskError {
    let name = program.name();
    match error.kind() {
        std::io::ErrorKind::NotFound => TaskError::new(
            Failure::Misconfigured,
            format!("{name} is not on PATH; install ffmpeg 5.1 or later (Debian, Ubuntu: apt-get install ffmpeg)"),
        ),
        std::io::ErrorKind::PermissionDenied => TaskError::new(
            Failure::Misconfigured,
            format!(
                "{name} can't be started: {error}; it has to be executable, and what it loads has to lie below /usr, /opt or the folder above its own bin"
            ),
        ),
        _ => TaskError::transient(format!("{name} can't be started: {error}")),
    }
}

struct Output<'a> {
    program: Program,
    follow: Follow,
    on_line: Option<&'a mut (dyn FnMut(&str) + Send)>,
    finished: Finished,
    frame: u64,
    time: i64,
    fps: f32,
    speed: f32,
}

impl Output<'_> {
    /// Takes a line; true when it is a sign of life.
    fn line(&mut self, line: &str) -> bool {
        if self.program == Program::Ffmpeg {
            return self.progress(line);
        }
        match &mut self.on_line {
            Some(on_line) => on_line(line),
            None => {
                self.finished.stdout.push_str(line);
                self.finished.stdout.push('\n');
            }
        }
        true
    }

    /// ffmpeg's `-progress` writes `key=value` lines, `progress=…` last of each block.
    fn progress(&mut self, line: &str) -> bool {
        let Some((name, value)) = line.split_once('=') else { return false };
        let value = value.trim();
        match name {
            "frame" => {
                let frame = value.parse().unwrap_or(self.frame);
                let moved = frame > self.frame;
                self.frame = frame;
                return moved;
            }
            // Sound has no frames.
            "out_time_us" => {
                let time = value.parse().unwrap_or(self.time);
                let moved = time > self.time;
                self.time = time;
                return moved;
            }
            "fps" => self.fps = value.parse().unwrap_or(0.0),
            "speed" => self.speed = value.trim_end_matches('x').parse().unwrap_or(0.0),
            "progress" => {
                let (from, to) = self.follow.permille;
                let share = match self.follow.frames {
                    0 => 0,
                    frames => (u64::from(to - from) * self.frame.min(frames) / frames) as u32,
                };
                tell(&RunnerEvent::Progress {
                    permille: from + share,
                    frame: self.frame,
                    fps: self.fps,
                    speed: self.speed,
                });
            }
            _ => {}
        }
        false
    }
}
