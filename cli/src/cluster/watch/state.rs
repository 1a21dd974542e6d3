//! What is known of a watched job, and what has changed with each sight. Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;
use transcode_api::{TranscodeJob, TranscodeJobStatus, status::StageStatus};
use transcode_engine::StageKind;

use super::sight::Sight;
use crate::{
    cluster::{
        status::{phase, took},
        tasks::Task,
    },
    progress::{bars, first_line, short},
};

/// A job without a status for so long has no operator.
const UNSEEN: Duration = Duration::from_secs(15);

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is done.
    Complete,
    /// It failed.
    Failed {
        /// CamelCase.
        reason: String,
        /// One sentence.
        message: String,
    },
    /// It was deleted.
    Deleted,
}

/// Something that is worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// There is a new status.
    Status,
    /// Another phase or, where nothing runs, another reason of it.
    Phase(String),
    /// A stage began or ended.
    Stage(String),
    /// An attempt failed.
    Failure(String),
    /// Another tenth is done.
    Step(String),
    /// Tasks are further.
    Progress,
    /// Nothing can be seen at the moment.
    Blind(String),
    /// It can be seen again.
    Sighted,
    /// Something that a person should know.
    Hint(String),
}

/// How far a running task is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pace {
    /// Thousandths.
    pub permille: u32,
    /// Frames a second.
    pub fps: f32,
    /// Media seconds a second.
    pub speed: f32,
}

/// A stage as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its state, as the status has it.
    pub state: String,
    /// Thousandths, running tasks included.
    pub permille: u64,
    /// Counts, speed, failures.
    pub words: String,
}

impl Row {
    /// Whether something of it runs, or soon will.
    pub fn is_active(&self) -> bool {
        matches!(self.state.as_str(), "Running" | "Retrying")
    }
}

/// What is known of a job.
#[derive(Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    job: Option<Box<TranscodeJob>>,
    tasks: BTreeMap<Task, Pace>,
    blind: Option<String>,
    highest: u64,
    deleted: bool,
    hinted: bool,
}

impl State {
    /// Nothing is known yet.
    pub fn new(name: &str) -> Self {
        State {
            name: name.into(),
            job: None,
            tasks: BTreeMap::new(),
            blind: None,
            highest: 0,
            deleted: false,
            hinted: false,
        }
    }

    /// Takes a sight; tells what changed.
    pub fn note(&mut self, sight: Sight, now: Timestamp) -> Vec<Change> {
        let mut changes = vec![];
        let tenth = self.highest / 100;
        match sight {
            Sight::Job(job) => self.note_job(job, &mut changes, now),
            Sight::Deleted => self.deleted = true,
            Sight::Progress { task, permille, fps, speed } => {
                self.tasks.insert(task, Pace { permille: permille.min(1000), fps, speed });
                changes.push(Change::Progress);
            }
            Sight::Over(task) => {
                self.tasks.remove(&task);
                changes.push(Change::Progress);
            }
            Sight::Blind(why) => {
                if self.blind.is_none() {
                    changes.push(Change::Blind(why.clone()));
                }
                self.blind = Some(why);
            }
            Sight::Back => changes.extend(self.blind.take().map(|_| Change::Sighted)),
            Sight::NoTasks(why) => {
                changes.push(Change::Hint(format!("single tasks can't be watched: {why}")));
            }
            Sight::Lost(_) => {}
        }
        self.highest = self.highest.max(self.computed());
        if self.highest / 100 > tenth && self.highest < 1000 {
            changes.push(Change::Step(format!("{}%, {}", self.highest / 100 * 10, self.eta(now))));
        }
        changes
    }

    fn note_job(&mut self, job: Box<TranscodeJob>, changes: &mut Vec<Change>, now: Timestamp) {
        if self.blind.take().is_some() {
            changes.push(Change::Sighted);
        }
        let before = self.job.as_ref();
        self.deleted |= before.is_some_and(|before| before.uid() != job.uid());
        if self.deleted {
            return;
        }
        let old = before.and_then(|before| before.status.clone());
        let new = job.status.clone().unwrap_or_default();
        if before.is_none() || old.as_ref() != job.status.as_ref() {
            changes.push(Change::Status);
        }
        let going = |job: &TranscodeJob| job.metadata.deletion_timestamp.is_some();
        if going(&job) && !before.is_some_and(|before| going(before)) {
            changes.push(Change::Hint("it is being deleted".into()));
        }
        for row in &new.stages {
            let was = old.iter().flat_map(|old| &old.stages).find(|was| was.name == row.name);
            changes.extend(of_stage(was, row, now));
        }
        let words = standing(&job);
        if before.map(|before| standing(before)).as_ref() != Some(&words) {
            changes.push(Change::Phase(words));
        }
        self.job = Some(job);
    }

    /// What is to be said although nothing happens.
    pub fn hint(&mut self, now: Timestamp) -> Option<Change> {
        let job = self.job.as_ref().filter(|job| job.status.is_none() && !self.hinted)?;
        let age = Duration::try_from(now.duration_since(job.creation_timestamp()?.0)).ok()?;
        if age < UNSEEN {
            return None;
        }
        self.hinted = true;
        Some(Change::Hint("no operator has looked at it yet; is one running? (see docs/how-to/install.md)".into()))
    }

    /// The status, empty before there is one.
    pub fn status(&self) -> TranscodeJobStatus {
        self.job.as_ref().and_then(|job| job.status.clone()).unwrap_or_default()
    }

    /// How it ended, once it has. A status of an earlier generation doesn't count: a retry that was
    /// just asked for hasn't failed.
    pub fn end(&self) -> Option<End> {
        if self.deleted {
            return Some(End::Deleted);
        }
        let job = self.job.as_ref()?;
        let status = job.status.as_ref().filter(|status| status.observed_generation >= job.metadata.generation)?;
        let condition = |kind: &str| status.conditions.iter().find(|c| c.kind == kind && c.status == "True");
        match (condition("Complete"), condition("Failed")) {
            (Some(_), _) => Some(End::Complete),
            (_, Some(failed)) => Some(End::Failed { reason: failed.reason.clone(), message: failed.message.clone() }),
            _ => None,
        }
    }

    /// Thousandths of the whole; never less than before.
    pub fn permille(&self) -> u64 {
        self.highest
    }

    /// What the status says, and beyond it the share of what runs. The status counts tasks that are
    /// done, weighted by media time: renditions are alike, and all else is small beside them.
    fn computed(&self) -> u64 {
        let status = self.status();
        let percent = status.progress.as_ref().map_or("", |progress| progress.percent.as_str());
        let told = percent.trim_end_matches('%').parse::<u64>().unwrap_or(0).min(100) * 10;
        let renditions = status.renditions.iter().filter(|rendition| rendition.resolution.is_some()).count().max(1);
        let running = status.stages.iter().filter(|stage| stage.name.starts_with("encode")).map(|stage| {
            let weight = if stage.name == "encode" { renditions } else { 1 };
            weight as u64 * self.running(&stage.name) / u64::from(stage.total.max(1))
        });
        // A small job has one task for everything.
        let running = (running.sum::<u64>() / renditions as u64).max(self.running(StageKind::Whole.name()));
        if told >= 1000 { 1000 } else { (told + running).min(990) }
    }

    /// Thousandths of all running tasks of a stage together.
    fn running(&self, stage: &str) -> u64 {
        self.paces(stage).map(|pace| u64::from(pace.permille)).sum()
    }

    fn paces<'a>(&'a self, stage: &'a str) -> impl Iterator<Item = &'a Pace> {
        self.tasks.iter().filter(move |(task, _)| task.stage == stage).map(|(_, pace)| pace)
    }

    /// `1m20s left`, or how long it runs where that can't be told.
    pub fn eta(&self, now: Timestamp) -> String {
        let status = self.status();
        took(status.started_at.as_deref(), None, now).map_or(String::new(), |passed| bars::eta(passed, self.highest))
    }

    /// What there is instead of an estimate: it doesn't run, or can't be seen.
    pub fn trouble(&self) -> Option<String> {
        if let Some(why) = &self.blind {
            return Some(format!("waiting for the API server: {}", first_line(why)));
        }
        let job = self.job.as_ref()?;
        (phase(job) != "Running").then(|| standing(job))
    }

    /// A row for each stage.
    pub fn rows(&self) -> Vec<Row> {
        self.status().stages.iter().map(|stage| self.row(stage)).collect()
    }

    fn row(&self, stage: &StageStatus) -> Row {
        let total = u64::from(stage.total.max(1));
        let running = if stage.done < stage.total { self.running(&stage.name) } else { 0 };
        let mut words = vec![format!("{}/{}", stage.done, stage.total)];
        let (fps, speed) = self.paces(&stage.name).fold((0.0, 0.0), |(f, s), pace| (f + pace.fps, s + pace.speed));
        if fps > 0.0 {
            words.push(format!("{fps:.0} fps {speed:.2}x"));
        } else if speed > 0.0 {
            words.push(format!("{speed:.2}x"));
        }
        if stage.failed_attempts > 0 {
            words.push(format!("{} failed", stage.failed_attempts));
        }
        if stage.state != "Running" {
            words.push(stage.state.to_lowercase());
        }
        Row {
            name: stage.name.clone(),
            state: stage.state.clone(),
            permille: ((u64::from(stage.done) * 1000 + running) / total).min(1000),
            words: words.join(", "),
        }
    }
}

/// Phase, and its reason where that isn't just what runs.
fn standing(job: &TranscodeJob) -> String {
    let name = phase(job);
    let message = job.status.as_ref().and_then(|status| status.message.as_deref()).unwrap_or_default();
    match name {
        "Running" => name.into(),
        _ if message.is_empty() => name.into(),
        _ => format!("{name}: {}", first_line(message)),
    }
}

fn of_stage(was: Option<&StageStatus>, row: &StageStatus, now: Timestamp) -> Vec<Change> {
    let mut changes = vec![];
    if row.failed_attempts > was.map_or(0, |was| was.failed_attempts) {
        let why = row.message.as_deref().map_or(String::new(), |why| format!(", {}", first_line(why)));
        let attempts = if row.failed_attempts == 1 { "attempt" } else { "attempts" };
        changes.push(Change::Failure(format!("{}: {} failed {attempts}{why}", row.name, row.failed_attempts)));
    }
    // A failure was told, and what is skipped follows from it.
    let told = ["Waiting", "Failed", "Skipped"].contains(&row.state.as_str());
    if was.map(|was| was.state.as_str()) != Some(row.state.as_str()) && !told {
        let took = took(row.started_at.as_deref(), row.finished_at.as_deref(), now);
        let took =
            took.filter(|_| row.finished_at.is_some()).map_or(String::new(), |took| format!(" in {}", short(took)));
        let words = match row.state.as_str() {
            "Running" => format!("{} started, {} tasks", row.name, row.total).replace(", 1 tasks", ""),
            "Done" => format!("{} done{took}", row.name),
            "Retrying" => format!("{} waits for its next attempt", row.name),
            other => format!("{} {other}", row.name),
        };
        changes.push(Change::Stage(words));
    }
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-01-02T03:05:00Z";

    fn job(uid: &str, status: Value) -> Sight {
        let job = json!({
            "apiVersion": "transcode.media/v1alpha1", "kind": "TranscodeJob",
            "metadata": {"name": "movie", "uid": uid, "generation": 2},
            "spec": {"inputs": [], "outputs": []}, "status": status,
        });
        Sight::Job(serde_json::from_value(job).unwrap())
    }

    fn running(percent: &str, done: u32) -> Value {
        json!({
            "observedGeneration": 2, "phase": "Running", "startedAt": "2026-01-02T03:04:00Z",
            "progress": {"percent": percent, "renditions": "0/2"},
            "renditions": [{"name": "720p", "resolution": "1280x720", "codec": "h264"},
                {"name": "360p", "resolution": "640x360", "codec": "h264"}],
            "stages": [{"name": "encode-720p", "state": "Running", "done": done, "total": 4}],
        })
    }

    fn progress(chunk: u32, permille: u32) -> Sight {
        let task = Task { stage: "encode-720p".into(), chunk: Some(chunk) };
        Sight::Progress { task, permille, fps: 24.0, speed: 1.0 }
    }

    fn note(state: &mut State, sight: Sight) -> Vec<Change> {
        state.note(sight, NOW.parse().unwrap())
    }

    #[test]
    fn what_runs_counts_beyond_the_status_and_nothing_goes_back() {
        let mut state = State::new("movie");
        note(&mut state, job("u", running("10%", 0)));
        assert_eq!(state.permille(), 100);
        let changes = [note(&mut state, progress(0, 800)), note(&mut state, progress(1, 800))].concat();
        // A quarter of half the work, and 80 % of it twice.
        assert_eq!(state.permille(), 100 + 2 * 800 / 4 / 2);
        assert!(changes.contains(&Change::Step("30%, 2m20s left".into())), "{changes:?}");
        assert_eq!((state.rows()[0].permille, state.rows()[0].words.as_str()), (400, "0/4, 48 fps 2.00x"));
        note(&mut state, Sight::Over(Task { stage: "encode-720p".into(), chunk: Some(0) }));
        assert_eq!(state.permille(), 300);
    }

    #[test]
    fn one_task_for_everything_counts_as_everything() {
        let mut state = State::new("movie");
        let mut status = running("0%", 0);
        status["stages"][0]["name"] = json!("whole");
        note(&mut state, job("u", status));
        let task = Task { stage: "whole".into(), chunk: None };
        note(&mut state, Sight::Progress { task, permille: 600, fps: 0.0, speed: 0.0 });
        assert_eq!(state.permille(), 600);
    }

    #[test]
    fn only_changes_are_told() {
        let mut state = State::new("movie");
        let first = note(&mut state, job("u", running("10%", 0)));
        assert!(first.contains(&Change::Phase("Running".into())), "{first:?}");
        assert!(first.contains(&Change::Stage("encode-720p started, 4 tasks".into())), "{first:?}");
        assert_eq!(note(&mut state, job("u", running("10%", 0))), []);
        let mut failed = running("10%", 1);
        failed["stages"][0]["failedAttempts"] = json!(1);
        failed["stages"][0]["message"] = json!("no disk\nat all");
        let failed = note(&mut state, job("u", failed));
        assert_eq!(failed, [Change::Status, Change::Failure("encode-720p: 1 failed attempt, no disk".into())]);
    }

    #[test]
    fn trouble_is_told_once() {
        let mut state = State::new("movie");
        note(&mut state, job("u", running("10%", 0)));
        assert_eq!(note(&mut state, Sight::Blind("gone".into())), [Change::Blind("gone".into())]);
        assert_eq!(note(&mut state, Sight::Blind("gone".into())), []);
        assert_eq!(state.trouble().unwrap(), "waiting for the API server: gone");
        assert_eq!(note(&mut state, job("u", running("10%", 0))), [Change::Sighted]);
        assert_eq!(note(&mut state, Sight::Back), []);
        assert_eq!(state.trouble(), None);
    }

    #[test]
    fn only_the_end_of_this_generation_is_the_end() {
        let failed = |generation: i64| {
            let condition = json!({"type": "Failed", "status": "True", "reason": "BadInput", "message": "no video"});
            json!({"observedGeneration": generation, "phase": "Failed", "conditions": [condition]})
        };
        let mut state = State::new("movie");
        note(&mut state, job("u", failed(1)));
        assert_eq!(state.end(), None);
        note(&mut state, job("u", failed(2)));
        assert_eq!(state.end(), Some(End::Failed { reason: "BadInput".into(), message: "no video".into() }));
    }

    #[test]
    fn another_job_of_the_same_name_is_not_the_one_that_was_watched() {
        let mut state = State::new("movie");
        note(&mut state, job("u", running("10%", 0)));
        note(&mut state, job("v", running("0%", 0)));
        assert_eq!(state.end(), Some(End::Deleted));
    }
}
