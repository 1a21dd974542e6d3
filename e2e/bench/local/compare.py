#!/usr/bin/env python3
"""Compares the local engine with what one would do without it, on one source and in one sitting.

Runs alternate and their order rotates, so that a busy machine is busy for all; the median counts, and
the spread is shown. Afterwards quality is measured on what the last runs left, and one more run of the
engine tells what was read and where the time went. Writes everything to a JSON file, from which
report.py makes tables and plots.
"""

import argparse
import datetime
import functools
import json
import os
import pathlib
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

import contenders
import profiling
from meter import Meter
from quality import quality

GOALS = {"encode_cpu": 1.05, "wall": 1.03, "engine_mib": 64, "engine_cpu": 0.02, "source_bytes": 1.10}


def first_line(command):
    return (
        subprocess.run(command, capture_output=True, text=True, check=True)
        .stdout.splitlines()[0]
        .split(" Copyright")[0]
    )


def machine():
    """What the figures depend on; no names."""
    models = [
        line.split(":", 1)[1].strip()
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    kib = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    return {
        "cores": os.cpu_count(),
        "cpu": models[0] if models else platform.machine(),
        "memory_gib": round(kib / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def encoder_version():
    """x264's own words, from the first bytes that it writes."""
    command = [
        "ffmpeg",
        "-hide_banner",
        "-loglevel",
        "debug",
        "-f",
        "lavfi",
        "-i",
        "color=s=64x64:d=0.04",
        "-c:v",
        "libx264",
        "-f",
        "h264",
        "-",
    ]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    at = raw.find(b"x264 - core")
    return raw[at:].split(b" - H.264", 1)[0].decode() if at >= 0 else "unknown"


def measure(settings, all_contenders, meter, runs):
    """Every contender once in each run, beginning with another one each time."""
    results = []
    for run in range(runs):
        turn = run % len(all_contenders)
        for contender in all_contenders[turn:] + all_contenders[:turn]:
            for folder in (contender.output, settings.scratch / "work"):
                shutil.rmtree(folder, ignore_errors=True)
            contender.output.mkdir()
            measured = meter.run(contender.command, f"run {run + 1} of {runs}, {contender.name}")
            row = {
                "contender": contender.name,
                "run": run + 1,
                "wall": measured.wall,
                "cpu": measured.cpu,
                "stages": contender.stages(measured),
                "peaks": measured.peaks,
                "together": measured.together,
            }
            if contender.stages is contenders.engine_stages:
                row |= {"tasks": contenders.tasks(measured), "batches": contenders.batches(measured)}
            results.append(row)
            print(
                f"run {run + 1}  {contender.name:<32} {measured.wall:7.1f} s wall {measured.cpu:8.1f} s CPU", flush=True
            )
    return results


def summary(results):
    """By contender: median, least and most; of stages the median."""
    made = {}
    for name in dict.fromkeys(row["contender"] for row in results):
        rows = [row for row in results if row["contender"] == name]
        spread = lambda of: [statistics.median(map(of, rows)), min(map(of, rows)), max(map(of, rows))]
        median = lambda stage, key: statistics.median(row["stages"][stage].get(key, 0.0) for row in rows)
        stages = {stage: {key: median(stage, key) for key in rows[0]["stages"][stage]} for stage in rows[0]["stages"]}
        peaks = {
            program: max(row["peaks"].get(program, 0.0) for row in rows) for row in rows for program in row["peaks"]
        }
        made[name] = {
            "wall": spread(lambda r: r["wall"]),
            "cpu": spread(lambda r: r["cpu"]),
            "stages": stages,
            "peaks": peaks,
            "together": max(row["together"] for row in rows),
        }
    return made


def goals(made, source_ratio):
    """Each goal with its figure. Where one ffmpeg does everything, so does the figure that it is held against."""
    ours, one = made["ours"], made["one ffmpeg"]
    others = {name: row for name, row in made.items() if not name.startswith("ours")}
    fastest = min(others, key=lambda name: others[name]["wall"][0])
    encode = ours["stages"]["encode"]["cpu"] + ours["stages"]["audio"]["cpu"]
    own = sum(stage["own"] for stage in ours["stages"].values())
    return [
        {
            "goal": "CPU of encode and audio / CPU of one ffmpeg",
            "figure": encode / one["cpu"][0],
            "at_most": GOALS["encode_cpu"],
        },
        {
            "goal": f"wall of everything / wall of the fastest other ({fastest})",
            "figure": ours["wall"][0] / others[fastest]["wall"][0],
            "at_most": GOALS["wall"],
        },
        {"goal": "CPU of driver and runners / all CPU", "figure": own / ours["cpu"][0], "at_most": GOALS["engine_cpu"]},
        {
            "goal": "memory of driver and runners at the same time, MiB",
            "figure": ours["together"],
            "at_most": GOALS["engine_mib"],
        },
        {
            "goal": "source bytes read per video pass / size of the source",
            "figure": source_ratio,
            "at_most": GOALS["source_bytes"],
        },
    ]


def show(report):
    """The figures, for a terminal."""
    print(f"\n{'':<33} {'wall s':>8} {'least':>7} {'most':>7} {'CPU s':>8} {'cores':>6}")
    for name, row in report["summary"].items():
        (wall, least, most), cpu = row["wall"], row["cpu"][0]
        print(f"{name:<33} {wall:8.1f} {least:7.1f} {most:7.1f} {cpu:8.1f} {cpu / wall:6.2f}")
        for stage, took in row["stages"].items():
            span, busy = (f"{took[key]:7.1f}" if key in took else f"{'-':>7}" for key in ("span", "busy"))
            own = f", {took['own']:.2f} s of it not ffmpeg's" if "own" in took else ""
            print(f"  {stage:<10} from begin to end {span} s, tasks {busy} s, CPU {took['cpu']:7.1f} s{own}")
        print(
            f"  memory     {', '.join(f'{program} {mib:.0f}' for program, mib in sorted(row['peaks'].items()))} MiB at most"
        )
    print(f"\n{'':<33} {'':>6} {'frames':>7} {'MiB':>8} {'SSIM':>8} {'dB':>6}")
    for name, renditions in report["quality"].items():
        for rendition, q in renditions.items():
            print(
                f"{name:<33} {rendition:>6} {q['frames']:7} {q['bytes'] / 2**20:8.3f} {q['ssim']:8.5f} {q['db']:6.2f}"
            )
    print()
    for goal in report["goals"]:
        met = "met" if goal["figure"] <= goal["at_most"] else "missed"
        print(f"{goal['goal']:<75} {goal['figure']:8.3f}  goal {goal['at_most']:>5}  {met}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("source", type=pathlib.Path)
    options.add_argument("--bin", type=pathlib.Path, required=True, help="folder of kubectl-transcode and job-runner")
    options.add_argument("--json", type=pathlib.Path, required=True, help="where the figures go")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--workers", type=int, default=os.cpu_count())
    options.add_argument("--crf", type=int, default=23)
    options.add_argument("--preset", default="medium")
    args = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scratch, programs = pathlib.Path(folder), args.bin.resolve()
        settings = contenders.Settings(args.source.resolve(), programs, scratch, args.workers, args.crf, args.preset)
        settings.plan = contenders.plan(settings)
        own = {"kubectl-transcode": programs / "kubectl-transcode", "job-runner": programs / "job-runner"}
        shims = {"job-runner": own["job-runner"], "ffmpeg": shutil.which("ffmpeg"), "ffprobe": shutil.which("ffprobe")}
        meter = Meter(scratch / "shims", shims, own)
        everyone = contenders.contenders(settings)
        media = settings.plan["media"]
        places = [folder, settings.source.parent, programs, contenders.HERE]
        short = lambda command: functools.reduce(lambda text, place: text.replace(f"{place}/", ""), places, command)
        report = {
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "versions": {
                "engine": first_line([own["kubectl-transcode"], "version"]),
                "ffmpeg": first_line(["ffmpeg", "-version"]),
                "encoder": encoder_version(),
            },
            "source": {
                "mib": media["bytes"] / 2**20,
                "duration": media["duration"],
                "chunks": len(settings.plan["chunks"]),
            },
            "chunk_frames": [sum(s["frames"] for s in chunk["segments"]) for chunk in settings.plan["chunks"]],
            "rate": settings.rate,
            "ladder": settings.ladder,
            "workers": args.workers,
            "runs": args.runs,
            "options": f"H.264, CRF {args.crf}, {args.preset}, segments of {contenders.SEGMENT} s, AAC {contenders.AUDIO}; HLS, DASH, MP4",
            "commands": {contender.name: short(shlex.join(contender.command)) for contender in everyone},
            "encode": short(
                next(line for name, line in settings.plan["commands"].items() if name.startswith("encode"))
            ),
        }
        for name in ("versions", "machine", "source", "options"):
            print(f"{name:<9} {report[name]}")
        for name, line in report["commands"].items():
            print(f"\n{name}\n  $ {line}")
        print(f"\neach chunk of ours\n  $ {report['encode']}\n", flush=True)
        report["results"] = measure(settings, everyone, meter, args.runs)
        report["summary"] = summary(report["results"])
        print("quality is measured …", flush=True)
        report["quality"] = {contender.name: quality(settings, contender) for contender in everyone}
        print("one more run, for a profile …", flush=True)
        report["profile"], read = profiling.profile(everyone[0], settings)
        report["source"]["read_per_pass"] = read / media["bytes"]
        report["goals"] = goals(report["summary"], report["source"]["read_per_pass"])
        show(report)
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=1) + "\n")
        print(f"\nfigures: {args.json}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing is left, and no figures were written")
