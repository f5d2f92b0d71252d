// What one request costs before and after its command: parsing it, and writing its reply.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "resp/reply_parser.h"
#include "resp/reply_writer.h"
#include "resp/request_parser.h"

namespace kvorum::resp {
namespace {

std::string request(const std::vector<std::string>& args) {
  std::string bytes = fmt::format("*{}\r\n", args.size());
  for (const std::string& arg : args) bytes += fmt::format("${}\r\n{}\r\n", arg.size(), arg);
  return bytes;
}

// One read of a pipelining connection: so many requests in one buffer.
void parse_pipelined(benchmark::State& state, const std::string& one) {
  const auto pipeline = static_cast<size_t>(state.range(0));
  std::string input;
  for (size_t i = 0; i < pipeline; ++i) input += one;
  RequestParser parser;
  std::vector<std::string_view> args;
  for (auto _ : state) {
    std::string_view rest = input;
    while (!rest.empty()) {
      const ParseResult result = parser.next(rest, args);
      CHECK(result.status == ParseStatus::kRequest);
      benchmark::DoNotOptimize(args.data());
      rest.remove_prefix(result.consumed);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(input.size()));
}

void BM_ParseSet64(benchmark::State& state) {
  parse_pipelined(state, request({"SET", "key:000000012345", std::string(64, 'x')}));
}
BENCHMARK(BM_ParseSet64)->Arg(1)->Arg(16);

void BM_ParseGet(benchmark::State& state) {
  parse_pipelined(state, request({"GET", "key:000000012345"}));
}
BENCHMARK(BM_ParseGet)->Arg(1)->Arg(16);

void BM_ParseInlinePing(benchmark::State& state) {
  parse_pipelined(state, "PING\r\n");
}
BENCHMARK(BM_ParseInlinePing)->Arg(16);

// A value that comes in the pieces that a socket gives.
void BM_ParseSetInPieces(benchmark::State& state) {
  constexpr size_t kPiece = 16384;
  const std::string input = request({"SET", "key", std::string(size_t{1} << 20, 'x')});
  RequestParser parser;
  std::vector<std::string_view> args;
  for (auto _ : state) {
    ParseStatus status = ParseStatus::kIncomplete;
    for (size_t size = kPiece; status == ParseStatus::kIncomplete; size += kPiece) {
      status = parser.next(std::string_view(input).substr(0, size), args).status;
    }
    CHECK(status == ParseStatus::kRequest);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ParseSetInPieces);

// The replies of one loop turn go into one buffer that keeps its memory.
template <class Write>
void write_replies(benchmark::State& state, Write write) {
  constexpr int kReplies = 64;
  std::string out;
  ReplyWriter writer(out, Protocol::kResp2);
  for (auto _ : state) {
    out.clear();
    for (int i = 0; i < kReplies; ++i) write(writer, i);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * kReplies);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(out.size()));
}

void BM_WriteBulk(benchmark::State& state) {
  const std::string value(static_cast<size_t>(state.range(0)), 'x');
  write_replies(state, [&](ReplyWriter& writer, int) { writer.bulk(value); });
}
BENCHMARK(BM_WriteBulk)->Arg(3)->Arg(64)->Arg(1024);

void BM_WriteInteger(benchmark::State& state) {
  const int64_t scale = state.range(0);
  write_replies(state, [&](ReplyWriter& writer, int i) { writer.integer(i * scale); });
}
BENCHMARK(BM_WriteInteger)->Arg(1)->Arg(1234567891);

void BM_WriteSimple(benchmark::State& state) {
  write_replies(state, [](ReplyWriter& writer, int) { writer.simple("QUEUED"); });
}
BENCHMARK(BM_WriteSimple);

void BM_ParseBulkReply(benchmark::State& state) {
  const std::string reply = "$64\r\n" + std::string(64, 'x') + "\r\n";
  ReplyParser parser;
  for (auto _ : state) {
    parser.feed(reply);
    auto value = parser.next();
    CHECK(value && *value);
    benchmark::DoNotOptimize(value);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ParseBulkReply);

}  // namespace
}  // namespace kvorum::resp

BENCHMARK_MAIN();
