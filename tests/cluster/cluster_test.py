#!/usr/bin/env python3
"""Real clusters of real processes under load from clients on all nodes, while nodes die, hang, are
cut off, join and leave. What the clients saw is judged by linearizability.py and sequential.py, and
in the end all nodes hold the same bytes.

$KVORUM_CLUSTER_SECONDS is how long each fault lasts (default 0: as long as it takes to be one).
"""

import os
import pathlib
import random
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import harness
from nodes import Cluster
from workload import Load

SECONDS = float(os.environ.get("KVORUM_CLUSTER_SECONDS", "0"))
LEASE_SECONDS = 0.5  # about raft.election_timeout_ms
RETRIED = ("CLUSTERDOWN", "TRYAGAIN")


def status_of(node, name):
    status = node.status()
    return status and status[name]


class ClusterCase(unittest.TestCase):
    def agree(self, cluster):
        """All running nodes come to hold the same bytes."""
        cluster.wait_equal()
        self.assertEqual(cluster.differences(), [])

    def wait_new_leader(self, cluster, old):
        others = [node for node in cluster.up() if node is not old]
        return cluster.wait_leader(among=others, other_than=old)


class Growing(ClusterCase):
    def test_from_one_to_three_under_load_with_no_failed_request(self):
        with Cluster(1) as cluster:
            with Load(cluster) as load:
                load.go_on()
                cluster.join()
                load.go_on()
                cluster.join()
                cluster.wait_voters(3)
                load.go_on(seconds=SECONDS)
            self.assertEqual(load.refusals(), [])
            self.agree(cluster)

    def test_to_five_and_back_to_three_with_no_failed_request(self):
        with Cluster(3) as cluster:
            with Load(cluster) as load:
                for size in (4, 5):
                    cluster.join()
                    cluster.wait_voters(size)
                    load.go_on(seconds=SECONDS)
                self.remove_two(cluster, load)
                load.go_on(seconds=SECONDS)
            self.assertEqual(load.refusals(), [])
            self.agree(cluster)

    def remove_two(self, cluster, load):
        """The leader, too. Clients of a node that is to end go elsewhere first."""
        for node in (cluster.wait_leader(), cluster.follower()):
            load.avoid(node)
            asked = next(each for each in cluster.up() if each is not node)
            self.assertEqual(asked.call("RAFT", "REMOVE", node.id, timeout=30), "OK")
            self.assertEqual(cluster.wait_removed(node), 0)
            cluster.forget(node)
            cluster.wait_voters(len(cluster.nodes))


class Faults(ClusterCase):
    """On one cluster of three, whole again after each."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def setUp(self):
        self.cluster.restore()

    def run(self, result=None):
        failed = len(result.failures + result.errors)
        super().run(result)
        if len(result.failures + result.errors) > failed:
            self.cluster.show_logs()

    def tearDown(self):
        self.cluster.restore()
        self.agree(self.cluster)

    def last(self, load):
        load.go_on(seconds=SECONDS)

    def test_kill_9_of_the_leader(self):
        with Load(self.cluster) as load:
            for _ in range(3):
                load.go_on()
                leader = self.cluster.wait_leader()
                leader.kill()
                self.wait_new_leader(self.cluster, leader)
                self.last(load)
                leader.start()

    def test_kill_9_of_followers(self):
        with Load(self.cluster) as load:
            for _ in range(3):
                load.go_on()
                follower = self.cluster.follower()
                follower.kill()
                self.last(load)
                follower.start()
                load.go_on()

    def test_kill_9_of_all(self):
        with Load(self.cluster) as load:
            for _ in range(2):
                load.go_on()
                for node in self.cluster.nodes:
                    node.kill()
                self.cluster.restart_dead()
                self.cluster.wait_leader()
                self.last(load)

    def test_a_leader_that_hangs_beyond_its_lease(self):
        with Load(self.cluster) as load:
            for _ in range(2):
                load.go_on()
                leader = self.cluster.wait_leader()
                leader.pause()
                self.wait_new_leader(self.cluster, leader)
                self.last(load)
                leader.resume()
                load.go_on()

    def test_a_leader_that_hangs_within_its_lease_and_again(self):
        with Load(self.cluster) as load:
            for _ in range(5):
                leader = self.cluster.wait_leader()
                leader.pause()
                time.sleep(random.uniform(0, LEASE_SECONDS))  # the fault itself
                leader.resume()
                load.go_on(50)
            self.last(load)

    def isolated(self, choose, mode):
        with Load(self.cluster) as load:
            load.go_on()
            node = choose()
            self.cluster.isolate(node, mode)
            others = [each for each in self.cluster.nodes if each is not node]
            self.cluster.wait_leader(among=others)
            self.last(load)
            self.cluster.heal()
            self.cluster.wait_leader()
            load.go_on()

    def test_an_isolated_leader(self):
        for mode in ("hold", "cut"):
            self.isolated(self.cluster.wait_leader, mode)

    def test_an_isolated_follower_does_not_depose_the_leader(self):
        for mode in ("hold", "cut"):
            leader = self.cluster.wait_leader()
            term = status_of(leader, "term")
            self.isolated(self.cluster.follower, mode)
            self.assertIs(self.cluster.wait_leader(), leader)
            self.assertEqual(status_of(leader, "term"), term)

    def half_cut_leader(self, cut):
        """`cut` takes the leader and another node, and cuts one direction between them."""
        with Load(self.cluster) as load:
            load.go_on()
            leader = self.cluster.wait_leader()
            for node in self.cluster.nodes:
                if node is not leader:
                    cut(leader, node)
            self.wait_new_leader(self.cluster, leader)
            self.last(load)

    def test_a_leader_that_can_send_but_not_hear(self):
        self.half_cut_leader(lambda leader, node: self.cluster.one_way(node, leader))

    def test_a_leader_that_can_hear_but_not_send(self):
        self.half_cut_leader(lambda leader, node: self.cluster.one_way(leader, node))

    def test_a_bridge(self):
        """Two nodes that only reach the third: there is a leader, and writes go on."""
        with Load(self.cluster) as load:
            load.go_on()
            one, middle, other = self.cluster.nodes
            self.cluster.part([[one, middle], [middle, other]])
            self.last(load)
            self.cluster.heal()
            load.go_on()

    def test_every_node_alone_then_whole(self):
        with Load(self.cluster) as load:
            load.go_on()
            self.cluster.part([[node] for node in self.cluster.nodes], "cut")
            harness.wait_until(
                lambda: all(status_of(node, "leader") == 0 for node in self.cluster.nodes),
                "nobody follows anybody",
            )
            self.cluster.heal()
            self.cluster.wait_leader()
            self.last(load)

    def test_a_slow_and_lossy_network(self):
        with Load(self.cluster) as load:
            self.cluster.degrade(delay_ms=5, jitter_ms=20, stall=0.02)
            load.go_on(200)
            self.last(load)

    def test_links_that_flap(self):
        with Load(self.cluster) as load:
            self.cluster.degrade(mode="hold", flap_ms=300)
            load.go_on(100)
            self.last(load)

    def test_transfer_of_leadership_without_an_error(self):
        with Load(self.cluster) as load:
            for _ in range(4):
                load.go_on(100)
                target = self.cluster.follower()
                target.call("RAFT", "TRANSFER", target.id, timeout=10)
                self.cluster.wait_leader(other_than=None)
                harness.wait_until(
                    lambda: self.cluster.leader() is target, "the target leads"  # noqa: B023
                )
            self.last(load)
        self.assertEqual([each for each in load.refusals() if not each.startswith(RETRIED)], [])

    def test_clean_shutdown_of_the_leader(self):
        """Clients of other nodes that retry what is to be retried see no error."""
        leader = self.cluster.wait_leader()
        others = [node for node in self.cluster.nodes if node is not leader]
        with Load(self.cluster, nodes=lambda: others) as load:
            load.go_on()
            self.assertEqual(leader.stop(), 0)
            self.last(load)
            leader.start()
            load.go_on()
        self.assertEqual([each for each in load.refusals() if not each.startswith(RETRIED)], [])

    def test_a_replaced_disk(self):
        with Load(self.cluster) as load:
            load.go_on()
            node = self.cluster.follower()
            old = node.id
            node.kill()
            asked = self.cluster.wait_leader()
            self.assertEqual(asked.call("RAFT", "REMOVE", old, timeout=30), "OK")
            node.wipe()
            node.join = asked
            node.start()
            self.assertNotEqual(node.id, old)
            self.cluster.apply_rules()
            self.cluster.wait_voters(3)
            self.last(load)


class Clients(ClusterCase):
    """What one client sees of a cluster that is well."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def setUp(self):
        self.leader = self.cluster.wait_leader()
        self.followers = [node for node in self.cluster.nodes if node is not self.leader]

    def client(self, node, *policy):
        client = node.client()
        self.addCleanup(client.close)
        if policy:
            client.call("CLIENT", "CONSISTENCY", *policy)
        return client

    def test_a_write_on_any_node_is_read_on_every_other(self):
        for policy in ("LINEARIZABLE", "LEASE"):
            clients = [self.client(node, policy) for node in self.cluster.nodes]
            for number, writer in enumerate(clients):
                writer.call("SET", "anywhere", f"{policy} {number}")
                for reader in clients:
                    self.assertEqual(
                        reader.call("GET", "anywhere"), f"{policy} {number}".encode()
                    )

    def test_a_pipeline_through_a_follower_keeps_its_order(self):
        client = self.client(self.followers[0])
        client.call("DEL", "pipeline")
        replies = client.pipeline(
            [("INCR", "pipeline"), ("GET", "pipeline")] * 200 + [("SET", "pipeline", "x")]
        )
        expected = [each for i in range(1, 201) for each in (i, b"%d" % i)] + ["OK"]
        self.assertEqual(replies, expected)

    def test_publish_reaches_subscribers_of_all_nodes(self):
        subscribers = [self.client(node) for node in self.cluster.nodes]
        for subscriber in subscribers:
            subscriber.send("SUBSCRIBE", "news")
            self.assertEqual(subscriber.message(), [b"subscribe", b"news", 1])
        for number, node in enumerate(self.cluster.nodes):
            self.client(node).call("PUBLISH", "news", number)
            for subscriber in subscribers:
                self.assertEqual(subscriber.message(), [b"message", b"news", b"%d" % number])

    def test_a_watch_on_a_follower_sees_writes_of_all_nodes_with_the_same_ids(self):
        channel = "__watch__:watched"
        watchers = [self.client(node) for node in self.cluster.nodes]
        for watcher in watchers:
            watcher.send("SUBSCRIBE", channel)
            watcher.message()
        for number, node in enumerate(self.cluster.nodes):
            self.client(node).call("SET", "watched", number)
        events = [[watcher.message()[2] for _ in self.cluster.nodes] for watcher in watchers]
        self.assertEqual(events[0], events[1])
        self.assertEqual(events[0], events[2])
        self.assertEqual([event.split()[2] for event in events[0]], [b"0", b"1", b"2"])

    def test_multi_through_a_follower_is_one_change(self):
        client = self.client(self.followers[0])
        queued = [("SET", "m", "1"), ("INCR", "m"), ("GET", "m")]
        replies = client.pipeline([("MULTI",), *queued, ("EXEC",)])
        self.assertEqual(replies, ["OK", "QUEUED", "QUEUED", "QUEUED", ["OK", 2, b"2"]])

    def test_watch_through_a_follower_notices_a_write_on_another_node(self):
        client, other = self.client(self.followers[0]), self.client(self.followers[1])
        other.call("SET", "w", "1")
        client.call("WATCH", "w")
        self.assertEqual(client.call("GET", "w"), b"1")
        other.call("SET", "w", "2")
        client.pipeline([("MULTI",), ("SET", "w", "3")])
        self.assertIsNone(client.call("EXEC"))
        self.assertEqual(client.call("GET", "w"), b"2")

    def test_a_watch_refused_for_want_of_a_leader_aborts_its_transaction(self):
        client = self.client(self.leader, "LINEARIZABLE")
        client.call("SET", "guarded", "1")
        client.call("CONFIG", "SET", "server.request_timeout_ms", "200")
        transaction = [("MULTI",), ("SET", "guarded", "2"), ("EXEC",)]
        for each in self.followers:
            each.pause()
        try:
            refused, *rest = client.pipeline([("WATCH", "guarded"), *transaction])
        finally:
            for each in self.followers:
                each.resume()
        self.assertEqual(str(refused).split()[0], "CLUSTERDOWN")
        self.assertEqual(rest[:2], ["OK", "QUEUED"])
        self.assertEqual(str(rest[2]).split()[0], "EXECABORT")
        self.cluster.wait_leader()
        client.call("CONFIG", "SET", "server.request_timeout_ms", "5000")
        self.assertEqual(client.call("GET", "guarded"), b"1")
        # That was the transaction's last word, not the connection's.
        self.assertEqual(client.pipeline(transaction), ["OK", "QUEUED", ["OK"]])

    def test_an_expired_key_is_gone_on_all_nodes(self):
        self.client(self.followers[0]).call("SET", "brief", "1", "PX", "50")
        readers = [self.client(node, "EVENTUAL") for node in self.cluster.nodes]
        harness.wait_until(
            lambda: all(reader.call("EXISTS", "brief") == 0 for reader in readers), "it is gone"
        )
        self.agree(self.cluster)

    def test_status_and_members_agree_on_all_nodes(self):
        ids = {node.id for node in self.cluster.nodes}
        for node in self.cluster.nodes:
            status = node.status()
            self.assertEqual(status["leader"], self.leader.id)
            self.assertEqual(status["node"], node.id)
            members = node.members()
            self.assertEqual({int(member["id"]) for member in members}, ids)
            leaders = [int(member["id"]) for member in members if member["leader"] == b"yes"]
            self.assertEqual(leaders, [self.leader.id])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
