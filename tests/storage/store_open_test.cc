// What Store::open accepts, refuses and says; backups.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wiredtiger.h>

#include <fstream>

#include "storage/store_format.h"
#include "storage/wt_session.h"
#include "store_testing.h"

namespace kvorum::storage {
namespace {

namespace fs = std::filesystem;
using testing::Test;

void put_and_close(const std::string& folder, std::string_view key, uint64_t index) {
  auto store = open_store(folder);
  auto writer = store->new_writer();
  Transaction& transaction = writer->begin();
  transaction.put(key, made_at(index), "value");
  transaction.set_applied(entry(index), index, index);
  CHECK(transaction.commit());
}

std::map<std::string, std::string> contents_of(const std::string& folder) {
  auto store = open_store(folder);
  auto reader = store->new_reader();
  auto all = contents(reader->begin());
  reader->end();
  return all;
}

// Fills `file` with other bytes, its size as before.
void overwrite(const std::string& file, size_t from) {
  size_t size = fs::file_size(file);
  std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(from));
  out << std::string(size - from, '\x5a');
}

TEST(StoreOpen, MakesTheFolderAndItsParents) {
  StoreFolder folder;
  put_and_close(folder.path("a/b/c"), "k", 1);
  EXPECT_EQ(contents_of(folder.path("a/b/c")).size(), 1u);
}

TEST(StoreOpen, KeepsEverythingOverACleanClose) {
  StoreFolder folder;
  put_and_close(folder.path(), "k1", 1);
  put_and_close(folder.path(), "k2", 2);
  EXPECT_EQ(contents_of(folder.path()).size(), 2u);
  EXPECT_EQ(open_store(folder.path())->applied_state().applied, entry(2));
}

TEST(StoreOpen, RefusesAFolderThatIsInUse) {
  StoreFolder folder;
  int ready[2];
  int leave[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(leave), 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto store = open_store(folder.path());
    char byte = 'r';
    bool told = ::write(ready[1], &byte, 1) == 1 && ::read(leave[0], &byte, 1) == 1;
    ::_exit(told ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_TRUE(contains(open_error(folder.path()), "in use by another process"));
  ASSERT_EQ(::write(leave[1], &byte, 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(open_error(folder.path()), "");
  for (int end : {ready[0], ready[1], leave[0], leave[1]}) ::close(end);
}

TEST(StoreOpen, RefusesAFolderWithOtherThingsInIt) {
  StoreFolder folder;
  fs::create_directories(folder.path());
  std::ofstream(folder.path("store/notes.txt")) << "mine";
  EXPECT_TRUE(contains(open_error(folder.path()), "is not a store: it holds notes.txt"));
  EXPECT_TRUE(fs::exists(folder.path("store/notes.txt")));
  EXPECT_FALSE(fs::exists(folder.path("store/WiredTiger")));
}

TEST(StoreOpen, RefusesAnotherProgramsDatabase) {
  StoreFolder folder;
  fs::create_directories(folder.path());
  WT_CONNECTION* connection = nullptr;
  WT_SESSION* session = nullptr;
  ASSERT_EQ(wiredtiger_open(folder.path().c_str(), nullptr, "create", &connection), 0);
  ASSERT_EQ(connection->open_session(connection, nullptr, nullptr, &session), 0);
  ASSERT_EQ(session->create(session, "table:stock", "key_format=S,value_format=S"), 0);
  ASSERT_EQ(connection->close(connection, nullptr), 0);
  EXPECT_TRUE(contains(open_error(folder.path()), "not a store of kvorum: it has table:stock"));
}

// Removing the record of the files must not lead to a new, empty store over the old files.
TEST(StoreOpen, RefusesFilesWithoutTheirMetadata) {
  for (bool all : {false, true}) {
    StoreFolder folder;
    put_and_close(folder.path(), "k", 1);
    for (const char* name :
         {"WiredTiger.turtle", "WiredTiger.wt", "WiredTiger", "WiredTiger.lock"}) {
      if (all || std::string_view(name) == "WiredTiger.turtle")
        fs::remove(folder.path("store/") + name);
    }
    std::string error = open_error(folder.path());
    EXPECT_TRUE(contains(error, "WiredTiger.turtle")) << error;
    EXPECT_TRUE(contains(error, "backup")) << error;
  }
}

TEST(StoreOpen, SaysThatAStoreIsDamaged) {
  struct Damage {
    const char* file;
    bool remove;
  };
  for (Damage damage :
       {Damage{"keys.wt", true}, Damage{"meta.wt", true}, Damage{"WiredTiger.wt", true},
        Damage{"WiredTiger.wt", false}, Damage{"keys.wt", false}, Damage{"meta.wt", false},
        Damage{"WiredTiger.turtle", false}}) {
    StoreFolder folder;
    put_and_close(folder.path(), "k", 1);
    const std::string file = folder.path("store/") + damage.file;
    if (damage.remove) {
      fs::remove(file);
    } else {
      overwrite(file, 0);
    }
    // A fork, because the engine gives some damaged files up with a panic of the whole process.
    pid_t child = ::fork();
    if (child == 0) {
      std::string error = open_error(folder.path());
      ::_exit(contains(error, "is damaged") ? 0 : error.empty() ? 10 : 11);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << damage.file;
    EXPECT_EQ(WEXITSTATUS(status), 0)
        << damage.file << (damage.remove ? " removed" : " overwritten");
  }
}

void set_format(WtSession& session, uint32_t format) {
  WtWalk meta(session, kMetaUri);
  char bytes[4];
  put_u32_le(bytes, format);
  set_key(meta.get(), kMetaFormat);
  set_value(meta.get(), {bytes, sizeof(bytes)});
  ASSERT_EQ(meta.get()->insert(meta.get()), 0);
}

// It had no history.
TEST(StoreOpen, RefusesAFormatFromThePast) {
  StoreFolder folder;
  fs::create_directories(folder.path());
  {
    auto connection = WtConnection::open(folder.path(), "create", {});
    ASSERT_TRUE(connection);
    WtSession session(**connection);
    for (const char* uri : {kKeysUri, kCreatedUri, kDeadlinesUri, kMetaUri}) {
      ASSERT_EQ(session.get()->create(session.get(), uri, "key_format=u,value_format=u"), 0);
    }
    set_format(session, 1);
  }
  for (int again = 0; again < 2; ++again) {
    std::string error = open_error(folder.path());
    EXPECT_TRUE(contains(error, "has format 1, made by an older version")) << error;
    auto verified = Store::verify(folder.path(), 1 << 20);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().message, error);
  }
}

TEST(StoreOpen, SaysThatATableIsGone) {
  StoreFolder folder;
  put_and_close(folder.path(), "k", 1);
  {
    auto connection = WtConnection::open(folder.path(), "create", {});
    ASSERT_TRUE(connection);
    WtSession session(**connection);
    ASSERT_EQ(session.get()->drop(session.get(), kHistoryUri, nullptr), 0);
  }
  EXPECT_TRUE(contains(open_error(folder.path()), "is damaged"));
}

TEST(StoreOpen, RefusesAFormatFromTheFuture) {
  StoreFolder folder;
  put_and_close(folder.path(), "k", 1);
  {
    auto connection = WtConnection::open(folder.path(), "create", {});
    ASSERT_TRUE(connection);
    WtSession session(**connection);
    set_format(session, kStoreFormat + 1);
  }
  std::string error = open_error(folder.path());
  EXPECT_TRUE(contains(error, "newer version")) << error;
  EXPECT_TRUE(contains(error, fmt::format("format {}", kStoreFormat + 1))) << error;
}

// The last thing that making a store writes is its format.
TEST(StoreOpen, FinishesAStoreWhoseMakingWasCutOff) {
  for (size_t tables = 0; tables <= 5; ++tables) {
    StoreFolder folder;
    fs::create_directories(folder.path());
    {
      auto connection = WtConnection::open(folder.path(), "create", {});
      ASSERT_TRUE(connection);
      WtSession session(**connection);
      const char* uris[] = {kKeysUri, kCreatedUri, kDeadlinesUri, kHistoryUri, kMetaUri};
      for (size_t i = 0; i < tables; ++i) {
        ASSERT_EQ(session.get()->create(session.get(), uris[i], "key_format=u,value_format=u"), 0);
      }
    }
    put_and_close(folder.path(), "k", 1);
    EXPECT_EQ(contents_of(folder.path()).size(), 1u);
  }
}

TEST(StoreOpen, SaysThatAFolderMayNotBeUsed) {
  StoreFolder folder;
  std::ofstream(folder.path("file")) << "a file";
  EXPECT_TRUE(contains(open_error(folder.path("file")), folder.path("file")));
  EXPECT_TRUE(contains(open_error(folder.path("file/store")), "could not make the folder"));
  fs::create_directories(folder.path());
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  fs::permissions(folder.path(""), fs::perms::group_exec | fs::perms::others_exec,
                  fs::perm_options::add);
  // In a child, so that root can be somebody else.
  pid_t child = ::fork();
  if (child == 0) {
    if (::getuid() == 0) CHECK(::setuid(65534) == 0);
    ::_exit(contains(open_error(folder.path()), "no permission") ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// In a child with a small disk of its own. Exits with 0 when all is well, 77 when it may not have
// one.
int check_a_full_disk(const std::string& folder) {
  // Root needs no namespace of users; others are root in one of their own.
  const uid_t user = ::getuid();
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
    std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
  if (::mount("none", folder.c_str(), "tmpfs", 0, "size=64m") != 0) return 77;
  auto store = open_store(folder + "/store");
  auto writer = store->new_writer();
  auto put = [&](uint64_t index) {
    Transaction& transaction = writer->begin();
    transaction.put(fmt::format("k{}", index), made_at(index), std::string(1 << 20, 'v'));
    transaction.set_applied(entry(index), index, index);
    return transaction.commit();
  };
  const std::string ballast = folder + "/ballast";
  int file = ::open(ballast.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  CHECK(file >= 0 && ::posix_fallocate(file, 0, 44 << 20) == 0 && ::close(file) == 0);
  for (uint64_t index = 1; index <= 16; ++index) CHECK(put(index));
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto refused = store->checkpoint();
    CHECK(!refused);
    CHECK(contains(refused.error().message, "MiB left"));
  }
  CHECK(put(17));
  fs::remove(ballast);
  auto contained = store->checkpoint();
  CHECK(contained, "{}", contained.error().message);
  CHECK(contained->applied == entry(17));
  return 0;
}

TEST(StoreDisk, HasNoCheckpointWithoutRoomForIt) {
  StoreFolder folder;
  fs::create_directories(folder.path());
  pid_t child = ::fork();
  if (child == 0) ::_exit(check_a_full_disk(folder.path()));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mount namespaces here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(StoreBackup, OpensAsAStoreWithTheLastCheckpoint) {
  StoreFolder folder;
  auto store = open_store(folder.path());
  auto writer = store->new_writer();
  auto put = [&](uint64_t index) {
    Transaction& transaction = writer->begin();
    transaction.put(fmt::format("k{}", index), made_at(index), "v");
    transaction.set_applied(entry(index), index, index);
    CHECK(transaction.commit());
  };
  for (uint64_t index = 1; index <= 1000; ++index) put(index);
  auto contained = store->checkpoint();
  ASSERT_TRUE(contained);
  EXPECT_EQ(contained->applied, entry(1000));
  put(1001);  // after the checkpoint
  Status taken = store->backup(folder.path("backup"));
  ASSERT_TRUE(taken) << taken.error().message;
  // Neither side disturbs the other.
  put(1002);
  ASSERT_TRUE(store->checkpoint());
  auto copy = open_store(folder.path("backup"));
  EXPECT_EQ(copy->applied_state(), *contained);
  auto reader = copy->new_reader();
  View& view = reader->begin();
  EXPECT_EQ(contents(view).size(), 1000u);
  expect_indexes_match(view);
  reader->end();
  EXPECT_EQ(store->applied_state().applied, entry(1002));
}

TEST(StoreBackup, NeedsAnEmptyFolder) {
  StoreFolder folder;
  auto store = open_store(folder.path());
  fs::create_directories(folder.path("empty"));
  fs::create_directories(folder.path("full/of"));
  EXPECT_TRUE(store->backup(folder.path("empty")));
  Status refused = store->backup(folder.path("full"));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(contains(refused.error().message, "is not empty"));
  EXPECT_EQ(open_error(folder.path("empty")), "");
}

TEST(StoreBackup, IsRefusedWhenItIsNotWhole) {
  StoreFolder folder;
  put_and_close(folder.path(), "k", 1);
  ASSERT_TRUE(open_store(folder.path())->backup(folder.path("backup")));
  fs::remove(folder.path("backup/WiredTiger.backup"));  // copied last
  EXPECT_TRUE(contains(open_error(folder.path("backup")), "is damaged"));
}

}  // namespace
}  // namespace kvorum::storage
