#!/usr/bin/env python3
"""The network of the cluster tests does what it says, between sockets of the test itself."""

import contextlib
import pathlib
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness
from proxy import Proxy

QUIET_SECONDS = 0.3


class ProxyTest(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.node = self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.node.settimeout(10)
        self.port = harness.free_port()
        self.proxy = Proxy()
        self.addCleanup(self.proxy.close)
        self.proxy.listen(self.port, self.node.getsockname()[1])

    def dial(self, dialler, purpose="link"):
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        self.stack.enter_context(connection)
        greeting = harness.encode("kvorum", 1, purpose, "c" * 32, dialler, 2, "")
        connection.sendall(greeting)
        return connection, greeting

    def linked(self, dialler, purpose="link"):
        connection, greeting = self.dial(dialler, purpose)
        accepted, _ = self.node.accept()
        self.stack.enter_context(accepted)
        accepted.settimeout(10)
        self.assertEqual(self.receive(accepted, len(greeting)), greeting)
        return connection, accepted

    @staticmethod
    def receive(connection, count):
        data = b""
        while len(data) < count:
            piece = connection.recv(count - len(data))
            if not piece:
                break
            data += piece
        return data

    def silent(self, connection):
        connection.settimeout(QUIET_SECONDS)
        try:
            connection.recv(1)
        except TimeoutError:
            return True
        finally:
            connection.settimeout(10)
        return False

    def test_passes_both_ways(self):
        here, there = self.linked(1)
        here.sendall(b"x" * 300_000)
        self.assertEqual(self.receive(there, 300_000), b"x" * 300_000)
        there.sendall(b"+OK\r\n")
        self.assertEqual(self.receive(here, 5), b"+OK\r\n")
        here.close()
        self.assertEqual(there.recv(1), b"")

    def test_holds_one_dialler_and_not_another(self):
        here, there = self.linked(1)
        other, other_there = self.linked(3)
        self.proxy.rules([[1, self.port, {"mode": "hold"}]])
        here.sendall(b"late")
        other.sendall(b"now")
        self.assertEqual(self.receive(other_there, 3), b"now")
        self.assertTrue(self.silent(there))
        self.proxy.rules([])
        self.assertEqual(self.receive(there, 4), b"late")

    def test_cuts_what_stands_and_what_is_dialled_anew(self):
        here, there = self.linked(1)
        self.proxy.rules([[1, self.port, {"mode": "cut"}]])
        for connection in (here, there, self.dial(1)[0]):
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(connection.recv(1), b"")
        self.linked(3)
        self.proxy.rules([])
        self.linked(1)

    def test_delays_and_keeps_the_order(self):
        self.proxy.rules([[1, self.port, {"delay_ms": 50, "jitter_ms": 50}]])
        here, there = self.linked(1)
        before = time.monotonic()
        for i in range(20):
            here.sendall(b"%02d" % i)
        data = self.receive(there, 40)
        self.assertGreater(time.monotonic() - before, 0.05)
        self.assertEqual(data, b"".join(b"%02d" % i for i in range(20)))

    def test_narrows(self):
        self.proxy.rules([[1, self.port, {"rate": 100_000}]])
        here, there = self.linked(1)
        before = time.monotonic()
        here.sendall(b"x" * 50_000)
        self.receive(there, 50_000)
        self.assertGreater(time.monotonic() - before, 0.4)

    def test_narrows_all_connections_of_a_direction_together_and_lets_them_take_turns(self):
        self.proxy.rules([[1, self.port, {"rate": 1_000_000}]])
        large, large_there = self.linked(1, "bulk")
        small, small_there = self.linked(1)
        before = time.monotonic()
        large.sendall(b"x" * 600_000)
        longest = 0
        for _ in range(5):
            sent = time.monotonic()
            small.sendall(b"y")
            self.receive(small_there, 1)
            longest = max(longest, time.monotonic() - sent)
        self.assertLess(longest, 0.3)
        self.assertEqual(self.receive(large_there, 600_000), b"x" * 600_000)
        self.assertGreater(time.monotonic() - before, 0.5)

    def test_damages_one_bit_of_one_snapshot(self):
        self.proxy.rules([[1, self.port, {"damage": 100_000}]])
        sent = bytes(150_000)
        for purpose, damaged in (("link", []), ("snapshot", [100_000]), ("snapshot", [])):
            here, there = self.linked(1, purpose)
            here.sendall(sent)
            got = self.receive(there, len(sent))
            self.assertEqual([at for at in range(len(sent)) if got[at] != sent[at]], damaged)
        self.assertEqual(self.proxy.count("snapshots"), 2)
        self.assertEqual(self.proxy.count("damaged"), 1)

    def test_flaps(self):
        self.proxy.rules([[1, self.port, {"mode": "hold", "flap_ms": 100}]])
        here, there = self.linked(1)
        longest, last = 0, time.monotonic()
        for _ in range(100):
            here.sendall(b"x")
            self.receive(there, 1)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
            if longest > 0.05:
                return
            time.sleep(0.005)
        self.fail(f"nothing took longer than {longest} s")

    def test_a_stranger_passes(self):
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        self.stack.enter_context(connection)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        accepted, _ = self.node.accept()
        self.stack.enter_context(accepted)
        self.assertEqual(self.receive(accepted, 16), b"GET / HTTP/1.1\r\n")


if __name__ == "__main__":
    sys.exit(unittest.main())
