#!/usr/bin/env python3
"""Large values over narrow links: a value that is on its way for seconds holds up no heartbeat, so
nobody is elected, reads go on at once, and small writes wait for no more than their turn.
"""

import contextlib
import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness
from nodes import Cluster

LARGE_BYTES = 32 << 20
RATE = 16 << 20  # bytes a second
UNDER_WAY_SECONDS = LARGE_BYTES / RATE  # six election timeouts
ARGUMENTS = [
    "--storage.max-value-bytes",
    str(LARGE_BYTES),
    "--storage.wal-segment-bytes",
    str(2 * LARGE_BYTES),
    "--server.request-timeout-ms",
    "30000",
]
TIMEOUT_SECONDS = 60
SATURATING_SECONDS = 2


class Repeated(threading.Thread):
    """One command again and again, and how long the longest took."""

    def __init__(self, node, *command):
        super().__init__(daemon=True)
        self.client = harness.Client(node.port, timeout=TIMEOUT_SECONDS)
        self.command = command
        self.ending = threading.Event()
        self.times = []
        self.error = None

    def run(self):
        try:
            while not self.ending.wait(0.005):
                began = time.monotonic()
                self.client.call(*self.command)
                self.times.append(time.monotonic() - began)
        except (OSError, harness.ReplyError) as error:
            self.error = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()
        self.client.close()


class NarrowLinks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3, arguments=ARGUMENTS)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def setUp(self):
        self.leader = self.cluster.wait_leader()
        self.term = self.leader.status()["term"]
        self.cluster.degrade(rate=RATE)
        self.addCleanup(self.cluster.heal)

    def nobody_was_elected(self):
        self.assertEqual(self.leader.status()["role"], "leader")
        self.assertEqual(self.leader.status()["term"], self.term)

    def large_value_through(self, node, ways):
        """Sets it there while others read and write; over `ways` links in turn."""
        with contextlib.ExitStack() as stack:
            reads = stack.enter_context(Repeated(self.leader, "GET", "small"))
            writes = stack.enter_context(Repeated(self.leader, "SET", "small", "x"))
            client = stack.enter_context(harness.Client(node.port, timeout=TIMEOUT_SECONDS))
            began = time.monotonic()
            self.assertEqual(client.call("SET", "large", b"x" * LARGE_BYTES), "OK")
            took = time.monotonic() - began
        self.nobody_was_elected()
        self.assertGreater(took, 0.9 * ways * UNDER_WAY_SECONDS)
        self.assertIsNone(reads.error)
        self.assertLess(max(reads.times), UNDER_WAY_SECONDS)
        # Those behind it in the log have to wait for it, and for nothing else.
        self.assertIsNone(writes.error)
        self.assertLess(max(writes.times), took + UNDER_WAY_SECONDS)
        self.cluster.heal()
        self.cluster.wait_equal()
        self.assertEqual(self.cluster.differences(), [])

    def test_a_large_value_on_the_leader(self):
        self.large_value_through(self.leader, 1)

    def test_a_large_value_on_a_follower(self):
        self.large_value_through(self.cluster.follower(), 2)

    def test_more_writes_than_the_links_carry(self):
        """Small ones, which together fill the links; each entry is sent once."""
        value = b"x" * 20_000
        until = time.monotonic() + SATURATING_SECONDS
        answers = []

        def write(name):
            with harness.Client(self.leader.port, timeout=TIMEOUT_SECONDS) as client:
                while time.monotonic() < until:
                    commands = [("SET", f"{name}:{i}", value) for i in range(50)]
                    answers.extend(client.pipeline(commands))

        before = self.cluster.proxy.count("bytes")
        threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.nobody_was_elected()
        self.assertEqual(set(answers), {"OK"})
        sent = self.cluster.proxy.count("bytes") - before
        written = len(answers) * len(value)
        self.assertGreater(written, 0.25 * RATE * SATURATING_SECONDS)
        self.assertLess(sent, 1.3 * 2 * written)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
