//! Memory of each program stays what it is, however long the source.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Child, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e_media::{
    product::{Finished, Job},
    recipe,
    row::{ROW, Row, Step},
};

use crate::folder;

macro_rules! film {
    ($seconds:literal) => {
        Row {
            source: &[Step::Ffmpeg(concat!(
                "-f lavfi -i testsrc2=size=64x36:rate=10:duration=",
                $seconds,
                " -f lavfi -i anoisesrc=r=44100:a=0.2:seed=1:d=",
                $seconds,
                " -c:v libx264 -preset ultrafast -g 50 -bf 2 -c:a aac -b:a 128k {out}"
            ))],
            file: "source.mkv",
            ..ROW
        }
    };
}

/// Chunks are a 32nd of a source and 60 s at most: those of half an hour are nearly as long as those of
/// two hours.
const SHORT: Row = film!("1800");
const LONG: Row = film!("7200");
const OPTIONS: &str = "{video: {segmentDuration: 4s, encode: {h264: {preset: ultrafast}}}, renditions: [{name: low, box: {width: 64, height: 64}}]}";
/// KiB that a program may need more of for four times the length. Two hours are 72000 packets of video in the
/// index (about 1.5 MiB), 110 MiB of encoded sound, 2.5 GiB of decoded sound.
const MORE: u64 = 12 << 10;

#[test]
#[ignore = "takes minutes: make test-long"]
fn memory_does_not_grow_with_the_length_of_the_source() -> Result<()> {
    let (short, long) = (peaks(&SHORT)?, peaks(&LONG)?);
    println!("KiB at most: {short:?} for half an hour, {long:?} for two hours");
    // The kernel keeps 15 letters of a name.
    for program in ["kubectl-transco", "job-runner", "ffmpeg", "ffprobe"] {
        let of = |peaks: &BTreeMap<String, u64>| peaks.get(program).copied().context(program);
        let (short, long) = (of(&short)?, of(&long)?);
        ensure!(long <= short + MORE, "{program} takes {short} KiB for half an hour and {long} KiB for two hours");
    }
    Ok(())
}

/// The most memory, in KiB, that any process of each program had while the row's source was transcoded.
fn peaks(row: &Row) -> Result<BTreeMap<String, u64>> {
    let folder = folder()?;
    let job = Job::of_file(folder.path(), &recipe::source(row)?, "[hls, dash, mp4]", OPTIONS)?;
    let mut command = job.command("run", &["-o", "json", "--workers", "2"])?;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (ended, finished) = mpsc::channel();
    let root = child.id();
    let waiting = thread::spawn(move || wait(child, &ended));
    let mut peaks = BTreeMap::new();
    // A mark only rises: what is missed is the growth of the last moment.
    while finished.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
        look(root, &mut peaks);
    }
    let finished = waiting.join().map_err(|_| anyhow::anyhow!("waiting failed"))??;
    ensure!(finished.code == Some(0), "ended as {}\n{}", finished.end(), finished.stderr);
    Ok(peaks)
}

fn wait(child: Child, ended: &mpsc::Sender<()>) -> Result<Finished> {
    let output = child.wait_with_output();
    let _ = ended.send(());
    Finished::of(output?)
}

/// Takes down the high-water marks (`VmHWM`, proc(5)) of a process and of all below it.
fn look(root: u32, peaks: &mut BTreeMap<String, u64>) {
    let Ok(entries) = fs::read_dir("/proc") else { return };
    let numbers = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut processes: Vec<Process> = numbers.filter_map(Process::of).collect();
    // A child's number is larger than its parent's, but for those after the numbers wrapped.
    processes.sort_by_key(|p| p.id);
    let mut below = BTreeSet::from([root]);
    for process in processes {
        if below.contains(&process.parent) || process.id == root {
            below.insert(process.id);
            let peak = peaks.entry(process.name).or_default();
            *peak = process.peak.max(*peak);
        }
    }
}

struct Process {
    id: u32,
    parent: u32,
    name: String,
    peak: u64,
}

impl Process {
    /// `None` when it has ended.
    fn of(id: u32) -> Option<Self> {
        let status = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)?.split_whitespace().next());
        Some(Process {
            id,
            parent: field("PPid:")?.parse().ok()?,
            name: field("Name:")?.to_owned(),
            peak: field("VmHWM:")?.parse().ok()?,
        })
    }
}
