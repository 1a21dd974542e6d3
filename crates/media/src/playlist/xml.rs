//! Indented XML that is the same every time.

use std::fmt::Write;

/// A document under construction.
pub(super) struct Xml {
    text: String,
    open: Vec<&'static str>,
}

/// Attributes in the order in which they are written.
#[derive(Default)]
pub(super) struct Attributes(Vec<(&'static str, String)>);

impl Attributes {
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    pub(super) fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl Xml {
    pub(super) fn new() -> Self {
        Xml { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), open: Vec::new() }
    }

    pub(super) fn open(&mut self, name: &'static str, attributes: Attributes) {
        self.tag(name, &attributes, ">\n");
        self.open.push(name);
    }

    pub(super) fn empty(&mut self, name: &'static str, attributes: Attributes) {
        self.tag(name, &attributes, "/>\n");
    }

    pub(super) fn leaf(&mut self, name: &'static str, content: &str) {
        self.tag(name, &Attributes::default(), ">");
        // Writing to a String can't fail.
        let _ = writeln!(self.text, "{}</{name}>", escaped(content));
    }

    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            let _ = writeln!(self.text, "</{name}>");
        }
    }

    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn tag(&mut self, name: &str, attributes: &Attributes, end: &str) {
        self.indent();
        let _ = write!(self.text, "<{name}");
        for (name, value) in &attributes.0 {
            let _ = write!(self.text, " {name}=\"{}\"", escaped(value));
        }
        self.text.push_str(end);
    }

    fn indent(&mut self) {
        self.text.push_str(&"  ".repeat(self.open.len()));
    }
}

/// Text for content and attribute values. Characters that XML 1.0 can't hold at all (2.2) become
/// spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
