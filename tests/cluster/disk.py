"""A node's disk that can be made slow or failing while the node runs: disk_faults.cc stands between
the process and its syncs. What is not a sync is as quick as always.
"""

import errno
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def library():
    built = ROOT / "build/release/tests/libdisk_faults.so"
    return os.environ.get("KVORUM_DISK_LIBRARY", str(built))


class Disk:
    def __init__(self, folder):
        """What a process syncs below `folder` is concerned."""
        self.folder = folder
        self.control = folder / "disk-faults"
        self.well()

    def prefix(self):
        """What a command line begins with whose process is to have this disk."""
        if not os.access(library(), os.R_OK):
            raise RuntimeError(f"there is no library at {library()}: build disk_faults")
        return [
            "env",
            f"LD_PRELOAD={library()}",
            f"KVORUM_FAULTY_FOLDER={self.folder}",
            f"KVORUM_DISK_FAULTS={self.control}",
        ]

    def well(self):
        self.write("")

    def slow(self, seconds):
        """Every sync takes so much longer."""
        self.write(f"delay {int(seconds * 1000)}")

    def fail(self, error=errno.EIO):
        self.write(f"fail {error}")

    def write(self, text):
        """At once: no call finds a part of it."""
        new = self.control.with_suffix(".new")
        new.write_text(text)
        new.rename(self.control)
