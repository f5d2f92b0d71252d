"""Faults at random, for tools/torture: one at a time, a few at once, from one seed."""

import time

SHORT_SECONDS = (0.05, 1.5)
LONG_SECONDS = (1.5, 6.0)
GIVEN_UP_SECONDS = 30  # RAFT commands answer before
ENDED_SECONDS = 20


class Nemesis:
    """Does one fault after the other to a cluster and says which. Its choices come from `chance`;
    what time does to them does not."""

    def __init__(self, cluster, chance, say):
        self.cluster = cluster
        self.chance = chance
        self.say = say
        self.size = len(cluster.nodes)
        self.faults = [
            self.kill,
            self.kill,
            self.kill_many,
            self.kill_behind_a_checkpoint,
            self.hang,
            self.hang,
            self.shut_down,
            self.isolate,
            self.isolate,
            self.split,
            self.bridge,
            self.one_way,
            self.degrade,
            self.narrow,
            self.flap,
            self.slow_disk,
            self.slow_disk,
            self.failing_disk,
            self.transfer,
            self.replace,
            self.replace_under_partition,
        ]

    def strike(self):
        """One fault, sometimes a second one upon it, and all is whole again afterwards."""
        for _ in range(1 if self.chance.random() < 0.7 else 2):
            self.chance.choice(self.faults)()
        self.cluster.restore(self.size)

    def last(self, seconds=None):
        low, high = seconds or self.chance.choice([SHORT_SECONDS, LONG_SECONDS])
        time.sleep(self.chance.uniform(low, high))

    def node(self):
        """A running node, the leader as often as not; None when nothing runs."""
        running = self.cluster.up()
        leader = self.cluster.leader()
        if leader is not None and self.chance.random() < 0.5:
            return leader
        return self.chance.choice(running) if running else None

    def tell(self, what, node=None, more=""):
        name = "" if node is None else f" {node.name}"
        self.say(f"{what}{name}{more}")

    def kill(self):
        if node := self.node():
            self.tell("kill -9", node)
            node.kill()
            self.last()
            node.start()

    def kill_many(self):
        running = self.cluster.up()
        count = min(len(running), self.chance.randint(2, self.size))
        nodes = self.chance.sample(running, count)
        self.tell("kill -9", more=f" {' and '.join(str(node.name) for node in nodes)}")
        for node in nodes:
            node.kill()
        self.last(SHORT_SECONDS)
        for node in self.chance.sample(nodes, count):
            node.start()

    def kill_behind_a_checkpoint(self):
        if node := self.node():
            self.tell("kill -9 in a checkpoint of", node)
            try:
                node.call("BGSAVE")
            except Exception as error:  # one is under way, or the node does not answer
                self.say(f"  {error}")
            time.sleep(self.chance.uniform(0, 0.05))
            node.kill()
            node.start()

    def hang(self):
        if node := self.node():
            self.tell("SIGSTOP", node)
            node.pause()
            self.last()
            self.tell("SIGCONT", node)
            node.resume()

    def shut_down(self):
        if node := self.node():
            self.tell("SIGTERM", node)
            code = node.stop()
            if code != 0:
                raise RuntimeError(f"node {node.name} ended with {code} on SIGTERM")
            self.last(SHORT_SECONDS)
            node.start()

    def mode(self):
        return self.chance.choice(["hold", "cut"])

    def isolate(self):
        if node := self.node():
            mode = self.mode()
            self.tell(f"isolate ({mode})", node)
            self.cluster.isolate(node, mode)
            self.last()
            self.cluster.heal()

    def split(self):
        nodes = self.chance.sample(self.cluster.nodes, len(self.cluster.nodes))
        at, mode = self.chance.randrange(1, len(nodes)), self.mode()
        groups = [nodes[:at], nodes[at:]]
        names = " | ".join(" ".join(str(node.name) for node in group) for group in groups)
        self.tell(f"split ({mode}) {names}")
        self.cluster.part(groups, mode)
        self.last()
        self.cluster.heal()

    def bridge(self):
        nodes = self.chance.sample(self.cluster.nodes, len(self.cluster.nodes))
        middle = nodes.pop()
        half = (len(nodes) + 1) // 2
        self.tell("bridge over", middle)
        self.cluster.part([[*nodes[:half], middle], [*nodes[half:], middle]], self.mode())
        self.last()
        self.cluster.heal()

    def one_way(self):
        source, target = self.chance.sample(self.cluster.nodes, 2)
        self.tell("one way: lost is what", source, f" sends to {target.name}")
        self.cluster.one_way(source, target, self.mode())
        self.last()
        self.cluster.heal()

    def degrade(self):
        rule = self.chance.choice(
            [
                {"delay_ms": 20, "jitter_ms": 50},
                {"delay_ms": 200, "jitter_ms": 100},
                {"stall": 0.2},
                {"rate": 200_000},
                {"rate": 2_000_000},
            ]
        )
        self.tell(f"slow network {rule}")
        self.cluster.degrade(**rule)
        self.last(LONG_SECONDS)
        self.cluster.heal()

    def narrow(self):
        """What one node sends is slow, or what it is sent."""
        if node := self.node():
            rate, sends = self.chance.choice([50_000, 500_000]), self.chance.random() < 0.5
            self.tell(f"{rate} bytes a second {'from' if sends else 'to'}", node)
            for other in self.cluster.nodes:
                if other is not node:
                    way = (node, other) if sends else (other, node)
                    self.cluster.set_rule(*way, rate=rate)
            self.last(LONG_SECONDS)
            self.cluster.heal()

    def slow_disk(self):
        """Of one node, or of as many as a majority lacks, or of all."""
        count = self.chance.choice([1, self.size // 2, self.size])
        nodes = self.chance.sample(self.cluster.nodes, count)
        seconds = self.chance.choice([0.02, 0.2, 1.0])
        names = " and ".join(str(node.name) for node in nodes)
        self.tell(f"syncs take {seconds} s on {names}")
        for node in nodes:
            node.disk.slow(seconds)
        self.last(LONG_SECONDS)
        for node in nodes:
            node.disk.well()

    def failing_disk(self):
        """It ends the node, with the next write."""
        if node := self.node():
            self.tell("a failing disk of", node)
            node.disk.fail()
            try:
                code = node.process.wait(ENDED_SECONDS)
            finally:
                node.disk.well()
            if code != 1:
                raise RuntimeError(f"node {node.name} ended with {code} when its disk failed")
            self.last(SHORT_SECONDS)
            node.start()

    def flap(self):
        period = self.chance.choice([50, 300, 1500])
        self.tell(f"links flap every {period} ms")
        self.cluster.degrade(mode=self.mode(), flap_ms=period)
        self.last(LONG_SECONDS)
        self.cluster.heal()

    def transfer(self):
        if node := self.node():
            self.tell("transfer leadership to", node)
            self.ask(node, "TRANSFER", node.id)

    def ask(self, node, *words):
        """A RAFT command that may be refused: the cluster may be in no state for it."""
        try:
            return node.call("RAFT", *words, timeout=GIVEN_UP_SECONDS)
        except Exception as error:
            self.say(f"  RAFT {words[0]}: {error}")
            return None

    def replace(self):
        """A new disk: removed, and back under a new id."""
        self.cluster.restore(self.size)
        node = self.cluster.follower()
        self.tell("new disk of", node)
        old = node.id
        node.kill()
        asked = self.cluster.wait_leader()
        self.ask(asked, "REMOVE", old)
        self.finish_replacing(node, old, asked)

    def replace_under_partition(self):
        """Two of the members that stay can't reach each other meanwhile."""
        self.cluster.restore(self.size)
        one, other = self.chance.sample(self.cluster.nodes, 2)
        self.tell("flapping link between", one, f" and {other.name} during")
        for source, target in ((one, other), (other, one)):
            self.cluster.set_rule(source, target, mode=self.mode(), flap_ms=500)
        node = next(node for node in self.cluster.nodes if node not in (one, other))
        old, asked = node.id, one
        self.tell("a new disk of", node)
        node.kill()
        self.ask(asked, "REMOVE", old)
        self.cluster.heal()
        self.finish_replacing(node, old, asked)

    def finish_replacing(self, node, old, asked):
        """Removes it where the first attempt did not come to an end, and lets it join anew."""
        leader = self.cluster.wait_leader(among=self.cluster.up())
        if any(int(member["id"]) == old for member in leader.members() or []):
            if self.ask(asked, "REMOVE", old) is None:
                raise RuntimeError(f"node {old} can't be removed from a cluster that is whole")
        node.wipe()
        node.join = asked
        node.start()
        self.cluster.apply_rules()
        self.cluster.wait_voters(self.size)
