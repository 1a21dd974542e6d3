//! One job for each kind of output, as small as can be: seconds of film, and of each codec, container and oddity at
//! least one.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use e2e_media::{
    product::Job,
    published::Published,
    recipe,
    row::{ROW, Row, Step},
    web::Web,
};
use tempfile::TempDir;

use crate::claims::{self, Facts};

/// A kind of output.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its source and its job: name, options, frames.
    pub row: Row,
    /// What goes wrong on purpose, see `job-runner/src/fault.rs`.
    pub faults: &'static str,
}

const KIND: Kind = Kind { row: ROW, faults: "" };

/// Every kind of output.
pub const OUTPUTS: &[Kind] = &[
    Kind {
        row: Row {
            name: "film",
            source: &[Step::Ffmpeg(
                "-f lavfi -i testsrc2=size=320x180:rate=30000/1001:duration=7 -f lavfi -i sine=frequency=440:duration=7 -f lavfi -i sine=frequency=880:duration=7 -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -g 30 -bf 2 -c:a aac -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra -metadata:s:a:1 title=Commentaire {out}",
            )],
            file: "source.mkv",
            options: "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}}], thumbnail: {}}",
            frames: 210,
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "hdr",
            source: &[Step::Ffmpeg(
                "-f lavfi -i testsrc2=size=320x180:rate=24:duration=6 -f lavfi -i sine=duration=6 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -vf setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv -x265-params log-level=error:keyint=48:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400 -tag:v hvc1 -ac 6 -c:a aac {out}",
            )],
            options: "{video: {segmentDuration: 2s, encode: {hevc: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 320, height: 320}}], audio: {encode: {eac3: {}}}}",
            frames: 144,
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "two_codecs",
            source: &[Step::Ffmpeg(PLAIN)],
            options: "{video: {segmentDuration: 2s, encode: {hevc: {preset: ultrafast}}}, renditions: [{name: top, box: {width: 320, height: 320}}, {name: low, box: {width: 160, height: 160}, encode: {h264: {preset: ultrafast}}}]}",
            frames: 150,
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "av1_opus",
            source: &[Step::Ffmpeg(PLAIN)],
            options: "{video: {segmentDuration: 2s, encode: {av1: {preset: 12}}}, renditions: [{name: top, box: {width: 320, height: 320}}], audio: {encode: {opus: {}}}}",
            frames: 150,
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "vp9_flac",
            source: &[Step::Ffmpeg(PLAIN)],
            options: "{video: {segmentDuration: 2s, encode: {vp9: {speed: 8, hls: true}}}, renditions: [{name: top, box: {width: 320, height: 320}}], audio: {encode: {flac: {}}}}",
            frames: 150,
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "ac3",
            source: &[Step::Ffmpeg(PLAIN)],
            options: "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}], audio: {encode: {ac3: {channels: 2}}}}",
            frames: 150,
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "mp3_alone",
            source: &[Step::Ffmpeg("-f lavfi -i sine=duration=6 -ac 2 -c:a libmp3lame {out}")],
            file: "source.mp3",
            options: "{audio: {encode: {mp3: {playlists: true}}}}",
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "flac_alone",
            source: &[Step::Ffmpeg("-f lavfi -i sine=duration=6 -ac 2 -ar 96000 -c:a pcm_s24le {out}")],
            file: "source.wav",
            options: "{audio: {encode: {flac: {}}}}",
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "aac_alone",
            source: &[Step::Ffmpeg("-f lavfi -i sine=duration=6 -ac 2 -c:a aac {out}")],
            file: "source.m4a",
            options: "{video: {segmentDuration: 2s}}",
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "captions",
            source: &[
                Step::Ffmpeg(
                    "-f lavfi -i testsrc2=size=320x180:rate=30000/1001:duration=7 -c:v libx264 -preset ultrafast -g 30 -bf 0 -f h264 {out}",
                ),
                Step::Python("captions.py {in} {out} --rate 30000/1001"),
                Step::Ffmpeg(
                    "-f h264 -framerate 30000/1001 -i {in} -f lavfi -i sine=duration=7 -map 0 -map 1 -c:v copy -c:a aac {out}",
                ),
            ],
            file: "source.ts",
            options: "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}",
            frames: 210,
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "gaps",
            // Chunks are 16 s long at least.
            source: &[Step::Ffmpeg(
                "-f lavfi -i testsrc2=size=160x90:rate=5:duration=40 -f lavfi -i sine=duration=40 -c:v libx264 -preset ultrafast -g 10 -c:a aac {out}",
            )],
            options: "{integrity: Permissive, video: {segmentDuration: 4s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}",
            frames: 120,
            ..ROW
        },
        faults: "encode-low/1/*=badChunk",
    },
    Kind {
        row: Row {
            name: "variable_rate",
            source: &[Step::Ffmpeg(
                "-f lavfi -i testsrc2=size=160x90:rate=30:duration=7 -f lavfi -i sine=duration=7 -vf \"select='not(between(mod(n,60),10,25))'\" -fps_mode vfr -c:v libx264 -preset ultrafast -g 30 -c:a aac {out}",
            )],
            file: "source.mkv",
            options: "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}",
            frames: 146,
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            // Segments of several fragments.
            name: "scene_cuts",
            source: &[Step::Ffmpeg(
                "-f lavfi -i testsrc2=size=320x180:rate=25:duration=7 -f lavfi -i life=size=320x180:rate=25:seed=3:mold=10:life_color=white -f lavfi -i sine=duration=7 -filter_complex [0][1]overlay=shortest=1:enable='lt(mod(n\\,80)\\,37)'[v] -map [v] -map 2:a -c:v libx264 -preset ultrafast -g 25 -c:a aac {out}",
            )],
            options: "{video: {segmentDuration: 2s, encode: {h264: {preset: veryfast}}}, renditions: [{name: low, box: {width: 160, height: 160}}]}",
            frames: 175,
            cuts: &[37, 80, 117, 160],
            ..ROW
        },
        ..KIND
    },
    Kind {
        row: Row {
            name: "wide_pixels",
            source: &[Step::Ffmpeg(
                "-f lavfi -i testsrc2=size=180x144:rate=25:duration=6 -vf setsar=64/45 -c:v libx264 -preset ultrafast -g 25 {out}",
            )],
            options: "{video: {segmentDuration: 2s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 720, height: 720}}]}",
            frames: 150,
            ..ROW
        },
        ..KIND
    },
];

const PLAIN: &str = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=6 -f lavfi -i sine=duration=6 -c:v libx264 -preset ultrafast -g 25 -c:a aac {out}";

/// What a job published, and where it can be read.
#[derive(Debug)]
pub struct Output {
    /// Its kind.
    pub kind: &'static Kind,
    /// The files.
    pub published: Published,
    /// What the manifest says, by track.
    pub claims: BTreeMap<String, Facts>,
    /// Each track as one file, init segment first, by its name: `low.mp4`.
    pub tracks: Vec<PathBuf>,
    /// Serves the folder.
    pub web: Web,
    folder: TempDir,
}

impl Output {
    /// Runs the job.
    pub fn publish(kind: &'static Kind) -> Result<Self> {
        let mut folder = tempfile::tempdir()?;
        folder.disable_cleanup(std::env::var_os("TRANSCODE_KEEP").is_some());
        let source = recipe::source(&kind.row).context("the source")?;
        let mut job = Job::of_file(folder.path(), &source, kind.row.formats, kind.row.options)?;
        if !kind.faults.is_empty() {
            job = job.with("TRANSCODE_FAULTS", kind.faults);
        }
        let finished = job.succeed(&["--workers", "1"])?;
        ensure!(finished.reason() == "Published", "ended as {}", finished.end());
        let published = Published::read(&job.out())?;
        // Sound that no player of DASH supports has none.
        let manifest = published.paths("dash").into_iter().next();
        let claims = manifest.map(|manifest| claims::read(&manifest)).transpose()?.unwrap_or_default();
        let tracks = joined(&published, folder.path())?;
        Ok(Output { kind, claims, tracks, web: Web::folder(&job.out())?, published, folder })
    }

    /// A new folder for what a reader writes.
    pub fn scratch(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir_in(&self.folder)?)
    }

    /// MP4s that were published, and tracks of segments: whatever a reader of MP4 can be given.
    pub fn files(&self) -> Vec<PathBuf> {
        [self.published.paths("mp4"), self.tracks.clone()].concat()
    }
}

fn joined(published: &Published, folder: &Path) -> Result<Vec<PathBuf>> {
    let folder = folder.join("tracks");
    fs::create_dir_all(&folder)?;
    let mut files = vec![];
    for media in &published.tracks {
        let file = folder.join(format!("{}.mp4", media.name));
        fs::write(&file, &media.bytes)?;
        files.push(file);
    }
    Ok(files)
}
