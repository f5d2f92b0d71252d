#include "peer/snapshot_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/crc32c.h"
#include "base/disk.h"

namespace kvorum::peer {

namespace {

// Left free for the write-ahead log, which goes on meanwhile.
constexpr uint64_t kReserveBytes = uint64_t{64} << 20;
// Synced so often, the disk is never handed gigabytes at once.
constexpr uint64_t kSyncBytes = uint64_t{16} << 20;

tl::unexpected<Error> fail_at(const char* what, const std::string& path) {
  return fail("can't {} {}: {}", what, path, net::errno_text(errno));
}

Status check_room(const std::string& path, uint64_t bytes) {
  const std::optional<uint64_t> free = free_disk_bytes(path);
  if (!free) return fail_at("see the free space of", path);
  if (*free >= kReserveBytes && bytes <= *free - kReserveBytes) return ok();
  return fail(
      "the disk has no room for the snapshot: it has {} bytes, {} bytes are free and {} of them "
      "are kept for other uses; make room on it",
      bytes, *free, kReserveBytes);
}

}  // namespace

void SnapshotFolder::remove(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

Result<std::unique_ptr<SnapshotFolder>> SnapshotFolder::create(std::string path,
                                                               SnapshotOffer offer) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return fail("can't remove {}: {}", path, error.message());
  if (mkdir(path.c_str(), 0755) != 0) return fail_at("make", path);
  if (Status room = check_room(path, total_bytes(offer.files)); !room) {
    remove(path);
    return tl::unexpected(room.error());
  }
  std::unique_ptr<SnapshotFolder> folder(new SnapshotFolder(std::move(path), std::move(offer)));
  if (Status made = folder->advance(); !made) {
    remove(folder->path_);
    return tl::unexpected(made.error());
  }
  return folder;
}

Status SnapshotFolder::write(const SnapshotChunk& chunk) {
  const auto& file = offer_.files[position_.file];
  if (chunk.bytes.size() > file.bytes - position_.offset) {
    return fail("file {} of the snapshot is longer than it was said to be", file.name);
  }
  for (size_t written = 0; written < chunk.bytes.size();) {
    const ssize_t n =
        pwrite(file_.get(), chunk.bytes.data() + written, chunk.bytes.size() - written,
               static_cast<off_t>(position_.offset + written));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_at("write", path_ + "/" + file.name);
    written += static_cast<size_t>(n);
  }
  crc_ = crc32c(chunk.bytes, crc_);
  position_.offset += chunk.bytes.size();
  unsynced_ += chunk.bytes.size();
  if (position_.offset == file.bytes) return advance();
  return unsynced_ >= kSyncBytes ? sync(file.name) : ok();
}

Status SnapshotFolder::advance() {
  while (position_.file < offer_.files.size()) {
    const auto& file = offer_.files[position_.file];
    if (made_ == position_.file) {
      const std::string path = path_ + "/" + file.name;
      file_ =
          net::Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
      if (!file_.valid()) return fail_at("make", path);
      ++made_;
    }
    if (position_.offset != file.bytes) return ok();
    if (Status synced = sync(file.name); !synced) return synced;
    file_.reset();
    position_ = {position_.file + 1, 0};
  }
  return ok();
}

Status SnapshotFolder::sync(const std::string& name) {
  unsynced_ = 0;
  if (fsync(file_.get()) != 0) return fail_at("sync", path_ + "/" + name);
  return ok();
}

Status SnapshotFolder::finish() {
  net::Fd folder(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || fsync(folder.get()) != 0) return fail_at("sync", path_);
  return ok();
}

}  // namespace kvorum::peer
