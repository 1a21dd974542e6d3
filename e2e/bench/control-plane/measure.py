#!/usr/bin/env python3
"""What the operator costs the control plane, beside bare Jobs that do the same.

Runs small TranscodeJobs one after the other and counts what the API server is asked to write. Then the
very Jobs that the operator made are made again by hand, in the same order, each when those are done that
were done before it, and deleted when they are: what Kubernetes itself costs. Needs the variables of
e2e/cluster/with-operator.sh; run it by run.sh.
"""

import argparse
import collections
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time

WRITES = {"POST", "PUT", "PATCH", "APPLY", "DELETE"}
# Heartbeats of nodes and leaders go on whoever works.
IDLE = {"leases", "nodes", "tokenreviews", "subjectaccessreviews", "endpointslices", "serviceaccounts"}


def kubectl(*words, stdin=None):
    result = subprocess.run(["kubectl", *words], input=stdin, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"kubectl {' '.join(words)}: {result.stderr}")
    return result.stdout


def writes():
    """Writes so far, by resource."""
    counts = collections.Counter()
    for line in kubectl("get", "--raw", "/metrics").splitlines():
        if line.startswith("apiserver_request_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels["verb"] in WRITES and labels["code"].startswith("2") and labels["resource"] not in IDLE:
                name = labels["resource"] + ("/" + labels["subresource"] if labels["subresource"] else "")
                counts[name] += int(float(line.rsplit(" ", 1)[1]))
    return counts


class Watch:
    """Events of Jobs with the time at which they came."""

    def __init__(self):
        words = ["kubectl", "get", "jobs", "-w", "--output-watch-events", "-o", "json"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.added, self.done, self.first = {}, {}, {}
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        decoder, text = json.JSONDecoder(), ""
        for line in self.process.stdout:
            text += line
            try:
                event, end = decoder.raw_decode(text.lstrip())
            except ValueError:
                continue
            text = text.lstrip()[end:]
            with self.changed:
                self.note(event["type"], event["object"])
                self.changed.notify_all()

    def note(self, kind, job):
        name, now = job["metadata"]["name"], time.monotonic()
        if kind == "ADDED":
            self.added.setdefault(name, now)
            self.first.setdefault(name, job)
        status = job.get("status", {})
        if status.get("succeeded", 0) >= job["spec"]["completions"]:
            self.done.setdefault(name, now)

    def wait(self, holds):
        with self.changed:
            if not self.changed.wait_for(holds, timeout=600):
                sys.exit("nothing happened for 10 minutes")


def job(name):
    store = {"name": "s3", "s3": {"endpoint": os.environ["E2E_S3_ENDPOINT"]}, "credentials": {"secretRef": {"name": "s3"}}}
    place = {"store": "s3", "bucket": os.environ["E2E_S3_BUCKET"]}
    return {
        "apiVersion": "transcode.media/v1alpha1",
        "kind": "TranscodeJob",
        "metadata": {"name": name},
        "spec": {
            "stores": [store],
            "inputs": [{"name": "main", "s3": {**place, "key": "bench/source.mp4"}}],
            "outputs": [{"name": "main", "s3": {**place, "prefix": f"bench/{name}"}}],
            # Many pods: a small job would have three.
            "options": {"video": {"fanOut": "ChunkRendition", "encode": {"h264": {"preset": "ultrafast"}}}},
        },
    }


def bare(template, suffix):
    """The same Job, of nobody."""
    meta = template["metadata"]
    template = json.loads(json.dumps(template))
    template["metadata"] = {"name": f"{meta['name']}-{suffix}"}
    template.pop("status", None)
    for key in ("selector", "suspend"):
        template["spec"].pop(key, None)
    labels = template["spec"]["template"]["metadata"].get("labels", {})
    template["spec"]["template"]["metadata"] = {"labels": {k: v for k, v in labels.items() if k.startswith("transcode.media/")}}
    return template


def settle(name):
    """Waits until the last Job of a TranscodeJob is gone, and what it wrote is counted."""
    kubectl("wait", "tj", name, "--for=condition=Complete", "--timeout=600s")
    kubectl("wait", "tj", name, "--for=jsonpath={.status.stages[?(@.name==\"cleanup\")].state}=Done", "--timeout=600s")
    while json.loads(kubectl("get", "jobs,pods", "-o", "json"))["items"]:
        kubectl("wait", "jobs,pods", "--all", "--for=delete", "--timeout=60s")


def operator():
    """Memory (now and most) and CPU seconds of the operator's process."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{pid}/environ", "rb") as file:
                ours = b"POD_NAMESPACE=transcode-system" in file.read()
            if words[0] == b"/transcode-operator" and ours:
                with open(f"/proc/{pid}/status") as file:
                    status = dict(line.split(":", 1) for line in file)
                with open(f"/proc/{pid}/stat") as file:
                    stat = file.read().rsplit(")", 1)[1].split()
                ticks = int(stat[11]) + int(stat[12])
                kib = {name: int(status[name].split()[0]) for name in ("VmRSS", "VmHWM")}
                return kib["VmRSS"] / 1024, kib["VmHWM"] / 1024, ticks / os.sysconf("SC_CLK_TCK")
        except OSError:
            continue
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=5, help="TranscodeJobs (default 5)")
    args = parser.parse_args()
    watch, names = Watch(), [f"bench-{int(time.time()) % 100000}-{n}" for n in range(args.jobs)]
    cpu = operator()
    before, start = writes(), time.monotonic()
    for name in names:
        kubectl("apply", "-f", "-", stdin=json.dumps(job(name)))
        settle(name)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    ours, seconds = writes() - before, time.monotonic() - start
    after = operator()

    made = sorted(watch.added, key=watch.added.get)
    gaps, earlier = [], {}
    owner = {name: watch.first[name]["metadata"]["labels"]["transcode.media/job-uid"] for name in made}
    for name in made:
        same = [n for n in made if owner[n] == owner[name] and watch.done.get(n, float("inf")) < watch.added[name]]
        earlier[name] = same
        if same:
            gaps.append(watch.added[name] - max(watch.done[n] for n in same))
    gaps.sort()

    before, deleted = writes(), set()
    for name in made:
        watch.wait(lambda name=name: all(f"{n}-bare" in watch.done for n in earlier[name]))
        kubectl("create", "-f", "-", stdin=json.dumps(bare(watch.first[name], "bare")))
        for ended in [n for n in watch.done if n.endswith("-bare") and n not in deleted]:
            deleted.add(ended)
            kubectl("delete", "job", ended, "--wait=false")
    watch.wait(lambda: all(f"{n}-bare" in watch.done for n in made))
    kubectl("delete", "jobs", "--all")
    while json.loads(kubectl("get", "jobs,pods", "-o", "json"))["items"]:
        kubectl("wait", "jobs,pods", "--all", "--for=delete", "--timeout=60s")
    floor = writes() - before
    watch.process.terminate()
    for name in names:
        kubectl("delete", "tj", name)

    ratio = ours.total() / floor.total()
    print(f"{args.jobs} TranscodeJobs, {len(made)} Jobs, {seconds:.0f} s, one after the other\n")
    print(f"{'writes to the API server':32} {'ours':>8} {'bare Jobs':>10}")
    for name in sorted(ours | floor, key=lambda n: -(ours | floor)[n]):
        print(f"  {name:30} {ours[name]:8} {floor[name]:10}")
    print(f"  {'all':30} {ours.total():8} {floor.total():10}   ratio {ratio:.2f} (goal 1.20)\n")
    if gaps:
        at = lambda q: 1000 * gaps[min(len(gaps) - 1, int(q * len(gaps)))]
        print(f"from the end of a stage to the next Job: p50 {statistics.median(gaps) * 1000:.0f} ms, p99 {at(0.99):.0f} ms (goal p99 250)")
    if cpu and after:
        print(f"operator: {after[0]:.1f} MiB, {after[1]:.1f} MiB at most (goal 64); {after[2] - cpu[2]:.2f} CPU seconds")


main()
