#!/usr/bin/env python3
"""A disk that really fills up: a small file system of its own. Writes are refused with NOSPACE and
reads go on; with room again writes go on; nothing acknowledged is lost, also not by kill -9 in the
middle. Skipped where this process may not mount.
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness  # noqa: E402

DISK_BYTES = 192 << 20
BALLAST_BYTES = 48 << 20
VALUE = b"x" * 20_000
ARGUMENTS = [
    "--storage.min-free-bytes",
    "32MiB",
    "--storage.wal-segment-bytes",
    "4MiB",
    "--storage.cache-bytes",
    "32MiB",
    "--server.max-command-bytes",
    "8MiB",
    "--server.max-bulk-bytes",
    "8MiB",
    "--storage.max-value-bytes",
    "4MiB",
]


class SmallDisk:
    """A tmpfs of DISK_BYTES; None to be had without the right to mount."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="kvorum-disk-"))
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", self.path],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            self.path.rmdir()
            raise unittest.SkipTest(f"can't mount: {mounted.stderr.strip()}")
        return self.path

    def __exit__(self, *_):
        subprocess.run(["umount", self.path], check=True)
        self.path.rmdir()


class DiskFull(unittest.TestCase):
    def fill(self, client, first):
        """Writes until it is refused; the number after the last acknowledged one."""
        number = first
        while True:
            try:
                client.call("SET", f"key:{number}", VALUE + str(number).encode())
            except harness.ReplyError as refused:
                self.assertTrue(str(refused).startswith("NOSPACE"), refused)
                return number
            number += 1
            self.assertLess(number * len(VALUE), 2 * DISK_BYTES, "the disk never filled up")

    def check_all(self, client, count):
        self.assertEqual(client.call("DBSIZE"), count)
        for number in range(count):
            self.assertEqual(client.call("GET", f"key:{number}"), VALUE + str(number).encode())

    def writable(self, client):
        try:
            client.call("SET", "key:0", VALUE + b"0")
            return True
        except harness.ReplyError:
            return False

    def test_refuses_writes_until_there_is_room(self):
        with SmallDisk() as disk:
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(BALLAST_BYTES))
            server = harness.Server("kvorum", ARGUMENTS, parent=disk)
            try:
                server.start()
                self.go_through(server, ballast)
            except OSError:
                self.fail(f"the server is gone:\n{server.log()}")
            finally:
                server.close()

    def go_through(self, server, ballast):
        with server.client() as client:
            count = self.fill(client, 0)
            self.assertGreater(count, 100)
            self.check_all(client, count)
            ballast.unlink()
            harness.wait_until(lambda: self.writable(client), "writes after there was room")
            count = self.fill(client, count)
            self.check_all(client, count)
        server.kill()
        server.start()
        with server.client() as client:
            self.check_all(client, count)


if __name__ == "__main__":
    unittest.main()
