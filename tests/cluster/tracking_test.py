#!/usr/bin/env python3
"""CLIENT TRACKING in a cluster: what a client has read on one node it may keep until that node
says otherwise, whichever node the change came through and whatever happens to the nodes meanwhile.
"""

import pathlib
import random
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness
from nodes import SMALL, Cluster

KEYS = [f"key:{number}" for number in range(8)]
VALUE_BYTES = 64 * 1024
BIG_WRITES = 200  # more log than is kept


class CachingClient:
    """Reads what it has not, and forgets what it is told to."""

    def __init__(self, node, *options):
        self.client = harness.Client(node.port, timeout=30)
        self.client.call("HELLO", "3")
        # What this node has, be it behind: the hardest for a cache.
        self.client.call("CLIENT", "CONSISTENCY", "EVENTUAL")
        self.client.call("CLIENT", "TRACKING", "ON", *options)
        self.cache = {}

    def call(self, *command):
        """The reply. Pushes before it are heeded, in their order."""
        self.client.send(*command)
        while True:
            value = self.client.read()
            if not isinstance(value, harness.Push):
                return value
            self.heed(value)

    def heed(self, push):
        kind, keys = push
        assert kind == b"invalidate", push
        if keys is None:
            self.cache.clear()
        for key in keys or ():
            self.cache.pop(key.decode(), None)

    def get(self, key):
        if key not in self.cache:
            self.cache[key] = self.call("GET", key)
        return self.cache[key]

    def wait_for(self, key):
        """Until it is told to forget `key`."""
        while key in self.cache:
            self.heed(self.client.read())


class Tracking(unittest.TestCase):
    def caching(self, node, *options):
        client = CachingClient(node, *options)
        self.addCleanup(client.client.close)
        return client

    def test_a_follower_tells_its_readers_of_changes_through_every_node(self):
        with Cluster(3) as cluster:
            reader = self.caching(cluster.follower())
            for writer in cluster.nodes:
                with writer.client() as client:
                    client.call("SET", "k", writer.name)
                    harness.wait_until(
                        lambda writer=writer: reader.call("GET", "k") == b"%d" % writer.name,
                        "the follower has the value",
                    )
                    for change in (("INCR", "k"), ("EXPIRE", "k", 100), ("DEL", "k")):
                        reader.get("k")
                        client.call(*change)
                        reader.wait_for("k")
                    client.call("SET", "k", "1", "PX", "400")
                    reader.get("k")
                    reader.wait_for("k")

    def test_a_follower_knows_the_writes_of_its_own_clients(self):
        with Cluster(3) as cluster:
            node = cluster.follower()
            plain, no_loop = self.caching(node), self.caching(node, "NOLOOP")
            with cluster.wait_leader().client() as other:
                for number in range(50):
                    for client in (plain, no_loop):
                        client.call("MGET", "mine", "fence")
                    plain.client.send("SET", "mine", number)
                    self.assertEqual(plain.client.read(), "OK")
                    self.assertEqual(plain.client.read(), [b"invalidate", [b"mine"]])
                    self.assertEqual(no_loop.client.read(), [b"invalidate", [b"mine"]])
                    no_loop.call("GET", "mine")
                    self.assertEqual(no_loop.call("SET", "mine", number), "OK")
                    other.call("SET", "fence", number)
                    for client in (plain, no_loop):
                        self.assertEqual(client.client.read(), [b"invalidate", [b"fence"]])

    def test_a_change_that_came_by_a_snapshot(self):
        with Cluster(3, [*SMALL, "--raft.max-tail-bytes", "1048576"]) as cluster:
            behind = cluster.follower()
            reader = self.caching(behind)
            with cluster.wait_leader().client() as writer:
                writer.call("SET", "changed", "old")
                harness.wait_until(
                    lambda: reader.call("GET", "changed") == b"old", "the follower has the value"
                )
                reader.get("changed")
                cluster.isolate(behind)
                writer.call("SET", "changed", "new")
                for _ in range(BIG_WRITES):
                    writer.call("SET", "big", "x" * VALUE_BYTES)
                index = behind.status()["applied_index"]
                others = [node for node in cluster.nodes if node is not behind]
                leader = cluster.wait_leader(among=others)
                harness.wait_until(
                    lambda: leader.status()["snapshot_index"] > index, "the log begins later"
                )
                self.assertEqual(reader.get("changed"), b"old")
            cluster.heal()
            reader.wait_for("changed")
            self.assertEqual(reader.get("changed"), b"new")
            self.assertIn("installing a snapshot", behind.log())

    def test_caches_hold_nothing_that_is_not_so_after_faults(self):
        for options in ((), ("BCAST",)):
            with self.subTest(options=options), Cluster(3) as cluster:
                self.caches_are_right_after_faults(cluster, options)

    def caches_are_right_after_faults(self, cluster, options):
        clients = [self.caching(node, *options) for node in cluster.nodes for _ in range(2)]
        over = threading.Event()
        threads = [
            threading.Thread(target=use, args=(client, random.Random(seed), over))
            for seed, client in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        for _ in range(3):
            leader = cluster.wait_leader()
            leader.pause()
            cluster.wait_leader(other_than=leader)
            leader.resume()
            cluster.wait_voters(3)
        over.set()
        for thread in threads:
            thread.join()
        cluster.wait_equal()
        with cluster.wait_leader().client() as judge:
            for client in clients:
                harness.wait_until(lambda client=client: right(client, judge), "a cache is right")


def use(client, chance, over):
    while not over.is_set():
        key = chance.choice(KEYS)
        kind = chance.random()
        if kind < 0.7:
            client.get(key)
        elif kind < 0.8:
            client.call("SET", key, chance.randrange(1000), "PX", "5")
        else:
            client.call("SET", key, chance.randrange(1000))  # whatever it answers


def right(client, judge):
    client.call("PING")
    return all(judge.call("GET", key) == value for key, value in client.cache.items())


if __name__ == "__main__":
    unittest.main()
