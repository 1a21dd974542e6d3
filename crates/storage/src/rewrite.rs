//! A source whose content is served changed, byte for byte as long as it was.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{StreamExt, TryStreamExt, try_unfold};

use crate::error::Result;
use crate::source::{Source, SourceIdentity};
use crate::store::ByteStream;

/// What is changed, a unit at a time.
pub trait Rewrite: Debug + Send + Sync {
    /// The bytes that have to be seen together for the one at a place. Where one unit ends the next begins.
    fn unit(&self, at: u64) -> Range<u64>;

    /// Changes the unit that begins at a place; the last one of a source may be cut.
    fn rewrite(&self, at: u64, unit: &mut [u8]);
}

/// A source that is changed while it is read: any part of it as the same part of the whole.
#[derive(Debug)]
pub struct Rewritten {
    source: Arc<dyn Source>,
    rewrite: Arc<dyn Rewrite>,
}

impl Rewritten {
    /// Changes a source.
    pub fn new(source: Arc<dyn Source>, rewrite: Arc<dyn Rewrite>) -> Self {
        Self { source, rewrite }
    }
}

#[async_trait]
impl Source for Rewritten {
    fn describe(&self) -> &SourceIdentity {
        self.source.describe()
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream> {
        let range = range.start..range.end.min(self.describe().size);
        if range.is_empty() {
            return self.source.read(range).await;
        }
        let (first, last) = (self.rewrite.unit(range.start), self.rewrite.unit(range.end - 1));
        let units = Units {
            stream: self.source.read(first.start..last.end.min(self.describe().size)).await?,
            rewrite: self.rewrite.clone(),
            seen: BytesMut::new(),
            at: first.start,
            range,
        };
        Ok(try_unfold(units, Units::next).boxed())
    }
}

/// A read that is under way.
struct Units {
    stream: ByteStream,
    rewrite: Arc<dyn Rewrite>,
    /// What was read and not served yet, and where it lies.
    seen: BytesMut,
    at: u64,
    /// What is still to be served.
    range: Range<u64>,
}

impl Units {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        while !self.range.is_empty() {
            let more = self.stream.try_next().await?;
            let whole = more.is_none();
            self.seen.extend_from_slice(&more.unwrap_or_default());
            let served = self.rewritten(whole);
            if !served.is_empty() {
                return Ok(Some((served, self)));
            }
            if whole {
                break;
            }
        }
        Ok(None)
    }

    /// Of all units that are complete, what is wanted; at the end of the source the last one too.
    fn rewritten(&mut self, whole: bool) -> Bytes {
        let mut done = 0;
        while done < self.seen.len() {
            let at = self.at + done as u64;
            let end = done + (self.rewrite.unit(at).end - at) as usize;
            if end > self.seen.len() && !whole {
                break;
            }
            let end = end.min(self.seen.len());
            self.rewrite.rewrite(at, &mut self.seen[done..end]);
            done = end;
        }
        let mut units = self.seen.split_to(done).freeze();
        let begin = self.at;
        self.at += done as u64;
        let before = (self.range.start - begin).min(done as u64) as usize;
        let after = self.at.saturating_sub(self.range.end).min((done - before) as u64) as usize;
        units = units.slice(before..done - after);
        self.range.start += units.len() as u64;
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileSource;

    /// Units of seven bytes, the first of three; each gets its place in front.
    #[derive(Debug)]
    struct Numbered;

    impl Rewrite for Numbered {
        fn unit(&self, at: u64) -> Range<u64> {
            match at {
                0..3 => 0..3,
                at => at - (at - 3) % 7..at - (at - 3) % 7 + 7,
            }
        }

        fn rewrite(&self, at: u64, unit: &mut [u8]) {
            unit[0] = at as u8;
        }
    }

    #[tokio::test]
    async fn any_part_is_that_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, [0xff; 100]).unwrap();
        let source = Rewritten::new(Arc::new(FileSource::open(&path).await.unwrap()), Arc::new(Numbered));
        let whole: Vec<u8> =
            (0..100_u64).map(|at| if Numbered.unit(at).start == at { at as u8 } else { 0xff }).collect();
        for range in (0..100).flat_map(|start| (start..=101).map(move |end| start..end)) {
            let pieces: Vec<Bytes> = source.read(range.clone()).await.unwrap().try_collect().await.unwrap();
            let expected = &whole[range.start as usize..range.end.min(100) as usize];
            assert_eq!(pieces.concat(), expected, "{range:?}");
        }
    }
}
