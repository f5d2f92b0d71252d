#!/usr/bin/env python3
"""redis-benchmark runs to its end against the server: one error reply would end it early."""

import subprocess
import sys

import harness

TESTS = {"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"}
RUNS = {
    "one command at a time": ["-q"],
    "pipeline of 16": ["-q", "-P", "16"],
    "RESP3": ["-q", "-3"],
    "many keys, 1 KiB values, two threads": ["-q", "-r", "10000", "-d", "1024", "--threads", "2"],
}


def main():
    options = harness.parser(__doc__).parse_args()
    harness.require_program("redis-benchmark")
    checks = harness.Checks()
    with harness.running(options.server) as server:
        base = [
            "redis-benchmark",
            "-p",
            str(server.port),
            "-t",
            "ping,set,get,incr,mset",
            "-n",
            "2000",
        ]
        for name, extra in RUNS.items():
            done = subprocess.run(
                [*base, *extra],
                capture_output=True,
                text=True,
                timeout=120,
                stdin=subprocess.DEVNULL,
            )
            lines = done.stdout.replace("\r", "\n").splitlines()
            finished = {line.split(":")[0] for line in lines if "requests per second" in line}
            checks.equal(f"{name}: exit code", done.returncode, 0)
            checks.equal(f"{name}: every test finishes", finished, TESTS)
            complaints = [
                line
                for line in (done.stdout + done.stderr).splitlines()
                if "error" in line.lower() or "warning" in line.lower()
            ]
            checks.equal(f"{name}: no complaint", complaints, [])
        with server.client() as client:
            checks.equal(
                "INCR counted every request",
                int(client.call("GET", "counter:__rand_int__")),
                2000 * (len(RUNS) - 1),
            )
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
