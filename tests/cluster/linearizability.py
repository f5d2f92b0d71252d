"""Judges whether what clients saw of one key can be explained by one copy of it that changed at one
instant within each operation: J. M. Wing and C. Gong, "Testing and verifying concurrent objects"
(1993), with the memory of G. Lowe, "Testing for linearizability" (2017).

A history is a list of Operations. The search puts one operation after another into an order that
respects real time and in which every result is right. The list of call and return events that
Wing and Gong walk is kept as an index: the operations in the order of their returns, and for each
return those that were open then, which are all that may come next. A configuration is how much of
that list is ordered, the state of the key, and which operations of unknown fate took effect.

An operation of unknown fate may take effect at any time after its call, or never. So it has no
return, is tried last, and of two configurations that differ only in such operations the one that
used a subset of the other's is enough. One that certainly failed is left out.
"""

import bisect
import collections
import re

UNKNOWN = type("Unknown", (), {"__repr__": lambda self: "?"})()  # no reply that says what happened
FAILED = type("Failed", (), {"__repr__": lambda self: "failed"})()  # certainly without effect
NOT_INTEGER = type("NotInteger", (), {"__repr__": lambda self: "not an integer"})()
ANY = type("Any", (), {"__repr__": lambda self: "any value"})()  # a state nothing is known of
IMPOSSIBLE = object()
BESIDE_SHOWN = 20
BUDGET = 1_000_000  # configurations; about a minute
EXPLAIN_BUDGET = 50_000

INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


class Undecided(Exception):
    """The search was given up: too many orders are possible."""


class Operation:
    """One command of one client on one key. Times are of one clock; `returned` counts only when the
    result is known. `argument` is the value of a write, a compare-and-set and an append."""

    __slots__ = ("client", "key", "kind", "argument", "expected", "result", "invoked", "returned")

    def __init__(
        self, client, key, kind, argument=None, expected=None, result=UNKNOWN, invoked=0, returned=0
    ):
        self.client = client
        self.key = key
        self.kind = kind
        self.argument = argument
        self.expected = expected
        self.result = result
        self.invoked = invoked
        self.returned = returned

    def __repr__(self):
        given = [self.kind]
        if self.kind == "cas":
            given += [brief(self.expected), "to"]
        if self.argument is not None:
            given.append(brief(self.argument))
        return f"{' '.join(given)} -> {brief(self.result)}"


def brief(value):
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:18]}...{text[-18:]}"


def apply(state, operation):
    """What a single copy of the key would answer, and its state after that. None is no value."""
    kind = operation.kind
    if kind == "read":
        return state, state
    if kind == "write":
        return "OK", operation.argument
    if kind == "cas":
        if state == operation.expected:
            return True, operation.argument
        return False, state
    if kind == "delete":
        return (0 if state is None else 1), None
    if kind == "append":
        value = (state or b"") + operation.argument
        return len(value), value
    if kind == "incr":
        if state is not None and not INTEGER.fullmatch(state):
            return NOT_INTEGER, state
        number = int(state or 0) + 1
        return number, b"%d" % number
    raise ValueError(f"no operation is called {kind}")


def guess(operation):
    """The state after an operation on a state nothing is known of: as much as its result tells."""
    kind, result = operation.kind, operation.result
    if kind == "read":
        return ANY if result is UNKNOWN else result
    if kind == "write":
        return operation.argument
    if kind == "delete":
        return None
    if kind == "cas":
        return operation.argument if result is True else ANY
    if kind == "incr" and isinstance(result, int):
        return b"%d" % result
    return ANY


def step(state, operation):
    """The state after `operation`, or IMPOSSIBLE where its result could not have come about."""
    if state is ANY:
        return guess(operation)
    result, after = apply(state, operation)
    if operation.result is UNKNOWN or operation.result == result:
        return after
    return IMPOSSIBLE


def changes_nothing(operation):
    """Whether its result says that the operation left the state alone, whatever that was."""
    kind, result = operation.kind, operation.result
    return (
        kind == "read"
        or (kind == "cas" and result is False)
        or (kind == "delete" and result == 0)
        or result is NOT_INTEGER
    )


def required(operation):
    """The one state its result can come from, as a sequence; empty where there are several."""
    kind, result = operation.kind, operation.result
    if kind == "read":
        return (result,)
    if kind == "cas" and result is True:
        return (operation.expected,)
    if kind == "delete" and result == 0:
        return (None,)
    if kind == "incr" and isinstance(result, int) and result != 1:
        return (b"%d" % (result - 1),)
    return ()


def can_make(operation, value):
    """Whether an operation of unknown fate may leave this value."""
    if operation.kind == "incr":
        return value is not None and bool(INTEGER.fullmatch(value))
    if operation.kind == "append":
        return value is not None and value.endswith(operation.argument)
    return operation.kind in ("write", "cas", "delete") and operation.argument == value


class Search:
    """Looks for an order. `furthest` is how many of the operations, by their returns, could be put
    into one. A configuration is (position, mask, state, used): in the order of returns all before
    `position` are in, and of those from it on the ones in `mask`; `used` is a mask of the
    operations of unknown fate."""

    def __init__(self, operations, initial=None, budget=BUDGET):
        self.initial = initial
        self.known = sorted(
            (each for each in operations if each.result not in (UNKNOWN, FAILED)),
            key=lambda each: each.returned,
        )
        self.unknown = sorted(
            (each for each in operations if each.result is UNKNOWN and each.kind != "read"),
            key=lambda each: each.invoked,
        )
        self.pure = [changes_nothing(each) for each in self.known]
        self.blind = [each.kind == "write" for each in self.known]
        self.open = []  # for each position, the indices of `known` that may come next
        self.begun = []  # and how many of `unknown` may
        self.sweep()
        self.bases = {}  # of an append, the state it must come to
        self.needs, self.sources = self.values()
        self.sort_out()
        self.longest = self.grown()
        self.seen = {}
        self.furthest = 0
        self.budget = budget

    def sweep(self):
        """A call at the instant of another's return counts as before it: nothing tells them
        apart."""
        events = [(each.invoked, 0, i) for i, each in enumerate(self.known)]
        events += [(each.returned, 2, i) for i, each in enumerate(self.known)]
        events += [(each.invoked, 1, i) for i, each in enumerate(self.unknown)]
        pending, begun = set(), 0
        for _, what, i in sorted(events):
            if what == 0:
                pending.add(i)
            elif what == 1:
                begun += 1
            else:
                self.open.append(sorted(pending))
                self.begun.append(begun)
                pending.discard(i)

    def sort_out(self):
        """What tells operations apart: of several alike that may come next, the one that returns
        first is always the best choice. Writes of values that nothing looks at are alike."""
        everything = self.known + self.unknown
        counts = any(each.kind == "incr" for each in everything)
        grows = any(each.kind == "append" for each in everything)
        looked_at = {each.expected for each in everything if each.kind == "cas"}
        looked_at = {value for value in looked_at.union(self.needs) if value is not None}

        def alike(each):
            if each.kind == "write" and not (counts and INTEGER.fullmatch(each.argument)):
                value = each.argument
                if value not in looked_at:
                    if not grows or not any(other.startswith(value) for other in looked_at):
                        return ("write", len(value))
            if each.kind in ("write", "delete"):
                return (each.kind, each.argument, each.result if each.kind == "delete" else None)
            return (each.kind, each.argument, each.expected, each.result)

        self.known_kind = [alike(each) for each in self.known]
        self.unknown_kind = [alike(each) for each in self.unknown]

    def values(self):
        """For each state that some result can't do without: the indices of the operations with
        such results, and of those that can bring the state about (known, of unknown fate). An
        append that alone can bring about what is needed can't do without what it appends to."""
        needs, exact, appends = {}, {}, {}
        for i, each in enumerate(self.known):
            for value in required(each):
                needs.setdefault(value, []).append(i)
            if each.kind == "append":
                appends.setdefault(each.result, []).append(i)
            elif not self.pure[i]:
                exact.setdefault(guess(each), []).append(i)
        sources, left = {}, list(needs)
        while left:
            value = left.pop()
            ends = appends.get(len(value), []) if value is not None else []
            ends = [i for i in ends if value.endswith(self.known[i].argument)]
            perhaps = [i for i, each in enumerate(self.unknown) if can_make(each, value)]
            certain = sorted(exact.get(value, []) + ends)
            sources[value] = certain, perhaps
            if len(ends) == len(certain) == 1 and not perhaps and self.initial not in (value, ANY):
                base = value[: -len(self.known[ends[0]].argument)]
                if base and self.bases.setdefault(ends[0], base) == base:
                    needs.setdefault(base, []).append(ends[0])
                    needs[base].sort()
                    if base not in sources and base not in left:
                        left.append(base)
        return needs, sources

    def grown(self):
        """The longest value read of a key that nothing but appends ever changed, else None: all its
        states are the beginnings of one value."""
        reads = [each.result or b"" for each in self.known if each.kind == "read"]
        if any(each.kind not in ("read", "append") for each in self.known + self.unknown):
            return None
        return max(reads, key=len, default=None)

    def hopeless(self, state):
        """Whether no read of `longest` can follow or have come before."""
        if self.longest is None or state in (ANY, None):
            return False
        return not (self.longest.startswith(state) or state.startswith(self.longest))

    def leaves_for_good(self, state, position, mask, used):
        """Whether leaving `state` leaves an operation behind that needs it when nothing can bring
        the state back. That ends in vain, but perhaps only thousands of operations later."""

        def remain(indices):
            return any(i >= position and not mask >> (i - position) & 1 for i in reversed(indices))

        if not remain(self.needs.get(state, ())):
            return False
        certain, perhaps = self.sources[state]
        return not remain(certain) and all(used >> i & 1 for i in perhaps)

    def settle(self, position, mask, state, used, unseen):
        """Puts in what may come now and changes nothing: waiting could only make it impossible."""
        while True:
            while mask & 1:
                mask >>= 1
                position += 1
            if position == len(self.known) or state is ANY:
                return position, mask, state, used, unseen
            before = mask
            for i in self.open[position]:
                if self.pure[i] and not mask >> (i - position) & 1:
                    if step(state, self.known[i]) is not IMPOSSIBLE:
                        mask |= 1 << (i - position)
            if mask == before:
                return position, mask, state, used, unseen
            unseen = False

    def next(self, configuration):
        position, mask, state, used, unseen = configuration
        offered = set()
        for i in self.open[position]:
            kind = self.known_kind[i]
            if mask >> (i - position) & 1 or kind in offered or (unseen and self.blind[i]):
                continue
            offered.add(kind)
            after = step(state, self.known[i])
            if after is IMPOSSIBLE or self.bases.get(i, state) != state or self.hopeless(after):
                continue
            taken = mask | 1 << (i - position)
            if after == state or not self.leaves_for_good(state, position, taken, used):
                yield self.settle(position, taken, after, used, False)
        for i in range(self.begun[position]):
            each, kind = self.unknown[i], self.unknown_kind[i]
            if used >> i & 1 or kind in offered:
                continue
            offered.add(kind)
            if unseen and each.kind in ("write", "delete"):
                continue
            after, taken = step(state, each), used | 1 << i
            if after == state or self.hopeless(after):
                continue
            if not self.leaves_for_good(state, position, mask, taken):
                yield self.settle(position, mask, after, taken, True)

    def known_already(self, configuration):
        position, mask, state, used, unseen = configuration
        before = self.seen.setdefault((position, mask, state), ([], []))
        if any(each & ~used == 0 for each in before[0]):
            return True
        if unseen and any(each & ~used == 0 for each in before[1]):
            return True
        before[unseen][:] = [each for each in before[unseen] if used & ~each]
        before[unseen].append(used)
        return False

    def run(self):
        """Whether there is an order that begins with the initial state."""
        if not self.known:
            return True
        pending = [iter([self.settle(0, 0, self.initial, 0, False)])]
        while pending:
            configuration = next(pending[-1], None)
            if configuration is None:
                pending.pop()
                continue
            self.furthest = max(self.furthest, configuration[0])
            if configuration[0] == len(self.known):
                return True
            if self.known_already(configuration):
                continue
            self.budget -= 1
            if self.budget < 0:
                raise Undecided(f"of {len(self.known)} operations {self.furthest} could be judged")
            pending.append(self.next(configuration))
        return False


class Violation(Exception):
    """No order explains `window`, the operations of one key, whatever its state before them.
    `beside` are those that overlap with it."""

    def __init__(self, key, window, beside):
        self.key = key
        self.window = window
        self.beside = beside
        first = min(each.invoked for each in window)
        text = [f"{key!r} is not linearizable: nothing explains these {len(window)} operations"]
        text += [line(each, first) for each in window]
        if beside:
            text.append("beside them, each of which may have taken effect or not:")
            text += [line(each, first) for each in beside[-BESIDE_SHOWN:]]
        super().__init__("\n".join(text))


def line(operation, first):
    """Times of time.monotonic_ns are shown in milliseconds."""
    begin = f"{(operation.invoked - first) / 1e6:12.3f}"
    end = "" if operation.result is UNKNOWN else f"{(operation.returned - first) / 1e6:.3f}"
    return f"{begin} {end:>12} ms  client {operation.client}: {operation}"


def relaxed(operations, begin, end):
    """The part of a history from the call number `begin` to the return at `end`, free of the rest:
    what only overlaps with it becomes an operation of unknown fate."""
    result = []
    for number, each in enumerate(operations):
        if each.invoked > end:
            break
        known = each.result is not UNKNOWN
        if known and number >= begin and each.returned <= end:
            result.append(each)
        elif each.kind != "read" and (not known or each.returned >= operations[begin].invoked):
            result.append(
                Operation(
                    each.client, each.key, each.kind, each.argument, each.expected,
                    UNKNOWN, each.invoked,
                )
            )  # fmt: skip
    return result


def explain(operations, initial):
    """The Violation with the smallest window: the first return up to which no order is right, and
    the last call from which on none is, whatever the state was there."""
    ordered = sorted(
        (each for each in operations if each.result is not FAILED), key=lambda each: each.invoked
    )
    returns = sorted(each.returned for each in ordered if each.result is not UNKNOWN)

    def fails(begin, end, state):
        try:
            return not Search(relaxed(ordered, begin, end), state, EXPLAIN_BUDGET).run()
        except Undecided:
            return False

    last = len(returns) - 1
    end = returns[
        bisect.bisect(range(last), False, key=lambda i: fails(0, returns[i], initial))
    ]
    # What fails in whatever state it begins still fails with more before it. Small parts first:
    # they are quickly judged.
    calls = bisect.bisect([each.invoked for each in ordered], end)
    size = 1
    while size < calls and not fails(calls - size, end, ANY):
        size *= 2
    sizes = range(min(size, calls))
    size = bisect.bisect(sizes, False, key=lambda size: fails(calls - size, end, ANY))
    low = calls - size
    part = relaxed(ordered, low, end)
    window = [each for each in part if each.result is not UNKNOWN]
    beside = [each for each in part if each.result is UNKNOWN]
    return Violation(operations[0].key, window, beside)


def check(operations, initial=None, budget=BUDGET):
    """Judges the history of one key: raises Violation, or Undecided."""
    if not Search(operations, initial, budget).run():
        raise explain(operations, initial)


def check_all(operations):
    """Judges a history of many keys, each by itself: the property is local (Herlihy and Wing)."""
    by_key = collections.defaultdict(list)
    for each in operations:
        by_key[each.key].append(each)
    for history in by_key.values():
        check(history)
    return len(by_key)
