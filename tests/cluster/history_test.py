#!/usr/bin/env python3
"""The judge of the crash tests is judged: it accepts every cut and refuses every kind of damage."""

import sys
import unittest

from history import KINDS, Violation, Writer, settle_all

SENT = 60
ACKNOWLEDGED = 40


class HistoryTest(unittest.TestCase):
    def setUp(self):
        self.writers = [Writer(0), Writer(1)]
        for writer in self.writers:
            writer.sent = SENT
            for i in range(ACKNOWLEDGED):
                writer.acknowledge(self.reply(writer, i))

    @staticmethod
    def reply(writer, i):
        expected = writer.apply(i, dict(writer.state))
        return [expected[0], 1] if i % KINDS == 3 else expected

    def found(self, *cuts):
        """What a server holds that kept this many operations of each writer."""
        state = {}
        for writer, cut in zip(self.writers, cuts):
            for i in range(cut):
                writer.apply(i, state)
        state["all"] = b"%d" % sum(1 for cut in cuts for i in range(cut) if i % KINDS == 3)
        return state

    def refused(self, found):
        with self.assertRaises(Violation):
            settle_all(self.writers, found)

    def test_accepts_every_cut_between_acknowledged_and_sent(self):
        for cut in range(ACKNOWLEDGED, SENT + 1):
            self.setUp()
            settle_all(self.writers, self.found(cut, ACKNOWLEDGED))
            self.assertEqual(self.writers[0].acknowledged, cut)

    def test_refuses_a_lost_acknowledged_write(self):
        for cut in range(ACKNOWLEDGED):
            self.setUp()
            self.refused(self.found(cut, ACKNOWLEDGED))

    def test_refuses_a_write_that_was_never_sent(self):
        self.refused(self.found(SENT + 1, ACKNOWLEDGED))

    def test_refuses_a_hole(self):
        for missing in range(ACKNOWLEDGED, ACKNOWLEDGED + KINDS):
            self.setUp()
            state = self.found(missing, ACKNOWLEDGED)
            for i in range(missing + 1, ACKNOWLEDGED + KINDS + 1):
                self.writers[0].apply(i, state)
            self.refused(state)

    def test_refuses_a_doubled_increment(self):
        state = self.found(51, ACKNOWLEDGED)
        state["w0:count"] = b"%d" % (int(state["w0:count"]) + 1)
        self.refused(state)

    def test_refuses_half_of_a_transaction(self):
        state, later = self.found(42, ACKNOWLEDGED), self.found(43, ACKNOWLEDGED)
        state["w0:left"] = later["w0:left"]
        self.refused(state)

    def test_refuses_a_torn_transaction_across_writers(self):
        state = self.found(ACKNOWLEDGED, ACKNOWLEDGED)
        state["all"] = b"%d" % (int(state["all"]) + 1)
        self.refused(state)

    def test_refuses_a_deleted_key_that_came_back(self):
        state = self.found(ACKNOWLEDGED, ACKNOWLEDGED)
        deleted = next(key for key in self.writers[0].keys() if key not in state)
        state[deleted] = b"old"
        self.refused(state)

    def test_refuses_a_wrong_reply(self):
        with self.assertRaises(Violation):
            self.writers[0].acknowledge("WRONG")


if __name__ == "__main__":
    sys.exit(unittest.main())
