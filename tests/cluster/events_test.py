#!/usr/bin/env python3
"""The judge of watchers is judged: it accepts what is right and refuses every kind of wrong."""

import sys
import unittest

from events import (
    Event,
    History,
    Stream,
    Told,
    Untold,
    Writes,
    judge,
    judge_pairs,
    parse_id,
    written,
)

START = (10, 4)
PAIR = (b"pair", b"pair:other")


def happened():
    """A write, a transaction, another write, a removal, an APPEND."""
    return [
        Event((11, 0), "set", b"a", b"1"),
        Event((12, 0), "set", b"pair", b"2"),
        Event((12, 1), "set", b"pair:other", b"2"),
        Event((12, 2), "incrby", b"a", b"2"),
        Event((14, 0), "set", b"b", b"3"),
        Event((15, 0), "del", b"a"),
        Event((16, 0), "append", b"list", b"1.1 2.1 "),
    ]


class JudgeOfStreams(unittest.TestCase):
    def setUp(self):
        self.events = happened()

    def history(self, end=(16, 0), floor=(0, 0)):
        return History(self.events, START, end, floor)

    @staticmethod
    def stream(told, target="*", is_glob=True):
        """`told` are events, and (mark, id)."""
        stream = Stream(target, is_glob, START)
        for each in told:
            if isinstance(each, Event):
                stream.tell(Told("event", each.id, each))
            else:
                stream.tell(Told(*each))
        return stream

    def accepted(self, told, target="*", is_glob=True, **history):
        judge(self.stream(told, target, is_glob), self.history(**history))

    def refused(self, why, told, target="*", is_glob=True, **history):
        with self.assertRaisesRegex(Untold, why):
            judge(self.stream(told, target, is_glob), self.history(**history))

    def test_accepts_what_happened_with_marks_between(self):
        self.accepted(self.events)
        marked = [("sync", START)]
        for event in self.events:
            marked.append(event)
            if event.id not in ((12, 0), (12, 1)):
                marked.append(("sync", event.id))
        self.accepted([*marked, ("sync", (16, 0)), ("sync", (17, 2))])

    def test_accepts_what_one_asked_for(self):
        self.accepted([self.events[i] for i in (0, 3, 5)], "a", is_glob=False)
        self.accepted([*self.events[1:3], ("sync", (12, 2))], "pair*")
        self.accepted([self.events[2]], "*:other")
        self.accepted([("sync", (16, 0))], "nothing")

    def test_accepts_what_came_after_the_history_was_read(self):
        self.accepted([*self.events, Event((17, 0), "set", b"a", b"9")])
        self.accepted(self.events, end=(15, 0))

    def test_refuses_a_missing_event_wherever_it_was(self):
        for missing in range(len(self.events)):
            left = self.events[:missing] + self.events[missing + 1 :]
            self.refused("not told of", left)
            self.refused("not told of", [*left, ("sync", (16, 0))])
            self.refused("not told of", [*left, Event((17, 0), "set", b"a", b"9")])

    def test_refuses_a_mark_beyond_what_was_told(self):
        self.refused("not told of", [self.events[0], ("sync", (14, 0)), *self.events[1:]])

    def test_refuses_a_repeated_event(self):
        for number, event in enumerate(self.events):
            self.refused("again", [*self.events[: number + 1], event, *self.events[number + 1 :]])
            self.refused("again", [*self.events, event])

    def test_refuses_a_swapped_pair(self):
        for number in range(len(self.events) - 1):
            swapped = list(self.events)
            swapped[number : number + 2] = reversed(swapped[number : number + 2])
            self.refused("not told of", swapped)

    def test_refuses_what_a_mark_has_passed(self):
        self.refused("again", [("sync", (16, 0)), *self.events], end=START)
        self.refused("behind", [*self.events, ("sync", (14, 0))])

    def test_refuses_a_transaction_that_a_mark_splits(self):
        for number in (2, 3):
            mark = ("sync", self.events[number - 1].id)
            self.refused("splits", [*self.events[:number], mark, *self.events[number:]])
        self.refused("splits", [("sync", (12, 1))], "nothing")

    def test_refuses_an_event_that_is_not_what_happened(self):
        for change in (
            {"value": b"wrong"},
            {"value": None},
            {"kind": "expired"},
            {"key": b"c"},
            {"id": (13, 0)},
        ):
            wrong = list(self.events)
            wrong[4] = wrong[4]._replace(**change)
            self.refused("never happened", wrong)
        self.refused("never happened", self.events, "a")

    def test_accepts_that_what_was_compacted_is_lost(self):
        floor = (14, 0)
        self.accepted([self.events[0], ("lost", (11, 0)), *self.events[5:]], floor=floor)
        self.accepted([self.events[0], ("compacted", floor), *self.events[5:]], floor=floor)
        self.accepted([("lost", START), ("sync", (15, 0)), self.events[6]], floor=floor)
        # Some of it may have been sent before it was compacted.
        self.accepted([("lost", START), *self.events[4:]], floor=floor)

    def test_refuses_losses_where_nothing_was_compacted(self):
        told = [self.events[0], ("lost", (11, 0)), *self.events[5:]]
        self.refused("was compacted", told)
        self.refused("was compacted", told, floor=(11, 0))
        told[1] = ("compacted", (14, 0))
        self.refused("was compacted", told)
        self.refused("was compacted", told, floor=(13, 0))
        self.refused("was compacted", [self.events[0], ("compacted", (11, 0))], floor=(14, 0))

    def test_refuses_more_missing_than_was_lost(self):
        floor = (14, 0)
        self.refused("not told of", [("lost", (11, 0)), *self.events[5:]], floor=floor)
        told = [self.events[0], ("lost", (11, 0)), ("sync", (14, 0)), self.events[6]]
        self.refused("not told of", told, floor=floor)
        self.refused("not told of", [("compacted", floor), self.events[6]], floor=floor)
        self.refused("not told of", [*self.events[:5], self.events[6]], floor=floor)

    def test_goes_on_from_where_it_stood(self):
        stream = self.stream([self.events[0], ("sync", (12, 2)), ("lost", (12, 2))])
        self.assertEqual(stream.position, (12, 2))
        stream.tell(Told("compacted", (14, 0)))
        self.assertEqual(stream.position, (14, 0))
        self.assertEqual(parse_id(b"42-7"), (42, 7))

    def test_refuses_a_history_that_is_none(self):
        for wrong, why in (
            ([self.events[1], self.events[0]], "comes after"),
            ([self.events[0], self.events[0]], "comes after"),
            (self.events[2:], "lacks 12-0"),
            (self.events[:2] + self.events[3:], "lacks 12-1"),
        ):
            with self.assertRaisesRegex(Untold, why):
                History(wrong, START, (16, 0))


class JudgeOfWrites(unittest.TestCase):
    def setUp(self):
        self.events = happened()
        self.writes = Writes()
        self.writes.add(True, "set", "a", b"1")
        for key in PAIR:
            self.writes.add(True, "set", key, b"2")
        self.writes.add(True, "incrby", "a", b"2")
        self.writes.add(False, "set", "b", b"3")
        self.writes.add(True, "del", "a")
        self.writes.add(True, "append", "list", b"2.1 ")

    def judge(self, is_mine=lambda key: True):
        self.writes.judge(History(self.events, START, (99, 0)), is_mine)

    def refused(self, why):
        with self.assertRaisesRegex(Untold, why):
            self.judge()

    def test_accepts_what_was_acknowledged(self):
        self.judge()

    def test_accepts_that_an_uncertain_write_did_not_happen(self):
        del self.events[4]
        self.judge()

    def test_refuses_a_lost_write(self):
        for number in (0, 2, 5, 6):
            self.setUp()
            revision = self.events[number].id[0]
            self.events = [event for event in self.events if event.id[0] != revision]
            self.refused("acknowledged 1 times, and happened 0 times")

    def test_refuses_a_write_that_happened_twice(self):
        for number in (0, 3, 4, 5, 6):
            self.setUp()
            self.events.append(self.events[number]._replace(id=(17, 0)))
            self.refused("happened 2 times")

    def test_refuses_a_write_that_nobody_made(self):
        self.events.append(Event((17, 0), "set", b"c", b"1"))
        self.refused("happened 1 times, and was acknowledged 0 times")

    def test_counts_uncertain_increments_with_whatever_result(self):
        self.events.append(Event((17, 0), "incrby", b"a", b"77"))
        self.writes.add_possible("incrby", "a")
        self.judge()
        self.events.append(Event((18, 0), "incrby", b"a", b"78"))
        self.refused("happened 1 times, and was acknowledged 0 times")

    def test_looks_at_no_keys_of_others(self):
        self.events.append(Event((17, 0), "set", b"c", b"1"))
        self.judge(lambda key: key != b"c")

    def test_knows_what_an_append_has_written(self):
        self.assertEqual(written(self.events[6]), b"2.1 ")
        self.assertEqual(written(Event((1, 0), "append", b"k", b"3.7+")), b"+")


class JudgeOfPairs(unittest.TestCase):
    def refused(self, changes):
        with self.assertRaisesRegex(Untold, "split"):
            judge_pairs(History(changes, START, (99, 0)), lambda key: b"pair" in key)

    def test_accepts_whole_transactions(self):
        judge_pairs(History(happened(), START, (99, 0)), lambda key: b"pair" in key)

    def test_refuses_split_ones(self):
        whole = happened()
        self.refused([whole[1], whole[2]._replace(id=(13, 0))])
        self.refused([whole[1]])
        self.refused([whole[1], whole[2]._replace(value=b"3")])
        self.refused([whole[1], whole[2]._replace(key=b"pair2:other")])
        self.refused([whole[1], whole[0]._replace(id=(12, 1)), whole[2]._replace(id=(12, 2))])


if __name__ == "__main__":
    sys.exit(unittest.main())
