#!/usr/bin/env python3
"""Writes the tables and plots of docs/performance.md from what `make bench` and `make bench-hour` measured.

Figures in out/bench/ are taken over into docs/performance/, as far as there are any; then everything is
generated from there. What lies between the markers of the page is replaced, the rest is prose.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys

import plots

ROOT = pathlib.Path(__file__).resolve().parents[3]
MEASURED, FIGURES, PAGE = ROOT / "out/bench", ROOT / "docs/performance", ROOT / "docs/performance.md"
ORDERS = {"plan": "the plan's order", "naive": "by name", "hindsight": "in hindsight"}


def take_over(args):
    """New figures, without what only the simulation needs."""
    compare, hour = (MEASURED / name for name in ("compare.json", "hour.json"))
    FIGURES.mkdir(exist_ok=True)
    if compare.exists():
        report = json.loads(compare.read_text())
        write(FIGURES / "makespan.json", simulate(report, args))
        kept = ("contender", "run", "wall", "cpu")
        report["results"] = [{key: row[key] for key in kept} for row in report["results"]]
        write(FIGURES / "compare.json", report)
    if hour.exists():
        write(FIGURES / "hour.json", json.loads(hour.read_text()))


def write(path, content):
    rounded = json.loads(json.dumps(content), parse_float=lambda text: float(f"{float(text):.6g}"))
    path.write_text(json.dumps(rounded, indent=1) + "\n")


def simulate(report, args):
    """A long film, whose chunks take what the measured ones took for each frame, over and over."""
    frames, rate = report["chunk_frames"], report["rate"]
    chunks = args.hours * 3600 // args.chunk_seconds
    jobs = []
    for name in ("ours", "ours, a task per rendition"):
        rows = [row for row in report["results"] if row["contender"] == name]
        batches = [b for b in rows[0]["batches"] if b["id"].startswith(("encode", "audio"))]
        millis = {}
        for batch in batches:
            stage = batch["id"].split(".")[0]
            taken = lambda n, stage=stage: 1000 * statistics.median(
                t["to"] - t["from"] for row in rows for t in row["tasks"] if (t["stage"], t["task"]) == (stage, n)
            )
            if stage == "audio":
                millis[batch["id"]] = [round(taken(0) * args.hours * 3600 * rate / sum(frames))]
                continue
            batch["tasks"] = f"0-{chunks - 1}"
            each = [taken(n) * args.chunk_seconds * rate / count for n, count in enumerate(frames)]
            millis[batch["id"]] = [round(each[n % len(each)]) for n in range(chunks)]
        fan_out = "a task per chunk and rendition" if len(batches) > 2 else "a task per chunk"
        jobs.append({"name": fan_out, "batches": batches, "millis": millis})
    question = {
        "workers": args.workers,
        "podMillis": round(1000 * args.pod_seconds),
        "podsPerSecond": args.pods_per_second,
        "jobs": jobs,
    }
    command = ["cargo", "run", "--quiet", "-p", "transcode-local", "--example", "makespan"]
    answer = subprocess.run(command, cwd=ROOT, input=json.dumps(question), capture_output=True, text=True, check=True)
    return {
        "date": report["date"],
        "hours": args.hours,
        "chunk_seconds": args.chunk_seconds,
        "pod_seconds": args.pod_seconds,
        "pods_per_second": args.pods_per_second,
        "rows": json.loads(answer.stdout),
    }


def table(head, rows):
    """Names to the left, figures to the right."""
    align = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, align, *rows])


def image(name, words):
    """A plot of `figures`."""
    return f"![{words}](performance/{name}.svg)\n\n"


def compare_blocks(report):
    machine, source = report["machine"], report["source"]
    facts = [
        ("measured", f"{report['date']}, {report['runs']} interleaved runs, {report['workers']} workers"),
        ("machine", f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, {machine['system']}"),
        ("programs", ", ".join(report["versions"].values())),
        ("source", f"{source['duration']}, {source['mib']:.1f} MiB, {source['chunks']} chunks"),
        ("ladder", ", ".join(f"{r['name']} ({r['width']}x{r['height']})" for r in report["ladder"])),
        ("options", report["options"]),
    ]
    yield "facts", table(["", ""], facts).replace("---:", "---") + "\n\n[All figures](performance/compare.json)."
    yield "goals", table(
        ["goal", "at most", "measured", ""],
        [
            (
                g["goal"],
                g["at_most"],
                f"{g['figure']:.3g}",
                "met" if g["figure"] <= g["at_most"] else f"missed by {100 * (g['figure'] / g['at_most'] - 1):.0f} %",
            )
            for g in report["goals"]
        ],
    )
    summary = report["summary"]
    ours = summary["ours"]
    yield "compare", image("compare", "Wall and CPU of five ways to make the same ladder") + table(
        ["", "wall, s", "least to most", "CPU, s", "cores busy", "wall, ours = 1", "CPU, ours = 1"],
        [
            (
                name,
                f"{row['wall'][0]:.1f}",
                f"{row['wall'][1]:.1f} to {row['wall'][2]:.1f}",
                f"{row['cpu'][0]:.1f}",
                f"{row['cpu'][0] / row['wall'][0]:.2f}",
                f"{row['wall'][0] / ours['wall'][0]:.2f}",
                f"{row['cpu'][0] / ours['cpu'][0]:.2f}",
            )
            for name, row in summary.items()
        ],
    )
    names = list(next(iter(report["quality"].values())))
    yield "quality", table(
        ["", *(f"{n}, {what}" for n in names for what in ("MiB", "SSIM, dB", "frames"))],
        [
            (
                name,
                *(text for q in made.values() for text in (f"{q['bytes'] / 2**20:.2f}", f"{q['db']:.2f}", q["frames"])),
            )
            for name, made in report["quality"].items()
        ],
    )
    stages = [(name, stage, took) for name, row in summary.items() for stage, took in row["stages"].items()]
    number = lambda took, key: f"{took[key]:.2f}" if key in took else ""
    yield "stages", image("stages", "CPU of each stage of ours") + table(
        ["", "stage", "from begin to end, s", "tasks added up, s", "CPU, s", "of it not ffmpeg's, s"],
        [(name, stage, *(number(took, key) for key in ("span", "busy", "cpu", "own"))) for name, stage, took in stages],
    )
    programs = sorted(
        {program for row in summary.values() for program in row["peaks"]}
        & {"ffmpeg", "ffprobe", "job-runner", "kubectl-transcode"}
    )
    yield "memory", table(
        ["MiB at most", *programs, "driver and runners together"],
        [
            (
                name,
                *(f"{row['peaks'][p]:.0f}" if p in row["peaks"] else "" for p in programs),
                f"{row['together']:.0f}" if row["together"] else "",
            )
            for name, row in summary.items()
        ],
    )
    profile = report["profile"]
    if profile:
        yield "profile", table(
            ["program", "where", "share of all samples"],
            [
                (p["program"], p["library"], f"{100 * p['share']:.1f} %")
                for p in profile["libraries"]
                if p["share"] >= 0.002
            ],
        )
        functions = [(f"`{f['function']}`", f"{100 * f['share']:.2f} %") for f in profile["functions"][:10]]
        yield "functions", (
            table(["function of driver and runners", "share of all samples"], functions)
            if functions
            else "The programs had no symbols."
        )
    one = next(line for name, line in report["commands"].items() if name == "one ffmpeg")
    yield "commands", f"```text\none ffmpeg, for everything:\n{one}\n\nours, for each chunk:\n{report['encode']}\n```"


def hour_blocks(report):
    yield "hour", image("hour-time", "Time by the length of the source") + image(
        "hour-memory", "Memory by the length of the source"
    ) + table(
        [
            "minutes",
            "workers",
            "chunks",
            "wall, s",
            "CPU, s",
            "wall per minute, s",
            "driver",
            "runner",
            "ffmpeg",
            "ffprobe",
        ],
        [
            (
                row["minutes"],
                row["workers"],
                row["chunks"],
                f"{row['wall']:.1f}",
                f"{row['cpu']:.1f}",
                f"{row['wall'] / row['minutes']:.2f}",
                *(
                    f"{row['peaks'].get(p, 0):.0f} MiB"
                    for p in ("kubectl-transcode", "job-runner", "ffmpeg", "ffprobe")
                ),
            )
            for row in report["rows"]
        ],
    )
    walls = {(row["minutes"], row["workers"]): row["wall"] for row in report["rows"]}
    minutes = next((m for m, workers in walls if workers == 1), None)
    if minutes:
        yield "workers", f"Two workers against one, on {minutes} minutes: {walls[minutes, 1] / walls[minutes, 2]:.2f} times as fast."


def makespan_blocks(report):
    rows = [
        (
            row["job"],
            row["tasks"],
            row["workers"],
            ORDERS[row["order"]],
            f"{row['makespanMillis'] / 1000:.0f}",
            f"{row['floorMillis'] / 1000:.0f}",
            f"{100 * row['efficiency']:.1f} %",
        )
        for row in report["rows"]
    ]
    yield "makespan", image("makespan", "Efficiency by fan-out and workers") + table(
        ["fan-out", "tasks", "workers", "order", "makespan, s", "at least, s", "efficiency"], rows
    )
    yield "pods", (
        f"A film of {report['hours']} hours in chunks of {report['chunk_seconds']} s; each pod takes {report['pod_seconds']:g} s beside its task, and "
        f"{report['pods_per_second']} are made a second."
    )


def figures(reports):
    """Plots by file name."""
    if report := reports.get("compare"):
        summary = report["summary"]
        short = {
            "ours, a task per rendition": "ours, per rendition",
            "one ffmpeg, one-thread encoders": "one, one-thread",
            "a script of many ffmpegs": "script",
        }
        groups = [(short.get(name, name), (row["wall"], row["cpu"])) for name, row in summary.items()]
        yield "compare.svg", plots.bars("The same ladder, five ways", "seconds", ["wall", "CPU"], groups)
        stages = summary["ours"]["stages"]
        groups = [(name, (took["cpu"] - took["own"], took["own"])) for name, took in stages.items()]
        yield "stages.svg", plots.bars("CPU of each stage of ours", "seconds", ["ffmpeg", "driver and runners"], groups)
    if report := reports.get("hour"):
        rows = [row for row in report["rows"] if row["workers"] == 2]
        line = lambda of: [(row["minutes"], of(row)) for row in rows]
        yield "hour-time.svg", plots.lines(
            "Time, by the length of the source",
            "seconds",
            "min",
            [("wall", line(lambda r: r["wall"])), ("CPU", line(lambda r: r["cpu"]))],
        )
        programs = {"driver": "kubectl-transcode", "runner": "job-runner", "ffmpeg": "ffmpeg", "ffprobe": "ffprobe"}
        series = [(name, line(lambda r, p=program: r["peaks"].get(p, 0.0))) for name, program in programs.items()]
        yield "hour-memory.svg", plots.lines("Memory at most, of one process", "MiB", "min", series)
    if report := reports.get("makespan"):
        groups = {}
        for row in report["rows"]:
            groups.setdefault((row["job"].removeprefix("a task "), row["workers"]), []).append(100 * row["efficiency"])
        named = [
            (f"{job}, {workers}".replace("per chunk and rendition", "rendition").replace("per chunk", "chunk"), values)
            for (job, workers), values in groups.items()
        ]
        yield "makespan.svg", plots.bars("Efficiency by fan-out and workers", "%", list(ORDERS.values()), named)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--check", action="store_true", help="take nothing over; fail when what is generated would change"
    )
    options.add_argument("--workers", type=int, nargs="+", default=[8, 64, 512])
    options.add_argument("--hours", type=int, default=2, help="length of the simulated film")
    options.add_argument("--chunk-seconds", type=int, default=60, help="its chunks")
    options.add_argument("--pod-seconds", type=float, default=3.0, help="what a pod takes beside its task")
    options.add_argument("--pods-per-second", type=int, default=45, help="what the Job controller makes")
    args = options.parse_args()
    if not args.check:
        take_over(args)
    names = {"compare": compare_blocks, "hour": hour_blocks, "makespan": makespan_blocks}
    reports = {
        name: json.loads((FIGURES / f"{name}.json").read_text())
        for name in names
        if (FIGURES / f"{name}.json").exists()
    }
    page = PAGE.read_text()
    for name, report in reports.items():
        for block, text in names[name](report):
            marked = rf"(<!-- begin {block} -->\n).*?(<!-- end {block} -->)"
            page, found = re.subn(marked, lambda m, text=text: f"{m[1]}{text}\n{m[2]}", page, flags=re.DOTALL)
            if not found:
                sys.exit(f"{PAGE} has no markers for {block}")
    made = {PAGE: page, **{FIGURES / name: text for name, text in figures(reports)}}
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if args.check and stale:
        sys.exit(
            "not what their figures say, run `make bench-docs`: "
            + ", ".join(str(path.relative_to(ROOT)) for path in stale)
        )
    for path in stale:
        path.write_text(made[path])


if __name__ == "__main__":
    main()
