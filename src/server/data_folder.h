// DataFolder: a node's folder on disk, and who the node is. One process at a time holds it.
//
//   <data>/LOCK       held with flock while a node runs; its text is the process id
//   <data>/identity   text, one `name value` a line: format, cluster, node, began, crc
//   <data>/session    text: how often the node was started, and a checksum
//   <data>/wal/       the write-ahead log
//   <data>/store/     the state machine
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "net/fd.h"
#include "raft/types.h"

namespace kvorum::server {

class DataFolder {
 public:
  // Which cluster a new node is of: asked when there is no identity yet.
  using ClusterToJoin = std::function<Result<std::string>()>;
  // Makes the folder and a new identity if there is none; without `join` of a new cluster. Fails,
  // naming the holder, when another process runs on it, and when what is there is not a kvorum
  // folder or from a newer version.
  static Result<DataFolder> open(const std::string& path, const ClusterToJoin& join = {});

  const std::string& path() const { return path_; }
  std::string wal_path() const { return path_ + "/wal"; }
  std::string store_path() const { return path_ + "/store"; }
  raft::NodeId node() const { return node_; }
  const std::string& cluster() const { return cluster_; }
  // A number above every one it ever gave, and above `least`; durably counted.
  Result<uint64_t> begin_session(uint64_t least);
  // The node was made to join a cluster, not to form one.
  bool joined() const { return joined_; }

 private:
  DataFolder(std::string path, net::Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  Status read_identity(const std::string& text);
  Status make_identity(const ClusterToJoin& join);

  std::string path_;
  net::Fd lock_;
  raft::NodeId node_;
  std::string cluster_;
  bool joined_ = false;
};

// Random from the operating system.
uint64_t random_u64();
// `digits` random hexadecimal digits.
std::string random_hex(size_t digits);

}  // namespace kvorum::server
