//! The text of a manifest and places in it.

use std::sync::Arc;

use miette::NamedSource;
use saphyr_parser::Marker;

/// A place in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Counts from 1.
    pub line: usize,
    /// Counts from 1, in characters.
    pub column: usize,
}

/// A stretch of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub at: Location,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

/// The text with its name, shared by all problems that point into it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    named: Arc<NamedSource<String>>,
    /// Byte offset of each character: the parser counts characters.
    offsets: Arc<[usize]>,
}

impl Source {
    pub fn new(name: &str, text: &str) -> Self {
        let offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        Source { named: Arc::new(NamedSource::new(name, text.to_owned())), offsets }
    }

    pub fn name(&self) -> &str {
        self.named.name()
    }

    pub fn text(&self) -> &str {
        self.named.inner()
    }

    pub fn named(&self) -> &NamedSource<String> {
        &self.named
    }

    /// A span of the parser, without white space at its end.
    pub fn span(&self, from: &Marker, to: &Marker) -> Span {
        let start = self.offset(from.index());
        let end = self.offset(to.index()).max(start);
        let used = self.text().get(start..end).map_or(0, |s| s.trim_end().len());
        Span { at: Location { line: from.line(), column: from.col() + 1 }, start, end: start + used }
    }

    /// The source's own writing of a span.
    pub fn slice(&self, span: Span) -> &str {
        self.text().get(span.start..span.end).unwrap_or_default()
    }

    /// The whole line that a location is in.
    pub fn line(&self, at: Location) -> &str {
        self.text().lines().nth(at.line.saturating_sub(1)).unwrap_or_default()
    }

    fn offset(&self, character: usize) -> usize {
        self.offsets.get(character).copied().unwrap_or(self.text().len())
    }
}
