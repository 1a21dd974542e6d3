//! Boxes, written (ISO/IEC 14496-12 4.2).

/// Appends big-endian fields and boxes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn zeros(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, 0);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// 64 bits when `wide`, else the lower 32.
    pub(super) fn sized(&mut self, wide: bool, value: u64) {
        if wide {
            self.u64(value);
        } else {
            self.u32(value as u32);
        }
    }

    /// A box around what `body` writes.
    pub(super) fn boxed(&mut self, kind: &[u8; 4], body: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        self.zeros(4);
        self.bytes(kind);
        body(self);
        self.set_u32(start, (self.out.len() - start) as u32);
    }

    /// Writes over 32 bits that were written before.
    pub(super) fn set_u32(&mut self, at: usize, value: u32) {
        if let Some(field) = self.out.get_mut(at..at + 4) {
            field.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// A box with version and flags (4.2.2).
    pub(super) fn full(&mut self, kind: &[u8; 4], version: u8, flags: u32, body: impl FnOnce(&mut Self)) {
        self.boxed(kind, |w| {
            w.u32(u32::from(version) << 24 | flags);
            body(w);
        });
    }

    /// A file type box (4.3): the major brand, version 0, and what it is compatible with.
    pub(super) fn brands(&mut self, kind: &[u8; 4], major: &[u8; 4], compatible: &[&[u8; 4]]) {
        self.boxed(kind, |w| {
            w.bytes(major);
            w.u32(0);
            compatible.iter().for_each(|brand| w.bytes(*brand));
        });
    }
}
