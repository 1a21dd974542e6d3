//! The sample group `roll` (ISO/IEC 14496-12 8.9 and 10.1): how far before a sample a decoder has to begin.

use super::{
    InspectError,
    boxes::{Bytes, Children},
};

/// Indexes of `sbgp` in a fragment that are above this count in a description of the fragment's own (8.9.4).
const OWN: u32 = 0x1_0000;

/// `roll_distance` of each description in `sgpd`, in order; empty without one.
pub(super) fn descriptions(boxes: &Children) -> Result<Vec<i16>, InspectError> {
    for sgpd in boxes.all("sgpd") {
        let mut bytes = Bytes::new(sgpd.body, "sgpd");
        let (version, _) = bytes.version_flags()?;
        if bytes.take(4)? != b"roll" {
            continue;
        }
        let length = if version >= 1 { bytes.u32()? } else { 2 };
        if version >= 2 {
            bytes.u32()?;
        }
        if length != 2 {
            return Err(InspectError::invalid("sgpd", format!("a roll distance of {length} bytes")));
        }
        return (0..bytes.count(2)?).map(|_| Ok(bytes.u16()?.cast_signed())).collect();
    }
    Ok(vec![])
}

/// The distance that `sbgp` gives to all of so many samples; `None` when one has another, or none.
pub(super) fn of_all(boxes: &Children, known: &[i16], samples: usize) -> Result<Option<i16>, InspectError> {
    for sbgp in boxes.all("sbgp") {
        let mut bytes = Bytes::new(sbgp.body, "sbgp");
        let (version, _) = bytes.version_flags()?;
        if bytes.take(4)? != b"roll" {
            continue;
        }
        if version >= 1 {
            bytes.u32()?;
        }
        let (mut found, mut left) = (vec![], samples);
        for _ in 0..bytes.count(8)? {
            let (count, index) = (bytes.u32()? as usize, bytes.u32()?);
            left = left
                .checked_sub(count)
                .ok_or_else(|| InspectError::invalid("sbgp", "it has more samples than there are"))?;
            found.push(distance(boxes, known, index)?);
        }
        found.dedup();
        return Ok(match found.as_slice() {
            [same] if left == 0 => *same,
            _ => None,
        });
    }
    Ok(None)
}

fn distance(boxes: &Children, known: &[i16], index: u32) -> Result<Option<i16>, InspectError> {
    let own = if index > OWN { descriptions(boxes)? } else { vec![] };
    let (list, index) = if index > OWN { (own.as_slice(), index - OWN) } else { (known, index) };
    match index.checked_sub(1) {
        None => Ok(None),
        Some(place) => match list.get(place as usize) {
            Some(distance) => Ok(Some(*distance)),
            None => Err(InspectError::invalid("sbgp", "it uses a description that is not there")),
        },
    }
}
