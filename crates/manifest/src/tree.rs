//! YAML as a tree whose every node knows its place.
//!
//! The parser's events become nodes; anchors, aliases and merges are resolved; what cannot go
//! through JSON (a key twice, a mapping as a key) is a problem here. Reading goes on after each
//! problem except a syntax error.

use std::{collections::BTreeMap, rc::Rc};

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, Tag};

use crate::{
    node::{Entry, Node, Value, join},
    open::{self, Content, Key, Open},
    problem::Problem,
    scalar::{self, Scalar},
    source::{Location, Source, Span},
    words,
};

/// More levels than any manifest has: the checks recurse.
const MAX_DEPTH: usize = 64;
/// More nodes than any manifest has, aliases counted as often as they are used.
const MAX_NODES: usize = 100_000;

/// Reads every document of a text. A syntax error ends the reading.
pub(crate) fn load(source: &Source, problems: &mut Vec<Problem>) -> Vec<Rc<Node>> {
    let mut loader = Loader { source, problems, open: Vec::new(), anchors: BTreeMap::new(), documents: Vec::new() };
    for event in Parser::new_from_str(source.text()) {
        match event {
            Ok((event, marks)) => {
                if loader.event(event, marks).is_none() {
                    break;
                }
            }
            Err(error) => {
                loader.problems.push(Problem::syntax(source, &error));
                break;
            }
        }
    }
    loader.documents
}

struct Loader<'s> {
    source: &'s Source,
    problems: &'s mut Vec<Problem>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
    documents: Vec<Rc<Node>>,
}

impl Loader<'_> {
    /// None when a limit ends the reading.
    fn event(&mut self, event: Event<'_>, marks: Marks) -> Option<()> {
        let span = self.source.span(&marks.start, &marks.end);
        match event {
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::Scalar(word, style, anchor, tag) => {
                if style == ScalarStyle::Plain && self.wants_key() && word == "<<" && tag.is_none() {
                    self.set_key(Key { name: None, span, merge: true });
                    return Some(());
                }
                let value = self.scalar(&word, style, tag.as_deref(), span);
                self.add(anchor, Node::new(span, Value::Scalar(value)))?;
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.place(node, Some(span))?,
                None => {
                    self.problem(span, "an alias cannot stand inside of what it refers to");
                    return None;
                }
            },
            Event::SequenceStart(anchor, tag) => self.begin(anchor, tag.as_deref(), span, Content::List(Vec::new()))?,
            Event::MappingStart(anchor, tag) => {
                self.begin(anchor, tag.as_deref(), span, Content::Map { entries: Vec::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Some(())
    }

    fn scalar(&mut self, word: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Scalar {
        let value = match tag {
            None if style == ScalarStyle::Plain => Some(scalar::plain(word)),
            None => Some(Scalar::Text(word.to_owned())),
            Some(tag) if tag.is_yaml_core_schema() => scalar::tagged(&tag.suffix, word),
            Some(_) => None,
        };
        value.unwrap_or_else(|| {
            let written = words::quoted(self.source.slice(span));
            self.problem(span, &format!("{written} is not of that type: leave the tag out"));
            Scalar::Text(word.to_owned())
        })
    }

    fn begin(&mut self, anchor: usize, tag: Option<&Tag>, span: Span, content: Content) -> Option<()> {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            self.problem(span, "a tag has no meaning here: leave it out");
        }
        if self.open.len() >= MAX_DEPTH {
            self.problem(span, &format!("nested more than {MAX_DEPTH} levels deep"));
            return None;
        }
        self.open.push(Open { span, anchor, content });
        Some(())
    }

    fn end(&mut self, end: Span) -> Option<()> {
        let Open { mut span, anchor, content } = self.open.pop()?;
        span.end = end.end.max(span.start);
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        self.add(anchor, Node::new(span, value))
    }

    fn add(&mut self, anchor: usize, node: Node) -> Option<()> {
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.place(node, None)
    }

    /// Puts a finished node where it belongs. `alias`: where it was called by name.
    fn place(&mut self, node: Rc<Node>, alias: Option<Span>) -> Option<()> {
        let at = alias.unwrap_or(node.span);
        if node.size > MAX_NODES || self.open.len() + node.depth > MAX_DEPTH {
            self.problem(at, &format!("aliases make this larger than {MAX_NODES} values or {MAX_DEPTH} levels"));
            return None;
        }
        if self.wants_key() {
            let name = self.key_name(&node, at);
            self.set_key(Key { name, span: at, merge: false });
            return Some(());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.documents.push(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { key, .. }) => match key.take() {
                Some(Key { merge: true, span, .. }) => self.merge(&node, span),
                Some(Key { name: Some(name), span, .. }) => self.insert(Entry { key: name, key_span: span, node }),
                _ => {}
            },
        }
        Some(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    fn set_key(&mut self, new: Key) {
        if let Some(Open { content: Content::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(new);
        }
    }

    /// The key as JSON writes it.
    fn key_name(&mut self, node: &Node, at: Span) -> Option<String> {
        match &node.value {
            Value::Scalar(Scalar::Text(text)) => Some(text.clone()),
            Value::Scalar(Scalar::Int(int)) => Some(int.to_string()),
            Value::Scalar(Scalar::Bool(value)) => Some(value.to_string()),
            Value::Scalar(Scalar::Float(value)) => Some(value.to_string()),
            Value::Scalar(Scalar::Null) | Value::List(_) | Value::Map(_) => {
                self.problem(at, "the name of a field must be a text");
                None
            }
        }
    }

    /// Adds a field; a name that is there already is a problem and its first value stays.
    fn insert(&mut self, entry: Entry) {
        let Some(Open { content: Content::Map { entries, .. }, .. }) = self.open.last_mut() else {
            return;
        };
        match entries.iter().find(|other| other.key == entry.key).map(|other| other.key_span.at) {
            None => entries.push(entry),
            Some(Location { line, .. }) => {
                let message = format!("`{}` is written twice, first in line {line}", entry.key);
                let path = join(&open::path(&self.open), &entry.key);
                self.problems.push(Problem::new(self.source, entry.key_span, path, message).help("keep one of them"));
            }
        }
    }

    /// `<<: *name` or `<<: [*name, *other]`. The API server refuses a field that both a merge and
    /// the mapping itself have, so there is no precedence.
    fn merge(&mut self, node: &Node, at: Span) {
        let sources: Vec<&Node> = match &node.value {
            Value::List(items) => items.iter().map(|item| &**item).collect(),
            _ => vec![node],
        };
        for source in sources {
            let Value::Map(entries) = &source.value else {
                self.problem(at, "`<<` merges a mapping or a list of mappings");
                return;
            };
            for entry in entries {
                self.insert(Entry { key_span: at, ..entry.clone() });
            }
        }
    }

    fn problem(&mut self, span: Span, message: &str) {
        self.problems.push(Problem::new(self.source, span, open::path(&self.open), message));
    }
}
