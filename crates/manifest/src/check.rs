//! A tree against a structural schema: the checks of the API server, with messages for people.

use std::rc::Rc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use crate::{
    node::{Node, Value, join},
    problem::{Kind, Problem},
    rules::Rules,
    scalar::Scalar,
    source::{Source, Span},
    words,
};

/// Where the check is: the field's path, and the span that a problem of it as a whole points to.
#[derive(Clone)]
pub(crate) struct Place {
    pub path: String,
    pub at: Span,
}

impl Place {
    fn field(&self, name: &str, at: Span) -> Self {
        Place { path: join(&self.path, name), at }
    }

    fn item(&self, index: usize, node: &Node) -> Self {
        let at = node.entries().first().map_or(node.span, |entry| entry.key_span);
        Place { path: format!("{}[{index}]", self.path), at }
    }
}

/// Checks values and collects what is wrong.
pub(crate) struct Check<'s> {
    pub source: &'s Source,
    pub rules: &'s Rules,
    pub problems: &'s mut Vec<Problem>,
}

impl Check<'_> {
    /// Checks a value with all that is below it. Rules look at an object's own fields, so they are
    /// evaluated where nothing is wrong with those, whatever is wrong further down.
    pub fn value(&mut self, node: &Node, schema: &JSONSchemaProps, place: &Place) {
        let before = self.problems.len();
        if schema.x_kubernetes_preserve_unknown_fields == Some(true) {
            return;
        }
        match (schema.type_.as_deref(), &node.value) {
            (Some("object"), Value::Map(_)) => self.object(node, schema, place),
            (Some("array"), Value::List(items)) => self.list(items, schema, place),
            (Some("string"), Value::Scalar(Scalar::Text(text))) => self.text(text, node, schema, place),
            (Some("integer"), Value::Scalar(Scalar::Int(int))) => self.integer(*int as f64, node, schema, place),
            (Some("boolean"), Value::Scalar(Scalar::Bool(_))) => {}
            (None, Value::Scalar(Scalar::Int(int))) => self.integer(*int as f64, node, schema, place),
            (None, Value::Scalar(Scalar::Text(text))) => self.text(text, node, schema, place),
            _ => self.wrong_type(node, schema, place),
        }
        let own = |problem: &Problem| {
            let below = problem.path.strip_prefix(&place.path).unwrap_or_default();
            !below.strip_prefix('.').unwrap_or_default().contains(['.', '['])
        };
        if !self.problems.iter().skip(before).any(own) {
            self.rules(node, schema, place);
        }
    }

    fn object(&mut self, node: &Node, schema: &JSONSchemaProps, place: &Place) {
        for entry in node.entries() {
            let field = place.field(&entry.key, entry.key_span);
            let property = schema.properties.as_ref().and_then(|p| p.get(&entry.key));
            match (property, &schema.additional_properties) {
                // The API server drops a null field before it checks anything else.
                (Some(_), _) | (None, Some(_)) if entry.node.is_null() => {}
                (Some(property), _) => self.value(&entry.node, property, &field),
                (None, Some(JSONSchemaPropsOrBool::Schema(schema))) => self.value(&entry.node, schema, &field),
                (None, _) => self.unknown(&entry.key, schema, &field),
            }
        }
        for name in schema.required.iter().flatten() {
            let entry = node.entry(name);
            if entry.is_none_or(|entry| entry.node.is_null()) {
                let property = schema.properties.as_ref().and_then(|p| p.get(name));
                let help = property.and_then(|p| p.description.as_deref()).map(words::first_sentence);
                let field = place.field(name, entry.map_or(place.at, |entry| entry.key_span));
                let problem = Problem::new(self.source, field.at, field.path, "this field is required and missing");
                self.push(problem.help(help.unwrap_or_default()));
            }
        }
    }

    fn unknown(&mut self, name: &str, schema: &JSONSchemaProps, field: &Place) {
        let known = || schema.properties.iter().flat_map(|p| p.keys()).map(String::as_str);
        let help = match words::nearest(name, known()) {
            None if known().next().is_none() => "there are no fields here".into(),
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the fields here are {}", words::list(known())),
        };
        let mut problem = Problem::new(self.source, field.at, &*field.path, "there is no such field").help(help);
        problem.kind = Kind::Unknown;
        self.push(problem);
    }

    fn list(&mut self, items: &[Rc<Node>], schema: &JSONSchemaProps, place: &Place) {
        let count = items.len() as i64;
        let least = schema.min_items.unwrap_or(0);
        let most = schema.max_items.unwrap_or(i64::MAX);
        if count < least || count > most {
            let message = format!("{count} items are given");
            let help = match () {
                () if least == most => format!("give exactly {most}"),
                () if count < least => format!("give at least {least}"),
                () => format!("give at most {most}"),
            };
            self.push(Problem::new(self.source, place.at, &*place.path, message).help(help));
        }
        if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
            for (index, item) in items.iter().enumerate() {
                self.value(item, schema, &place.item(index, item));
            }
        }
        self.unique(items, schema, place);
    }

    /// Items of a set, and the keys of a list-map, must differ.
    fn unique(&mut self, items: &[Rc<Node>], schema: &JSONSchemaProps, place: &Place) {
        let key = schema.x_kubernetes_list_map_keys.as_ref().and_then(|keys| keys.first());
        let names: Vec<Option<&Node>> = match (schema.x_kubernetes_list_type.as_deref(), key) {
            (Some("map"), Some(key)) => items.iter().map(|item| item.get(key)).collect(),
            (Some("set"), _) => items.iter().map(|item| Some(&**item)).collect(),
            _ => return,
        };
        for (index, node) in names.iter().enumerate() {
            let Some(text) = node.and_then(Node::text) else {
                continue;
            };
            let Some(node) = node else { continue };
            let first = names.iter().take(index).flatten().find(|other| other.text() == Some(text));
            if let Some(first) = first {
                let path = place.item(index, node).path;
                let path = key.map_or(path.clone(), |key| join(&path, key));
                let message = format!("{} is used twice, first in line {}", words::quoted(text), first.span.at.line);
                self.push(Problem::new(self.source, node.span, path, message).help("every item needs one of its own"));
            }
        }
    }

    fn rules(&mut self, node: &Node, schema: &JSONSchemaProps, place: &Place) {
        for rule in schema.x_kubernetes_validations.iter().flatten() {
            if let Some(message) = self.rules.broken(rule, node) {
                self.push(Problem::new(self.source, place.at, &*place.path, message));
            }
        }
    }

    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}
