//! A high dynamic range: mastering display and light level are the source's, in the boxes and, where the codec
//! has a place for them, in the bitstream. VP9 has none.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Evidence;
use crate::{published::Media, tool};

/// Names of ffprobe and their values: fractions as numbers.
type Light = BTreeMap<String, f64>;

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let kept = |media: &&Media| evidence.row.ranges.iter().any(|(name, _)| *name == media.name);
    for media in evidence.published.video() {
        let file = evidence.folder.join("light.mp4");
        fs::write(&file, &media.bytes)?;
        let (source, found) = (light(&evidence.source, &evidence.folder)?, light(&file, &evidence.folder)?);
        let (expected, boxes) = match kept(&media) {
            true => (source, in_boxes(media)),
            false => (Light::new(), in_boxes(media)),
        };
        same(&boxes, &expected).with_context(|| format!("boxes of {}", media.name))?;
        // The box is all that a reader of VP9 has; it is read as side data by newer versions only.
        if &media.track.entry != b"vp09" {
            same(&found, &expected).with_context(|| format!("bitstream of {}", media.name))?;
        }
    }
    Ok(())
}

/// AV1 rounds to 1/65536.
fn same(found: &Light, expected: &Light) -> Result<()> {
    let near = |a: f64, b: f64| (a - b).abs() <= 2e-5 + b.abs() * 1e-6;
    let alike = found.len() == expected.len()
        && expected
            .iter()
            .all(|(name, value)| found.get(name).is_some_and(|f| near(*f, *value) || near_zero(*f, *value)));
    ensure!(alike, "{found:?}, the source has {expected:?}");
    Ok(())
}

/// The least luminance in AV1 has steps of 1/16384 cd/m2.
fn near_zero(a: f64, b: f64) -> bool {
    a.max(b) < 0.01 && (a - b).abs() <= 1.0 / 16384.0
}

/// Side data of the first frame.
fn light(file: &Path, folder: &Path) -> Result<Light> {
    let words =
        "-select_streams v:0 -read_intervals %+#1 -show_frames -show_entries frame=side_data_list -of json -i {in}";
    let answer: Value = serde_json::from_str(&tool::ffprobe(words, &[("in", file)], folder)?)?;
    let sides = answer["frames"][0]["side_data_list"].as_array().cloned().unwrap_or_default();
    let number = |value: &Value| match value {
        Value::String(text) => {
            let (n, d) = text.split_once('/')?;
            Some(n.parse::<f64>().ok()? / d.parse::<f64>().ok()?)
        }
        other => other.as_f64(),
    };
    let wanted =
        |name: &str| ["_x", "_y", "_luminance"].iter().any(|end| name.ends_with(end)) || name.starts_with("max_");
    let all = sides.iter().filter_map(Value::as_object).flatten();
    Ok(all.filter(|(name, _)| wanted(name)).filter_map(|(name, value)| Some((name.clone(), number(value)?))).collect())
}

/// `mdcv` and `clli` in the sample entry (ISO/IEC 14496-12 12.1.6, 12.1.7).
fn in_boxes(media: &Media) -> Light {
    let entry = &media.bytes[media.track.description.clone()];
    let find = |kind: &[u8; 4]| entry.windows(4).position(|w| w == kind).map(|at| &entry[at + 4..]);
    let short = |bytes: &[u8], n: usize| f64::from(u16::from_be_bytes([bytes[2 * n], bytes[2 * n + 1]]));
    let mut found = Light::new();
    if let Some(mdcv) = find(b"mdcv") {
        for (n, place) in ["green", "blue", "red", "white_point"].into_iter().enumerate() {
            found.insert(format!("{place}_x"), short(mdcv, 2 * n) / 50_000.0);
            found.insert(format!("{place}_y"), short(mdcv, 2 * n + 1) / 50_000.0);
        }
        let luminance = |at: usize| (short(mdcv, at) * 65536.0 + short(mdcv, at + 1)) / 10_000.0;
        found.insert("max_luminance".into(), luminance(8));
        found.insert("min_luminance".into(), luminance(10));
    }
    if let Some(clli) = find(b"clli") {
        found.insert("max_content".into(), short(clli, 0));
        found.insert("max_average".into(), short(clli, 1));
    }
    found
}
