#!/usr/bin/python3
"""redis-py (Debian's python3-redis) against the server, the way applications use it."""

import sys
import threading
import time

import harness

try:
    import redis
except ModuleNotFoundError:
    harness.missing("python3-redis")


def connect(server, **options):
    return redis.Redis(port=server.port, **options)


def basics(checks, server):
    client = connect(server)
    checks.equal("ping", client.ping(), True)
    checks.equal("set", client.set("py:a", "1"), True)
    checks.equal("get answers bytes", client.get("py:a"), b"1")
    checks.equal(
        "decode_responses answers text", connect(server, decode_responses=True).get("py:a"), "1"
    )
    checks.equal(
        "every byte is kept",
        (client.set("py:b", bytes(range(256))), client.get("py:b"))[1],
        bytes(range(256)),
    )
    checks.equal("set nx on an existing key", client.set("py:a", "2", nx=True), None)
    checks.equal("set get", client.set("py:a", "2", get=True), b"1")
    checks.equal(
        "mset and mget",
        (client.mset({"py:m1": 1, "py:m2": 2}), client.mget("py:m1", "py:m2", "no")),
        (True, [b"1", b"2", None]),
    )
    checks.equal("incr", client.incr("py:n", 5), 5)
    checks.equal("incrbyfloat", client.incrbyfloat("py:f", 1.5), 1.5)
    checks.raises(
        "incr of a text", redis.ResponseError, lambda: client.incr("py:b"), "not an integer"
    )
    checks.equal("delete", client.delete("py:m1", "py:m2", "no"), 2)
    checks.that(
        "time to live", client.set("py:ttl", 1, px=60000) and 0 < client.pttl("py:ttl") <= 60000
    )
    checks.equal(
        "a key expires",
        (
            client.set("py:due", 1, px=1),
            harness.wait_until(lambda: client.get("py:due") is None, "py:due is gone"),
        )[1],
        True,
    )
    checks.equal("type", client.type("py:a"), b"string")
    checks.that("info", client.info()["redis_version"].startswith("7."), client.info())
    checks.equal("info of one section", client.info("replication")["role"], "master")
    checks.that("time", abs(client.time()[0] - time.time()) < 60)
    checks.that("config get", client.config_get("maxclients")["maxclients"].isdigit())
    checks.that("command", "get" in client.command() and client.command_count() > 50)


def pipelines(checks, server):
    client = connect(server)
    with client.pipeline(transaction=False) as pipe:
        for i in range(1000):
            pipe.set(f"py:p:{i}", i).get(f"py:p:{i}")
        answers = pipe.execute()
    checks.equal("a pipeline answers in order", answers[1::2], [b"%d" % i for i in range(1000)])
    with client.pipeline() as pipe:
        checks.equal(
            "a transaction", pipe.set("py:t", 1).incr("py:t").get("py:t").execute(), [True, 2, b"2"]
        )
    with client.pipeline() as pipe:
        pipe.set("py:t", "text").incr("py:t").set("py:t2", "set anyway")
        answers = pipe.execute(raise_on_error=False)
    checks.that(
        "a failing command does not stop the others",
        answers[0] is True and isinstance(answers[1], redis.ResponseError) and answers[2] is True,
        answers,
    )


def optimistic_locking(checks, server):
    client, other = connect(server), connect(server)
    client.set("py:w", 1)
    with client.pipeline() as pipe:
        pipe.watch("py:w")
        pipe.multi()
        pipe.incr("py:w")
        checks.equal("WATCH lets an undisturbed transaction pass", pipe.execute(), [2])
        pipe.watch("py:w")
        seen = int(pipe.get("py:w"))
        other.set("py:w", 10)
        pipe.multi()
        pipe.set("py:w", seen + 1)
        checks.raises("and refuses a disturbed one", redis.WatchError, pipe.execute)
    checks.equal("which changed nothing", client.get("py:w"), b"10")

    def increment(pipe):
        value = int(pipe.get("py:count"))
        pipe.multi()
        pipe.set("py:count", value + 1)

    def work():
        worker = connect(server)
        for _ in range(25):
            worker.transaction(increment, "py:count")

    client.set("py:count", 0)
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    checks.equal("four optimistic counters lose nothing", client.get("py:count"), b"100")


def message(subscription):
    return harness.wait_until(lambda: subscription.get_message(timeout=1), "a message arrives")


def pub_sub(checks, server):
    client = connect(server, decode_responses=True)
    subscription = client.pubsub()
    subscription.subscribe("py:news")
    checks.equal(
        "subscribe confirms",
        (message(subscription)["type"], client.publish("py:news", "hi")),
        ("subscribe", 1),
    )
    checks.equal("a message", message(subscription)["data"], "hi")
    subscription.psubscribe("py:*")
    checks.equal("psubscribe confirms with the count", message(subscription)["data"], 2)
    client.publish("py:news", "both")
    checks.equal(
        "a message for each subscription",
        sorted(message(subscription)["type"] for _ in range(2)),
        ["message", "pmessage"],
    )
    checks.equal("numsub", client.pubsub_numsub("py:news"), [("py:news", 1)])
    subscription.ping()
    checks.equal("ping while subscribed", message(subscription)["type"], "pong")
    subscription.unsubscribe()
    subscription.punsubscribe()
    checks.equal(
        "unsubscribe counts down", [message(subscription)["data"] for _ in range(2)], [1, 0]
    )
    subscription.close()


def streams(checks, server):
    """The history of changes as a stream; Redis is given a stream that looks like it."""
    client = connect(server, decode_responses=True)
    name = "__watch__:py:s"
    changes = [("set", "1"), ("append", "12"), ("del", None)]
    fields = []
    for event, value in changes:
        fields.append({"event": event, "key": "py:s"} | ({} if value is None else {"value": value}))
        if server.kind == "redis":
            client.xadd(name, fields[-1])
        elif event == "set":
            client.set("py:s", value)
        elif event == "append":
            client.append("py:s", "2")
        else:
            client.delete("py:s")
    entries = client.xrange(name)
    checks.equal("xrange", [entry for _, entry in entries], fields)
    checks.equal("xrevrange", client.xrevrange(name, count=2), entries[:0:-1])
    checks.equal("xrange from an id", client.xrange(name, min=entries[1][0]), entries[1:])
    checks.equal("xrange behind an id", client.xrange(name, min="(" + entries[1][0]), entries[2:])
    checks.equal("xread", client.xread({name: 0}, count=1), [[name, entries[:1]]])
    checks.equal("xread of nothing", client.xread({name: "$"}), [])
    checks.equal("xlen", client.xlen(name), 3)
    information = client.xinfo_stream(name)
    checks.equal(
        "xinfo stream",
        [information[field] for field in ("length", "first-entry", "last-entry", "groups")],
        [3, entries[0], entries[-1], 0],
    )

    def change_later():
        blocked = connect(server)
        harness.wait_until(lambda: blocked.info("clients")["blocked_clients"] == 1, "it waits")
        if server.kind == "redis":
            blocked.xadd(name, {"event": "set", "key": "py:s", "value": "3"})
        else:
            blocked.set("py:s", "3")

    writer = threading.Thread(target=change_later)
    writer.start()
    ((_, news),) = client.xread({name: entries[-1][0]}, block=0)
    writer.join()
    checks.equal(
        "a blocked xread", [entry for _, entry in news], [dict(event="set", key="py:s", value="3")]
    )
    checks.equal("xread until its timeout", client.xread({name: "$"}, block=1), [])


def scans(checks, server):
    client = connect(server, decode_responses=True)
    names = {f"py:scan:{i}" for i in range(2000)}
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.set(name, 1)
        pipe.execute()
    found = list(client.scan_iter("py:scan:*", count=50))
    checks.equal("scan_iter finds every key", set(found), names)
    cursor, page = client.scan(0, count=10)
    checks.that("scan answers in pages", cursor != 0 and len(page) < 2000, (cursor, len(page)))
    checks.equal(
        "scan by type",
        set(client.scan_iter("py:scan:1*", _type="string")),
        {name for name in names if name.startswith("py:scan:1")},
    )
    checks.equal("keys", set(client.keys("py:scan:199?")), {f"py:scan:199{i}" for i in range(10)})


def locks(checks, server):
    """Taking and holding a lock is SET NX PX; the holder gives it back by compare and delete."""
    client = connect(server)
    mine, theirs = client.lock("py:lock", timeout=60), connect(server).lock("py:lock", timeout=60)
    checks.equal("a free lock is taken", mine.acquire(blocking=False), True)
    checks.equal("a taken one is refused", theirs.acquire(blocking=False), False)
    checks.equal(
        "the holder owns it", (mine.owned(), theirs.owned(), theirs.locked()), (True, False, True)
    )

    def release(pipe):
        if pipe.get("py:lock") == mine.local.token:
            pipe.multi()
            pipe.delete("py:lock")

    checks.equal("the holder releases it", client.transaction(release, "py:lock"), [1])
    short = client.lock("py:lock", timeout=0.05)
    checks.equal("the next takes it for a short time", short.acquire(blocking=False), True)
    checks.equal(
        "and a waiter gets it when that ran out",
        theirs.acquire(blocking=True, blocking_timeout=10),
        True,
    )


def connection_settings(checks, server):
    named = connect(server, client_name="named", health_check_interval=1)
    checks.equal("a client name", named.client_getname(), "named")
    checks.that(
        "client list shows it", any(entry["name"] == "named" for entry in named.client_list())
    )
    checks.that("client id", named.client_id() > 0)
    by_path = redis.Redis(unix_socket_path=server.unix_socket)
    checks.equal("a unix socket", (by_path.set("py:unix", 1), named.get("py:unix")), (True, b"1"))
    victim = connect(server)
    victim.client_setname("victim")
    identity = victim.client_id()
    checks.equal("client kill", named.client_kill_filter(_id=str(identity)), 1)
    checks.that("a killed client connects again", victim.client_id() != identity)


def authentication(checks, server):
    admin = connect(server)
    admin.config_set("requirepass", "secret")
    checks.raises("a password is required", redis.AuthenticationError, connect(server).ping)
    checks.raises(
        "a wrong one is refused",
        redis.ResponseError,
        connect(server, password="wrong").ping,
        "WRONGPASS",
    )
    checks.equal("the right one is taken", connect(server, password="secret").ping(), True)
    checks.equal(
        "with the default user's name too",
        connect(server, username="default", password="secret").ping(),
        True,
    )
    admin.config_set("requirepass", "")
    checks.equal("and no longer when it is taken away", connect(server).ping(), True)


def reconnect(checks, server):
    client = connect(server, decode_responses=True)
    subscription = client.pubsub()
    subscription.subscribe("py:again")
    message(subscription)
    client.mset({f"py:kept:{i}": i for i in range(100)})
    client.set("py:kept:ttl", 1, ex=1000)
    server.restart()
    checks.equal("after kill -9 the same client goes on", client.get("py:kept:99"), "99")
    checks.equal(
        "and finds all that was acknowledged",
        client.mget([f"py:kept:{i}" for i in range(100)]),
        [str(i) for i in range(100)],
    )
    checks.that("deadlines too", 0 < client.ttl("py:kept:ttl") <= 1000)
    checks.raises("a subscriber is told", redis.ConnectionError, lambda: message(subscription))
    checks.equal("and subscribes again", message(subscription)["type"], "subscribe")
    client.publish("py:again", "back")
    checks.equal("hearing messages", message(subscription)["data"], "back")


def main():
    options = harness.parser(__doc__).parse_args()
    checks = harness.Checks()
    with harness.running(options.server) as server:
        for part in (
            basics,
            pipelines,
            optimistic_locking,
            pub_sub,
            streams,
            scans,
            locks,
            connection_settings,
            authentication,
            reconnect,
        ):
            part(checks, server)
        checks.equal("SIGTERM ends with exit code 0", server.stop(), 0)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
