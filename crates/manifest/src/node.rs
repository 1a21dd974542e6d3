//! The tree that YAML becomes: every node knows its place.

use std::rc::Rc;

use crate::{scalar::Scalar, source::Span};

/// A node of the tree.
#[derive(Debug)]
pub(crate) struct Node {
    pub span: Span,
    pub value: Value,
    /// Nodes in all, this one and those of aliases included.
    pub size: usize,
    /// Levels in all.
    pub depth: usize,
}

/// The value of a node.
#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// One field of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Rc<Node>,
}

impl Node {
    pub fn new(span: Span, value: Value) -> Self {
        let (size, depth) = match &value {
            Value::Scalar(_) => (0, 0),
            Value::List(items) => extent(items.iter()),
            Value::Map(entries) => extent(entries.iter().map(|entry| &entry.node)),
        };
        Node { span, value, size: size + 1, depth: depth + 1 }
    }

    /// The fields, empty when it is no mapping.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a field.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &*entry.node)
    }

    /// A field.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(Scalar::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether nothing is written.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Scalar(Scalar::Null))
    }

    /// The same value as JSON, without fields that are null: they count as absent.
    pub fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar(Scalar::Null) => serde_json::Value::Null,
            Value::Scalar(Scalar::Bool(value)) => (*value).into(),
            Value::Scalar(Scalar::Int(value)) => (*value).into(),
            Value::Scalar(Scalar::Float(value)) => (*value).into(),
            Value::Scalar(Scalar::Text(value)) => value.as_str().into(),
            Value::List(items) => items.iter().map(|item| item.json()).collect(),
            Value::Map(entries) => {
                let written = entries.iter().filter(|entry| !entry.node.is_null());
                written.map(|entry| (entry.key.clone(), entry.node.json())).collect()
            }
        }
    }
}

fn extent<'a>(nodes: impl Iterator<Item = &'a Rc<Node>>) -> (usize, usize) {
    nodes.fold((0, 0), |(size, depth), node| (size.saturating_add(node.size), depth.max(node.depth)))
}

/// `spec` and `inputs` make `spec.inputs`.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
