#!/usr/bin/env python3
"""What thousands of TranscodeJobs cost a control plane.

etcd, kube-apiserver, the Job controller and the scheduler are real; nodes and Pods only seem to run (kwok). Every
scenario that has a floor runs beside it: a script that creates the very Jobs that the operator made, in the same order,
as bare Jobs. Run it by scale.sh.

  chain     one-Pod jobs, one after the other as fast as they end: jobs a minute, writes a job, delays
  fan-out   jobs of 3 renditions with 20 chunks
  wide      a job of 6 renditions with 1,000 chunks
  arrivals  50 new jobs a second: how long until each has a status
  burst     many jobs at once: how long until each has a status, what is done while they wait, how long until all end
  finished  many jobs that ended long ago: memory, and requests at the operator's start
  kill      the operator is killed in the middle: no finished task runs again
"""

import argparse
import atexit
import collections
import copy
import http.client
import json
import os
import re
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

PORTS = {"etcd": 23790, "peer": 23800, "apiserver": 26443, "operator": 28080}
TOKEN = "bench"
WRITES = {"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}
# Heartbeats of nodes and leaders go on whoever works.
IDLE = {"leases", "nodes", "tokenreviews", "subjectaccessreviews", "endpointslices", "serviceaccounts", "configmaps/status"}
GROUP = "/apis/transcode.media/v1alpha1"


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Part:
    """A process that ends with this one."""

    def __init__(self, folder, name, *words, env=None):
        self.name = name
        self.log = open(os.path.join(folder, f"{name}.log"), "a")
        atexit.register(self.end)
        environment = {**os.environ, **(env or {})}
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, env=environment)

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def memory(self):
        """Resident memory now and at most, MiB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            status = dict(line.split(":", 1) for line in file)
        return tuple(int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))

    def cpu(self):
        """CPU seconds so far."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            stat = file.read().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


class Api:
    """Requests to the API server, a connection for each thread."""

    def __init__(self, ca):
        self.context = ssl.create_default_context(cafile=ca)
        self.context.check_hostname = False
        self.local = threading.local()

    def open(self):
        return http.client.HTTPSConnection("127.0.0.1", PORTS["apiserver"], context=self.context, timeout=120)

    def send(self, method, path, body=None, kind="application/json", raw=False):
        data = json.dumps(body) if body is not None else None
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind, "Accept": "application/json"}
        for attempt in (0, 1):
            if not hasattr(self.local, "connection"):
                self.local.connection = self.open()
            try:
                self.local.connection.request(method, path, data, headers)
                response = self.local.connection.getresponse()
                text = response.read()
                break
            except (OSError, http.client.HTTPException):
                del self.local.connection
                if attempt:
                    raise
        if raw:
            return text.decode()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"code": response.status, "message": text.decode()}
        if response.status in (429, 503, 504):
            time.sleep(1)
            return self.send(method, path, body, kind)
        if response.status >= 400 and response.status not in (404, 409):
            raise RuntimeError(f"{method} {path}: {answer}")
        return answer

    def items(self, path):
        found, token = [], ""
        while True:
            page = self.send("GET", f"{path}{'&' if '?' in path else '?'}limit=500&continue={token}")
            found += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    def watch(self, path, note):
        """Calls `note` with every event from now on, in a thread of its own."""
        headers = {"Authorization": f"Bearer {TOKEN}"}

        def follow():
            while True:
                try:
                    page = self.send("GET", f"{path}?resourceVersion=0")
                    for object in page["items"]:
                        note("ADDED", object)
                    query = f"watch=1&resourceVersion={page['metadata']['resourceVersion']}&timeoutSeconds=3000"
                    connection = self.open()
                    connection.request("GET", f"{path}?{query}", headers=headers)
                    for line in connection.getresponse():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            break
                        note(event["type"], event["object"])
                except (OSError, http.client.HTTPException, ValueError):
                    time.sleep(0.2)

        threading.Thread(target=follow, daemon=True).start()


class Cluster:
    """The control plane and nodes that only seem to be there."""

    def __init__(self, folder, args):
        self.folder, self.args, self.parts, self.operator = folder, args, {}, None
        keys = os.path.join(folder, "keys")
        os.makedirs(keys)
        run = lambda *words: subprocess.run(words, check=True, capture_output=True)
        run("openssl", "genrsa", "-out", f"{keys}/sa.key", "2048")
        run("openssl", "rsa", "-in", f"{keys}/sa.key", "-pubout", "-out", f"{keys}/sa.pub")
        with open(f"{keys}/tokens.csv", "w") as file:
            file.write(f"{TOKEN},admin,admin,system:masters\n")
        etcd, peer = (f"http://127.0.0.1:{PORTS[name]}" for name in ("etcd", "peer"))
        self.start("etcd", os.environ["ETCD"], "--data-dir", f"{folder}/etcd", "--unsafe-no-fsync", "--log-level", "error",
            "--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--quota-backend-bytes", str(8 << 30),
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}")
        self.start("kube-apiserver", os.environ["KUBE_APISERVER"], "--etcd-servers", etcd, "--secure-port", str(PORTS["apiserver"]),
            "--bind-address", "127.0.0.1", "--cert-dir", keys, "--token-auth-file", f"{keys}/tokens.csv",
            "--authorization-mode", "RBAC", "--service-account-issuer", "https://kubernetes.default.svc",
            "--service-account-key-file", f"{keys}/sa.pub", "--service-account-signing-key-file", f"{keys}/sa.key",
            "--service-cluster-ip-range", "10.96.0.0/16")
        wait(60, lambda: os.path.exists(f"{keys}/apiserver.crt"))
        self.kubeconfig = f"{folder}/kubeconfig"
        with open(self.kubeconfig, "w") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "bench",
                "clusters": [{"name": "bench", "cluster": {"server": f"https://127.0.0.1:{PORTS['apiserver']}",
                    "certificate-authority": f"{keys}/apiserver.crt"}}],
                "users": [{"name": "bench", "user": {"token": TOKEN}}],
                "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}]}, file)
        self.api = Api(f"{keys}/apiserver.crt")
        wait(60, self.is_ready)
        common = ["--kubeconfig", self.kubeconfig, "--leader-elect=false"]
        limits = ["--kube-api-qps", str(args.qps), "--kube-api-burst", str(2 * args.qps)] if args.qps else []
        self.start("kube-controller-manager", os.environ["KUBE_CONTROLLER_MANAGER"], *common, *limits,
            "--service-account-private-key-file", f"{keys}/sa.key")
        scheduler = [*common, *limits]
        self.start("kube-scheduler", os.environ["KUBE_SCHEDULER"], *scheduler)
        for number in range(args.nodes):
            self.api.send("POST", "/api/v1/nodes", {"metadata": {"name": f"node-{number}", "annotations": {"kwok.x-k8s.io/node": "fake"}}})
        here = os.path.dirname(os.path.abspath(__file__))
        self.start("kwok", os.environ["KWOK"], "--kubeconfig", self.kubeconfig, "--manage-all-nodes", "--config", f"{here}/kwok.yaml",
            "--node-lease-duration-seconds", "40", "--server-address", "127.0.0.1:0")
        subprocess.run(["kubectl", "--kubeconfig", self.kubeconfig, "apply", "--server-side", "-f", f"{here}/../../../crds"],
            check=True, capture_output=True)
        wait(60, lambda: "items" in self.api.send("GET", f"{GROUP}/transcodejobs"))
        wait(60, lambda: all(any(c["type"] == "Ready" and c["status"] == "True" for c in node.get("status", {}).get("conditions", []))
            for node in self.api.items("/api/v1/nodes")))

    def is_ready(self):
        try:
            return self.api.send("GET", "/readyz", raw=True) == "ok"
        except OSError:
            return False

    def start(self, name, *words, env=None):
        self.parts[name] = Part(self.folder, name, *words, env=env)
        return self.parts[name]

    def run_operator(self):
        flags = ["--runner-image", "runner", "--leader-election", "false", "--http-address", f"127.0.0.1:{PORTS['operator']}",
            "--allow-secret", "*", *self.args.operator_flag]
        env = {"KUBECONFIG": self.kubeconfig, "TRANSCODE_LOG": os.environ.get("TRANSCODE_LOG", "warn")}
        self.operator = self.start("operator", os.environ["OPERATOR"], *flags, env=env)
        wait(120, self.operator_is_ready)
        return self.operator

    def operator_is_ready(self):
        if self.operator.process.poll() is not None:
            sys.exit(f"the operator ended: {self.folder}/operator.log")
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{PORTS['operator']}/readyz", timeout=5).status == 200
        except OSError:
            return False

    def requests(self):
        """The operator's requests so far, by verb; watches are left out."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{PORTS['operator']}/metrics", timeout=10).read().decode()
        counts = collections.Counter()
        for line in text.splitlines():
            if line.startswith("transcode_api_requests_total{"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                if labels["verb"] != "watch":
                    counts[labels["verb"]] += int(float(line.rsplit(" ", 1)[1]))
        return counts

    def writes(self):
        """Writes that the API server saw so far, whoever made them, by resource."""
        counts = collections.Counter()
        for line in self.api.send("GET", "/metrics", raw=True).splitlines():
            if line.startswith("apiserver_request_total{"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                name = labels["resource"] + ("/" + labels["subresource"] if labels["subresource"] else "")
                if labels["verb"] in WRITES and labels["code"].startswith("2") and labels["resource"] not in IDLE:
                    counts[name] += int(float(line.rsplit(" ", 1)[1]))
        return counts

    def namespace(self, name):
        self.api.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        wait(30, lambda: self.api.send("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default").get("kind") == "ServiceAccount")


def wait(seconds, holds, pause=0.2):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(pause)


def job(namespace, name, **options):
    store = {"name": "s3", "s3": {"endpoint": "http://192.0.2.1:9000"}, "credentials": {"secretRef": {"name": "s3"}}}
    place = {"store": "s3", "bucket": "media"}
    return {
        "apiVersion": "transcode.media/v1alpha1",
        "kind": "TranscodeJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "stores": [store],
            "inputs": [{"name": "main", "s3": {**place, "key": "source.mp4"}}],
            "outputs": [{"name": "main", "s3": {**place, "prefix": f"{namespace}/{name}"}}],
            **options,
        },
    }


def ladder(heights):
    renditions = [{"name": f"r{n}", "height": height, "encode": {"h264": {"rate": {"crf": 23}}}} for n, height in enumerate(heights)]
    return {"video": {"fanOut": "ChunkRendition"}, "renditions": renditions}


class Jobs:
    """TranscodeJobs of a namespace, and when each was answered and ended."""

    def __init__(self, cluster, namespace):
        self.cluster, self.path = cluster, f"{GROUP}/namespaces/{namespace}/transcodejobs"
        self.namespace, self.created, self.answered, self.ended, self.cleaned = namespace, {}, {}, {}, set()
        self.updates = 0
        cluster.api.watch(self.path, self.note)

    def note(self, kind, object):
        name, now, status = object["metadata"]["name"], time.monotonic(), object.get("status", {})
        self.updates += kind == "MODIFIED"
        if status.get("phase"):
            self.answered.setdefault(name, now)
        if status.get("phase") in ("Succeeded", "Failed"):
            self.ended.setdefault(name, (now, status["phase"]))
            if any(stage["name"] == "cleanup" and stage["state"] == "Done" for stage in status.get("stages", [])):
                self.cleaned.add(name)

    def create(self, name, **options):
        self.created[name] = time.monotonic()
        self.cluster.api.send("POST", self.path, job(self.namespace, name, **options))

    def failed(self):
        return [name for name, (_, phase) in self.ended.items() if phase != "Succeeded"]


class Made:
    """Batches of a namespace, with the time at which each was made and done."""

    def __init__(self, cluster, namespace):
        self.first, self.added, self.done, self.lock = {}, {}, {}, threading.Condition()
        cluster.api.watch(f"/apis/batch/v1/namespaces/{namespace}/jobs", self.note)

    def note(self, kind, object):
        name, now, status = object["metadata"]["name"], time.monotonic(), object.get("status", {})
        with self.lock:
            if kind == "ADDED":
                self.added.setdefault(name, now)
                self.first.setdefault(name, object)
            if status.get("succeeded", 0) >= object["spec"]["completions"]:
                self.done.setdefault(name, now)
            self.lock.notify_all()

    def gaps(self):
        """From the end of the last batch of a job that was done to the next that was made, ms."""
        gaps, by_owner = [], collections.defaultdict(list)
        for name in self.added:
            by_owner[self.first[name]["metadata"]["labels"].get("transcode.media/job-uid")].append(name)
        for names in by_owner.values():
            for name in names:
                before = [self.done[other] for other in names if self.done.get(other, float("inf")) < self.added[name]]
                if before:
                    gaps.append(1000 * (self.added[name] - max(before)))
        return sorted(gaps)


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else float("nan")


def bare(template, namespace):
    """The same Job, of nobody."""
    copied = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": template["metadata"]["name"], "namespace": namespace},
        "spec": copy.deepcopy(template["spec"])}
    for key in ("selector", "suspend"):
        copied["spec"].pop(key, None)
    labels = copied["spec"]["template"]["metadata"].get("labels", {})
    own = {name: value for name, value in labels.items() if name.startswith("transcode.media/")}
    copied["spec"]["template"]["metadata"] = {"labels": own}
    return copied


def floor(cluster, made, namespace, parallel):
    """Makes the Jobs that the operator made again, as bare Jobs: those of each TranscodeJob in the same order, each when
    those are done that were done before it; so many TranscodeJobs at a time. Deletes them when they are done."""
    cluster.namespace(namespace)
    done, changed = set(), threading.Condition()

    def note(kind, object):
        if object.get("status", {}).get("succeeded", 0) >= object["spec"]["completions"]:
            with changed:
                done.add(object["metadata"]["name"])
                changed.notify_all()

    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    cluster.api.watch(path, note)
    chains = collections.defaultdict(list)
    for name in sorted(made.added, key=made.added.get):
        owner = made.first[name]["metadata"]["labels"]["transcode.media/job-uid"]
        chains[owner].append((name, [other for other, _ in chains[owner] if made.done.get(other, float("inf")) < made.added[name]]))

    def chain(steps):
        for name, before in steps:
            with changed:
                changed.wait_for(lambda: all(other in done for other in before), timeout=600)
            cluster.api.send("POST", path, bare(made.first[name], namespace))
        for name, _ in steps:
            with changed:
                changed.wait_for(lambda: name in done, timeout=600)
            cluster.api.send("DELETE", f"{path}/{name}?propagationPolicy=Background")

    before, start = cluster.writes(), time.monotonic()
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(chain, chains.values()))
    seconds = time.monotonic() - start
    empty(cluster, namespace)
    return seconds, cluster.writes() - before


def empty(cluster, namespace):
    """Waits until no Job and no Pod is left."""
    wait(1200, lambda: not cluster.api.send("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs?limit=1")["items"]
        and not cluster.api.send("GET", f"/api/v1/namespaces/{namespace}/pods?limit=1")["items"], 0.5)


def compared(cluster, namespace, count, parallel, batches, **options):
    """Runs TranscodeJobs, and then what they made as bare Jobs."""
    cluster.namespace(namespace)
    operator = cluster.run_operator()
    jobs, made = Jobs(cluster, namespace), Made(cluster, namespace)
    before, own, cpu, start = cluster.writes(), cluster.requests(), operator.cpu(), time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: jobs.create(f"{namespace}-{n:05}", **options), range(count)))
    wait(3600, lambda: len(jobs.ended) >= count)
    seconds = time.monotonic() - start
    wait(600, lambda: len(jobs.cleaned) >= count - len(jobs.failed()))
    empty(cluster, namespace)
    total, own = cluster.writes() - before, cluster.requests() - own
    total["transcodejobs"] -= count
    cpu, memory = operator.cpu() - cpu, operator.memory()[1]
    operator.end()
    failed = jobs.failed()
    if failed:
        sys.exit(f"{len(failed)} jobs failed, {failed[0]} among them")
    bare_seconds, bare_writes = floor(cluster, made, f"{namespace}-bare", parallel)
    writes = sum(number for verb, number in own.items() if verb in ("create", "patch", "delete", "update"))
    gaps, made_count = made.gaps(), len(made.added)
    print(f"{namespace}: {count} TranscodeJobs, {made_count} Jobs, {made_count / count:g} for each")
    print(f"  jobs a minute             {60 * count / seconds:8.0f}   bare Jobs {60 * count / bare_seconds:8.0f}   ratio {bare_seconds / seconds:.2f}")
    print(f"  writes seen by the server {total.total():8}   bare Jobs {bare_writes.total():8}   ratio {total.total() / bare_writes.total():.2f}")
    for name in sorted(total | bare_writes, key=lambda n: -(total | bare_writes)[n]):
        print(f"    {name:24} {total[name]:7}   {bare_writes[name]:18}")
    print(f"  the operator's own writes {writes / count:8.1f} a job, {writes / made_count:.1f} a batch; in all {dict(own)}")
    print(f"  end of a batch to the next: p50 {statistics.median(gaps):.0f} ms, p99 {quantile(gaps, 0.99):.0f} ms" if gaps else "")
    print(f"  operator: {cpu / count * 1000:.1f} CPU seconds for 1,000 jobs, {memory:.1f} MiB at most", flush=True)


def chain(cluster, args):
    compared(cluster, "one", args.jobs, 100, 3)


def fan_out(cluster, args):
    compared(cluster, "small", max(1, args.jobs // 20), 100, 8, options=ladder([720, 480, 240]))


def wide(cluster, args):
    compared(cluster, "large", 1, 1, 12, options=ladder([1080, 720, 576, 480, 360, 240]), scheduling={"maxParallel": 2000})


def answers(jobs):
    delays = [jobs.answered[name] - at for name, at in jobs.created.items() if name in jobs.answered]
    return f"p50 {statistics.median(delays):.2f} s, p99 {quantile(delays, 0.99):.2f} s, longest {max(delays):.2f} s"


def arrivals(cluster, args):
    cluster.namespace("arrivals")
    operator, jobs = cluster.run_operator(), Jobs(cluster, "arrivals")
    count, start = 50 * args.seconds, time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        for n in range(count):
            time.sleep(max(0, start + n / 50 - time.monotonic()))
            pool.submit(jobs.create, f"job-{n:05}")
    wait(600, lambda: len(jobs.answered) >= count)
    print(f"arrivals: {count} jobs, 50 a second: first status after {answers(jobs)}", flush=True)
    operator.end()
    drop(cluster, "arrivals")


def burst(cluster, args):
    cluster.namespace("burst")
    operator, jobs = cluster.run_operator(), Jobs(cluster, "burst")
    count = args.burst
    say(f"burst: creating {count} jobs")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: jobs.create(f"job-{n:05}"), range(count)))
    wait(1200, lambda: len(jobs.answered) >= count)
    last = max(jobs.answered.values()) - min(jobs.created.values())
    print(f"burst: {count} jobs at once: all have a status after {last:.1f} s; each after {answers(jobs)}", flush=True)
    wait(7200, lambda: len(jobs.ended) >= count, 1)
    seconds = max(at for at, _ in jobs.ended.values()) - min(jobs.created.values())
    print(f"  all ended after {seconds:.0f} s, {60 * count / seconds:.0f} a minute, {len(jobs.failed())} failed; "
        f"operator {operator.memory()[1]:.1f} MiB at most, {operator.process.poll() or 'no'} restart", flush=True)
    operator.end()


def idle(cluster, args):
    """Jobs in line while nothing runs: those that have a turn have no node."""
    cluster.namespace("idle")
    operator, jobs = cluster.run_operator(), Jobs(cluster, "idle")
    nowhere = {"light": {"nodeSelector": {"there-is": "none"}}}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: jobs.create(f"job-{n:05}", scheduling=nowhere), range(args.burst)))
    wait(1200, lambda: len(jobs.answered) >= args.burst)
    time.sleep(150)
    before, cpu, updates = cluster.requests(), operator.cpu(), jobs.updates
    time.sleep(args.seconds)
    own, cpu = cluster.requests() - before, operator.cpu() - cpu
    print(f"idle: {args.burst} jobs wait, {args.seconds} s: requests {dict(own)}, {jobs.updates - updates} changes of jobs, "
        f"{cpu / args.seconds:.3f} cores, {operator.memory()[0]:.1f} MiB", flush=True)
    start = time.monotonic()
    drop(cluster, "idle")
    print(f"  the namespace was gone after {time.monotonic() - start:.0f} s", flush=True)
    operator.end()


def drop(cluster, namespace):
    cluster.api.send("DELETE", f"/api/v1/namespaces/{namespace}")
    wait(1800, lambda: cluster.api.send("GET", f"/api/v1/namespaces/{namespace}").get("code") == 404, 0.5)


def finished(cluster, args):
    """Jobs as they are long after their end: one is run, the others have its status."""
    cluster.namespace("finished")
    operator, jobs = cluster.run_operator(), Jobs(cluster, "finished")
    jobs.create("first")
    wait(120, lambda: "first" in jobs.cleaned)
    operator.end()
    path = jobs.path
    model = cluster.api.send("GET", f"{path}/first")
    size = len(json.dumps({**model, "metadata": {**model["metadata"], "managedFields": []}}))

    def copy_of(n):
        name = f"job-{n:05}"
        made = cluster.api.send("POST", path, job("finished", name))
        status = {**model["status"], "observedGeneration": made["metadata"]["generation"]}
        cluster.api.send("PATCH", f"{path}/{name}/status", {"status": status}, "application/merge-patch+json")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(copy_of, range(args.finished)))
    start = time.monotonic()
    operator = cluster.run_operator()
    ready = time.monotonic() - start
    time.sleep(20)
    now, most = operator.memory()
    print(f"finished: {args.finished} jobs of {size} bytes: ready after {ready:.1f} s, {most:.1f} MiB at most, {now:.1f} MiB afterwards; "
        f"requests {dict(cluster.requests())}", flush=True)
    operator.end()
    drop(cluster, "finished")


def kill(cluster, args):
    cluster.namespace("kill")
    operator, jobs, made = cluster.run_operator(), Jobs(cluster, "kill"), Made(cluster, "kill")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: jobs.create(f"job-{n:05}"), range(args.jobs)))
    for part in (1, 2, 3):
        wait(600, lambda part=part: len(jobs.ended) >= part * args.jobs // 4)
        operator.end(signal.SIGKILL)
        operator = cluster.run_operator()
    wait(1200, lambda: len(jobs.ended) >= args.jobs)
    wait(600, lambda: len(jobs.cleaned) >= args.jobs - len(jobs.failed()))
    stages = collections.Counter()
    for object in made.first.values():
        labels = object["metadata"]["labels"]
        stages[labels["transcode.media/job-uid"], labels["transcode.media/stage"]] += 1
    again = sum(count - 1 for count in stages.values())
    print(f"kill: {args.jobs} jobs, the operator was killed 3 times: {len(jobs.failed())} failed, {again} of {len(made.first)} batches were run again", flush=True)
    operator.end()


SCENARIOS = {"chain": chain, "fan-out": fan_out, "wide": wide, "arrivals": arrivals, "burst": burst, "idle": idle, "finished": finished, "kill": kill}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="+", choices=SCENARIOS)
    parser.add_argument("--jobs", type=int, default=300, help="one-Pod jobs of chain and kill (default 300)")
    parser.add_argument("--burst", type=int, default=5000, help="jobs of burst and idle (default 5000)")
    parser.add_argument("--finished", type=int, default=14000, help="jobs of finished (default 14000)")
    parser.add_argument("--seconds", type=int, default=60, help="length of arrivals and idle (default 60)")
    parser.add_argument("--nodes", type=int, default=20, help="nodes (default 20)")
    parser.add_argument("--qps", type=int, help="client limit of the Job controller and the scheduler (default: theirs)")
    parser.add_argument("--operator-flag", action="append", default=[], help="for the operator; may be given several times")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="transcode-scale-")
    signal.signal(signal.SIGTERM, lambda *_: (signal.signal(signal.SIGTERM, signal.SIG_IGN), sys.exit(143)))
    say(f"logs: {folder}")
    cluster = Cluster(folder, args)
    print(f"flags: {' '.join(sys.argv[1:])}; {os.cpu_count()} cores", flush=True)
    for name in args.scenario:
        SCENARIOS[name](cluster, args)


main()
