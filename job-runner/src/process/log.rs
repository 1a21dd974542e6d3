//! What ffmpeg and ffprobe say on standard error.

use transcode_engine::Failure;
use transcode_media::argv::Program;

use super::Finished;
use crate::error::TaskError;

/// Lines of a log that go into an error.
const TAIL: usize = 12;
/// What the parser of H.264 says of a packet without a picture …
const NO_PICTURE: &str = "missing picture in access unit";
/// … and its decoder, which says more where a picture is damaged.
const NO_FRAME: &str = "no frame!";
/// What a program says when a disk is full.
const NO_SPACE: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// What to do about sound that changes midway, when it is not encoded.
pub const CHANGES: &str = "sound that changes its sample rate or its channels midway can't be passed through, because no MP4 can say so: encode it, say with audio.encode.aac";

/// The lines of a log that matter.
///
/// ffmpeg ends a line in a message of its own now and then, as `showinfo` and the list of streams do. Since it has
/// threads, from 7 on, the message of another may come first: it then stands in the same line, without its tag.
#[derive(Default)]
pub(super) struct Log {
    tail: std::collections::VecDeque<String>,
    /// The decoder called the frame corrupt whose time it tells next. Filters have threads of their own since
    /// ffmpeg 7: what `showinfo` tells next is an earlier frame.
    corrupt: bool,
    /// The frame that `showinfo` told last has captions.
    captioned: bool,
    /// The decoder met a packet without a picture: what it says next is that it did not take it.
    pictureless: bool,
    /// The first errors.
    pub(super) errors: Vec<String>,
}

impl Log {
    /// A muxer of ffmpeg 5.1 may end well all the same.
    pub(super) fn tells_of_a_full_disk(&self) -> bool {
        self.has(&NO_SPACE)
    }

    fn has(&self, words: &[&str]) -> bool {
        self.tail.iter().any(|line| words.iter().any(|words| line.contains(words)))
    }

    pub(super) fn line(&mut self, line: &str, finished: &mut Finished) {
        let shown = shown_pts(line);
        finished.shown.extend(shown);
        finished.interlaced.extend(shown.filter(|_| line.contains(" i:T ") || line.contains(" i:B ")));
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
        let undecodable = undecodable.iter().any(|words| line.contains(words));
        finished.undecodable += u32::from(undecodable);
        finished.pictureless += u32::from(line.contains(NO_PICTURE));
        self.pictureless |= line.contains(NO_FRAME);
        let told = undecodable && std::mem::take(&mut self.pictureless);
        let harmless = told || line.contains(NO_PICTURE) || line.contains(NO_FRAME);
        // SVT-AV1 writes by itself, into the middle of a line too.
        let line = line.find("Svt[").and_then(|at| line.get(at..)).unwrap_or(line);
        // ffprobe logs nothing but errors; ffmpeg tags each line with its level.
        if !line.starts_with("Svt[") && (shown.is_some() || line.contains("Parsed_showinfo")) {
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
            if error && !harmless && !line.contains("to muxer in stream") && self.errors.len() < TAIL {
                self.errors.push(line.clone());
            }
            if self.tail.len() == TAIL {
                self.tail.pop_front();
            }
            self.tail.push_back(line);
        }
    }

    pub(super) fn failure(self, program: Program, status: std::process::ExitStatus) -> TaskError {
        use std::os::unix::process::ExitStatusExt;
        if let Some(format) = self.tail.iter().find_map(|line| refused_format(line)) {
            return TaskError::bad_input(format!(
                "the source is of the format {format}, which is not taken: containers with video or sound are; playlists, scripts, subtitles and pictures are not"
            ));
        }
        let has = |words: &[&str]| self.has(words);
        let failure = match status.signal() {
            // Nothing here sends SIGKILL to a program that is waited for: it was the kernel.
            Some(9) => Failure::OutOfMemory,
            // However bad the source is, it is ffmpeg that crashed.
            Some(_) => Failure::Transient,
            _ if has(&NO_SPACE) => Failure::NoSpace,
            // What `-reinit_filter 0` makes of it.
            _ if has(&["Changing audio frame properties on the fly"]) => {
                return TaskError::bad_input(CHANGES);
            }
            // A header that claims more than there is, of bytes or of memory.
            _ if has(&["error reading header", "exceeds containing master element"]) => Failure::BadInput,
            _ if has(&["Cannot allocate memory"]) => Failure::OutOfMemory,
            _ if has(&["Unknown encoder", "Unrecognized option", "No such filter", "Error while opening encoder"]) => {
                Failure::Misconfigured
            }
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
            (_, Some(signal)) => format!("was killed by signal {signal}"),
            _ => "ended without an exit code".into(),
        };
        let how = match program {
            // Whoever names a text as the source has not asked for ffprobe.
            Program::Ffprobe if has(&["moov atom not found"]) => {
                "found no index (moov): this is no MP4, or one that was cut or never finished".into()
            }
            Program::Ffprobe if failure == Failure::BadInput => "can't read this as video or sound".into(),
            _ => how,
        };
        let name = program.name();
        let message = match (self.cause(), Vec::from(self.tail)) {
            (None, _) => format!("{name} {how} and wrote nothing to its log"),
            (Some(cause), lines) if lines.len() < 2 => format!("{name} {how}: {cause}"),
            (Some(cause), lines) => format!("{name} {how}: {cause}\n{}", lines.join("\n")),
        };
        TaskError::new(failure, message)
    }

    /// The line that says why, for places that have room for one: an encoder's own words, which come before ffmpeg's
    /// own conclusions, else the first error of the last lines, else the last line.
    fn cause(&self) -> Option<String> {
        const ENCODERS: [&str; 5] = ["Svt[error]", "x265 [error]", "[libx264 @", "[libx265 @", "[libvpx-vp9 @"];
        let error = |line: &&String| line.contains("[error]") || line.contains("[fatal]");
        let encoder = |line: &&String| ENCODERS.iter().any(|name| line.starts_with(name));
        let all = || self.errors.iter().chain(&self.tail).filter(error);
        let first = all().find(encoder).or_else(|| self.tail.iter().find(error)).or(self.tail.back())?;
        Some(words(first))
    }
}

/// `[libx264 @ 0x55…] [error] Nothing` to `libx264: Nothing`.
fn words(line: &str) -> String {
    let line = line.replace("[error] ", "").replace("[fatal] ", "");
    let Some((name, rest)) = line.strip_prefix('[').and_then(|line| line.split_once("] ")) else { return line };
    format!("{}: {rest}", name.split(" @ ").next().unwrap_or(name))
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
    fn interlaced_pictures_are_found() {
        let finished = read(&[
            "[Parsed_showinfo_0 @ 0x1] [info] n:   0 pts:      0 pts_time:0 pos:   48 fmt:yuv420p sar:1/1 s:320x180 i:P iskey:1 type:I ",
            "[Parsed_showinfo_0 @ 0x1] [info] n:   1 pts:    512 pts_time:0.04 duration: 512 fmt:yuv420p cl:left sar:1/1 s:320x180 i:T iskey:0 type:B ",
            "[Parsed_showinfo_0 @ 0x1] [info] n:   2 pts:   1024 pts_time:0.08 duration: 512 fmt:yuv420p cl:left sar:1/1 s:320x180 i:B iskey:0 type:B ",
        ]);
        assert_eq!((finished.shown, finished.interlaced), (vec![0, 512, 1024], vec![512, 1024]));
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
    fn packets_without_a_picture_are_no_errors() {
        let said = [
            "[h264 @ 0x2] [error] missing picture in access unit with size 350",
            "[h264 @ 0x1] [error] no frame!",
            "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x3] [error] Error submitting packet to decoder: Invalid data found",
        ];
        let (mut log, mut finished) = (Log::default(), Finished::default());
        said.iter().for_each(|line| log.line(line, &mut finished));
        assert_eq!((finished.pictureless, log.errors.len()), (1, 0));
        // One that is damaged is.
        let said = ["[h264 @ 0x1] [error] decode_slice_header error", said[1], said[2], said[2]];
        said.iter().for_each(|line| log.line(line, &mut finished));
        assert_eq!(log.errors, [said[0], said[2]]);
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
    fn the_first_line_of_a_failure_says_why() {
        let message = |lines: &[&str]| {
            let mut log = Log::default();
            lines.iter().for_each(|line| log.line(line, &mut Finished::default()));
            log.failure(Program::Ffmpeg, std::os::unix::process::ExitStatusExt::from_raw(256))
        };
        let svt = message(&[
            "[Parsed_showinfo_0 @ 0x1] [info] n:   0 pts:      0 Svt[error]: Instance 1: The maximum allowed frame rate is 240 fps",
            "[libsvtav1 @ 0x1] [error] Error setting encoder parameters: bad parameter (0x80001005)",
            "[error] Error initializing output stream 0:0 -- Error while opening encoder for output stream #0:0",
        ]);
        assert_eq!(svt.failure, Failure::Misconfigured);
        let first = "ffmpeg exited with 1: Svt[error]: Instance 1: The maximum allowed frame rate is 240 fps\n";
        assert!(svt.message.starts_with(first), "{}", svt.message);
        let x264 = message(&["[h264 @ 0x1] [error] no frame!", "[libx264 @ 0x2] [error] baseline profile doesn't"]);
        assert!(x264.message.starts_with("ffmpeg exited with 1: libx264: baseline profile doesn't\n"));
        let untagged = message(&["ffmpeg: error while loading shared libraries: libx264.so.164"]);
        assert!(untagged.message.ends_with("1: ffmpeg: error while loading shared libraries: libx264.so.164"));
        assert_eq!(message(&[]).message, "ffmpeg exited with 1 and wrote nothing to its log");
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
