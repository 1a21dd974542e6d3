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

/// A program without any sign of life for so long is stuck, unless the site says otherwise.
const STALL: Duration = Duration::from_secs(300);
/// A program that is asked for its version answers at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes that a pipe of Linux holds (pipe(7)).
const PIPE: usize = 64 << 10;
/// A log is read so often: ffmpeg writes several lines for each frame, one at a time, and to wake for each of them
/// would take more time than to read it.
const BREATH: Duration = Duration::from_millis(20);
/// Lines of a log that go into an error.
const TAIL: usize = 12;
/// What a program says when a disk is full.
const NO_SPACE: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// What a program left.
#[derive(Debug, Default)]
pub struct Finished {
    /// Standard output, for programs whose answer it is.
    pub stdout: String,
    /// Presentation times of decoded frames, as `showinfo` told them.
    pub shown: Vec<i64>,
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
pub async fn run(command: &Command, follow: Follow) -> Result<Finished, TaskError> {
    run_lines(command, follow, None).await
}

/// As [`run`], with each line of standard output given to `on_line` instead of being kept.
pub async fn run_lines(
    command: &Command,
    follow: Follow,
    on_line: Option<&mut (dyn FnMut(&str) + Send)>,
) -> Result<Finished, TaskError> {
    announce(command);
    let mut process = program(command.program);
    if command.program == Program::Ffmpeg {
        process.args(["-nostats", "-progress", "pipe:1", "-loglevel", "repeat+level+info"]);
        if follow.damage {
            process.arg("-debug_ts");
        }
    }
    process.args(&command.args).env("SVT_LOG", "1").env("AV_LOG_FORCE_NOCOLOR", "1");
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = process.spawn().map_err(|e| not_started(command.program, &e))?;
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
    match status.success() && !log.has(&NO_SPACE) {
        true => Ok(output.finished),
        false => Err(log.failure(command.program, status)),
    }
}

/// A short answer of a program, such as its version.
pub async fn ask(program: Program, args: &[&str]) -> Result<String, TaskError> {
    let mut process = self::program(program);
    process.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let asked = format!("{} {}", program.name(), args.join(" "));
    let answer = tokio::time::timeout(PATIENCE, process.output()).await;
    let answer = answer.map_err(|_| {
        TaskError::new(Failure::Misconfigured, format!("{asked} gave no answer in {} s", PATIENCE.as_secs()))
    })?;
    let answer = answer.map_err(|e| not_started(program, &e))?;
    if !answer.status.success() {
        let words = String::from_utf8_lossy(&answer.stderr);
        let words = words.trim().lines().last().unwrap_or("it said nothing");
        let how = format!("{asked} ended with {}: {words}; install ffmpeg again", answer.status);
        return Err(TaskError::new(Failure::Misconfigured, how));
    }
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

/// A program with the few variables that it needs: not the runner's credentials, and no proxy, which
/// would get between it and the loopback server.
fn program(program: Program) -> Process {
    const KEPT: [&str; 6] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LANG", "LC_ALL"];
    let mut process = Process::new(program.name());
    process.env_clear().envs(KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
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
        std::io::ErrorKind::PermissionDenied => {
            TaskError::new(Failure::Misconfigured, format!("{name} can't be started: {error}; make it executable"))
        }
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

/// The lines of a log that matter.
///
/// ffmpeg ends a line in a message of its own now and then, as `showinfo` and the list of streams do. Since it has
/// threads, from 7 on, the message of another may come first: it then stands in the same line, without its tag.
#[derive(Default)]
struct Log {
    tail: std::collections::VecDeque<String>,
    /// The decoder called the frame corrupt whose time it tells next. Filters have threads of their own since
    /// ffmpeg 7: what `showinfo` tells next is an earlier frame.
    corrupt: bool,
    /// The frame that `showinfo` told last has captions.
    captioned: bool,
    /// The first errors.
    errors: Vec<String>,
}

impl Log {
    fn has(&self, words: &[&str]) -> bool {
        self.tail.iter().any(|line| words.iter().any(|words| line.contains(words)))
    }

    fn line(&mut self, line: &str, finished: &mut Finished) {
        let shown = shown_pts(line);
        finished.shown.extend(shown);
        // ffmpeg 5.1; 7 and later.
        let captions = ["A/53 closed captions", "ATSC A53 Part 4 Closed Captions"];
        self.captioned &= shown.is_none();
        if captions.iter().any(|words| line.contains(words)) && !std::mem::replace(&mut self.captioned, true) {
            finished.captioned.extend(finished.shown.last());
        }
        if let Some((_, frame)) = line.split_once("decoder -> ")
            && std::mem::take(&mut self.corrupt)
        {
            finished.damaged.extend(decoded_pts(frame));
        }
        self.corrupt |= line.contains("corrupt decoded frame");
        // ffmpeg 5 and 6; 7 and later.
        let undecodable = ["Error while decoding stream", "Error submitting packet to decoder", "Decoding error:"];
        finished.undecodable += u32::from(undecodable.iter().any(|words| line.contains(words)));
        // ffprobe logs nothing but errors; ffmpeg tags each line with its level.
        if shown.is_some() || line.contains("Parsed_showinfo") {
            return;
        }
        let matters = ["[error]", "[fatal]", "[panic]", "[warning]"].iter().any(|level| line.contains(level));
        let tagged = line.contains("[info]")
            || line.contains("[verbose]")
            || line.starts_with("Svt[info]")
            || line.trim().is_empty();
        if matters || !tagged {
            tracing::warn!("{line}");
            let line: String = line.chars().take(300).collect();
            let error = line.contains("[error]") || line.contains("[fatal]");
            // What goes to the null muxer counts in its own, coarser ticks: that is no fault of the media.
            if error && !line.contains("to muxer in stream") && self.errors.len() < TAIL {
                self.errors.push(line.clone());
            }
            if self.tail.len() == TAIL {
                self.tail.pop_front();
            }
            self.tail.push_back(line);
        }
    }

    fn failure(self, program: Program, status: std::process::ExitStatus) -> TaskError {
        use std::os::unix::process::ExitStatusExt;
        if let Some(format) = self.tail.iter().find_map(|line| refused_format(line)) {
            return TaskError::bad_input(format!(
                "the source is of the format {format}, which is not taken: playlists, scripts and animated pictures are not, containers with video and audio are"
            ));
        }
        let has = |words: &[&str]| self.has(words);
        let failure = match status.signal() {
            // Nothing here sends SIGKILL to a program that is waited for: it was the kernel.
            Some(9) => Failure::OutOfMemory,
            // However bad the source is, it is ffmpeg that crashed.
            Some(_) => Failure::Transient,
            _ if has(&NO_SPACE) => Failure::NoSpace,
            // A header that claims more than there is, of bytes or of memory.
            _ if has(&["error reading header", "exceeds containing master element"]) => Failure::BadInput,
            _ if has(&["Cannot allocate memory"]) => Failure::OutOfMemory,
            _ if has(&["Unknown encoder", "Unrecognized option", "No such filter"]) => Failure::Misconfigured,
            _ if has(&[
                "Invalid data found when processing input",
                "moov atom not found",
                "Not detecting",
                "matches no streams",
            ]) =>
            {
                Failure::BadInput
            }
            _ => Failure::Transient,
        };
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exited with {code}"),
            (_, Some(signal)) => format!("was ended by signal {signal}"),
            _ => "ended strangely".into(),
        };
        let lines = match self.tail.is_empty() {
            true => "it said nothing".into(),
            false => Vec::from(self.tail).join("\n"),
        };
        TaskError::new(failure, format!("{} {how}:\n{lines}", program.name()))
    }
}

/// `[gif @ 0x…] Format not on whitelist 'mov,…'` to `gif`.
fn refused_format(line: &str) -> Option<&str> {
    line.contains("Format not on whitelist").then(|| line.strip_prefix('[')?.split_whitespace().next())?
}

/// `[Parsed_showinfo_0 @ 0x…] [info] n:   3 pts:   3003 pts_time:…` to 3003.
fn shown_pts(line: &str) -> Option<i64> {
    let (before, rest) = line.split_once(" pts:")?;
    let (_, count) = before.rsplit_once("n:")?;
    count.trim().parse::<u64>().ok()?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What `-debug_ts` tells of a frame that the decoder gives away, behind `decoder -> `: `ist_index:0 type:video frame_pts:3003 …` of ffmpeg 5 and 6, `pts:3003 …` of later ones, to 3003.
fn decoded_pts(frame: &str) -> Option<i64> {
    let pts = |word: &str| word.strip_prefix("frame_").unwrap_or(word).strip_prefix("pts:")?.parse().ok();
    frame.split_whitespace().find_map(pts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_is_not_taken_is_named() {
        let mut log = Log::default();
        log.line("[gif @ 0x55e871747240] Format not on whitelist 'mov,mp4'", &mut Finished::default());
        log.line("clip.gif: Invalid argument", &mut Finished::default());
        let status = std::os::unix::process::ExitStatusExt::from_raw(256);
        let error = log.failure(Program::Ffprobe, status);
        assert_eq!(error.failure, Failure::BadInput);
        assert!(error.message.starts_with("the source is of the format gif,"), "{}", error.message);
    }

    fn read(lines: &[&str]) -> Finished {
        let (mut log, mut finished) = (Log::default(), Finished::default());
        lines.iter().for_each(|line| log.line(line, &mut finished));
        finished
    }

    #[test]
    fn damage_is_of_the_frame_that_the_decoder_gives_next() {
        let of_5 = read(&[
            "[info] decoder -> ist_index:0 type:video frame_pts:0 frame_pts_time:0 best_effort_ts:0 keyframe:1",
            "[Parsed_showinfo_0 @ 0x1] [info] n:   0 pts:      0 pts_time:0",
            "[h264 @ 0x1] [error] error while decoding MB 14 11, bytestream -7",
            "[warning] out.mp4: corrupt decoded frame in stream 0",
            "[info] decoder -> ist_index:0 type:video frame_pts:512 frame_pts_time:0.04 best_effort_ts:512 keyframe:0",
            "[Parsed_showinfo_0 @ 0x1] [info] n:   1 pts:    512 pts_time:0.04",
        ]);
        assert_eq!((of_5.shown, of_5.damaged), (vec![0, 512], vec![512]));
        // Filters are behind.
        let of_7 = read(&[
            "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [info] decoder -> pts:0 pts_time:0 pkt_dts:0 keyframe:1",
            "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [warning] corrupt decoded frame",
            "[Parsed_showinfo_0 @ 0x3] [info] n:   0 pts:      0 pts_time:0       duration:    512",
            "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [info] decoder -> pts:512 pts_time:0.04 pkt_dts:512 keyframe:0",
            "[Parsed_showinfo_0 @ 0x3] [info] n:   1 pts:    512 pts_time:0.04    duration:    512",
        ]);
        assert_eq!((of_7.shown, of_7.damaged), (vec![0, 512], vec![512]));
    }

    #[test]
    fn messages_that_share_a_line_are_all_heard() {
        let finished = read(&[
            "  Stream #0:0n:   0 pts:      0 pts_time:0       duration:    512 type:I ",
            "[Parsed_showinfo_0 @ 0x3] [info] n:   1 pts:    512 pts_time:0.04    type:P corrupt decoded frame",
            "",
            "[Parsed_showinfo_0 @ 0x3] [info] n:   2 pts:   1024 pts_time:0.08    type:P decoder -> pts:1536 pts_time:0.12",
        ]);
        assert_eq!((finished.shown, finished.damaged), (vec![0, 512, 1024], vec![1536]));
    }

    #[test]
    fn packets_that_no_decoder_takes_are_counted() {
        let finished = read(&[
            "[error] Error while decoding stream #0:1: Invalid data found when processing input",
            "[aist#0:1/aac @ 0x1] [dec:aac @ 0x2] [error] Error submitting packet to decoder: Invalid data found",
            "[aist#0:1/aac @ 0x1] [dec:aac @ 0x2] [error] Decoding error: Invalid data found when processing input",
        ]);
        assert_eq!(finished.undecodable, 3);
    }

    #[test]
    fn a_full_disk_is_told_from_a_bad_source() {
        let failure = |line: &str| {
            let mut log = Log::default();
            log.line(line, &mut Finished::default());
            log.failure(Program::Ffmpeg, std::os::unix::process::ExitStatusExt::from_raw(256)).failure
        };
        assert_eq!(failure("[error] Error closing file a.mp4: No space left on device"), Failure::NoSpace);
        assert_eq!(failure("[mov @ 0x1] [error] error reading header"), Failure::BadInput);
    }

    #[test]
    fn showinfo_is_read() {
        let line =
            "[Parsed_showinfo_0 @ 0x5628b41a8140] [info] n:   3 pts:   3003 pts_time:0.1001  pos:     8195 fmt:yuv420p";
        assert_eq!(shown_pts(line), Some(3003));
        assert_eq!(shown_pts("[Parsed_showinfo_0 @ 0x1] [info] color_range:unknown"), None);
        assert_eq!(shown_pts("[Parsed_showinfo_0 @ 0x1] [info] n:   0 pts:-512 pts_time:-0.04"), Some(-512));
    }
}
