"""The judge of watchers: what each was told against the whole history of changes, and the history
against what the writers know. A stream of changes is right when it has every change of its keys,
each once and in order; when no mark comes between the changes of one transaction; and when it skips
only what it was told is gone, where that really was compacted.
"""

import bisect
import collections
import fnmatch
import re
from typing import NamedTuple, Optional

BEGINNING = (0, 0)


class Untold(Exception):
    """A watcher was told something else than what happened, or a write did something else."""


class Event(NamedTuple):
    """A change of a key."""

    id: tuple  # (revision, change)
    kind: str
    key: bytes
    value: Optional[bytes] = None

    def __str__(self):
        value = b"" if self.value is None else b" " + self.value[:40]
        return f"{id_text(self.id)} {self.kind} {readable(self.key)}{readable(value)}"


class Told(NamedTuple):
    """What a watcher heard: `event`, `sync`, `lost`, or `compacted` when it asked for what is gone
    up to the id. Where it heard it is for the reader of a failure."""

    what: str
    id: tuple
    event: Optional[Event] = None
    where: str = ""

    def __str__(self):
        return f"{self.event or f'{self.what} {id_text(self.id)}'} ({self.where})"


def parse_id(text):
    revision, _, change = text.partition(b"-")
    return int(revision), int(change)


def id_text(number):
    return f"{number[0]}-{number[1]}"


def readable(text):
    return text.decode(errors="backslashreplace")


class Stream:
    """What one watcher asked for, from a change on, and what it heard."""

    def __init__(self, target, is_glob, after):
        self.target = target
        self.is_glob = is_glob
        self.after = after
        self.position = after  # it goes on from here
        self.told = []
        glob = re.compile(fnmatch.translate(target).encode())
        self.wants = glob.match if is_glob else target.encode().__eq__

    def tell(self, told):
        self.told.append(told)
        if told.what != "lost":
            self.position = max(self.position, told.id)


class History:
    """Every change after `after`, up to `end`. What is up to `floor` was compacted at some time."""

    def __init__(self, events, after, end, floor=BEGINNING):
        self.events = [event for event in events if after < event.id <= end]
        self.after = after
        self.end = end
        self.floor = floor
        self.ends = {}  # the last change of each revision
        for before, event in zip([None, *self.events], self.events):
            revision, change = event.id
            first = before is None or before.id[0] != revision
            expected = 0 if first else before.id[1] + 1
            if before is not None and before.id >= event.id:
                raise Untold(f"in the history {event} comes after {before}")
            if change != expected and (before is not None or revision != after[0]):
                raise Untold(f"the history lacks {revision}-{expected}, before {event}")
            self.ends[revision] = event.id

    def splits(self, place):
        """Whether this is a place within a transaction, not behind it."""
        return place < self.ends.get(place[0], BEGINNING)


class _Walk:
    """Follows one stream through the history."""

    def __init__(self, stream, history):
        self.history = history
        self.wanted = [event for event in history.events if stream.wants(event.key)]
        self.ids = [event.id for event in self.wanted]
        self.position = stream.after
        self.next = bisect.bisect_right(self.ids, self.position)
        self.gap = False

    def event(self, told):
        if told.id <= self.position:
            return f"it is told again, or late: it was at {id_text(self.position)}"
        if told.id > self.history.end:
            self.position = told.id
            return self.missing(self.history.end)
        found = bisect.bisect_left(self.ids, told.id)
        if found == len(self.ids) or self.wanted[found] != told.event:
            return "that never happened"
        problem = self.missing(told.id, including=False)
        self.next, self.position, self.gap = found + 1, told.id, False
        return problem

    def sync(self, told):
        if told.id < self.position:
            return f"the mark is behind {id_text(self.position)}, where it was"
        if self.history.splits(told.id):
            return f"the mark splits the transaction {told.id[0]}"
        problem = self.missing(told.id)
        self.next = bisect.bisect_right(self.ids, told.id)
        self.position, self.gap = told.id, False
        return problem

    def lost(self, told):
        if told.id >= self.history.floor:
            return f"nothing after {id_text(self.history.floor)} was compacted"
        problem = self.missing(told.id)
        self.gap = True
        return problem

    def compacted(self, told):
        if told.id > self.history.floor or told.id <= self.position:
            return f"nothing after {id_text(self.position)} was compacted"
        self.position, self.gap = told.id, False
        self.next = bisect.bisect_right(self.ids, told.id)
        return None

    def missing(self, last, including=True):
        """What it should have been told by now."""
        if self.gap or self.next == len(self.ids):
            return None
        wanted = self.wanted[self.next]
        if wanted.id < last or (including and wanted.id == last):
            return f"it was not told of {wanted}"
        return None


def judge(stream, history, name="a watcher"):
    """Raises when the stream is not what happened, as far as the history goes."""
    walk = _Walk(stream, history)
    for number, told in enumerate(stream.told):
        problem = getattr(walk, told.what)(told)
        if problem:
            begin = max(0, number - 5)
            heard = "\n    ".join(str(each) for each in stream.told[begin : number + 3])
            raise Untold(f"{name} of {stream.target}: at {told}: {problem}; it heard\n    {heard}")
    if problem := walk.missing(history.end):
        raise Untold(f"{name} of {stream.target}: at its end: {problem}")


class Writes:
    """What the writers know: changes that were acknowledged, and those that may have been made."""

    def __init__(self):
        self.made = collections.Counter()  # by kind, key and what was written
        self.possible = collections.Counter()
        self.possible_of_key = collections.Counter()  # by kind and key, with whatever value

    def add(self, made, kind, key, value=None):
        (self.made if made else self.possible)[kind, as_bytes(key), value] += 1

    def add_possible(self, kind, key):
        self.possible_of_key[kind, as_bytes(key)] += 1

    def judge(self, history, is_mine):
        """Each change that was made is there exactly once, each possible one at most, and none
        besides. `is_mine`: whether all writers of a key are known here."""
        found = collections.Counter(
            (event.kind, event.key, written(event))
            for event in history.events
            if is_mine(event.key)
        )
        of_key = self.possible_of_key.copy()
        for change in found.keys() | self.made.keys():
            kind, key, value = change
            least, there = self.made[change], found[change]
            name = f"{kind} {readable(key)} {readable(value or b'')}"
            if there < least:
                raise Untold(f"{name} was acknowledged {least} times, and happened {there} times")
            beyond = there - least - self.possible[change]
            if beyond > 0:
                of_key[kind, key] -= beyond
            if of_key[kind, key] < 0:
                raise Untold(f"{name} happened {there} times, and was acknowledged {least} times")


def written(event):
    """What the command wrote: of APPEND the last word, with the space that ends it, or a +."""
    if event.kind != "append" or event.value is None:
        return event.value
    if event.value.endswith(b" "):
        return event.value[:-1].rpartition(b" ")[2] + b" "
    return event.value[-1:]


def judge_pairs(history, is_pair):
    """Keys k and k:other are only written together, with one value, by one transaction."""
    by_id = {event.id: event for event in history.events}
    for event in history.events:
        if not is_pair(event.key):
            continue
        revision, change = event.id
        is_other = event.key.endswith(b":other")
        partner = by_id.get((revision, change + (-1 if is_other else 1)))
        name = event.key.removesuffix(b":other") if is_other else event.key + b":other"
        if partner is None or (partner.key, partner.value) != (name, event.value):
            raise Untold(f"the transaction of {event} is split: beside it is {partner}")


def as_bytes(key):
    return key.encode() if isinstance(key, str) else key
