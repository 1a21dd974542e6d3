//! First sight of a job: profiles are laid under it, allow-lists are applied, and what comes out is
//! kept for good.

use kube::{Api, Client, ResourceExt};
use transcode_api::{
    ClusterTranscodeProfile, ProfileKind, ProfileRef, ProfileSpec, Scheduling, TranscodeJob, TranscodeProfile,
};
use transcode_contract::JobFile;
use transcode_engine::resolve;

use crate::{allow::Objection, args::Args, error::Error, files::Seen, names::Names};

/// What became of a job at first sight.
#[derive(Debug)]
pub enum Admission {
    /// It can run, whatever there is to object.
    Seen(Box<Seen>, Vec<Objection>),
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
    let mut asked: Vec<Scheduling> = job.spec.scheduling.clone().into_iter().collect();
    for wanted in &job.spec.profiles {
        match profile(client, args, job, wanted).await? {
            Ok(spec) => {
                asked.extend(spec.scheduling.clone().filter(|_| wanted.kind == ProfileKind::TranscodeProfile));
                layers.push(spec);
            }
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
    spec.most_cpu_hours = args.allow.cpu_hours;
    let account = args.runner_service_account.as_deref().unwrap_or("default");
    let names = args.allow.names(&spec, account);
    let objections: Vec<_> = names.into_iter().chain(asked.iter().filter_map(|s| args.allow.scheduling(s))).collect();
    if let Some(Objection { reason, message, .. }) = objections.iter().find(|objection| objection.refuses) {
        return Ok(Admission::Refused { reason, message: message.clone() });
    }
    let (name, file) = (Names::of(job).job_file(), JobFile::new(spec));
    Ok(Admission::Seen(Box::new(Seen::new(name, file, &args.runner_image)), objections))
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
