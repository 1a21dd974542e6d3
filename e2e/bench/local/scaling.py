#!/usr/bin/env python3
"""How time and memory grow with the length of a source, and what a second worker brings.

The source is a clip that is repeated without being encoded again, the ladder a cheap one: what grows here
is the engine's work, not the encoder's. Writes everything to a JSON file for report.py.
"""

import argparse
import datetime
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import compare
import contenders
from meter import Meter

RUNGS = ("360p", "240p")


def repeated(clip, seconds, path):
    """The clip over and over, packets as they are."""
    command = [
        "ffmpeg",
        "-hide_banner",
        "-loglevel",
        "error",
        "-nostdin",
        "-y",
        "-stream_loop",
        "-1",
        "-i",
        clip,
        "-t",
        str(seconds),
    ]
    subprocess.run([*command, "-map", "0:v", "-map", "0:a", "-c", "copy", path], check=True)
    return path


def measure(clip, minutes, workers, programs, scratch):
    """One run, with all that it needs made and removed."""
    folder = scratch / f"{minutes}-{workers}"
    folder.mkdir()
    source = repeated(clip, minutes * 60, folder / "source.mp4")
    settings = contenders.Settings(source, programs, folder, workers, 28, "ultrafast", RUNGS)
    own = {"kubectl-transcode": programs / "kubectl-transcode", "job-runner": programs / "job-runner"}
    meter = Meter(
        folder / "shims",
        {"job-runner": own["job-runner"], "ffmpeg": shutil.which("ffmpeg"), "ffprobe": shutil.which("ffprobe")},
        own,
    )
    contender = contenders.engine(settings, "ours", "Auto")
    contender.output.mkdir()
    measured = meter.run(contender.command, f"{minutes} minutes, {workers} workers")
    row = {
        "minutes": minutes,
        "workers": workers,
        "wall": measured.wall,
        "cpu": measured.cpu,
        "peaks": measured.peaks,
        "together": measured.together,
        "stages": contender.stages(measured),
    }
    row["chunks"] = sum(task["stage"].startswith("encode") for task in contenders.tasks(measured))
    shutil.rmtree(folder)
    return row


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("clip", type=pathlib.Path, help="what is repeated; 360 lines are enough")
    options.add_argument("--bin", type=pathlib.Path, required=True, help="folder of kubectl-transcode and job-runner")
    options.add_argument("--json", type=pathlib.Path, required=True, help="where the figures go")
    options.add_argument("--minutes", type=int, nargs="+", default=[6, 15, 30, 60])
    options.add_argument("--workers-minutes", type=int, default=15, help="length for one worker against two")
    args = options.parse_args()
    wanted = [(minutes, 2) for minutes in args.minutes]
    wanted += [(args.workers_minutes, workers) for workers in (1, 2) if (args.workers_minutes, workers) not in wanted]
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for minutes, workers in wanted:
            row = measure(args.clip.resolve(), minutes, workers, args.bin.resolve(), pathlib.Path(scratch))
            rows.append(row)
            memory = ", ".join(f"{program} {mib:.0f}" for program, mib in sorted(row["peaks"].items()))
            print(
                f"{minutes:3} minutes, {workers} workers, {row['chunks']:4} chunks: {row['wall']:7.1f} s wall {row['cpu']:7.1f} s CPU; {memory} MiB",
                flush=True,
            )
    report = {"date": datetime.date.today().isoformat(), "machine": compare.machine(), "rungs": RUNGS, "rows": rows}
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nfigures: {args.json}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing is left, and no figures were written")
