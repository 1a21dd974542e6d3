//! Thumbnail: one picture of the source.

use bytes::Bytes;
use transcode_api::Position;
use transcode_contract::{ThumbnailResult, VERSION};
use transcode_engine::{Failure, MediaSummary, layout};
use transcode_media::{
    argv::thumbnail::{choose, draw},
    probe::VideoStream,
    time::MediaTime,
};

use crate::{
    context::Context,
    error::TaskError,
    process::{self, Follow},
    source::OpenSource,
};

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let (layout, media) = (context.layout()?, context.media()?);
    let result_key = layout.result(&context.task.stage);
    if let Some(known) = context.get_json::<ThumbnailResult>(&result_key).await?
        && context.store.head(&known.file.path).await?.is_some()
    {
        return Ok(());
    }
    let wanted = context.task.spec.thumbnail.as_ref().zip(media.info.video.as_ref());
    let Some((wanted, stream)) = wanted else {
        return Err(TaskError::new(Failure::Misconfigured, "there is no thumbnail to draw"));
    };
    let source = OpenSource::open(context).await?;
    let at = moment(wanted.at, media, stream, &source).await?;
    let extension = wanted.format.extension();
    let path = context.scratch.join(format!("thumbnail.{extension}"));
    let command = draw(&source.url(), &media.info.container, stream, at, wanted.within, wanted.format, &path);
    source.explain(process::run(&command, Follow::default()).await)?;
    let picture = tokio::fs::read(&path).await.map_err(|e| TaskError::scratch(&path, &e))?;
    if picture.is_empty() {
        return Err(TaskError::transient("ffmpeg wrote an empty picture"));
    }
    let file = context.put(&layout.thumbnail(extension), Bytes::from(picture)).await?;
    let publish_as = layout::published_thumbnail(extension);
    context.put_result(&result_key, &ThumbnailResult { version: VERSION, file, publish_as }).await
}

/// The moment in source time; never behind the last frame.
async fn moment(at: Option<Position>, media: &MediaSummary, stream: &VideoStream, source: &OpenSource) -> Result<MediaTime, TaskError> {
    let frame = media.video.as_ref().map_or(MediaTime::ZERO, |v| MediaTime::new(*v.frame_rate.denom(), *v.frame_rate.numer()));
    let last = (media.duration - frame - frame).max(MediaTime::ZERO);
    let place = match at {
        Some(Position::Time(time)) => time,
        Some(Position::Share(share)) => {
            let duration = media.duration.ratio();
            MediaTime::new(*duration.numer() * i64::from(share), *duration.denom() * 10_000)
        }
        None => {
            let command = choose(&source.url(), &media.info.container, stream);
            let shown = source.explain(process::run(&command, Follow::default()).await)?.shown;
            return Ok(shown.first().map_or(media.origin, |pts| stream.timebase.time(*pts)));
        }
    };
    Ok(media.origin + place.min(last))
}
