// DataFolder: a node's folder on disk, and who the node is. One process at a time holds it.
//
//   <data>/LOCK       held with flock while a node runs; its text is the process id
//   <data>/identity   text, one `name value` a line: format, cluster, node, crc
//   <data>/wal/       the write-ahead log
//   <data>/store/     the state machine
#pragma once

#include <string>

#include "base/result.h"
#include "net/fd.h"
#include "raft/types.h"

namespace kvorum::server {

class DataFolder {
 public:
  // Makes the folder and a new identity if there is none. Fails, naming the holder, when another
  // process runs on it, and when what is there is not a kvorum folder or from a newer version.
  static Result<DataFolder> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string wal_path() const { return path_ + "/wal"; }
  std::string store_path() const { return path_ + "/store"; }
  raft::NodeId node() const { return node_; }
  const std::string& cluster() const { return cluster_; }
  // The identity was made by this open(): nothing was ever stored here.
  bool is_new() const { return is_new_; }

 private:
  DataFolder(std::string path, net::Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  Status read_identity(const std::string& text);
  Status make_identity();

  std::string path_;
  net::Fd lock_;
  raft::NodeId node_;
  std::string cluster_;
  bool is_new_ = false;
};

// Random from the operating system.
uint64_t random_u64();
// `digits` random hexadecimal digits.
std::string random_hex(size_t digits);

}  // namespace kvorum::server
