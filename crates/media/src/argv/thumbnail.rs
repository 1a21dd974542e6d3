//! One picture of the source.

use std::path::Path;

use transcode_api::{Box2, ImageFormat};

use super::{
    Command, Program, SourceUrl,
    filters::{Filters, container_crop, rotate, tone_map},
};
use crate::{
    probe::VideoStream,
    time::{MediaTime, decimal_seconds},
};

/// Finds the most representative frame of the first minute: a picture a second, small, compared by
/// ffmpeg's `thumbnail` filter. `showinfo` tells its time.
pub fn choose(source: &SourceUrl, container: &str, stream: &VideoStream) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    command.push(["-copyts", "-noautorotate"]).option("t", 60);
    source.video(&mut command, container, stream);
    let graph = format!(
        "[0:{}]select='isnan(prev_selected_t)+gte(t-prev_selected_t\\,1)',scale=160:-2,thumbnail=60,showinfo=checksum=0[v]",
        stream.index
    );
    command.option("filter_complex", graph).option("map", "[v]").option("frames:v", 1);
    command.option("f", "null").push(["-"]);
    command
}

/// A picture to draw.
#[derive(Debug, Clone, Copy)]
pub struct DrawTask<'a> {
    /// The source.
    pub source: &'a SourceUrl,
    /// Demuxers as ffprobe named them.
    pub container: &'a str,
    /// The stream.
    pub stream: &'a VideoStream,
    /// What is done to its pictures.
    pub filters: &'a Filters,
    /// The frame that is shown then, source time.
    pub at: MediaTime,
    /// The picture fits in it.
    pub within: Option<Box2>,
    /// Format of the file.
    pub format: ImageFormat,
    /// The file.
    pub path: &'a Path,
}

/// Draws one frame, in BT.709.
pub fn draw(task: &DrawTask<'_>) -> Command {
    let DrawTask { stream, .. } = task;
    let mut command = Command::new(Program::Ffmpeg);
    command.push(["-noautorotate"]);
    command.option("seek_timestamp", 1).option("ss", decimal_seconds(task.at));
    task.source.video(&mut command, task.container, stream);
    let mut filters = vec![];
    filters.extend(task.filters.deinterlace(stream));
    filters.extend(container_crop(stream));
    filters.extend(rotate(stream).map(str::to_string));
    filters.extend(task.filters.upright());
    // Pictures have square pixels.
    filters.push("scale='trunc(iw*max(1\\,sar)/2)*2':'trunc(ih/min(1\\,sar)/2)*2',setsar=1".to_string());
    if let Some(Box2 { width, height }) = task.within {
        filters.push(format!("scale='min(iw\\,{width})':'min(ih\\,{height})':force_original_aspect_ratio=decrease"));
    }
    if stream.colour.is_hdr() {
        filters.push(format!("format=yuv420p10le,{}", tone_map(stream)));
    }
    let graph = format!("[0:{}]{}[v]", stream.index, filters.join(","));
    command.option("filter_complex", graph).option("map", "[v]").option("frames:v", 1);
    match task.format {
        ImageFormat::Jpeg => command.option("c:v", "mjpeg").option("q:v", 3).option("pix_fmt", "yuvj420p"),
        ImageFormat::Png => command.option("c:v", "png"),
        ImageFormat::Webp => command.option("c:v", "libwebp").option("quality", 85),
    };
    command.option("f", "image2").option("update", 1).push([task.path.display().to_string()]);
    command
}
