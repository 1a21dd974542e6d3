"""Measures a command: wall, CPU, memory of each program that it starts, and when it said what.

CPU seconds are the kernel's own, of processes that were waited for; nothing is sampled but memory.
GNU time stands before ffmpeg, ffprobe and job-runner, so that each of them is accounted for by itself, to
hundredths of a second.
Memory is looked at twice a second: the highest resident set of each process (`VmHWM`), and what the
engine's own processes have together, pages that they share counted once (`Pss`).
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

SHIM = """\
#!/bin/sh
exec {time} --quiet -a -o {log} -f '{name}\t%e\t%U\t%S\t%M\t%C' {program} "$@"
"""
TIME = "/usr/bin/time"


@dataclasses.dataclass
class Process:
    """A program that ended: wall and CPU seconds with those of its children, MiB of the largest of them."""

    program: str
    wall: float
    cpu: float
    mib: float
    command: str


@dataclasses.dataclass
class Measured:
    """What a command took."""

    wall: float
    cpu: float
    # In the order of their ends.
    processes: list
    # MiB at most of one process, by program.
    peaks: dict
    # MiB at most of all processes of `own` programs at the same time.
    together: float
    # Seconds since the start, and the line that was printed then.
    lines: list


class Meter:
    """Runs commands with shims on PATH, which are made in `folder`."""

    def __init__(self, folder, programs, own):
        self.folder, self.own, self.log = folder, own, folder / "processes.tsv"
        folder.mkdir()
        if not os.access(TIME, os.X_OK):
            sys.exit(f"{TIME} is missing: install GNU time (Debian, Ubuntu: apt-get install time)")
        for name, program in programs.items():
            shim = folder / name
            shim.write_text(SHIM.format(time=TIME, log=self.log, name=name, program=program))
            shim.chmod(0o755)

    def run(self, command, title):
        """Runs a command to its end; a failure ends everything. Nothing survives it, nor a Ctrl-C."""
        self.log.write_text("")
        shims = {"PATH": f"{self.folder}:{os.environ['PATH']}", "TRANSCODE_RUNNER": str(self.folder / "job-runner")}
        errors = self.folder / "errors.log"
        began = time.monotonic()
        with open(errors, "wb") as stderr:
            child = subprocess.Popen(
                command,
                env={**os.environ, **shims},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        lines, memory = [], Memory(child.pid, self.own, title)
        reader = threading.Thread(
            target=lambda: lines.extend((time.monotonic() - began, line) for line in child.stdout)
        )
        try:
            reader.start()
            memory.start()
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.monotonic() - began
        finally:
            memory.stop()
            end_session(child.pid)
        child.returncode = os.waitstatus_to_exitcode(status)
        reader.join()
        if child.returncode != 0:
            sys.exit(
                f"{title}: {command[0]} ended with {child.returncode}:\n{errors.read_text(errors='replace')[-3000:]}"
            )
        return Measured(wall, usage.ru_utime + usage.ru_stime, self.processes(), memory.peaks, memory.together, lines)

    def processes(self):
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            name, wall, user, system, kib, command = line.split("\t", 5)
            found.append(Process(name, float(wall), float(user) + float(system), int(kib) / 1024, command))
        return found


class Memory(threading.Thread):
    """Looks at the memory of all processes of a session, and shows on a terminal that time passes."""

    def __init__(self, session, own, title):
        super().__init__(daemon=True)
        self.session, self.own, self.title = session, own, title
        self.peaks, self.together, self.ended = {}, 0.0, threading.Event()

    def run(self):
        began = time.monotonic()
        while not self.ended.wait(0.5):
            self.look()
            if sys.stderr.isatty():
                print(f"\r{self.title}: {time.monotonic() - began:.0f} s ", end="", file=sys.stderr, flush=True)

    def look(self):
        together = 0.0
        for pid in session_of(self.session):
            with contextlib.suppress(OSError, KeyError):
                program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                status = dict(
                    line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                )
                self.peaks[program] = max(self.peaks.get(program, 0.0), int(status["VmHWM"].split()[0]) / 1024)
                together += proportional(pid) if program in self.own else 0.0
        self.together = max(self.together, together)

    def stop(self):
        self.ended.set()
        self.join()
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def proportional(pid):
    """MiB of a process, with its share of the pages that it has in common with others."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def session_of(session):
    """Process IDs of a session."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            # After the name, which may hold anything: state, parent, group, session.
            if int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                yield int(pid)


def end_session(session):
    for pid in session_of(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
