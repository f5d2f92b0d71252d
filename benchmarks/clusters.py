"""What `run --nodes N` does: a cluster of kvorum beside an equally large one of etcd, one kvorum
alone and one redis-server, all on this machine, driven by build/release/benchmarks/load in
alternating rounds. results-nodes.json and table-nodes.md are what comes out.
"""

import dataclasses
import itertools
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import common
import report
from common import ROOT, harness
from etcd import Etcd

sys.path.insert(0, str(ROOT / "tests/cluster"))
from nodes import Cluster  # noqa: E402

KEYS = 100_000
VALUE_BYTES = 64
CLIENTS = (1, 50, 200)
FILL_CONNECTIONS = 100
LOAD_SECONDS_MAX = 300
# Workload: what kvorum and etcd are asked for. Only LINEARIZABLE is the same promise on both; of a
# lease and of eventual reads etcd's serializable ones come nearest, and are its fastest.
WORKLOADS = {
    "write": ("default", "default"),
    "linearizable read": ("linearizable", "linearizable"),
    "lease read": ("lease", "serializable"),
    "eventual read": ("eventual", "serializable"),
}
# (workload, clients, beside): what the ratio to it has to be. Throughput at least, or the median
# latency at most.
WANTED = {
    ("write", 1, "etcd"): ("p50_ms", 0.5),
    ("write", 50, "etcd"): ("rps", 10),
    ("write", 200, "etcd"): ("rps", 10),
    ("write", 200, "one node"): ("rps", 0.5),
    **{("linearizable read", clients, "etcd"): ("rps", 8) for clients in (50, 200)},
    **{("lease read", clients, "etcd"): ("rps", 15) for clients in (50, 200)},
    **{("eventual read", clients, "etcd"): ("rps", 15) for clients in (50, 200)},
}
INSTALL = """On Debian 12, what is missing comes with
  bash -c 'source tools/common.sh; install_packages build run test bench'
  cmake --preset release -DKVORUM_BENCHMARKS=ON
  cmake --build --preset release --target kvorum load"""


@dataclasses.dataclass(frozen=True)
class Cell:
    workload: str
    clients: int
    to: str  # the leader, or all: connections take turns with the nodes

    def name(self):
        return f"{self.workload} {self.clients} {self.to}"

    def measured(self, side):
        """A single server has no nodes to spread over; one kvorum alone is there for its writes."""
        if side.name == "redis":
            return self.to == "leader"
        return side.name != "one node" or (self.to == "leader" and self.workload == "write")


class Side:
    """One of the systems, and what was measured of it: samples by cell name."""

    def __init__(self, name, kind, nodes, leader):
        self.name = name
        self.kind = kind
        self.nodes = nodes  # each with a port and a process
        self.leader = leader  # finds the one that leads now
        self.samples = {}

    def load(self, program, leader, to, *arguments):
        nodes = [leader]
        if to == "all":  # a single connection goes to a follower
            nodes = [node for node in self.nodes if node is not leader] + [leader]
        done = subprocess.run(
            [program, "--endpoints", ",".join(f"127.0.0.1:{node.port}" for node in nodes)]
            + ["--keys", str(KEYS), "--value-bytes", str(VALUE_BYTES)]
            + (["--etcd"] if self.kind == "etcd" else [])
            + [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LOAD_SECONDS_MAX,
        )
        if done.returncode != 0:
            raise RuntimeError(f"load on {self.name}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def fill(self, program):
        """All keys the workloads choose from, so that every read finds a value."""
        arguments = ["--operation", "fill", "--connections", FILL_CONNECTIONS]
        took = self.load(program, self.leader(), "leader", *arguments)["seconds"]
        print(f"{self.name}: {KEYS:,} keys in {took:.1f} s", file=sys.stderr, flush=True)

    def measure(self, program, cell, seconds, seed):
        leader = self.leader()
        kvorum, etcd = WORKLOADS[cell.workload]
        reads = {"kvorum": kvorum, "etcd": etcd, "redis": "default"}[self.kind]
        arguments = ["--operation", "put" if cell.workload == "write" else "get", "--reads", reads]
        arguments += ["--connections", cell.clients, "--seconds", seconds, "--seed", seed]
        before, began = self.cpu(), time.monotonic()
        sample = self.load(program, leader, cell.to, *arguments)
        wall, after = time.monotonic() - began, self.cpu()
        sample["cpu_percent"] = shares(before, after, wall, leader.process.pid)
        sample["led_throughout"] = self.leader() is leader
        self.samples.setdefault(cell.name(), []).append(sample)

    def cpu(self):
        """Seconds of CPU time by process and thread name."""
        return {node.process.pid: common.thread_times(node.process.pid) for node in self.nodes}


def shares(before, after, wall, leader):
    """In percent of one core: each thread of the leader, and the other nodes as a whole."""

    def percent(pid):
        return common.thread_percents(before[pid], after[pid], wall)

    others = [sum(percent(pid).values()) for pid in after if pid != leader]
    return {"leader": percent(leader), "others": [round(other, 1) for other in others]}


def measure(program, cells, sides, rounds, seconds):
    for side in sides:
        side.fill(program)
    for number in range(rounds):
        for cell in cells:
            order = [side for side in sides if cell.measured(side)]
            for side in order if number % 2 else order[::-1]:
                side.measure(program, cell, seconds, number + 1)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)


# What is printed.


def ratio(results, cell, other, field):
    """The median over the rounds of kvorum / other, measured shortly after each other."""
    pairs = zip(results["samples"]["kvorum"][cell.name()], results["samples"][other][cell.name()])
    return statistics.median(
        kvorum[field] / beside[field] if beside[field] else float("inf")
        for kvorum, beside in pairs
    )


def verdict(results, cell, other):
    field, limit = WANTED.get((cell.workload, cell.clients, other), (None, None))
    if field is None:
        return ""
    got = ratio(results, cell, other, field)
    at, met = ("<=", got <= limit) if field == "p50_ms" else (">=", got >= limit)
    what = "p50" if field == "p50_ms" else "throughput"
    return f"{what} {at} {limit}: {'met' if met else 'MISSED'} ({got:.2f})"


def speed_table(results, cells):
    head = ["workload", "clients", "to", "beside", "its/s", "kvorum/s", "ratio"]
    rows = [head + ["its p50/p99 ms", "kvorum p50/p99 ms", "wanted"]]
    for other in ("etcd", "one node", "redis"):
        for cell in cells:
            theirs = results["samples"][other].get(cell.name())
            if not theirs:
                continue
            ours = results["samples"]["kvorum"][cell.name()]
            row = [cell.workload, str(cell.clients), cell.to, other]
            row += [
                f"{report.median(s, 'rps'):,.0f} ±{report.spread(s):.0f}%" for s in (theirs, ours)
            ]
            row.append(f"{ratio(results, cell, other, 'rps'):.2f}")
            row += [
                f"{report.median(s, 'p50_ms'):.3g}/{report.median(s, 'p99_ms'):.3g}"
                for s in (theirs, ours)
            ]
            rows.append(row + [verdict(results, cell, other)])
    return report.markdown(rows)


def thread_list(samples):
    return common.busy_threads([sample["cpu_percent"]["leader"] for sample in samples])


def cpu_table(results, cells):
    head = ["workload", "clients", "to", "system", "generator", "generator µs/request"]
    rows = [head + ["leader", "other nodes", "leader's threads"]]
    for cell, system in itertools.product(cells, ("kvorum", "etcd", "one node", "redis")):
        samples = results["samples"][system].get(cell.name())
        if not samples:
            continue
        generator = statistics.median(s["generator_us"] * s["rps"] / 1e4 for s in samples)
        leader = statistics.median(sum(s["cpu_percent"]["leader"].values()) for s in samples)
        others = statistics.median(sum(s["cpu_percent"]["others"]) for s in samples)
        row = [cell.workload, str(cell.clients), cell.to, system, f"{generator:.0f}"]
        row += [f"{report.median(samples, 'generator_us'):.1f}", f"{leader:.0f}", f"{others:.0f}"]
        rows.append(row + [thread_list(samples) if system in ("kvorum", "one node") else ""])
    return report.markdown(rows)


def remarks(results, cells):
    """What makes a number doubtful: requests that failed, and a leader that changed meanwhile."""
    for system, cell in itertools.product(results["samples"], cells):
        samples = results["samples"][system].get(cell.name(), [])
        errors = sum(sample["errors"] for sample in samples)
        if errors:
            first = next(s["first_error"] for s in samples if s["errors"])
            yield f"{system}, {cell.name()}: {errors} requests failed, the first with: {first}"
        changed = sum(not sample["led_throughout"] for sample in samples)
        if changed:
            yield f"{system}, {cell.name()}: the leader changed in {changed} round(s)"


def document(results, cells):
    about = (
        f"{report.describe(results['machine'])}. {results['nodes']} nodes of kvorum and of etcd "
        f"{results['etcd']}, {VALUE_BYTES} B values, {KEYS:,} keys. Medians of "
        f"{results['rounds']} alternating rounds, ± half the range; ratio: median of the rounds' "
        "ratios."
    )
    parts = [about, speed_table(results, cells), "CPU, in percent of one core:"]
    parts.append(cpu_table(results, cells))
    parts += remarks(results, cells)
    return "\n\n".join(parts) + "\n"


def program_of(options):
    """The load generator; ends with what to install when something is not there."""
    program = pathlib.Path(options.load or ROOT / "build/release/benchmarks/load")
    missing = [name for name in ("etcd", "redis-server") if shutil.which(name) is None]
    if not program.exists():
        missing.append(str(program))
    elif "etcd" not in subprocess.check_output([program, "--protocols"], text=True):
        missing.append(f"{program} built with nghttp2")
    if missing:
        sys.exit(f"benchmarks/run --nodes {options.nodes} needs {', '.join(missing)}.\n{INSTALL}")
    return program


def run(options):
    program = program_of(options)
    rounds = options.rounds or (3 if options.quick else 5)
    seconds = options.seconds or (0.8 if options.quick else 1.5)
    placements = ("leader",) if options.quick else ("leader", "all")
    cells = [Cell(*parts) for parts in itertools.product(WORKLOADS, CLIENTS, placements)]
    parent = common.folder()
    machine = common.machine(parent)  # while nothing of ours runs yet
    arguments = options.server_arg
    with (
        Etcd(parent, options.nodes) as etcd,
        harness.running("redis", parent=parent) as redis,
        Cluster(1, arguments, proxied=False, parent=parent) as alone,
        Cluster(options.nodes, arguments, proxied=False, parent=parent) as cluster,
    ):
        sides = [
            Side("etcd", "etcd", etcd.nodes, etcd.wait_leader),
            Side("redis", "redis", [redis], lambda: redis),
            Side("one node", "kvorum", alone.nodes, alone.wait_leader),
            Side("kvorum", "kvorum", cluster.nodes, cluster.wait_leader),
        ]
        measure(program, cells, sides, rounds, seconds)
    results = {
        "machine": machine,
        "rounds": rounds,
        "nodes": options.nodes,
        "etcd": Etcd.version(),
        "cells": [dataclasses.asdict(cell) for cell in cells],
        "samples": {side.name: side.samples for side in sides},
    }
    write(options.out or ROOT / "build/bench", results, cells)


def write(out, results, cells):
    out.mkdir(parents=True, exist_ok=True)
    (out / "results-nodes.json").write_text(json.dumps(results, indent=2) + "\n")
    text = document(results, cells)
    (out / "table-nodes.md").write_text(text)
    print(text, end="")
    print(f"\nwritten to {out}: results-nodes.json, table-nodes.md")
