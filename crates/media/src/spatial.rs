//! Pictures all around and pictures for two eyes, as Google's Spherical Video V2 tells players of them: the boxes
//! `st3d` and `sv3d` of a sample entry.
//! <https://github.com/google/spatial-media/blob/master/docs/spherical-video-v2-rfc.md>

use serde::{Deserialize, Serialize};

use crate::{argv::filters::Filters, probe::VideoStream};

/// How a picture is to be projected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spatial {
    /// Where the pictures of two eyes lie in each picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eyes: Option<Eyes>,
    /// The sphere around the viewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sphere: Option<Sphere>,
    /// The source says more than that, or something that the boxes have no words for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// Where the pictures of two eyes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Eyes {
    /// The left eye's above the right eye's.
    TopBottom,
    /// Side by side, the left eye's on the left.
    LeftRight,
}

/// A sphere around the viewer. Angles are degrees, 1/65536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sphere {
    /// Turned around the vertical axis, counter-clockwise.
    pub yaw: i32,
    /// Turned up.
    pub pitch: i32,
    /// Turned clockwise around the axis of view.
    pub roll: i32,
    /// How it lies in a picture.
    pub projection: Projection,
}

/// How a sphere lies in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Projection {
    /// By longitude and latitude; of the whole, these parts are cut off: top, bottom, left, right, 1/2^32.
    Equirectangular([u32; 4]),
    /// Six faces in two rows, with so many pixels around each.
    Cubemap(u32),
}

impl Spatial {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Spatial::default()
    }

    /// What the source says, and can be said of pictures that are cropped or turned as these are; and whether
    /// that is all.
    pub fn kept(stream: &VideoStream, filters: &Filters) -> (Spatial, bool) {
        let all = stream.spatial;
        if filters.crop.is_some() || stream.rotation != 0 || stream.mirrored {
            return (Spatial::default(), all.is_empty());
        }
        // Scaling leaves shares of a picture as they are, but not pixels around a face.
        let faces = matches!(all.sphere, Some(Sphere { projection: Projection::Cubemap(1..), .. }));
        let sphere = all.sphere.filter(|_| !faces);
        (Spatial { sphere, more: false, ..all }, !all.more && !faces)
    }
}
