//! NAL units of coded pictures, and the messages in them (ITU-T H.264 7.3.1, 7.3.2.3; H.265 has the same).

use crate::captions::{Constructs, constructs};

/// `user_data_registered_itu_t_t35` (ITU-T H.264 D.1.6).
const REGISTERED: usize = 4;

/// A sample's NAL units don't fill it, or an SEI message leaves its NAL unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// How NAL units stand in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NalUnits {
    /// Bytes of the length before each, 1 to 4.
    pub(super) length: usize,
    /// H.265 instead of H.264.
    pub(super) hevc: bool,
}

impl NalUnits {
    /// The NAL units of a sample, each with its length before it as it stands there.
    pub(super) fn of<'a>(self, sample: &'a [u8]) -> impl Iterator<Item = Result<Unit<'a>, Malformed>> {
        let mut rest = sample;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let split = || {
                let (length, after) = rest.split_at_checked(self.length)?;
                let size = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                let (nal, after) = after.split_at_checked(size)?;
                Some((Unit { whole: rest.get(..self.length + size)?, nal }, after))
            };
            let Some((unit, after)) = split() else {
                rest = &[];
                return Some(Err(Malformed));
            };
            rest = after;
            Some(Ok(unit))
        })
    }

    /// The captions of a sample, where it is one of H.264: its first message of them.
    pub(super) fn captions(self, sample: &[u8]) -> Result<Option<Constructs>, Malformed> {
        for unit in self.of(sample).filter(|_| !self.hevc) {
            let nal = unit?.nal;
            let Some(sei) = self.sei_header(nal).and_then(|header| nal.get(header..)) else { continue };
            let sei = unescaped(sei);
            let found = messages(&sei)?.iter().filter(|m| m.kind == REGISTERED).find_map(|m| constructs(m.payload));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Bytes of a NAL unit's header when it is an SEI.
    pub(super) fn sei_header(self, nal: &[u8]) -> Option<usize> {
        let first = *nal.first()?;
        match self.hevc {
            false => (first & 0x1f == 6).then_some(1),
            // Prefix and suffix SEI (ISO/IEC 23008-2 table 7-1).
            true => matches!(first >> 1 & 0x3f, 39 | 40).then_some(2),
        }
    }
}

/// A NAL unit in a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit<'a> {
    /// With the length before it.
    pub(super) whole: &'a [u8],
    /// Without.
    pub(super) nal: &'a [u8],
}

/// An SEI message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    /// With its type and size.
    pub(super) whole: &'a [u8],
    /// `payloadType`.
    pub(super) kind: usize,
    /// What it says.
    pub(super) payload: &'a [u8],
}

/// The messages of an SEI: of a NAL unit behind its header, without emulation prevention.
pub(super) fn messages(sei: &[u8]) -> Result<Vec<Message<'_>>, Malformed> {
    let (mut messages, mut rest) = (vec![], sei);
    // What is left after the last message is the stop bit, 0x80.
    while rest.len() > 1 {
        let (kind, after) = number(rest).ok_or(Malformed)?;
        let (size, after) = number(after).ok_or(Malformed)?;
        let (payload, after) = after.split_at_checked(size).ok_or(Malformed)?;
        let whole = rest.get(..rest.len() - after.len()).unwrap_or_default();
        messages.push(Message { whole, kind, payload });
        rest = after;
    }
    Ok(messages)
}

/// A type or size: 255 for each 0xff, and the last byte.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let full = bytes.iter().take_while(|byte| **byte == 0xff).count();
    let (last, rest) = bytes.get(full..)?.split_first()?;
    Some((full * 255 + usize::from(*last), rest))
}

/// Without emulation prevention: a 3 after two zeros (ITU-T H.264 7.4.1).
pub(super) fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let keep = bytes.iter().filter(|byte| {
        let prevention = zeros >= 2 && **byte == 3;
        zeros = if **byte == 0 { zeros + 1 } else { 0 };
        !prevention
    });
    keep.copied().collect()
}

/// With it.
pub(super) fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for byte in bytes {
        if zeros >= 2 && *byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaping_is_undone(bytes in prop::collection::vec(0_u8..5, 0..60)) {
            prop_assert_eq!(unescaped(&escaped(&bytes)), bytes);
        }
    }
}
