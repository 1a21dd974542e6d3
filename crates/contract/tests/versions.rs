//! Files of every version of the contract that is spoken, as they were written when it was new:
//!
//! - `job.json`, `facts.json`: what runners are given
//! - `plan.json`, `memory.json`: what the operator keeps beside them
//! - `report-<stage>.json`, `result-<stage>.json`: what runners tell and store
//!
//! A version has the files that differ from those of the version before. Long lists of segments are cut.
//!
//! That such jobs are brought to their end is tested with the engine.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, path::PathBuf};

use serde::de::DeserializeOwned;
use transcode_contract::{
    AudioResult, CONTRACT, ChunkResult, FactsFile, JobFile, MergeResult, OLDEST, PackageResult, Report, VerifyResult,
    report::Told, speaks,
};

fn file(version: u32, name: &str) -> Vec<u8> {
    let versions = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/versions");
    let mut paths = (OLDEST..=version).rev().map(|version| versions.join(format!("{version}/{name}.json")));
    fs::read(paths.find(|path| path.exists()).unwrap()).unwrap()
}

fn read<T: DeserializeOwned>(version: u32, name: &str) -> T {
    serde_json::from_slice(&file(version, name)).unwrap_or_else(|error| panic!("{name} of version {version}: {error}"))
}

#[test]
fn files_of_every_version_are_read() {
    for version in OLDEST..=CONTRACT {
        let job: JobFile = read(version, "job");
        assert_eq!(job.version, version);
        assert_eq!(JobFile::new(job.spec.clone()), job, "today the job would be recorded with another version");
        assert!(read::<FactsFile>(version, "facts").facts.media().is_some());
        for (stage, tells) in [("probe", 2), ("encode", 0)] {
            let report = Report::read(&file(version, &format!("report-{stage}"))).unwrap();
            assert!(matches!(report.told, Told::Done(told) if told.len() == tells), "{stage}");
        }
        assert!(!read::<ChunkResult>(version, "result-encode").segments.is_empty());
        assert!(!read::<AudioResult>(version, "result-audio").tracks.is_empty());
        assert!(!read::<PackageResult>(version, "result-package").video.is_empty());
        assert!(read::<MergeResult>(version, "result-merge").file.bytes > 0);
        assert!(read::<VerifyResult>(version, "result-verify").segments > 0);
    }
}

#[test]
fn other_versions_are_not_spoken() {
    assert!(!speaks(OLDEST - 1) && !speaks(CONTRACT + 1));
    assert!((OLDEST..=CONTRACT).all(speaks));
}
