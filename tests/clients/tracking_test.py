#!/usr/bin/env python3
"""CLIENT TRACKING on a bare socket: the pushes of RESP3 and the messages that RESP2 has redirected.
All of it is what Redis defines: `--server redis` proves the test."""

import sys

import harness


class Tracker:
    """A RESP3 connection that tracks."""

    def __init__(self, server, *options):
        self.client = server.client()
        self.client.call("HELLO", "3")
        self.client.call("CLIENT", "TRACKING", "ON", *options)

    def call(self, *command):
        return self.client.call(*command)

    def push(self):
        return list(self.client.message())

    def silent(self):
        """True when nothing was pushed before the answer to a PING sent now."""
        self.client.call("PING")
        return not self.client.pushes


def invalidate(*keys):
    return [b"invalidate", [key.encode() for key in keys]]


def pushes(checks, server):
    tracker = Tracker(server)
    with server.client() as other:
        tracker.call("MGET", "t:a", "t:b")
        other.call("SET", "t:b", "1")
        other.call("SET", "t:a", "1")
        other.call("SET", "t:a", "2")
        checks.equal("a change of what was read", tracker.push(), invalidate("t:b"))
        checks.equal("of each key once", tracker.push(), invalidate("t:a"))
        checks.that("and no more", tracker.silent())
        tracker.call("GET", "t:due")
        other.call("SET", "t:due", "1", "PX", "300")
        checks.equal("a key that was not there", tracker.push(), invalidate("t:due"))
        tracker.call("GET", "t:due")
        harness.wait_until(lambda: other.call("EXISTS", "t:due") == 0, "t:due is gone")
        checks.equal("an expiry", tracker.push(), invalidate("t:due"))
        tracker.call("GET", "t:a")
        other.call("FLUSHALL")
        checks.equal("a flush is a null", tracker.push(), [b"invalidate", None])


def own_changes(checks, server):
    tracker = Tracker(server)
    tracker.call("GET", "t:own")
    tracker.client.send("SET", "t:own", "1")
    checks.equal("the reply to a write", tracker.client.read(), "OK")
    checks.equal("and then what it changed", tracker.client.read(), invalidate("t:own"))
    tracker.call("GET", "t:own")
    tracker.call("MULTI")
    for command in (("INCR", "t:own"), ("GET", "t:own"), ("GET", "t:read")):
        tracker.call(*command)
    tracker.client.send("EXEC")
    checks.equal("the reply of a transaction is whole", tracker.client.read(), [2, b"2", None])
    checks.equal("then what it changed", tracker.client.read(), invalidate("t:own"))
    with server.client() as other:
        other.call("SET", "t:read", "1")
    checks.equal("what it read is tracked", tracker.push(), invalidate("t:read"))

    no_loop = Tracker(server, "NOLOOP")
    no_loop.call("MGET", "t:own", "t:other")
    no_loop.call("SET", "t:own", "1")
    checks.that("NOLOOP leaves own changes out", no_loop.silent())
    no_loop.client.call("CLIENT", "REPLY", "ON")
    no_loop.client.send("CLIENT", "REPLY", "OFF")
    no_loop.client.send("SET", "t:silent", "1")
    with server.client() as other:
        harness.wait_until(lambda: other.call("EXISTS", "t:silent") == 1, "the write is done")
        other.call("SET", "t:other", "1")
    checks.equal("CLIENT REPLY OFF is for replies", no_loop.push(), invalidate("t:other"))


def broadcasts(checks, server):
    tracker = Tracker(server, "BCAST", "PREFIX", "b:", "PREFIX", "c:")
    with server.client() as other:
        other.call("MSET", "b:2", "1", "b:1", "1", "d:1", "1", "c:1", "1", "b:2", "2")
        checks.equal("all keys of a prefix at once", tracker.push(), invalidate("b:1", "b:2"))
        checks.equal("and of the next", tracker.push(), invalidate("c:1"))
        other.call("SET", "d:1", "1")
        checks.that("and no others", tracker.silent())
    checks.equal(
        "CLIENT TRACKINGINFO",
        tracker.call("CLIENT", "TRACKINGINFO"),
        {b"flags": [b"on", b"bcast"], b"redirect": 0, b"prefixes": [b"b:", b"c:"]},
    )


def opt_in(checks, server):
    tracker = Tracker(server, "OPTIN")
    tracker.call("GET", "o:1")
    tracker.call("CLIENT", "CACHING", "YES")
    tracker.call("GET", "o:2")
    tracker.call("CLIENT", "CACHING", "YES")
    tracker.call("MULTI")
    tracker.call("GET", "o:3")
    tracker.call("GET", "o:4")
    tracker.call("EXEC")
    tracker.call("GET", "o:5")
    with server.client() as other:
        for number in range(1, 6):
            other.call("SET", f"o:{number}", "1")
    checks.equal(
        "OPTIN tracks what CACHING precedes",
        [tracker.push() for _ in range(3)],
        [invalidate("o:2"), invalidate("o:3"), invalidate("o:4")],
    )
    checks.that("and nothing else", tracker.silent())


def redirection(checks, server):
    receiver = server.client()
    identity = receiver.call("CLIENT", "ID")
    receiver.call("SUBSCRIBE", "__redis__:invalidate")
    with server.client() as reader, server.client() as other:
        reader.call("CLIENT", "TRACKING", "ON", "REDIRECT", identity)
        checks.equal("CLIENT GETREDIR", reader.call("CLIENT", "GETREDIR"), identity)
        line = dict(part.split(b"=", 1) for part in reader.call("CLIENT", "INFO").split())
        checks.equal("CLIENT INFO", (line[b"flags"], line[b"redir"]), (b"t", b"%d" % identity))
        reader.call("GET", "r:1")
        other.call("SET", "r:1", "1")
        channel = b"__redis__:invalidate"
        checks.equal("a message", receiver.read(), [b"message", channel, [b"r:1"]])
        other.call("FLUSHALL")
        checks.equal("of a flush", receiver.read(), [b"message", channel, None])
        checks.equal("and nothing here", reader.call("PING"), "PONG")

        tracker = Tracker(server, "REDIRECT", identity)
        tracker.call("GET", "r:2")
        receiver.close()
        gone = b"id=%d " % identity
        harness.wait_until(lambda: gone not in other.call("CLIENT", "LIST"), "the receiver is gone")
        other.call("SET", "r:2", "1")
        broken = [b"tracking-redir-broken", identity]
        checks.equal("a redirection that broke", tracker.push(), broken)
        checks.equal(
            "is remembered",
            tracker.call("CLIENT", "TRACKINGINFO")[b"flags"],
            [b"on", b"broken_redirect"],
        )


def mistakes(checks, server):
    switch = (
        "You can't switch {} before disabling tracking for this client, and then re-enabling it "
        "with a different mode."
    )
    overlap = "Prefix 'foo' overlaps with an existing prefix ''. Prefixes for a single client"
    cases = [
        ((), "MAYBE", "syntax error"),
        ((), "ON REDIRECT", "syntax error"),
        ((), "ON PREFIX a", "PREFIX option requires BCAST mode to be enabled"),
        ((), "ON REDIRECT 999999", "The client ID you want redirect to does not exist"),
        ((), "OFF REDIRECT 999999 NONSENSE", "The client ID you want redirect to does not exist"),
        ((), "ON REDIRECT x", "value is not an integer or out of range"),
        ((), "ON BCAST OPTIN", "OPTIN and OPTOUT are not compatible with BCAST"),
        ((), "ON OPTIN OPTOUT", "You can't specify both OPTIN mode and OPTOUT mode"),
        ((), "ON BCAST PREFIX ab PREFIX a", "'ab' overlaps with another provided prefix 'a'"),
        (("BCAST",), "ON", switch.format("BCAST mode on/off")),
        (("OPTIN",), "ON OPTOUT", switch.format("OPTIN/OPTOUT mode")),
        (("BCAST",), "ON BCAST PREFIX foo", overlap),
    ]
    for options, words, error in cases:
        with server.client() as client:
            if options:
                client.call("CLIENT", "TRACKING", "ON", *options)
            client.send("CLIENT", "TRACKING", *words.split())
            name = f"{words} after {' '.join(options) or 'nothing'}"
            checks.contains(name, str(client.read()), error)


def main():
    options = harness.parser(__doc__).parse_args()
    checks = harness.Checks()
    with harness.running(options.server) as server:
        for part in (pushes, own_changes, broadcasts, opt_in, redirection, mistakes):
            part(checks, server)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
