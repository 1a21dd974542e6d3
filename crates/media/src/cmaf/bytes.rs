//! Boxes in memory, read without trust (ISO/IEC 14496-12 4.2).

/// Why a box could not be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BoxError {
    /// A box or a field ends after the data.
    #[error("`{0}` is cut off")]
    CutOff(&'static str),
    /// A box that must be there is missing.
    #[error("there is no `{0}` box")]
    Missing(&'static str),
    /// A field contradicts the format, or what ffmpeg and this system write.
    #[error("`{kind}`: {why}")]
    Invalid {
        /// The box.
        kind: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}

impl BoxError {
    pub(super) fn invalid(kind: &'static str, why: &'static str) -> Self {
        BoxError::Invalid { kind, why }
    }
}

/// A header of a box: its four characters, the header's length and the length of all of it, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: [u8; 4],
    pub(super) length: u64,
    /// `None`: to the end of the file.
    pub(super) size: Option<u64>,
}

impl Header {
    /// From the first bytes of a box; `None` when they are too few.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let (size, kind) = (word(0)?, *bytes.get(4..)?.first_chunk()?);
        let (length, size) = match size {
            0 => (8, None),
            1 => (16, Some(u64::from(word(8)?) << 32 | u64::from(word(12)?))),
            size => (8, Some(u64::from(size))),
        };
        Some(Header { kind, length, size })
    }
}

/// A box inside of another: its four characters and its body.
pub(super) type Child<'a> = ([u8; 4], &'a [u8]);

/// A position in the body of a box; every read is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    name: &'static str,
}

impl<'a> Cursor<'a> {
    /// `name` names the box in errors.
    pub(super) fn new(bytes: &'a [u8], name: &'static str) -> Self {
        Cursor { rest: bytes, name }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], BoxError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(BoxError::CutOff(self.name))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], BoxError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(BoxError::CutOff(self.name))?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, BoxError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, BoxError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, BoxError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, BoxError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, BoxError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// 64 bits when `wide`, else 32.
    pub(super) fn sized(&mut self, wide: bool) -> Result<u64, BoxError> {
        if wide { self.u64() } else { self.u32().map(u64::from) }
    }

    /// Version and flags of a full box (4.2.2).
    pub(super) fn version_flags(&mut self) -> Result<(u8, u32), BoxError> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// The next box, if any bytes are left.
    pub(super) fn next_box(&mut self) -> Result<Option<Child<'a>>, BoxError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let cut_off = BoxError::CutOff(self.name);
        let header = Header::read(self.rest).ok_or(cut_off)?;
        let size = header.size.map_or(Ok(self.rest.len()), usize::try_from);
        let whole = self.take(size.map_err(|_| cut_off)?)?;
        let body = whole.get(header.length as usize..).ok_or(cut_off)?;
        Ok(Some((header.kind, body)))
    }

    /// The first box of a kind among those that follow.
    pub(super) fn find(mut self, kind: &'static str) -> Result<Option<Cursor<'a>>, BoxError> {
        while let Some((found, body)) = self.next_box()? {
            if found == kind.as_bytes() {
                return Ok(Some(Cursor::new(body, kind)));
            }
        }
        Ok(None)
    }

    /// The first box of a kind among those that follow; it must be there.
    pub(super) fn one(self, kind: &'static str) -> Result<Cursor<'a>, BoxError> {
        self.find(kind)?.ok_or(BoxError::Missing(kind))
    }

    /// Follows a path of boxes inside of boxes.
    pub(super) fn path(self, kinds: &[&'static str]) -> Result<Cursor<'a>, BoxError> {
        kinds.iter().try_fold(self, |inside, kind| inside.one(kind))
    }
}
