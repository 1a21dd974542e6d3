//! The Kubernetes edge: watches TranscodeJobs, runs them as Jobs, tells how they are.
//!
//! ```text
//! watch ─> observe ─> decide (transcode-engine) ─> execute ─> tell ─> wait
//!
//! main.rs       start, leadership, shutdown    args.rs      flags and environment
//! operator.rs   watches, what passes share     http.rs      metrics, health
//! reconcile.rs  one pass, step by step         metrics.rs   counters
//! load.rs       what is known of a job         tell.rs      status and Events
//! admit.rs      first sight of a job           files.rs     its ConfigMaps
//! observe.rs    Jobs to batches                view.rs      what a Job says    pods.rs  what pods say
//! children.rs   batches to Jobs                render.rs    a Job              pod.rs   its pod
//! status.rs     the status subresource         deletion.rs  a deleted job
//! known.rs      kept between passes            names.rs     names, labels
//! ```

mod admit;
mod args;
mod children;
mod deletion;
mod error;
mod files;
mod http;
mod known;
mod load;
mod metrics;
mod names;
mod observe;
mod operator;
mod pod;
mod pods;
mod reconcile;
mod render;
mod status;
mod tell;
mod view;

use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Parser;
use futures::future::join_all;
use kube::{
    Client,
    client::ClientBuilder,
    runtime::events::{Recorder, Reporter},
};
use kube_lease_manager::LeaseManagerBuilder;
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
    let result = lead(client, args, metrics, stop.clone()).await;
    stop.cancel();
    server.await??;
    result
}

/// Runs while this replica is the leader. One that loses its Lease ends: another has begun.
async fn lead(client: Client, args: Args, metrics: Metrics, stop: CancellationToken) -> anyhow::Result<()> {
    if !args.leader_election {
        return operate(client, args, metrics, stop).await;
    }
    let identity = args.name.clone().unwrap_or_else(|| format!("transcode-operator-{:08x}", fastrand::u32(..)));
    let lease = LeaseManagerBuilder::new(client.clone(), &args.lease_name)
        .with_namespace(&args.namespace)
        .with_identity(identity)
        .with_duration(args.lease_seconds)
        .with_grace((args.lease_seconds / 3).max(1))
        .build()
        .await
        .with_context(|| format!("the Lease {} in {} can't be used", args.lease_name, args.namespace))?;
    let (mut leads, task) = lease.watch().await;
    // A replica that waits is ready too: it has nothing else to do.
    metrics.waits_for(0);
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        state = leads.wait_for(|leads| *leads) => drop(state.context("the Lease is not watched any more")?),
    }
    tracing::info!("leads");
    let result = tokio::select! {
        result = operate(client, args, metrics, stop.clone()) => result,
        _ = leads.wait_for(|leads| !*leads) => bail!("the Lease was lost; ending, because another replica has begun"),
    };
    // Whoever waits need not wait for the Lease to run out.
    drop(leads);
    let _ = task.await;
    result
}

async fn operate(client: Client, args: Args, metrics: Metrics, stop: CancellationToken) -> anyhow::Result<()> {
    let defaults = defaults(&args)?;
    let reporter = Reporter { controller: names::MANAGER.into(), instance: args.name.clone() };
    let recorder = Recorder::new(client.clone(), reporter);
    let namespaces = args.watch_namespaces.clone();
    let shared = Arc::new(Shared::new(client, args, defaults, metrics, recorder));
    shared.metrics.waits_for(namespaces.len().max(1));
    match namespaces.is_empty() {
        true => operator::run(shared, None, stop).await,
        false => {
            let scopes =
                namespaces.iter().map(|namespace| operator::run(shared.clone(), Some(namespace), stop.clone()));
            join_all(scopes).await;
        }
    }
    Ok(())
}

/// The operator's defaults: the first layer below every profile.
fn defaults(args: &Args) -> anyhow::Result<ProfileSpec> {
    let Some(path) = &args.defaults else { return Ok(ProfileSpec::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("--defaults {} can't be read", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("--defaults {} is no profile's spec", path.display()))
}

/// A client that counts its requests.
async fn client(metrics: &Metrics) -> anyhow::Result<Client> {
    let config = kube::Config::infer().await.context("neither a kubeconfig nor a service account is there")?;
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
