// CLIENT TRACKING where changes come in other ways than right behind the read: in the same entry,
// late, or not at all.

#include <string>
#include <string_view>
#include <vector>

#include "tracking_client.h"

namespace kvorum::server {
namespace {

using Words = std::vector<std::string_view>;

// One loop finds a transaction that reads and another client's write of what it read at the same
// time, so they are in one log entry: both have happened before the first is answered.
TEST(ClientTrackingFeed, AChangeRightBehindATransactionIsTold) {
  NodeHarness harness;
  TrackingClient reader(harness);
  TestClient writer(harness);
  TestClient blocker(harness);
  ASSERT_EQ(reader.text("CLIENT", "TRACKING", "ON", "NOLOOP"), "OK");
  writer.run("SET", "k", "0");
  std::string before = "\"0\"";
  int behind = 0;
  for (int round = 1; round <= 100 && behind < 4; ++round) {
    blocker.send("DEBUG", "SLEEP", "0.02");
    for (Words words : {Words{"MULTI"}, {"GET", "k"}, {"SET", "j", "1"}, {"EXEC"}}) {
      reader.raw().send_args(words);
    }
    const bool removes = round % 2 == 0;
    const std::string value = std::to_string(round);
    removes ? writer.send("DEL", "k") : writer.send("SET", "k", value);
    EXPECT_EQ(blocker.receive_text(), "OK");
    EXPECT_FALSE(writer.receive().is_error());
    for (int i = 0; i < 3; ++i) reader.reply();
    if (resp::to_string(reader.reply().elements[0]) == before) {
      ASSERT_EQ(reader.push_text(), invalidate("[\"k\"]"));
      ++behind;
    }
    before = removes ? "(nil)" : "\"" + value + "\"";
  }
  EXPECT_EQ(behind, 4);
}

// A tracking connection whose loop does nothing for a while.
class HeldUpLoop {
 public:
  explicit HeldUpLoop(const NodeHarness& harness)
      : tracker_(harness), writer_(harness), between_(harness), neighbour_(harness) {
    EXPECT_EQ(tracker_.text("CLIENT", "TRACKING", "ON"), "OK");
    for (TestClient* client : {&writer_, &between_, &neighbour_}) client->run("PING");
  }
  TrackingClient& tracker() { return tracker_; }
  TestClient& writer() { return writer_; }
  // The node has three loops, and connections are given to them in turn.
  void hold_up() { neighbour_.send("DEBUG", "SLEEP", "0.3"); }

 private:
  TrackingClient tracker_;
  TestClient writer_;
  TestClient between_;
  TestClient neighbour_;
};

TEST(ClientTrackingFeed, LostChangesInvalidateEverything) {
  NodeHarness harness(3, [](Config& config) {
    config.watch.event_queue_size = 1;
    config.watch.history.max_bytes = 0;
  });
  HeldUpLoop held(harness);
  held.writer().run("SET", "k", "1");
  held.tracker().run("GET", "k");
  held.hold_up();
  for (int i = 0; i < 1000; ++i) held.writer().run("SET", std::to_string(i), "1");
  EXPECT_EQ(held.tracker().push_text(), invalidate("(nil)"));
  // Perhaps some more of them, but then it is as before.
  std::string told = invalidate("(nil)");
  for (int i = 0; i < 100 && told == invalidate("(nil)"); ++i) {
    held.tracker().run("GET", "k");
    held.writer().run("SET", "k", "2");
    told = held.tracker().push_text();
  }
  EXPECT_EQ(told, invalidate("[\"k\"]"));
}

// The same with a history, which has what did not fit into the queue.
TEST(ClientTrackingFeed, ChangesThatDidNotFitAreReadFromTheHistory) {
  NodeHarness harness(3, [](Config& config) { config.watch.event_queue_size = 1; });
  HeldUpLoop held(harness);
  held.writer().run("SET", "k", "1");
  held.tracker().run("MGET", "k", "l");
  held.hold_up();
  for (int i = 0; i < 1000; ++i) held.writer().run("SET", std::to_string(i), "1");
  held.writer().run("SET", "l", "1");
  held.writer().run("SET", "k", "2");
  EXPECT_EQ(held.tracker().push_text(), invalidate("[\"l\"]"));
  EXPECT_EQ(held.tracker().push_text(), invalidate("[\"k\"]"));
}

}  // namespace
}  // namespace kvorum::server
