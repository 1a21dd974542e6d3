//! The files that a runner is given: what is fixed for a whole job, and what became known since.
//! Which of its tasks to run is on the command line.

use serde::{Deserialize, Serialize};
use transcode_api::AllowedNetwork;
use transcode_engine::{Facts, ResolvedSpec};

/// A job as it was when it was first seen. Never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobFile {
    /// See [`crate::CONTRACT`].
    pub version: u32,
    /// The job.
    pub spec: ResolvedSpec,
}

impl JobFile {
    /// Of the oldest version that has everything that the job uses, so that older operators can go on with it.
    pub fn new(spec: ResolvedSpec) -> Self {
        let secret = spec.input.http.as_ref().is_some_and(|http| http.url_secret_ref.is_some());
        JobFile { version: if secret { 2 } else { 1 }, spec }
    }
}

/// What Probe and Split told: everything else follows from it. Probe itself has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FactsFile {
    /// See [`crate::VERSION`].
    pub version: u32,
    /// By stage.
    pub facts: Facts,
}

/// What the site allows and where it keeps things: arguments of the runner, never part of a file that
/// users might write.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct Site {
    /// Folder with a folder for each Secret that the job refers to.
    #[arg(long, value_name = "DIR")]
    pub credentials_dir: Option<String>,
    /// Network or host that user-given URLs may lead to although it is not public.
    #[arg(long = "allow-network", value_name = "NETWORK")]
    pub allow_networks: Vec<AllowedNetwork>,
    /// Seconds without progress after which a task is stuck.
    #[arg(long)]
    pub stall_seconds: Option<u32>,
    /// Follow HTTPS_PROXY and its kin: the proxy resolves names, and has to refuse what must not be reached.
    #[arg(long)]
    pub environment_proxy: bool,
}

impl Site {
    /// The arguments that say this.
    pub fn arguments(&self) -> Vec<String> {
        let credentials = self.credentials_dir.iter().map(|dir| format!("--credentials-dir={dir}"));
        let networks = self.allow_networks.iter().map(|network| format!("--allow-network={network}"));
        let stall = self.stall_seconds.iter().map(|seconds| format!("--stall-seconds={seconds}"));
        let proxy = self.environment_proxy.then(|| "--environment-proxy".to_owned());
        credentials.chain(networks).chain(stall).chain(proxy).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        site: Site,
    }

    #[test]
    fn arguments_read_back() {
        let site = Site {
            credentials_dir: Some("/a b".into()),
            allow_networks: ["10.0.0.0/8", "[fd00::/8]:9000"].map(|network| network.parse().unwrap()).into(),
            stall_seconds: Some(7),
            environment_proxy: true,
        };
        for site in [site, Site::default()] {
            let line = ["runner".to_owned()].into_iter().chain(site.arguments());
            assert_eq!(Line::parse_from(line).site, site);
        }
    }
}
