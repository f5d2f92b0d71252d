// A node as its clients see it, in one process.

#include "node_harness.h"

namespace kvorum::server {
namespace {

TEST(Node, KeepsWhatItAcknowledgedOverARestart) {
  NodeHarness harness;
  {
    TestClient client(harness);
    EXPECT_EQ(client.text("SET", "k", "v"), "OK");
    EXPECT_EQ(client.text("GET", "k"), "\"v\"");
  }
  harness.restart();
  TestClient client(harness);
  EXPECT_EQ(client.text("GET", "k"), "\"v\"");
  harness.stop(ShutdownMode::kNoCheckpoint);
  EXPECT_TRUE(client.closed_by_server());
}

TEST(Node, SpreadsClientsOverItsLoops) {
  NodeHarness harness(3);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(std::make_unique<TestClient>(harness));
  for (auto& client : clients) EXPECT_EQ(client->text("INCR", "n").size(), 1u);
  EXPECT_EQ(clients[0]->text("GET", "n"), "\"6\"");
}

}  // namespace
}  // namespace kvorum::server
