//! What is wrong with a manifest, for people.

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use saphyr_parser::ScanError;

use crate::source::{Location, Source, Span};

/// One thing that is wrong: where, what was found and what would be right.
///
/// `Display` is one line, `file:line:column: path: what is wrong; what would be right`. As a
/// [`miette::Diagnostic`] it carries the source, see [`render`].
#[derive(Debug, Clone)]
pub struct Problem {
    /// The field, `spec.options.renditions[1].name`; empty when the text is no YAML at all.
    pub path: String,
    /// What is wrong, with the value that was found.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    pub(crate) kind: Kind,
    span: Span,
    source: Source,
}

/// What sort of problem it is; the checks look at each other's findings with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A field that does not exist.
    Unknown,
    /// All others.
    Other,
}

impl Problem {
    pub(crate) fn new(source: &Source, span: Span, path: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            path: path.into(),
            message: message.into(),
            help: None,
            kind: Kind::Other,
            span,
            source: source.clone(),
        }
    }

    /// A syntax error, which ends the reading.
    pub(crate) fn syntax(source: &Source, error: &ScanError) -> Self {
        let mark = error.marker();
        let span = source.span(mark, mark);
        let line = source.line(span.at);
        let indent = &line[..line.len() - line.trim_start().len()];
        let tab = indent.contains('\t').then_some("the line is indented with a tab; YAML wants spaces");
        Self::new(source, span, "", format!("this is not YAML: {}", error.info())).help(tab.unwrap_or_default())
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into()).filter(|help| !help.is_empty());
        self
    }

    /// Where it is.
    pub fn location(&self) -> Location {
        self.span.at
    }

    /// The name that the text was read under, usually a file.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Where it starts in the text, in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.span.start
    }

    fn headline(&self) -> String {
        match self.path.as_str() {
            "" => self.message.clone(),
            path => format!("{path}: {}", self.message),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Location { line, column } = self.location();
        write!(f, "{}:{line}:{column}: {}", self.file(), self.headline())?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source.named())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let length = (self.span.end - self.span.start).max(1);
        Some(Box::new([LabeledSpan::new(None, self.span.start, length)].into_iter()))
    }
}

/// Renders every problem with the lines of the manifest that it is about.
/// `colour`: whether whoever reads it is a terminal.
pub fn render(problems: &[Problem], colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(100);
    let mut text = String::new();
    for (index, problem) in problems.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        if handler.render_report(&mut text, &Headed(problem)).is_err() {
            text.push_str(&format!("{problem}\n"));
        }
    }
    text
}

/// A problem whose `Display` leaves out the place, which the snippet already shows.
#[derive(Debug)]
struct Headed<'a>(&'a Problem);

impl fmt::Display for Headed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.headline())
    }
}

impl std::error::Error for Headed<'_> {}

impl Diagnostic for Headed<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Diagnostic::help(self.0)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.0.labels()
    }
}
