//! Side data of pictures all around and for two eyes, as ffprobe tells it.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    probe::VideoStream,
    spatial::{Eyes, Projection, Sphere},
};

/// Fields of `Stereo 3D` and `Spherical Mapping`. Angles are whole degrees, bounds and padding are pixels. Side data
/// of other kinds has fields of the same names with other values.
#[derive(Deserialize)]
pub(super) struct RawSpatial {
    #[serde(default, rename = "type")]
    eyes: Value,
    #[serde(default)]
    inverted: Value,
    #[serde(default)]
    projection: Value,
    #[serde(default)]
    padding: Value,
    #[serde(default)]
    bound_left: Value,
    #[serde(default)]
    bound_top: Value,
    #[serde(default)]
    bound_right: Value,
    #[serde(default)]
    bound_bottom: Value,
    #[serde(default)]
    yaw: Value,
    #[serde(default)]
    pitch: Value,
    #[serde(default)]
    roll: Value,
}

impl RawSpatial {
    /// Writes down what this says of the picture.
    pub(super) fn tell(&self, kind: &str, video: &mut VideoStream) {
        match kind {
            "Stereo 3D" => self.tell_eyes(video),
            "Spherical Mapping" => self.tell_sphere(video),
            _ => {}
        }
    }

    fn tell_eyes(&self, video: &mut VideoStream) {
        let inverted = self.inverted == 1;
        match self.eyes.as_str() {
            Some("top and bottom") if !inverted => video.spatial.eyes = Some(Eyes::TopBottom),
            Some("side by side") if !inverted => video.spatial.eyes = Some(Eyes::LeftRight),
            None | Some("2D" | "unspecified") => {}
            Some(_) => video.spatial.more = true,
        }
    }

    fn tell_sphere(&self, video: &mut VideoStream) {
        let projection = match self.projection.as_str() {
            Some("equirectangular") => Some(Projection::Equirectangular([0; 4])),
            Some("tiled equirectangular") => self.bounds(video.width, video.height).map(Projection::Equirectangular),
            Some("cubemap") => self.padding().map(Projection::Cubemap),
            _ => None,
        };
        let fixed = |degrees: &Value| (degrees.as_f64().unwrap_or(0.0).clamp(-180.0, 180.0) * 65536.0).round() as i32;
        let (yaw, pitch, roll) = (fixed(&self.yaw), fixed(&self.pitch), fixed(&self.roll));
        let sphere = projection.map(|projection| Sphere { yaw, pitch, roll, projection });
        video.spatial.more |= sphere.is_none();
        video.spatial.sphere = video.spatial.sphere.or(sphere);
    }

    fn padding(&self) -> Option<u32> {
        u32::try_from(self.padding.as_u64()?).ok()
    }

    /// Parts of the whole that are cut off: top, bottom, left, right, 1/2^32.
    fn bounds(&self, width: u32, height: u32) -> Option<[u32; 4]> {
        let parts = |low: u64, high: u64, size: u32| {
            // Far more than a picture has would not count in 64 bits below.
            let whole = low.checked_add(high)?.checked_add(u64::from(size)).filter(|whole| *whole < 1 << 32)?;
            // Cut to pixels by ffprobe, twice: eighths are meant as such (a quarter on each side is 180 degrees).
            let part = |pixels: u64| {
                let eighth = (pixels * 16 + whole) / (whole * 2);
                let near = (pixels * 8).abs_diff(eighth * whole) <= 16;
                let exact = (u128::from(pixels) << 32) / u128::from(whole);
                u32::try_from(if near { u128::from(eighth) << 29 } else { exact }).ok()
            };
            Some((part(low)?, part(high)?))
        };
        let (top, bottom) = parts(self.bound_top.as_u64()?, self.bound_bottom.as_u64()?, height)?;
        let (left, right) = parts(self.bound_left.as_u64()?, self.bound_right.as_u64()?, width)?;
        Some([top, bottom, left, right])
    }
}
