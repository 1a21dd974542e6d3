//! One picture of the source.

use std::path::Path;

use transcode_api::{Box2, ImageFormat};

use super::{Command, Program, SourceUrl};
use crate::{
    probe::VideoStream,
    time::{MediaTime, decimal_seconds},
};

/// Finds the most representative frame of the first minute: a picture a second, small, compared by
/// ffmpeg's `thumbnail` filter. `showinfo` tells its time.
pub fn choose(source: &SourceUrl, container: &str, stream: &VideoStream) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    command.push(["-copyts", "-noautorotate"]).option("t", 60);
    source.input(&mut command, container);
    let graph = format!(
        "[0:{}]select='isnan(prev_selected_t)+gte(t-prev_selected_t\\,1)',scale=160:-2,thumbnail=60,showinfo=checksum=0[v]",
        stream.index
    );
    command.option("filter_complex", graph).option("map", "[v]").option("frames:v", 1);
    command.option("f", "null").push(["-"]);
    command
}

/// Draws the frame that is shown at `at` (source time).
pub fn draw(
    source: &SourceUrl,
    container: &str,
    stream: &VideoStream,
    at: MediaTime,
    within: Option<Box2>,
    format: ImageFormat,
    path: &Path,
) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    command.push(["-noautorotate"]);
    command.option("seek_timestamp", 1).option("ss", decimal_seconds(at));
    source.input(&mut command, container);
    let mut filters = vec![];
    match stream.rotation {
        90 => filters.push("transpose=clock".to_string()),
        180 => filters.push("hflip,vflip".to_string()),
        270 => filters.push("transpose=cclock".to_string()),
        _ => {}
    }
    // Pictures have square pixels.
    filters.push("scale='trunc(iw*max(1\\,sar)/2)*2':'trunc(ih/min(1\\,sar)/2)*2',setsar=1".to_string());
    if let Some(Box2 { width, height }) = within {
        filters.push(format!("scale='min(iw\\,{width})':'min(ih\\,{height})':force_original_aspect_ratio=decrease"));
    }
    let graph = format!("[0:{}]{}[v]", stream.index, filters.join(","));
    command.option("filter_complex", graph).option("map", "[v]").option("frames:v", 1);
    match format {
        ImageFormat::Jpeg => command.option("c:v", "mjpeg").option("q:v", 3).option("pix_fmt", "yuvj420p"),
        ImageFormat::Png => command.option("c:v", "png"),
        ImageFormat::Webp => command.option("c:v", "libwebp").option("quality", 85),
    };
    command.option("f", "image2").option("update", 1).push([path.display().to_string()]);
    command
}
