#!/usr/bin/env python3
"""Times the local engine against one ffmpeg that makes the same ladder for HLS and DASH.

Both read the same file and write CMAF segments, HLS playlists and an MPD: the same pictures, CRF,
preset, segment length and sound. The one ffmpeg may use every core as it likes; it verifies nothing.
Runs alternate, so that a busy machine is busy for both; the median counts.

What the numbers don't say: the engine's chunks are encoded with one thread each, so its bytes differ
slightly, and bytes without quality prove nothing; compare quality with another tool.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SEGMENT = 4


def manifest(source, output, crf, preset):
    quoted = "'" + str(source).replace("'", "''") + "'"
    return f"""\
apiVersion: transcode.media/v1alpha1
kind: TranscodeJob
metadata: {{name: bench}}
spec:
  inputs:
  - {{name: main, file: {{path: {quoted}}}}}
  outputs:
  - {{name: main, file: {{path: '{output}'}}, formats: [hls, dash]}}
  options:
    video: {{encode: {{h264: {{rate: {{crf: {crf}}}, preset: {preset}}}}}, segmentDuration: {SEGMENT}s}}
    audio: {{encode: {{aac: {{bitrate: 128k}}}}}}
"""


def one_ffmpeg(source, output, plan, crf, preset):
    """The same ladder in one run: one decode, a scaler and an encoder for each rendition."""
    ladder, media = plan["ladder"], plan["media"]
    labels = "".join(f"[s{n}]" for n in range(len(ladder)))
    graph = f"[0:v:0]split={len(ladder)}{labels}"
    for n, rung in enumerate(ladder):
        graph += f";[s{n}]scale={rung['width']}:{rung['height']}:flags=bicubic,format=yuv420p[v{n}]"
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-i", str(source), "-filter_complex", graph]
    for n in range(len(ladder)):
        command += ["-map", f"[v{n}]"]
    if media["audio"]:
        command += ["-map", "0:a", "-c:a", "aac", "-b:a", "128k"]
    command += ["-c:v", "libx264", "-crf", str(crf), "-preset", preset, "-fps_mode", "passthrough"]
    command += ["-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT})", "-sc_threshold", "0", "-g", "100000"]
    command += ["-f", "dash", "-seg_duration", str(SEGMENT), "-use_template", "1", "-use_timeline", "1", "-hls_playlist", "1"]
    sets = "id=0,streams=v" + (" id=1,streams=a" if media["audio"] else "")
    return command + ["-adaptation_sets", sets, str(output / "manifest.mpd")]


def timed(command, environment=None):
    """Wall and CPU seconds of a command and all that it started and waited for."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed with {done.returncode}:\n{done.stderr[-2000:]}")
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def size(folder):
    files = [f for f in folder.rglob("*") if f.is_file() and f.suffix in (".m4s", ".mp4")]
    return sum(f.stat().st_size for f in files)


def version(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def main():
    options = argparse.ArgumentParser(description="Local engine against one ffmpeg.")
    options.add_argument("source", type=pathlib.Path)
    options.add_argument("--bin", type=pathlib.Path, required=True, help="folder of kubectl-transcode and job-runner")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--crf", type=int, default=23)
    options.add_argument("--preset", default="medium")
    options.add_argument("--workers", type=int, default=os.cpu_count())
    args = options.parse_args()
    source, cli = args.source.resolve(), str(args.bin.resolve() / "kubectl-transcode")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        scratch = pathlib.Path(scratch)
        job, ours, theirs = scratch / "job.yaml", scratch / "engine", scratch / "ffmpeg"
        job.write_text(manifest(source, ours, args.crf, args.preset))
        plan = json.loads(subprocess.run([cli, "plan", "-f", job, "-o", "json"], capture_output=True, text=True, check=True).stdout)
        engine = [cli, "run", "-f", str(job), "--workers", str(args.workers), "--work-dir", str(scratch / "work")]
        single = one_ffmpeg(source, theirs, plan, args.crf, args.preset)
        media = plan["media"]
        print(f"source   {source.name}, {media['bytes'] / 2**20:.1f} MiB, {media['duration']}, {len(plan['chunks'])} chunks")
        print(f"ladder   {', '.join(r['name'] + ' ' + str(r['width']) + 'x' + str(r['height']) for r in plan['ladder'])}")
        print(f"options  h264 crf {args.crf} {args.preset}, segments of {SEGMENT} s, aac 128k; {args.workers} workers")
        print(f"versions {version([cli, 'version'])}; {version(['ffmpeg', '-version']).split(' Copyright')[0]}")
        print(f"machine  {os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}")
        print(f"\n$ {shlex.join(single)}\n", flush=True)
        rows = {"engine": [], "one ffmpeg": []}
        for run in range(args.runs):
            for name, command, output in [("engine", engine, ours), ("one ffmpeg", single, theirs)]:
                for folder in (output, scratch / "work"):
                    shutil.rmtree(folder, ignore_errors=True)
                output.mkdir()
                wall, cpu = timed(command)
                rows[name].append((wall, cpu, size(output)))
                print(f"run {run + 1}  {name:<11} {wall:7.1f} s wall {cpu:8.1f} s CPU {rows[name][-1][2] / 2**20:9.2f} MiB", flush=True)
        print()
        medians = {name: [statistics.median(column) for column in zip(*results)] for name, results in rows.items()}
        for name, (wall, cpu, media_bytes) in medians.items():
            print(f"median {name:<11} {wall:7.1f} s wall {cpu:8.1f} s CPU {media_bytes / 2**20:9.2f} MiB")
        ratio = [ours / theirs for ours, theirs in zip(medians["engine"], medians["one ffmpeg"])]
        print(f"engine / one ffmpeg {ratio[0]:6.2f} wall   {ratio[1]:8.2f} CPU {ratio[2]:12.2f} bytes")


if __name__ == "__main__":
    main()
