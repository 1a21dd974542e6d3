//! Values without children against their schema: texts, numbers, and what is of a wrong type.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use regex::Regex;

use crate::{
    check::{Check, Place},
    node::{Node, Value},
    problem::Problem,
    scalar::Scalar,
    words,
};

impl Check<'_> {
    pub fn text(&mut self, text: &str, node: &Node, schema: &JSONSchemaProps, place: &Place) {
        let about = schema.description.as_deref().map(words::first_sentence).unwrap_or_default();
        let problem = |message: String| Problem::new(self.source, node.span, &*place.path, message);
        let found = words::quoted(text);
        if let Some(values) = &schema.enum_ {
            let known: Vec<&str> = values.iter().filter_map(|value| value.0.as_str()).collect();
            if !known.contains(&text) {
                let near = words::nearest(text, known.iter().copied()).map(|near| format!("did you mean `{near}`? "));
                let help = format!("{}it is one of {}", near.unwrap_or_default(), words::list(known));
                self.problems.push(problem(format!("{found} is not a value of this field")).help(help));
            }
            return;
        }
        let length = text.chars().count() as i64;
        let fits = schema.pattern.as_deref().and_then(|pattern| Regex::new(pattern).ok());
        if text.is_empty() && schema.min_length.is_some_and(|least| least > 0) {
            self.problems.push(problem("the text is empty".into()).help(about));
        } else if fits.is_some_and(|pattern| !pattern.is_match(text)) {
            let title = schema.title.clone().unwrap_or_default();
            self.problems.push(problem(format!("{found} is not {title}")).help(about));
        } else if let Some(most) = schema.max_length.filter(|most| length > *most) {
            let message = format!("{found} has {length} characters");
            self.problems.push(problem(message).help(format!("at most {most} are allowed")));
        } else if let Some(least) = schema.min_length.filter(|least| length < *least) {
            let message = format!("{found} has {length} characters");
            self.problems.push(problem(message).help(format!("at least {least} are needed")));
        }
    }

    pub fn integer(&mut self, value: f64, node: &Node, schema: &JSONSchemaProps, place: &Place) {
        let least = schema.minimum.unwrap_or(f64::MIN);
        let most = schema.maximum.unwrap_or(f64::MAX);
        let message = match () {
            () if value < least => format!("{value} is too small"),
            () if value > most => format!("{value} is too large"),
            () => return,
        };
        let about = schema.description.as_deref().map(words::first_sentence).unwrap_or_default();
        let problem = Problem::new(self.source, node.span, &*place.path, message);
        self.push(problem.help(format!("the least is {least}, the most {most}: {about}")));
    }

    pub fn wrong_type(&mut self, node: &Node, schema: &JSONSchemaProps, place: &Place) {
        let written = self.source.slice(node.span);
        let (found, at) = match &node.value {
            Value::List(_) => ("a list".to_owned(), place.at),
            Value::Map(_) => ("a mapping".to_owned(), place.at),
            Value::Scalar(Scalar::Null) => ("nothing".to_owned(), place.at),
            Value::Scalar(scalar) => (format!("{}, {},", words::quoted(written), type_words(scalar)), node.span),
        };
        let text_wanted = schema.type_.as_deref() == Some("string");
        let help = match &node.value {
            Value::Scalar(Scalar::Bool(_)) if text_wanted && schema.enum_.is_none() => {
                format!("a bare `{written}` is a boolean in YAML: write \"{written}\"")
            }
            Value::Scalar(Scalar::Int(_) | Scalar::Float(_)) if text_wanted && schema.enum_.is_none() => {
                format!("put it in quotes: \"{written}\"")
            }
            Value::Scalar(Scalar::Text(_)) if written.starts_with(['"', '\'']) => "leave the quotes out".to_owned(),
            _ => schema.description.as_deref().map(words::first_sentence).unwrap_or_default(),
        };
        let message = format!("{found} stands where {} is wanted", wanted(schema));
        self.push(Problem::new(self.source, at, &*place.path, message).help(help));
    }
}

fn type_words(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Null => "nothing",
        Scalar::Bool(_) => "a boolean",
        Scalar::Int(_) => "a whole number",
        Scalar::Float(_) => "a number with decimals",
        Scalar::Text(_) => "a text",
    }
}

/// What a schema wants, with its article.
fn wanted(schema: &JSONSchemaProps) -> String {
    if let Some(values) = &schema.enum_ {
        return format!("one of {}", words::list(values.iter().filter_map(|value| value.0.as_str())));
    }
    let known = match schema.type_.as_deref() {
        Some("object") => "a mapping",
        Some("array") => "a list",
        Some("integer") => "a whole number",
        Some("boolean") => "`true` or `false`",
        _ => schema.title.as_deref().unwrap_or("a text"),
    };
    known.to_owned()
}
