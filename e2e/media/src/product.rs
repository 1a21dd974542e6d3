//! The product's own programs, built once, run as a user runs them.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `kubectl-transcode`
    pub cli: PathBuf,
    /// `job-runner`
    pub runner: PathBuf,
}

/// The programs: of `TRANSCODE_BIN_DIR`, or built now.
pub fn programs() -> Result<&'static Programs> {
    static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
    BUILT.get_or_init(|| build().map_err(|e| format!("{e:#}"))).as_ref().map_err(|e| anyhow!("{e}"))
}

fn build() -> Result<Programs> {
    if let Some(folder) = env::var_os("TRANSCODE_BIN_DIR").map(PathBuf::from) {
        let programs = Programs { cli: folder.join("kubectl-transcode"), runner: folder.join("job-runner") };
        ensure!(
            programs.cli.is_file() && programs.runner.is_file(),
            "TRANSCODE_BIN_DIR has no kubectl-transcode or no job-runner"
        );
        return Ok(programs);
    }
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        // With the features that the tests were built with, see hack/test.sh.
        .args(["build", "--workspace", "--bin", "kubectl-transcode", "--bin", "job-runner"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "cargo build failed");
    let built: BTreeMap<String, PathBuf> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|m| Some((m["target"]["name"].as_str()?.to_owned(), PathBuf::from(m["executable"].as_str()?))))
        .collect();
    let find = |name: &str| built.get(name).cloned().with_context(|| format!("cargo built no {name}"));
    Ok(Programs { cli: find("kubectl-transcode")?, runner: find("job-runner")? })
}

/// A job with a folder of its own.
#[derive(Debug, Clone)]
pub struct Job {
    /// Everything of it lies below.
    pub folder: PathBuf,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What `-o json` told, line by line.
    pub events: Vec<Value>,
    /// Standard error.
    pub stderr: String,
}

impl Job {
    /// Writes the job: `input` and `output` are items of `spec.inputs` and `spec.outputs`, without
    /// their names; `rest` are further members of `spec`. All are YAML in flow style.
    pub fn new(folder: &Path, input: &str, output: &str, rest: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let yaml = format!(
            "apiVersion: transcode.media/v1alpha1\nkind: TranscodeJob\nmetadata: {{name: e2e}}\nspec:\n  inputs: [{{name: main, {input}}}]\n  outputs: [{{name: main, {output}}}]\n{rest}\n"
        );
        fs::write(folder.join("job.yaml"), yaml)?;
        Ok(Job { folder: folder.to_path_buf(), environment: vec![] })
    }

    /// A job from a file to the folder [`Job::out`].
    pub fn of_file(folder: &Path, source: &Path, formats: &str, options: &str) -> Result<Self> {
        let input = format!("file: {{path: {}}}", quoted(source));
        let output = format!("file: {{path: {}}}, formats: {formats}", quoted(&folder.join("out")));
        let options = if options.is_empty() { String::new() } else { format!("  options: {options}") };
        Job::new(folder, &input, &output, &options)
    }

    /// Where the output is.
    pub fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// Sets a variable of the environment.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// A run that is about to start.
    pub fn command(&self, verb: &str, arguments: &[&str]) -> Result<Command> {
        let programs = programs()?;
        let mut command = Command::new(&programs.cli);
        command.arg(verb).arg("-f").arg(self.folder.join("job.yaml"));
        command.arg("--runner").arg(&programs.runner);
        if verb == "run" {
            command.arg("--work-dir").arg(self.folder.join("work"));
        }
        command.args(arguments).envs(self.environment.iter().map(|(n, v)| (n, v)));
        command.current_dir(&self.folder).stdin(Stdio::null());
        Ok(command)
    }

    /// `run -o json` to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        let mut command = self.command("run", &[&["-o", "json", "--keep-work"], arguments].concat())?;
        Finished::of(command.output()?)
    }

    /// As [`Job::run`]; it has to succeed.
    pub fn succeed(&self, arguments: &[&str]) -> Result<Finished> {
        let finished = self.run(arguments)?;
        if finished.code != Some(0) {
            bail!("run exited with {:?}: {}\n{}", finished.code, finished.end(), finished.stderr);
        }
        Ok(finished)
    }

    /// `plan` in one of its forms.
    pub fn plan(&self, form: &str) -> Result<String> {
        let output = self.command("plan", &["-o", form])?.output()?;
        ensure!(output.status.success(), "plan: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Finished {
    /// From what the program left.
    pub fn of(output: Output) -> Result<Self> {
        let text = String::from_utf8(output.stdout)?;
        let events = text
            .lines()
            .map(|l| serde_json::from_str(l).with_context(|| format!("not an event: {l}")))
            .collect::<Result<_>>()?;
        Ok(Finished {
            code: output.status.code(),
            events,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The last event.
    pub fn end(&self) -> &Value {
        self.events.last().unwrap_or(&Value::Null)
    }

    /// `Published`, `AlreadyPublished`, or why it failed.
    pub fn reason(&self) -> &str {
        let outcome = &self.end()["outcome"];
        ["complete", "failed"].iter().find_map(|o| outcome[*o]["reason"].as_str()).unwrap_or_default()
    }

    /// Words of a failure.
    pub fn message(&self) -> &str {
        self.end()["outcome"]["failed"]["message"].as_str().unwrap_or_default()
    }

    /// Tasks of stages whose name begins so, that were started.
    pub fn started(&self, stage: &str) -> Vec<(String, u64)> {
        self.tasks_of("taskStarted", stage)
    }

    /// The same, once for each program that they ran: a task that finds its work done runs none.
    pub fn worked(&self, stage: &str) -> Vec<(String, u64)> {
        self.tasks_of("command", stage)
    }

    fn tasks_of(&self, event: &str, stage: &str) -> Vec<(String, u64)> {
        let of = |e: &Value| Some((e["stage"].as_str()?.to_owned(), e["task"].as_u64()?));
        self.events
            .iter()
            .filter(|e| e["event"] == event)
            .filter_map(of)
            .filter(|(s, _)| s.starts_with(stage))
            .collect()
    }
}

/// A path as a YAML text.
pub fn quoted(path: &Path) -> String {
    Value::from(path.display().to_string()).to_string()
}
