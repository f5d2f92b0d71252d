"""A cluster of real processes on this machine: nodes on free ports, each behind a network of their
own (proxy.py), that join, die, hang, are cut off and come back. Nothing here sleeps: what takes
time is waited for by its condition.

Nodes are started by the thread that made the Cluster, and end with it at the latest.
"""

import itertools
import pathlib
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness  # noqa: E402
from disk import Disk  # noqa: E402
from proxy import Proxy  # noqa: E402

WAIT_SECONDS = 30
STATUS_SECONDS = 2.0

# Checkpoints, new log segments and compactions every few seconds instead of every minute.
SMALL = [
    "--storage.checkpoint-interval-s",
    "2",
    "--storage.checkpoint-log-bytes",
    "1048576",
    "--storage.wal-segment-bytes",
    "1048576",
]


def pairs(flat):
    """A map as RESP2 shows it."""
    return {key.decode(): value for key, value in zip(flat[::2], flat[1::2])}


class Node(harness.Server):
    """One member, or one that was or will be."""

    def __init__(self, name, parent, join, arguments, proxied, faulty_disk):
        super().__init__("kvorum", parent=parent)
        self.name = name
        self.disk = Disk(self.folder) if faulty_disk else None
        self.peer_port = harness.free_port()
        # Where others reach it; in the proxy, when there is one.
        self.address_port = harness.free_port() if proxied else self.peer_port
        self.join = join
        self.id = 0  # of its data folder; known once it answers
        self.paused = False
        self.extra = list(arguments)

    @property
    def address(self):
        return f"127.0.0.1:{self.address_port}"

    def command(self):
        self.arguments = [
            "--peer-port",
            str(self.peer_port),
            "--raft.advertise",
            self.address,
            *self.extra,
        ]
        if self.join is not None:
            self.arguments += ["--join", self.join.address]
        command = super().command()
        return command if self.disk is None else self.disk.prefix() + command

    def start(self):
        super().start()
        status = self.status()
        self.id = int(status["node"]) if status else self.id
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def call(self, *command, timeout=STATUS_SECONDS):
        with harness.Client(self.port, timeout=timeout) as client:
            return client.call(*command)

    def status(self):
        """RAFT STATUS, or None when the node does not answer."""
        if not self.running() or self.paused:
            return None
        try:
            status = pairs(self.call("RAFT", "STATUS"))
        except (OSError, harness.ReplyError):
            return None
        return {
            key: int(value) if value.isdigit() else value.decode() for key, value in status.items()
        }

    def members(self):
        """RAFT MEMBERS as this node sees it, or None when it does not answer."""
        try:
            return [pairs(member) for member in self.call("RAFT", "MEMBERS")]
        except (OSError, harness.ReplyError):
            return None

    def pause(self):
        self.paused = True
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def kill(self):
        self.paused = False
        super().kill()

    def wipe(self):
        """A new disk: it has to join anew, under a new id."""
        shutil.rmtree(self.folder / "data")
        self.id = 0


class Cluster:
    def __init__(
        self, size=3, arguments=SMALL, keep=False, proxied=True, faulty_disks=False, parent=None
    ):
        """Without the proxy the network is the machine's own, and nothing can be done to it; with
        `faulty_disks` something can be done to those (Node.disk)."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kvorum-cluster-", dir=parent))
        self.arguments = list(arguments)
        self.keep = keep
        self.faulty_disks = faulty_disks
        self.nodes = []
        self.names = itertools.count(1)
        self.rules = {}  # (from node, to node): a rule of the proxy
        self.proxy = Proxy() if proxied else None
        try:
            for _ in range(size):
                self.join()
            self.wait_voters(size)
        except BaseException:
            self.show_logs()
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.show_logs()
        self.close()

    def close(self):
        for node in self.nodes:
            if node.running():
                node.kill()
            node.output.close()
        if self.proxy is not None:
            self.proxy.close()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def show_logs(self):
        for node in self.nodes:
            print(f"--- log of node {node.name} ({node.id})\n{node.log()}--- end", flush=True)

    # Members.

    def add_node(self, **options):
        """A node that is not started yet."""
        join = next((node for node in self.nodes if node.running()), None)
        arguments = options.get("arguments", self.arguments)
        proxied = self.proxy is not None
        node = Node(next(self.names), self.folder, join, arguments, proxied, self.faulty_disks)
        self.nodes.append(node)
        if self.proxy is not None:
            self.proxy.listen(node.address_port, node.peer_port)
        return node

    def join(self, **options):
        node = self.add_node(**options).start()
        self.apply_rules()
        return node

    def forget(self, node):
        """Takes it off the list: it is no member any more."""
        if node.running():
            node.kill()
        node.output.close()
        self.nodes.remove(node)

    def up(self):
        return [node for node in self.nodes if node.running() and not node.paused]

    def leader(self, among=None):
        """The node that leads in the highest term that a majority of `among` follows, or None."""
        nodes = self.up() if among is None else among
        statuses = {node: node.status() for node in nodes}
        known = {node: status for node, status in statuses.items() if status}
        for node, status in known.items():
            if status["role"] != "leader":
                continue
            following = sum(
                other["leader"] == status["node"] and other["term"] == status["term"]
                for other in known.values()
            )
            if following * 2 > len(nodes) and status["lease_ms"] > 0:
                return node
        return None

    def wait_leader(self, among=None, other_than=None, seconds=WAIT_SECONDS):
        def found():
            leader = self.leader(among)
            return leader if leader is not other_than else None

        return harness.wait_until(found, "a leader that a majority follows", seconds, 0.01)

    def follower(self):
        leader = self.wait_leader()
        return next(node for node in self.up() if node is not leader)

    def wait_voters(self, count, seconds=WAIT_SECONDS):
        """Until so many members are there, all of them voters in the eyes of every running node."""

        def settled():
            for node in self.up():
                members = node.members()
                if members is None or len(members) != count:
                    return False
                if any(member["kind"] != b"voter" for member in members):
                    return False
            return True

        self.wait_leader(seconds=seconds)
        harness.wait_until(settled, f"{count} voters, known to all", seconds, 0.02)

    def wait_removed(self, node, seconds=WAIT_SECONDS):
        """Until the process of a removed node has ended by itself; its exit code."""
        harness.wait_until(lambda: not node.running(), f"node {node.name} ends", seconds, 0.02)
        return node.process.returncode

    def restart_dead(self):
        for node in self.nodes:
            if node.paused:
                node.resume()
            if not node.running():
                node.start()

    def restore(self, size=None):
        """Ends every fault and waits until the cluster is whole."""
        self.heal()
        for node in self.nodes:
            if node.disk is not None:
                node.disk.well()
        self.restart_dead()
        self.wait_voters(size or len(self.nodes))

    # The network between them.

    def apply_rules(self):
        if self.proxy is None:
            return
        self.proxy.rules(
            [
                [source.id, target.address_port, rule]
                for (source, target), rule in self.rules.items()
                if source.id != 0
            ]
        )

    def set_rule(self, source, target, **rule):
        self.rules[source, target] = rule
        self.apply_rules()

    def one_way(self, source, target, mode="hold"):
        """What `source` sends does not reach `target`."""
        self.set_rule(source, target, mode=mode)

    def part(self, groups, mode="hold", **rule):
        """Only nodes of one group reach each other; nodes in several groups are bridges."""
        rule["mode"] = mode
        for source, target in itertools.permutations(self.nodes, 2):
            if not any(source in group and target in group for group in groups):
                self.rules[source, target] = rule
        self.apply_rules()

    def isolate(self, node, mode="hold", **rule):
        self.part([[node], [other for other in self.nodes if other is not node]], mode, **rule)

    def degrade(self, **rule):
        """One rule for every direction between all nodes."""
        for source, target in itertools.permutations(self.nodes, 2):
            self.rules[source, target] = rule
        self.apply_rules()

    def heal(self):
        self.rules.clear()
        self.apply_rules()

    # What they hold.

    def applied_by_all(self):
        """Up to where all running nodes have applied, when that is the same for all and nothing is
        under way, else 0."""
        statuses = [node.status() for node in self.up()]
        if not all(statuses):
            return 0
        indices = {status["applied_index"] for status in statuses}
        return statuses[0]["commit_index"] if indices == {statuses[0]["commit_index"]} else 0

    def wait_equal(self, seconds=WAIT_SECONDS):
        return harness.wait_until(
            self.applied_by_all, "all nodes have applied the same", seconds, 0.02
        )

    def differences(self, seconds=WAIT_SECONDS):
        """What is not the same on all running nodes, read there: [] when all is. A write of unknown
        fate may come late, when its client has long gone: what it changes meanwhile does not count.
        """
        before, result = self.wait_equal(), []

        def stood_still():
            nonlocal before, result
            result = self.compare()
            before, begun = self.wait_equal(), before
            return begun == before

        harness.wait_until(stood_still, "nodes that can be compared", seconds, 0.02)
        return result

    def compare(self):
        """The same, whatever is under way."""
        found = [contents(node) for node in self.up()]
        first = found[0]
        result = []
        for node, other in zip(self.up()[1:], found[1:]):
            for key in sorted(first.keys() | other.keys()):
                if first.get(key) != other.get(key):
                    result.append((node.name, key, first.get(key), other.get(key)))
        return result


def contents(node):
    """Every key with its DUMP, as this node holds it."""
    result = {}
    with harness.Client(node.port) as client:
        client.call("CLIENT", "CONSISTENCY", "EVENTUAL")
        cursor = b"0"
        while True:
            cursor, keys = client.call("SCAN", cursor, "COUNT", 1000)
            dumps = client.pipeline([("DUMP", key) for key in keys])
            result.update(zip(keys, dumps))
            if cursor == b"0":
                return result

