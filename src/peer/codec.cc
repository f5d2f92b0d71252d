#include "peer/codec.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/parse_number.h"

namespace kvorum::peer {

// Words are separated by spaces here, and are bulk strings on the wire. Numbers are unsigned 64-bit
// ones in decimal, without leading zeros; flags are 0 or 1.
//
//   message   = kind envelope ... | other
//   envelope  = from:node to:node term:number
//
//   "append" envelope previous-term previous-index commit round entry*
//   "append-reply" envelope accepted:flag round match rejected conflict-term conflict-index
//   "vote" envelope pre-vote:flag last-term last-index transfer:flag
//   "vote-reply" envelope pre-vote:flag granted:flag
//   "read-index" envelope context lease:flag
//   "read-index-reply" envelope context granted:flag index
//   "timeout-now" envelope
//
//   "forward" data
//   "refused" session sequence
//   "publish" shard:flag channel message
//   "request" id word*
//   "answer" id ok:flag text
//
// An entry is one word, and inside it spaces are spaces. Its index is not written: entries follow
// each other, and the first follows previous-index. The data is the rest of the word, any bytes.
//
//   entry     = term " " ("noop" | "commands" | "configuration") " " stamp " " data

namespace {

constexpr std::string_view kAppend = "append";
constexpr std::string_view kAppendReply = "append-reply";
constexpr std::string_view kVote = "vote";
constexpr std::string_view kVoteReply = "vote-reply";
constexpr std::string_view kReadIndex = "read-index";
constexpr std::string_view kReadIndexReply = "read-index-reply";
constexpr std::string_view kTimeoutNow = "timeout-now";
constexpr std::string_view kForward = "forward";
constexpr std::string_view kRefused = "refused";
constexpr std::string_view kPublish = "publish";
constexpr std::string_view kRequest = "request";
constexpr std::string_view kAnswer = "answer";

// In the order of raft::EntryKind.
constexpr std::array<std::string_view, 3> kEntryKinds{"noop", "commands", "configuration"};

// An error line is for people, and readers bound it.
constexpr size_t kErrorBytesMax = 2048;

// Larger data is not copied into the output.
constexpr size_t kSharedMin = size_t{16} << 10;

// Writing

std::string to_word(std::string_view text) {
  return std::string(text);
}
std::string to_word(bool flag) {
  return flag ? "1" : "0";
}
std::string to_word(uint64_t number) {
  return fmt::format_int(number).str();
}
template <class Tag>
std::string to_word(Strong<Tag> id) {
  return to_word(id.value());
}

template <class... Args>
void put_command(FrameSink& sink, const Args&... args) {
  sink.text().append(encode_command({to_word(args)...}));
}

template <class... Args>
void put_envelope(FrameSink& sink, std::string_view kind, const raft::Envelope& envelope,
                  const Args&... args) {
  put_command(sink, kind, envelope.from, envelope.to, envelope.term, args...);
}

// What carries data is written piece by piece: hiredis' formatter would copy it twice more.
void put_header(std::string& out, char type, uint64_t number) {
  const fmt::format_int digits(number);
  out.push_back(type);
  out.append(digits.data(), digits.size());
  out.append("\r\n");
}

void put_bulk(std::string& out, std::string_view text) {
  put_header(out, '$', text.size());
  out.append(text);
  out.append("\r\n");
}

template <class... Args>
void put_start(std::string& out, size_t words, const Args&... args) {
  put_header(out, '*', words);
  (put_bulk(out, to_word(args)), ...);
}

// One bulk: the head, then the data, which `owner` keeps alive if it is not copied.
template <class Owner>
void put_data(FrameSink& sink, std::string_view head, const Owner& owner, const std::string& data) {
  std::string& out = sink.text();
  put_header(out, '$', head.size() + data.size());
  out.append(head);
  if (data.size() < kSharedMin) {
    out.append(data);
  } else {
    sink.share(net::SharedBytes(owner, &data));
  }
  sink.text().append("\r\n");
}

void put_entry(FrameSink& sink, const raft::EntryPtr& entry) {
  const auto kind = static_cast<size_t>(entry->kind);
  CHECK(kind < kEntryKinds.size());
  std::array<char, 64> head;  // two numbers of 20 digits, the longest kind, three spaces: 56
  char* end =
      fmt::format_to(head.data(), "{} {} {} ", entry->id.term, kEntryKinds[kind], entry->stamp);
  put_data(sink, {head.data(), static_cast<size_t>(end - head.data())}, entry, entry->data);
}

struct BodyWriter {
  void operator()(const raft::AppendRequest& append) const {
    put_start(sink.text(), 8 + append.entries.size(), kAppend, envelope.from, envelope.to,
              envelope.term, append.previous.term, append.previous.index, append.commit,
              append.round);
    raft::Index index = append.previous.index;
    for (const raft::EntryPtr& entry : append.entries) {
      ++index;
      CHECK(entry->id.index == index, "entry {} where {} belongs", entry->id.index, index);
      put_entry(sink, entry);
    }
  }
  void operator()(const raft::AppendReply& reply) const {
    put_envelope(sink, kAppendReply, envelope, reply.accepted, reply.round, reply.match,
                 reply.rejected, reply.conflict.term, reply.conflict.index);
  }
  void operator()(const raft::VoteRequest& vote) const {
    put_envelope(sink, kVote, envelope, vote.pre_vote, vote.last.term, vote.last.index,
                 vote.transfer);
  }
  void operator()(const raft::VoteReply& reply) const {
    put_envelope(sink, kVoteReply, envelope, reply.pre_vote, reply.granted);
  }
  void operator()(const raft::ReadIndexRequest& read) const {
    put_envelope(sink, kReadIndex, envelope, read.context, read.lease);
  }
  void operator()(const raft::ReadIndexReply& reply) const {
    put_envelope(sink, kReadIndexReply, envelope, reply.context, reply.granted, reply.index);
  }
  void operator()(const raft::TimeoutNow&) const { put_envelope(sink, kTimeoutNow, envelope); }

  const raft::Envelope& envelope;
  FrameSink& sink;
};

struct MessageWriter {
  void operator()(const raft::Envelope& envelope) const {
    std::visit(BodyWriter{envelope, sink}, envelope.message);
  }
  void operator()(ForwardedBatch& batch) const {
    put_start(sink.text(), 2, kForward);
    const auto data = std::make_shared<const std::string>(std::move(batch.data));
    put_data(sink, {}, data, *data);
  }
  void operator()(const BatchRefused& refused) const {
    put_command(sink, kRefused, refused.session, refused.sequence);
  }
  void operator()(const PublishedMessage& published) const {
    put_command(sink, kPublish, published.shard, std::string_view(published.channel),
                std::string_view(published.message));
  }
  void operator()(const Request& request) const {
    std::vector<std::string> words{to_word(kRequest), to_word(request.id)};
    words.insert(words.end(), request.words.begin(), request.words.end());
    sink.text().append(encode_command(words));
  }
  void operator()(const Answer& answer) const {
    put_command(sink, kAnswer, answer.id, answer.ok, std::string_view(answer.text));
  }

  FrameSink& sink;
};

class StringSink final : public FrameSink {
 public:
  std::string& text() override { return bytes; }
  void share(net::SharedBytes shared) override { bytes.append(*shared); }

  std::string bytes;
};

// Reading

// Each number has one form.
bool parse_canonical(std::string_view text, uint64_t& number) {
  return parse_number(text, number) && (text.size() == 1 || text.front() != '0');
}

// Takes one word after the other. Like a ByteReader it turns bad and stays bad.
class WordReader {
 public:
  explicit WordReader(std::vector<std::string>& words) : words_(words) {}

  // No word left, and nothing was wrong.
  bool done() const { return ok_ && next_ == words_.size(); }
  bool ok() const { return ok_; }
  size_t left() const { return ok_ ? words_.size() - next_ : 0; }
  // Counted from 1: the word that was read last.
  size_t position() const { return next_; }
  void refuse() { ok_ = false; }

  std::string text() {
    if (left() == 0) {
      refuse();
      return {};
    }
    return std::move(words_[next_++]);
  }
  uint64_t number() {
    uint64_t number = 0;
    if (!parse_canonical(text(), number)) refuse();
    return ok_ ? number : 0;
  }
  bool flag() {
    const uint64_t number = this->number();
    if (number > 1) refuse();
    return number == 1;
  }
  template <class Id>
  Id id() {
    return Id(number());
  }
  raft::EntryId entry_id() {
    const auto term = id<raft::Term>();
    return {term, id<raft::Index>()};
  }

 private:
  std::vector<std::string>& words_;
  size_t next_ = 0;
  bool ok_ = true;
};

// The part of `rest` before the next space; cut off with the space. False when there is none.
bool cut_part(std::string_view& rest, std::string_view& part) {
  const size_t space = rest.find(' ');
  if (space == std::string_view::npos) return false;
  part = rest.substr(0, space);
  rest.remove_prefix(space + 1);
  return true;
}

// Null when the word is no entry.
std::shared_ptr<raft::Entry> parse_entry(std::string word, raft::Index index) {
  std::string_view rest = word;
  std::string_view term, kind, stamp;
  if (!cut_part(rest, term) || !cut_part(rest, kind) || !cut_part(rest, stamp)) return nullptr;
  auto entry = std::make_shared<raft::Entry>();
  uint64_t number = 0;
  if (!parse_canonical(term, number) || !parse_canonical(stamp, entry->stamp)) return nullptr;
  entry->id = {raft::Term(number), index};
  const auto known = std::find(kEntryKinds.begin(), kEntryKinds.end(), kind);
  if (known == kEntryKinds.end()) return nullptr;
  entry->kind = static_cast<raft::EntryKind>(known - kEntryKinds.begin());
  word.erase(0, word.size() - rest.size());
  entry->data = std::move(word);
  return entry;
}

// The core takes these for granted.
bool may_follow(const raft::Entry& entry, raft::Term previous_term, UnixMillis previous_stamp) {
  raft::Configuration configuration;
  return entry.id.term >= previous_term && entry.stamp >= previous_stamp &&
         (entry.kind != raft::EntryKind::kConfiguration || raft::decode(entry.data, configuration));
}

raft::Message read_append(WordReader& in) {
  raft::AppendRequest append;
  append.previous = in.entry_id();
  append.commit = in.id<raft::Index>();
  append.round = in.number();
  const size_t count = in.left();
  if (append.previous.index.value() > std::numeric_limits<uint64_t>::max() - count) in.refuse();
  append.entries.reserve(in.left());
  raft::EntryId last = append.previous;
  UnixMillis stamp = 0;
  while (in.left() > 0) {
    auto entry = parse_entry(in.text(), last.index.next());
    if (entry == nullptr || !may_follow(*entry, last.term, stamp)) {
      in.refuse();
      break;
    }
    last = entry->id;
    stamp = entry->stamp;
    append.entries.push_back(std::move(entry));
  }
  return append;
}

raft::Message read_append_reply(WordReader& in) {
  raft::AppendReply reply;
  reply.accepted = in.flag();
  reply.round = in.number();
  reply.match = in.id<raft::Index>();
  reply.rejected = in.id<raft::Index>();
  reply.conflict = in.entry_id();
  return reply;
}

raft::Message read_vote(WordReader& in) {
  raft::VoteRequest vote;
  vote.pre_vote = in.flag();
  vote.last = in.entry_id();
  vote.transfer = in.flag();
  return vote;
}

raft::Message read_vote_reply(WordReader& in) {
  raft::VoteReply reply;
  reply.pre_vote = in.flag();
  reply.granted = in.flag();
  return reply;
}

raft::Message read_read_index(WordReader& in) {
  raft::ReadIndexRequest read;
  read.context = in.number();
  read.lease = in.flag();
  return read;
}

raft::Message read_read_index_reply(WordReader& in) {
  raft::ReadIndexReply reply;
  reply.context = in.number();
  reply.granted = in.flag();
  reply.index = in.id<raft::Index>();
  return reply;
}

raft::Message read_timeout_now(WordReader&) {
  return raft::TimeoutNow{};
}

template <raft::Message (*read_body)(WordReader&)>
Message read_envelope(WordReader& in) {
  raft::Envelope envelope;
  envelope.from = in.id<raft::NodeId>();
  envelope.to = in.id<raft::NodeId>();
  envelope.term = in.id<raft::Term>();
  envelope.message = read_body(in);
  const auto* append = std::get_if<raft::AppendRequest>(&envelope.message);
  if (append != nullptr && !append->entries.empty() &&
      append->entries.back()->id.term > envelope.term) {
    in.refuse();
  }
  return envelope;
}

Message read_forward(WordReader& in) {
  return ForwardedBatch{in.text()};
}

Message read_refused(WordReader& in) {
  BatchRefused refused;
  refused.session = in.number();
  refused.sequence = in.number();
  return refused;
}

Message read_publish(WordReader& in) {
  PublishedMessage published;
  published.shard = in.flag();
  published.channel = in.text();
  published.message = in.text();
  return published;
}

Message read_request(WordReader& in) {
  Request request;
  request.id = in.number();
  request.words.reserve(in.left());
  while (in.left() > 0) request.words.push_back(in.text());
  return request;
}

Message read_answer(WordReader& in) {
  Answer answer;
  answer.id = in.number();
  answer.ok = in.flag();
  answer.text = in.text();
  return answer;
}

struct Kind {
  std::string_view name;
  Message (*read)(WordReader&);
};

constexpr std::array kKinds{
    Kind{kAppend, read_envelope<read_append>},
    Kind{kAppendReply, read_envelope<read_append_reply>},
    Kind{kVote, read_envelope<read_vote>},
    Kind{kVoteReply, read_envelope<read_vote_reply>},
    Kind{kReadIndex, read_envelope<read_read_index>},
    Kind{kReadIndexReply, read_envelope<read_read_index_reply>},
    Kind{kTimeoutNow, read_envelope<read_timeout_now>},
    Kind{kForward, read_forward},
    Kind{kRefused, read_refused},
    Kind{kPublish, read_publish},
    Kind{kRequest, read_request},
    Kind{kAnswer, read_answer},
};

struct WireBytes {
  size_t operator()(const raft::Envelope& envelope) const {
    size_t bytes = kFixed;
    if (const auto* append = std::get_if<raft::AppendRequest>(&envelope.message)) {
      for (const auto& entry : append->entries) bytes += entry->bytes();
    }
    return bytes;
  }
  size_t operator()(const ForwardedBatch& batch) const { return kFixed + batch.data.size(); }
  size_t operator()(const BatchRefused&) const { return kFixed; }
  size_t operator()(const PublishedMessage& published) const {
    return kFixed + published.channel.size() + published.message.size();
  }
  size_t operator()(const Request& request) const {
    size_t bytes = kFixed;
    for (const auto& word : request.words) bytes += word.size() + kHeader;
    return bytes;
  }
  size_t operator()(const Answer& answer) const { return kFixed + answer.text.size(); }

  static constexpr size_t kFixed = 128;
  static constexpr size_t kHeader = 16;
};

}  // namespace

void encode(Message message, FrameSink& sink) {
  std::visit(MessageWriter{sink}, message);
}

std::string encode(Message message) {
  StringSink sink;
  encode(std::move(message), sink);
  return std::move(sink.bytes);
}

Result<Message> decode(std::vector<std::string> words) {
  WordReader in(words);
  const std::string name = in.text();
  const auto kind = std::find_if(kKinds.begin(), kKinds.end(),
                                 [&](const Kind& each) { return each.name == name; });
  if (kind == kKinds.end()) {
    return fail("a message of a kind that this version of kvorum does not know");
  }
  Message message = kind->read(in);
  if (in.done()) return message;
  if (in.ok()) return fail("a message `{}` with {} words too many", kind->name, in.left());
  return fail("a message `{}` that is wrong at word {}", kind->name, in.position());
}

size_t wire_bytes(const Message& message) {
  return std::visit(WireBytes{}, message);
}

std::string encode_command(const std::vector<std::string>& words) {
  std::vector<const char*> texts(words.size());
  std::vector<size_t> sizes(words.size());
  for (size_t i = 0; i < words.size(); ++i) {
    texts[i] = words[i].data();
    sizes[i] = words[i].size();
  }
  char* command = nullptr;
  const int size =
      redisFormatCommandArgv(&command, static_cast<int>(words.size()), texts.data(), sizes.data());
  CHECK(size >= 0, "out of memory for a frame");
  std::string frame(command, static_cast<size_t>(size));
  redisFreeCommand(command);
  return frame;
}

std::string encode_text(std::string_view text) {
  std::string frame;
  put_bulk(frame, text);
  return frame;
}

std::string encode_error(std::string_view text) {
  std::string frame = "-";
  for (const char c : text.substr(0, kErrorBytesMax))
    frame.push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
  frame.append("\r\n");
  return frame;
}

}  // namespace kvorum::peer
