//! The custom resource definitions: the types' schemas, closed and bounded, with every rule of
//! [`crate::rules`] at its place.
//!
//! ```text
//! derived (types)  ->  tidy (no null, no foreign formats)  ->  rules (the table)  ->  immutability
//! ```
//!
//! The API server and `transcode-manifest` read the same definitions, so they refuse the same.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, ValidationRule,
};
use kube::{
    CustomResourceExt,
    core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter},
};
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{AddNullable, transform_subschemas},
};
use serde_json::Value;

use crate::{
    ClusterTranscodeProfile, TranscodeJob, TranscodeProfile,
    rules::{MUTABLE, RULES},
};

static CRDS: LazyLock<Vec<CustomResourceDefinition>> = LazyLock::new(build);

/// Every definition, in the order in which a reader meets them.
pub fn crds() -> &'static [CustomResourceDefinition] {
    &CRDS
}

/// The schema of a kind, or none when this group has no such kind.
pub fn schema(kind: &str) -> Option<&'static JSONSchemaProps> {
    let crd = CRDS.iter().find(|crd| crd.spec.names.kind == kind)?;
    crd.spec.versions.first()?.schema.as_ref()?.open_api_v3_schema.as_ref()
}

/// Cuts texts and lists to what a schema holds: what comes from a source or a server may be of any length,
/// and the API server refuses a whole object for one text that is too long.
pub fn fit(value: &mut Value, schema: &JSONSchemaProps) {
    match value {
        Value::String(text) => {
            let most = schema.max_length.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            if text.chars().count() > most {
                *text = text.chars().take(most.saturating_sub(1)).chain(['…']).collect();
            }
        }
        Value::Array(items) => {
            items.truncate(schema.max_items.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX));
            if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
                items.iter_mut().for_each(|item| fit(item, schema));
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(schema) = schema.properties.as_ref().and_then(|p| p.get(name)) {
                    fit(field, schema);
                }
            }
        }
        _ => {}
    }
}

fn build() -> Vec<CustomResourceDefinition> {
    let mut job = definition::<TranscodeJob>();
    schema_mut(&mut job).into_iter().for_each(add_immutability);
    schema_mut(&mut job).into_iter().for_each(unseen);
    vec![job, definition::<TranscodeProfile>(), definition::<ClusterTranscodeProfile>()]
}

/// A job that no operator has looked at yet speaks of no generation. Without a status kstatus, and so
/// Flux, would take it for done.
fn unseen(schema: &mut JSONSchemaProps) {
    if let Some(status) = schema.properties.as_mut().and_then(|p| p.get_mut("status")) {
        status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
    }
}

fn definition<K: CustomResourceExt + JsonSchema>() -> CustomResourceDefinition {
    let mut crd = K::crd();
    let kind = crd.spec.names.kind.clone();
    if let Some(schema) = schema_mut(&mut crd) {
        if let Some(derived) = derived::<K>() {
            *schema = derived;
        }
        let spec = schema.properties.as_ref().and_then(|p| p.get("spec"));
        schema.description = spec.and_then(|spec| spec.description.clone());
        tidy(schema);
        add_rules(schema, &kind);
    }
    crd
}

fn schema_mut(crd: &mut CustomResourceDefinition) -> Option<&mut JSONSchemaProps> {
    crd.spec.versions.first_mut()?.schema.as_mut()?.open_api_v3_schema.as_mut()
}

/// The schema as kube derives it, but with the words of fields and of enum values kept.
fn derived<K: JsonSchema>() -> Option<JSONSchemaProps> {
    let generator = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(keep_words)
        .with_transform(AddNullable::default())
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString)
        .into_generator();
    serde_json::to_value(generator.into_root_schema_for::<K>()).and_then(serde_json::from_value).ok()
}

/// The words of an enum's values join the description of the field that has them, and a field's
/// own description stays before its type's. Both are lost in the rewriting otherwise.
fn keep_words(schema: &mut Schema) {
    let mut words = value_words(schema.get_mut("oneOf"));
    for member in schema.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
        words.push_str(&value_words(member.get_mut("oneOf")));
        if let Some(member) = member.as_object_mut() {
            member.remove("description");
        }
    }
    if let (Some(Value::String(description)), false) = (schema.get_mut("description"), words.is_empty()) {
        description.push_str(&words);
    }
    transform_subschemas(&mut keep_words, schema);
}

fn value_words(values: Option<&mut Value>) -> String {
    let values = values.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut);
    let sentence = |value: &mut serde_json::Map<String, Value>| {
        let description = value.remove("description")?;
        let name = value.get("enum")?.get(0)?.as_str()?;
        Some(format!(" `{name}`: {}", description.as_str()?))
    };
    values.filter_map(sentence).collect()
}

/// The schemas directly below one schema.
fn children(schema: &mut JSONSchemaProps) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let items = match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(&mut **items),
        _ => None,
    };
    schema.properties.iter_mut().flat_map(|p| p.values_mut()).chain(items)
}

/// Nothing is nullable: then the API server drops a null field before it looks at anything else,
/// so that null is the same as absent, here and for the command line alike. Formats such as `uint8` are Rust's: an API server warns of them and ignores them.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if !matches!(schema.format.as_deref(), Some("int32" | "int64" | "date-time")) {
        schema.format = None;
    }
    children(schema).for_each(tidy);
}

fn add_rules(schema: &mut JSONSchemaProps, kind: &str) {
    for rule in RULES.iter().filter(|rule| rule.kinds.contains(&kind)) {
        if let Some(place) = descend(schema, rule.path) {
            push(place, rule.cel, rule.message);
        }
    }
}

fn push(place: &mut JSONSchemaProps, cel: &str, message: &str) {
    place.x_kubernetes_validations.get_or_insert_default().push(ValidationRule {
        rule: cel.into(),
        message: Some(message.into()),
        ..ValidationRule::default()
    });
}

/// The schema at a dotted path; `[]` steps into the items of a list.
fn descend<'a>(schema: &'a mut JSONSchemaProps, path: &str) -> Option<&'a mut JSONSchemaProps> {
    path.split('.').try_fold(schema, |schema, step| {
        let (name, list) = match step.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (step, false),
        };
        let property = schema.properties.as_mut()?.get_mut(name)?;
        if !list {
            return Some(property);
        }
        match &mut property.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => Some(&mut **items),
            _ => None,
        }
    })
}

/// A job is what it was when it was made: every field of its spec that [`MUTABLE`] does not name
/// stays. The rules stand at the spec, because a rule on a field is skipped when the field is
/// added or removed.
fn add_immutability(schema: &mut JSONSchemaProps) {
    let Some(spec) = schema.properties.as_mut().and_then(|p| p.get_mut("spec")) else {
        return;
    };
    let mut rules = Vec::new();
    immutable_fields(spec, "", &mut rules);
    push(
        spec,
        "!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
        "cancel cannot be taken back: make a new job instead",
    );
    for (field, cel) in rules {
        push(spec, &cel, &format!("{field} cannot be changed: make a new job instead"));
    }
}

fn immutable_fields(schema: &mut JSONSchemaProps, parent: &str, rules: &mut Vec<(String, String)>) {
    let names: Vec<String> = schema.properties.iter().flat_map(|p| p.keys().cloned()).collect();
    for name in names {
        let field = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        let inside = format!("{field}.");
        if MUTABLE.contains(&field.as_str()) {
            continue;
        }
        if MUTABLE.iter().any(|mutable| mutable.starts_with(&inside)) {
            if let Some(child) = schema.properties.as_mut().and_then(|p| p.get_mut(&name)) {
                immutable_fields(child, &field, rules);
            }
            continue;
        }
        rules.push((field.clone(), unchanged(&field)));
    }
}

/// CEL: `field` is absent in both, or present in both and equal.
fn unchanged(field: &str) -> String {
    let present = |root: &str| {
        let steps = field.match_indices('.').map(|(at, _)| &field[..at]).chain([field]);
        steps.map(|path| format!("has({root}.{path})")).collect::<Vec<_>>().join(" && ")
    };
    let (new, old) = (present("self"), present("oldSelf"));
    format!("({new}) == ({old}) && (!({new}) || self.{field} == oldSelf.{field})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema below one, with its path.
    fn all(schema: &JSONSchemaProps, path: &str, found: &mut Vec<(String, JSONSchemaProps)>) {
        found.push((path.into(), schema.clone()));
        for (name, property) in schema.properties.iter().flatten() {
            all(property, &format!("{path}.{name}"), found);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
            all(items, &format!("{path}[]"), found);
        }
    }

    fn every_schema() -> Vec<(String, JSONSchemaProps)> {
        let mut found = Vec::new();
        for crd in crds() {
            let kind = &crd.spec.names.kind;
            all(schema(kind).unwrap(), kind, &mut found);
        }
        found
    }

    #[test]
    fn texts_and_lists_are_cut_to_what_a_schema_holds() {
        let mut job = serde_json::json!({"status": {"message": "é".repeat(5000), "warnings": vec![
            serde_json::json!({"stage": "probe", "reason": "r", "message": "w".repeat(2000)}); 100
        ]}});
        fit(&mut job, schema("TranscodeJob").unwrap());
        assert_eq!(job["status"]["message"].as_str().unwrap().chars().count(), 1024);
        assert_eq!(job["status"]["warnings"].as_array().unwrap().len(), 64);
        assert_eq!(job["status"]["warnings"][63]["message"].as_str().unwrap().len(), 1023 + '…'.len_utf8());
    }

    #[test]
    fn every_rule_has_its_place() {
        for rule in RULES {
            for kind in rule.kinds {
                let mut schema = schema(kind).unwrap().clone();
                let place = descend(&mut schema, rule.path);
                let place = place.unwrap_or_else(|| panic!("{kind} has no {}", rule.path));
                let rules = place.x_kubernetes_validations.clone().unwrap();
                assert!(rules.iter().any(|r| r.rule == rule.cel), "{kind} {}", rule.path);
            }
        }
    }

    #[test]
    fn mutable_fields_exist() {
        let mut schema = schema("TranscodeJob").unwrap().clone();
        for path in MUTABLE {
            assert!(descend(&mut schema, &format!("spec.{path}")).is_some(), "{path}");
        }
    }

    #[test]
    fn everything_is_bounded_and_described() {
        for (path, schema) in every_schema() {
            assert_eq!(schema.nullable, None, "{path}");
            assert!(schema.default.is_none() || path == "TranscodeJob.status", "{path}");
            assert!(schema.additional_properties.is_none() || schema.max_properties.is_some(), "{path}: no bound");
            assert_eq!(schema.x_kubernetes_preserve_unknown_fields, None, "{path}");
            assert!(
                schema.description.is_some() || path.ends_with("[]") || path.ends_with(".spec"),
                "{path}: no description"
            );
            match schema.type_.as_deref() {
                Some("string") => assert!(
                    schema.enum_.is_some() || schema.max_length.is_some() || schema.format.is_some(),
                    "{path}: no maxLength"
                ),
                Some("array") => assert!(schema.max_items.is_some(), "{path}: no maxItems"),
                Some("integer") => {
                    let status = path.contains(".status");
                    assert!(schema.minimum.is_some() || status, "{path}: no minimum");
                    assert!(schema.maximum.is_some() || status, "{path}: no maximum");
                }
                Some("object" | "boolean") => {}
                None => assert_eq!(schema.x_kubernetes_int_or_string, Some(true), "{path}"),
                Some(other) => panic!("{path}: a {other} has no place in this API"),
            }
        }
    }

    #[test]
    fn every_pattern_is_said_in_words() {
        for (path, schema) in every_schema() {
            assert!(schema.pattern.is_none() || schema.title.is_some(), "{path}: no title");
        }
    }

    #[test]
    fn definitions_fit_the_annotation_of_client_side_apply() {
        for crd in crds() {
            let size = serde_json::to_string(crd).unwrap().len();
            assert!(size < 128 * 1024, "{}: {size} bytes", crd.spec.names.kind);
        }
    }

    #[test]
    fn fields_of_a_job_stay_unless_they_are_mutable() {
        assert_eq!(
            unchanged("a.b"),
            "(has(self.a) && has(self.a.b)) == (has(oldSelf.a) && has(oldSelf.a.b)) \
             && (!(has(self.a) && has(self.a.b)) || self.a.b == oldSelf.a.b)"
        );
        let spec = schema("TranscodeJob").unwrap().properties.clone().unwrap().remove("spec").unwrap();
        let rules = spec.x_kubernetes_validations.unwrap();
        let message = |r: &ValidationRule| r.message.clone().unwrap();
        assert!(rules.iter().any(|r| message(r) == "inputs cannot be changed: make a new job instead"));
        assert!(rules.iter().any(|r| message(r) == "scheduling.encode cannot be changed: make a new job instead"));
        for mutable in MUTABLE {
            assert!(
                !rules.iter().any(|r| message(r).starts_with(&format!("{mutable} cannot be changed"))),
                "{mutable}"
            );
        }
    }

    /// A watch of typed objects stops at one that the schema takes and the types don't: for everyone.
    fn what_the_schema_takes_is_read<T: serde::de::DeserializeOwned>(path: &str) {
        let (_, schema) = every_schema().into_iter().find(|(found, _)| found == path).unwrap();
        let pattern = schema.pattern.unwrap().replace(['^', '$'], "");
        let most = usize::try_from(schema.max_length.unwrap()).unwrap();
        let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config::with_cases(2000));
        let texts = proptest::string::string_regex(&pattern).unwrap();
        let read = |text: String| {
            let result = serde_json::from_value::<T>(Value::String(text.clone()));
            proptest::prop_assert!(text.len() > most || result.is_ok(), "{text}: {:?}", result.err());
            Ok(())
        };
        runner.run(&texts, read).unwrap();
    }

    #[test]
    fn every_text_that_a_pattern_takes_is_a_value() {
        what_the_schema_takes_is_read::<crate::MediaTime>("TranscodeJob.spec.options.video.segmentDuration");
        what_the_schema_takes_is_read::<crate::Position>("TranscodeJob.spec.options.thumbnail.at");
        what_the_schema_takes_is_read::<crate::FrameRate>("TranscodeJob.spec.options.video.frameRate");
        what_the_schema_takes_is_read::<crate::Bitrate>("TranscodeJob.spec.options.audio.encode.aac.bitrate");
        what_the_schema_takes_is_read::<crate::Bitrate>("TranscodeJob.spec.options.audio.encode.opus.bitrate");
    }
}
