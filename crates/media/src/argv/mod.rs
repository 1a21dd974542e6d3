//! What ffmpeg and ffprobe are asked to do: pure builders from typed parameters to arguments.
//!
//! Arguments are for ffmpeg 5.1 and later. Only what the runner must add to every run (progress,
//! log level) is not here, so that what `plan` prints can be pasted into a shell.

pub mod audio;
mod encoder;
pub mod filters;
pub mod probe;
pub mod thumbnail;
pub mod verify;
pub mod video;

use std::fmt;

use crate::{
    probe::{FrameTimes, MediaInfo, VideoStream},
    time::{MediaTime, Timescale, decimal_seconds},
};

/// A program of the ffmpeg suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `ffmpeg`
    Ffmpeg,
    /// `ffprobe`
    Ffprobe,
}

impl Program {
    /// Name of the executable.
    pub fn name(self) -> &'static str {
        match self {
            Program::Ffmpeg => "ffmpeg",
            Program::Ffprobe => "ffprobe",
        }
    }
}

/// A program with its arguments. Displays as a line that a POSIX shell runs as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Which program.
    pub program: Program,
    /// Its arguments, unquoted.
    pub args: Vec<String>,
}

impl Command {
    fn new(program: Program) -> Self {
        let mut command = Command { program, args: vec![] };
        command.push(["-hide_banner"]);
        if program == Program::Ffmpeg {
            // Outputs are the task's own files: a left-over of a killed attempt is overwritten.
            command.push(["-nostdin", "-y"]);
        }
        command
    }

    fn push<S: Into<String>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Decoding begins at the random access point before this time of the source.
    fn seek(&mut self, to: Option<MediaTime>) {
        if let Some(to) = to {
            // Rounded up: a target just before the keyframe would land on the one before it.
            let micros = Timescale(1_000_000);
            let to = micros.time(micros.ceil(to));
            self.option("seek_timestamp", 1).push(["-noaccurate_seek"]).option("ss", decimal_seconds(to));
        }
    }

    /// `-name value`
    fn option(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.push([format!("-{name}"), value.to_string()])
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program.name())?;
        for arg in &self.args {
            write!(f, " {}", shell_quoted(arg))?;
        }
        Ok(())
    }
}

/// Quotes a word for a POSIX shell; words that need no quotes stay as they are. A NUL byte, which no
/// argument can have, is left out.
pub fn shell_quoted(word: &str) -> String {
    let word = word.replace('\0', "");
    shlex::try_quote(&word).map(|quoted| quoted.into_owned()).unwrap_or_default()
}

/// ffmpeg's name of the demuxer of transport streams (ISO/IEC 13818-1).
pub const TRANSPORT_STREAM: &str = "mpegts";

/// Where ffmpeg reads a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUrl {
    /// URL or path.
    pub url: String,
    /// Protocols that opening it may use; nothing inside the source can name others.
    pub protocols: &'static str,
    /// Its container lacks presentation times, and ffmpeg makes them up from decode times: the same ones
    /// wherever it begins to read.
    pub generate_times: bool,
}

impl SourceUrl {
    /// A URL of the runner's own range server.
    pub fn loopback(url: String) -> Self {
        SourceUrl { url, protocols: "http,tcp", generate_times: false }
    }

    /// What a person can paste: a path, or a URL as it is in the spec.
    pub fn pasteable(url: String) -> Self {
        let protocols = if url.starts_with("http") { "https,http,tls,tcp" } else { "file" };
        SourceUrl { url, protocols, generate_times: false }
    }

    /// The same, read as the probe found that it has to be.
    pub fn read_as(self, info: &MediaInfo) -> Self {
        SourceUrl { generate_times: info.generated_times, ..self }
    }

    /// The input for a command of ffmpeg that decodes the video and nothing else.
    fn video(&self, command: &mut Command, container: &str, stream: &VideoStream) {
        reorder(command, stream);
        if let FrameTimes::Late(ticks) = stream.times {
            command.option("itsoffset", decimal_seconds(MediaTime::ZERO - stream.timebase.time(ticks)));
        }
        // Cropped by a filter, so that every ffmpeg does it alike.
        if stream.container_crop.is_some_and(|crop| crop.by_ffmpeg) {
            command.option("apply_cropping", "codec");
        }
        self.input(command, container);
    }

    /// `-protocol_whitelist … -f demuxer -i url`. The demuxer is the one that the probe found, so a
    /// source can't turn into a playlist later.
    fn input(&self, command: &mut Command, container: &str) {
        command.option("protocol_whitelist", self.protocols);
        if self.generate_times {
            command.option("fflags", "+genpts");
        }
        if let Some(demuxer) = container.split(',').next().filter(|d| !d.is_empty()) {
            command.option("f", demuxer);
        }
        command.option("i", &self.url);
    }
}

/// H.264 that does not say how far its frames are reordered may do so as far as its level allows (ITU-T H.264 E.2.1,
/// `max_num_reorder_frames`). ffmpeg goes by what it has met unless it is strict, and loses a frame whenever it meets more.
fn reorder(command: &mut Command, stream: &VideoStream) {
    if stream.codec == "h264" && stream.times != FrameTimes::Decode {
        command.option("strict:v", "strict");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted() {
        let mut command = Command::new(Program::Ffmpeg);
        command.option("i", "it's a $file; rm -rf *.mp4").option("crf", 23);
        let words = shlex::split(&command.to_string()).unwrap();
        assert_eq!(words[1..], command.args);
    }
}
