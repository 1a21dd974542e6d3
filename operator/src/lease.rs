//! Leadership: one replica works, by a Lease.

use std::time::Duration;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_lease_manager::LeaseManagerBuilder;
use tokio_util::sync::CancellationToken;

use crate::args::Args;

/// Waits for the Lease, then works until the work is done. A replica that loses its Lease, or can't renew it
/// in time, ends: another may have begun.
pub async fn lead(
    client: Client,
    args: &Args,
    stop: CancellationToken,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let identity = args.name.clone().unwrap_or_else(|| format!("transcode-operator-{:08x}", fastrand::u32(..)));
    let grace = (args.lease_seconds / 3).max(1);
    let lease = LeaseManagerBuilder::new(client.clone(), &args.lease_name)
        .with_namespace(&args.namespace)
        .with_identity(&identity)
        .with_duration(args.lease_seconds)
        .with_grace(grace)
        .build()
        .await
        .with_context(|| format!("the Lease {} in {} can't be used", args.lease_name, args.namespace))?;
    let (mut leads, task) = lease.watch().await;
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        state = leads.wait_for(|leads| *leads) => drop(state.context("the Lease is not watched any more")?),
    }
    tracing::info!("leads");
    let leases = Api::namespaced(client, &args.namespace);
    let result = tokio::select! {
        result = work => result,
        _ = leads.wait_for(|leads| !*leads) => bail!("the Lease was lost; ending, because another replica has begun"),
        () = run_out(&leases, args, &identity, grace) => {
            bail!("the Lease could not be renewed for {} s; ending, because another replica may have begun", args.lease_seconds)
        }
    };
    // Whoever waits need not wait for the Lease to run out.
    drop(leads);
    let _ = task.await;
    result
}

/// Ends when this replica's Lease was not renewed in time. Whoever renews it tries for ever, and says nothing
/// of its failures but in the log.
async fn run_out(leases: &Api<Lease>, args: &Args, identity: &str, grace: u64) {
    let seconds = |seconds: u64| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    let (whole, renewal) = (seconds(args.lease_seconds), seconds(args.lease_seconds - grace));
    let second = Duration::from_secs(1);
    let mut renewed = Timestamp::now();
    loop {
        let left = renewal - Timestamp::now().duration_since(renewed);
        tokio::time::sleep(Duration::try_from(left).unwrap_or_default() + second).await;
        // On a busy machine an answer may take long, and is worth waiting for while the Lease holds.
        let rest = Duration::try_from(whole - Timestamp::now().duration_since(renewed)).unwrap_or_default().max(second);
        if let Ok(Ok(lease)) = tokio::time::timeout(rest, leases.get(&args.lease_name)).await {
            let own = lease.spec.filter(|spec| spec.holder_identity.as_deref() == Some(identity));
            // Written by this process, by this clock.
            renewed = own.and_then(|spec| spec.renew_time).map_or(renewed, |time| renewed.max(time.0));
        }
        if Timestamp::now().duration_since(renewed) >= whole {
            return;
        }
    }
}
