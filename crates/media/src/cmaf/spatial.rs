//! `st3d` and `sv3d` of a visual sample entry (Google's Spherical Video V2).

use super::{
    bytes::{BoxError, Cursor},
    writer::Writer,
};
use crate::spatial::{Eyes, Projection, Spatial, Sphere};

/// Writes what is known.
pub(super) fn write(w: &mut Writer, spatial: &Spatial) {
    if let Some(eyes) = spatial.eyes {
        let mode = match eyes {
            Eyes::TopBottom => 1,
            Eyes::LeftRight => 2,
        };
        w.full(b"st3d", 0, 0, |w| w.u8(mode));
    }
    let Some(Sphere { yaw, pitch, roll, projection }) = spatial.sphere else { return };
    w.boxed(b"sv3d", |w| {
        // Of no tool: a name would differ between versions.
        w.full(b"svhd", 0, 0, |w| w.u8(0));
        w.boxed(b"proj", |w| {
            w.full(b"prhd", 0, 0, |w| [yaw, pitch, roll].into_iter().for_each(|angle| w.u32(angle.cast_unsigned())));
            match projection {
                Projection::Equirectangular(bounds) => {
                    w.full(b"equi", 0, 0, |w| bounds.into_iter().for_each(|bound| w.u32(bound)));
                }
                Projection::Cubemap(padding) => {
                    w.full(b"cbmp", 0, 0, |w| [0, padding].into_iter().for_each(|n| w.u32(n)))
                }
            }
        });
    });
}

/// Reads what [`write`] wrote.
pub(super) fn read(boxes: Cursor<'_>) -> Result<Spatial, BoxError> {
    let mut spatial = Spatial::default();
    if let Some(mut st3d) = boxes.find("st3d")? {
        st3d.version_flags()?;
        spatial.eyes = match st3d.u8()? {
            1 => Some(Eyes::TopBottom),
            2 => Some(Eyes::LeftRight),
            _ => None,
        };
    }
    let Some(sv3d) = boxes.find("sv3d")? else { return Ok(spatial) };
    let proj = sv3d.one("proj")?;
    let mut prhd = proj.one("prhd")?;
    prhd.version_flags()?;
    let (yaw, pitch, roll) = (prhd.i32()?, prhd.i32()?, prhd.i32()?);
    let projection = match proj.find("equi")? {
        Some(mut equi) => {
            equi.version_flags()?;
            Projection::Equirectangular([equi.u32()?, equi.u32()?, equi.u32()?, equi.u32()?])
        }
        None => {
            let mut cbmp = proj.one("cbmp")?;
            cbmp.version_flags()?;
            cbmp.u32()?;
            Projection::Cubemap(cbmp.u32()?)
        }
    };
    spatial.sphere = Some(Sphere { yaw, pitch, roll, projection });
    Ok(spatial)
}
