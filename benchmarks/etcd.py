"""A cluster of etcd processes on loopback, with etcd's default settings and so its own fsync."""

import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import urllib.request

from common import harness

START_SECONDS = 60


class Member:
    def __init__(self, number, folder):
        self.name = f"etcd{number}"
        self.folder = folder / self.name
        self.port = harness.free_port()
        self.client_url = f"http://127.0.0.1:{self.port}"
        self.peer_url = f"http://127.0.0.1:{harness.free_port()}"
        self.process = None

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.port}"

    def launch(self, members, log):
        self.process = subprocess.Popen(
            ["etcd", "--name", self.name, "--data-dir", str(self.folder)]
            + ["--listen-client-urls", self.client_url, "--advertise-client-urls", self.client_url]
            + ["--listen-peer-urls", self.peer_url, "--initial-cluster-state", "new"]
            + ["--initial-advertise-peer-urls", self.peer_url, "--initial-cluster"]
            + [",".join(f"{member.name}={member.peer_url}" for member in members)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=harness.die_with_parent,
        )

    def status(self):
        """Over etcd's JSON gateway, or None when it does not answer."""
        request = urllib.request.Request(f"{self.client_url}/v3/maintenance/status", b"{}")
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None


class Etcd:
    """Three members, by default; use as a context."""

    def __init__(self, parent, size=3):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="etcd-", dir=parent))
        self.nodes = [Member(number, self.folder) for number in range(1, size + 1)]

    def __enter__(self):
        try:
            with open(self.folder / "log", "ab") as log:
                for node in self.nodes:
                    node.launch(self.nodes, log)
            self.wait_leader()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for node in self.nodes:
            if node.process is not None:
                node.process.terminate()
        for node in self.nodes:
            if node.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    node.process.wait(10)
                node.process.kill()
                node.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def leader(self):
        """The member that all take for the leader, or None."""
        statuses = [node.status() for node in self.nodes]
        if not all(statuses):
            return None
        leaders = {status.get("leader", "0") for status in statuses}
        for node, status in zip(self.nodes, statuses):
            if leaders == {status["header"]["member_id"]}:
                return node
        return None

    def wait_leader(self):
        for node in self.nodes:
            if node.process.poll() is not None:
                log = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{node.name} ended:\n{log}")
        return harness.wait_until(self.leader, "a leader of etcd", START_SECONDS, 0.05)

    @staticmethod
    def version():
        done = subprocess.run(["etcd", "--version"], capture_output=True, text=True)
        return done.stdout.split("\n", 1)[0].removeprefix("etcd Version: ")
