//! What a page is made of. Anything may be unknown; the page says so.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use transcode_api::{TranscodeJobStatus, status::Warning};
use transcode_contract::{PublishedFile, PublishedRecord, TaskRun};
use transcode_media::time::MediaTime;

/// What is known of a job.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Name of the job.
    pub name: String,
    /// Namespace of the job.
    pub namespace: String,
    /// How it stands; `None` when only what it published is known.
    pub status: Option<TranscodeJobStatus>,
    /// What it published.
    pub record: Option<PublishedRecord>,
    /// Runs of its tasks that a driver saw; without them those of the record are shown.
    pub runs: Vec<Run>,
    /// Length of the media.
    pub duration: Option<MediaTime>,
    /// From the start of the job to its end, as somebody measured it.
    pub wall: Option<Duration>,
    /// What the output's paths are appended to, to become links: empty, or ending in `/`. `None` when a browser
    /// can't get there.
    pub base: Option<String>,
    /// What could not be found out, and why.
    pub notes: Vec<String>,
    /// When the page was made.
    pub written: Timestamp,
    /// Version of the program.
    pub version: String,
}

/// A run of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which, and when.
    pub ran: TaskRun,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

impl Facts {
    /// Seconds from the start of the job to its end: as measured, of the status, or from the first to the last
    /// run.
    pub(crate) fn wall_seconds(&self) -> Option<f64> {
        let time = |text: &Option<String>| text.as_deref()?.parse::<Timestamp>().ok();
        let of_status = || {
            let status = self.status.as_ref()?;
            Some(time(&status.finished_at)?.duration_since(time(&status.started_at)?).as_secs_f64())
        };
        let of_runs = || {
            let runs = &self.record.as_ref()?.runs;
            let (first, last) = (runs.iter().map(|r| r.began).min()?, runs.iter().map(|r| r.ended).max()?);
            Some(last.duration_since(first).as_secs_f64())
        };
        self.wall.map(|wall| wall.as_secs_f64()).or_else(of_status).or_else(of_runs)
    }

    /// CPU seconds of encoding and sound.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        let of_record = self.record.as_ref().map(|record| record.usage.cpu_millis as f64 / 1000.0);
        of_record.or_else(|| Some(self.status.as_ref()?.usage.as_ref()?.cpu_seconds as f64))
    }

    /// Everything that a user is warned of.
    pub(crate) fn warnings(&self) -> &[Warning] {
        let of_record = || self.record.as_ref().map_or(&[][..], |record| &record.warnings);
        self.status.as_ref().map_or_else(of_record, |status| &status.warnings)
    }

    /// Where a published path leads.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        // As the playlists refer to each other: everything but unreserved characters is encoded.
        let path = transcode_media::playlist::relative_uri("", path);
        self.base.as_ref().map(|base| format!("{base}{path}"))
    }

    /// Segments of each track, in order.
    pub(crate) fn segments(&self) -> BTreeMap<&str, Vec<&PublishedFile>> {
        let mut of: BTreeMap<&str, Vec<&PublishedFile>> = BTreeMap::new();
        for file in self.record.iter().flat_map(|record| &record.files).filter(|file| file.kind == "segment") {
            of.entry(file.track.as_deref().unwrap_or_default()).or_default().push(file);
        }
        of
    }
}
