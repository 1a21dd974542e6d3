//! Turns: how many jobs run at a time, in all and in each namespace. The others wait in line, high priorities first and
//! the oldest first within a priority; a namespace at its limit holds up no other.
//!
//! A job takes a turn before anything of it is started and keeps it until it ends, is suspended, or waits for another
//! job with the same output. What is kept here is in memory only: after a restart, jobs that have begun keep running.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use clap::Args;
use jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::{controller::Action as Requeue, reflector::ObjectRef},
};
use prometheus_client::metrics::{family::Family, gauge::Gauge};
use tokio::sync::mpsc;
use transcode_api::{Priority, TranscodeJob, status::Phase};
use transcode_engine::{Intent, Observation, Waiting, status};

use crate::{
    admit::{Admission, admit},
    error::Error,
    known::Known,
    metrics::Namespace,
    places::SHARES,
    reconcile::Pass,
};

/// Reason of a job that waits in line.
pub const WAITS: &str = "WaitsForTurn";
/// A job in line looks at its place this often.
pub const LOOK: std::time::Duration = std::time::Duration::from_secs(60);

/// Limits on the number of jobs that run at a time.
#[derive(Debug, Clone, Copy, Args)]
pub struct Limits {
    /// Jobs that run at a time, in all. The others wait in line. 0: no limit.
    #[arg(long = "max-active-jobs", value_name = "JOBS", env = "TRANSCODE_MAX_ACTIVE_JOBS", default_value_t = 100)]
    pub jobs: usize,
    /// Jobs of one namespace that run at a time. 0: no limit.
    #[arg(
        long = "max-active-jobs-per-namespace",
        value_name = "JOBS",
        env = "TRANSCODE_MAX_ACTIVE_JOBS_PER_NAMESPACE",
        default_value_t = 50
    )]
    pub per_namespace: usize,
}

/// Who runs and who waits.
pub struct Turns {
    limits: Limits,
    /// Jobs in line, by namespace.
    depth: Family<Namespace, Gauge>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Namespaces of the jobs that run, by UID.
    running: HashMap<String, String>,
    /// How many run in each namespace.
    by_namespace: HashMap<String, usize>,
    line: BTreeSet<Waiter>,
    /// Who is in line, by UID.
    waiters: HashMap<String, Waiter>,
    /// Where jobs that get their turn are announced.
    watchers: Vec<mpsc::UnboundedSender<ObjectRef<TranscodeJob>>>,
}

/// A job in line. The order of the fields is that of the line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter {
    priority: Reverse<Priority>,
    created: Option<Timestamp>,
    namespace: String,
    name: String,
    uid: String,
    /// The generation that was looked at.
    generation: Option<i64>,
}

/// A job's place in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Jobs that get their turn before it, and 1.
    pub number: usize,
    /// The limit that it waits for.
    pub limit: usize,
    /// Whether that limit is the namespace's. The place is then among the jobs of the namespace.
    pub of_namespace: bool,
}

impl Place {
    /// In words. Far from the front they change seldom: each change is a write.
    fn words(self) -> String {
        let place = match self.number {
            0..=1 => "first in line".into(),
            2..=5 => format!("place {} in line", self.number),
            6..=20 => "place 6 to 20 in line".into(),
            21..=100 => "place 21 to 100 in line".into(),
            101..=1000 => "place 101 to 1,000 in line".into(),
            _ => "beyond place 1,000 in line".to_owned(),
        };
        let limit = if self.limit == 1 { "one job".into() } else { format!("{} jobs", self.limit) };
        let (whose, verb) =
            (if self.of_namespace { " of this namespace" } else { "" }, if self.limit == 1 { "runs" } else { "run" });
        format!("{place}: {limit}{whose} {verb} at a time")
    }
}

impl Turns {
    /// Starts with no job running. `depth` is kept at the number of jobs in line.
    pub fn new(limits: Limits, depth: Family<Namespace, Gauge>) -> Self {
        let limit = |jobs: usize| if jobs == 0 { usize::MAX } else { jobs };
        let limits = Limits { jobs: limit(limits.jobs), per_namespace: limit(limits.per_namespace) };
        Turns { limits, depth, state: Mutex::default() }
    }

    /// Receives every job in line that gets its turn from now on.
    pub fn announced(&self) -> mpsc::UnboundedReceiver<ObjectRef<TranscodeJob>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().watchers.push(sender);
        receiver
    }

    /// Gives a turn to a job that has begun, whatever the limits.
    pub fn hold(&self, job: &TranscodeJob) {
        let mut state = self.state();
        self.leave_line(&mut state, &job.uid().unwrap_or_default());
        state.run(job.uid().unwrap_or_default(), job.namespace().unwrap_or_default());
    }

    /// Takes a free turn, unless the job has one. Returns whether it has one now.
    pub fn take(&self, job: &TranscodeJob) -> bool {
        let (uid, namespace) = (job.uid().unwrap_or_default(), job.namespace().unwrap_or_default());
        let mut state = self.state();
        let has = state.running.contains_key(&uid);
        // Nobody in line could take it: whoever leaves hands over to the first who can.
        if !has && self.is_free(&state, &namespace) {
            self.leave_line(&mut state, &uid);
            state.run(uid, namespace);
            return true;
        }
        has
    }

    /// Whether this generation of a job is in line.
    pub fn is_in_line(&self, job: &TranscodeJob) -> bool {
        let uid = job.uid().unwrap_or_default();
        self.state().waiters.get(&uid).is_some_and(|waiter| waiter.generation == job.metadata.generation)
    }

    /// Puts a job in line that can't take a turn.
    pub fn line_up(&self, job: &TranscodeJob, priority: Priority) {
        let waiter = Waiter {
            priority: Reverse(priority),
            created: job.creation_timestamp().map(|time| time.0),
            namespace: job.namespace().unwrap_or_default(),
            name: job.name_any(),
            uid: job.uid().unwrap_or_default(),
            generation: job.metadata.generation,
        };
        let mut state = self.state();
        self.leave_line(&mut state, &waiter.uid);
        self.depth.get_or_create(&Namespace { namespace: waiter.namespace.clone() }).inc();
        state.line.insert(waiter.clone());
        state.waiters.insert(waiter.uid.clone(), waiter);
    }

    /// The place of a job that is in line.
    pub fn place(&self, job: &TranscodeJob) -> Option<Place> {
        let state = self.state();
        let own = state.waiters.get(&job.uid()?)?;
        let of_namespace = state.full(&own.namespace, self.limits.per_namespace);
        let ahead = state.line.range(..own).filter(|other| !of_namespace || other.namespace == own.namespace).count();
        let limit = if of_namespace { self.limits.per_namespace } else { self.limits.jobs };
        Some(Place { number: ahead + 1, limit, of_namespace })
    }

    /// Removes a job that needs neither a turn nor a place in line. Its turn goes to the first job in line that may run.
    pub fn leave(&self, uid: &str) {
        let mut state = self.state();
        self.leave_line(&mut state, uid);
        if !state.stop(uid) {
            return;
        }
        let next = state.line.iter().find(|waiter| self.is_free(&state, &waiter.namespace)).cloned();
        if let Some(Waiter { uid, namespace, name, .. }) = next {
            self.leave_line(&mut state, &uid);
            let job = ObjectRef::new(&name).within(&namespace);
            state.run(uid, namespace);
            state.watchers.retain(|watcher| watcher.send(job.clone()).is_ok());
        }
    }

    fn is_free(&self, state: &State, namespace: &str) -> bool {
        state.running.len() < self.limits.jobs && !state.full(namespace, self.limits.per_namespace)
    }

    fn leave_line(&self, state: &mut State, uid: &str) {
        if let Some(waiter) = state.waiters.remove(uid) {
            state.line.remove(&waiter);
            self.depth.get_or_create(&Namespace { namespace: waiter.namespace }).dec();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here is left half done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn full(&self, namespace: &str, limit: usize) -> bool {
        self.by_namespace.get(namespace).is_some_and(|running| *running >= limit)
    }

    fn run(&mut self, uid: String, namespace: String) {
        if self.running.insert(uid, namespace.clone()).is_none() {
            *self.by_namespace.entry(namespace).or_default() += 1;
        }
    }

    /// Whether the job had a turn.
    fn stop(&mut self, uid: &str) -> bool {
        let Some(namespace) = self.running.remove(uid) else { return false };
        if let Some(running) = self.by_namespace.get_mut(&namespace) {
            *running -= 1;
        }
        self.by_namespace.retain(|_, running| *running > 0);
        true
    }
}

/// Whether a job has begun and not ended, as its status tells.
pub fn has_begun(job: &TranscodeJob) -> bool {
    let Some(status) = &job.status else { return false };
    let waits = status.conditions.iter().any(|condition| condition.reason == WAITS);
    let open = matches!(status.phase, Some(Phase::Pending | Phase::Queued | Phase::Running));
    status.resolved.is_some() && open && !waits
}

impl Pass<'_> {
    /// Lets a job that has not begun take a turn, or puts it in line and returns when to look again. A job in line is
    /// validated now, so that its author need not wait for its turn to learn what is wrong.
    pub async fn can_begin(&self) -> Result<Option<Requeue>, Error> {
        let shared = &self.scope.shared;
        // Which of the jobs with one output goes first is decided among those that were admitted.
        if self.intent() != Intent::Run || self.scope.is_shared(self.job) || shared.turns.take(self.job) {
            return Ok(None);
        }
        if !shared.turns.is_in_line(self.job) {
            match admit(&shared.client, &shared.args, &shared.defaults, self.job).await? {
                Admission::Seen(seen, _) => {
                    shared.turns.line_up(self.job, seen.file.spec.scheduling.priority.unwrap_or_default());
                }
                // It needs no turn to be told so.
                Admission::Waits { .. } | Admission::Refused { .. } => return Ok(None),
            }
        }
        // Its turn may have come in between.
        let Some(place) = shared.turns.place(self.job) else { return Ok(None) };
        self.publish_once(&status::in_line(WAITS, &place.words())).await?;
        Ok(Some(Requeue::requeue(LOOK)))
    }

    /// Returns why a job that has begun may start nothing: it was retried or resumed, and waits in line. `busy` says
    /// whether any of its pods run.
    pub fn turn(&self, known: &Known, observation: &Observation, busy: bool) -> Option<Waiting> {
        let turns = &self.scope.shared.turns;
        let ended = known.memory.record.ended.is_some();
        let shares = observation.waiting.as_ref().is_some_and(|waiting| waiting.reason == SHARES);
        if ended || !busy && (shares || observation.intent != Intent::Run) {
            turns.leave(&self.job.uid().unwrap_or_default());
            return None;
        }
        if busy {
            turns.hold(self.job);
        } else if !turns.take(self.job) {
            if !turns.is_in_line(self.job) {
                turns.line_up(self.job, known.seen.file.spec.scheduling.priority.unwrap_or_default());
            }
            let place = turns.place(self.job)?;
            return Some(Waiting { reason: WAITS.into(), message: place.words() });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(namespace: &str, name: &str, second: u32) -> TranscodeJob {
        serde_json::from_value(json!({
            "apiVersion": "transcode.media/v1alpha1", "kind": "TranscodeJob",
            "metadata": {"namespace": namespace, "name": name, "uid": format!("{namespace}/{name}"), "generation": 1,
                "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")},
            "spec": {"inputs": [], "outputs": []},
        }))
        .unwrap()
    }

    fn turns(jobs: usize, per_namespace: usize) -> Turns {
        Turns::new(Limits { jobs, per_namespace }, Family::default())
    }

    fn wait(turns: &Turns, job: &TranscodeJob, priority: Priority) -> Place {
        assert!(!turns.take(job));
        turns.line_up(job, priority);
        turns.place(job).unwrap()
    }

    #[test]
    fn turns_go_to_high_priorities_and_then_to_the_oldest() {
        let turns = turns(1, 0);
        let mut announced = turns.announced();
        let jobs = ["a", "b", "c", "d"].map(|name| job("n", name, 9));
        assert!(turns.take(&jobs[0]) && turns.take(&jobs[0]));
        let older = job("n", "older", 1);
        let priorities = [Priority::Normal, Priority::Low, Priority::High, Priority::Normal];
        for (job, priority) in [&jobs[1], &jobs[2], &jobs[3], &older].into_iter().zip(priorities) {
            wait(&turns, job, priority);
        }
        let mut order = vec![];
        for running in ["n/a", "n/d", "n/older", "n/b", "n/c"] {
            turns.leave(running);
            order.extend(announced.try_recv().ok().map(|job| job.name));
        }
        assert_eq!(order, ["d", "older", "b", "c"]);
        assert!(turns.take(&jobs[0]));
    }

    #[test]
    fn a_full_namespace_holds_up_no_other() {
        let turns = turns(3, 2);
        let mut announced = turns.announced();
        let jobs: Vec<_> = (0..5).map(|n| job("a", &n.to_string(), n)).collect();
        assert!(turns.take(&jobs[0]) && turns.take(&jobs[1]));
        assert_eq!(wait(&turns, &jobs[2], Priority::Normal), Place { number: 1, limit: 2, of_namespace: true });
        assert_eq!(wait(&turns, &jobs[3], Priority::Normal).number, 2);
        let others: Vec<_> = (0..2).map(|n| job("b", &n.to_string(), 50)).collect();
        assert!(turns.take(&others[0]));
        // Behind two that can't go: alone among those that can.
        let place = wait(&turns, &others[1], Priority::Normal);
        assert_eq!(place, Place { number: 3, limit: 3, of_namespace: false });
        turns.leave("b/0");
        assert_eq!(announced.try_recv().unwrap().to_string(), "TranscodeJob.v1alpha1.transcode.media/1.b");
        turns.leave("a/0");
        assert_eq!(announced.try_recv().unwrap().name, "2");
        assert_eq!(turns.place(&jobs[3]).unwrap().number, 1);
    }

    #[test]
    fn who_leaves_the_line_is_out_of_it_and_who_has_begun_keeps_running() {
        let turns = turns(1, 1);
        let jobs: Vec<_> = (0..3).map(|n| job("a", &n.to_string(), n)).collect();
        turns.hold(&jobs[0]);
        turns.hold(&jobs[1]);
        assert!(turns.take(&jobs[0]) && turns.take(&jobs[1]));
        wait(&turns, &jobs[2], Priority::Normal);
        let depth = |turns: &Turns| turns.depth.get_or_create(&Namespace { namespace: "a".into() }).get();
        assert!(turns.is_in_line(&jobs[2]) && depth(&turns) == 1);
        // One more than the limit ran: nobody follows yet.
        turns.leave("a/0");
        assert!(turns.is_in_line(&jobs[2]));
        turns.leave("a/2");
        assert!(!turns.is_in_line(&jobs[2]) && turns.place(&jobs[2]).is_none() && depth(&turns) == 0);
        turns.leave("a/1");
        assert!(turns.take(&jobs[2]));
    }

    #[test]
    fn a_place_is_told_exactly_near_the_front_only() {
        let words = |number| Place { number, limit: 100, of_namespace: false }.words();
        assert_eq!(words(1), "first in line: 100 jobs run at a time");
        assert_eq!(words(3), "place 3 in line: 100 jobs run at a time");
        assert_eq!((words(6), words(101)), (words(20), words(1000)));
        let own = Place { number: 7, limit: 2, of_namespace: true }.words();
        assert_eq!(own, "place 6 to 20 in line: 2 jobs of this namespace run at a time");
    }
}
