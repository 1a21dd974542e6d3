//! Lists and mappings that the reader is inside of.

use std::rc::Rc;

use crate::{
    node::{Entry, Node, join},
    source::Span,
};

/// A list or mapping whose end has not come yet.
pub(crate) struct Open {
    pub span: Span,
    pub anchor: usize,
    pub content: Content,
}

/// What it has so far.
pub(crate) enum Content {
    List(Vec<Rc<Node>>),
    Map { entries: Vec<Entry>, key: Option<Key> },
}

/// A key whose value has not come yet.
pub(crate) struct Key {
    /// None when it cannot be a key.
    pub name: Option<String>,
    pub span: Span,
    pub merge: bool,
}

/// The path of what is being read: of the innermost field or item.
pub(crate) fn path(open: &[Open]) -> String {
    open.iter().fold(String::new(), |path, open| match &open.content {
        Content::List(items) => format!("{path}[{}]", items.len()),
        Content::Map { key, .. } => match key.as_ref().and_then(|key| key.name.as_ref()) {
            Some(name) => join(&path, name),
            None => path,
        },
    })
}
