//! The Kubernetes edge: watches TranscodeJobs, runs them as Jobs, tells how they are.
//!
//! ```text
//! watch ─> observe ─> decide (transcode-engine) ─> execute ─> tell ─> wait
//!
//! main.rs       start, shutdown               args.rs      flags and environment
//! lease.rs      leadership                     health.rs    liveness and readiness
//! watch.rs      watches, and when passes run   http.rs      /metrics, /healthz, /readyz
//! operator.rs   what passes share
//! reconcile.rs  one pass, step by step         metrics.rs   counters
//! load.rs       what is known of a job         tell.rs      status and Events
//! admit.rs      first sight of a job           files.rs     its ConfigMaps
//! allow.rs      what a job may ask for
//! observe.rs    Jobs to batches                view.rs      what a Job says    pods.rs  what pods say
//! children.rs   batches to Jobs                render.rs    a Job              pod.rs   its pod
//! status.rs     the status subresource         deletion.rs  a deleted job
//! known.rs      kept between passes            names.rs     names, labels
//! places.rs     jobs of one output             turns.rs     jobs that run and jobs in line
//! index.rs      watched objects by a key
//! ```

mod admit;
mod allow;
mod args;
mod children;
mod deletion;
mod error;
mod files;
mod health;
mod http;
mod index;
mod known;
mod lease;
mod load;
mod metrics;
mod names;
mod observe;
mod operator;
mod places;
mod pod;
mod pods;
mod reconcile;
mod render;
mod status;
mod tell;
mod turns;
mod view;
mod watch;

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context, anyhow};
use clap::Parser;
use futures::future::join_all;
use kube::{
    Client,
    client::ClientBuilder,
    runtime::events::{Recorder, Reporter},
};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use transcode_api::ProfileSpec;

use crate::{
    args::{Args, LogFormat},
    metrics::Metrics,
    operator::Shared,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    log(&args);
    let stop = stop_on_signal()?;
    let metrics = Metrics::default();
    let client = client(&metrics).await?;
    let server = tokio::spawn(http::serve(args.http_address, metrics.clone(), stop.clone()));
    let result = start(client, args, metrics, stop.clone()).await;
    stop.cancel();
    server.await??;
    result
}

/// Runs as the leader, or at once without leader election.
async fn start(client: Client, args: Args, metrics: Metrics, stop: CancellationToken) -> anyhow::Result<()> {
    if !args.leader_election {
        return operate(client, args, metrics, stop).await;
    }
    // A replica that waits is ready too: it has nothing else to do.
    metrics.health.waits_for(0);
    let work = operate(client.clone(), args.clone(), metrics, stop.clone());
    lease::lead(client, &args, stop, work).await
}

async fn operate(client: Client, args: Args, metrics: Metrics, stop: CancellationToken) -> anyhow::Result<()> {
    let defaults = defaults(&args)?;
    metrics.leads();
    let reporter = Reporter { controller: names::MANAGER.into(), instance: args.name.clone() };
    let recorder = Recorder::new(client.clone(), reporter);
    let namespaces: BTreeSet<String> = args.watch_namespaces.iter().cloned().collect();
    let shared = Arc::new(Shared::new(client, args, defaults, metrics, recorder));
    shared.metrics.health.waits_for(namespaces.len().max(1));
    match namespaces.is_empty() {
        true => watch::run(shared, None, stop).await,
        false => {
            let scopes = namespaces.iter().map(|namespace| watch::run(shared.clone(), Some(namespace), stop.clone()));
            join_all(scopes).await;
        }
    }
    Ok(())
}

/// The operator's defaults: the first layer below every profile. A misspelt option is an error.
fn defaults(args: &Args) -> anyhow::Result<ProfileSpec> {
    let Some(path) = &args.defaults else { return Ok(ProfileSpec::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("--defaults {} can't be read", path.display()))?;
    let given: Value = serde_saphyr::from_str(&text).with_context(|| format!("--defaults {}", path.display()))?;
    args::strictly(given).map_err(|words| anyhow!("--defaults {} is not a valid profile spec: {words}", path.display()))
}

/// A client that counts its requests.
async fn client(metrics: &Metrics) -> anyhow::Result<Client> {
    let mut config = kube::Config::infer().await.context("neither a kubeconfig nor a service account is there")?;
    config.read_timeout = Some(http::READ_TIMEOUT);
    config.write_timeout = Some(http::READ_TIMEOUT);
    // Time in the pool of connections is nobody's delay.
    config.reset_reader_on_write = true;
    let layer = http::Counting::new(metrics.clone());
    Ok(ClientBuilder::try_from(config)?.with_layer(&layer).build())
}

fn log(args: &Args) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TRANSCODE_LOG")
        .unwrap_or_else(|_| "info,kube_runtime=warn,kube_client=warn".into());
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    match args.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
}

/// SIGTERM and SIGINT end everything after the passes that run.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<ProfileSpec> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(&file, text)?;
        let path = file.path().display().to_string();
        defaults(&Args::try_parse_from(["operator", "--runner-image=r", "--defaults", &path])?)
    }

    #[test]
    fn a_misspelt_default_is_an_error() {
        let right = "options: {video: {encode: {h264: {rate: {crf: 21}, preset: slow}}}, thumbnail: {at: 10%}}";
        assert!(read(right).unwrap().options.is_some());
        let wrong = read(&right.replace("preset", "presett")).unwrap_err().to_string();
        assert!(wrong.ends_with("no field `options.video.encode.h264.presett`"), "{wrong}");
        assert!(read("stores: [{name: a, s3: {}, secret: x}]").unwrap_err().to_string().contains("`stores.0.secret`"));
        assert!(read("options: 7").is_err());
    }
}
