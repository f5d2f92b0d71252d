#!/usr/bin/env python3
"""What kvorum adds for a client of one node: watch channels and consistency, on a bare socket; and
the keyspace notifications they stand beside, which `--server redis` proves."""

import sys

import harness


class Watch:
    """A connection that is only subscribed, and the events that come to it."""

    def __init__(self, server, *channels, patterns=False):
        self.client = server.client()
        self.patterns = patterns
        self.client.send("PSUBSCRIBE" if patterns else "SUBSCRIBE", *channels)
        self.confirmations = [self.client.read() for _ in channels]

    def raw(self):
        """Channel and payload of the next message."""
        message = self.client.read()
        kind = b"pmessage" if self.patterns else b"message"
        if message[0] != kind:
            raise AssertionError(f"{message!r} is no {kind!r}")
        return message[-2], message[-1]

    def event(self):
        """Name, id as two numbers, value (None when there is none) of the next watch event."""
        name, *rest = self.raw()[1].split(b" ", 2)
        revision, change = rest[0].split(b"-")
        return name.decode(), (int(revision), int(change)), rest[1] if len(rest) > 1 else None

    def silent(self):
        """True when nothing waits before the answer to a PING sent now."""
        self.client.send("PING", "fence")
        return self.client.read() == [b"pong", b"fence"]


def exact_keys(checks, server):
    watch = Watch(server, "__watch__:w:a")
    checks.equal("subscribe confirms", watch.confirmations, [[b"subscribe", b"__watch__:w:a", 1]])
    with server.client() as client:
        client.call("SET", "w:a", "one")
        client.call("SET", "w:a", b"with spaces \r\n and \x00 bytes")
        client.call("SET", "w:b", "another key")
        client.call("SET", "w:a", "not set", "NX")
        client.call("DEL", "w:a")
        client.call("DEL", "w:a")
        client.call("SET", "w:a", "")
    events = [watch.event() for _ in range(4)]
    checks.equal(
        "set, set, del, set", [name for name, _, _ in events], ["set", "set", "del", "set"]
    )
    checks.equal(
        "each with its value",
        [value for _, _, value in events],
        [b"one", b"with spaces \r\n and \x00 bytes", None, b""],
    )
    ids = [identity for _, identity, _ in events]
    checks.that("ids grow", ids == sorted(set(ids)), ids)
    checks.that("commands that changed nothing and other keys are silent", watch.silent())
    watch.client.close()
    return ids[-1]


def counters(checks, server):
    watch = Watch(server, "__watch__:w:n")
    with server.client() as client:
        client.call("INCRBY", "w:n", 41)
        client.call("INCR", "w:n")
        client.call("APPEND", "w:n", "0")
    checks.equal(
        "every write carries the value it left",
        [watch.event()[2] for _ in range(3)],
        [b"41", b"42", b"420"],
    )
    watch.client.close()


def expiry(checks, server):
    watch = Watch(server, "__watch__:w:due")
    with server.client() as client:
        client.call("SET", "w:due", "soon", "PX", "20")
        first = last = watch.event()
        while last[0] in ("set", "expire"):  # setting the deadline is a change of its own
            last = watch.event()
        checks.equal("an expired key", (first[0], last[0], last[2]), ("set", "expired", None))
        checks.that("has an id behind its set", last[1] > first[1], (first, last))
        checks.equal("and is gone", client.call("EXISTS", "w:due"), 0)
    watch.client.close()


def transactions(checks, server):
    watch = Watch(server, "__watch__:w:t:*", patterns=True)
    with server.client() as client:
        client.pipeline(
            [("MULTI",), ("SET", "w:t:1", "a"), ("SET", "w:t:2", "b"), ("DEL", "w:t:1"), ("EXEC",)]
        )
        client.call("SET", "w:t:3", "c")
    events = [watch.event() for _ in range(4)]
    revisions = [identity[0] for _, identity, _ in events]
    checks.equal(
        "the changes of a transaction come in their order",
        [(name, value) for name, _, value in events],
        [("set", b"a"), ("set", b"b"), ("del", None), ("set", b"c")],
    )
    checks.that(
        "share their revision, the next write has a later one",
        revisions[0] == revisions[1] == revisions[2] < revisions[3],
        revisions,
    )
    checks.that(
        "and are numbered inside",
        [identity[1] for _, identity, _ in events[:3]]
        == sorted({identity[1] for _, identity, _ in events[:3]}),
        events,
    )
    watch.client.close()


def patterns(checks, server):
    prefix = Watch(server, "__watch__:svc:*", patterns=True)
    glob = Watch(server, "__watch__:s?c:[ab]*", patterns=True)
    with server.client() as client:
        for key in ("svc:a1", "svc:c1", "other:a1", "soc:b1"):
            client.call("SET", key, key)
    checks.equal(
        "a prefix", [prefix.raw()[0] for _ in range(2)], [b"__watch__:svc:a1", b"__watch__:svc:c1"]
    )
    checks.equal(
        "a glob", [glob.raw()[0] for _ in range(2)], [b"__watch__:svc:a1", b"__watch__:soc:b1"]
    )
    checks.that("and nothing else", prefix.silent() and glob.silent())
    prefix.client.send("PUNSUBSCRIBE")
    checks.equal("unsubscribe", prefix.client.read(), [b"punsubscribe", b"__watch__:svc:*", 0])
    glob.client.close()
    prefix.client.close()


def many_watchers(checks, server):
    watches = [Watch(server, "__watch__:w:many") for _ in range(50)]
    with server.client() as client:
        for i in range(20):
            client.call("SET", "w:many", i)
    seen = [[watch.event() for _ in range(20)] for watch in watches]
    checks.equal("fifty watchers see the same events", len({tuple(events) for events in seen}), 1)
    checks.equal("all of them, in order", [int(value) for _, _, value in seen[0]], list(range(20)))
    for watch in watches:
        watch.client.close()


def resp3(checks, server):
    with server.client() as client:
        checks.equal("HELLO 3", client.call("HELLO", "3")[b"proto"], 3)
        client.send("SUBSCRIBE", "__watch__:w:3")
        client.message()
        checks.equal(
            "RESP3 writes on the connection that watches", client.call("SET", "w:3", "v"), "OK"
        )
        push = client.message()
        checks.that(
            "an event is a push",
            isinstance(push, harness.Push) and push[1] == b"__watch__:w:3",
            push,
        )


def restarts(checks, server, last):
    with server.client() as client:
        client.call("SET", "w:a", "before the crash")
    server.restart()
    watch = Watch(server, "__watch__:w:a")
    with server.client() as client:
        client.call("SET", "w:a", "after it")
    event = watch.event()
    checks.that("ids go on growing after kill -9", event[1] > last, (event, last))
    watch.client.close()


def consistency(checks, server):
    with server.client() as client:

        def policy():
            return client.call("CLIENT", "CONSISTENCY").decode().upper().split()[0]

        checks.equal("the default policy", policy(), "LEASE")
        for name in ("LINEARIZABLE", "EVENTUAL", "LEASE"):
            checks.equal(f"{name} is taken", client.call("CLIENT", "CONSISTENCY", name), "OK")
            checks.equal(f"{name} is told", policy(), name)
            client.call("SET", "w:c", name)
            checks.equal(f"{name} reads its own write", client.call("GET", "w:c"), name.encode())
        checks.equal(
            "a bound on staleness",
            client.call("CLIENT", "CONSISTENCY", "EVENTUAL", "MAXSTALE", "500"),
            "OK",
        )
        checks.raises(
            "a bound that is no number",
            harness.ReplyError,
            lambda: client.call("CLIENT", "CONSISTENCY", "EVENTUAL", "MAXSTALE", "x"),
            "ERR",
        )
        checks.raises(
            "an unknown policy",
            harness.ReplyError,
            lambda: client.call("CLIENT", "CONSISTENCY", "SOMETIMES"),
            "ERR",
        )
        checks.equal("RESET", client.call("RESET"), "RESET")
        checks.equal("restores the default", policy(), "LEASE")
        checks.equal("READONLY", client.call("READONLY"), "OK")
        checks.equal("is EVENTUAL", policy(), "EVENTUAL")
        checks.equal("READWRITE", client.call("READWRITE"), "OK")
        checks.equal("is the default", policy(), "LEASE")


def keyspace_notifications(checks, server):
    with server.client() as client:
        client.call("CONFIG", "SET", "notify-keyspace-events", "KEA")
        by_key = Watch(server, "__keyspace@0__:ks:a")
        by_event = Watch(server, "__keyevent@0__:*", patterns=True)
        client.call("SET", "ks:a", "1")
        client.call("INCR", "ks:a")
        client.call("EXPIRE", "ks:a", "100")
        client.call("DEL", "ks:a")
        names = [b"set", b"incrby", b"expire", b"del"]
        checks.equal("keyspace channels", [by_key.raw()[1] for _ in names], names)
        checks.equal(
            "keyevent channels",
            [by_event.raw() for _ in names],
            [(b"__keyevent@0__:" + name, b"ks:a") for name in names],
        )
        client.call("SET", "ks:a", "1", "PX", "20")
        checks.equal(
            "an expiry is notified",
            [by_key.raw()[1] for _ in range(3)],
            [b"set", b"expire", b"expired"],
        )
        client.call("CONFIG", "SET", "notify-keyspace-events", "")
        client.call("SET", "ks:a", "1")
        checks.that("and nothing once switched off", by_key.silent())
        by_key.client.close()
        by_event.client.close()


def main():
    options = harness.parser(__doc__).parse_args()
    checks = harness.Checks()
    with harness.running(options.server) as server:
        if options.server == "kvorum":
            last = exact_keys(checks, server)
            for part in (counters, expiry, transactions, patterns, many_watchers, resp3):
                part(checks, server)
            restarts(checks, server, last)
            consistency(checks, server)
        keyspace_notifications(checks, server)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
