//! A run whose whole process tree is watched: a pipe that every process of it inherits ends with the
//! last of them.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{product::Job, tool};

/// A started run.
#[derive(Debug)]
pub struct Running {
    /// The command-line program.
    pub child: Child,
    events: BufReader<ChildStdout>,
    gone: Receiver<()>,
}

impl Running {
    /// Starts `run -o json --keep-work` with further arguments.
    pub fn start(job: &Job, arguments: &[&str]) -> Result<Self> {
        let pipe = job.folder.join("tree");
        if !pipe.exists() {
            tool::run("mkfifo", ["tree"], &job.folder)?;
        }
        let run = job.command("run", &[&["-o", "json", "--keep-work"], arguments].concat())?;
        let mut shell = Command::new("bash");
        // 9 is inherited by every process of the tree and by no other.
        shell.args(["-c", "exec 9>tree; exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args());
        shell.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(&job.folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = shell.spawn().context("bash")?;
        let events = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut end = File::open(&pipe)?;
        let (sender, gone) = channel();
        thread::spawn(move || {
            // Ends with the last writer; nobody writes.
            let _ = end.read_to_end(&mut vec![]);
            let _ = sender.send(());
        });
        Ok(Running { child, events, gone })
    }

    /// Reads events until one is the wanted one.
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.events.read_line(&mut line)? == 0 {
                bail!("the run ended before that");
            }
            let event = serde_json::from_str(&line).with_context(|| line.clone())?;
            if wanted(&event) {
                return Ok(event);
            }
        }
    }

    /// Waits for the end of the program and of everything that it started; its exit code.
    pub fn end(mut self, patience: Duration) -> Result<Option<i32>> {
        // A full pipe would hold it up.
        std::io::copy(&mut self.events, &mut std::io::sink())?;
        let code = self.child.wait()?.code();
        self.gone.recv_timeout(patience).context("processes of the run are left over")?;
        Ok(code)
    }
}
