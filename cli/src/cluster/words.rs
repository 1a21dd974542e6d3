//! What went wrong, and what would be right.

use std::error::Error;

use anyhow::anyhow;
use kube::core::Status;

/// What is told where the API server knows no TranscodeJobs.
const NOT_INSTALLED: &str = "the operator is not installed on this cluster: see docs/how-to/install.md";
/// Names that are told as near, at most.
const NAMES: usize = 3;
/// How near a name has to be, 0 to 1.
const ALIKE: f64 = 0.8;

/// An error of the client in words.
pub fn of(error: kube::Error, server: &str) -> anyhow::Error {
    match &error {
        kube::Error::Api(status) => anyhow!("{}", of_status(status, server)),
        kube::Error::Auth(_) => anyhow!("there are no credentials for {server}: {}", causes(&error)),
        kube::Error::Service(inner) if inner.downcast_ref::<kube::client::AuthError>().is_some() => {
            anyhow!("there are no credentials for {server}: {}", causes(inner.as_ref()))
        }
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => {
            anyhow!("the API server at {server} can't be reached: {}", causes(&error))
        }
        _ => anyhow!("{}", causes(&error)),
    }
}

/// What the API server answered, in words.
pub fn of_status(status: &Status, server: &str) -> String {
    match status {
        _ if status.code == 401 => format!("the API server at {server} does not accept these credentials"),
        _ if status.code == 403 => format!("this is not allowed: {}", status.message),
        _ if is_not_found(status) && !names_an_object(status) => NOT_INSTALLED.into(),
        _ if is_not_found(status) && is_of_namespace(status) => {
            format!("{}: make it, or say another one", status.message)
        }
        _ if status.message.is_empty() => format!("the API server at {server} answered with {}", status.code),
        _ => status.message.clone(),
    }
}

/// Whether an answer says that this very object is not there.
pub fn lacks(status: &Status, name: &str) -> bool {
    is_not_found(status) && status.details.as_ref().is_some_and(|details| details.name == name)
}

/// By its code: a server that doesn't know the kind may give no reason.
fn is_not_found(status: &Status) -> bool {
    status.code == 404
}

/// A kind that is not served is not found too, and has no name.
fn names_an_object(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

fn is_of_namespace(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| details.kind == "namespaces")
}

/// Every cause once: many libraries repeat those below.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut told: Vec<String> = vec![];
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        // What contains its own cause says it all by the cause.
        if let Some(last) = told.last_mut()
            && let Some(before) = last.strip_suffix(&words)
        {
            *last = before.trim_end_matches([' ', ':']).to_owned();
        }
        told.push(words);
        next = error.source();
    }
    const EMPTY: [&str; 4] = ["", "ServiceError", "HyperError", "client error (Connect)"];
    told.retain(|words| !EMPTY.contains(&words.as_str()));
    told.join(": ")
}

/// A job that is not there, with names that are near. `here` are those of the namespace, `elsewhere`
/// namespaces that have one of this very name.
pub fn no_such_job(name: &str, namespace: &str, here: &[String], elsewhere: &[String]) -> String {
    let mut near: Vec<_> = here
        .iter()
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(alike, other)| *alike >= ALIKE || other.contains(name))
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<_> = near.into_iter().take(NAMES).map(|(_, other)| other.as_str()).collect();
    let advice = match (near.as_slice(), elsewhere) {
        (_, [namespace, ..]) => format!("; there is one in another namespace: say -n {namespace}"),
        ([_, ..], _) => format!("; did you mean {}?", near.join(", ")),
        _ if here.is_empty() => "; the namespace has no TranscodeJobs".into(),
        _ => "; `kubectl get transcodejobs` lists them".into(),
    };
    format!("there is no TranscodeJob `{name}` in namespace {namespace}{advice}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(code: u16, message: &str, name: &str) -> Status {
        let kind = message.split(' ').next().unwrap_or_default();
        let details = serde_json::from_value(json!({"name": name, "kind": kind})).unwrap();
        Status::failure(message, "").with_code(code).with_details(details)
    }

    #[test]
    fn a_kind_that_is_not_served_is_not_an_object_that_is_not_there() {
        let kind = status(404, "the server could not find the requested resource", "");
        assert_eq!(of_status(&kind, "s"), NOT_INSTALLED);
        assert!(!lacks(&kind, "movie"));
        let object = status(404, "transcodejobs.transcode.media \"movie\" not found", "movie");
        assert!(lacks(&object, "movie"));
        let namespace = status(404, "namespaces \"video\" not found", "video");
        assert!(!lacks(&namespace, "movie"));
        assert_eq!(of_status(&namespace, "s"), "namespaces \"video\" not found: make it, or say another one");
        assert!(of_status(&status(403, "you may not", "movie"), "s").starts_with("this is not allowed: you may not"));
    }

    #[test]
    fn near_names_are_told() {
        let here = ["movie-42".to_owned(), "movie-43".into(), "trailer".into()];
        let words = |name: &str, elsewhere: &[String]| no_such_job(name, "video", &here, elsewhere);
        assert_eq!(
            words("movie-4", &[]),
            "there is no TranscodeJob `movie-4` in namespace video; did you mean movie-42, movie-43?"
        );
        assert!(words("film", &["archive".into()]).ends_with("say -n archive"));
        assert!(words("film", &[]).ends_with("lists them"));
    }
}
