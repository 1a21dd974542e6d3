//! Jobs on a cluster.
//!
//! ```text
//! mod.rs     kubeconfig, client, a job by its name      words.rs   what went wrong, for people
//! submit.rs  server-side apply    manifests.rs  what is applied
//! watch/     live progress: sight.rs, follow.rs ─▶ state.rs ─▶ bars.rs, plain.rs, json.rs
//! status.rs  one screen           paint.rs      colours, tables
//! logs.rs    a task's log         lines.rs      its lines, readable     tasks.rs  which pod is which task
//! ```

pub mod logs;
pub mod status;
pub mod submit;
pub mod watch;

mod lines;
mod manifests;
mod paint;
mod tasks;
mod words;

use std::{future::Future, path::PathBuf, time::Duration};

use anyhow::{anyhow, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config, ResourceExt,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use transcode_api::TranscodeJob;

use crate::args::ClusterArgs;

/// Label: UID of the TranscodeJob.
const JOB_UID: &str = "transcode.media/job-uid";
/// A server that doesn't take a connection for so long isn't there.
const CONNECT: Duration = Duration::from_secs(10);
/// A request that takes longer isn't answered any more.
const PATIENCE: Duration = Duration::from_secs(30);
/// Jobs that are looked through for a near name.
const NEAR: u32 = 500;

/// A cluster to talk to.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// The namespace that was asked for, or the context's.
    pub namespace: String,
    server: String,
}

impl Cluster {
    /// Finds the cluster as kubectl does. Nothing is sent yet.
    pub async fn connect(args: &ClusterArgs) -> anyhow::Result<Self> {
        let mut config = config(args).await?;
        config.connect_timeout = Some(CONNECT);
        let namespace = args.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| words::of(error, &server))?;
        Ok(Cluster { client, namespace, server })
    }

    /// The jobs of a namespace.
    pub fn jobs(&self, namespace: &str) -> Api<TranscodeJob> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The pods of the namespace.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits for an answer, but not for ever.
    pub async fn ask<T>(&self, request: impl Future<Output = kube::Result<T>>) -> anyhow::Result<T> {
        match tokio::time::timeout(PATIENCE, request).await {
            Ok(answer) => answer.map_err(|error| words::of(error, &self.server)),
            Err(_) => bail!("the API server at {} does not answer within {} s", self.server, PATIENCE.as_secs()),
        }
    }

    /// A job by its name, or words about names that are near.
    pub async fn job(&self, name: &str) -> anyhow::Result<TranscodeJob> {
        let api = self.jobs(&self.namespace);
        let found = self.ask(async {
            match api.get(name).await {
                Err(kube::Error::Api(status)) if words::lacks(&status, name) => Ok(None),
                other => other.map(Some),
            }
        });
        match found.await? {
            Some(job) => Ok(job),
            None => Err(anyhow!("{}", self.no_such_job(name).await)),
        }
    }

    async fn no_such_job(&self, name: &str) -> String {
        let api: Api<TranscodeJob> = Api::all(self.client.clone());
        let elsewhere = ListParams::default().fields(&format!("metadata.name={name}")).limit(NEAR);
        let elsewhere = self.ask(api.list(&elsewhere)).await.map(|list| list.items).unwrap_or_default();
        let elsewhere: Vec<String> = elsewhere.iter().filter_map(ResourceExt::namespace).collect();
        let here = self.ask(self.jobs(&self.namespace).list(&ListParams::default().limit(NEAR))).await;
        let here: Vec<String> = here.map(|l| l.items.iter().map(ResourceExt::name_any).collect()).unwrap_or_default();
        words::no_such_job(name, &self.namespace, &here, &elsewhere)
    }
}

async fn config(args: &ClusterArgs) -> anyhow::Result<Config> {
    let Some(file) = kubeconfig(args)? else {
        return Config::incluster().map_err(|_| {
            anyhow!(
                "there is no kubeconfig: neither --kubeconfig nor $KUBECONFIG names one, and there is no ~/.kube/config"
            )
        });
    };
    let context = args.context.clone().or_else(|| file.current_context.clone()).filter(|name| !name.is_empty());
    let names: Vec<_> = file.contexts.iter().map(|context| context.name.clone()).collect();
    let known = if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) };
    match context {
        None => bail!("the kubeconfig has no current context: say --context ({known})"),
        Some(context) if !names.contains(&context) => bail!("the kubeconfig has no context `{context}`; {known}"),
        Some(_) => {}
    }
    let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(file, &options).await.map_err(unread)
}

/// The kubeconfig, several merged; none when there is no file.
fn kubeconfig(args: &ClusterArgs) -> anyhow::Result<Option<Kubeconfig>> {
    if let Some(path) = &args.kubeconfig {
        return Kubeconfig::read_from(path).map(Some).map_err(unread);
    }
    let listed: Vec<PathBuf> = std::env::var_os("KUBECONFIG")
        .map(|value| std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    let given = !listed.is_empty();
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    let candidates = if given { listed } else { home().into_iter().collect() };
    // As kubectl does: of a list, files that are not there are left out.
    let files: Vec<_> = candidates.iter().filter(|path| path.exists()).collect();
    match files.as_slice() {
        [] if given => bail!("$KUBECONFIG names no file that is there: {}", paths(&candidates)),
        [] => Ok(None),
        files => {
            let merged = files.iter().try_fold(Kubeconfig::default(), |merged, path| {
                Kubeconfig::read_from(path).and_then(|next| merged.merge(next))
            });
            merged.map(Some).map_err(unread)
        }
    }
}

fn unread(error: KubeconfigError) -> anyhow::Error {
    anyhow!("{}", words::causes(&error))
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
