#!/usr/bin/env python3
"""kill -9 at random moments under load, again and again on one data folder: under writes, during a
checkpoint or a compaction, and during recovery itself. After each, history.py judges what is there.

$KVORUM_KILLS is how often (default 40); $KVORUM_SEED repeats a run's choices (not its timing).
"""

import os
import pathlib
import random
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness
from history import Violation, Writer, settle_all

WRITERS = 4
WINDOW = 48  # operations a writer has in flight at most
LOAD_SECONDS = (0.01, 0.2)
RECOVERY_SECONDS = (0.0, 0.05)
KILLS_IN_RECOVERY = 0.2
CHECKPOINT_SECONDS = (0.0, 0.03)
KILLS_IN_CHECKPOINT = 0.5

# Checkpoints, new log segments and compactions every few kills instead of every minute.
SMALL = [
    "--storage.checkpoint-interval-s",
    "1",
    "--storage.checkpoint-log-bytes",
    "1048576",
    "--storage.wal-segment-bytes",
    "1048576",
]


class Load:
    """The writers at work, each on its own connection and thread, until the server is gone."""

    def __init__(self, server, writers):
        self.violations = []
        self.threads = [
            threading.Thread(target=self.work, args=(server, writer)) for writer in writers
        ]
        for thread in self.threads:
            thread.start()

    def work(self, server, writer):
        try:
            with server.client() as client:
                while True:
                    self.send(client, writer)
                    self.receive(client, writer)
        except OSError:
            pass  # killed: what was acknowledged until here counts
        except Violation as violation:
            self.violations.append(violation)

    @staticmethod
    def send(client, writer):
        first, last = writer.sent, writer.acknowledged + WINDOW
        data = b"".join(
            harness.encode(*command) for i in range(first, last) for command in writer.commands(i)
        )
        writer.sent = last  # before the bytes leave: any part of them may arrive
        client.send_raw(data)

    @staticmethod
    def receive(client, writer):
        """Half of what is in flight, so that the server always has work."""
        for _ in range(WINDOW // 2):
            for _ in writer.commands(writer.acknowledged):
                reply = client.reply()
            writer.acknowledge(reply)

    def wait(self):
        for thread in self.threads:
            thread.join()
        if self.violations:
            raise self.violations[0]


def judge(server, writers):
    keys = ["all"] + [key for writer in writers for key in writer.keys()]
    with server.client() as client:
        values = client.call("MGET", *keys)
        size = client.call("DBSIZE")
    found = {key: value for key, value in zip(keys, values) if value is not None}
    if size != len(found):
        raise Violation(f"the server counts {size} keys, {len(found)} are known")
    settle_all(writers, found)


def begin_checkpoint(server):
    with server.client() as client:
        try:
            client.call("BGSAVE")
        except harness.ReplyError as refused:
            if "in progress" not in str(refused):
                raise Violation(f"BGSAVE was answered {refused}") from refused


def run(server, kills, chance):
    """The number of operations acknowledged and how long each start took."""
    writers = [Writer(number) for number in range(WRITERS)]
    starts = []
    for number in range(kills):
        if chance.random() < KILLS_IN_RECOVERY:
            server.launch()
            time.sleep(chance.uniform(*RECOVERY_SECONDS))
            server.kill()
            continue
        before = time.monotonic()
        server.start()
        starts.append(time.monotonic() - before)
        judge(server, writers)
        load = Load(server, writers)
        time.sleep(chance.uniform(*LOAD_SECONDS))
        if chance.random() < KILLS_IN_CHECKPOINT:
            begin_checkpoint(server)
            time.sleep(chance.uniform(*CHECKPOINT_SECONDS))
        server.kill()
        load.wait()
        if (number + 1) % 20 == 0:
            print(
                f"{number + 1} kills, {sum(writer.acknowledged for writer in writers)} operations",
                flush=True,
            )
    server.start()
    judge(server, writers)
    if server.stop() != 0:
        raise Violation(f"SIGTERM ended with {server.process.returncode}")
    server.start()
    judge(server, writers)
    return sum(writer.acknowledged for writer in writers), starts


def main():
    options = harness.parser(__doc__).parse_args()
    kills = int(os.environ.get("KVORUM_KILLS", "40"))
    seed = int(os.environ.get("KVORUM_SEED", random.randrange(2**32)))
    print(f"{kills} kills, KVORUM_SEED={seed}", flush=True)
    server = harness.Server(options.server, SMALL if options.server == "kvorum" else [])
    try:
        acknowledged, starts = run(server, kills, random.Random(seed))
    except (Violation, RuntimeError, TimeoutError) as failure:
        print(f"FAIL {failure}\n--- log of the server\n{server.log()}--- end of the log")
        return 1
    finally:
        server.close()
    checks = harness.Checks()
    checks.that(
        f"{acknowledged} acknowledged operations survived {kills} kills", acknowledged > kills
    )
    print(
        f"start: median {statistics.median(starts) * 1000:.0f} ms, "
        f"longest {max(starts) * 1000:.0f} ms"
    )
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
