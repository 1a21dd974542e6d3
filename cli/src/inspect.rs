//! `explain`, `bundle` and `replay`: the engine's decisions, with their reasons.

use std::{io::Read, path::Path};

use anyhow::Context;
use transcode_engine::{Outcome, Progress, StageState, bundle::Bundle};

use crate::{
    Exit,
    args::{JobArgs, ReplayArgs},
    site,
};

/// Prints where every stage stands and what is next, with the reasons.
pub fn explain(args: &JobArgs) -> anyhow::Result<Exit> {
    let bundle = load(args)?;
    print_decision(&bundle);
    Ok(Exit::Done)
}

/// Prints the bundle.
pub fn bundle(args: &JobArgs) -> anyhow::Result<Exit> {
    println!("{}", serde_json::to_string_pretty(&load(args)?)?);
    Ok(Exit::Done)
}

/// Decides again on a bundle.
pub fn replay(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let text = if args.bundle == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(&args.bundle).with_context(|| format!("{} can't be read", args.bundle.display()))?
    };
    let bundle = serde_json::from_str(&text).with_context(|| format!("{} is no bundle", args.bundle.display()))?;
    print_decision(&bundle);
    Ok(Exit::Done)
}

fn load(args: &JobArgs) -> anyhow::Result<Bundle> {
    let path = site::work_dir(args.work_dir.as_deref(), &args.namespace, &args.job)?.join("bundle.json");
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!("{} can't be read: no run of {}/{} used this work folder", path.display(), args.namespace, args.job)
    })?;
    serde_json::from_str(&text).with_context(|| format!("{} is of another version", path.display()))
}

fn print_decision(bundle: &Bundle) {
    let (progress, decision) = bundle.replay();
    println!("{}/{} at {}", bundle.spec.namespace, bundle.spec.name, bundle.now);
    print_stages(bundle, &progress);
    if let Some(words) = transcode_engine::status::fan_out_words(&bundle.spec, &bundle.observation.record.facts, true) {
        println!("fan-out {words}");
    }
    match &progress.ended {
        Some(Outcome::Complete { reason }) => println!("ended: Complete, {reason}"),
        Some(Outcome::Failed { reason, message }) => println!("ended: Failed, {reason}: {message}"),
        None => {}
    }
    for (action, why) in &decision.actions {
        let action = serde_json::to_value(action).unwrap_or_default();
        let name = action.as_object().and_then(|a| a.keys().next().cloned()).unwrap_or_default();
        println!("next: {name}: {why}");
    }
    match decision.wake_at {
        Some(at) => println!("looks again at {at}"),
        None if decision.actions.is_empty() && progress.ended.is_none() => println!("waits for running tasks"),
        None => {}
    }
}

fn print_stages(bundle: &Bundle, progress: &Progress) {
    for (id, standing) in &progress.stages {
        let total = bundle.plan.stages.get(id).map_or(0, |s| s.tasks);
        let words = match &standing.state {
            StageState::Waiting => {
                let needs: Vec<_> = standing.waits_for.iter().map(ToString::to_string).collect();
                format!(
                    "waits for {}",
                    if needs == [id.to_string()] { "the end of the job".into() } else { needs.join(", ") }
                )
            }
            StageState::Open if standing.running.is_empty() => "may start".into(),
            StageState::Open => format!("running {}", standing.running),
            StageState::Ended(end) => format!("ended {end:?}"),
        };
        println!("  {:<20} {:>5}/{total:<5} {words}", id.to_string(), standing.done.len());
        if let Some(failure) = &standing.last_failure {
            println!("  {:<20} last failure: {}: {}", "", failure.failure.reason(), failure.message);
        }
    }
}
