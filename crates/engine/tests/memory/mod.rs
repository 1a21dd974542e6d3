//! The engine's second driver: whole jobs in memory, with faults where a test wants them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use num_rational::Ratio;
use serde_json::{Value, json};
use transcode_api::TranscodeJob;
use transcode_engine::{
    Action, BatchId, BatchState, Failure, Grant, MediaSummary, Observation, Outcome, Plan, Record, ResolvedSpec,
    SplitSummary, StageId, StageKind, Summary, TaskSet, assess, begin, decide,
    extend::renditions,
    facts::{AudioFacts, PackageSummary, PublishSummary, VideoFacts},
    observe::TaskFailure,
    resolve,
};
use transcode_media::{
    probe::{AudioStream, Colour, FrameTimes, Hdr10, MediaInfo, VideoStream},
    time::{MediaTime, Timebase, Timescale},
};

/// What a task does when it is run for the nth time (from 0).
pub type Fault<'a> = dyn FnMut(&StageId, u32, u32) -> Option<Failure> + 'a;

pub struct Memory {
    pub spec: ResolvedSpec,
    pub plan: Plan,
    pub observation: Observation,
    pub now: Timestamp,
    /// Successful runs of each task: more than one is double work.
    pub runs: BTreeMap<(StageId, u32), u32>,
    /// Every decision in words.
    pub story: Vec<String>,
    /// Results in storage: what a crash leaves behind.
    pub stored: BTreeSet<(StageId, u32)>,
    chunks: u32,
}

pub fn spec(options: Value) -> ResolvedSpec {
    let job = TranscodeJob::new(
        "film",
        serde_json::from_value(json!({
            "inputs": [{"name": "main", "file": {"path": "in.mp4"}}],
            "outputs": [{"name": "main", "file": {"path": "out"}}],
            "options": options,
            "scheduling": {"maxParallel": 2},
        }))
        .unwrap(),
    );
    resolve(&job, &[]).unwrap()
}

impl Memory {
    pub fn new(options: Value, chunks: u32) -> Self {
        let spec = spec(options);
        Memory {
            plan: begin(&spec),
            spec,
            observation: Observation::default(),
            now: Timestamp::UNIX_EPOCH,
            runs: BTreeMap::new(),
            story: vec![],
            stored: BTreeSet::new(),
            chunks,
        }
    }

    /// One that another driver left midway.
    pub fn resumed(spec: ResolvedSpec, plan: Plan, record: Record) -> Self {
        let observation = Observation { record, ..Observation::default() };
        Memory { plan, spec, observation, ..Memory::new(json!({}), 1) }
    }

    /// One that is done in one task when all goes well.
    pub fn small(options: Value, chunks: u32) -> Self {
        let mut job = Memory::new(options, chunks);
        job.spec.whole_below_seconds = Some(u32::MAX);
        job
    }

    /// The driver dies: plan, record and batches are gone, results in storage stay.
    pub fn crash(&mut self) {
        self.plan = begin(&self.spec);
        self.observation = Observation::default();
    }

    /// One pass: decide, execute. False when nothing is left to do.
    pub fn step(&mut self) -> bool {
        let progress = assess(&self.plan, &self.observation);
        let decision = decide(&self.spec, &self.plan, &self.observation, &progress, Grant { slots: 1000 }, self.now);
        for (action, why) in &decision.actions {
            self.story.push(format!("{:>4}s {}: {why}", self.now.as_second(), words(action)));
        }
        let idle = decision.actions.is_empty();
        for (action, _) in decision.actions {
            self.execute(action);
        }
        match decision.wake_at {
            Some(at) if idle && self.observation.live.is_empty() => {
                self.now = at.max(self.now);
                true
            }
            _ => !idle || !self.observation.live.is_empty(),
        }
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::Note(entry) => self.observation.record.note(entry),
            Action::Extend(stages) => self.plan.append(stages),
            Action::Start(batch) => {
                let state = BatchState {
                    tasks: batch.tasks,
                    succeeded: TaskSet::default(),
                    failed: BTreeMap::new(),
                    told: vec![],
                    ended: false,
                };
                let before = self.observation.live.insert(batch.id, state);
                assert!(before.is_none(), "a batch was started twice");
            }
            Action::Stop(id) => {
                if let Some(batch) = self.observation.live.get_mut(&id) {
                    batch.ended = true;
                }
            }
            Action::Forget(id) => {
                self.observation.live.remove(&id);
            }
            Action::End(outcome) => self.observation.record.end(outcome, self.now),
        }
    }

    /// Lets every task of one running batch end.
    pub fn run_batch(&mut self, pick: usize, fault: &mut Fault<'_>) {
        self.run_some(pick, usize::MAX, fault);
    }

    /// Lets some tasks of one running batch end.
    pub fn run_some(&mut self, pick: usize, most: usize, fault: &mut Fault<'_>) {
        let open: Vec<BatchId> =
            self.observation.live.iter().filter(|(_, b)| !b.ended).map(|(id, _)| id.clone()).collect();
        let Some(id) = open.get(pick % open.len().max(1)).cloned() else { return };
        self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap();
        let BatchState { tasks, mut succeeded, mut failed, .. } = self.observation.live[&id].clone();
        let open: Vec<u32> =
            tasks.iter().filter(|t| !succeeded.contains(*t) && !failed.contains_key(t)).take(most).collect();
        for task in open {
            let tries = self.tries(&id.stage, task);
            match fault(&id.stage, task, tries) {
                Some(failure) => {
                    failed.insert(task, TaskFailure { failure, message: "injected".into() });
                }
                None => {
                    *self.runs.entry((id.stage.clone(), task)).or_default() += 1;
                    self.stored.insert((id.stage.clone(), task));
                    if id.stage.kind == StageKind::Whole {
                        let parts = self.plan.stages.values().filter(|stage| stage.id.kind > StageKind::Whole);
                        let tasks = parts.flat_map(|stage| (0..stage.tasks).map(|task| (stage.id.clone(), task)));
                        self.stored.extend(tasks);
                    }
                    succeeded.insert(task);
                }
            }
        }
        let kinds = match id.stage.kind {
            // Split runs by itself here: a runner may be of a version that does.
            StageKind::Probe => &[StageKind::Probe],
            kind => kind.tells(),
        };
        let told = match failed.is_empty() {
            true => kinds.iter().filter_map(|kind| self.summary(*kind)).collect(),
            false => vec![],
        };
        if let Some(batch) = self.observation.live.get_mut(&id) {
            let ended = succeeded.len() + failed.len() as u32 == tasks.len();
            *batch = BatchState { tasks, succeeded, failed, told, ended };
        }
    }

    fn tries(&self, stage: &StageId, task: u32) -> u32 {
        self.observation.record.attempts.get(stage).and_then(|a| a.get(&task)).map_or(0, |a| a.failed + a.disrupted)
    }

    pub fn run_to_end(&mut self, fault: &mut Fault<'_>) -> Outcome {
        for pass in 0..2000 {
            if !self.step() {
                break;
            }
            self.run_batch(pass, fault);
        }
        self.observation.record.ended.clone().expect("a job always ends")
    }

    fn summary(&self, kind: StageKind) -> Option<Summary> {
        match kind {
            StageKind::Probe => Some(Summary::Probe(Box::new(media()))),
            StageKind::Split => {
                let mut found: BTreeMap<String, TaskSet> = BTreeMap::new();
                let mut first_passes: BTreeMap<String, TaskSet> = BTreeMap::new();
                for (stage, task) in &self.stored {
                    match stage.kind {
                        StageKind::FirstPass | StageKind::Encode => {
                            let found = if stage.kind == StageKind::Encode { &mut found } else { &mut first_passes };
                            let ladder = renditions(&self.spec, &media()).renditions.into_iter().map(|r| r.name);
                            let names = ladder.filter(|name| stage.subject.is_empty() || stage.subject == *name);
                            names.for_each(|name| _ = found.entry(name).or_default().insert(*task));
                        }
                        StageKind::Audio => _ = found.entry("audio".into()).or_default().insert(*task),
                        _ => continue,
                    }
                }
                Some(Summary::Split(Box::new(SplitSummary { first_passes, ..split(self.chunks, found) })))
            }
            StageKind::Package => Some(Summary::Package(PackageSummary::default())),
            StageKind::Publish => Some(Summary::Publish(PublishSummary {
                outputs: vec![("hls".into(), "out/master.m3u8".into())],
                bytes: 1,
            })),
            _ => None,
        }
    }
}

pub fn split(chunks: u32, found: BTreeMap<String, TaskSet>) -> SplitSummary {
    SplitSummary {
        segments: chunks * 4,
        chunks,
        longest_segment: 100,
        longest_chunk: 400,
        preroll: 0,
        composition_delay: 2,
        table: "digest".into(),
        found,
        first_passes: BTreeMap::new(),
        published: false,
    }
}

fn words(action: &Action) -> String {
    match action {
        Action::Note(entry) => {
            let text = serde_json::to_value(entry).unwrap();
            format!("note {}", text.as_object().unwrap().keys().next().unwrap())
        }
        Action::Extend(stages) => {
            let names: Vec<_> = stages.iter().map(|s| format!("{} x{}", s.id, s.tasks)).collect();
            format!("extend with {}", names.join(", "))
        }
        Action::Start(batch) => format!("start {} tasks {} cap {}", batch.id, batch.tasks, batch.cap),
        Action::Stop(id) => format!("stop {id}"),
        Action::Forget(id) => format!("forget {id}"),
        Action::End(Outcome::Complete { reason }) => format!("end Complete {reason}"),
        Action::End(Outcome::Failed { reason, .. }) => format!("end Failed {reason}"),
    }
}

pub fn media() -> MediaSummary {
    let timebase = Timebase { num: 1, den: 12800 };
    MediaSummary {
        info: MediaInfo {
            container: "mov,mp4".into(),
            video: Some(VideoStream {
                index: 0,
                codec: "h264".into(),
                width: 1280,
                height: 720,
                container_crop: None,
                sar: Ratio::from_integer(1),
                mirrored: false,
                rotation: 0,
                timebase,
                frame_rate: Ratio::from_integer(25),
                pixel_format: "yuv420p".into(),
                alpha: false,
                bit_depth: 8,
                colour: Colour::default(),
                interlaced: false,
                closed_captions: false,
                reordered: false,
                times: FrameTimes::Presentation,
                hdr10: Hdr10::default(),
                other_hdr: None,
                spatial: Default::default(),
                shown: None,
            }),
            audio: vec![AudioStream {
                index: 1,
                codec: "aac".into(),
                profile: Some("LC".into()),
                start: 0,
                initial_padding: 0,
                channels: 2,
                layout: Some("stereo".into()),
                bits: 0,
                sample_rate: 48000,
                timebase: Timebase { num: 1, den: 48000 },
                language: "eng".into(),
                title: None,
                default: true,
                right: None,
            }],
            left_out: vec![],
            generated_times: false,
            complaint: None,
            clock: Default::default(),
        },
        source: "in.mp4".into(),
        source_key: "0123".into(),
        encoder_build: "ffmpeg 5.1".into(),
        bytes: 1_000_000,
        missing_bytes: 0,
        origin: MediaTime::ZERO,
        duration: MediaTime::seconds(60),
        video: Some(VideoFacts {
            frames: 1500,
            timescale: Timescale(12800),
            frame_rate: Ratio::from_integer(25),
            highest_rate: None,
            constant: true,
            source: None,
            ahead: None,
            still: None,
            holes: None,
            equal_times: 0,
            undecodable_head: 0,
            undecodable_tail: 0,
        }),
        audio: vec![AudioFacts { start: MediaTime::ZERO, length: MediaTime::seconds(60), holes: None }],
    }
}
