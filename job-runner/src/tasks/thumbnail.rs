//! Thumbnail: one picture of the source.

use bytes::Bytes;
use transcode_contract::{ThumbnailResult, VERSION};
use transcode_engine::{Failure, commands, layout};
use transcode_media::time::MediaTime;

use crate::{context::Context, error::TaskError, process::Follow, source::OpenSource};

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let (layout, media) = (context.layout()?, context.media()?);
    let result_key = layout.result(&context.task.stage);
    if let Some(known) = context.get_json::<ThumbnailResult>(&result_key).await?
        && context.store.head(&known.file.path).await?.is_some()
    {
        return Ok(());
    }
    let wanted = context.task.spec.thumbnail.as_ref().ok_or_else(nothing)?;
    let source = OpenSource::open(context).await?;
    let at = moment(context, &source).await?;
    let extension = wanted.format.extension();
    let path = context.scratch.join(format!("thumbnail.{extension}"));
    let command = commands::draw_thumbnail(&context.task.spec, media, &source.url(), at, &path).ok_or_else(nothing)?;
    source.run(&command, Follow::default()).await?;
    let picture = tokio::fs::read(&path).await.map_err(|e| TaskError::scratch(&path, &e))?;
    if picture.is_empty() {
        return Err(TaskError::transient("ffmpeg wrote an empty picture"));
    }
    let file = context.put(&layout.thumbnail(extension), Bytes::from(picture)).await?;
    let publish_as = layout::published_thumbnail(extension);
    let ran = Some(context.run_so_far());
    context.put_result(&result_key, &ThumbnailResult { version: VERSION, file, publish_as, ran }).await
}

/// The moment in source time.
async fn moment(context: &Context, source: &OpenSource) -> Result<MediaTime, TaskError> {
    let media = context.media()?;
    if let Some(at) = commands::thumbnail_time(&context.task.spec, media) {
        return Ok(at);
    }
    let command = commands::choose_thumbnail(media, &source.url()).ok_or_else(nothing)?;
    let shown = source.run(&command, Follow::default()).await?.shown;
    let timebase = media.info.video.as_ref().map(|v| v.timebase);
    Ok(timebase.zip(shown.first()).map_or(media.origin, |(timebase, pts)| timebase.time(*pts)))
}

fn nothing() -> TaskError {
    TaskError::new(Failure::Misconfigured, "there is no thumbnail to draw")
}
