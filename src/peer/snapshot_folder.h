// SnapshotFolder: the files of a snapshot that is coming in, written in order as their bytes come,
// and synced. Belongs to the receiver's thread. What it holds is a prefix of the snapshot, checked
// chunk by chunk, so that a broken transfer goes on where it was.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/fd.h"
#include "peer/snapshot_protocol.h"

namespace kvorum::peer {

class SnapshotFolder {
 public:
  // Empties the folder. Fails when the disk has no room for the snapshot and a reserve.
  static Result<std::unique_ptr<SnapshotFolder>> create(std::string path, SnapshotOffer offer);
  static void remove(const std::string& path);

  const std::string& path() const { return path_; }
  const SnapshotOffer& offer() const { return offer_; }
  SnapshotPosition position() const { return position_; }
  bool complete() const { return position_.file == offer_.files.size(); }
  // Of everything up to position().
  uint32_t crc() const { return crc_; }

  // `chunk` begins at position() and its checksum fits.
  Status write(const SnapshotChunk& chunk);
  // All of it has come: files and folder are synced after this.
  Status finish();

 private:
  SnapshotFolder(std::string path, SnapshotOffer offer)
      : path_(std::move(path)), offer_(std::move(offer)) {}

  // Makes the file at position(), and the empty ones before it.
  Status advance();
  Status sync(const std::string& name);

  const std::string path_;
  const SnapshotOffer offer_;
  SnapshotPosition position_;
  size_t made_ = 0;
  net::Fd file_;  // at position(), or none
  uint64_t unsynced_ = 0;
  uint32_t crc_ = 0;
};

}  // namespace kvorum::peer
