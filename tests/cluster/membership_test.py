#!/usr/bin/env python3
"""Members that come, go, come back, and should not have come: how changes of a cluster go wrong,
with real processes. Growing and shrinking under load is in cluster_test.py.
"""

import os
import pathlib
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness
from nodes import Cluster
from workload import Load

SEGMENTS_OF_DATA = 8  # more log than is kept
VALUE_BYTES = 64 * 1024
LARGE_BYTES = 8 << 20  # storage.max_value_bytes
ENDED_SECONDS = 20
DYING_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.4)


def fill(node, megabytes):
    with harness.Client(node.port, timeout=60) as client:
        for i in range(megabytes * (1 << 20) // VALUE_BYTES):
            client.call("SET", f"fill:{i}", os.urandom(VALUE_BYTES // 2).hex())


class MembershipCase(unittest.TestCase):
    def cluster(self, size):
        """Ends with the test; the logs are shown when it fails."""
        cluster = Cluster(size)
        self.clusters.append(cluster)
        return cluster

    def run(self, result=None):
        self.clusters = []
        failed = len(result.failures + result.errors)
        super().run(result)
        for cluster in self.clusters:
            if len(result.failures + result.errors) > failed:
                cluster.show_logs()
            cluster.close()

    def agree(self, cluster):
        cluster.wait_equal()
        self.assertEqual(cluster.differences(), [])

    def refused(self, node, *words):
        with self.assertRaises(harness.ReplyError) as caught:
            node.call("RAFT", *words, timeout=30)
        return str(caught.exception)

    def output_of(self, *arguments):
        """Of a server that must end by itself, with an error."""
        done = subprocess.run(
            [harness.binary(), "--bind", "127.0.0.1", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=ENDED_SECONDS,
            preexec_fn=harness.die_with_parent,
        )
        self.assertNotEqual(done.returncode, 0)
        return done.stdout + done.stderr


class Joining(MembershipCase):
    def test_a_new_member_is_fed_by_a_snapshot_while_the_log_begins_later(self):
        cluster = self.cluster(1)
        fill(cluster.nodes[0], SEGMENTS_OF_DATA)
        harness.wait_until(
            lambda: cluster.nodes[0].status()["snapshot_index"] > 100, "a checkpoint was made"
        )
        with Load(cluster) as load:
            cluster.join()
            cluster.wait_voters(2)
            load.go_on()
        self.agree(cluster)

    def test_a_join_that_dies_half_way_and_goes_on(self):
        cluster = self.cluster(1)
        fill(cluster.nodes[0], SEGMENTS_OF_DATA)
        node = cluster.add_node()
        for seconds in DYING_SECONDS:
            node.launch()
            time.sleep(seconds)  # the fault: at any moment of a join
            node.kill()
        node.start()
        cluster.wait_voters(2)
        self.agree(cluster)

    def test_a_node_that_never_comes_back_from_its_join_can_be_removed(self):
        cluster = self.cluster(3)
        node = cluster.join()
        node.kill()
        leader = cluster.wait_leader()
        self.assertEqual(leader.call("RAFT", "REMOVE", node.id, timeout=30), "OK")
        cluster.forget(node)
        cluster.wait_voters(3)

    def test_an_address_where_no_member_is(self):
        cluster = self.cluster(1)
        data = cluster.folder / "stranger"
        client_port = cluster.nodes[0].port
        said = self.output_of(
            "--port", harness.free_port(), "--peer-port", harness.free_port(),
            "--data-dir", data, "--join", f"127.0.0.1:{client_port}",
        )  # fmt: skip
        self.assertIn(str(client_port), said)

    def test_a_member_that_missed_a_join_is_fed_by_the_new_leader(self):
        cluster = self.cluster(3)
        behind = cluster.follower()
        behind.kill()
        node = cluster.join()
        cluster.wait_voters(4)
        leader = cluster.wait_leader()
        taken_over_by = leader.call("RAFT", "TRANSFER", node.id, timeout=30)
        self.assertEqual(taken_over_by, str(node.id).encode())
        behind.start()
        leader.call("SET", "after", "the join")
        self.agree(cluster)

    def test_two_join_at_once(self):
        cluster = self.cluster(1)
        nodes = [cluster.add_node() for _ in range(2)]
        for node in nodes:
            node.launch()
        for node in nodes:
            harness.wait_until(node.ready, f"node {node.name} answers")
        cluster.wait_voters(3)
        self.agree(cluster)

    def test_a_member_with_another_address(self):
        cluster = self.cluster(3)
        node = cluster.follower()
        node.kill()
        node.address_port = harness.free_port()
        cluster.proxy.listen(node.address_port, node.peer_port)
        node.start()

        def known():
            members = [other.members() for other in cluster.up()]
            return all(
                any(member["peer_address"] == node.address.encode() for member in each or [])
                for each in members
            )

        harness.wait_until(known, "all know the new address")
        cluster.wait_voters(3)
        with Load(cluster) as load:
            load.go_on()
        self.agree(cluster)


class Leaving(MembershipCase):
    def test_a_removed_node_that_starts_again_ends_by_itself_and_disturbs_nobody(self):
        cluster = self.cluster(3)
        node = cluster.follower()
        leader = cluster.wait_leader()
        self.assertEqual(leader.call("RAFT", "REMOVE", node.id, timeout=30), "OK")
        self.assertEqual(cluster.wait_removed(node), 0)
        term = leader.status()["term"]
        node.launch()
        cluster.wait_removed(node)
        self.assertIn("remove", node.log().lower())
        self.assertIs(cluster.wait_leader(), leader)
        self.assertEqual(leader.status()["term"], term)

    def test_a_node_removed_while_it_was_cut_off_does_not_disturb(self):
        cluster = self.cluster(3)
        node = cluster.follower()
        leader = cluster.wait_leader()
        cluster.isolate(node)
        self.assertEqual(leader.call("RAFT", "REMOVE", node.id, timeout=30), "OK")
        term = leader.status()["term"]
        cluster.heal()
        cluster.wait_removed(node)
        self.assertIs(cluster.wait_leader(), leader)
        self.assertEqual(leader.status()["term"], term)

    def test_a_late_request_to_join_does_not_bring_a_removed_node_back(self):
        cluster = self.cluster(3)
        leader = cluster.wait_leader()
        node = cluster.join()
        cluster.wait_voters(4)
        address = node.address
        request = ["add", node.id, address, f"127.0.0.1:{node.port}"]
        self.assertEqual(leader.call("RAFT", "REMOVE", node.id, timeout=30), "OK")
        self.assertEqual(cluster.wait_removed(node), 0)
        cluster.forget(node)
        for asked in cluster.nodes:
            refusal = self.ask(asked, *request)
            self.assertIsInstance(refusal, harness.ReplyError)
            self.assertIn("was removed", str(refusal))
        cluster.wait_voters(3)

    def ask(self, node, *words):
        """What a joining node asks a member; its answer."""
        with harness.Client(node.peer_port) as client:
            client.send("kvorum", 1, "ask", "-", 0, 0, "")
            client.send(*words)
            self.assertIn("OK", client.read())
            return client.read()

    def test_the_only_voter_stays(self):
        cluster = self.cluster(1)
        node = cluster.nodes[0]
        self.assertIn("only", self.refused(node, "REMOVE", node.id))
        self.assertEqual(node.call("SET", "k", "v"), "OK")

    def test_down_to_one_and_up_again(self):
        cluster = self.cluster(3)
        while len(cluster.nodes) > 1:
            node = cluster.wait_leader()
            self.assertEqual(node.call("RAFT", "REMOVE", node.id, timeout=30), "OK")
            self.assertEqual(cluster.wait_removed(node), 0)
            cluster.forget(node)
            cluster.wait_voters(len(cluster.nodes))
        cluster.join()
        cluster.wait_voters(2)
        self.agree(cluster)

    def test_two_operators_remove_at_once(self):
        cluster = self.cluster(5)
        removed = [node for node in cluster.nodes if node is not cluster.wait_leader()][:2]
        asked = [node for node in cluster.nodes if node not in removed][:2]
        answers = {}

        def remove(node, by):
            try:
                answers[node] = by.call("RAFT", "REMOVE", node.id, timeout=30)
            except harness.ReplyError as error:
                answers[node] = str(error)

        threads = [
            threading.Thread(target=remove, args=pair) for pair in zip(removed, asked)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(answers.values()), {"OK"})
        for node in removed:
            self.assertEqual(cluster.wait_removed(node), 0)
            cluster.forget(node)
        cluster.wait_voters(3)

    def test_ids_that_are_no_members(self):
        cluster = self.cluster(1)
        for words in (("REMOVE", 17), ("PROMOTE", 17), ("TRANSFER", 17)):
            self.assertIn("17", self.refused(cluster.nodes[0], *words))


class Strangers(MembershipCase):
    def test_a_client_at_the_peer_port_is_told(self):
        cluster = self.cluster(1)
        with harness.Client(cluster.nodes[0].peer_port) as client:
            client.send("GET", "k")
            answer = client.read()
        self.assertIsInstance(answer, harness.ReplyError)
        self.assertIn("server.port", str(answer))

    def test_halves_of_frames_and_monstrous_lengths_do_no_harm(self):
        cluster = self.cluster(3)
        leader = cluster.wait_leader()
        term = leader.status()["term"]
        clients = []
        for data in (b"*7\r\n$6\r\nkvo", b"*9223372036854775807\r\n", b"$-5\r\n", b"\0" * 5000):
            clients.append(harness.Client(leader.peer_port))
            clients[-1].send_raw(data)
        with Load(cluster) as load:
            load.go_on()
        for client in clients:
            client.close()
        self.assertEqual(leader.status()["term"], term)

    def test_a_node_of_another_cluster_is_refused_in_words(self):
        cluster, other = self.cluster(1), self.cluster(1)
        foreign = other.nodes[0]
        with harness.Client(cluster.nodes[0].peer_port) as client:
            client.send("kvorum", 1, "link", foreign.status()["cluster"], foreign.id, 0, "")
            answer = client.read()
        self.assertIsInstance(answer, harness.ReplyError)
        self.assertIn("cluster", str(answer))


class Large(MembershipCase):
    def test_large_values_cause_no_election(self):
        cluster = self.cluster(3)
        leader = cluster.wait_leader()
        term = leader.status()["term"]
        with harness.Client(cluster.follower().port, timeout=60) as client:
            for i in range(12):
                client.call("SET", f"large:{i % 3}", b"x" * LARGE_BYTES)
        cluster.wait_equal()
        self.assertEqual(leader.status()["term"], term)
        self.agree(cluster)

    def test_many_keys_that_expire_at_one_instant(self):
        cluster = self.cluster(3)
        leader = cluster.wait_leader()
        term = leader.status()["term"]
        due = int(time.time() * 1000) + 4000
        with harness.Client(leader.port, timeout=60) as client:
            for first in range(0, 20_000, 1000):
                commands = [("SET", f"e:{i}", "x", "PXAT", due) for i in range(first, first + 1000)]
                self.assertEqual(set(client.pipeline(commands)), {"OK"})
            harness.wait_until(lambda: client.call("DBSIZE") == 0, "all have expired", 60)
        self.agree(cluster)
        self.assertEqual(leader.status()["term"], term)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
