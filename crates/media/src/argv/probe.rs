//! Probing: streams first, then every packet.

use super::{Command, Program, SourceUrl, decimal_seconds, reorder};
use crate::{
    probe::{AudioStream, MediaInfo, VideoStream},
    time::MediaTime,
};

/// Demuxers that a source may be. Playlists, scripts and devices are not among them: those open
/// other files and hosts.
pub const DEMUXERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,live_flv,asf,\
ogg,wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,dts,amr,mxf,gxf,nut,ivf,obu,h264,hevc,m4v,yuv4mpegpipe,dv,rm,wtv";

/// How much of a source is read for what its streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Analysis {
    /// ffmpeg's own measure: 5 MB, and 5 to 7 seconds.
    Usual,
    /// Two minutes, or 200 MB: for streams that begin late.
    Patient,
}

impl Analysis {
    fn ask(self, command: &mut Command) {
        if self == Analysis::Patient {
            command.option("probesize", 200_000_000).option("analyzeduration", 120_000_000);
        }
    }
}

/// Format, streams and programs, as JSON on standard output.
pub fn streams(source: &SourceUrl, analysis: Analysis) -> Command {
    let mut command = Command::new(Program::Ffprobe);
    command.option("v", "error");
    analysis.ask(&mut command);
    command.option("protocol_whitelist", source.protocols).option("format_whitelist", DEMUXERS);
    command.push(["-show_format", "-show_programs", "-show_streams"]).option("of", "json").option("i", &source.url);
    command
}

/// Frames that are looked at for what only frames say; enough for the soft telecine of two GOPs.
pub const FIRST_FRAMES: u32 = 48;

/// The first frames of the video, for [`crate::probe::look`].
pub fn first_frames(source: &SourceUrl, info: &MediaInfo, stream: &VideoStream) -> Command {
    let mut command = Command::new(Program::Ffprobe);
    command.option("v", "error").option("select_streams", stream.index);
    command.option("read_intervals", format!("%+#{FIRST_FRAMES}")).push(["-show_frames"]);
    command
        .option("show_entries", "frame=best_effort_timestamp,interlaced_frame,top_field_first,side_data_list")
        .option("of", "json");
    reorder(&mut command, stream);
    source.input(&mut command, &info.container);
    command
}

/// Every packet, a line each, as [`crate::index::PacketRow::parse`] reads it.
pub fn packets(source: &SourceUrl, info: &MediaInfo, analysis: Analysis) -> Command {
    let mut command = Command::new(Program::Ffprobe);
    command.option("v", "level+error");
    analysis.ask(&mut command);
    let entries = "packet=stream_index,pts,dts,duration,pos,size,flags:packet_side_data=side_data_type";
    command.option("show_entries", entries).option("of", "compact=p=0");
    source.input(&mut command, &info.container);
    command
}

/// Decoded frames of a sound from `seek` on, a line each, for [`crate::index::AudioSpan::end`].
pub fn last_sound(source: &SourceUrl, container: &str, stream: &AudioStream, seek: MediaTime) -> Command {
    let mut command = Command::new(Program::Ffprobe);
    command.option("v", "error").option("select_streams", stream.index);
    command.option("read_intervals", format!("{}%", decimal_seconds(seek))).push(["-show_frames"]);
    command.option("show_entries", "frame=pts,nb_samples").option("of", "compact=p=0");
    source.input(&mut command, container);
    command
}

/// Decodes the video from `seek` on up to `until` in its ticks; `showinfo` lists the frames, one after `until` among them
/// where there is one. `None` is the beginning, `i64::MAX` the end.
pub fn frames(
    source: &SourceUrl,
    container: &str,
    stream: &VideoStream,
    seek: Option<MediaTime>,
    until: i64,
) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    command.push(["-copyts", "-noautorotate"]).option("threads", 1);
    command.seek(seek);
    source.video(&mut command, container, stream);
    let trim = match until {
        i64::MAX => String::new(),
        until => format!(",trim=end_pts={}", until.saturating_add(1)),
    };
    let graph = format!("[0:{}]showinfo=checksum=0{trim}[v]", stream.index);
    command.option("filter_complex", graph).option("map", "[v]").option("fps_mode", "passthrough");
    command.option("f", "null").push(["-"]);
    command
}
