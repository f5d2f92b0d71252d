#include "peer/codec.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "peer/frame_reader.h"
#include "tests/peer/testing.h"

namespace kvorum::peer {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr FrameLimits kLimits{.bytes_max = size_t{256} << 20, .words_max = size_t{64} << 10};

Result<Message> decode_bytes(const std::string& bytes) {
  FrameReader reader(kLimits);
  auto frame = reader.next(bytes);
  if (!frame) return tl::unexpected(frame.error());
  if (!*frame) return fail("not complete");
  if (reader.frame_bytes() != bytes.size()) return fail("more than one frame");
  return decode(std::move((*frame)->words));
}

// The message as it arrives.
Message travel(const Message& message) {
  const std::string bytes = encode(message);
  auto result = decode_bytes(bytes);
  EXPECT_TRUE(result.has_value()) << result.error().message;
  if (!result) return {};
  // The same message has one encoding only.
  EXPECT_EQ(encode(*result), bytes);
  return std::move(*result);
}

template <class Body>
Body travel_in_envelope(Body body, uint64_t term = 7) {
  const Message message = travel(envelope(1, kMax, body, term));
  const auto& arrived = std::get<raft::Envelope>(message);
  EXPECT_EQ(arrived.from, raft::NodeId(1));
  EXPECT_EQ(arrived.to, raft::NodeId(kMax));
  EXPECT_EQ(arrived.term, raft::Term(term));
  return std::get<Body>(arrived.message);
}

raft::EntryId id(uint64_t term, uint64_t index) {
  return {raft::Term(term), raft::Index(index)};
}

TEST(Codec, CarriesVotes) {
  for (const bool flag : {false, true}) {
    const auto vote = travel_in_envelope(raft::VoteRequest{flag, id(kMax, 0), !flag});
    EXPECT_EQ(vote.pre_vote, flag);
    EXPECT_EQ(vote.last, id(kMax, 0));
    EXPECT_EQ(vote.transfer, !flag);
    const auto reply = travel_in_envelope(raft::VoteReply{flag, !flag});
    EXPECT_EQ(reply.pre_vote, flag);
    EXPECT_EQ(reply.granted, !flag);
  }
}

TEST(Codec, CarriesReadIndexesAndTimeoutNow) {
  const auto read = travel_in_envelope(raft::ReadIndexRequest{kMax, true});
  EXPECT_EQ(read.context, kMax);
  EXPECT_TRUE(read.lease);
  const auto reply = travel_in_envelope(raft::ReadIndexReply{0, true, raft::Index(kMax)});
  EXPECT_EQ(reply.context, 0u);
  EXPECT_TRUE(reply.granted);
  EXPECT_EQ(reply.index, raft::Index(kMax));
  travel_in_envelope(raft::TimeoutNow{});
}

TEST(Codec, CarriesAppendReplies) {
  const auto reply =
      travel_in_envelope(raft::AppendReply{true, 5, raft::Index(6), raft::Index(kMax), id(8, 9)});
  EXPECT_TRUE(reply.accepted);
  EXPECT_EQ(reply.round, 5u);
  EXPECT_EQ(reply.match, raft::Index(6));
  EXPECT_EQ(reply.rejected, raft::Index(kMax));
  EXPECT_EQ(reply.conflict, id(8, 9));
}

TEST(Codec, CarriesEntriesOfEveryKindAndSize) {
  raft::Configuration configuration;
  configuration.voters = {raft::NodeId(1)};
  configuration.members = {{raft::NodeId(1), "h:1", "h:2"}};
  raft::AppendRequest append{id(3, 10), raft::Index(9), {}, kMax};
  append.entries = {
      make_entry(3, 11, "", raft::EntryKind::kNoop),
      make_entry(3, 12, std::string("\0 \r\n $5 \xff", 9)),
      make_entry(4, 13, raft::encode(configuration), raft::EntryKind::kConfiguration),
      make_entry(7, 14, pattern(16384)),
      make_entry(7, 15, pattern(300'000)),
      make_entry(7, 16, ""),
  };
  const auto arrived = travel_in_envelope(append);
  EXPECT_EQ(arrived.previous, append.previous);
  EXPECT_EQ(arrived.commit, append.commit);
  EXPECT_EQ(arrived.round, kMax);
  ASSERT_EQ(arrived.entries.size(), append.entries.size());
  for (size_t i = 0; i < append.entries.size(); ++i) {
    EXPECT_EQ(arrived.entries[i]->id, append.entries[i]->id);
    EXPECT_EQ(arrived.entries[i]->kind, append.entries[i]->kind);
    EXPECT_EQ(arrived.entries[i]->stamp, append.entries[i]->stamp);
    EXPECT_EQ(arrived.entries[i]->data, append.entries[i]->data);
  }
}

TEST(Codec, CarriesHeartbeatsAndTenThousandEntries) {
  EXPECT_TRUE(travel_in_envelope(raft::AppendRequest{}).entries.empty());
  raft::AppendRequest append;
  for (uint64_t i = 1; i <= 10'000; ++i) append.entries.push_back(make_entry(1, i, "x"));
  EXPECT_EQ(travel_in_envelope(append).entries.back()->id, id(1, 10'000));
}

TEST(Codec, CarriesTheGreatestIndexesAndTerms) {
  raft::AppendRequest append{id(kMax, kMax - 1), raft::Index(kMax), {}, 0};
  auto entry = std::make_shared<raft::Entry>();
  entry->id = id(kMax, kMax);
  entry->stamp = kMax;
  append.entries = {entry};
  const auto arrived = travel_in_envelope(append, kMax);
  EXPECT_EQ(arrived.entries.front()->id, id(kMax, kMax));
  EXPECT_EQ(arrived.entries.front()->stamp, kMax);
}

TEST(Codec, CarriesWhatIsNotRafts) {
  for (const std::string& data : {std::string(), std::string("\0\r\n", 3), pattern(100'000)}) {
    EXPECT_EQ(std::get<ForwardedBatch>(travel(ForwardedBatch{data})).data, data);
    const Message publish = travel(PublishedMessage{data, "m" + data, true});
    EXPECT_EQ(std::get<PublishedMessage>(publish).channel, data);
    EXPECT_EQ(std::get<PublishedMessage>(publish).message, "m" + data);
    EXPECT_TRUE(std::get<PublishedMessage>(publish).shard);
    const Message request = travel(Request{kMax, {data, "", data}});
    EXPECT_EQ(std::get<Request>(request).id, kMax);
    EXPECT_EQ(std::get<Request>(request).words, (std::vector<std::string>{data, "", data}));
    const Message answer = travel(Answer{0, true, data});
    EXPECT_TRUE(std::get<Answer>(answer).ok);
    EXPECT_EQ(std::get<Answer>(answer).text, data);
  }
  EXPECT_TRUE(std::get<Request>(travel(Request{})).words.empty());
  const Message refused = travel(BatchRefused{kMax, 0});
  EXPECT_EQ(std::get<BatchRefused>(refused).session, kMax);
  EXPECT_EQ(std::get<BatchRefused>(refused).sequence, 0u);
}

TEST(Codec, WritesWhatAPersonCanRead) {
  EXPECT_EQ(encode(envelope(1, 2, raft::VoteRequest{true, id(3, 4), false})),
            "*8\r\n$4\r\nvote\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n7\r\n$1\r\n1\r\n$1\r\n3\r\n$1\r\n4\r\n"
            "$1\r\n0\r\n");
  auto entry = std::make_shared<raft::Entry>();
  entry->id = id(5, 1);
  entry->kind = raft::EntryKind::kCommands;
  entry->stamp = 1000;
  entry->data = "SET k v";
  EXPECT_EQ(encode(envelope(1, 2, raft::AppendRequest{{}, raft::Index(0), {entry}, 9})),
            "*9\r\n$6\r\nappend\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n7\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n0"
            "\r\n$1\r\n9\r\n$23\r\n5 commands 1000 SET k v\r\n");
}

TEST(Codec, SharesLargeDataInsteadOfCopyingIt) {
  struct Sink final : FrameSink {
    std::string& text() override { return bytes; }
    void share(net::SharedBytes shared) override { pieces.push_back(std::move(shared)); }
    std::string bytes;
    std::vector<net::SharedBytes> pieces;
  } sink;
  const auto entry = make_entry(1, 1, pattern(100'000));
  encode(envelope(1, 2, raft::AppendRequest{{}, {}, {entry}, 0}), sink);
  ASSERT_EQ(sink.pieces.size(), 1u);
  EXPECT_EQ(sink.pieces.front().get(), &entry->data);
}

std::string error_of(const std::vector<std::string>& words) {
  const auto message = decode(words);
  return message ? "" : message.error().message;
}

TEST(Codec, RefusesWhatIsNoMessage) {
  EXPECT_EQ(error_of({"PING"}), "a message of a kind that this version of kvorum does not know");
  EXPECT_EQ(error_of({""}), "a message of a kind that this version of kvorum does not know");
  EXPECT_EQ(error_of({"forward"}), "a message `forward` that is wrong at word 1");
  EXPECT_EQ(error_of({"forward", "a", "b"}), "a message `forward` with 1 words too many");
  EXPECT_EQ(error_of({"timeout-now", "1", "2"}), "a message `timeout-now` that is wrong at word 3");
  EXPECT_EQ(error_of({"vote-reply", "1", "2", "3", "1", "2"}),
            "a message `vote-reply` that is wrong at word 6");
  for (const char* number : {"", "-1", "+1", " 1", "1 ", "0x1", "01", "18446744073709551616"}) {
    EXPECT_NE(error_of({"refused", number, "1"}), "") << number;
  }
}

TEST(Codec, RefusesEntriesThatContradictTheirMessage) {
  const auto append = [](const std::string& previous_term, const std::string& previous_index,
                         const std::vector<std::string>& entries) {
    std::vector<std::string> words{"append",       "1", "2", "7", previous_term,
                                   previous_index, "0", "0"};
    words.insert(words.end(), entries.begin(), entries.end());
    return error_of(words);
  };
  EXPECT_EQ(append("1", "5", {"1 noop 5 ", "7 commands 5 x"}), "");
  EXPECT_NE(append("1", "5", {"1 noop 5"}), "");
  EXPECT_NE(append("1", "5", {"1 nop 5 "}), "");
  EXPECT_NE(append("1", "5", {"1 noop  "}), "");
  EXPECT_NE(append("1", "5", {"x noop 5 "}), "");
  EXPECT_NE(append("1", "5", {""}), "");
  // Terms and stamps never go back, and the leader's term is the greatest.
  EXPECT_NE(append("2", "5", {"1 noop 5 "}), "");
  EXPECT_NE(append("1", "5", {"2 noop 5 ", "1 noop 5 "}), "");
  EXPECT_NE(append("1", "5", {"1 noop 5 ", "1 noop 4 "}), "");
  EXPECT_NE(append("1", "5", {"8 noop 5 "}), "");
  EXPECT_NE(append("1", "5", {"1 configuration 5 nonsense"}), "");
  // The index of an entry is one that exists.
  EXPECT_NE(append("1", "18446744073709551615", {"1 noop 5 "}), "");
  EXPECT_EQ(append("1", "18446744073709551615", {}), "");
}

TEST(Codec, SurvivesEveryCutAndManyMutations) {
  std::minstd_rand random(1);
  raft::AppendRequest append{id(3, 10), raft::Index(9), {}, 4};
  append.entries = {make_entry(3, 11, "abc"), make_entry(3, 12, pattern(200))};
  const std::vector<Message> messages{envelope(1, 2, append), envelope(1, 2, raft::AppendReply{}),
                                      ForwardedBatch{pattern(40)}, Request{1, {"RAFT", "ADD"}},
                                      Answer{1, true, "x"}};
  for (const Message& message : messages) {
    const std::string bytes = encode(message);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_bytes(bytes.substr(0, size)).has_value());
    }
    for (int i = 0; i < 5000; ++i) {
      std::string changed = bytes;
      for (unsigned n = 1 + random() % 4; n > 0; --n) {
        changed[random() % changed.size()] = static_cast<char>(random());
      }
      // Either an error or a message that means what its bytes say.
      auto result = decode_bytes(changed);
      if (result) {
        EXPECT_TRUE(decode_bytes(encode(*result)).has_value());
      }
    }
  }
}

TEST(Codec, EstimatesWhatAMessageTakes) {
  const std::string data = pattern(1'000'000);
  for (const Message& message : std::vector<Message>{
           ForwardedBatch{data}, PublishedMessage{data, data, false}, Request{1, {data, data}},
           Answer{1, true, data},
           envelope(1, 2, raft::AppendRequest{{}, {}, {make_entry(1, 1, data)}, 0}),
           envelope(1, 2, raft::TimeoutNow{}), BatchRefused{}}) {
    const size_t bytes = encode(message).size();
    EXPECT_GE(wire_bytes(message), bytes);
    EXPECT_LE(wire_bytes(message), bytes + 200);
  }
}

}  // namespace
}  // namespace kvorum::peer
