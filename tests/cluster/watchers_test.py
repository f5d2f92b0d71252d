#!/usr/bin/env python3
"""Watchers that move from node to node while faults strike: nothing is missed while the history is
long enough, and what is missed is told when it is not."""

import os
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness
from events import History
from nemesis import Nemesis
from nodes import SMALL, Cluster
from watchers import ARGUMENTS, Watcher, Watchers, floor_of, last_change
from workload import Load

ROUNDS = int(os.environ.get("KVORUM_CLUSTER_ROUNDS", "1"))
SHORT_HISTORY = ["--watch.history.max-bytes", "20000", "--watch.progress-interval-ms", "300"]
SMALL_QUEUES = ["--watch.watcher-buffer-size", "50", "--watch.event-queue-size", "20"]
# More than the sockets and a watcher's output hold, in parts that the witness keeps up with.
FLOODS, FLOOD_WRITES, FLOOD_BYTES = 25, 20, 16_000


class WatchersTest(unittest.TestCase):
    def test_they_miss_nothing_through_faults(self):
        with Cluster(3, [*SMALL, *ARGUMENTS, "--server.io-threads", "2"]) as cluster:
            seed = random.randrange(2**32)
            nemesis = Nemesis(cluster, random.Random(seed), print)
            faults = [
                nemesis.kill,
                nemesis.hang,
                nemesis.isolate,
                nemesis.kill_many,
                nemesis.transfer,
                nemesis.replace,
            ]
            for _ in range(ROUNDS):
                with Watchers(cluster, seed) as watchers:
                    with Load(cluster, clients=6, seed=seed) as load:
                        watchers.follow(load)
                        load.go_on()
                        for fault in faults:
                            fault()
                            cluster.restore()
                            load.go_on(100)
                    cluster.wait_equal()
                    watchers.judge(load)
                self.assertGreater(watchers.counts()["told event"], 1000)

    def test_they_are_told_what_was_compacted(self):
        with Cluster(1, [*SMALL, *SHORT_HISTORY]) as cluster:
            cluster.arguments += SMALL_QUEUES
            for _ in range(2):
                cluster.join()
            cluster.wait_voters(3)
            home = cluster.nodes[0]
            with Watchers(cluster) as watchers:
                witness = watchers.start(Watcher, watchers.stream("*"), home=home)
                with Load(cluster, clients=4) as load:
                    watchers.follow(load)
                    load.go_on()
                    self.oversleep(watchers, witness, cluster.nodes[1])
                    self.strike(cluster, cluster.nodes[1:], load)
                cluster.wait_equal()
                end = last_change(home)
                watchers.finish(end)
                seen = [told.event for told in witness.streams[0].told if told.event]
                floor = max(floor_of(node) for node in cluster.nodes)
                watchers.judge(load, History(seen, watchers.after, end, floor))
            print(dict(watchers.counts()), f"floor {floor}, end {end}")
            for what in ("told lost", "told compacted"):
                self.assertGreater(watchers.counts()[what], 0, what)

    @staticmethod
    def oversleep(watchers, witness, home):
        """A watcher reads nothing until what it was not sent yet is compacted."""
        sleeper = watchers.start(Watcher, watchers.stream("*"), slow=True, home=home).streams[0]
        harness.wait_until(lambda: sleeper.told, "the sleeper was told something")
        watchers.asleep.set()
        with harness.Client(home.port) as client:
            for _ in range(FLOODS):
                client.pipeline([("SET", "flood", "x" * FLOOD_BYTES)] * FLOOD_WRITES)
                reached = last_change(home)
                harness.wait_until(
                    lambda reached=reached: witness.reached(reached), "the witness has seen all"
                )
        watchers.asleep.clear()
        harness.wait_until(
            lambda: any(told.what == "lost" for told in list(sleeper.told)),
            "the sleeper is told of its loss",
        )

    @staticmethod
    def strike(cluster, nodes, load):
        for node in nodes:
            node.pause()
            load.go_on(200)
            node.resume()
            load.go_on(100)
            node.kill()
            load.go_on(200)
            node.start()
            cluster.wait_voters(3)
            cluster.isolate(node, "cut")
            load.go_on(200)
            cluster.heal()
            load.go_on(100)


if __name__ == "__main__":
    sys.exit(unittest.main())
