"""The load of the cluster tests: clients on all nodes, each on its own thread and connection, that
read under every policy, write, transact and pipeline, and remember what they saw and when. What is
remembered goes to linearizability.py and sequential.py when the load has ended.

Keys live for one load: registers, counters, lists that only grow, pairs that a transaction keeps
equal, totals that WATCH counts, and a private key for each client.
"""

import collections
import itertools
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness  # noqa: E402
from linearizability import NOT_INTEGER, UNKNOWN, Operation, check_all
from sequential import Reader, Versions

TIMEOUT_SECONDS = 8.0  # more than a node lets a request wait
PAUSE_SECONDS = 0.005  # before another try
OPERATIONS_ON_ONE_NODE = 300
LIST_SECONDS = 0.5  # then another list
KEYS_SECONDS = 3.0  # then other keys
REGISTERS = 6
COUNTERS = 3
PAIRS = 2
TOTALS = 2
VERSIONED_KEYS = 4
WAIT_SECONDS = 30
ABORTED = object()  # a transaction that did not happen
NOTHING_WRITTEN = ("CLUSTERDOWN", "TRYAGAIN", "EXECABORT")

_loads = itertools.count(1)


class Wrong(Exception):
    """An answer that no order of anything explains."""


class Lost(Exception):
    """The connection is gone or silent: what was under way has an unknown fate."""


class Connection:
    """To one node, made when it is first needed, with the policy of its client."""

    def __init__(self, node, policy):
        self.node = node
        self.client = None
        try:
            self.client = harness.Client(node.port, timeout=TIMEOUT_SECONDS)
            self.client.call("CLIENT", "CONSISTENCY", policy)
        except (OSError, harness.ReplyError) as error:
            self.close()
            raise Lost(str(error)) from error

    def __call__(self, *commands):
        """All commands in one write; their replies."""
        try:
            return self.client.pipeline(commands)
        except (OSError, ValueError) as error:
            raise Lost(str(error)) from error

    def close(self):
        if self.client is not None:
            self.client.close()


class Worker(threading.Thread):
    """One client. Subclasses do one step, again and again."""

    policy = "LINEARIZABLE"

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load = load
        self.number = number
        self.chance = random.Random(f"{load.seed} {number}")
        self.connection = None
        self.steps_here = 0
        self.operations = []
        self.counts = collections.Counter()
        self.wrong = []
        self.refusals = []

    def run(self):
        while not self.load.ending.is_set():
            try:
                if self.connection is None:
                    self.connect()
                self.step()
                self.steps_here += 1
                done = self.steps_here > OPERATIONS_ON_ONE_NODE
                if done or self.connection.node in self.load.avoided:
                    self.leave()
            except Lost as error:
                self.counts["connection lost"] += 1
                self.refusals.append(f"connection lost: {error}")
                self.leave()
                self.load.ending.wait(PAUSE_SECONDS)
            except Exception as error:  # the thread's, told by the load that ends
                self.wrong.append(error)
                return
        self.leave()

    def connect(self):
        nodes = self.load.nodes()
        first = self.number if self.steps_here == 0 else self.chance.randrange(len(nodes))
        self.connection = Connection(nodes[first % len(nodes)], self.policy)
        self.steps_here = 0

    def leave(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self.steps_here = max(1, self.steps_here)

    def done(self, is_write):
        self.counts["writes" if is_write else "reads"] += 1

    def refused(self, reply):
        """Counts an error; whether it says that nothing was written, not that nobody knows."""
        code = str(reply).split()[0]
        self.refusals.append(str(reply))
        self.counts[code] += 1
        if code not in (*NOTHING_WRITTEN, "UNCERTAIN"):
            raise Wrong(f"client {self.number} on node {self.connection.node.name}: {reply}")
        self.load.ending.wait(PAUSE_SECONDS)
        return code in NOTHING_WRITTEN


class Mixed(Worker):
    """Everything that is judged by key."""

    def __init__(self, load, number):
        super().__init__(load, number)
        self.policy = ("LINEARIZABLE", "LEASE")[number % 2]
        self.written = 0
        self.private_number = 0
        self.pipelines = []  # [key, value, whether it was acknowledged] of its private keys
        self.seen = {}  # what it last read of a register
        self.kinds = (
            [self.register] * 8 + [self.counter] * 4 + [self.list] * 3 + [self.pair] * 2
            + [self.total] * 2 + [self.private]
        )  # fmt: skip

    def step(self):
        self.chance.choice(self.kinds)()

    def value(self):
        self.written += 1
        return b"%d.%d" % (self.number, self.written)

    def key(self, kind, count):
        return f"{self.load.prefix}{kind}{self.chance.randrange(count)}"

    def attempt(self, operation, commands, result):
        """Sends, and remembers the operation, its time, and what `result` makes of the last reply;
        whether it was answered, and nothing before it refused: a GET may be answered behind a WATCH
        that found no leader, and a transaction without the watch would prove nothing."""
        operation.invoked = time.monotonic_ns()
        try:
            replies = self.connection(*commands)
        except Lost:
            self.keep(operation)
            raise
        operation.returned = time.monotonic_ns()
        errors = [reply for reply in replies if isinstance(reply, harness.ReplyError)]
        reply = errors[-1] if errors else replies[-1]
        if isinstance(reply, harness.ReplyError) and "not an integer" not in str(reply):
            if not self.refused(reply):
                self.keep(operation)
            return False
        operation.result = result(reply)
        if operation.result is not ABORTED:
            self.keep(operation)
        self.done(operation.kind != "read")
        return True

    def keep(self, operation):
        if operation.kind == "read" and operation.result is UNKNOWN:
            return
        if operation.result is UNKNOWN:
            self.counts["unknown"] += 1
        self.operations.append(operation)

    def one(self, key, kind, command, argument=None, expected=None, result=lambda reply: reply):
        operation = Operation(self.number, key, kind, argument, expected)
        return operation if self.attempt(operation, [command], result) else None

    def register(self):
        key = self.key("register", REGISTERS)
        what = self.chance.random()
        if what < 0.4:
            if read := self.one(key, "read", ("GET", key)):
                self.seen[key] = read.result
        elif what < 0.7:
            value = self.value()
            self.one(key, "write", ("SET", key, value), value)
        elif what < 0.8:
            self.one(key, "delete", ("DEL", key))
        elif (expected := self.seen.get(key)) is not None:
            value = self.value()
            command = ("SET", key, value, "IFEQ", expected)
            self.one(key, "cas", command, value, expected, lambda reply: reply == "OK")

    def counter(self):
        key = self.key("counter", COUNTERS)
        what = self.chance.random()
        if what < 0.6:
            self.one(key, "incr", ("INCR", key), result=number_or_not)
        elif what < 0.98:
            self.one(key, "read", ("GET", key))
        else:
            self.one(key, "write", ("SET", key, "x"), b"x")
            self.one(key, "incr", ("INCR", key), result=number_or_not)
            self.one(key, "delete", ("DEL", key))

    def list(self):
        key = f"{self.load.prefix}list:{int(time.monotonic() / LIST_SECONDS)}"
        if self.chance.random() < 0.4:
            value = self.value() + b" "
            self.one(key, "append", ("APPEND", key, value), value)
        else:
            self.one(key, "read", ("GET", key))

    def pair(self):
        key = self.key("pair", PAIRS)
        other = key + ":other"
        value = self.value()
        write = [("MULTI",), ("SET", key, value), ("SET", other, value), ("EXEC",)]
        read = [("MULTI",), ("GET", key), ("GET", other), ("EXEC",)]

        def equal(reply):
            if len(reply) != 2 or reply[0] != reply[1]:
                raise Wrong(f"a transaction reads {reply} of {key}, whose halves are always equal")
            return reply[0]

        if self.chance.random() < 0.5:
            operation = Operation(self.number, key, "write", value)
            self.attempt(operation, write, lambda reply: "OK")
        else:
            self.attempt(Operation(self.number, key, "read"), read, equal)

    def total(self):
        key = self.key("total", TOTALS)
        read = Operation(self.number, key, "read")
        if not self.attempt(read, [("WATCH", key), ("GET", key)], lambda reply: reply):
            self.connection(("UNWATCH",))
            return
        value = b"%d" % (int(read.result or 0) + 1)
        operation = Operation(self.number, key, "cas", value, read.result)
        commands = [("MULTI",), ("SET", key, value), ("EXEC",)]
        self.attempt(operation, commands, lambda reply: ABORTED if reply is None else True)

    def private(self):
        """Nobody else writes it: a pipeline reads what it wrote, under every policy."""
        self.private_number += 1
        key = f"{self.load.prefix}private:{self.number}:{self.private_number}"
        value = self.value()
        commands = [("SET", key, value), ("GET", key), ("APPEND", key, "+"), ("GET", key)]
        self.pipelines.append([key, value, False])
        replies = self.connection(*commands)
        for reply in replies:
            if isinstance(reply, harness.ReplyError):
                self.refused(reply)
                return
        if replies != ["OK", value, len(value) + 1, value + b"+"]:
            raise Wrong(f"{commands} was answered {replies}")
        self.pipelines[-1][2] = True
        self.done(True)


class VersionWriter(Worker):
    """The one writer of the keys that eventual readers read. A write that arrives late must not
    undo a newer one, so each says what it replaces."""

    def __init__(self, load, number):
        super().__init__(load, number)
        self.versions = load.versions
        self.current = {}  # by key, as far as it is known

    def step(self):
        number = (self.versions.sent + 1) % VERSIONED_KEYS
        key = self.load.versioned(number)
        if number not in self.current:
            reply = self.connection(("GET", key))[0]
            if isinstance(reply, harness.ReplyError):
                self.refused(reply)
                return
            self.current[number] = reply
        before = self.current.pop(number)
        version = self.versions.send()
        condition = ("NX",) if before is None else ("IFEQ", before)
        reply = self.connection(("SET", key, version, *condition))[0]
        if isinstance(reply, harness.ReplyError):
            self.refused(reply)
        elif reply == "OK":
            self.versions.acknowledge(version)
            self.current[number] = b"%d" % version
            self.done(True)


class EventualReader(Worker):
    policy = "EVENTUAL"

    def __init__(self, load, number):
        super().__init__(load, number)
        self.readers = []

    def connect(self):
        super().connect()
        name = f"connection {len(self.readers)} of client {self.number}"
        self.readers.append(Reader(f"{name} on node {self.connection.node.name}"))

    def step(self):
        number = self.chance.randrange(VERSIONED_KEYS)
        reply = self.connection(("GET", self.load.versioned(number)))[0]
        sent = self.load.versions.sent
        if isinstance(reply, harness.ReplyError):
            self.refused(reply)
        else:
            self.readers[-1].read(number, int(reply or 0), sent)
            self.done(False)


def number_or_not(reply):
    return NOT_INTEGER if isinstance(reply, harness.ReplyError) else reply


class Load:
    """All clients at work, from the beginning to `end`, which judges."""

    def __init__(self, cluster, clients=10, readers=2, seed=None, nodes=None):
        """`nodes` gives the nodes that clients use; by default all that ever answered."""
        self.cluster = cluster
        self.nodes = nodes or self.started
        self.avoided = set()
        self.seed = random.randrange(2**32) if seed is None else seed
        self.number = next(_loads)
        self.began = time.monotonic()
        self.ending = threading.Event()
        self.versions = Versions(VERSIONED_KEYS)
        numbers = itertools.count()
        self.workers = [Mixed(self, next(numbers)) for _ in range(clients)]
        self.workers.append(VersionWriter(self, next(numbers)))
        self.readers = [EventualReader(self, next(numbers)) for _ in range(readers)]
        self.workers += self.readers
        for worker in self.workers:
            worker.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.ending.set()
        for worker in self.workers:
            worker.join()
        if kind is None:
            self.judge()

    @property
    def prefix(self):
        """Of the keys that are in use now: no history grows without end."""
        return f"{self.number}.{int((time.monotonic() - self.began) / KEYS_SECONDS)}:"

    def versioned(self, number):
        return f"{self.number}:version:{number}"

    def started(self):
        return [node for node in self.cluster.nodes if node.id and node not in self.avoided]

    def avoid(self, node):
        """Until no client is connected to `node` any more."""
        self.avoided.add(node)

        def left():
            connections = [worker.connection for worker in self.workers]
            return all(each is None or each.node is not node for each in connections)

        harness.wait_until(left, f"clients have left node {node.name}", WAIT_SECONDS, 0.01)

    def writes(self):
        return sum(worker.counts["writes"] for worker in self.workers)

    def go_on(self, writes=300, seconds=0.0, within=WAIT_SECONDS):
        """Until so many more writes are acknowledged, and for so long at least."""
        first, begin = self.writes(), time.monotonic()

        def enough():
            if any(worker.wrong for worker in self.workers):
                return True
            return self.writes() >= first + writes and time.monotonic() >= begin + seconds

        harness.wait_until(enough, f"{writes} more writes", seconds + within, 0.01)
        self.check()

    def check(self):
        for worker in self.workers:
            for wrong in worker.wrong:
                raise wrong

    def counts(self):
        return sum((worker.counts for worker in self.workers), collections.Counter())

    def refusals(self):
        return [refusal for worker in self.workers for refusal in worker.refusals]

    def judge(self):
        """Raises what is wrong with what the clients saw."""
        self.check()
        check_all([each for worker in self.workers for each in worker.operations])
        for reader in self.readers:
            for connection in reader.readers:
                connection.judge(self.versions)
