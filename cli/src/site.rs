//! This machine as a site: workers, memory, folders, the runner.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use transcode_contract::Site;
use transcode_engine::{Facts, ResolvedSpec};
use transcode_local::LocalEngine;

use crate::args::SiteArgs;

/// The local engine for a job, with its folder below `root` or the user's cache. `spec` learns the
/// number of workers: the hint for its fan-out.
pub fn engine(args: &SiteArgs, root: Option<&Path>, spec: &mut ResolvedSpec) -> anyhow::Result<LocalEngine> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let workers = args.workers.or(spec.max_parallel).unwrap_or(cores);
    spec.max_parallel = Some(workers);
    Ok(LocalEngine {
        runner: runner(args.runner.as_deref())?,
        workers,
        memory_mib: memory_mib(),
        work_dir: work_dir(root, &spec.namespace, &spec.name)?,
        site: Site {
            credentials_dir: args.network.credentials_dir.as_ref().map(|d| d.display().to_string()),
            allow_networks: args.network.allow_networks.clone(),
            environment_proxy: args.network.environment_proxy,
            ..Site::default()
        },
        facts: Facts::default(),
    })
}

/// Folder of a job below the given one or the user's cache.
pub fn work_dir(given: Option<&Path>, namespace: &str, job: &str) -> anyhow::Result<PathBuf> {
    let root = match given {
        Some(given) => std::path::absolute(given)?,
        None => {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
            let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
            cache
                .or_else(home)
                .context("neither XDG_CACHE_HOME nor HOME is set; say --work-dir")?
                .join("kubectl-transcode")
        }
    };
    Ok(root.join(namespace).join(job))
}

fn runner(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        if !given.is_file() {
            bail!("--runner {}: there is no such file", given.display());
        }
        return Ok(given.to_path_buf());
    }
    let beside = std::env::current_exe()?.with_file_name("job-runner");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::iter::once(beside).chain(std::env::split_paths(&path).map(|dir| dir.join("job-runner")));
    match candidates.find(|c| c.is_file()) {
        Some(found) => Ok(found),
        None => bail!(
            "job-runner is neither beside this program nor on PATH; build it with `cargo build --release`, or say --runner"
        ),
    }
}

/// Nine tenths of what the kernel calls available, or plenty where it can't be asked.
fn memory_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    available.map_or(u64::MAX, |kib| kib * 9 / 10 / 1024)
}
