//! A film that takes long enough to do something to its job meanwhile.

use std::time::SystemTime;

use anyhow::{Result, ensure};
use e2e_media::{
    recipe,
    row::{ROW, Row, Step},
};
use k8s_openapi::api::batch::v1::Job;
use transcode_storage::Store;

use crate::{Space, wait::until_any};

/// Long enough to do something to it while it is encoded.
pub const LONG: Row = Row {
    name: "cluster_long",
    source: &[Step::Ffmpeg(
        "-f lavfi -i testsrc2=size=640x360:rate=25:duration=120 -f lavfi -i sine=frequency=440:duration=120 -c:v libx264 -preset ultrafast -g 50 -c:a aac {out}",
    )],
    ..ROW
};
const SLOW: &str = "  options: {video: {segmentDuration: 2s, encode: {h264: {preset: slow}}}, renditions: [{name: top, box: {width: 640, height: 640}}, {name: low, box: {width: 320, height: 320}}]}";

/// A job of which at least one chunk is done and others are not.
pub async fn half_done(test: &str, rest: &str) -> Result<Space> {
    let space = Space::new(test).await?;
    let source = tokio::task::block_in_place(|| recipe::source(&LONG))?;
    space.upload(&source, "source").await?;
    space.create(&space.job("film", "source", "[hls]", &format!("{SLOW}\n{rest}"))?).await?;
    until_any(&space.api::<Job>(), "transcode.media/stage", |job: &Job| {
        let encodes = job.metadata.name.as_deref().is_some_and(|name| name.contains("-encode"));
        encodes && job.status.as_ref().is_some_and(|status| status.succeeded.unwrap_or(0) > 0)
    })
    .await?;
    Ok(space)
}

/// Result objects of encoded chunks with their times: what is made again has a new one.
pub async fn results(space: &Space) -> Result<Vec<(String, Option<SystemTime>)>> {
    let keys = space.keys("film/_work/").await?;
    let store = space.store()?;
    let mut found = vec![];
    for key in keys.into_iter().filter(|key| key.contains("/results/encode/")) {
        let meta = store.head(&key).await?;
        found.push((key, meta.and_then(|meta| meta.modified)));
    }
    Ok(found)
}

/// Fails when one of these results was made again since.
pub async fn none_made_again(space: &Space, before: &[(String, Option<SystemTime>)]) -> Result<()> {
    ensure!(!before.is_empty(), "nothing was done before");
    let after = results(space).await?;
    for done in before {
        ensure!(after.contains(done), "{} was made again", done.0);
    }
    Ok(())
}
