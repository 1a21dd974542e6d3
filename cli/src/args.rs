//! What a user may write.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use transcode_api::AllowedNetwork;

const EXAMPLES: &str = "\
Examples:
  kubectl-transcode run -f examples/quickstart.yaml
  kubectl-transcode run -f job.yaml --report report.html
  kubectl-transcode plan -f job.yaml
  kubectl-transcode plan -f job.yaml -o mermaid
  kubectl-transcode probe clip.mov
  kubectl-transcode validate -f job.yaml
  kubectl transcode submit -f job.yaml --watch
  kubectl transcode status movie -n video
  kubectl transcode logs movie encode-720p --chunk 12

Exit codes: 0 done, 1 the job failed, 2 wrong use or invalid YAML, 130 interrupted.";

const SUBMIT_EXAMPLES: &str = "\
Examples:
  kubectl transcode submit -f job.yaml
  kubectl transcode submit -f job.yaml -n video --watch
  kubectl transcode submit -f profiles.yaml -f jobs.yaml --dry-run=server
  sed 's/movie-42/movie-43/' job.yaml | kubectl transcode submit -f -";

const WATCH_EXAMPLES: &str = "\
Examples:
  kubectl transcode watch movie
  kubectl transcode watch movie -n video -o json | jq -r .status.progress.percent

Exit codes: 0 done, 1 the job failed or was deleted, 2 wrong use, 130 interrupted.";

const STATUS_EXAMPLES: &str = "\
Examples:
  kubectl transcode status movie
  kubectl transcode status movie -o json | jq .outputs";

const LOGS_EXAMPLES: &str = "\
Examples:
  kubectl transcode logs movie
  kubectl transcode logs movie audio -f
  kubectl transcode logs movie encode-720p --chunk 12
  kubectl transcode logs movie encode-720p --chunk 12 --previous
  kubectl transcode logs movie encode-720p --chunk 12 --attempt 0 --raw";

const REPORT_EXAMPLES: &str = "\
Examples:
  kubectl transcode report outputs/job.json
  kubectl transcode report -f job.yaml -o movie.html
  kubectl transcode report movie -n video --record job.json --media-url https://cdn.example.com/movie
  aws s3 cp s3://media/movie/job.json - | kubectl transcode report - --media-url https://cdn.example.com/movie";

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
    /// Make the jobs of a file on a cluster, and their profiles.
    ///
    /// The files are checked as `validate` checks them, by the rules of a cluster; profiles that a job
    /// names may be in the files or on the cluster. Objects are made or changed by server-side apply, so
    /// the same command again changes nothing.
    #[command(after_help = SUBMIT_EXAMPLES)]
    Submit(SubmitArgs),
    /// Show how far a job on a cluster is, until it ends.
    ///
    /// Ctrl-C ends the watching only: the job goes on.
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(WatchArgs),
    /// Print how a job on a cluster stands.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Print the log of a task of a job on a cluster.
    ///
    /// Without STAGE: of the task that failed last, else of the one that runs. Logs are there as long as
    /// their pods; those of a finished batch are deleted once what they told is recorded.
    #[command(after_help = LOGS_EXAMPLES)]
    Logs(LogsArgs),
    /// Write a report of a job: one HTML page with ladder, tasks, bit rates, warnings and a player.
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
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
    #[command(flatten)]
    pub network: NetworkArgs,
    /// The job-runner. Default: beside this program, else on PATH.
    #[arg(long, value_name = "FILE", env = "TRANSCODE_RUNNER")]
    pub runner: Option<PathBuf>,
}

/// What may be reached, and with what credentials.
#[derive(Debug, Clone, Args)]
pub struct NetworkArgs {
    /// Private network or host that the job's URLs and S3 endpoints may point to, such as 127.0.0.1:9000,
    /// 10.20.0.0/16:443 or minio.lan:9000; repeatable. Without a port, 80 and 443 are allowed; `:*` allows every port.
    #[arg(long = "allow-network", value_name = "NETWORK")]
    pub allow_networks: Vec<AllowedNetwork>,
    /// Follow HTTPS_PROXY, HTTP_PROXY and NO_PROXY. The proxy then resolves names, and has to refuse what must not be
    /// reached.
    #[arg(long)]
    pub environment_proxy: bool,
    /// Folder with a folder for each Secret that a store refers to (accessKeyId, secretAccessKey, sessionToken).
    #[arg(long, value_name = "DIR")]
    pub credentials_dir: Option<PathBuf>,
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
    /// Write an HTML report of the job at its end, however it ends.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Where the output is served, for the links of the report. Default: where it lies, when that is a folder.
    #[arg(long, value_name = "URL", requires = "report", value_parser = media_url)]
    pub media_url: Option<String>,
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
pub struct ReportArgs {
    /// A job.json, `-` for one on standard input, the folder of an output, or the name of a TranscodeJob.
    #[arg(conflicts_with = "filename", required_unless_present = "filename")]
    pub job: Option<String>,
    /// YAML with the job: its output may be in a bucket, and its last run on this machine is told too.
    #[arg(short, long, value_name = "FILE")]
    pub filename: Option<PathBuf>,
    /// Where the page goes; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    /// Where the output is served, for links and player. Default: where it lies, when that is a folder.
    #[arg(long, value_name = "URL", value_parser = media_url)]
    pub media_url: Option<String>,
    /// The job.json of a TranscodeJob's output, for what its status does not tell.
    #[arg(long, value_name = "FILE", conflicts_with = "filename")]
    pub record: Option<PathBuf>,
    /// The folder that `run` was given.
    #[arg(long, value_name = "DIR", requires = "filename")]
    pub work_dir: Option<PathBuf>,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// A file that `bundle` printed; `-` is standard input.
    pub bundle: PathBuf,
}

/// Which cluster, as kubectl has it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// The kubeconfig. Default: $KUBECONFIG, else ~/.kube/config, else what a pod is given.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace. Default: the context's.
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    pub files: FileArgs,
    /// Go on as `watch` does, for the jobs of the files.
    #[arg(short, long)]
    pub watch: bool,
    /// What --watch prints; with json the names of what was made go to standard error.
    #[arg(short, long, value_enum, default_value_t = RunOutput::Text)]
    pub output: RunOutput,
    /// `server`: ask the API server what it would do, and do nothing.
    #[arg(long, value_enum, default_value_t = DryRun::None)]
    pub dry_run: DryRun,
    /// Take fields over that another program set to other values.
    #[arg(long)]
    pub force_conflicts: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    None,
    Server,
}

#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Name of the job.
    #[arg(value_parser = job_name)]
    pub job: String,
    /// What is printed: text for people, json for programs (one status a line).
    #[arg(short, long, value_enum, default_value_t = RunOutput::Text)]
    pub output: RunOutput,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Name of the job.
    #[arg(value_parser = job_name)]
    pub job: String,
    /// What is printed; json and yaml are the status as the API has it.
    #[arg(short, long, value_enum, default_value_t = StatusOutput::Text)]
    pub output: StatusOutput,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusOutput {
    Text,
    Json,
    Yaml,
}

#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Name of the job.
    #[arg(value_parser = job_name)]
    pub job: String,
    /// Stage, such as `audio` or `encode-720p`; `status` lists them.
    pub stage: Option<String>,
    /// Chunk of an encode stage, counted from 0.
    #[arg(long, value_name = "N", requires = "stage")]
    pub chunk: Option<u32>,
    /// Attempt: the number of its batch, as in the pod's name (`b2` is 2), the first one 0. Default: the
    /// latest.
    #[arg(long, value_name = "K")]
    pub attempt: Option<u32>,
    /// The attempt before the latest.
    #[arg(short, long, conflicts_with = "attempt")]
    pub previous: bool,
    /// Print what comes, until the task ends.
    #[arg(short, long)]
    pub follow: bool,
    /// So many lines of the log's end. Default: all.
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u32>,
    /// The runner's lines as they are.
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// A URL that a browser opens, and nothing that it runs.
fn media_url(text: &str) -> Result<String, String> {
    match text.starts_with("https://") || text.starts_with("http://") {
        true => Ok(text.into()),
        false => Err("it has to begin with https:// or http://".into()),
    }
}

/// `movie`, or `tj/movie` as kubectl writes it.
fn job_name(text: &str) -> Result<String, String> {
    const KINDS: [&str; 4] = ["tj", "transcodejob", "transcodejobs", "transcodejob.transcode.media"];
    match text.split_once('/') {
        None if text.is_empty() => Err("a job has a name".into()),
        None => Ok(text.into()),
        Some((kind, name)) if KINDS.contains(&kind) && !name.is_empty() => Ok(name.into()),
        Some((kind, _)) => Err(format!("`{kind}` is not a TranscodeJob")),
    }
}
