#!/usr/bin/env python3
"""What the README shows of watches, as it is written there, in a cluster whose leader dies on the
way: a registry of services, configuration, a cache, a lock, an election; and tools/watch."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/clients"))
import harness
from nodes import Cluster


class Watch:
    """A subscription to a pattern, and where it stands."""

    def __init__(self, node, pattern, start="now"):
        self.client = harness.Client(node.port, timeout=20)
        self.client.call("PSUBSCRIBE", f"__watch__@{start}:{pattern}")
        self.last = start

    def next(self, *events):
        """Key, event and value of the next of these events (or marks); others are passed over."""
        while True:
            _, _, channel, payload = self.client.read()
            event, self.last, *value = payload.decode().split(" ", 2)
            if not events or event in events:
                return channel.decode().removeprefix("__watch__:"), event, *value

    def close(self):
        self.client.close()


class Journeys(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(3)
        self.addCleanup(self.cluster.close)
        self.cluster.wait_voters(3)
        self.leader = self.cluster.wait_leader()
        self.others = [node for node in self.cluster.nodes if node is not self.leader]

    def watch(self, node, pattern, start="now"):
        watch = Watch(node, pattern, start)
        self.addCleanup(watch.close)
        return watch

    def call(self, *command):
        """Through a node that does not lead at first; again where that is safe and asked for."""
        for _ in range(100):
            try:
                return self.others[0].call(*command, timeout=10)
            except harness.ReplyError as error:
                if not str(error).startswith(("TRYAGAIN", "CLUSTERDOWN")):
                    raise
                time.sleep(0.1)
        raise AssertionError("no leader came")

    def test_a_registry_of_services(self):
        watch = self.watch(self.others[0], "svc/web/*")
        watch.next("sync")
        self.call("SET", "svc/web/a", "10.0.0.1:80", "PX", "60000")
        self.assertEqual(watch.next("set"), ("svc/web/a", "set", "10.0.0.1:80"))
        self.call("SET", "svc/web/b", "10.0.0.2:80", "PX", "1000")
        self.assertEqual(watch.next("set"), ("svc/web/b", "set", "10.0.0.2:80"))
        for _ in range(3):  # it keeps itself alive
            self.call("PEXPIRE", "svc/web/b", "1000")
            self.assertEqual(watch.next("expire", "expired"), ("svc/web/b", "expire"))
        self.leader.kill()
        self.assertEqual(watch.next("expired"), ("svc/web/b", "expired"))
        self.assertEqual(self.call("GET", "svc/web/a"), b"10.0.0.1:80")

    def test_configuration_is_reloaded_and_no_change_is_missed(self):
        self.call("SET", "conf/limit", "10")
        watch = self.watch(self.leader, "conf/*")
        watch.next("sync")
        self.call("SET", "conf/limit", "20")
        self.assertEqual(watch.next("set"), ("conf/limit", "set", "20"))
        last = watch.last
        self.leader.kill()
        for value in range(30, 35):
            self.call("SET", "conf/limit", str(value))
        again = self.watch(self.others[1], "conf/*", last)
        self.assertEqual(
            [again.next("set")[2] for _ in range(5)], [str(value) for value in range(30, 35)]
        )

    def test_a_cache_that_is_told_of_changes(self):
        self.call("MSET", "dns/a", "10.0.0.1", "dns/b", "10.0.0.2")
        node = self.others[1]
        watch = self.watch(node, "dns/*")
        watch.next("sync")  # from here on every change is told, so what is read now may be kept
        with harness.Client(node.port) as client:
            client.call("CLIENT", "CONSISTENCY", "LINEARIZABLE")
            cache = {key: client.call("GET", key) for key in ("dns/a", "dns/b")}
        self.call("MSET", "dns/a", "10.0.0.9", "dns/c", "10.0.0.3")
        changed = set()
        while True:
            key, event, *_ = watch.next()
            if event == "sync":
                break  # the transaction is complete
            changed.add(key)
            cache.pop(key, None)
        self.assertEqual(changed, {"dns/a", "dns/c"})
        self.assertEqual(cache, {"dns/b": b"10.0.0.2"})

    def test_a_lock_that_is_waited_for(self):
        self.assertEqual(self.call("SET", "lock/job", "me", "NX", "PX", "30000"), "OK")
        self.assertIsNone(self.call("SET", "lock/job", "other", "NX", "PX", "30000"))
        waiting = self.watch(self.others[1], "lock/job")
        waiting.next("sync")
        self.assertEqual(self.call("DELIFEQ", "lock/job", "other"), 0)
        self.leader.kill()
        self.assertEqual(self.call("DELIFEQ", "lock/job", "me"), 1)
        self.assertEqual(waiting.next("del", "expired"), ("lock/job", "del"))
        self.assertEqual(self.call("SET", "lock/job", "other", "NX", "PX", "30000"), "OK")

    def test_an_election(self):
        self.assertEqual(self.call("SET", "leader/db", "a", "NX", "PX", "1500"), "OK")
        candidate = self.watch(self.others[1], "leader/db")
        candidate.next("sync")
        self.assertIsNone(self.call("SET", "leader/db", "b", "NX", "PX", "1500"))
        self.assertEqual(self.call("SET", "leader/db", "a", "IFEQ", "a", "PX", "1500"), "OK")
        self.leader.kill()
        self.assertEqual(candidate.next("expired"), ("leader/db", "expired"))
        self.assertEqual(self.call("SET", "leader/db", "b", "NX", "PX", "1500"), "OK")
        self.assertIsNone(self.call("SET", "leader/db", "a", "IFEQ", "a", "PX", "1500"))

    def test_the_watch_tool_goes_on_elsewhere_and_after_its_own_restart(self):
        nodes = ",".join(f"127.0.0.1:{node.port}" for node in [self.leader, *self.others])
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        state = os.path.join(folder.name, "last")

        def follow():
            tool = subprocess.Popen(
                [ROOT / "tools/watch", "--nodes", nodes, "--state", state, "--json", "w/*"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                preexec_fn=harness.die_with_parent,
            )
            self.addCleanup(tool.stdout.close)
            self.addCleanup(tool.wait)
            self.addCleanup(tool.kill)
            return tool

        def values(tool, count):
            return [json.loads(tool.stdout.readline())["value"] for _ in range(count)]

        tool = follow()
        harness.wait_until(lambda: os.path.exists(state), "the tool to know where it stands")
        for value in range(3):
            self.call("SET", "w/k", str(value))
        self.assertEqual(values(tool, 3), ["0", "1", "2"])
        self.leader.kill()
        for value in range(3, 6):
            self.call("SET", "w/k", str(value))
        self.assertEqual(values(tool, 3), ["3", "4", "5"])
        time.sleep(0.5)  # killed right after a line it would print that again
        tool.kill()
        tool.wait()
        self.call("SET", "w/k", "6")
        self.assertEqual(values(follow(), 1), ["6"])


if __name__ == "__main__":
    unittest.main()
