//! What a user may write.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  kubectl-transcode run -f examples/quickstart.yaml
  kubectl-transcode plan -f job.yaml
  kubectl-transcode plan -f job.yaml -o mermaid
  kubectl-transcode probe clip.mov
  kubectl-transcode validate -f job.yaml

Exit codes: 0 done, 1 the job failed, 2 wrong use or invalid YAML, 130 interrupted.";

/// Turns a video into verified HLS, DASH and MP4.
#[derive(Debug, Parser)]
#[command(name = "kubectl-transcode", version, after_help = EXAMPLES, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the jobs of a file on this machine.
    ///
    /// The same command again goes on where an earlier run stopped: only what is missing is encoded.
    Run(RunArgs),
    /// Probe the source and print graph, ladder, chunks, estimates and every command; encode nothing.
    Plan(PlanArgs),
    /// Print what a source is.
    Probe(ProbeArgs),
    /// Check the YAML and print every problem with its line.
    Validate(FileArgs),
    /// Print what a job waits for, and why.
    Explain(JobArgs),
    /// Print spec, plan, record and observation of a job as one JSON file.
    Bundle(JobArgs),
    /// Decide again on a bundle, and print the decision.
    Replay(ReplayArgs),
    /// Print a completion script.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages.
    Man {
        /// Folder to write them to.
        #[arg(default_value = "man")]
        dir: PathBuf,
    },
    /// Print the version.
    Version,
}

#[derive(Debug, Clone, Args)]
pub struct FileArgs {
    /// YAML with TranscodeJobs, and profiles that they name; `-` is standard input.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    pub filename: Vec<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct SiteArgs {
    /// Tasks at a time. Default: spec.scheduling.maxParallel, else one for each core.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub workers: Option<u32>,
    /// A private network that URLs and S3 endpoints of the job may lead to, such as 127.0.0.0/8.
    #[arg(long = "allow-network", value_name = "CIDR")]
    pub allow_networks: Vec<String>,
    /// Folder with a folder for each Secret that a store refers to (accessKeyId, secretAccessKey, sessionToken).
    #[arg(long, value_name = "DIR")]
    pub credentials_dir: Option<PathBuf>,
    /// The job-runner. Default: beside this program, else on PATH.
    #[arg(long, value_name = "FILE", env = "TRANSCODE_RUNNER")]
    pub runner: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub site: SiteArgs,
    /// What is printed: text for people, json for programs (one event a line).
    #[arg(short, long, value_enum, default_value_t = RunOutput::Text)]
    pub output: RunOutput,
    /// Folder for scratch, logs and the job's state. Default: below the user's cache folder.
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// Keep intermediate data after success.
    #[arg(long)]
    pub keep_work: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RunOutput {
    Text,
    Json,
}

#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub site: SiteArgs,
    /// Form of the plan.
    #[arg(short, long, value_enum, default_value_t = PlanOutput::Text)]
    pub output: PlanOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    Text,
    Json,
    Dot,
    Mermaid,
}

#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// A file or an http(s) URL.
    pub source: String,
    #[command(flatten)]
    pub site: SiteArgs,
    /// What is printed.
    #[arg(short, long, value_enum, default_value_t = RunOutput::Text)]
    pub output: RunOutput,
}

#[derive(Debug, Clone, Args)]
pub struct JobArgs {
    /// Name of the job.
    pub job: String,
    /// Namespace of the job.
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
    /// The folder that `run` was given.
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// A file that `bundle` printed; `-` is standard input.
    pub bundle: PathBuf,
}
