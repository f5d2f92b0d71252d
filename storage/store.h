// Store: the state machine's data on WiredTiger. Runs without WiredTiger's own log: after a crash
// it stands at its last checkpoint, and the write-ahead log is replayed from there. Data, applied
// index and revision change in one transaction, so they are never out of step.
//
// Threads: one thread owns the Transaction (the applier), each reading thread owns a Reader, one
// thread replaces the state; the rest is for any thread. The Store outlives what it makes; its
// destructor takes a last checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_id.h"
#include "base/result.h"
#include "raft/types.h"

namespace kvorum::storage {

// The type byte of a key's header. Numbers are on disk: never reused.
enum class ValueType : uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kZset = 3,
  kHash = 4,
  kStream = 5
};

struct KeyHeader {
  ValueType type = ValueType::kString;
  EventId modified;         // the event of the last change
  EventId created;          // the event that made the key
  UnixMillis deadline = 0;  // 0: none
  bool operator==(const KeyHeader&) const = default;
};

// `value` points into the storage engine: valid until the next call on the same View.
struct Record {
  KeyHeader header;
  std::string_view value;
};

// What was last executed of a node's proposals, so that none is executed twice.
struct Proposer {
  raft::NodeId node;
  uint64_t session = 0;
  uint64_t sequence = 0;  // of the newest batch of that session executed
  raft::Index index;      // of its entry
  bool operator==(const Proposer&) const = default;
};
// When more nodes than this have proposed, the one that did so longest ago is forgotten.
inline constexpr size_t kProposersMax = 64;
// In `proposers`, which are by node. Null when `node` is not among them.
const Proposer* find_proposer(std::span<const Proposer> proposers, raft::NodeId node);

// What is kept of the past: events in the order of their ids, in rows that are opaque here. How
// much is kept is a part of the state as well, because nodes must agree on it. An id of {0, 0} is
// none.
struct HistoryState {
  uint64_t max_bytes = 0;   // that the rows may have, keys included; 0: no history is kept
  uint64_t max_age_ms = 0;  // 0: whatever their age
  // Every event after it is held, none at or before it is: who has seen all up to an id that is not
  // before it can go on. Rows that are not after it wait for their removal.
  EventId floor = {};
  EventId last = {};    // the last event there was, held or not
  uint64_t bytes = 0;   // of the rows there are, keys included
  EventId oldest = {};  // the first event of the oldest row there is
  UnixMillis oldest_stamp = 0;
  bool operator==(const HistoryState&) const = default;
};
// What a row's key adds to HistoryState::bytes.
inline constexpr size_t kHistoryKeyBytes = 12;

// The part of the replicated state that is not keys.
struct AppliedState {
  raft::EntryId applied;        // the last entry whose effects are in
  uint64_t items_done = 0;      // of the entry after it, when that is executed in parts
  UnixMillis stamp = 0;         // its stamp
  uint64_t revision = 0;        // see EventId
  uint64_t key_count = 0;       // keys held, due ones included
  uint64_t expiring_count = 0;  // those of them with a deadline
  HistoryState history;
  raft::Configuration configuration;
  std::vector<Proposer> proposers;  // by node
  bool operator==(const AppliedState&) const = default;

  const Proposer* find_proposer(raft::NodeId node) const {
    return storage::find_proposer(proposers, node);
  }
  // Adds or replaces.
  void set_proposer(const Proposer& proposer);
};

// A consistent picture of the data. Knows nothing of expiry: due keys are returned like others.
// A `visit` may call everything of the same View; the key it was given stays valid meanwhile.
class View {
 public:
  virtual ~View() = default;

  virtual std::optional<Record> get(std::string_view key) = 0;
  // As get, without reading the value when the engine can avoid it.
  virtual std::optional<KeyHeader> header(std::string_view key) = 0;

  // Every key that starts with `prefix`, in byte order, until `visit` returns false.
  using Visit = std::function<bool(std::string_view key, const Record& record)>;
  virtual void for_each(std::string_view prefix, const Visit& visit) = 0;

  // Keys in descending order of creation, those created before `before` (nothing: from the newest),
  // until `visit` returns false. The order that SCAN walks: new keys never extend a walk, and a key
  // held throughout is always met.
  using VisitCreated = std::function<bool(EventId created, std::string_view key)>;
  virtual void for_each_created_before(std::optional<EventId> before,
                                       const VisitCreated& visit) = 0;

  // Keys whose deadline is at or before `now`, earliest first, until `visit` returns false.
  using VisitDue = std::function<bool(UnixMillis deadline, std::string_view key)>;
  virtual void for_each_due(UnixMillis now, const VisitDue& visit) = 0;
  // The earliest deadline of all; 0 when no key has one.
  virtual UnixMillis first_deadline() = 0;

  // Some key, chosen by `random`; nothing when there is none. Roughly uniform.
  virtual std::optional<std::string> random_key(uint64_t random) = 0;

  // Rows of the history from `history.oldest` of the applied state on, ascending: first the one
  // that may hold the first event after `after`; until `visit` returns false. `row` is valid until
  // then. Who must not miss any asks Reader::consistent() afterwards.
  using VisitHistory = std::function<bool(EventId first, std::string_view row)>;
  virtual void for_each_history(EventId after, const VisitHistory& visit) = 0;
  // The same descending, those whose first event is before `before`.
  virtual void for_each_history_back(EventId before, const VisitHistory& visit) = 0;

  virtual const AppliedState& applied_state() = 0;
};

// The only writer. Reads see its own writes. After an operation failed because the engine wants the
// transaction retried, `failed()` is true, everything else is a harmless no-op, and commit() says
// so.
class Transaction : public View {
 public:
  virtual void put(std::string_view key, const KeyHeader& header, std::string_view value) = 0;
  // Changes the header alone and keeps the value, of which it gives the size. The key exists.
  virtual size_t put_header(std::string_view key, const KeyHeader& header) = 0;
  // True if the key was there.
  virtual bool erase(std::string_view key) = 0;
  virtual void erase_all() = 0;

  // What commit() will store besides the keys. key_count is kept by put and erase.
  virtual void set_applied(raft::EntryId applied, UnixMillis stamp, uint64_t revision) = 0;
  // The first `items` of the entry that is next are in, and have led to this revision.
  virtual void set_partly_applied(uint64_t items, uint64_t revision) = 0;
  virtual void set_configuration(const raft::Configuration& configuration) = 0;
  virtual void set_proposer(const Proposer& proposer) = 0;

  // A row behind all others. The state of the history is kept by who writes it: set_history() says
  // what is there before anything of it is read.
  virtual void append_history(EventId first, std::string_view row) = 0;
  // From `history.oldest` on: removes rows for as long as `visit`, which calls nothing of this
  // transaction, returns true.
  virtual void trim_history(const VisitHistory& visit) = 0;
  virtual void set_history(const HistoryState& history) = 0;

  virtual bool failed() const = 0;
  // False: nothing was written, do it all again in a new transaction. Durable only at the next
  // checkpoint.
  [[nodiscard]] virtual bool commit() = 0;
  virtual void rollback() = 0;
};

// Owned by one reading thread. begin() takes a fresh picture, end() lets it go; between the two the
// engine must keep old versions, so keep it short.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual View& begin() = 0;
  virtual void end() = 0;
  // False if the engine, short of cache, gave the picture up after something was read from it: what
  // was read since is from a later one. Who needs all of it to agree begins again. Asked before
  // end().
  virtual bool consistent() const { return true; }
};

// Owned by the applier. One transaction at a time.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual Transaction& begin() = 0;
};

// A checkpoint held open, so that its files can be read while the store goes on; a store opens in a
// folder that holds exactly these. Used by one thread at a time; the store outlives it.
class BackupSource {
 public:
  struct File {
    std::string name;
    uint64_t bytes = 0;
  };
  virtual ~BackupSource() = default;
  // Of exactly the checkpoint that this is.
  virtual const AppliedState& applied_state() = 0;
  // In the order in which a copy becomes usable: without the last it can't be opened.
  virtual const std::vector<File>& files() = 0;
  // Fills `into` from the file's `offset` on; how many bytes, less only at its end.
  virtual Result<size_t> read(size_t file, uint64_t offset, std::span<char> into) = 0;
};

enum class StoreSeverity : uint8_t { kInfo, kWarning, kError };
// Called from any thread, the engine's own included.
using StoreLog = std::function<void(StoreSeverity severity, std::string_view message)>;

struct StoreOptions {
  std::string folder;  // made if missing
  // Upper bound of the engine's cache. At least four times the largest transaction: what is not
  // committed can't leave it, and one that does not fit fails for ever or makes everything wait.
  uint64_t cache_bytes = 256 << 20;
  uint32_t readers_max = 64;
  StoreLog log = {};                // what the engine has to say; may be empty
  std::string engine_options = {};  // added to WiredTiger's configuration; for tests and tuning
};

struct StoreStats {
  uint64_t cache_bytes_used = 0;
  uint64_t cache_bytes_dirty = 0;
  uint64_t file_bytes = 0;
  uint64_t disk_bytes_free = 0;
  // What the next checkpoint may write, and is refused without. The engine does not survive a full
  // disk, and evicts to it between checkpoints as well: so writes must stop well before.
  uint64_t disk_bytes_needed = 0;
  uint64_t checkpoints = 0;
  uint64_t checkpoint_last_ms = 0;
};

class Store {
 public:
  // Fails with a sentence when the folder is in use, damaged, or from a newer version. Finishes or
  // takes back a replacement that was cut short.
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options);
  // The engine measures the processor's clock once in a process, about 0.1 s of computing. This
  // does it ahead of the first open(), on a thread that has nothing else to do; joined before
  // open().
  static void warm_up();
  virtual ~Store() = default;

  virtual std::unique_ptr<Reader> new_reader() = 0;
  virtual std::unique_ptr<Writer> new_writer() = 0;

  // What the store holds now (at open: what its last checkpoint held). Not by a thread that is
  // between begin() and end() or commit().
  virtual AppliedState applied_state() = 0;

  // Makes everything committed before the call durable. Gives the applied state that the checkpoint
  // is certain to contain. Blocks, also while the state is replaced; writers and readers go on.
  // Refused, with nothing changed, when the disk has no room for it.
  virtual Result<AppliedState> checkpoint() = 0;
  // Copies the last checkpoint into `folder` (absent or empty), synced. A store can be opened
  // there. Fails while a BackupSource is open.
  virtual Status backup(const std::string& folder) = 0;

  // The last checkpoint, held open. One at a time: fails while another is.
  virtual Result<std::unique_ptr<BackupSource>> open_backup() = 0;
  // The store in `folder`, complete, verified and on the same file system, takes the place of all
  // that is here, durably; the folder is gone afterwards. Readers and the writer go on with it: it
  // waits until none is between begin() and end() or commit(), and they wait until it is done. What
  // is committed while it runs is lost. An error: nothing was changed. Fails while a BackupSource
  // is open. Called by a thread that has no view open.
  virtual Result<AppliedState> replace(const std::string& folder) = 0;
  // Reads all of the store in `folder`, which nobody has open. Damage is named.
  static Result<AppliedState> verify(const std::string& folder, uint64_t cache_bytes);

  // Never waits. While the state is replaced the figures of the cache are 0.
  virtual StoreStats stats() = 0;
};

}  // namespace kvorum::storage
