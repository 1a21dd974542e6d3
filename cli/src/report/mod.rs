//! `report`, and `run --report`: a job as one HTML page.
//!
//! ```text
//! mod.rs    where the facts come from: a run, a record, a cluster
//! watch.rs  what of a run the page shows         place.rs  where the media is, seen from the page
//! ```

mod place;
mod watch;

use std::{
    io::{Read, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use jiff::Timestamp;
use kube::ResourceExt;
use transcode_api::{TranscodeJobStatus, status::Phase};
use transcode_contract::{PublishedRecord, VERSION};
use transcode_engine::{ResolvedSpec, assess, bundle::Bundle, layout::RECORD, status};
use transcode_report::{Facts, page};
use transcode_storage::{Access, StoreError};

pub use self::watch::{Seen, watch};
use crate::{
    Exit,
    args::{FileArgs, NetworkArgs, ReportArgs, RunArgs},
    cluster::Cluster,
    jobs, site,
};

/// A record at most, as the runner reads it.
const MAX_RECORD: u64 = 256 << 20;

/// Writes the page of a job that ended earlier.
pub async fn run(args: ReportArgs) -> anyhow::Result<Exit> {
    let facts = match (&args.job, &args.filename) {
        (_, Some(file)) => match of_file(&args, file).await? {
            Some(facts) => facts,
            None => return Ok(Exit::WrongUse),
        },
        (Some(what), None) if what == "-" => {
            let mut bytes = vec![];
            std::io::stdin().take(MAX_RECORD).read_to_end(&mut bytes).context("standard input can't be read")?;
            of_record(record(&bytes, "standard input")?, args.media_url.as_deref().map(place::folder))
        }
        (Some(what), None) if Path::new(what).exists() => of_output(&args, Path::new(what))?,
        (Some(what), None) => of_cluster(&args, what).await?,
        (None, None) => bail!("say which job: a job.json, the folder of an output, a TranscodeJob, or -f FILE"),
    };
    write(&args.output, &facts)?;
    Ok(Exit::Done)
}

/// Before a job runs for hours: whether its page can be written.
pub fn check(report: &Path) -> anyhow::Result<()> {
    let path = std::path::absolute(report)?;
    let folder = path.parent().unwrap_or(&path);
    anyhow::ensure!(folder.is_dir(), "--report {}: the folder {} does not exist", report.display(), folder.display());
    anyhow::ensure!(!path.is_dir(), "--report {}: this is a folder, and has to be a file", report.display());
    Ok(())
}

/// Writes the page of a run that just ended, however it did.
pub async fn of_run(
    args: &RunArgs,
    report: &Path,
    spec: &ResolvedSpec,
    seen: Seen,
    wall: Duration,
) -> anyhow::Result<()> {
    let base = place::base(report, spec, args.media_url.as_deref());
    let last = seen.last.map(|last| (last.0, last.1));
    let mut facts = local(&args.site.network, spec, last, base).await;
    (facts.runs, facts.wall) = (seen.runs, Some(wall));
    write(report, &facts)
}

/// Of the job of a YAML file: what it published, and how its last run on this machine stood. `None` after its
/// problems were printed.
async fn of_file(args: &ReportArgs, file: &Path) -> anyhow::Result<Option<Facts>> {
    let Some(specs) = jobs::load(&FileArgs { filename: vec![file.to_path_buf()] })? else { return Ok(None) };
    let [spec] = specs.as_slice() else { bail!("a report is of one job; {} are in the file", specs.len()) };
    let path = site::work_dir(args.work_dir.as_deref(), &spec.namespace, &spec.name)?.join("bundle.json");
    let bundle = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Bundle>(&bytes).ok());
    let last = bundle.filter(|bundle| bundle.spec.output == spec.output).map(|bundle| {
        let progress = assess(&bundle.plan, &bundle.observation);
        let status = status(&bundle.spec, &bundle.plan, &bundle.observation, &progress, bundle.now);
        (bundle, status)
    });
    let base = place::base(&args.output, spec, args.media_url.as_deref());
    let facts = local(&args.network, spec, last, base).await;
    let known = facts.status.is_some() || facts.record.is_some();
    anyhow::ensure!(known, "{} was not run on this machine. {}", spec.name, facts.notes.join(" "));
    Ok(Some(facts))
}

/// A job of this machine: its state if it is known, and its record unless that would be an earlier job's.
async fn local(
    network: &NetworkArgs,
    spec: &ResolvedSpec,
    last: Option<(Bundle, TranscodeJobStatus)>,
    base: Option<String>,
) -> Facts {
    let (bundle, status) = last.unzip();
    let mut facts = empty(&spec.name, &spec.namespace, base);
    facts.duration = bundle.as_ref().and_then(|b| Some(b.observation.record.facts.media()?.duration));
    if status.as_ref().is_none_or(|status| status.phase == Some(Phase::Succeeded)) {
        match published(network, spec).await {
            Ok(record) => {
                facts.duration = facts.duration.or_else(|| record.duration.parse().ok());
                facts.record = Some(record);
            }
            Err(error) => facts.notes.push(format!("What was published is not known: {error:#}")),
        }
    }
    facts.status = status;
    facts
}

async fn published(network: &NetworkArgs, spec: &ResolvedSpec) -> anyhow::Result<PublishedRecord> {
    let NetworkArgs { allow_networks, environment_proxy, credentials_dir } = network;
    let credentials = credentials_dir.as_ref().map(|dir| dir.display().to_string());
    let access = Access::new(&spec.stores, credentials.as_deref(), allow_networks, *environment_proxy);
    let store = access.output(&spec.output)?;
    match store.get_bytes(RECORD, MAX_RECORD).await {
        Ok(bytes) => record(&bytes, &store.uri(RECORD)),
        Err(StoreError::NotFound { uri, .. }) => bail!("there is no {uri}"),
        Err(error) => Err(error.into()),
    }
}

/// Of an output's folder, or the record in it.
fn of_output(args: &ReportArgs, path: &Path) -> anyhow::Result<Facts> {
    let file = if path.is_dir() { path.join(RECORD) } else { path.to_path_buf() };
    let bytes = std::fs::read(&file).with_context(|| format!("{} can't be read", file.display()))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let base = place::of_folder(&args.output, folder, args.media_url.as_deref());
    Ok(of_record(record(&bytes, &file.display().to_string())?, base))
}

fn of_record(record: PublishedRecord, base: Option<String>) -> Facts {
    let mut facts = empty(&record.name, &record.namespace, base);
    facts.duration = record.duration.parse().ok();
    facts.record = Some(record);
    facts
}

/// Of a TranscodeJob: its status, and its record when one is given.
async fn of_cluster(args: &ReportArgs, name: &str) -> anyhow::Result<Facts> {
    // Nothing of that form is a job's name; a cluster would only say that it knows none.
    let is_path = name.ends_with(".json") || name.contains('/') && !name.starts_with("tj/");
    anyhow::ensure!(!is_path, "{name} does not exist; name a job.json, the folder of an output, or a TranscodeJob");
    let job = Cluster::connect(&args.cluster).await?.job(name.strip_prefix("tj/").unwrap_or(name)).await?;
    let mut facts = match &args.record {
        Some(file) => of_output(args, file)?,
        None => empty(&job.name_any(), &job.namespace().unwrap_or_default(), None),
    };
    if args.record.is_none() {
        let words = "This is what the job's status tells. Segments, times of single tasks, checksums and a player come with its record: --record job.json.";
        facts.notes.push(words.into());
    }
    facts.status = Some(job.status.clone().unwrap_or_default());
    Ok(facts)
}

fn empty(name: &str, namespace: &str, base: Option<String>) -> Facts {
    Facts {
        name: name.into(),
        namespace: namespace.into(),
        status: None,
        record: None,
        runs: vec![],
        duration: None,
        wall: None,
        base,
        notes: vec![],
        written: Timestamp::now(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

fn record(bytes: &[u8], name: &str) -> anyhow::Result<PublishedRecord> {
    let record: PublishedRecord =
        serde_json::from_slice(bytes).with_context(|| format!("{name} is no job.json of an output"))?;
    anyhow::ensure!(record.version <= VERSION, "{name} has version {}: use a newer kubectl-transcode", record.version);
    Ok(record)
}

fn write(path: &Path, facts: &Facts) -> anyhow::Result<()> {
    let page = page(facts);
    if path == Path::new("-") {
        return std::io::stdout().write_all(page.as_bytes()).context("standard output can't be written");
    }
    std::fs::write(path, page).with_context(|| format!("the report {} can't be written", path.display()))?;
    eprintln!("report: {}", path.display());
    Ok(())
}
