//! `kubectl-transcode`: the same YAML on this machine, without a cluster, and on one.
//!
//! ```text
//! args.rs   what a user may write          jobs.rs     manifests to resolved specs
//! run.rs    the local engine, exit codes   progress/   what a person or a program sees of it
//! plan.rs   everything before encoding     inspect.rs  explain, bundle, replay
//! probe.rs  what a source is               site.rs     workers, memory, folders, the runner
//! cluster/  submit, watch, status, logs        report/  a job as an HTML page
//! ```

mod args;
mod cluster;
mod inspect;
mod jobs;
mod plan;
mod probe;
mod progress;
mod report;
mod run;
mod site;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};

/// Exit codes: 0 done, 1 the job failed, 2 wrong use or invalid YAML, 130 interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything went well.
    Done = 0,
    /// A job failed.
    Failed = 1,
    /// Wrong use, invalid YAML, a machine that can't do it.
    WrongUse = 2,
    /// Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => run::run(args).await,
        Command::Plan(args) => plan::run(args).await,
        Command::Probe(args) => probe::run(args).await,
        Command::Validate(args) => jobs::validate(&args),
        Command::Submit(args) => cluster::submit::run(args).await,
        Command::Watch(args) => cluster::watch::run(args).await,
        Command::Status(args) => cluster::status::run(args).await,
        Command::Logs(args) => cluster::logs::run(args).await,
        Command::Report(args) => report::run(args).await,
        Command::Explain(args) => inspect::explain(&args),
        Command::Bundle(args) => inspect::bundle(&args),
        Command::Replay(args) => inspect::replay(&args),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "kubectl-transcode", &mut std::io::stdout());
            Ok(Exit::Done)
        }
        Command::Man { dir } => man(&dir),
        Command::Version => {
            println!("kubectl-transcode {}", env!("CARGO_PKG_VERSION"));
            Ok(Exit::Done)
        }
    };
    result
        .unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Exit::WrongUse
        })
        .into()
}

fn man(dir: &std::path::Path) -> anyhow::Result<Exit> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)?;
    println!("man pages written to {}", dir.display());
    Ok(Exit::Done)
}
