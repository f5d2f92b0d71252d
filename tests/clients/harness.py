"""What the tests that run real processes share: a server on a free port with a folder of its own, a
RESP client on a bare socket, and checks that print one line each.

The server is kvorum at $KVORUM_BINARY; `--server redis` on a test's command line puts a real
redis-server in its place, which proves the tests of everything Redis defines. Only processes
started here are ever signalled, and a server never outlives the test that started it.
"""

import argparse
import collections
import contextlib
import ctypes
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77
START_SECONDS = 30
PR_SET_PDEATHSIG = 1

_ports_given = set()


def free_port():
    """A port nobody listens on, below the range the kernel gives to outgoing connections, so that a
    server that was killed finds it free again."""
    while True:
        port = random.randrange(12000, 32000)
        if port in _ports_given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _ports_given.add(port)
        return port


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(condition, what, seconds=START_SECONDS, pause=0.002):
    """Polls `condition` until it is true; raises with `what` when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds} s still not: {what}")
        time.sleep(pause)


class ReplyError(Exception):
    """An error reply; its text is the reply without the leading dash."""


class Push(list):
    """A RESP3 push: out of band, never the reply to a command."""


class Client:
    """A RESP2/RESP3 client on a bare socket: what it sends is exactly what a test says."""

    def __init__(self, port, host="127.0.0.1", timeout=10.0, path=None):
        if path is None:
            self.socket = socket.create_connection((host, port), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(path)
        self.input = self.socket.makefile("rb", 65536)
        self.pushes = collections.deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.input.close()
        self.socket.close()

    def send(self, *arguments):
        self.socket.sendall(encode(*arguments))

    def send_raw(self, data):
        self.socket.sendall(data)

    def read(self):
        """The next value, whatever it is; an error reply is returned, not raised."""
        line = self.input.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        if kind == b"(":
            return int(rest)
        count = int(rest)
        if count < 0:
            return None
        if kind in b"$=!":
            data = self.input.read(count + 2)
            if len(data) != count + 2:
                raise ConnectionError("the server closed the connection inside a reply")
            body = data[:-2]
            return ReplyError(body.decode()) if kind == b"!" else body[4:] if kind == b"=" else body
        if kind in b"*~":
            return [self.read() for _ in range(count)]
        if kind == b">":
            return Push(self.read() for _ in range(count))
        if kind == b"%":
            return {freeze(self.read()): self.read() for _ in range(count)}
        raise ValueError(f"not RESP: {line!r}")

    def reply(self):
        """The next reply to a command; pushes on the way are put into `pushes`."""
        while True:
            value = self.read()
            if not isinstance(value, Push):
                return value
            self.pushes.append(value)

    def call(self, *arguments):
        """One command and its reply; an error reply is raised."""
        self.send(*arguments)
        value = self.reply()
        if isinstance(value, ReplyError):
            raise value
        return value

    def pipeline(self, commands):
        """All commands in one write, then all replies; errors are returned in their place."""
        self.send_raw(b"".join(encode(*command) for command in commands))
        return [self.reply() for _ in commands]

    def message(self):
        """The next pub/sub message or confirmation, in either protocol."""
        return self.pushes.popleft() if self.pushes else self.read()


def encode(*arguments):
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        if isinstance(argument, str):
            argument = argument.encode()
        elif not isinstance(argument, bytes):
            argument = str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
    return b"".join(parts)


def freeze(value):
    return tuple(value) if isinstance(value, list) else value


class Server:
    """One server process on its own folder. The port stays the same over restarts."""

    def __init__(self, kind, arguments=(), parent=None):
        """`parent` is where the folder is made; by default where temporary files are."""
        self.kind = kind
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kvorum-test-", dir=parent))
        self.port = free_port()
        self.unix_socket = str(self.folder / "socket")
        self.arguments = list(arguments)
        self.process = None
        self.ended = False  # by `stop`
        self.output = open(self.folder / "output", "ab")

    def command(self):
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        if self.kind == "redis":
            return [
                "redis-server",
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--dir",
                str(data),
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--save",
                "",
                "--unixsocket",
                self.unix_socket,
                "--enable-debug-command",
                "yes",
                *self.arguments,
            ]
        return [
            binary(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--data-dir",
            str(data),
            "--unix-socket",
            self.unix_socket,
            *self.arguments,
        ]

    def launch(self):
        """Starts the process and does not wait for it."""
        self.ended = False
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )

    def start(self):
        self.launch()
        wait_until(self.ready, f"{self.kind} answers PING on port {self.port}")
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log()}")
        try:
            with Client(self.port) as client:
                client.send("PING")
                answer = client.reply()
        except OSError:
            return False
        return answer == "PONG" or str(answer).startswith("NOAUTH")

    def kill(self):
        """kill -9, and gone when this returns."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=START_SECONDS):
        """SIGTERM; the exit code."""
        self.process.terminate()
        self.ended = True
        return self.process.wait(seconds)

    def restart(self):
        self.kill()
        return self.start()

    def client(self):
        return Client(self.port)

    def log(self):
        return (self.folder / "output").read_text(errors="replace")[-4000:]

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def binary():
    path = os.environ.get("KVORUM_BINARY", str(ROOT / "build/release/kvorum"))
    if not os.access(path, os.X_OK):
        sys.exit(f"there is no server at {path}: build it, or set KVORUM_BINARY")
    return path


@contextlib.contextmanager
def running(kind, *arguments, parent=None):
    """A started server, removed with its folder at the end. It has to be alive then and to end
    well, which is also when a sanitizer has its say; its log is shown when the test fails."""
    server = Server(kind, arguments, parent)
    try:
        yield server.start()
        if not server.ended:
            code = server.stop()
            if code != 0:
                raise RuntimeError(f"the server ended with {code}")
    except BaseException:
        print(f"--- log of the server\n{server.log()}--- end of the log", flush=True)
        raise
    finally:
        server.close()


class Checks:
    """Counts and prints; `finish` is the exit code."""

    def __init__(self):
        self.failed = 0

    def that(self, name, condition, detail=""):
        if not condition:
            self.failed += 1
        print(
            f"{'ok  ' if condition else 'FAIL'} {name}"
            f"{': ' + str(detail) if detail != '' and not condition else ''}",
            flush=True,
        )
        return bool(condition)

    def equal(self, name, got, want):
        return self.that(name, got == want, f"got {got!r}, want {want!r}")

    def contains(self, name, text, part):
        return self.that(name, part in text, f"no {part!r} in {text!r}")

    def raises(self, name, error, call, word=""):
        """`call` raises `error` whose text holds `word`."""
        try:
            got = call()
        except error as raised:
            return self.that(name, word in str(raised), f"raised {raised!r}, without {word!r}")
        return self.that(name, False, f"returned {got!r} instead of raising {error.__name__}")

    def finish(self):
        print(f"{self.failed} check(s) failed" if self.failed else "all checks passed", flush=True)
        return 1 if self.failed else 0


def missing(what):
    """Ends the test: skipped on a developer's machine, failed where everything has to be there."""
    print(f"{what} is not installed")
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def require_program(name):
    if shutil.which(name) is None:
        missing(name)


def parser(description):
    """The command line all tests have: --server kvorum|redis."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument(
        "--server",
        choices=["kvorum", "redis"],
        default="kvorum",
        help="which server to run against (default: kvorum)",
    )
    return arguments
