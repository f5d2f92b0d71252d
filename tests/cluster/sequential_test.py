#!/usr/bin/env python3
"""The judge of eventual reads is judged."""

import random
import sys
import unittest

from sequential import Reader, Versions, WentBack


def written(count, keys=3, lost=()):
    versions = Versions(keys)
    for _ in range(count):
        version = versions.send()
        if version not in lost:
            versions.acknowledge(version)
    return versions


class SequentialTest(unittest.TestCase):
    def judge(self, versions, *reads):
        reader = Reader("a connection")
        for read in reads:
            reader.read(*read)
        reader.judge(versions)

    def refused(self, versions, *reads):
        with self.assertRaises(WentBack):
            self.judge(versions, *reads)

    def test_accepts_the_states_of_any_lagging_replica(self):
        for seed in range(200):
            chance = random.Random(seed)
            lost = {version for version in range(1, 61) if chance.random() < 0.1}
            versions = written(60, 3, lost)
            took_effect = [v for v in range(1, 61) if v not in lost or chance.random() < 0.5]
            reader, position = Reader("r"), 0
            while position < len(took_effect):
                position += chance.randrange(4)
                state = took_effect[:position]
                key = chance.randrange(3)
                version = max((v for v in state if v % 3 == key), default=0)
                reader.read(key, version, 60)
            reader.judge(versions)

    def test_refuses_a_key_that_goes_back(self):
        self.judge(written(9), (1, 4, 9), (1, 4, 9), (1, 7, 9))
        self.refused(written(9), (1, 7, 9), (1, 4, 9))
        self.refused(written(9), (1, 1, 9), (1, 0, 9))

    def test_refuses_another_key_from_before(self):
        self.judge(written(9), (1, 7, 9), (2, 5, 9))
        self.refused(written(9), (1, 7, 9), (2, 2, 9))

    def test_a_version_of_unknown_fate_may_be_missing(self):
        self.judge(written(9, lost={5}), (1, 7, 9), (2, 2, 9))
        self.refused(written(9, lost={5}), (1, 7, 9), (2, 5, 9), (2, 2, 9))

    def test_refuses_a_version_from_the_future(self):
        self.refused(written(9), (1, 7, 6))

    def test_refuses_the_version_of_another_key(self):
        self.refused(written(9), (2, 7, 9))


if __name__ == "__main__":
    sys.exit(unittest.main())
