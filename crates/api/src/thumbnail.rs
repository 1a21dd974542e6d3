//! The thumbnail: one picture of the source. An enhancement, its failure is a warning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    value::Position,
    video::{Box2, Mode},
};

/// A picture of the source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thumbnail {
    /// Disabled switches off what a profile switched on. Default: Enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Where: a share of the duration (`10%`) or a media time (`5s`). Default: the most
    /// representative frame of the first minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Position>,
    /// The picture fits in this box with its aspect ratio kept. Default: the source's own size.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "box")]
    pub within: Option<Box2>,
    /// Default: jpeg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<ImageFormat>,
}

/// Picture formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// JPEG.
    #[default]
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
}

impl ImageFormat {
    /// The usual file extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            ImageFormat::Jpeg => "jpg",
            ImageFormat::Png => "png",
            ImageFormat::Webp => "webp",
        }
    }
}
