#!/usr/bin/env python3
"""Bytes that change under a member: in its log, its store, its identity, in a snapshot on its way.
A damaged member says what is damaged and ends; it never serves what is wrong; the others go on
without an error; with an empty folder it joins again and has everything.
"""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness
from nodes import Cluster
from workload import Load

# What is in the log stays there, and the store holds what a checkpoint was asked for.
ONE_LOG = [
    "--storage.checkpoint-interval-s",
    "3600",
    "--storage.wal-segment-bytes",
    "4MiB",
]
VALUE_BYTES = 20_000
ENDED_SECONDS = 20


def mark(number):
    """Found in a file, it is of this value."""
    return b"<%06d>" % number * 16


def value(number):
    return mark(number) * (VALUE_BYTES // len(mark(number)))


def flip(path, found, at=0):
    """One bit of the byte `at` in every copy of `found` that is there."""
    data = bytearray(path.read_bytes())
    place = data.find(found)
    assert place >= 0, f"{path} does not hold {found}"
    while place >= 0:
        data[place + at] ^= 0x10
        place = data.find(found, place + 1)
    path.write_bytes(data)


def cut(path, to=0.5):
    os.truncate(path, int(path.stat().st_size * to))


def segment_with(data, found):
    return next(path for path in sorted((data / "wal").iterdir()) if found in path.read_bytes())


class CorruptionCase(unittest.TestCase):
    def run(self, result=None):
        failed = len(result.failures + result.errors)
        super().run(result)
        cluster = getattr(self, "cluster", None)
        if cluster is not None and len(result.failures + result.errors) > failed:
            cluster.show_logs()

    def agree(self):
        self.cluster.wait_equal()
        self.assertEqual(self.cluster.differences(), [])


class OnDisk(CorruptionCase):
    """One cluster; each test damages a follower and, in the end, replaces it."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3, arguments=ONE_LOG)
        cls.written = 0

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def write(self, count):
        with harness.Client(self.cluster.wait_leader().port) as client:
            for _ in range(count):
                client.call("SET", f"key:{self.written}", value(self.written))
                type(self).written += 1
        return self.written - 1

    def damaged(self, damage, checkpoint=False):
        """A follower that was stopped and whose folder was then given to `damage`, with the mark of
        a value in the middle of its log, and in its store with `checkpoint`."""
        middle = self.write(20)
        self.write(20)
        self.cluster.wait_equal()
        node = self.cluster.follower()
        if checkpoint:
            self.assertEqual(node.call("RAFT", "SNAPSHOT", timeout=30), "OK")
        node.kill()
        damage(node.folder / "data", mark(middle))
        return node

    def goes_through(self, node, words, reading=False):
        """From a damaged folder to a whole member, while clients use the others. It ends before it
        answers anybody; with `reading` before it has answered for everything."""
        others = [each for each in self.cluster.nodes if each is not node]
        with Load(self.cluster, nodes=lambda: others) as load:
            load.go_on()
            node.launch()
            if reading:
                harness.wait_until(lambda: self.answers(node), "it starts, or has ended")
                self.assertLess(self.reads(node), self.written)
            harness.wait_until(lambda: not node.running(), "it ends by itself", ENDED_SECONDS)
            self.assertEqual(node.process.returncode, 1)
            for word in words:
                self.assertIn(word, node.log().splitlines()[-1])
            self.replaced(node, self.cluster.wait_leader(among=others))
            load.go_on()
        self.assertEqual(load.refusals(), [])
        self.agree()
        self.assertEqual(self.reads(node), self.written)

    def replaced(self, node, asked):
        self.assertEqual(asked.call("RAFT", "REMOVE", node.id, timeout=30), "OK")
        node.wipe()
        node.join = asked
        node.start()
        self.cluster.apply_rules()
        self.cluster.wait_voters(3)

    @staticmethod
    def answers(node):
        try:
            return node.ready()
        except RuntimeError:  # it has ended
            return True

    def reads(self, node):
        """Reads all that was written, there; how many it answered, every one of them rightly."""
        answered = 0
        try:
            with harness.Client(node.port) as client:
                client.call("CLIENT", "CONSISTENCY", "EVENTUAL")
                for number in range(self.written):
                    self.assertEqual(client.call("GET", f"key:{number}"), value(number))
                    answered += 1
        except OSError:
            pass
        return answered

    def test_a_bit_in_the_middle_of_the_log(self):
        node = self.damaged(lambda data, found: flip(segment_with(data, found), found))
        self.goes_through(node, [f"{node.folder}/data/wal/", "damaged at offset", "empty data"])

    def test_a_log_that_was_cut(self):
        node = self.damaged(lambda data, found: cut(segment_with(data, found)))
        self.goes_through(node, [f"{node.folder}/data/wal/", "damaged at offset", "empty data"])

    def test_a_missing_segment_of_the_log(self):
        node = self.damaged(lambda data, found: segment_with(data, found).unlink())
        self.goes_through(node, [f"{node.folder}/data/wal", "empty data folder"])

    def test_a_store_file_without_its_content(self):
        node = self.damaged(lambda data, _: cut(data / "store/keys.wt", 0), checkpoint=True)
        self.goes_through(node, [f"{node.folder}/data/store", "keys.wt", "damaged", "join again"])

    def test_a_store_file_that_was_cut(self):
        """As a page of it: what is behind the cut is missed when it is read."""
        node = self.damaged(lambda data, _: cut(data / "store/keys.wt"), checkpoint=True)
        self.goes_through(node, ["damaged"], reading=True)

    def test_a_bit_in_the_metadata_of_the_store(self):
        node = self.damaged(
            lambda data, _: flip(data / "store/WiredTiger.turtle", b"addr=", 1), checkpoint=True
        )
        self.goes_through(node, [f"{node.folder}/data/store", "damaged", "join again"])

    def test_a_bit_in_a_page_of_the_store(self):
        """Pages are checked when they are read: what is not asked for is not found."""
        node = self.damaged(
            lambda data, found: flip(data / "store/keys.wt", found), checkpoint=True
        )
        self.goes_through(node, ["could not read", "data on disk may be damaged"], reading=True)

    def test_a_bit_in_the_identity(self):
        node = self.damaged(lambda data, _: flip(data / "identity", b"node ", 6))
        self.goes_through(node, [f"{node.folder}/data/identity", "damaged", "backup"])

    def test_an_identity_that_is_gone(self):
        node = self.damaged(lambda data, _: (data / "identity").unlink())
        self.goes_through(node, [f"{node.folder}/data/identity", "not a whole kvorum folder"])


class OnTheWay(CorruptionCase):
    def test_a_snapshot_that_is_damaged_on_its_way(self):
        """In what is said of it, in its first part, in a later one."""
        self.cluster = Cluster(1, arguments=ONE_LOG)
        self.addCleanup(self.cluster.close)
        leader = self.cluster.nodes[0]
        with harness.Client(leader.port) as client:
            for number in range(100):
                client.call("SET", f"key:{number}", value(number))
        self.assertEqual(leader.call("RAFT", "SNAPSHOT", timeout=30), "OK")
        for times, at in enumerate((60, 50_000, 1_000_000), 1):
            node = self.cluster.add_node()
            self.cluster.set_rule(leader, node, damage=at)
            node.start()
            self.cluster.wait_voters(1 + times)
            self.assertEqual(self.cluster.proxy.count("damaged"), times)
            self.assertGreaterEqual(self.cluster.proxy.count("snapshots"), 2 * times)
            self.cluster.heal()
            self.agree()


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
