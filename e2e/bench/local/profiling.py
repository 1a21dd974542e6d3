"""One run of the engine that is not timed: what it read of the source, and in which library the time went."""

import json
import shutil
import subprocess

# What the libraries of a Debian ffmpeg are for; everything else is named as it is.
LIBRARIES = {
    "libx264": "encoding (libx264)",
    "libswscale": "scaling (libswscale)",
    "libavcodec": "decoding, and AAC (libavcodec)",
    "libavfilter": "filters (libavfilter)",
    "libavformat": "demuxing and muxing (libavformat)",
    "[kernel": "kernel",
    "libc.so": "libc (copies, locks)",
}


def profile(contender, settings):
    """Shares of all samples by (program, library), and bytes of the source read by the video pass."""
    shutil.rmtree(contender.output)
    shutil.rmtree(settings.scratch / "work", ignore_errors=True)
    data, command = settings.scratch / "perf.data", [*contender.command, "--keep-work"]
    perf = shutil.which("perf")
    if perf:
        command = [perf, "record", "-q", "-F", "199", "-o", str(data), "--", *command]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    used = [json.loads(path.read_text())["usage"] for path in contender.output.glob("_work/*/results/encode/*.json")]
    return {"libraries": libraries(data), "functions": functions(data)} if perf else None, sum(
        u["bytesRead"] for u in used
    )


def report(data, sort):
    command = [
        "perf",
        "report",
        "-i",
        str(data),
        "--stdio",
        "-q",
        "-g",
        "none",
        "--sort",
        sort,
        "--no-inline",
        "--percent-limit",
        "0.05",
        "-t",
        "|",
    ]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = ([word.strip() for word in line.split("|")] for line in lines if "|" in line)
    return [(float(row[0].rstrip("%")) / 100, row[1:]) for row in rows]


def libraries(data):
    found = {}
    for share, (program, library) in report(data, "comm,dso"):
        purpose = next((words for name, words in LIBRARIES.items() if library.startswith(name)), library)
        program = "ffmpeg" if program.startswith(("ff", "av:", "enc", "dec", "mux", "dmx", "vf#", "af#")) else program
        key = (PROGRAMS.get(program, program), purpose)
        found[key] = found.get(key, 0.0) + share
    return [{"program": p, "library": l, "share": s} for (p, l), s in sorted(found.items(), key=lambda item: -item[1])]


# Threads of tokio are named after it, and names are cut to 15 letters.
PROGRAMS = {
    "tokio-rt-worker": "driver and runners",
    "tokio-runtime-w": "driver and runners",
    "job-runner": "driver and runners",
    "kubectl-transco": "driver and runners",
}


def functions(data):
    """Where driver and runners spend theirs; hexadecimal addresses when the programs were stripped."""
    rows = report(data, "dso,symbol")
    own = [(share, row[1]) for share, row in rows if row[0] in ("job-runner", "kubectl-transcode")]
    return [{"function": symbol.removeprefix("[.] "), "share": share} for share, symbol in own if "0x" not in symbol][
        :20
    ]
