//! The rules of the definitions, evaluated as CEL: the very expressions that the API server has.

use std::{collections::HashMap, sync::LazyLock};

use cel::{Context, Program, objects::Key};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use transcode_api::rules::{RULES, Scope};

use crate::{
    node::{Node, Value},
    scalar::Scalar,
};

/// Every rule, compiled once: that takes longer than everything else.
static PROGRAMS: LazyLock<HashMap<&'static str, Program>> =
    LazyLock::new(|| RULES.iter().filter_map(|rule| Some((rule.cel, Program::compile(rule.cel).ok()?))).collect());

/// The rules that hold in a scope.
pub(crate) struct Rules {
    scope: Scope,
}

impl Rules {
    /// `Scope::All` leaves out what holds on a cluster only; `Scope::Cluster` has every rule.
    pub fn new(scope: Scope) -> Self {
        Rules { scope }
    }

    /// The rule's message when the value breaks it. Rules about a change (`oldSelf`) have nothing
    /// to say of a manifest. A rule that cannot be evaluated is broken, as on the API server.
    pub fn broken(&self, rule: &ValidationRule, node: &Node) -> Option<String> {
        let cluster_only = RULES.iter().any(|known| known.cel == rule.rule && known.scope == Scope::Cluster);
        if rule.rule.contains("oldSelf") || (cluster_only && self.scope == Scope::All) {
            return None;
        }
        let holds = PROGRAMS.get(rule.rule.as_str()).is_some_and(|program| {
            let mut context = Context::default();
            context.add_variable_from_value("self", value(node));
            matches!(program.execute(&context), Ok(cel::Value::Bool(true)))
        });
        (!holds).then(|| rule.message.clone().unwrap_or_else(|| rule.rule.clone()))
    }
}

fn value(node: &Node) -> cel::Value {
    match &node.value {
        Value::Scalar(Scalar::Null) => cel::Value::Null,
        Value::Scalar(Scalar::Bool(value)) => cel::Value::Bool(*value),
        Value::Scalar(Scalar::Int(value)) => cel::Value::Int(*value),
        Value::Scalar(Scalar::Float(value)) => cel::Value::Float(*value),
        Value::Scalar(Scalar::Text(value)) => value.as_str().into(),
        Value::List(items) => items.iter().map(|item| value(item)).collect::<Vec<_>>().into(),
        Value::Map(entries) => {
            let fields = entries.iter().filter(|entry| !entry.node.is_null());
            let fields = fields.map(|entry| (Key::from(entry.key.as_str()), value(&entry.node)));
            fields.collect::<HashMap<_, _>>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles() {
        for rule in RULES {
            assert!(PROGRAMS.contains_key(rule.cel), "{}", rule.cel);
            let scopes = RULES.iter().filter(|other| other.cel == rule.cel).map(|other| other.scope);
            assert!(scopes.into_iter().all(|scope| scope == rule.scope), "{}: two scopes", rule.cel);
        }
    }
}
