"""The history of one writer, and the judgement on what a server holds after a crash.

A writer sends a fixed sequence of operations over one connection, in order, and remembers how many
were sent and how many were acknowledged. Operation `i` is computed from the writer's number and `i`
alone, and each leaves a state that no other leaves. A crash may only cut the sequence: what is
found must be exactly the state after `n` operations, with acknowledged <= n <= sent. That one rule
finds lost writes, doubled writes, holes, and transactions that were torn.
"""

SLOTS = 200
KINDS = 5


class Violation(Exception):
    """The server holds, or answered, something that no cut of the sequence explains."""


class Writer:
    def __init__(self, number):
        self.number = number
        self.sent = 0
        self.acknowledged = 0
        self.state = {}  # after `acknowledged` operations; absent keys are absent here too

    def key(self, name):
        return f"w{self.number}:{name}"

    def keys(self):
        return [self.key(name) for name in ("count", "left", "right", "both", "share")] + [
            self.key(f"slot:{slot}") for slot in range(SLOTS)
        ]

    def slot(self, i):
        return self.key(f"slot:{i // KINDS % SLOTS}")

    @staticmethod
    def value(i):
        """Mostly small, sometimes a few KiB, so that records of the log have many sizes."""
        size = (i * 7919) % 97 if i % 3 else (i * 7919) % 6000
        return f"{i}:".encode() + b"x" * size

    def commands(self, i):
        """The commands of operation `i` (from 0); the reply to the last one acknowledges it."""
        kind = i % KINDS
        if kind == 0:
            return [("INCR", self.key("count"))]
        if kind == 1:
            return [("SET", self.slot(i), self.value(i))]
        if kind == 2:
            return [
                ("MULTI",),
                ("SET", self.key("left"), self.value(i)),
                ("SET", self.key("right"), self.value(i)),
                ("INCR", self.key("both")),
                ("EXEC",),
            ]
        if kind == 3:
            return [("MULTI",), ("INCR", self.key("share")), ("INCR", "all"), ("EXEC",)]
        return [("DEL", self.slot(i))] if i // KINDS % 3 == 0 else [("APPEND", self.slot(i), b"+")]

    def apply(self, i, state):
        """Does operation `i` to `state`; the reply it must have, None standing for any number."""
        kind, slot = i % KINDS, self.slot(i)
        if kind == 0:
            return add(state, self.key("count"))
        if kind == 1:
            state[slot] = self.value(i)
            return "OK"
        if kind == 2:
            state[self.key("left")] = state[self.key("right")] = self.value(i)
            return ["OK", "OK", add(state, self.key("both"))]
        if kind == 3:
            return [add(state, self.key("share")), None]
        if i // KINDS % 3 == 0:
            return 1 if state.pop(slot, None) is not None else 0
        state[slot] = state.get(slot, b"") + b"+"
        return len(state[slot])

    def acknowledge(self, reply):
        """Takes the final reply of the oldest operation that has none."""
        i = self.acknowledged
        expected = self.apply(i, self.state)
        if not alike(reply, expected):
            raise Violation(
                f"writer {self.number}: operation {i} {self.commands(i)!r} was answered "
                f"{reply!r} instead of {expected!r}"
            )
        self.acknowledged += 1

    def settle(self, found):
        """Judges `found`, this writer's keys and values, and goes on from what turned out to be."""
        state = dict(self.state)
        for n in range(self.acknowledged, self.sent + 1):
            if found == state:
                self.state = state
                self.acknowledged = self.sent = n
                return
            self.apply(n, state)
        raise Violation(self.difference(found))

    def share(self):
        return int(self.state.get(self.key("share"), b"0"))

    def difference(self, found):
        wrong = [
            f"{key} is {brief(found.get(key))}, was {brief(self.state.get(key))} when acknowledged"
            for key in self.keys()
            if found.get(key) != self.state.get(key)
        ]
        return (
            f"writer {self.number}: no cut between {self.acknowledged} operations (acknowledged) "
            f"and {self.sent} (sent) explains what is found: " + "; ".join(wrong[:8])
        )


def settle_all(writers, found):
    """Judges everything a server holds: `found` maps every key to its value."""
    for writer in writers:
        mine = {key: found[key] for key in writer.keys() if key in found}
        writer.settle(mine)
    total, shares = int(found.get("all", b"0")), sum(writer.share() for writer in writers)
    if total != shares:
        raise Violation(f"the shared counter is {total}, the writers' shares make {shares}")


def alike(reply, expected):
    if isinstance(expected, list):
        return (
            isinstance(reply, list)
            and len(reply) == len(expected)
            and all(
                isinstance(one, int) if other is None else one == other
                for one, other in zip(reply, expected)
            )
        )
    return reply == expected


def add(state, key):
    number = int(state.get(key, b"0")) + 1
    state[key] = b"%d" % number
    return number


def brief(value):
    if value is None:
        return "nothing"
    return repr(value[:20]) + (f" ({len(value)} bytes)" if len(value) > 20 else "")
