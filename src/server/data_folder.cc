#include "server/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/parse_number.h"
#include "base/replace_file.h"

namespace kvorum::server {

namespace {

constexpr std::string_view kFormat = "1";
constexpr size_t kClusterDigits = 32;

Result<std::string> read_text(int fd, const std::string& path) {
  std::string text(4096, '\0');
  ssize_t got = pread(fd, text.data(), text.size(), 0);
  if (got < 0) return fail("can't read {}: {}", path, net::errno_text(errno));
  text.resize(static_cast<size_t>(got));
  return text;
}

// A small file; nothing when there is none.
Result<std::optional<std::string>> read_if_there(const std::string& path) {
  net::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT) return std::nullopt;
  if (!file.valid()) return fail("can't open {}: {}", path, net::errno_text(errno));
  return read_text(file.get(), path);
}

Result<net::Fd> take_lock(const std::string& path) {
  net::Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock.valid()) return fail("can't open {}: {}", path, net::errno_text(errno));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    std::string holder = read_text(lock.get(), path).value_or("");
    holder.erase(holder.find_last_not_of('\n') + 1);
    return fail(
        "the data folder is in use by process {} ({} is locked): stop it, or choose another "
        "folder with --data-dir",
        holder.empty() ? "?" : holder, path);
  }
  std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(lock.get(), 0) != 0 || pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
    return fail("can't write {}: {}", path, net::errno_text(errno));
  }
  return lock;
}

std::string checksum(std::string_view text) {
  return fmt::format("{:08x}", crc32c(text));
}

std::string session_text(uint64_t session) {
  const std::string number = std::to_string(session);
  return fmt::format("{} {}\n", number, checksum(number));
}

}  // namespace

uint64_t random_u64() {
  uint64_t value = 0;
  CHECK(getrandom(&value, sizeof(value), 0) == sizeof(value), "getrandom failed");
  return value;
}

std::string random_hex(size_t digits) {
  std::string text;
  while (text.size() < digits) text += fmt::format("{:016x}", random_u64());
  text.resize(digits);
  return text;
}

Result<DataFolder> DataFolder::open(const std::string& path, const ClusterToJoin& join) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail("can't make the data folder {}: {}", path, error.message());
  Result<net::Fd> lock = take_lock(path + "/LOCK");
  if (!lock) return tl::unexpected(lock.error());
  DataFolder folder(path, std::move(*lock));
  Result<std::optional<std::string>> identity = read_if_there(path + "/identity");
  if (!identity) return tl::unexpected(identity.error());
  const Status status = *identity ? folder.read_identity(**identity) : folder.make_identity(join);
  if (!status) return tl::unexpected(status.error());
  return folder;
}

Status DataFolder::read_identity(const std::string& text) {
  std::map<std::string, std::string> values;
  std::istringstream lines(text);
  for (std::string name, value; lines >> name >> value;) values[name] = value;
  if (values["format"] != kFormat) {
    return fail(
        "{}/identity has format '{}', this kvorum reads {}: start the version that wrote it", path_,
        values["format"], kFormat);
  }
  size_t crc_line = text.find("crc ");
  if (crc_line == std::string::npos ||
      values["crc"] != checksum(std::string_view(text).substr(0, crc_line))) {
    return fail(
        "{}/identity is damaged (its checksum does not fit): restore the folder from a backup",
        path_);
  }
  const uint64_t node = parse_number<uint64_t>(values["node"]).value_or(0);
  if (node == 0 || values["cluster"].size() != kClusterDigits) {
    return fail("{}/identity is malformed", path_);
  }
  node_ = raft::NodeId(node);
  cluster_ = values["cluster"];
  joined_ = values["began"] == "joined";
  return ok();
}

Result<uint64_t> DataFolder::begin_session(uint64_t least) {
  const std::string path = path_ + "/session";
  Result<std::optional<std::string>> text = read_if_there(path);
  if (!text) return tl::unexpected(text.error());
  uint64_t last = 0;
  if (*text) {
    last = parse_number<uint64_t>((*text)->substr(0, (*text)->find(' '))).value_or(0);
    if (**text != session_text(last)) {
      return fail("{} is damaged (its checksum does not fit): restore the folder from a backup",
                  path);
    }
  }
  const uint64_t session = std::max(last, least) + 1;
  if (Status s = replace_file(path, session_text(session)); !s) return tl::unexpected(s.error());
  return session;
}

Status DataFolder::make_identity(const ClusterToJoin& join) {
  for (const std::string& part : {wal_path(), store_path()}) {
    if (std::filesystem::exists(part)) {
      return fail(
          "{} exists but {}/identity does not: this is not a whole kvorum folder, restore it "
          "from a backup or choose an empty one",
          part, path_);
    }
  }
  // Positive as a signed number too: clients parse ids as such.
  node_ = raft::NodeId((random_u64() >> 1) | 1);
  if (join) {
    Result<std::string> cluster = join();
    if (!cluster) return tl::unexpected(cluster.error());
    if (cluster->size() != kClusterDigits) return fail("'{}' is no cluster id", *cluster);
    cluster_ = *cluster;
    joined_ = true;
  } else {
    cluster_ = random_hex(kClusterDigits);
  }
  std::string text = fmt::format("format {}\ncluster {}\nnode {}\nbegan {}\n", kFormat, cluster_,
                                 node_, joined_ ? "joined" : "formed");
  text += fmt::format("crc {}\n", checksum(text));
  return replace_file(path_ + "/identity", text);
}

}  // namespace kvorum::server
