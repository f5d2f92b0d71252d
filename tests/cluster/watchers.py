"""Watchers of the cluster tests: clients that follow the changes of keys while faults strike, each
on a thread of its own. They leave their node at random or when it breaks, and go on at another one
after the last change they know of; some read slowly. What they heard goes to events.py.
"""

import collections
import itertools
import pathlib
import random
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import events  # noqa: E402
import harness  # noqa: E402
from linearizability import NOT_INTEGER, UNKNOWN  # noqa: E402
from workload import VERSIONED_KEYS  # noqa: E402

# Of nodes whose watchers may miss nothing: a long history, and queues that are often full.
ARGUMENTS = [
    "--watch.history.max-bytes",
    "1GiB",
    "--watch.progress-interval-ms",
    "300",
    "--watch.watcher-buffer-size",
    "500",
    "--watch.event-queue-size",
    "200",
]

PAGE = 1000
STAY_SECONDS = (0.05, 4.0)
PAUSE_SECONDS = 0.05  # before another try
SLOW_SECONDS = (0.05, 0.6)
SLOW_RECEIVE_BYTES = 4096
BLOCK_MS = 200
ANSWER_SECONDS = 3.0
CONNECT_SECONDS = 1.0
WAIT_SECONDS = 60
NOTHING_YET = object()


class Wire:
    """A connection whose values are waited for without being lost when they come late."""

    def __init__(self, node, receive_bytes=None):
        self.socket = socket.socket()
        try:
            if receive_bytes:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            self.socket.settimeout(CONNECT_SECONDS)
            self.socket.connect(("127.0.0.1", node.port))
        except OSError:
            self.socket.close()
            raise
        self.buffer = bytearray()
        self.at = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *words):
        self.socket.sendall(harness.encode(*words))

    def read(self, seconds):
        """The next value; NOTHING_YET when none comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            parsed = parse(self.buffer, self.at)
            if parsed is not None:
                value, self.at = parsed
                return value
            del self.buffer[: self.at]
            self.at = 0
            left = deadline - time.monotonic()
            if left <= 0:
                return NOTHING_YET
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                return NOTHING_YET
            if not data:
                raise ConnectionError("the node closed the connection")
            self.buffer += data


def parse(buffer, at):
    """A value of RESP2 and where it ends; None when it is not all there."""
    line_end = buffer.find(b"\r\n", at)
    if line_end < 0:
        return None
    kind, text, end = buffer[at], bytes(buffer[at + 1 : line_end]), line_end + 2
    if kind == ord("+"):
        return text.decode(), end
    if kind == ord("-"):
        return harness.ReplyError(text.decode()), end
    count = int(text)
    if kind == ord(":"):
        return count, end
    if count < 0:
        return None, end
    if kind == ord("$"):
        if len(buffer) < end + count + 2:
            return None
        return bytes(buffer[end : end + count]), end + count + 2
    values = []
    for _ in range(count):
        element = parse(buffer, end)
        if element is None:
            return None
        value, end = element
        values.append(value)
    return values, end


class Follower(threading.Thread):
    """One client. Subclasses stay at a node and listen."""

    def __init__(self, group, number, streams, slow=False, home=None):
        """With a `home` it never leaves that node."""
        super().__init__(daemon=True)
        self.group = group
        self.number = number
        self.streams = streams
        self.slow = slow
        self.home = home
        self.chance = random.Random(f"{group.seed} {number}")
        self.stays = 0
        self.refusals = []
        self.wrong = None

    def __str__(self):
        return f"{type(self).__name__.lower()} {self.number}"

    def run(self):
        while not self.over():
            try:
                self.stay(self.home or self.chance.choice(self.group.nodes()))
            except OSError as error:
                self.refusals.append(str(error))
                self.group.stopping.wait(PAUSE_SECONDS)
            except Exception as error:  # the thread's, told by the group
                self.wrong = error
                return

    def over(self):
        if self.group.stopping.is_set():
            return True
        return self.group.end is not None and self.reached(self.group.end)

    def reached(self, end):
        return all(stream.position >= end for stream in self.streams)

    def wire(self, node):
        self.stays += 1
        return Wire(node, SLOW_RECEIVE_BYTES if self.slow else None)

    def until(self):
        """When it leaves."""
        stay = float("inf") if self.home else self.chance.uniform(*STAY_SECONDS)
        return time.monotonic() + stay

    def refused(self, error, streams):
        """Goes on where the history begins, or leaves."""
        words = str(error).split()
        self.refusals.append(str(error))
        if words[0] == "COMPACTED":
            floor = events.parse_id(words[-1].encode())
            for stream in streams:
                if stream.position < floor:
                    stream.tell(events.Told("compacted", floor, where=str(self)))
            return
        if words[0] not in ("CLUSTERDOWN", "TRYAGAIN", "LOADING"):
            raise events.Untold(f"{self} was answered: {error}")
        raise ConnectionError(str(error))


class Watcher(Follower):
    """SUBSCRIBE and PSUBSCRIBE, each name as a stream of its own."""

    def stay(self, node):
        until = self.until()
        where = f"stay {self.stays} at node {node.name}"
        with self.wire(node) as wire:
            names, asked = {}, collections.deque()
            for stream in self.streams:
                self.ask(wire, stream, names, asked)
            while not self.over() and time.monotonic() < until:
                value = wire.read(0.1)
                if value is not NOTHING_YET:
                    self.take(wire, value, names, asked, where)
                if self.slow:
                    self.doze()

    def doze(self):
        if self.chance.random() < 0.002:
            self.group.stopping.wait(self.chance.uniform(*SLOW_SECONDS))
        while self.group.asleep.is_set() and not self.over():
            self.group.stopping.wait(PAUSE_SECONDS)

    def ask(self, wire, stream, names, asked):
        name = f"__watch__@{events.id_text(stream.position)}:{stream.target}"
        names[name.encode()] = stream
        asked.append(stream)
        wire.send("PSUBSCRIBE" if stream.is_glob else "SUBSCRIBE", name)

    def take(self, wire, value, names, asked, where):
        if isinstance(value, Exception):
            stream = asked.popleft()
            self.refused(value, [stream])
            self.ask(wire, stream, names, asked)
        elif value[0] in (b"subscribe", b"psubscribe"):
            asked.popleft()
        else:
            stream, (*_, channel, payload) = names[value[1]], value
            what, number, *text = payload.split(b" ", 2)
            what, number = what.decode(), events.parse_id(number)
            if what in ("sync", "lost"):
                stream.tell(events.Told(what, number, where=where))
                return
            key = channel.partition(b":")[2]
            event = events.Event(number, what, key, text[0] if text else None)
            stream.tell(events.Told("event", number, event, where))


class Reader(Follower):
    """XREAD BLOCK, all names in one command."""

    def stay(self, node):
        until = self.until()
        where = f"stay {self.stays} at node {node.name}"
        names = [f"__watch__:{stream.target}" for stream in self.streams]
        by_name = {name.encode(): stream for name, stream in zip(names, self.streams)}
        with self.wire(node) as wire:
            while not self.over() and time.monotonic() < until:
                end = self.group.end
                ids = [events.id_text(stream.position) for stream in self.streams]
                count = self.chance.choice((1, 10, 1000))
                wire.send("XREAD", "COUNT", count, "BLOCK", BLOCK_MS, "STREAMS", *names, *ids)
                reply = wire.read(ANSWER_SECONDS)
                if reply is NOTHING_YET:
                    return
                if isinstance(reply, Exception):
                    self.refused(reply, self.streams)
                elif reply is None:
                    self.nothing(end)
                else:
                    self.take(reply, by_name, where)

    def nothing(self, end):
        """There is nothing after its positions, which was asked when `end` was known."""
        for stream in self.streams if end is not None else ():
            stream.position = max(stream.position, end)

    @staticmethod
    def take(reply, by_name, where):
        for name, entries in reply:
            for entry in entries:
                event = event_of(entry)
                by_name[name].tell(events.Told("event", event.id, event, where))


def event_of(entry):
    """An entry of a stream."""
    fields = dict(zip(entry[1][::2], entry[1][1::2]))
    number = events.parse_id(entry[0])
    return events.Event(number, fields[b"event"].decode(), fields[b"key"], fields.get(b"value"))


def last_change(node):
    newest = node.call("XREVRANGE", "__watch__:*", "+", "-", "COUNT", 1)
    return event_of(newest[0]).id if newest else events.BEGINNING


def floor_of(node):
    """The newest change that was compacted."""
    try:
        node.call("XRANGE", "__watch__:*", "1-0", "1-0", timeout=WAIT_SECONDS)
    except harness.ReplyError as error:
        if not str(error).startswith("COMPACTED "):
            raise
        return events.parse_id(str(error).split()[-1].encode())
    return events.BEGINNING


def read_changes(node, after):
    """All that there is after this change."""
    found = []
    with harness.Client(node.port, timeout=WAIT_SECONDS) as client:
        while True:
            page = client.call(
                "XRANGE", "__watch__:*", f"({events.id_text(after)}", "+", "COUNT", PAGE
            )
            found += map(event_of, page)
            if len(page) < PAGE:
                return found
            after = found[-1].id


class Watchers:
    """All of them, from the last change before they are made until they are judged."""

    def __init__(self, cluster, seed=None):
        self.cluster = cluster
        self.seed = random.randrange(2**32) if seed is None else seed
        self.after = last_change(cluster.wait_leader())
        self.end = None
        self.stopping = threading.Event()
        self.asleep = threading.Event()  # slow ones read nothing
        self.numbers = itertools.count(1)
        self.followers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for follower in self.followers:
            follower.join()

    def nodes(self):
        return [node for node in self.cluster.nodes if node.id]

    def stream(self, target, is_glob=True):
        return events.Stream(target, is_glob, self.after)

    def start(self, kind, *streams, **options):
        follower = kind(self, next(self.numbers), list(streams), **options)
        self.followers.append(follower)
        follower.start()
        return follower

    def follow(self, load):
        """One key, a prefix, a glob, everything, several at once, slowly; pushed and pulled."""
        key = [load.versioned(number) for number in range(VERSIONED_KEYS)]
        self.start(Watcher, self.stream(key[0], is_glob=False))
        self.start(Watcher, self.stream(f"{load.number}:version:*"))
        self.start(Watcher, self.stream("*pair*"))
        self.start(Watcher, self.stream("*"))
        self.start(Watcher, self.stream("*"), slow=True)
        self.start(
            Watcher, self.stream(key[1], is_glob=False), self.stream("*:other"), self.stream("*")
        )
        self.start(Reader, self.stream("*"))
        self.start(Reader, self.stream(key[2]), self.stream("*register*"))

    def check(self):
        for follower in self.followers:
            if follower.wrong is not None:
                raise follower.wrong

    def finish(self, end):
        """Until everybody has heard of everything up to this change."""
        self.end = end

        def heard():
            self.check()
            return not any(follower.is_alive() for follower in self.followers)

        try:
            harness.wait_until(heard, "watchers have heard of everything", WAIT_SECONDS, 0.02)
        except TimeoutError as error:
            raise events.Untold("; ".join(map(self.standing, self.behind()))) from error

    def behind(self):
        return [follower for follower in self.followers if follower.is_alive()]

    def standing(self, follower):
        places = ", ".join(
            f"{stream.target} at {events.id_text(stream.position)}" for stream in follower.streams
        )
        return f"{follower}, of which the last change is {events.id_text(self.end)}, has {places}"

    def history(self):
        """As every node holds it."""
        nodes = self.cluster.up()
        found = read_changes(nodes[0], self.after)
        end = found[-1].id if found else self.after
        floor = max(floor_of(node) for node in nodes)
        if floor > self.after:
            raise events.Untold(f"the history was compacted up to {events.id_text(floor)}")
        for node in nodes[1:]:
            other = [event for event in read_changes(node, self.after) if event.id <= end]
            if other != found:
                at = next(pair for pair in itertools.zip_longest(found, other) if len({*pair}) > 1)
                raise events.Untold(f"node {nodes[0].name} has {at[0]}, node {node.name} {at[1]}")
        return events.History(found, self.after, end, floor)

    def judge(self, load, history=None):
        """Raises what is wrong with what they heard, once all nodes are whole and `load` is over.
        Without a history it is what the nodes hold."""
        history = history or self.history()
        self.finish(history.end)
        for follower in self.followers:
            for stream in follower.streams:
                events.judge(stream, history, str(follower))
        writes_of(load).judge(history, lambda key: is_of(load, key))
        events.judge_pairs(history, lambda key: is_of(load, key) and b"pair" in key)

    def counts(self):
        """What they were told, and how often they came to a node."""
        stays = sum(follower.stays for follower in self.followers)
        total = collections.Counter({"watchers' stays": stays})
        for follower in self.followers:
            for stream in follower.streams:
                for told in stream.told:
                    total[f"told {told.what}"] += 1
        return total


def is_of(load, key):
    return key.startswith((f"{load.number}.".encode(), f"{load.number}:".encode()))


def writes_of(load):
    """What the clients of `load` know that they changed."""
    writes = events.Writes()
    for worker in load.workers:
        for operation in worker.operations:
            add_operation(writes, operation)
        for key, value, made in getattr(worker, "pipelines", ()):
            writes.add(made, "set", key, value)
            writes.add(made, "append", key, b"+")
    acknowledged = set(itertools.chain(*load.versions.acknowledged))
    for version in range(1, load.versions.sent + 1):
        key = load.versioned(version % VERSIONED_KEYS)
        writes.add(version in acknowledged, "set", key, b"%d" % version)
    return writes


def add_operation(writes, operation):
    kind, key, result = operation.kind, operation.key, operation.result
    made = result is not UNKNOWN
    if kind == "write" or (kind == "cas" and result is not False):
        writes.add(made, "set", key, operation.argument)
        if "pair" in key:
            writes.add(made, "set", key + ":other", operation.argument)
    elif kind == "delete" and result != 0:
        writes.add(made, "del", key)
    elif kind == "append":
        writes.add(made, "append", key, operation.argument)
    elif kind == "incr" and result is not NOT_INTEGER:
        if made:
            writes.add(made, "incrby", key, b"%d" % result)
        else:
            writes.add_possible("incrby", key)
