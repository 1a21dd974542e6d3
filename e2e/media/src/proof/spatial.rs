//! Pictures all around and for two eyes: ffprobe reads of every file what it reads of the source, unless the picture
//! was cropped.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Evidence;
use crate::tool;

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let expected = match evidence.row.shown.contains("crop") {
        true => vec![],
        false => told(&evidence.source, &evidence.folder)?,
    };
    let file = evidence.folder.join("spatial.mp4");
    for media in evidence.published.video() {
        fs::write(&file, &media.bytes)?;
        same(&file, &expected, evidence).with_context(|| media.name.clone())?;
    }
    for path in evidence.published.paths("mp4") {
        same(&path, &expected, evidence).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn same(file: &Path, expected: &[Value], evidence: &Evidence<'_>) -> Result<()> {
    let found = told(file, &evidence.folder)?;
    ensure!(found == expected, "{found:?}, the source has {expected:?}");
    Ok(())
}

/// Side data of the video. Bounds are in pixels, which a smaller picture has fewer of: its parts are compared.
fn told(file: &Path, folder: &Path) -> Result<Vec<Value>> {
    let words = "-select_streams v:0 -show_entries stream=width,height:stream_side_data -of json -i {in}";
    let answer: Value = serde_json::from_str(&tool::ffprobe(words, &[("in", file)], folder)?)?;
    let stream = &answer["streams"][0];
    let mut sides = stream["side_data_list"].as_array().cloned().unwrap_or_default();
    sides.retain(|side| ["Stereo 3D", "Spherical Mapping"].iter().any(|kind| side["side_data_type"] == *kind));
    for side in &mut sides {
        for (bound, size) in [("left", "width"), ("right", "width"), ("top", "height"), ("bottom", "height")] {
            let name = format!("bound_{bound}");
            if let (Some(pixels), Some(all)) = (side[&name].as_f64(), stream[size].as_f64()) {
                side[&name] = Value::from((pixels / all * 20.0).round() as i64);
            }
        }
        // Newer versions of ffprobe print what no box says.
        for name in ["view", "primary_eye", "baseline", "horizontal_disparity_adjustment", "horizontal_field_of_view"] {
            side.as_object_mut().and_then(|side| side.remove(name));
        }
    }
    Ok(sides)
}
