#!/usr/bin/env python3
"""Disks that are slow or fail under a cluster at work. A slow one delays no heartbeat, so nobody is
elected, and as long as it is one of three it slows down no write of the others. One that fails ends
its node at once; the others go on and nothing acknowledged is lost.
"""

import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness
from nodes import Cluster
from workload import Load

LEADER_SYNC_SECONDS = 0.2
FOLLOWER_SYNC_SECONDS = 0.5
LASTS_SECONDS = 2.0  # many election timeouts
ENDED_SECONDS = 5


class DiskFaults(unittest.TestCase):
    """On one cluster of three, whole again after each."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3, faulty_disks=True)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def setUp(self):
        self.cluster.restore()
        self.leader = self.cluster.wait_leader()
        self.term = self.leader.status()["term"]

    def tearDown(self):
        self.cluster.restore()
        self.cluster.wait_equal()
        self.assertEqual(self.cluster.differences(), [])

    def run(self, result=None):
        failed = len(result.failures + result.errors)
        super().run(result)
        if len(result.failures + result.errors) > failed:
            self.cluster.show_logs()

    def seconds_of_a_write(self, node):
        """The answer comes when it is durable there."""
        with harness.Client(node.port) as client:
            began = time.monotonic()
            self.assertEqual(client.call("SET", "timed", "x"), "OK")
            return time.monotonic() - began

    def nobody_was_elected(self):
        self.assertIs(self.cluster.wait_leader(), self.leader)
        self.assertEqual(self.leader.status()["term"], self.term)

    def test_a_leader_with_a_slow_disk_keeps_leading(self):
        with Load(self.cluster) as load:
            load.go_on()
            self.leader.disk.slow(LEADER_SYNC_SECONDS)
            load.go_on(100, seconds=LASTS_SECONDS)
            self.assertGreater(self.seconds_of_a_write(self.leader), LEADER_SYNC_SECONDS)
            self.nobody_was_elected()
            self.assertEqual(load.refusals(), [])

    def test_a_follower_with_a_slow_disk_slows_down_nobody(self):
        follower = self.cluster.follower()
        follower.disk.slow(FOLLOWER_SYNC_SECONDS)
        with harness.Client(self.leader.port) as client:
            began = time.monotonic()
            writes = 0
            while time.monotonic() < began + LASTS_SECONDS:
                self.assertEqual(client.call("SET", f"key:{writes}", "x"), "OK")
                writes += 1
        # One that waited for it would take half a second each.
        self.assertGreater(writes, 10 * LASTS_SECONDS / FOLLOWER_SYNC_SECONDS)
        self.assertGreater(self.seconds_of_a_write(follower), FOLLOWER_SYNC_SECONDS)
        self.nobody_was_elected()

    def test_all_disks_are_slow(self):
        with Load(self.cluster) as load:
            for node in self.cluster.nodes:
                node.disk.slow(LEADER_SYNC_SECONDS)
            load.go_on(100, seconds=LASTS_SECONDS)
            for node in self.cluster.nodes:
                self.assertGreater(self.seconds_of_a_write(node), LEADER_SYNC_SECONDS)
            self.nobody_was_elected()
            self.assertEqual(load.refusals(), [])

    def failing(self, node):
        """It ends; the others go on; it comes back when its disk is well."""
        with Load(self.cluster) as load:
            load.go_on()
            node.disk.fail()
            harness.wait_until(lambda: not node.running(), "the node ends", ENDED_SECONDS)
            self.assertEqual(node.process.returncode, 1)
            said = node.log().splitlines()[-1]
            self.assertIn("kvorum: fatal: write-ahead log: ", said)
            self.assertIn(f"{node.folder}/data/wal/", said)
            self.assertIn("Input/output error", said)
            others = [each for each in self.cluster.nodes if each is not node]
            self.cluster.wait_leader(among=others)
            load.go_on()
            node.disk.well()
            node.start()
            load.go_on()

    def test_the_disk_of_the_leader_fails(self):
        self.failing(self.leader)

    def test_the_disk_of_a_follower_fails(self):
        self.failing(self.cluster.follower())

    def test_a_node_whose_disk_fails_does_not_start(self):
        node = self.cluster.follower()
        node.kill()
        node.disk.fail()
        node.launch()
        harness.wait_until(lambda: not node.running(), "the node ends", ENDED_SECONDS)
        self.assertEqual(node.process.returncode, 1)
        self.assertIn("Input/output error", node.log().splitlines()[-1])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
