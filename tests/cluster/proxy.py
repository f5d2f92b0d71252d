#!/usr/bin/env python3
"""The network between the nodes of a test cluster: every node is told to others by an address here,
and a connection to it is passed on to the node's real peer port. Who dials is read from the first
frame of the connection (src/peer/README.md), so each direction between each two nodes can be
held up, cut, delayed, narrowed or made to flap, without privileges.

As a program it takes one JSON object a line on standard input, answers each with a line of JSON,
and ends with its input. `Proxy` drives it from a test.

    {"listen": port, "target": port}      passes connections to `port` on to `target`
    {"rules": [[from, port, rule], ...]}  replaces all rules: what node `from` (0: no member yet)
                                          sends to the node behind `port`
    {"count": what}                       how many "snapshots" (connections) there were so far, or
                                          bytes "damaged", or "bytes" that came

A rule has any of
    mode      "pass", "hold" (bytes wait, and arrive late, as when packets are lost for a while), or
              "cut" (connections are reset and new ones end at once)
    delay_ms, jitter_ms   each piece waits so long, order is kept
    stall     the probability that a piece waits another 200 ms, as for a lost packet
    rate      bytes a second, for all connections of that direction together; they take turns
    damage    of the next connection that carries a snapshot, a bit of the byte at this offset
              behind the greeting is flipped
    flap_ms   the mode holds only in every second period of this length
"""

import asyncio
import collections
import json
import os
import random
import subprocess
import sys
import time

PIECE = 65536
PIECES_WAITING = 256
STALL_SECONDS = 0.2
GREETING_BYTES_MAX = 8192
PASS = {"mode": "pass"}


def mode_of(rule):
    period = rule.get("flap_ms")
    if period and int(time.monotonic() * 1000 / period) % 2 == 0:
        return "pass"
    return rule.get("mode", "pass")


async def read_greeting(reader):
    """The first frame as it came, who sends it, and what for; 0 for what is no greeting of a
    member."""
    data, words = b"", []
    while True:
        line = await reader.readline()
        data += line
        if not line.endswith(b"\r\n") or len(data) > GREETING_BYTES_MAX:
            return data, 0, b""
        if line[:1] == b"*":
            count = int(line[1:])
        elif line[:1] == b"$":
            word = await reader.readexactly(int(line[1:]) + 2)
            data += word
            words.append(word[:-2])
            if len(words) == count:
                break
        else:
            return data, 0, b""
    if len(words) < 5 or words[0] != b"kvorum" or not words[4].isdigit():
        return data, 0, b""
    return data, int(words[4]), words[2]


class Line:
    """One direction's share of the network, as far as it is narrow."""

    def __init__(self):
        self.turn = asyncio.Lock()  # first come, first served
        self.free = 0.0  # when what was sent before is through

    async def send(self, size, rate):
        async with self.turn:
            self.free = max(self.free, time.monotonic()) + size / rate
            await asyncio.sleep(self.free - time.monotonic())


class Damage:
    """What a passage does to the bytes that its dialler sends."""

    def __init__(self, at, counts):
        self.left = at  # bytes before the one that changes
        self.counts = counts

    def pass_on(self, data):
        at, self.left = self.left, self.left - len(data)
        if not 0 <= at < len(data):
            return data
        self.counts["damaged"] += 1
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


class Passage:
    """One connection through the proxy."""

    def __init__(self, network, dialler, port):
        self.network = network
        self.dialler = dialler
        self.port = port
        self.writers = []
        self.damage = None

    def rule(self):
        return self.network.rules.get((self.dialler, self.port), PASS)

    def reset(self):
        for writer in self.writers:
            writer.transport.abort()

    def end(self):
        """What was passed on so far still arrives, unless the connection is cut."""
        if mode_of(self.rule()) == "cut":
            self.reset()
        for writer in self.writers:
            writer.close()

    async def gate(self):
        """Returns when bytes may pass; raises when the connection is cut."""
        while (mode := mode_of(self.rule())) != "pass":
            if mode == "cut":
                raise ConnectionError
            await self.network.change(0.01 if self.rule().get("flap_ms") else None)

    async def read(self, reader, pieces, damage):
        try:
            while data := await reader.read(PIECE):
                self.network.counts["bytes"] += len(data)
                rule = self.rule()
                wait = (rule.get("delay_ms", 0) + random.random() * rule.get("jitter_ms", 0)) / 1000
                if random.random() < rule.get("stall", 0):
                    wait += STALL_SECONDS
                if damage is not None:
                    data = damage.pass_on(data)
                await pieces.put((time.monotonic() + wait, data))
        finally:
            await pieces.put((0, b""))

    async def write(self, pieces, writer):
        while True:
            due, data = await pieces.get()
            if not data:
                return
            await asyncio.sleep(max(0, due - time.monotonic()))
            await self.gate()
            rate = self.rule().get("rate")
            if rate:
                await self.network.line(self.dialler, self.port).send(len(data), rate)
            writer.write(data)
            await writer.drain()

    async def run(self, sides):
        """Passes bytes on in both directions, the dialler's first, until either side ends."""
        tasks = []
        for (reader, writer), damage in zip(sides, (self.damage, None)):
            pieces = asyncio.Queue(PIECES_WAITING)
            tasks.append(asyncio.create_task(self.read(reader, pieces, damage)))
            tasks.append(asyncio.create_task(self.write(pieces, writer)))
        writing = tasks[1::2]
        try:
            await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Network:
    def __init__(self):
        self.rules = {}
        self.lines = {}
        self.counts = collections.Counter()
        self.passages = set()
        self.changed = asyncio.Event()
        self.servers = []

    def line(self, dialler, port):
        return self.lines.setdefault((dialler, port), Line())

    async def change(self, seconds):
        """Waits until the rules are others."""
        try:
            await asyncio.wait_for(self.changed.wait(), seconds)
        except asyncio.TimeoutError:
            pass

    async def listen(self, port, target):
        async def accept(reader, writer):
            try:
                await self.accept(reader, writer, port, target)
            except (OSError, ValueError, asyncio.IncompleteReadError, UnboundLocalError):
                pass
            finally:
                writer.close()

        self.servers.append(await asyncio.start_server(accept, "127.0.0.1", port))

    async def accept(self, reader, writer, port, target):
        greeting, dialler, purpose = await read_greeting(reader)
        passage = Passage(self, dialler, port)
        if purpose == b"snapshot":
            self.counts["snapshots"] += 1
            if "damage" in passage.rule():
                passage.damage = Damage(passage.rule().pop("damage"), self.counts)
        passage.writers.append(writer)
        self.passages.add(passage)
        try:
            await passage.gate()
            there, back = await asyncio.open_connection("127.0.0.1", target)
            passage.writers.append(back)
            back.write(greeting)
            await passage.run([(reader, back), (there, writer)])
        finally:
            self.passages.discard(passage)
            passage.end()

    def set_rules(self, rules):
        self.rules = {(dialler, port): rule for dialler, port, rule in rules}
        self.changed.set()
        self.changed = asyncio.Event()
        for passage in list(self.passages):
            if mode_of(passage.rule()) == "cut":
                passage.reset()

    async def obey(self):
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while line := await reader.readline():
            command = json.loads(line)
            answer = None
            if "listen" in command:
                await self.listen(command["listen"], command["target"])
            elif "count" in command:
                answer = self.counts[command["count"]]
            else:
                self.set_rules(command["rules"])
            print(json.dumps(answer), flush=True)


class Proxy:
    """The program, driven from another process."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-B", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def command(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the proxy could not do {what}")
        return json.loads(answer)

    def listen(self, port, target):
        self.command(listen=port, target=target)

    def rules(self, rules):
        self.command(rules=rules)

    def count(self, what):
        return self.command(count=what)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


async def main():
    await Network().obey()
    os._exit(0)  # connections end with the process


if __name__ == "__main__":
    asyncio.run(main())
