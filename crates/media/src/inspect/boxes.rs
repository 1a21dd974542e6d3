//! Bytes and boxes (ISO/IEC 14496-12 4.2), read without trust.

use super::InspectError;

/// A position in a slice; every read is checked.
#[derive(Debug, Clone)]
pub(super) struct Bytes<'a> {
    data: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Bytes<'a> {
    /// `what` names the data in errors.
    pub(super) fn new(data: &'a [u8], what: &'static str) -> Self {
        Bytes { data, at: 0, what }
    }

    pub(super) fn remaining(&self) -> usize {
        self.data.len() - self.at
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], InspectError> {
        match self.data[self.at..].get(..count) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => Err(InspectError::CutOff { what: format!("`{}`", self.what), at: self.at }),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], InspectError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, InspectError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, InspectError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, InspectError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, InspectError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, InspectError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// 32 or 64 bits, as the version of a full box wants.
    pub(super) fn sized(&mut self, wide: bool) -> Result<u64, InspectError> {
        if wide { self.u64() } else { self.u32().map(u64::from) }
    }

    /// Version and flags of a full box (4.2.2).
    pub(super) fn version_flags(&mut self) -> Result<(u8, u32), InspectError> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// The entry count of a table, checked against the bytes that are left.
    pub(super) fn count(&mut self, entry_size: usize) -> Result<usize, InspectError> {
        let count = self.u32()? as usize;
        match count.checked_mul(entry_size) {
            Some(size) if size <= self.remaining() => Ok(count),
            _ => Err(InspectError::CutOff { what: format!("`{}`", self.what), at: self.at }),
        }
    }
}

/// The first bytes of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: [u8; 4],
    /// Of the whole box; `None` runs to the end of the file.
    pub(super) size: Option<u64>,
    /// Of the header itself: 8 or 16.
    pub(super) length: usize,
}

impl Header {
    /// From the start of a box; `None` when there are too few bytes for one.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let mut bytes = Bytes::new(data, "box");
        let (size, kind) = (bytes.u32().ok()?, bytes.array().ok()?);
        Some(match size {
            0 => Header { kind, size: None, length: 8 },
            1 => Header { kind, size: Some(bytes.u64().ok()?), length: 16 },
            _ => Header { kind, size: Some(u64::from(size)), length: 8 },
        })
    }

    pub(super) fn name(&self) -> String {
        self.kind.escape_ascii().to_string()
    }
}

/// A box in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxRef<'a> {
    pub(super) kind: [u8; 4],
    /// Of its first byte, in the data that was split.
    pub(super) at: usize,
    pub(super) body: &'a [u8],
    /// Of the body's first byte.
    pub(super) body_at: usize,
}

/// The boxes that fill `data`. A last one with size 0 runs to the end.
pub(super) fn split(data: &[u8]) -> Result<Vec<BoxRef<'_>>, InspectError> {
    let (mut boxes, mut at) = (Vec::new(), 0);
    while at < data.len() {
        let rest = &data[at..];
        let cut_off = |what: String| InspectError::CutOff { what, at };
        let header = Header::read(rest).ok_or_else(|| cut_off("a box header".to_owned()))?;
        let size = header.size.map_or(Some(rest.len()), |size| usize::try_from(size).ok());
        let body = size.and_then(|size| rest.get(header.length..size));
        let body = body.ok_or_else(|| cut_off(format!("`{}`", header.name())))?;
        boxes.push(BoxRef { kind: header.kind, at, body, body_at: at + header.length });
        at += header.length + body.len();
    }
    Ok(boxes)
}

/// Children by kind.
pub(super) struct Children<'a>(Vec<BoxRef<'a>>);

impl<'a> Children<'a> {
    pub(super) fn of(body: &'a [u8]) -> Result<Self, InspectError> {
        split(body).map(Children)
    }

    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &BoxRef<'a>> {
        self.0.iter().filter(move |b| b.kind == *name.as_bytes())
    }

    /// At most one.
    pub(super) fn maybe(&self, name: &'static str) -> Result<Option<&'a [u8]>, InspectError> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (Some(_), Some(_)) => Err(InspectError::Repeated(name)),
            (first, _) => Ok(first.map(|b| b.body)),
        }
    }

    /// Exactly one.
    pub(super) fn one(&self, name: &'static str) -> Result<&'a [u8], InspectError> {
        self.maybe(name)?.ok_or(InspectError::Missing(name))
    }

    /// Exactly one, split into its own children.
    pub(super) fn inside(&self, name: &'static str) -> Result<Children<'a>, InspectError> {
        Children::of(self.one(name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked_before_use() {
        let good = [0, 0, 0, 8, b'f', b'r', b'e', b'e', 0, 0, 0, 0, b'm', b'd', b'a', b't', 7];
        let boxes = split(&good).unwrap();
        assert_eq!((boxes.len(), boxes[1].body, boxes[1].body_at), (2, &[7][..], 16));
        for bad in [
            &[0, 0, 0, 7, b'f', b'r', b'e', b'e'][..],
            &[0, 0, 0, 9, b'f', b'r', b'e', b'e'],
            &[0, 0, 0, 1, b'f', b'r', b'e', b'e', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0, 0, 0, 1, b'f', b'r', b'e', b'e', 0, 0, 0, 0, 0, 0, 0, 15],
            &[0, 0, 0],
        ] {
            assert!(matches!(split(bad), Err(InspectError::CutOff { at: 0, .. })));
        }
    }
}
