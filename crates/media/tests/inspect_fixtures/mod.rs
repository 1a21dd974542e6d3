//! Media that ffmpeg writes, and what ffprobe says of it.

use std::{path::Path, process::Command};

use tempfile::TempDir;

/// An HLS stream of fMP4 segments of 2 s, 6 s long.
pub struct Fragments {
    pub init: Vec<u8>,
    pub segments: Vec<Vec<u8>>,
    folder: TempDir,
}

/// A packet as ffprobe sees it. Times in ticks.
pub struct Packet {
    pub pts: i64,
    pub size: u64,
    pub offset: u64,
    pub key: bool,
}

fn ffmpeg(arguments: &[&str], output: &Path) {
    let result = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(arguments)
        .arg(output)
        .output()
        .expect("ffmpeg is installed");
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
}

const PICTURES: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=6,setsar=4/3"];
const SINE: [&str; 6] = ["-f", "lavfi", "-i", "sine=r=48000:d=6", "-ac", "2"];

impl Fragments {
    pub fn video(encoder: &str, options: &[&str]) -> Self {
        let fixed = ["-c:v", encoder, "-pix_fmt", "yuv420p", "-g", "50"];
        let cuts = ["-keyint_min", "50", "-sc_threshold", "0"];
        Self::hls(&[&PICTURES[..], &fixed, &cuts, options].concat())
    }

    pub fn audio(encoder: &str, options: &[&str]) -> Self {
        Self::hls(&[&SINE[..], &["-c:a", encoder], options].concat())
    }

    fn hls(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let format = ["-f", "hls", "-hls_segment_type", "fmp4", "-hls_time", "2"];
        let vod = ["-hls_playlist_type", "vod", "-master_pl_name", "master.m3u8"];
        // A sound's start time of -priming must stay.
        let zero = ["-avoid_negative_ts", "disabled"];
        ffmpeg(&[arguments, &format, &vod, &zero].concat(), &folder.path().join("s.m3u8"));
        let read = |name: String| std::fs::read(folder.path().join(name)).ok();
        Fragments {
            init: read("init.mp4".into()).unwrap(),
            segments: (0..).map_while(|at| read(format!("s{at}.m4s"))).collect(),
            folder,
        }
    }

    /// Packets of the fragments one after the other.
    pub fn packets(&self) -> Vec<Packet> {
        let path = self.folder.path().join("all.mp4");
        let all: Vec<u8> = std::iter::once(&self.init).chain(&self.segments).flatten().copied().collect();
        std::fs::write(&path, all).unwrap();
        packets(&path, 0)
    }

    /// `CODECS` as ffmpeg's HLS muxer writes it.
    pub fn codec_of_hls(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("master.m3u8")).unwrap();
        text.split("CODECS=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}

/// Name of a progressive file in its folder.
pub const PROGRESSIVE: &str = "film.mp4";

/// A progressive file with sound and pictures, and the folder that it lies in.
pub fn progressive(flags: &str) -> (Vec<u8>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(PROGRESSIVE);
    let inputs = [&PICTURES[..], &SINE[..4]].concat();
    let codecs = ["-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2"];
    ffmpeg(&[&inputs[..], &codecs, &["-movflags", flags]].concat(), &path);
    (std::fs::read(&path).unwrap(), folder)
}

/// All packets of a stream of a file, in the order of the file.
pub fn packets(path: &Path, stream: usize) -> Vec<Packet> {
    let entries = "packet=pts,size,pos,flags";
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", &stream.to_string(), "-show_entries", entries])
        .args(["-of", "json"])
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |value: &serde_json::Value| value.as_str().unwrap().parse().unwrap();
    let packet = |packet: &serde_json::Value| Packet {
        pts: packet["pts"].as_i64().unwrap(),
        size: number(&packet["size"]),
        offset: number(&packet["pos"]),
        key: packet["flags"].as_str().unwrap().starts_with('K'),
    };
    json["packets"].as_array().unwrap().iter().map(packet).collect()
}
