//! Whole jobs in memory: the golden story of one, and random faults at every step of many.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod memory;

use std::{collections::BTreeMap, fs, path::Path};

use memory::Memory;
use proptest::prelude::*;
use serde_json::{Value, json};
use transcode_engine::{
    Facts, Failure, Intent, Layout, MediaSummary, Outcome, Plan, Record, ResolvedSpec, StageId, StageKind, Summary,
    TaskSet, assess, begin, extend,
    facts::{Damage, Holes, StillFacts},
    status, warnings,
};
use transcode_media::{probe::OtherHdr, time::MediaTime};

fn published() -> Outcome {
    Outcome::Complete { reason: "Published".into() }
}

#[test]
fn the_story_of_a_job() {
    let mut job = Memory::new(json!({"thumbnail": {"at": "10%"}}), 3);
    let end = job.run_to_end(&mut |stage, task, tries| {
        let thumbnail = stage.kind == StageKind::Thumbnail;
        let flaky = stage.kind == StageKind::Encode && task == 1 && tries == 0;
        (thumbnail || flaky).then_some(Failure::Transient)
    });
    assert_eq!(end, published());
    insta::assert_snapshot!("story", job.story.join("\n"));
    let progress = assess(&job.plan, &job.observation);
    let status = status(&job.spec, &job.plan, &job.observation, &progress, job.now);
    insta::assert_yaml_snapshot!("status", status);
}

#[test]
fn bad_input_fails_once_with_its_reason() {
    let mut job = Memory::new(json!({}), 3);
    let end = job.run_to_end(&mut |stage, _, _| (stage.kind == StageKind::Probe).then_some(Failure::BadInput));
    assert_eq!(end, Outcome::Failed { reason: "BadInput".into(), message: "probe failed: injected".into() });
}

#[test]
fn a_frame_rate_moves_every_key_but_the_sources() {
    let keys = |options| Layout::new(&memory::spec(options), &memory::media());
    let (plain, other) = (keys(json!({})), keys(json!({"video": {"frameRate": 30}})));
    assert_eq!(keys(json!({"video": {"frameRate": "Source"}})), plain);
    assert_eq!(other.source, plain.source);
    assert!(other.cut != plain.cut && other.audio != plain.audio && other.job != plain.job);
    assert!(plain.renditions.iter().all(|(name, key)| other.renditions.get(name).is_some_and(|other| other != key)));
}

/// Why a source is refused, in three chunks.
fn refusal(spec: &ResolvedSpec, media: MediaSummary) -> Option<String> {
    let facts = Facts(BTreeMap::from([
        (StageId::job(StageKind::Probe), Summary::Probe(Box::new(media))),
        (StageId::job(StageKind::Split), Summary::Split(Box::new(memory::split(3, BTreeMap::new())))),
    ]));
    extend(spec, &begin(spec), &facts).err().map(|refusal| refusal.0)
}

/// What is different about a source.
type Change = fn(&mut MediaSummary);

/// Each source is refused with words that begin so.
fn assert_refused(spec: &ResolvedSpec, cases: &[(&str, Change)]) {
    for (words, change) in cases {
        let mut media = memory::media();
        change(&mut media);
        let refusal = refusal(spec, media).unwrap();
        assert!(refusal.starts_with(words), "{refusal}");
    }
}

#[test]
fn captions_are_kept_or_the_source_is_refused() {
    let mut media = memory::media();
    media.info.video.as_mut().unwrap().closed_captions = true;
    assert_eq!(refusal(&memory::spec(json!({})), media.clone()), None);
    for (video, words) in [
        (json!({"encode": {"hevc": {}}}), "(libx265) would lose them: they can be kept in H.264 only"),
        (json!({"frameRate": 25}), "(libx264) would lose them: another frame rate tears them apart"),
    ] {
        let refused = refusal(&memory::spec(json!({"video": video})), media.clone()).unwrap();
        assert!(refused.contains(words), "{refused}");
        let mut without = video;
        without["captions"] = json!({"mode": "Disabled"});
        assert_eq!(refusal(&memory::spec(json!({"video": without})), media.clone()), None);
    }
}

#[test]
fn every_track_covers_the_presentation_or_a_warning_says_which_does_not() {
    let with = |options: serde_json::Value, change: Change| {
        let mut media = memory::media();
        change(&mut media);
        warnings::of_output(&memory::spec(options), &media, Damage::default())
            .into_iter()
            .map(|warning| format!("{}: {}", warning.reason, warning.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(with(json!({}), |_| {}), [""; 0]);
    // Containers round, and access units are filled up.
    assert_eq!(with(json!({}), |m| m.audio[0].length = MediaTime::millis(59_910)), [""; 0]);
    let short: Change = |m| (m.audio[0].start, m.audio[0].length) = (MediaTime::seconds(1), MediaTime::seconds(4));
    assert_eq!(
        with(json!({}), short),
        [
            "SilenceAdded: audio track 0 begins at 1s: silence precedes it",
            "SilenceAdded: audio track 0 ends at 5s: 55s of silence follow it"
        ]
    );
    let passed = with(json!({"audio": {"encode": {"passthrough": {}}}}), |m| m.audio[0].length = MediaTime::seconds(5));
    let [passed] = passed.as_slice() else { panic!("{passed:?}") };
    assert!(passed.starts_with("SoundEndsEarly: audio track 0 ends at 5s, 55s before the presentation"), "{passed}");
    assert_eq!(with(json!({"renditions": []}), |m| m.audio[0].length = MediaTime::seconds(5)), [""; 0]);
    assert_eq!(with(json!({"audio": {"mode": "Disabled"}}), short), [""; 0]);
    let held: Change = |m| {
        m.video.as_mut().unwrap().still = Some(StillFacts { frames: 1300, from: MediaTime::seconds(8) });
    };
    assert_eq!(
        with(json!({}), held),
        ["PictureHeld: the picture ends at 8s: the last frame is shown until 1m0s, 1300 times"]
    );
    let late: Change = |m| {
        m.video.as_mut().unwrap().ahead = Some(StillFacts { frames: 48, from: MediaTime::millis(1940) });
    };
    assert_eq!(
        with(json!({}), late),
        ["PictureHeld: the picture begins at 1.94s: its first frame is shown from the start, 48 times"]
    );
    let keys = |change: Change| {
        let mut media = memory::media();
        change(&mut media);
        Layout::new(&memory::spec(json!({})), &media).cut
    };
    assert_ne!(keys(|_| {}), keys(held));
    assert_ne!(keys(|_| {}), keys(late));
}

#[test]
fn what_would_be_changed_or_dropped_is_refused() {
    let cases: [(&str, Change); 5] = [
        ("the source is Dolby Vision profile 5", |m| {
            m.info.video.as_mut().unwrap().other_hdr = Some(OtherHdr::DolbyVision(5));
        }),
        ("the source has more than 8 audio tracks", |m| m.info.audio = vec![m.info.audio[0].clone(); 9]),
        ("audio track 0 has 2 holes of 1h00m1s in all", |m| {
            m.audio[0].holes = Some(Holes {
                count: 2,
                first: MediaTime::ZERO,
                first_end: MediaTime::ZERO,
                silence: MediaTime::seconds(3601),
            });
        }),
        ("audio track 0 starts 2h00m0s after", |m| m.audio[0].start = MediaTime::seconds(7200)),
        ("nothing would be made", |m| (m.info.video, m.info.audio) = (None, vec![])),
    ];
    assert_refused(&memory::spec(json!({})), &cases);
}

#[test]
fn sound_that_would_have_to_change_is_not_passed_through() {
    let spec = memory::spec(json!({"audio": {"encode": {"passthrough": {}}}}));
    let mut media = memory::media();
    media.audio[0].start = MediaTime::millis(100);
    assert_eq!(refusal(&spec, media), None);
    let cases: [(&str, Change); 6] = [
        ("audio track 0 is vorbis", |m| m.info.audio[0].codec = "vorbis".into()),
        ("audio track 0 is AAC of the profile HE-AAC", |m| m.info.audio[0].profile = Some("HE-AAC".into())),
        ("audio track 0 is MP3 at 11025 Hz", |m| {
            (m.info.audio[0].codec, m.info.audio[0].sample_rate) = ("mp3".into(), 11025);
        }),
        ("audio track 0 is FLAC, which is not passed through: `flac: {}` loses nothing", |m| {
            m.info.audio[0].codec = "flac".into();
        }),
        ("audio track 0 has a hole in its timestamps at 2s", |m| {
            m.audio[0].holes = Some(Holes {
                count: 1,
                first: MediaTime::seconds(2),
                first_end: MediaTime::ZERO,
                silence: MediaTime::millis(60),
            });
        }),
        ("audio track 0 begins 0.101s late", |m| m.audio[0].start = MediaTime::millis(101)),
    ];
    assert_refused(&spec, &cases);
}

#[test]
fn a_thumbnail_that_is_not_the_one_asked_for_is_told() {
    let told = |at: &str, media: &MediaSummary| -> Vec<String> {
        let spec = memory::spec(json!({"thumbnail": {"at": at}}));
        let all = warnings::of_output(&spec, media, Damage::default());
        all.into_iter().filter(|w| w.stage == "thumbnail").map(|w| w.message).collect()
    };
    let mut media = memory::media();
    assert!(told("59s", &media).is_empty());
    assert_eq!(told("60s", &media), ["thumbnail.at is 1m0s, and the source ends at 1m0s: its end is drawn"]);
    media.info.video = None;
    assert_eq!(told("1s", &media), ["the source has no video, and so there is no thumbnail"]);
}

#[test]
fn a_task_that_never_works_fails_after_its_attempts() {
    let mut job = Memory::new(json!({}), 3);
    let mut tries = 0;
    let end = job.run_to_end(&mut |stage, task, _| {
        let fails = stage.kind == StageKind::Encode && task == 2;
        tries += u32::from(fails);
        fails.then_some(Failure::Transient)
    });
    assert_eq!(tries, 5);
    assert!(
        matches!(end, Outcome::Failed { reason, message } if reason == "Transient" && message.contains("after 5 failed attempts"))
    );
}

#[test]
fn a_failure_counts_at_once_although_other_tasks_run() {
    let mut job = Memory::new(json!({"video": {"fanOut": "Chunk"}}), 6);
    let never = &mut |_: &StageId, _, _| None;
    while !job.observation.live.keys().any(|id| id.stage.kind == StageKind::Encode) {
        job.step();
        job.run_batch(0, never);
    }
    // One fails and is tried again beside the others that still run; one can't be made: the end.
    let encode = |job: &Memory| job.observation.live.keys().position(|id| id.stage.kind == StageKind::Encode).unwrap();
    let at = encode(&job);
    job.run_some(at, 1, &mut |_, _, _| Some(Failure::Disrupted));
    while job.step() && job.observation.live.keys().filter(|id| id.stage.kind == StageKind::Encode).count() < 2 {}
    let batches: Vec<_> = job.observation.live.iter().filter(|(id, _)| id.stage.kind == StageKind::Encode).collect();
    assert_eq!(batches.iter().map(|(_, b)| b.tasks.to_string()).collect::<Vec<_>>(), ["0-5", "0"]);
    let at = encode(&job);
    job.run_some(at, 1, &mut |_, _, _| Some(Failure::BadChunk));
    while job.observation.record.ended.is_none() {
        assert!(job.step());
    }
    let Some(Outcome::Failed { message, .. }) = &job.observation.record.ended else { panic!("it was published") };
    assert_eq!(message, "encode of chunk 1 failed: injected");
}

#[test]
fn a_slow_thumbnail_is_given_up_once_and_warned_of() {
    let mut job = Memory::new(json!({"thumbnail": {}}), 2);
    let never = &mut |_: &StageId, _, _| None;
    while job.observation.record.ended.is_none() {
        job.step();
        // Everything but the thumbnail runs.
        let open: Vec<_> = job.observation.live.iter().filter(|(_, b)| !b.ended).map(|(id, _)| id.clone()).collect();
        match open.iter().position(|id| id.stage.kind != StageKind::Thumbnail) {
            Some(pick) => job.run_batch(pick, never),
            None => job.now = job.now.checked_add(jiff::SignedDuration::from_secs(7)).unwrap(),
        }
    }
    assert_eq!(job.observation.record.ended, Some(published()));
    assert_eq!(job.story.iter().filter(|line| line.contains("start thumbnail")).count(), 1);
    let progress = assess(&job.plan, &job.observation);
    let warnings = status(&job.spec, &job.plan, &job.observation, &progress, job.now).warnings;
    assert!(warnings.iter().any(|w| w.stage == "thumbnail" && w.message.contains("given up")), "{warnings:?}");
}

#[test]
fn permissive_mode_goes_on_with_a_gap() {
    let bad = |stage: &transcode_engine::StageId, task, _| {
        (stage.kind == StageKind::Encode && task == 1).then_some(Failure::BadChunk)
    };
    let mut job = Memory::new(json!({"integrity": "Permissive"}), 3);
    assert_eq!(job.run_to_end(&mut { bad }), published());
    let progress = assess(&job.plan, &job.observation);
    let warnings = status(&job.spec, &job.plan, &job.observation, &progress, job.now).warnings;
    assert!(warnings.iter().any(|w| w.reason == "Gaps" && w.message.contains("chunks 1 ")), "{warnings:?}");
    let mut strict = Memory::new(json!({}), 3);
    assert!(matches!(strict.run_to_end(&mut { bad }), Outcome::Failed { reason, .. } if reason == "BadChunk"));
}

#[test]
fn a_small_job_is_done_in_one_task() {
    let mut job = Memory::small(json!({"thumbnail": {}}), 3);
    assert_eq!(job.run_to_end(&mut |_, _, _| None), published());
    let ran: Vec<_> = job.runs.keys().map(|(stage, _)| stage.to_string()).collect();
    assert_eq!(ran, ["probe", "split", "whole", "cleanup"]);
    let progress = assess(&job.plan, &job.observation);
    let status = status(&job.spec, &job.plan, &job.observation, &progress, job.now);
    assert!(status.stages.iter().all(|row| row.state == "Done" && row.done == row.total), "{:?}", status.stages);
    assert!(status.fan_out.unwrap().starts_with("Whole: ") && status.warnings.is_empty());
    assert_eq!((status.outputs.len(), status.progress.unwrap().renditions.as_str()), (1, "2/2"));
}

#[test]
fn a_small_job_that_fails_in_one_task_is_done_in_many() {
    for failure in [Failure::Transient, Failure::OutOfMemory, Failure::BadChunk] {
        let mut job = Memory::small(json!({"thumbnail": {}}), 3);
        let end = job.run_to_end(&mut |stage, _, _| (stage.kind == StageKind::Whole).then(|| failure.clone()));
        assert_eq!(end, published());
        let encoded = job.runs.iter().filter(|((stage, _), _)| stage.kind == StageKind::Encode);
        assert_eq!(encoded.count(), 3);
        let progress = assess(&job.plan, &job.observation);
        let warnings = status(&job.spec, &job.plan, &job.observation, &progress, job.now).warnings;
        assert_eq!(warnings.iter().map(|w| (&*w.stage, w.attempts)).collect::<Vec<_>>(), [("whole", 1)]);
    }
}

#[test]
fn a_bad_source_is_bad_for_one_task_and_for_many() {
    let mut job = Memory::small(json!({}), 3);
    let end = job.run_to_end(&mut |stage, _, _| (stage.kind == StageKind::Whole).then_some(Failure::BadInput));
    assert_eq!(end, Outcome::Failed { reason: "BadInput".into(), message: "whole failed: injected".into() });
}

#[test]
fn who_says_how_tasks_are_cut_gets_many() {
    let mut job = Memory::small(json!({"video": {"fanOut": "ChunkRendition"}}), 3);
    assert_eq!(job.run_to_end(&mut |_, _, _| None), published());
    assert!(!job.runs.keys().any(|(stage, _)| stage.kind == StageKind::Whole));
}

#[test]
fn the_rendition_that_takes_longest_starts_first() {
    let renditions = json!([{"name": "144p"}, {"name": "720p"}, {"name": "480p"}]);
    let mut job = Memory::new(json!({"video": {"fanOut": "ChunkRendition"}, "renditions": renditions}), 3);
    assert_eq!(job.run_to_end(&mut |_, _, _| None), published());
    let started = |line: &String| Some(line.split_once(" start encode-")?.1.split('.').next()?.to_string());
    assert_eq!(job.story.iter().filter_map(started).collect::<Vec<_>>(), ["720p", "480p", "144p"]);
}

#[test]
fn missing_results_are_made_again() {
    let mut job = Memory::new(json!({}), 3);
    let mut told = false;
    let end = job.run_to_end(&mut |stage, _, _| {
        let first = stage.kind == StageKind::Package && !told;
        told |= first;
        first.then(|| Failure::Missing { lost: BTreeMap::from([("encode".parse().unwrap(), "1".parse().unwrap())]) })
    });
    assert_eq!(end, published());
    let encode: Vec<u32> = job.runs.iter().filter(|((s, _), _)| s.kind == StageKind::Encode).map(|(_, n)| *n).collect();
    assert_eq!(encode, [1, 2, 1]);
}

#[test]
fn a_suspended_job_starts_nothing_and_goes_on() {
    let mut job = Memory::new(json!({}), 6);
    while job.stored.iter().filter(|(stage, _)| stage.kind == StageKind::Encode).count() < 3 {
        job.step();
        job.run_some(0, 3, &mut |_, _, _| None);
    }
    job.observation.intent = Intent::Suspend;
    while job.step() && job.observation.live.values().any(|batch| !batch.ended) {}
    let (runs, batches) = (job.runs.clone(), job.observation.record.batches.clone());
    for pass in 0..20 {
        job.step();
        job.run_batch(pass, &mut |_, _, _| None);
    }
    assert_eq!((&job.runs, &job.observation.record.batches), (&runs, &batches), "something was started");
    job.observation.intent = Intent::Run;
    assert_eq!(job.run_to_end(&mut |_, _, _| None), published());
    assert!(job.runs.values().all(|count| *count == 1), "{:?}", job.runs);
}

#[test]
fn a_failed_job_begins_again_with_what_is_done() {
    let mut job = Memory::new(json!({}), 4);
    let end = job.run_to_end(&mut |stage, _, _| (stage.kind == StageKind::Package).then_some(Failure::Transient));
    assert!(matches!(end, Outcome::Failed { .. }), "{end:?}");
    let numbers = job.observation.record.batches.clone();
    job.observation.record.begin_again("2");
    job.observation.live.clear();
    job.plan = begin(&job.spec);
    assert_eq!(job.run_to_end(&mut |_, _, _| None), published());
    let encoded = job.runs.iter().filter(|((stage, _), _)| stage.kind == StageKind::Encode);
    assert!(encoded.clone().count() > 0 && encoded.clone().all(|(_, count)| *count == 1), "{:?}", job.runs);
    let again = &job.observation.record.batches;
    assert!(numbers.iter().all(|(stage, count)| again[stage] >= *count), "a name is used twice");
}

#[test]
fn a_job_of_more_work_than_the_site_allows_is_refused() {
    let mut spec = memory::spec(json!({}));
    let mut long = memory::media();
    long.video.as_mut().unwrap().frames = 25 * 3600 * 24;
    spec.most_cpu_hours = Some(1);
    let refused = refusal(&spec, long.clone()).unwrap();
    assert!(refused.starts_with("the job takes about ") && refused.contains("and this site allows 1 for"), "{refused}");
    assert_eq!(refusal(&spec, memory::media()), None);
    spec.most_cpu_hours = Some(10_000);
    assert_eq!(refusal(&spec, long), None);
}

/// Files that operators wrote when each version of the contract was new: `crates/contract/tests/versions` says which.
#[test]
fn jobs_of_every_version_go_on_where_they_were() {
    let versions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contract/tests/versions");
    for version in (1..).take_while(|version| versions.join(version.to_string()).exists()) {
        let read = |name: &str| -> Value {
            let mut paths = (1..=version).rev().map(|version| versions.join(format!("{version}/{name}")));
            serde_json::from_slice(&fs::read(paths.find(|path| path.exists()).unwrap()).unwrap()).unwrap()
        };
        let spec = serde_json::from_value(read("job.json")["spec"].take()).unwrap();
        let plan: Plan = serde_json::from_value(read("plan.json")).unwrap();
        let record: Record = serde_json::from_value(read("memory.json")["record"].take()).unwrap();
        let done = record.done.clone();
        assert!(plan.is_sane() && done.keys().any(|stage| stage.kind == StageKind::Encode), "{version}");
        let mut job = Memory::resumed(spec, plan, record);
        assert_eq!(job.run_to_end(&mut |_, _, _| None), published(), "{version}");
        for (stage, tasks) in done {
            for task in tasks.iter() {
                assert!(!job.runs.contains_key(&(stage.clone(), task)), "version {version}: {stage} made {task} again");
            }
        }
    }
}

#[test]
fn a_crash_redoes_nothing_that_is_in_storage() {
    let mut job = Memory::new(json!({}), 4);
    let never = &mut |_: &transcode_engine::StageId, _, _| None;
    while !job.runs.keys().any(|(s, _)| s.kind == StageKind::Encode) {
        job.step();
        job.run_batch(0, never);
    }
    job.crash();
    assert_eq!(job.run_to_end(never), published());
    let double: Vec<_> = job
        .runs
        .iter()
        .filter(|((s, _), n)| matches!(s.kind, StageKind::Encode | StageKind::Audio) && **n > 1)
        .collect();
    assert!(double.is_empty(), "{double:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever fails and whenever the driver dies: no lost work, no double work, always an end.
    #[test]
    fn random_faults_always_come_to_an_end(
        chunks in 1_u32..6,
        fan_out in prop::sample::select(vec!["Auto", "Chunk", "ChunkRendition"]),
        small in any::<bool>(),
        two_passes in any::<bool>(),
        faults in prop::collection::vec((0_u8..100, 0_usize..4), 0..400),
        crashes in prop::collection::btree_set(0_usize..60, 0..3),
    ) {
        let rate = if two_passes { json!({"averageBitrate": {"bitrate": "3M"}}) } else { json!({"crf": 23}) };
        let options = json!({"video": {"fanOut": fan_out, "encode": {"h264": {"rate": rate}}}, "thumbnail": {}});
        let mut job = if small { Memory::small(options, chunks) } else { Memory::new(options, chunks) };
        let mut dice = faults.into_iter();
        let (mut lives, mut reported) = (BTreeMap::new(), 0);
        for pass in 0..3000 {
            if crashes.contains(&pass) && job.observation.record.ended.is_none() {
                job.crash();
            }
            if !job.step() {
                break;
            }
            let pick = dice.next().map_or(pass, |(_, pick)| pick);
            let most = dice.next().map_or(9, |(most, _)| usize::from(most % 3) + 1);
            let mut gone = None;
            job.run_some(pick, most, &mut |stage, task, _| {
                let (roll, _) = dice.next()?;
                let life: &mut u32 = lives.entry((stage.clone(), task)).or_default();
                *life += 1;
                // At most three times, whatever the failure, so that five attempts suffice.
                let fails = *life <= 3;
                if stage.kind == StageKind::Verify && roll >= 90 && fails && reported < 2 {
                    // What was made before is gone.
                    reported += 1;
                    gone = Some("audio".parse::<StageId>().unwrap());
                    return gone.clone().map(|audio| Failure::Missing { lost: BTreeMap::from([(audio, TaskSet::one(0))]) });
                }
                match roll {
                    0..=19 if fails => Some(Failure::Transient),
                    20..=29 if fails => Some(Failure::Disrupted),
                    30..=34 if fails => Some(Failure::OutOfMemory),
                    _ => None,
                }
            });
            if let Some(audio) = gone {
                job.stored.remove(&(audio, 0));
            }
        }
        prop_assert_eq!(job.observation.record.ended.clone(), Some(published()));
        // What the one task of a small job made counts as made, also for stages that go on from there.
        let whole = u32::from(job.runs.keys().any(|(stage, _)| stage.kind == StageKind::Whole));
        for ((stage, task), runs) in &job.runs {
            let encodes = matches!(stage.kind, StageKind::FirstPass | StageKind::Encode | StageKind::Audio);
            let lost = if stage.kind == StageKind::Audio { reported } else { 0 };
            let fair = 1 + lost - whole..=1 + lost;
            prop_assert!(!encodes || fair.contains(runs), "{} task {} ran {} times", stage, task, runs);
        }
        prop_assert!(job.observation.live.is_empty());
    }
}

#[test]
fn the_plan_of_each_fan_out() {
    for (name, options) in [
        ("plan_chunk", json!({"video": {"fanOut": "Chunk"}, "thumbnail": {}})),
        ("plan_chunk_rendition", json!({"video": {"fanOut": "ChunkRendition"}, "integrity": "Permissive"})),
    ] {
        let mut job = Memory::new(options, 3);
        job.run_to_end(&mut |_, _, _| None);
        insta::assert_yaml_snapshot!(name, job.plan);
    }
}
