//! What `st3d` and `proj` have to hold (Google's Spherical Video V2).

use transcode_media::{
    inspect::SpatialBoxes,
    spatial::{Eyes, Projection, Spatial},
};

/// The boxes of a picture of which this is known, bytes in network order.
pub fn boxes(spatial: &Spatial) -> SpatialBoxes {
    let mode = spatial.eyes.map(|eyes| match eyes {
        Eyes::TopBottom => 1,
        Eyes::LeftRight => 2,
    });
    let projection = spatial.sphere.map(|sphere| {
        let (kind, words) = match sphere.projection {
            Projection::Equirectangular(bounds) => (b"equi", bounds.to_vec()),
            Projection::Cubemap(padding) => (b"cbmp", vec![0, padding]),
        };
        let angles = [sphere.yaw, sphere.pitch, sphere.roll].map(i32::cast_unsigned);
        let full = |kind: &[u8; 4], words: &[u32]| {
            let size = 12 + 4 * words.len() as u32;
            let words = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            [size.to_be_bytes().to_vec(), kind.to_vec(), vec![0; 4], words].concat()
        };
        [full(b"prhd", &angles), full(kind, &words)].concat()
    });
    SpatialBoxes { stereo: mode.map(|mode| vec![0, 0, 0, 0, mode]), projection }
}
