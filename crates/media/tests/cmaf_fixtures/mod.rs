//! Real encodes, and what ffmpeg makes of what was written from them.

use std::{fs::File, io::Cursor, ops::Range, path::Path, process::Command};

use num_rational::Ratio;
use tempfile::TempDir;
use transcode_media::{
    time::{MediaTime, Timescale},
    track::{FileFacts, KeyFrame},
};

use transcode_media::cmaf::{
    SampleEntry, SegmentBytes,
    audio::{AudioPlan, AudioSegment, audio_segments},
    encoded::EncodedTrack,
    head_bytes,
    init::{AudioInit, Colour, Language, TrackInit, VideoInit, init_segment},
    progressive::{ProgressiveTrack, SegmentSamples, plan, read_fragment_head},
    rewrite::{ChunkPlan, Fragments, SegmentFrames, video_segments},
};

/// Frames of each segment, and segments of each chunk.
pub const SEGMENT: usize = 24;
pub const CHUNK: usize = 48;
pub const FRAMES: usize = 3 * CHUNK;

pub fn run(program: &str, arguments: &[&str]) -> (String, String) {
    let output = Command::new(program).args(arguments).output().expect("it is installed");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(output.stderr));
    (text(output.stdout), text(output.stderr))
}

/// Pictures: when each frame is, and the lavfi graph that makes them.
pub struct Source {
    pub graph: String,
    /// Ticks of the output, of all frames.
    pub times: Vec<i64>,
    pub end: i64,
    pub timescale: u32,
    /// Ticks per frame number of the graph, and the frame number of each frame.
    pub numbers: Vec<usize>,
}

impl Source {
    pub fn constant() -> Self {
        Source::new("testsrc2=s=192x108:r=30000/1001", (0..FRAMES).collect(), 30_000, 1001)
    }

    /// A second of 5 fps, a second of 25 fps, and so on.
    pub fn variable() -> Self {
        let kept = |n: &usize| n % 50 >= 25 || n.is_multiple_of(5);
        let graph = "testsrc2=s=192x108:r=25,select='gte(mod(n,50),25)+not(mod(n,5))'";
        Source::new(graph, (0..).filter(kept).take(FRAMES).collect(), 25_000, 1000)
    }

    fn new(graph: &str, numbers: Vec<usize>, timescale: u32, ticks: i64) -> Self {
        let times: Vec<i64> = numbers.iter().map(|n| *n as i64 * ticks).collect();
        let end = times.last().unwrap() + ticks;
        Source { graph: graph.to_owned(), times, end, timescale, numbers }
    }

    /// Encodes frames as the product does: absolute times, trimmed by integer PTS.
    pub fn encode(&self, frames: Range<usize>, encoder: &[&str], path: &Path) {
        let (start, end) = (self.numbers[frames.start], self.numbers[frames.end - 1] + 1);
        let graph = format!("{},trim=start_pts={start}:end_pts={end}[v]", self.graph);
        let scale = self.timescale.to_string();
        let base = format!("1/{scale}");
        let keys = format!("expr:eq(n,0)+eq(n,{SEGMENT})");
        let rest = [
            "-v",
            "error",
            "-nostdin",
            "-y",
            "-copyts",
            "-filter_complex",
            &graph,
            "-map",
            "[v]",
            "-fps_mode",
            "passthrough",
            "-enc_time_base",
            &base,
            "-pix_fmt",
            "yuv420p",
            "-force_key_frames",
            &keys,
        ];
        let muxer = [
            "-video_track_timescale",
            &scale,
            "-avoid_negative_ts",
            "disabled",
            "-movflags",
            "+empty_moov+default_base_moof+frag_keyframe+frag_discont+negative_cts_offsets",
            "-map_metadata",
            "-1",
            "-f",
            "mp4",
            path.to_str().unwrap(),
        ];
        run("ffmpeg", &[&rest[..], encoder, &muxer].concat());
    }

    /// The media segments and the init segments of the chunks.
    pub fn track(&self, encoder: &[&str], delay: u32) -> Track {
        let folder = tempfile::tempdir().unwrap();
        let mut inits = Vec::new();
        let mut segments = Vec::new();
        for (n, first) in (0..FRAMES).step_by(CHUNK).enumerate() {
            let path = folder.path().join("chunk.mp4");
            self.encode(first..first + CHUNK, encoder, &path);
            let track = EncodedTrack::open(File::open(&path).unwrap()).unwrap();
            assert_eq!(track.timescale(), Timescale(self.timescale));
            inits.push(self.init(track.entry(), delay));
            let frames = self.segments(n);
            let plan = ChunkPlan { composition_delay: delay, ..self.chunk(n, &frames) };
            segments.extend(video_segments(track, &plan).unwrap().map(Result::unwrap));
        }
        assert!(inits.iter().all(|init| init_segment(init) == init_segment(&inits[0])));
        Track { init: inits.remove(0), segments }
    }

    pub fn segments(&self, chunk: usize) -> Vec<SegmentFrames> {
        let per_chunk = CHUNK / SEGMENT;
        let number = |n: usize| (chunk * per_chunk + n + 1) as u32;
        (0..per_chunk).map(|n| SegmentFrames { number: number(n), frames: n * SEGMENT..(n + 1) * SEGMENT }).collect()
    }

    pub fn chunk<'a>(&'a self, n: usize, segments: &'a [SegmentFrames]) -> ChunkPlan<'a> {
        let end = (n + 1) * CHUNK;
        ChunkPlan {
            before: (n * CHUNK) as u32,
            times: &self.times[n * CHUNK..end],
            end: self.times.get(end).copied().unwrap_or(self.end),
            offset: 0,
            composition_delay: 0,
            segments,
            fragments: Fragments::KeyFrames,
        }
    }

    pub fn init(&self, entry: &SampleEntry, delay: u32) -> TrackInit {
        let SampleEntry::Video(entry) = entry else { panic!("no video") };
        TrackInit::Video(VideoInit {
            entry: entry.clone(),
            timescale: Timescale(self.timescale),
            composition_delay: delay,
            sar: Ratio::from_integer(1),
            colour: Some(Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false }),
            hdr10: transcode_media::probe::Hdr10::default(),
            spatial: Default::default(),
        })
    }

    /// The largest distance of frames that are two apart.
    pub fn delay(&self) -> u32 {
        self.times.windows(3).map(|three| three[2] - three[0]).max().unwrap() as u32
    }
}

/// A tone of 5.01 s, and its segments at the given starts.
pub fn tone(encoder: &[&str], priming: u32, unit: u32, starts: &[i64]) -> Track {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.mp4");
    encode_tone(encoder, &path);
    let track = EncodedTrack::open(File::open(&path).unwrap()).unwrap();
    let SampleEntry::Audio(entry) = track.entry().clone() else { panic!("no audio") };
    let segments: Vec<AudioSegment> =
        (1..).zip(starts).map(|(number, start)| AudioSegment { number, start: *start }).collect();
    let roll = entry.config.roll_distance(unit);
    // The muxer counts from the first access unit.
    let offset = -i64::from(priming);
    let plan = AudioPlan { offset, priming, access_unit: unit, slack: 0, rolls: roll.is_some(), segments: &segments };
    let segments = audio_segments(track, &plan).unwrap().map(Result::unwrap).collect();
    let timescale = Timescale(48_000);
    let language = Language::new("fra").unwrap();
    Track { init: TrackInit::Audio(AudioInit { entry, timescale, priming, language, roll }), segments }
}

pub const TONE: i64 = 240_480;

const SINE: [&str; 11] =
    ["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "sine=f=997:r=48000:d=5.01", "-ac", "2", "-copyts"];

/// The tone as ffmpeg's own progressive file, decoded.
pub fn tone_by_ffmpeg(encoder: &[&str]) -> Vec<u8> {
    let file = OnDisk::new(&[]);
    let path = file.path();
    run("ffmpeg", &[&SINE[..], encoder, &["-flags:a", "+bitexact", "-f", "mp4", &path]].concat());
    file.sound()
}

pub fn encode_tone(encoder: &[&str], path: &Path) {
    let muxer = [
        "-avoid_negative_ts",
        "disabled",
        "-movflags",
        "+empty_moov+default_base_moof",
        "-frag_duration",
        "2000000",
        "-map_metadata",
        "-1",
        "-flags:a",
        "+bitexact",
        "-f",
        "mp4",
        path.to_str().unwrap(),
    ];
    run("ffmpeg", &[&SINE[..], encoder, &muxer].concat());
}

pub struct Track {
    pub init: TrackInit,
    pub segments: Vec<SegmentBytes>,
}

impl Track {
    /// Init segment and media segments in one file.
    pub fn joined(&self) -> Vec<u8> {
        let media = self.segments.iter().flat_map(|segment| segment.bytes.clone());
        init_segment(&self.init).into_iter().chain(media).collect()
    }

    pub fn progressive(&self, default: bool) -> ProgressiveTrack {
        let segments = self.segments.iter().map(heads).collect();
        let init = TrackInit::parse(&init_segment(&self.init)).unwrap();
        assert_eq!(init, self.init);
        ProgressiveTrack { init, default, segments }
    }
}

/// Reads the heads as a caller does who fetches no more than is asked for.
fn heads(segment: &SegmentBytes) -> SegmentSamples {
    let record = segment.clone().recorded(FileFacts { path: String::new(), bytes: 0, sha256: String::new() });
    let head = |key: KeyFrame| {
        let from = &segment.bytes[key.offset as usize..];
        let head = &from[..from.len().min(head_bytes(key.samples) as usize)];
        assert!(read_fragment_head(&head[..100], key.offset).is_err(), "less is not enough");
        read_fragment_head(head, key.offset).unwrap()
    };
    SegmentSamples::of(record.key_frames().map(head)).unwrap()
}

/// Writes a progressive file of some tracks.
pub fn progressive(tracks: &[&Track]) -> Vec<u8> {
    let inputs = tracks.iter().enumerate().map(|(n, track)| track.progressive(n == 1)).collect();
    let plan = plan(inputs, MediaTime::seconds(1)).unwrap();
    let mut file = plan.header.clone();
    for copy in &plan.copies {
        let from = copy.offset as usize;
        let segment = &tracks[copy.track].segments[copy.segment].bytes;
        file.extend(&segment[from..from + copy.length as usize]);
    }
    assert_eq!(file.len() as u64, plan.bytes);
    file
}

/// A file on disk, for ffmpeg.
pub struct OnDisk(TempDir);

impl OnDisk {
    pub fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f.mp4"), bytes).unwrap();
        OnDisk(folder)
    }

    fn path(&self) -> String {
        self.0.path().join("f.mp4").display().to_string()
    }

    /// Decodes everything; whatever ffmpeg complains about is an error.
    pub fn decode(&self) {
        let (_, complaints) = run("ffmpeg", &["-v", "warning", "-xerror", "-i", &self.path(), "-f", "null", "-"]);
        assert_eq!(complaints, "");
    }

    /// A column of what ffprobe says of a stream.
    pub fn probe(&self, stream: &str, entries: &str) -> Vec<String> {
        let (text, complaints) = run(
            "ffprobe",
            &[
                "-v",
                "error",
                "-select_streams",
                stream,
                "-show_entries",
                entries,
                "-of",
                "default=nw=1:nk=1",
                &self.path(),
            ],
        );
        assert_eq!(complaints, "");
        text.lines().map(str::to_owned).collect()
    }

    pub fn times(&self, stream: &str, entries: &str) -> Vec<i64> {
        self.probe(stream, entries).iter().map(|line| line.parse().unwrap()).collect()
    }

    /// Hashes of the pictures, in order.
    pub fn pictures(&self) -> Vec<String> {
        let words =
            ["-v", "fatal", "-i", &self.path(), "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framehash", "-"];
        let (listed, _) = run("ffmpeg", &words);
        let hashes = listed.lines().filter(|line| !line.starts_with('#'));
        hashes.map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
    }

    /// Samples of the first sound, decoded to 16 bits by ffmpeg.
    pub fn sound(&self) -> Vec<u8> {
        let path = self.path();
        let arguments = ["-v", "error", "-i", &path, "-map", "0:a:0", "-f", "s16le", "-"];
        Command::new("ffmpeg").args(arguments).output().unwrap().stdout
    }
}

pub fn open(bytes: &[u8]) -> Result<EncodedTrack<Cursor<&[u8]>>, transcode_media::cmaf::encoded::EncodedError> {
    EncodedTrack::open(Cursor::new(bytes))
}
