"""What is compared: the engine, one ffmpeg for everything, and a script of many.

All of them read the same file and write CMAF segments, HLS playlists, an MPD and an MP4 for each
rendition: the same pictures, CRF, preset, keyframes and sound. Only the engine verifies anything.
"""

import collections
import dataclasses
import json
import pathlib
import shlex
import subprocess

HERE = pathlib.Path(__file__).parent
SEGMENT = 4
LADDER = {"720p": 720, "480p": 480, "360p": 360}
AUDIO = "128k"

# How the stages of the engine are added up.
GROUPS = {
    "probe": "probe",
    "split": "probe",
    "encode": "encode",
    "audio": "audio",
    "merge": "packaging",
    "package": "packaging",
    "verify": "verify",
    "publish": "publish",
    "cleanup": "publish",
}


@dataclasses.dataclass
class Settings:
    """What every contender does alike."""

    source: pathlib.Path
    bin: pathlib.Path
    scratch: pathlib.Path
    workers: int = 2
    crf: int = 23
    preset: str = "medium"
    rungs: tuple = tuple(LADDER)
    # Of the engine's plan: ladder, media, chunks.
    plan: dict = dataclasses.field(default_factory=dict)

    @property
    def ladder(self):
        return self.plan["ladder"]

    @property
    def rate(self):
        numerator, denominator = self.plan["media"]["video"]["frameRate"]
        return numerator / denominator

    @property
    def frames_per_segment(self):
        return self.plan["split"]["longestSegment"]


@dataclasses.dataclass
class Contender:
    """A command that makes the ladder in `output`, and how what it took is divided."""

    name: str
    output: pathlib.Path
    command: list
    stages: object

    def mp4(self, rendition):
        return self.output / f"bench_{rendition}.mp4"


def contenders(settings):
    """All of them, in the order of the tables."""
    return [
        engine(settings, "ours", "Auto"),
        engine(settings, "ours, a task per rendition", "ChunkRendition"),
        one_ffmpeg(settings, "one ffmpeg", None),
        one_ffmpeg(settings, "one ffmpeg, one-thread encoders", 1),
        script(settings),
    ]


def engine(settings, name, fan_out):
    output = settings.scratch / f"engine-{fan_out.lower()}"
    job, work = settings.scratch / f"{fan_out.lower()}.yaml", settings.scratch / "work"
    job.write_text(manifest(settings, output, fan_out))
    command = [
        settings.bin / "kubectl-transcode",
        "run",
        "-f",
        job,
        "-o",
        "json",
        "--workers",
        settings.workers,
        "--work-dir",
        work,
    ]
    return Contender(name, output, [str(word) for word in command], engine_stages)


def manifest(settings, output, fan_out):
    renditions = ", ".join(f"{{name: {name}}}" for name in settings.rungs)
    source = "'" + str(settings.source).replace("'", "''") + "'"
    return f"""\
apiVersion: transcode.media/v1alpha1
kind: TranscodeJob
metadata: {{name: bench}}
spec:
  inputs:
  - {{name: main, file: {{path: {source}}}}}
  outputs:
  - {{name: main, file: {{path: '{output}'}}, formats: [hls, dash, mp4]}}
  options:
    video:
      encode: {{h264: {{rate: {{crf: {settings.crf}}}, preset: {settings.preset}}}}}
      segmentDuration: {SEGMENT}s
      fanOut: {fan_out}
    renditions: [{renditions}]
    audio: {{encode: {{aac: {{bitrate: {AUDIO}}}}}}}
"""


def plan(settings):
    """What the engine would do; also how a source is checked before anything is timed."""
    job = settings.scratch / "plan.yaml"
    job.write_text(manifest(settings, settings.scratch / "nothing", "Auto"))
    command = [settings.bin / "kubectl-transcode", "plan", "-f", job, "-o", "json", "--workers", str(settings.workers)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def encoder(settings, threads):
    """Keyframes as the engine sets them: at each segment, and none later than a segment after the last."""
    options = ["-c:v", "libx264", "-preset", settings.preset, "-crf", str(settings.crf)]
    options += ["-threads", str(threads)] if threads else []
    options += ["-g", str(settings.frames_per_segment), "-forced-idr", "1"]
    return options + ["-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT})", "-fps_mode", "passthrough"]


def package(settings, output):
    """What ffmpeg's tee muxer makes of one encode: HLS and DASH over the same segments, and MP4s."""
    sets = "'id=0,streams=v id=1,streams=a'"
    dash = f"f=dash:seg_duration={SEGMENT}:use_template=1:use_timeline=1:hls_playlist=1:adaptation_sets={sets}"
    outputs = [f"[{dash}]{output}/manifest.mpd"]
    for n, rung in enumerate(settings.ladder):
        outputs.append(rf"[f=mp4:movflags=+faststart:select=\'v:{n},a:0\']{output}/bench_{rung['name']}.mp4")
    return "|".join(outputs)


def one_ffmpeg(settings, name, threads):
    output = settings.scratch / name.replace(" ", "-").replace(",", "")
    ladder = settings.ladder
    graph = f"[0:v:0]split={len(ladder)}" + "".join(f"[s{n}]" for n in range(len(ladder)))
    for n, rung in enumerate(ladder):
        graph += f";[s{n}]scale={rung['width']}:{rung['height']}:flags=bicubic,format=yuv420p[v{n}]"
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-i", str(settings.source)]
    command += ["-filter_complex", graph, *(word for n in range(len(ladder)) for word in ("-map", f"[v{n}]"))]
    command += ["-map", "0:a:0", *encoder(settings, threads), "-c:a", "aac", "-b:a", AUDIO, "-flags", "+global_header"]
    command += ["-f", "tee", package(settings, output)]
    return Contender(name, output, command, lambda measured: {})


def script(settings):
    """One-thread encoders, as many at a time as the engine has workers: what saturates the cores."""
    output, rows = settings.scratch / "script", settings.scratch / "rows.txt"
    lines = []
    for chunk in settings.plan["chunks"]:
        first, frames = chunk["segments"][0]["first"], sum(s["frames"] for s in chunk["segments"])
        times = f"{first / settings.rate:.6f} {frames / settings.rate:.6f}"
        lines += [f"{r['name']} {r['width']} {r['height']} {chunk['index']} {times}\n" for r in settings.ladder]
    rows.write_text("".join(lines))
    words = [HERE / "chunked.sh", settings.source, output, SEGMENT, settings.crf, settings.preset]
    words += [settings.frames_per_segment, package(settings, output)]
    command = f"WORKERS={settings.workers} exec {shlex.join(map(str, words))} < {shlex.quote(str(rows))}"
    return Contender("a script of many ffmpegs", output, ["bash", "-c", command], script_stages)


def script_stages(measured):
    """By stage: seconds of its programs added up, and CPU seconds."""
    stages = {}
    for group, marks in {"encode": ["-c:v libx264"], "audio": ["-c:a aac"], "packaging": ["-f tee"]}.items():
        found = [p for p in measured.processes if any(mark in p.command for mark in marks)]
        stages[group] = {"busy": sum(p.wall for p in found), "cpu": sum(p.cpu for p in found)}
    return stages


def engine_stages(measured):
    """By stage: seconds from its first beginning to its last end (`span`), of its tasks added up (`busy`), CPU
    seconds (`cpu`), and those of them that are the runner's (`own`); and the driver."""
    stages = collections.defaultdict(lambda: {"span": 0.0, "busy": 0.0, "cpu": 0.0, "own": 0.0})
    for task in tasks(measured):
        stage = stages[GROUPS[task["stage"].split("-")[0]]]
        stage.setdefault("from", task["from"])
        stage["busy"] += task["to"] - task["from"]
        stage["span"] = max(stage["span"], task["to"] - stage["from"])
    programs, driver = [], measured.cpu
    for process in measured.processes:
        if process.program != "job-runner":
            programs.append(process)
            continue
        words = process.command.split()
        name, index = (words[words.index(flag) + 1] for flag in ("--stage", "--tasks"))
        # Programs that name no scratch are of stages that run alone.
        of_task = lambda p: "/scratch/" not in p.command or f"/scratch/{name}-{index}-" in p.command
        mine, programs = [p for p in programs if of_task(p)], [p for p in programs if not of_task(p)]
        stage = stages[GROUPS[name.split("-")[0]]]
        stage["cpu"] += process.cpu
        stage["own"] += process.cpu - sum(p.cpu for p in mine)
        driver -= process.cpu
    for stage in stages.values():
        del stage["from"]
    return {**stages, "driver": {"cpu": driver, "own": driver}}


def tasks(measured):
    """Tasks of the engine, with the seconds at which they began and ended."""
    begun, ended = {}, []
    for at, line in measured.lines:
        event = json.loads(line)
        key = (event.get("stage"), event.get("task"))
        if event["event"] == "taskStarted":
            begun[key] = at
        elif event["event"] == "taskEnded":
            ended.append({"stage": key[0], "task": key[1], "from": begun[key], "to": at})
    return sorted(ended, key=lambda task: task["from"])


def batches(measured):
    """Batches that the engine started, as it decided on them."""
    events = (json.loads(line) for _, line in measured.lines)
    actions = (event["action"] for event in events if event["event"] == "decided")
    return [action["start"] for action in actions if "start" in action]
