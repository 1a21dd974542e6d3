//! The page from fixed facts: all of it, hostile texts, one task and very many, little that is known.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use transcode_contract::{PublishedRecord, TaskRun};
use transcode_report::{Facts, Run, page};

fn start() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

fn run(stage: &str, task: u32, from: i64, to: i64) -> TaskRun {
    let at = |millis| start() + SignedDuration::from_millis(millis);
    TaskRun { stage: stage.parse().unwrap(), task, began: at(from), ended: at(to) }
}

fn track(name: &str, codec: &str, kind: Value) -> Value {
    let mut track = json!({"name": name, "codec": codec, "timescale": 1000, "kind": kind});
    track["init"] = json!({"path": format!("outputs/k/{name}/init.mp4"), "bytes": 700, "sha256": "1".repeat(64)});
    track
}

fn segment(track: &str, number: u64, bytes: u64) -> Value {
    json!({
        "kind": "segment", "track": track, "path": format!("outputs/k/{track}/segments/{number:06}.m4s"),
        "bytes": bytes, "sha256": "2".repeat(64), "start": (number - 1) * 2000, "duration": 2000
    })
}

fn file(kind: &str, path: &str, track: Option<&str>) -> Value {
    json!({"kind": kind, "track": track, "path": path, "bytes": 54_321, "sha256": "3".repeat(64)})
}

fn record() -> PublishedRecord {
    let video = json!({"type": "video", "width": 1280, "height": 720, "sar": [1, 1], "frameRate": [30000, 1001], "range": "pq"});
    let sound = json!({"type": "audio", "channels": 2, "sampleRate": 48000, "language": "en", "title": null, "default": true, "priming": 1024});
    let mut files: Vec<Value> =
        [(1, 250_000), (2, 500_000), (4, 125_000)].map(|(n, bytes)| segment("high", n, bytes)).into();
    files.extend((1..=4).map(|n| segment("audio-0", n, 32_000)));
    files.extend([
        file("mp4", "film_high.mp4", Some("high")),
        file("thumbnail", "thumbnails/thumbnail.jpg", None),
        file("hls", "outputs/k/high/playlist.m3u8", None),
        file("hls", "master.m3u8", None),
    ]);
    let record = json!({
        "version": 1, "name": "film", "namespace": "video", "key": "k", "source": "s3://raw/film.mov",
        "encoder": "5.1.9", "duration": "8s", "files": files, "gaps": [3],
        "media": {"duration": "8s", "container": "mov", "video": "hevc 1280x720 29.97 fps yuv420p10le", "audio": ["aac 48000 Hz 2 ch en"]},
        "tracks": [track("high", "hvc1.2.4.L93", video), track("audio-0", "mp4a.40.2", sound)],
        "warnings": [{"stage": "probe", "reason": "TrackLeftOut", "message": "stream 3, data, is left out"}],
        "verified": {"version": 1, "segments": 7, "samples": 555, "joins": 1, "files": 1, "playlists": 2},
        "usage": {"cpuMillis": 12_345, "wallMillis": 9_000, "bytesRead": 7_654_321}
    });
    serde_json::from_value(record).unwrap()
}

fn facts(record: Option<PublishedRecord>) -> Facts {
    Facts {
        name: "film".into(),
        namespace: "video".into(),
        status: None,
        record,
        runs: vec![],
        duration: Some("8s".parse().unwrap()),
        wall: None,
        base: Some("../out/".into()),
        notes: vec![],
        written: start(),
        version: "1.2.3".into(),
    }
}

#[test]
fn the_whole_page() {
    let mut facts = facts(Some(record()));
    facts.wall = Some(Duration::from_secs(16));
    let failed = Run { ran: run("encode-high", 1, 500, 2500), failure: Some("OutOfMemory: killed\nmore".into()) };
    let runs = [run("probe", 0, 0, 400), run("encode-high", 0, 500, 4500), run("audio", 0, 2500, 3000)];
    facts.runs = runs.into_iter().map(|ran| Run { ran, failure: None }).chain([failed]).collect();
    let page = page(&facts);
    // Style and script are files of their own.
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    let (body, script) = body.split_once("<script>").unwrap();
    assert_eq!(script.matches("</script></body></html>").count(), 1);
    insta::assert_snapshot!(format!("{head}{body}").replace("><", ">\n<"));
}

#[test]
fn texts_of_others_stay_texts() {
    let hostile = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let text = serde_json::to_string(&record()).unwrap().replace("s3://raw/film.mov", "HOSTILE");
    let text = ["film_high.mp4", "hvc1.2.4.L93", "TrackLeftOut", "data, is left", "hevc 1280", "high", "5.1.9"]
        .iter()
        .fold(text, |text, word| text.replace(word, "HOSTILE"));
    let text = text.replace("master.m3u8", "javascript:alert(1)");
    let record = text.replace("HOSTILE", serde_json::to_string(hostile).unwrap().trim_matches('"'));
    let mut facts = facts(Some(serde_json::from_str(&record).unwrap()));
    for base in ["./", "https://cdn.example/a/"] {
        (facts.name, facts.namespace, facts.base) = (hostile.into(), hostile.into(), Some(base.into()));
        facts.notes = vec![hostile.into()];
        facts.runs = vec![Run { ran: run("audio", 0, 0, 1), failure: Some(hostile.into()) }];
        let page = page(&facts);
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(!page.contains("<img") && !page.contains("\"javascript:"), "{page}");
        assert!(page.contains(&format!("href=\"{base}javascript%3Aalert%281%29\"")), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"));
    }
}

/// Rectangles of the picture of tasks.
fn rectangles(page: &str) -> usize {
    let picture = page.split_once("<svg class=\"tasks\"").unwrap().1;
    picture.split_once("</svg>").unwrap().0.matches("<rect").count()
}

#[test]
fn one_task_and_five_thousand() {
    let mut facts = facts(Some(record()));
    let mut draw = |runs: Vec<TaskRun>| {
        facts.record.as_mut().unwrap().runs = runs;
        page(&facts)
    };
    let one = draw(vec![run("audio", 0, 0, 0)]);
    assert_eq!(rectangles(&one), 1);
    assert!(one.contains("1 task run on 1 at a time") && !one.contains("NaN") && !one.contains("inf\""));

    // Two workers: more tasks than the picture has room for. Those that touch become one.
    let narrow =
        draw((0..5000).map(|n| run("encode-high", n, i64::from(n / 2) * 100, i64::from(n / 2) * 100 + 100)).collect());
    assert!((300..=1000).contains(&rectangles(&narrow)), "{}", rectangles(&narrow));
    assert!(narrow.contains("5,000 task runs on 2 at a time"));
    assert!(narrow.contains("<td class=\"number\">5,000</td>"), "the table counts them all");

    // As many workers as tasks: each has its lane.
    let wide = draw((0..500).map(|n| run("encode-high", n, 0, 1000 + i64::from(n))).collect());
    assert_eq!(rectangles(&wide), 500);
    assert!(wide.len() < 300_000 && narrow.len() < 300_000, "{} {}", wide.len(), narrow.len());
}

#[test]
fn a_night_between_two_runs_is_cut_out() {
    let mut facts = facts(Some(record()));
    let night = 10 * 3_600_000;
    facts.record.as_mut().unwrap().runs =
        vec![run("encode-high", 0, 0, 60_000), run("encode-high", 1, night, night + 60_000)];
    let page = page(&facts);
    assert!(page.contains("nothing ran for 9h59m0s"), "{page}");
    // Both tasks have their half of the width that is left.
    assert_eq!(page.matches("width=\"485.00\"").count(), 2, "{page}");
}

#[test]
fn ten_thousand_segments_are_summed_up() {
    let mut record = record();
    let template = record.files.iter().find(|f| f.kind == "segment").unwrap().clone();
    record.files.clear();
    for n in 0..10_000_u64 {
        let mut next = template.clone();
        next.file.bytes = 1000 + n;
        next.span.as_mut().unwrap().start = n as i64 * 2000;
        record.files.push(next);
    }
    let page = page(&facts(Some(record)));
    let table = page.split_once("<table data-track=\"high\">").unwrap().1.split_once("</table>").unwrap().0;
    let rows: Vec<Vec<&str>> = table
        .split("<tr>")
        .skip(2)
        .map(|row| row.split("<td class=\"number\">").skip(1).map(|cell| cell.split_once('<').unwrap().0).collect())
        .collect();
    let sum = |column: usize| rows.iter().map(|r| r[column].replace(',', "").parse::<u64>().unwrap()).sum::<u64>();
    assert!(rows.len() <= 240, "{}", rows.len());
    assert_eq!((sum(1), sum(2)), (10_000, (0..10_000).map(|n| 1000 + n).sum()));
    assert!(page.len() < 300_000, "{}", page.len());
}

#[test]
fn a_failed_job_says_why() {
    let mut facts = facts(None);
    let status = json!({
        "phase": "Failed", "message": "chunk 3 failed: ffmpeg exited with 1: <moov atom not found>",
        "source": "/tmp/film.mov", "startedAt": "2026-03-01T10:00:00Z", "finishedAt": "2026-03-01T10:01:00Z",
        "stages": [
            {"name": "probe", "state": "Done", "done": 1, "total": 1, "startedAt": "2026-03-01T10:00:00Z", "finishedAt": "2026-03-01T10:00:10Z"},
            {"name": "encode-high", "state": "Failed", "done": 2, "total": 5, "failedAttempts": 3, "message": "chunk 3 has no frames",
             "startedAt": "2026-03-01T10:00:10Z", "finishedAt": "2026-03-01T10:01:00Z"}
        ]
    });
    facts.status = Some(serde_json::from_value(status).unwrap());
    let page = page(&facts);
    for words in [
        "Failed",
        "&lt;moov atom not found&gt;",
        "3 failed attempts",
        "chunk 3 has no frames",
        "Whole stages",
        "1m0s",
        "nothing was published",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("<video"));
}

#[test]
fn what_no_browser_can_play_is_said() {
    let mut dash = facts(Some(record()));
    dash.record.as_mut().unwrap().files.retain(|file| !matches!(file.kind.as_str(), "hls" | "mp4"));
    assert!(page(&dash).contains("nothing that this page can play"));
    let mut bucket = facts(Some(record()));
    bucket.base = None;
    let page = page(&bucket);
    assert!(page.contains("--media-url") && !page.contains("<video") && !page.contains("<a "));
}
