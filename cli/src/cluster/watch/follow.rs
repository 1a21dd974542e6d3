//! Running pods, and how far their tasks are: the runner tells it on its standard output.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use futures::{AsyncBufRead, AsyncBufReadExt, StreamExt};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::LogParams,
    runtime::{
        WatchStreamExt,
        watcher::{Config, Event, watcher},
    },
};
use tokio::{
    sync::mpsc::Sender,
    task::{AbortHandle, JoinSet},
    time::sleep,
};
use transcode_contract::RunnerEvent;

use super::sight::{Pauses, Refusals, Sight, of_watch};
use crate::cluster::{
    Cluster, JOB_UID,
    tasks::{self, Batch, Batches, State, Task, TaskPod},
    words,
};

/// Logs that are followed at a time.
const LOGS: usize = 16;
/// Time between two tries to read a log.
const AGAIN: Duration = Duration::from_secs(2);

/// Sends how far the tasks of a job are. Ends when nobody listens any more, or pods may not be read.
pub async fn pods(cluster: Cluster, uid: String, sender: Sender<Sight>) {
    let config = Config::default().labels(&format!("{JOB_UID}={uid}"));
    let mut stream = pin!(watcher(cluster.pods(), config).backoff(Pauses::default()));
    let mut refusals = Refusals::default();
    let mut crowd = Crowd::new(cluster.clone(), sender.clone());
    let mut listed = BTreeSet::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => {
                listed.insert(pod.name_any());
                crowd.see(&pod).await;
            }
            Ok(Event::InitDone) => crowd.keep(&listed).await,
            Ok(Event::Apply(pod)) => crowd.see(&pod).await,
            Ok(Event::Delete(pod)) => crowd.over(&pod.name_any()).await,
            Err(error) => {
                let (why, refused) = of_watch(error, &cluster.server);
                if refusals.last(refused) {
                    let _ = sender.send(Sight::NoTasks(why)).await;
                    return;
                }
                continue;
            }
        }
        refusals = Refusals::default();
    }
}

/// The pods that run now.
struct Crowd {
    cluster: Cluster,
    sender: Sender<Sight>,
    batches: Batches,
    running: BTreeMap<String, Member>,
    followers: JoinSet<()>,
}

struct Member {
    task: Task,
    /// None while too many others are followed.
    follower: Option<AbortHandle>,
}

impl Crowd {
    fn new(cluster: Cluster, sender: Sender<Sight>) -> Self {
        Crowd { cluster, sender, batches: BTreeMap::new(), running: BTreeMap::new(), followers: JoinSet::new() }
    }

    /// A pod is there, or has changed.
    async fn see(&mut self, pod: &Pod) {
        let name = pod.name_any();
        if pod.status.as_ref().and_then(|status| status.phase.as_deref()) != Some("Running") {
            return self.over(&name).await;
        }
        if self.running.contains_key(&name) {
            return;
        }
        self.learn(pod).await;
        if let Some(TaskPod { task, state: State::Running, .. }) = TaskPod::of(pod, &self.batches) {
            self.running.insert(name, Member { task, follower: None });
            self.follow();
        }
    }

    /// Reads the Job of a pod, unless it is known. One that can't be read is asked for with the next pod.
    async fn learn(&mut self, pod: &Pod) {
        let Some(name) = tasks::job_of(pod).filter(|name| !self.batches.contains_key(*name)) else { return };
        let api: Api<Job> = Api::namespaced(self.cluster.client.clone(), &self.cluster.namespace);
        if let Ok(job) = self.cluster.ask(api.get(name)).await
            && let Some(batch) = Batch::of(&job)
        {
            self.batches.insert(name.to_owned(), batch);
        }
    }

    /// A pod runs no more.
    async fn over(&mut self, name: &str) {
        let Some(member) = self.running.remove(name) else { return };
        if let Some(follower) = member.follower {
            follower.abort();
        }
        let _ = self.sender.send(Sight::Over(member.task)).await;
        self.follow();
    }

    /// Pods that a new list doesn't have are gone.
    async fn keep(&mut self, listed: &BTreeSet<String>) {
        let gone: Vec<String> = self.running.keys().filter(|name| !listed.contains(*name)).cloned().collect();
        for name in gone {
            self.over(&name).await;
        }
    }

    /// Follows as many as it may.
    fn follow(&mut self) {
        while self.followers.try_join_next().is_some() {}
        let busy = self.running.values().filter(|member| member.follower.is_some()).count();
        let idle = self.running.iter_mut().filter(|(_, member)| member.follower.is_none());
        for (name, member) in idle.take(LOGS.saturating_sub(busy)) {
            let follower = follow(self.cluster.clone(), name.clone(), member.task.clone(), self.sender.clone());
            member.follower = Some(self.followers.spawn(follower));
        }
    }
}

/// Reads the log of a pod until it is stopped.
async fn follow(cluster: Cluster, pod: String, task: Task, sender: Sender<Sight>) {
    let api = cluster.pods();
    loop {
        let params = LogParams { follow: true, tail_lines: Some(3), ..LogParams::default() };
        match api.log_stream(&pod, &params).await {
            Ok(log) => {
                if tell(log, &task, &sender).await.is_none() {
                    return;
                }
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                let _ = sender.send(Sight::NoTasks(words::of_status(&status, &cluster.server))).await;
                return;
            }
            Err(_) => {}
        }
        sleep(AGAIN).await;
    }
}

/// None when nobody listens any more.
async fn tell(log: impl AsyncBufRead, task: &Task, sender: &Sender<Sight>) -> Option<()> {
    let mut log = pin!(log);
    let mut line = vec![];
    while log.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        if let Ok(RunnerEvent::Progress { permille, fps, speed, .. }) = serde_json::from_slice(&line) {
            sender.send(Sight::Progress { task: task.clone(), permille, fps, speed }).await.ok()?;
        }
        line.clear();
    }
    Some(())
}
