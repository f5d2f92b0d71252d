#!/usr/bin/env python3
"""The judge of the cluster tests is judged: against histories of a simulated register, against one
of each kind of lie, and against a checker that simply tries everything."""

import itertools
import random
import sys
import time
import unittest

from linearizability import (
    FAILED,
    NOT_INTEGER,
    UNKNOWN,
    Operation,
    Search,
    Undecided,
    Violation,
    apply,
    check,
    check_all,
)

KINDS = ("read", "read", "write", "write", "cas", "delete", "incr", "append")


def history(*rows):
    """Operations of key k from (client, kind, argument, result, invoked, returned); the argument of
    a cas is (expected, new)."""
    result = []
    for client, kind, argument, answer, invoked, returned in rows:
        expected = None
        if kind == "cas":
            expected, argument = argument
        result.append(Operation(client, "k", kind, argument, expected, answer, invoked, returned))
    return result


def draft(chance, number, kinds, values):
    kind = chance.choice(kinds)
    argument = expected = None
    if kind in ("write", "cas"):
        # Far enough apart that no increment makes one of another.
        argument = b"%d" % (chance.randrange(values) if values else number * 100_000)
    if kind == "append":
        argument = b"+%d" % number
    return kind, argument, expected


def simulate(chance, count, clients, kinds=KINDS, unknown=0.0, values=None):
    """A history of one register: each operation takes effect at a random instant within it; one of
    unknown fate later, or never. Without `values` no value is written twice."""
    free = [chance.random() for _ in range(clients)]
    operations, points = [], []
    for number in range(count):
        client = min(range(clients), key=free.__getitem__)
        invoked = free[client]
        point = invoked + chance.expovariate(1)
        returned = point + chance.expovariate(1)
        free[client] = returned + chance.expovariate(4)
        kind, argument, _ = draft(chance, number, kinds, values)
        each = Operation(client, "k", kind, argument, None, None, invoked, returned)
        if chance.random() < unknown:
            each.result = UNKNOWN
            point = None if chance.random() < 0.5 else point + chance.expovariate(0.1)
        operations.append(each)
        if point is not None:
            points.append((point, number))
    state, recent = None, [b"0"]
    for _, number in sorted(points):
        each = operations[number]
        if each.kind == "cas":
            each.expected = state if chance.random() < 0.7 and state else chance.choice(recent)
        result, state = apply(state, each)
        if each.result is not UNKNOWN:
            each.result = result
        if state is not None:
            recent = recent[-5:] + [state]
    for each in operations:
        if each.kind == "cas" and each.expected is None:
            each.expected = chance.choice(recent)
    return operations


def explained(operations, initial=None):
    """Tries every order of every choice of operations of unknown fate."""
    known = [each for each in operations if each.result is not UNKNOWN]
    unknown = [each for each in operations if each.result is UNKNOWN]

    def extend(state, left, open_fate):
        if not left:
            return True
        first = min(each.returned for each in left)
        for each in left + open_fate:
            if each.invoked <= first:
                result, after = apply(state, each)
                if each.result is UNKNOWN or each.result == result:
                    rest = [other for other in left if other is not each]
                    fate = [other for other in open_fate if other is not each]
                    if extend(after, rest, fate):
                        return True
        return False

    return extend(initial, known, unknown)


def accepted(operations):
    try:
        check(operations)
    except Violation:
        return False
    return True


class Accepts(unittest.TestCase):
    def test_an_empty_history(self):
        check([])

    def test_either_order_of_what_overlaps(self):
        for seen in (b"a", b"b"):
            check(
                history(
                    (1, "write", b"a", "OK", 0, 10),
                    (2, "write", b"b", "OK", 0, 10),
                    (3, "read", None, seen, 11, 12),
                )
            )

    def test_a_read_beside_a_write_of_either_state(self):
        for seen in (None, b"a"):
            check(history((1, "write", b"a", "OK", 0, 10), (2, "read", None, seen, 2, 3)))

    def test_an_unknown_write_that_never_happened_or_happens_late(self):
        check(
            history(
                (1, "write", b"a", "OK", 0, 1),
                (2, "write", b"b", UNKNOWN, 2, 0),
                (3, "read", None, b"a", 100, 101),
                (3, "read", None, b"b", 102, 103),
            )
        )
        check(
            history(
                (2, "write", b"b", UNKNOWN, 2, 0),
                (3, "read", None, None, 100, 101),
            )
        )

    def test_failed_operations_are_left_out(self):
        check(history((1, "write", b"a", FAILED, 0, 1), (2, "read", None, None, 2, 3)))

    def test_every_result_of_every_kind(self):
        check(
            history(
                (1, "delete", None, 0, 0, 1),
                (1, "cas", (b"a", b"b"), False, 2, 3),
                (1, "append", b"x", 1, 4, 5),
                (1, "incr", None, NOT_INTEGER, 6, 7),
                (1, "cas", (b"x", b"7"), True, 8, 9),
                (1, "incr", None, 8, 10, 11),
                (1, "append", b"0", 2, 12, 13),
                (1, "read", None, b"80", 14, 15),
                (1, "delete", None, 1, 16, 17),
                (1, "incr", None, 1, 18, 19),
            )
        )

    def test_simulated_histories(self):
        for seed in range(300):
            chance = random.Random(seed)
            kinds = chance.choice([KINDS, ("read", "write"), ("incr", "read"), ("append", "read")])
            operations = simulate(
                chance,
                chance.randrange(1, 120),
                chance.randrange(1, 17),
                kinds,
                chance.choice([0, 0.02, 0.1]),
                chance.choice([None, None, 3]),
            )
            self.assertTrue(accepted(operations), f"seed {seed}")


class Rejects(unittest.TestCase):
    def refused(self, *rows, window=None):
        with self.assertRaises(Violation) as caught:
            check(history(*rows))
        if window is not None:
            self.assertEqual(len(caught.exception.window), window, str(caught.exception))

    def test_a_stale_read(self):
        self.refused(
            (1, "write", b"a", "OK", 0, 1),
            (1, "write", b"b", "OK", 2, 3),
            (2, "read", None, b"a", 4, 5),
            window=2,
        )

    def test_a_read_that_goes_back(self):
        self.refused(
            (1, "write", b"a", "OK", 0, 1),
            (1, "write", b"b", "OK", 2, 20),
            (2, "read", None, b"b", 4, 5),
            (3, "read", None, b"a", 6, 7),
            window=2,
        )

    def test_a_lost_write(self):
        self.refused(
            (1, "write", b"a", "OK", 0, 1), (2, "read", None, None, 2, 3), window=2
        )  # fmt: skip

    def test_an_increment_applied_twice(self):
        self.refused(
            (1, "incr", None, 1, 0, 1), (1, "incr", None, 3, 2, 3), window=2
        )  # fmt: skip

    def test_an_increment_of_unknown_fate_applied_twice(self):
        self.refused(
            (1, "incr", None, 1, 0, 1),
            (2, "incr", None, UNKNOWN, 2, 0),
            (1, "incr", None, 4, 4, 5),
        )

    def test_two_increments_with_one_result(self):
        self.refused((1, "incr", None, 1, 0, 5), (2, "incr", None, 1, 0, 5), window=2)

    def test_an_append_applied_twice(self):
        self.refused((1, "append", b"a", 1, 0, 1), (2, "read", None, b"aa", 2, 3), window=2)

    def test_a_deleted_value_that_came_back(self):
        self.refused(
            (1, "write", b"a", "OK", 0, 1),
            (1, "delete", None, 1, 2, 3),
            (2, "read", None, b"a", 4, 5),
            window=2,
        )

    def test_an_overwritten_unknown_write_that_was_read_comes_back(self):
        self.refused(
            (1, "write", b"a", UNKNOWN, 0, 0),
            (2, "read", None, b"a", 2, 3),
            (2, "write", b"b", "OK", 4, 5),
            (2, "read", None, b"a", 6, 7),
        )

    def test_a_read_from_the_future(self):
        self.refused((2, "read", None, b"a", 0, 1), (1, "write", b"a", "OK", 2, 3))

    def test_a_value_nobody_wrote(self):
        self.refused((1, "write", b"a", "OK", 0, 1), (2, "read", None, b"z", 2, 3), window=2)

    def test_the_effect_of_what_certainly_failed(self):
        self.refused((1, "write", b"a", FAILED, 0, 1), (2, "read", None, b"a", 2, 3))

    def test_a_split_brain(self):
        """Two leaders, each consistent in itself."""
        self.refused(
            (1, "write", b"a", "OK", 0, 1),
            (2, "write", b"b", "OK", 2, 3),
            (1, "read", None, b"a", 4, 5),
            (2, "read", None, b"b", 4, 5),
        )

    def test_two_winners_of_one_compare_and_set(self):
        self.refused(
            (1, "write", b"free", "OK", 0, 1),
            (2, "cas", (b"free", b"mine"), True, 2, 9),
            (3, "cas", (b"free", b"yours"), True, 2, 9),
            window=2,
        )

    def test_a_compare_and_set_that_should_have_won(self):
        self.refused(
            (1, "write", b"free", "OK", 0, 1),
            (2, "cas", (b"free", b"mine"), False, 2, 9),
            window=2,
        )

    def test_the_smallest_window_leaves_out_what_does_not_matter(self):
        operations = simulate(random.Random(1), 400, 8)
        last = max(each.returned for each in operations)
        operations += history(
            (1, "write", b"new", "OK", last + 1, last + 2),
            (2, "read", None, b"old", last + 3, last + 4),
        )
        with self.assertRaises(Violation) as caught:
            check(operations)
        self.assertEqual(len(caught.exception.window), 2)
        self.assertIn("'new'", str(caught.exception))


class Agrees(unittest.TestCase):
    """With the checker that tries everything, on histories that are small enough for it."""

    def agree(self, operations, label):
        expected = explained(operations)
        self.assertEqual(accepted(operations), expected, f"{label}: {operations}")
        return expected

    def test_on_mutated_histories(self):
        verdicts = {True: 0, False: 0}
        for seed in range(3000):
            chance = random.Random(seed)
            operations = simulate(
                chance, chance.randrange(2, 7), chance.randrange(1, 5), KINDS, 0.15, 3
            )
            self.assertTrue(self.agree(operations, seed))
            mutate(chance, operations)
            verdicts[self.agree(operations, seed)] += 1
        self.assertGreater(min(verdicts.values()), 300, verdicts)

    def test_on_random_results(self):
        verdicts = {True: 0, False: 0}
        for seed in range(3000):
            chance = random.Random(seed)
            operations = []
            for number in range(chance.randrange(2, 6)):
                kind, argument, _ = draft(chance, number, KINDS, 2)
                invoked = chance.randrange(12)
                each = Operation(number, "k", kind, argument, b"0", None, invoked, invoked)
                each.returned += chance.randrange(8)
                each.result = chance.choice(RESULTS[kind])
                operations.append(each)
            verdicts[self.agree(operations, seed)] += 1
        self.assertGreater(min(verdicts.values()), 300, verdicts)


RESULTS = {
    "read": [None, b"0", b"1", UNKNOWN],
    "write": ["OK", "OK", UNKNOWN],
    "cas": [True, False, UNKNOWN],
    "delete": [0, 1, UNKNOWN],
    "incr": [1, 2, NOT_INTEGER, UNKNOWN],
    "append": [2, 3, UNKNOWN],
}


def mutate(chance, operations):
    """Changes one result or moves one operation in time."""
    each = chance.choice([one for one in operations if one.result is not UNKNOWN] or operations)
    if each.result is UNKNOWN:
        return
    if chance.random() < 0.4:
        length = each.returned - each.invoked
        each.invoked = chance.uniform(0, 8)
        each.returned = each.invoked + length
    else:
        others = [one for one in RESULTS[each.kind] if one not in (UNKNOWN, each.result)]
        each.result = chance.choice(others) if others else "OK"


class Large(unittest.TestCase):
    def judge(self, operations, seconds):
        before = time.monotonic()
        verdict = accepted(operations)
        self.assertLess(time.monotonic() - before, seconds)
        return verdict

    def test_five_thousand_operations_of_sixteen_clients(self):
        for seed, (kinds, unknown) in enumerate(
            [
                (("read", "write", "cas", "delete"), 0.03),
                (("incr", "read", "delete"), 0.02),
                (("append", "read"), 0.03),
                (("write",), 0.03),
                (KINDS, 0),
            ]
        ):
            operations = simulate(random.Random(seed), 5000, 16, kinds, unknown)
            self.assertTrue(self.judge(operations, 60), kinds)

    def test_one_wrong_read_among_them(self):
        for seed, kinds in enumerate(
            [("read", "write", "cas", "delete"), ("incr", "read"), ("append", "read")]
        ):
            chance = random.Random(seed)
            operations = simulate(chance, 5000, 16, kinds, 0.01)
            reads = [each for each in operations if each.kind == "read" and each.result]
            chance.choice(reads[100:]).result = reads[10].result
            self.assertFalse(self.judge(operations, 60), kinds)

    def test_a_stale_read_among_them(self):
        operations = simulate(random.Random(5), 5000, 16, ("read", "write"), 0.01)
        reads = sorted(
            (each for each in operations if each.kind == "read" and each.result is not UNKNOWN),
            key=lambda each: each.invoked,
        )
        reads[-20].result = reads[-200].result
        self.assertFalse(self.judge(operations, 60))

    def test_a_search_without_end_is_given_up(self):
        operations = simulate(random.Random(6), 500, 16)
        with self.assertRaises(Undecided):
            Search(operations, budget=10).run()


class Locality(unittest.TestCase):
    def test_keys_are_judged_by_themselves(self):
        pairs = itertools.product((b"a", b"b"), (1, 2))
        operations = [
            Operation(client, key, "write", key, None, "OK", client, client + 1)
            for key, client in pairs
        ]
        self.assertEqual(check_all(operations), 2)
        operations.append(Operation(3, b"b", "read", None, None, b"a", 9, 10))
        with self.assertRaises(Violation) as caught:
            check_all(operations)
        self.assertEqual(caught.exception.key, b"b")


if __name__ == "__main__":
    sys.exit(unittest.main())
