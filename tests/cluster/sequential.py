"""Judges eventual reads. One writer gives the keys of a set one version after the other, 1, 2,
3..., key by key in turn. What one connection reads may be old, but is a state that the set once
had, and never an older one than the connection has seen.

So a read of version n shows everything that was acknowledged before n was written: the next read of
any key on that connection finds at least the newest acknowledged version of it that is not above n.
"""

import bisect


class WentBack(Exception):
    """A connection read a state from before one that it had seen, or one that never was."""


class Versions:
    """What the writer knows. Version n is of key n % keys."""

    def __init__(self, keys):
        self.keys = keys
        self.sent = 0
        self.acknowledged = [[] for _ in range(keys)]

    def send(self):
        self.sent += 1
        return self.sent

    def acknowledge(self, version):
        self.acknowledged[version % self.keys].append(version)

    def least(self, key, seen):
        """The oldest version of `key` that a state with version `seen` of some key may hold."""
        versions = self.acknowledged[key]
        position = bisect.bisect_right(versions, seen)
        return versions[position - 1] if position else 0


class Reader:
    """One connection: reads are judged once the writer is done."""

    def __init__(self, name):
        self.name = name
        self.reads = []  # (key, version, the newest version sent by then)

    def read(self, key, version, sent):
        self.reads.append((key, version, sent))

    def judge(self, versions):
        newest, of_key = 0, [0] * versions.keys
        for number, (key, version, sent) in enumerate(self.reads):
            where = f"{self.name}, read {number}: key {key} has version {version}"
            if version > sent or (version and version % versions.keys != key):
                raise WentBack(f"{where}, which was not written by then")
            if version < of_key[key]:
                raise WentBack(f"{where} after it had {of_key[key]}")
            if version < versions.least(key, newest):
                raise WentBack(
                    f"{where}, but another key had {newest} before: {versions.least(key, newest)} "
                    "was acknowledged by then"
                )
            of_key[key] = version
            newest = max(newest, version)
