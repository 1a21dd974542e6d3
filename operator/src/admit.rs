//! First sight of a job: profiles are laid under it, allow-lists are applied, and what comes out is
//! kept for good.

use kube::{Api, Client, ResourceExt};
use transcode_api::{ClusterTranscodeProfile, ProfileKind, ProfileRef, ProfileSpec, TranscodeJob, TranscodeProfile};
use transcode_contract::{JobFile, VERSION};
use transcode_engine::{ResolvedSpec, resolve};

use crate::{args::Args, error::Error, files::Seen, pod};

/// What became of a job at first sight.
#[derive(Debug)]
pub enum Admission {
    /// It can run.
    Seen(Box<Seen>),
    /// It waits for something that may come, such as a profile.
    Waits {
        /// CamelCase.
        reason: &'static str,
        /// What is missing.
        message: String,
    },
    /// It can never run.
    Refused {
        /// CamelCase.
        reason: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
}

/// Looks at a job for the first time.
pub async fn admit(
    client: &Client,
    args: &Args,
    defaults: &ProfileSpec,
    job: &TranscodeJob,
) -> Result<Admission, Error> {
    let mut layers = vec![defaults.clone()];
    for wanted in &job.spec.profiles {
        match profile(client, args, job, wanted).await? {
            Ok(spec) => layers.push(spec),
            Err(admission) => return Ok(admission),
        }
    }
    let mut spec = match resolve(job, &layers) {
        Ok(spec) => spec,
        Err(problems) => {
            let words: Vec<_> = problems.iter().map(ToString::to_string).collect();
            return Ok(Admission::Refused { reason: "Invalid", message: words.join("; ") });
        }
    };
    // The hint for the fan-out; no part of any key.
    spec.max_parallel = spec.max_parallel.or(Some(args.max_parallel));
    spec.whole_below_seconds = (args.whole_below_seconds > 0).then_some(args.whole_below_seconds);
    if let Some((reason, message)) = forbidden(args, &spec) {
        return Ok(Admission::Refused { reason, message });
    }
    Ok(Admission::Seen(Box::new(Seen::new(JobFile { version: VERSION, spec }, &args.runner_image))))
}

/// Whether a job asks for what the site does not give; asked again of every spec that is read back.
pub fn forbidden(args: &Args, spec: &ResolvedSpec) -> Option<(&'static str, String)> {
    if let Some(account) = &spec.scheduling.service_account_name {
        let default = args.runner_service_account.as_deref().unwrap_or("default");
        if account != default && !args.allow_service_accounts.contains(account) {
            let message = format!("spec.scheduling.serviceAccountName: the operator does not allow `{account}`");
            return Some(("ServiceAccountNotAllowed", message));
        }
    }
    let allowed = |name: &str| args.allow_secrets.is_empty() || args.allow_secrets.iter().any(|p| matches(p, name));
    let secret = pod::secrets(spec).into_iter().find(|name| !allowed(name))?;
    Some(("SecretNotAllowed", format!("spec.stores: the operator does not allow the Secret `{secret}`")))
}

/// Whether a name fits a pattern such as `media-*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail),
    }
}

async fn profile(
    client: &Client,
    args: &Args,
    job: &TranscodeJob,
    wanted: &ProfileRef,
) -> Result<Result<ProfileSpec, Admission>, Error> {
    let found = match wanted.kind {
        ProfileKind::TranscodeProfile => {
            let api: Api<TranscodeProfile> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
            api.get_opt(&wanted.name).await?.map(|profile| profile.spec)
        }
        ProfileKind::ClusterTranscodeProfile if !args.cluster_profiles => {
            let message = "this operator reads no ClusterTranscodeProfiles; use a TranscodeProfile".into();
            return Ok(Err(Admission::Refused { reason: "ClusterProfilesOff", message }));
        }
        ProfileKind::ClusterTranscodeProfile => {
            let api: Api<ClusterTranscodeProfile> = Api::all(client.clone());
            api.get_opt(&wanted.name).await?.map(|profile| profile.spec.into())
        }
    };
    Ok(found.ok_or_else(|| Admission::Waits {
        reason: "ProfileNotFound",
        message: format!("there is no {:?} `{}`; the job starts when there is", wanted.kind, wanted.name),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_one_star() {
        assert!(matches("media-*", "media-eu") && matches("*", "any") && matches("s3", "s3"));
        assert!(!matches("media-*", "other") && !matches("s3", "s3-admin") && !matches("a*a", "a"));
    }
}
