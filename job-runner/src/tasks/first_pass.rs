//! FirstPass: how hard a chunk is to encode, for each rendition whose rate is an average. What the encoders noted is
//! kept for the second pass.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use transcode_contract::{FirstPassResult, VERSION};
use transcode_engine::Layout;
use transcode_media::{
    argv::video::{Output, Pass},
    ladder::Rendition,
    rate::{Complexity, Squeeze},
    track::FileFacts,
};

use crate::{
    context::Context,
    error::TaskError,
    source::OpenSource,
    tasks::encode::{self, Meter, decode},
};

/// Ending of the file beside the statistics: what x264 found out about blocks.
const BLOCKS: &str = "mbtree";

/// Runs the task.
pub async fn run(context: &Context) -> Result<(), TaskError> {
    let mut meter = Meter::default();
    let layout = context.layout()?;
    let open = open_renditions(context, &layout).await?;
    if open.is_empty() {
        return Ok(());
    }
    let (index, chunks) = (context.packet_index().await?, context.chunks().await?);
    let chunk = encode::chunk(context, &chunks)?;
    let timeline = encode::timeline(context, &index)?;
    let source = OpenSource::open(context).await?;
    let paths: Vec<PathBuf> = open.iter().map(|r| context.scratch.join(format!("{}.stats", r.name))).collect();
    let output = |(rendition, path)| Output { rendition, path, squeeze: Squeeze::None, pass: Pass::First };
    let outputs: Vec<Output<'_>> = open.iter().zip(paths.iter().map(PathBuf::as_path)).map(output).collect();
    let command = decode::encode(context, &source, chunk, &timeline, &outputs).await?.command.to_string();
    for Output { rendition, path, .. } in outputs {
        let Kept { complexity, statistics, blocks } = keep(context, &layout, rendition, path).await?;
        let result = FirstPassResult {
            version: VERSION,
            complexity,
            statistics,
            blocks,
            usage: meter.untold(&source),
            ran: Some(context.run_so_far()),
            command: command.clone(),
        };
        context.put_result(&layout.first_pass_result(&rendition.name, chunk.index), &result).await?;
    }
    Ok(())
}

/// Renditions of this stage whose first pass over this chunk is not there.
async fn open_renditions(context: &Context, layout: &Layout) -> Result<Vec<Rendition>, TaskError> {
    let mut open = vec![];
    for rendition in encode::renditions_of(context)?.into_iter().filter(|r| r.codec.rate().passes() == 2) {
        let key = layout.first_pass_result(&rendition.name, context.task.index);
        if context.get_json::<FirstPassResult>(&key).await?.is_none() {
            open.push(rendition);
        }
    }
    Ok(open)
}

/// What is kept of a first pass.
struct Kept {
    complexity: Complexity,
    statistics: FileFacts,
    blocks: Option<FileFacts>,
}

/// Stores what the encoder left at `path`.
async fn keep(context: &Context, layout: &Layout, rendition: &Rendition, path: &Path) -> Result<Kept, TaskError> {
    let chunk = context.task.index;
    let noted = tokio::fs::read(path).await.map_err(|e| TaskError::scratch(path, &e))?;
    let complexity = Complexity::read(&String::from_utf8_lossy(&noted));
    let complexity = complexity.ok_or_else(|| TaskError::transient("the encoder's first pass noted nothing"))?;
    let name = |extension| layout.statistics(&rendition.name, chunk, extension);
    let statistics = context.put(&name("stats"), noted.into()).await?;
    let tree = of_blocks(path);
    let blocks = match tokio::fs::read(&tree).await {
        Ok(blocks) => Some(context.put(&name(BLOCKS), blocks.into()).await?),
        // `superfast` and `ultrafast` look at no blocks.
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(TaskError::scratch(&tree, &error)),
    };
    Ok(Kept { complexity, statistics, blocks })
}

/// The file that x264 adds to its statistics.
pub fn of_blocks(statistics: &Path) -> PathBuf {
    let mut name = statistics.as_os_str().to_owned();
    name.push(format!(".{BLOCKS}"));
    name.into()
}
