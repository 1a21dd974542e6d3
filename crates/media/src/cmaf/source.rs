//! A file that is read from place to place.

use std::io::{self, Read, Seek, SeekFrom};

/// Knows its length and position, so that reading on needs no seek, and no read is larger than what
/// is there.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    at: u64,
    length: u64,
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(mut reader: R) -> io::Result<Self> {
        let length = reader.seek(SeekFrom::End(0))?;
        Ok(Source { reader, at: length, length })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends up to `size` bytes from `offset`; less only at the end of the file. Memory grows with
    /// what was really read.
    pub(super) fn read(&mut self, offset: u64, size: u64, into: &mut Vec<u8>) -> io::Result<()> {
        if self.at != offset {
            self.at = self.reader.seek(SeekFrom::Start(offset))?;
        }
        let read = self.reader.by_ref().take(size).read_to_end(into)?;
        self.at += read as u64;
        Ok(())
    }

    /// Appends exactly `size` bytes from `offset`.
    pub(super) fn read_exact(&mut self, offset: u64, size: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let before = into.len();
        self.read(offset, size, into)?;
        match (into.len() - before) as u64 == size {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
