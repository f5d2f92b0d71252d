#!/usr/bin/env python3
"""CLIENT TRACKING side by side with a real redis-server: the same random commands from the same
connections to both, and every reply and every push must be the same, in the same order.
KVORUM_SEED=n chooses the seed.

What can't be the same is left out: keys that are due, which keys an eviction takes, and a FLUSHALL
of nothing, which changes nothing here and is told in Redis.
"""

import os
import random
import sys

import harness

STEPS = 4000
KEYS = ["a", "ab", "abc", "b", "ba", "c"]
CHANNEL = "__redis__:invalidate"

READS = [
    "GET k", "GET k", "MGET k k", "STRLEN k", "EXISTS k k", "TTL k", "TYPE k", "TOUCH k",
    "GETRANGE k 0 -1", "LCS k k LEN", "OBJECT ENCODING none", "KEYS none", "GETEX k",
]  # fmt: skip
WRITES = [
    "SET k v", "SET k v", "SET k v NX", "SET k v XX GET", "SETEX k 100 v", "APPEND k v", "INCR k",
    "DEL k k", "UNLINK k", "EXPIRE k 100", "EXPIRE k -1", "PERSIST k", "RENAME k k", "COPY k k",
    "GETDEL k", "GETSET k v", "GETEX k EX 100", "MSET k v k v", "MSETNX k v k v", "SETRANGE k 1 v",
    "INCRBYFLOAT k 1.5", "SET k v NONSENSE", "SET k", "NOSUCH k",
]  # fmt: skip
TRACKING = [
    "ON", "ON", "ON", "OFF", "ON NOLOOP", "ON OPTIN", "ON OPTIN", "ON OPTOUT", "ON BCAST",
    "ON BCAST PREFIX a", "ON BCAST PREFIX ab PREFIX b NOLOOP", "ON BCAST PREFIX b PREFIX ba",
    "ON BCAST NOLOOP", "ON REDIRECT receiver", "ON REDIRECT receiver BCAST", "ON REDIRECT self",
    "ON REDIRECT receiver NOLOOP", "ON REDIRECT 999999", "ON REDIRECT receiver REDIRECT receiver",
    "ON PREFIX a", "ON OPTIN OPTOUT", "ON BCAST OPTIN", "OFF BCAST", "MAYBE", "ON NONSENSE",
]  # fmt: skip
OTHERS = [
    "CLIENT CACHING YES", "CLIENT CACHING YES", "CLIENT CACHING NO", "CLIENT CACHING MAYBE",
    "CLIENT TRACKINGINFO", "CLIENT GETREDIR", "HELLO 3", "HELLO 3", "HELLO 2", "RESET", "PING",
]  # fmt: skip


def comparable(value):
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return f"error {value}" if isinstance(value, harness.ReplyError) else value


def align(servers):
    """Has the next connection to each of them the same CLIENT ID."""
    while True:
        clients = [server.client() for server in servers]
        ids = [client.call("CLIENT", "ID") for client in clients]
        for client in clients:
            client.close()
        if min(ids) == max(ids):
            return
        servers[ids.index(min(ids))].client().close()


class Side:
    """One server and the connections that are the same on both."""

    def __init__(self, server):
        self.server = server
        self.tracker = server.client()
        self.writer = server.client()
        # The table of who read what is kept while anybody tracks.
        self.keeper = server.client()
        self.keeper.call("CLIENT", "TRACKING", "ON")
        self.receiver = None
        self.queuing = False  # the tracker, between MULTI and EXEC
        self.new_receiver()

    def new_receiver(self):
        if self.receiver is not None:
            gone = b"id=%d " % self.ids["receiver"]
            self.receiver.close()
            harness.wait_until(
                lambda: gone not in self.writer.call("CLIENT", "LIST"), "a connection has ended"
            )
        self.receiver = self.server.client()
        self.ids = {
            "receiver": self.receiver.call("CLIENT", "ID"),
            "self": self.tracker.call("CLIENT", "ID"),
        }
        self.receiver.call("SUBSCRIBE", CHANNEL)

    def until_reply(self, client):
        """The next reply and what is pushed before it, in order."""
        values = []
        while True:
            values.append(client.read())
            if not isinstance(values[-1], harness.Push):
                return values

    def until_fence(self, client):
        """Everything that comes before the answer to a PING sent now."""
        client.send("PING", "fence")
        values = []
        while True:
            value = client.read()
            if value in (b"fence", [b"pong", b"fence"]):
                return values
            values.append(value)

    def run(self, who, words):
        """All that is heard, in order, by connection."""
        client = getattr(self, who)
        client.send(*[str(self.ids.get(word, word)) for word in words])
        heard = self.until_reply(client)
        if words[0] == "HELLO":
            heard[-1] = "hello"  # who it is differs
        if words[0] in ("MULTI", "EXEC", "DISCARD"):
            self.queuing = words[0] == "MULTI"
        # Between MULTI and EXEC a PING is no fence.
        tracker = [] if self.queuing else self.until_fence(self.tracker)
        receiver = self.until_fence(self.receiver)
        if words[0] == "EXEC":  # which of several keys is told first is left open
            tracker, receiver = sorted(tracker, key=repr), sorted(receiver, key=repr)
        return comparable([heard, tracker, receiver])

    def flags(self):
        if self.queuing:
            return None
        line = dict(part.split(b"=", 1) for part in self.tracker.call("CLIENT", "INFO").split())
        return line[b"flags"], line[b"redir"], line[b"resp"]


def command(chance, template):
    return [
        chance.choice(KEYS) if word == "k" else str(chance.randrange(100)) if word == "v" else word
        for word in template.split()
    ]


def steps(chance):
    """(connection, words), for ever."""
    while True:
        kind = chance.random()
        if kind < 0.35:
            yield "tracker", command(chance, chance.choice(READS))
        elif kind < 0.6:
            yield "writer", command(chance, chance.choice(WRITES))
        elif kind < 0.7:
            yield "tracker", command(chance, chance.choice(WRITES))
        elif kind < 0.8:
            yield "tracker", ["CLIENT", "TRACKING", *chance.choice(TRACKING).split()]
        elif kind < 0.9:
            yield "tracker", chance.choice(OTHERS).split()
        elif kind < 0.97:
            yield "tracker", ["MULTI"]
            for _ in range(chance.randrange(1, 5)):
                yield "tracker", command(chance, chance.choice(READS + WRITES + OTHERS[:6]))
            yield "tracker", [chance.choice(["EXEC", "EXEC", "DISCARD"])]
        elif kind < 0.985:
            yield "writer", ["SET", "a", "1"]
            yield chance.choice(["writer", "tracker"]), ["FLUSHALL"]
        else:
            yield "all", ["a new receiver"]


def compare(checks, redis, kvorum, chance):
    recent = []
    for number, (who, words) in zip(range(STEPS), steps(chance)):
        recent = [*recent[-20:], f"{who}: {' '.join(words)}"]
        if who == "all":
            redis.new_receiver()
            kvorum.new_receiver()
            continue
        want, got = redis.run(who, words), kvorum.run(who, words)
        if want != got or redis.flags() != kvorum.flags():
            what = "\n  ".join(recent)
            print(f"step {number}:\n  {what}")
            checks.equal("replies and pushes", got, want)
            checks.equal("flags, redirection, protocol", kvorum.flags(), redis.flags())
            return
    checks.that(f"{STEPS} steps are the same on both", True)


def main():
    harness.parser(__doc__).parse_args()
    harness.require_program("redis-server")
    checks = harness.Checks()
    seed = int(os.environ.get("KVORUM_SEED") or random.randrange(1 << 32))
    print(f"KVORUM_SEED={seed}", flush=True)
    with harness.running("redis") as redis, harness.running("kvorum") as kvorum:
        align([redis, kvorum])
        compare(checks, Side(redis), Side(kvorum), random.Random(seed))
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
