"""What the benchmark programs share: where they run, what the machine is, and fast loading."""

import contextlib
import csv
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/clients"))
import harness  # noqa: E402  the servers and the client of the process tests

OK = b"+OK\r\n"
CALIBRATION_SECONDS = 0.3
REQUESTS_MIN = 500


def folder():
    """Where the servers keep their data, side by side: $KVORUM_BENCH_DIR or build/bench."""
    path = pathlib.Path(os.environ.get("KVORUM_BENCH_DIR", ROOT / "build/bench"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def use_binary(path):
    """Makes `path` (None: what is built, or $KVORUM_BINARY) the kvorum that harness starts."""
    if path is not None:
        os.environ["KVORUM_BINARY"] = str(pathlib.Path(path).resolve())


def machine(parent):
    memory = pathlib.Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": cpu_name(),
        "memory_gib": round(int(memory) / 1048576, 1),
        "kernel": platform.release(),
        "load_average": round(os.getloadavg()[0], 1),  # what else ran
        "fdatasync_median_ms": round(fdatasync_median(parent) * 1000, 3),
    }


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def fdatasync_median(parent, count=200):
    """Seconds for fdatasync after 256 bytes written into space that is allocated already."""
    path = parent / "fdatasync-probe"
    times = []
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, count * 256)
        os.fsync(descriptor)
        for i in range(count):
            os.pwrite(descriptor, b"x" * 256, i * 256)
            before = time.perf_counter()
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - before)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(times)


def load(port, pairs, depth=64, progress=None):
    """SETs every (key, value) of an iterator over one connection, two batches of `depth` in flight.
    The number of keys and the seconds it took."""
    before, count = time.monotonic(), 0
    with harness.Client(port, timeout=300) as client:
        in_flight = 0
        batch = []
        for key, value in pairs:
            batch.append(harness.encode("SET", key, value))
            if len(batch) == depth:
                client.send_raw(b"".join(batch))
                read_oks(client, in_flight)
                in_flight, count = depth, count + depth
                batch.clear()
                if progress is not None:
                    progress(count)
        client.send_raw(b"".join(batch))
        read_oks(client, in_flight + len(batch))
        count += len(batch)
    return count, time.monotonic() - before


def read_oks(client, count):
    data = client.input.read(len(OK) * count)
    if data != OK * count:
        raise RuntimeError(f"SET was answered {data[:200]!r}")


def memory(server):
    """Resident memory of a server in MiB: now, its maximum so far, and without file pages."""
    fields = dict(
        line.split(":", 1)
        for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    )
    return {
        name: int(fields[field].split()[0]) / 1024
        for name, field in (("now", "VmRSS"), ("max", "VmHWM"), ("anonymous", "RssAnon"))
    }


def redis_benchmark(port, command, requests, clients, pipeline, keys, size):
    """One run of redis-benchmark: requests a second, and latencies in ms."""
    done = subprocess.run(
        ["redis-benchmark", "-p", str(port), "--csv", "-t", command.lower(), "-n", str(requests)]
        + ["-r", str(keys), "-d", str(size), "-c", str(clients), "-P", str(pipeline)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"redis-benchmark on port {port}: {done.stdout}{done.stderr}")
    row = next(csv.DictReader(done.stdout.splitlines()))
    return {
        "rps": float(row["rps"]),
        "p50_ms": float(row["p50_latency_ms"]),
        "p99_ms": float(row["p99_latency_ms"]),
    }


def requests_for(seconds, port, command, **cell):
    """How many requests keep this server busy for so long; also its warm-up."""
    requests = REQUESTS_MIN * min(cell["clients"], 20) * cell["pipeline"]
    first = redis_benchmark(port, command, requests, **cell)
    if requests / first["rps"] < CALIBRATION_SECONDS:
        requests = max(REQUESTS_MIN, int(first["rps"] * CALIBRATION_SECONDS))
        first = redis_benchmark(port, command, requests, **cell)
    return max(REQUESTS_MIN, int(first["rps"] * seconds))


def thread_times(pid):
    """Seconds of CPU time by thread name."""
    times = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            name = (task / "comm").read_text().strip()
            nanoseconds = int((task / "schedstat").read_text().split()[0])
            times[name] = times.get(name, 0) + nanoseconds / 1e9
    return times


def thread_percents(before, after, wall):
    """In percent of one core, from what thread_times said before and after."""
    spent = {name: at - before.get(name, 0) for name, at in after.items()}
    return {name: round(100 * seconds / wall, 1) for name, seconds in spent.items()}


def busy_threads(samples):
    """`name percent` of the threads that do something, the busiest first; the samples' median."""
    names = {name for sample in samples for name in sample}
    median = {name: statistics.median(s.get(name, 0) for s in samples) for name in names}
    busy = sorted(((share, name) for name, share in median.items() if share >= 1), reverse=True)
    return ", ".join(f"{name} {share:.0f}" for share, name in busy)
