#include "storage/store_backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/check.h"
#include "storage/store_tables.h"

namespace kvorum::storage {

Result<std::unique_ptr<BackupSource>> StoreBackup::open(WtConnection& connection,
                                                        const std::string& folder,
                                                        std::atomic<bool>& held) {
  auto backup = std::unique_ptr<StoreBackup>(new StoreBackup(connection, held));
  if (Status listed = backup->list(folder); !listed) return tl::unexpected(listed.error());
  if (Status opened = backup->open_files(folder); !opened) return tl::unexpected(opened.error());
  auto state = read_checkpointed_state(connection, folder);
  if (!state) return tl::unexpected(state.error());
  backup->state_ = std::move(*state);
  return backup;
}

Status StoreBackup::list(const std::string& folder) {
  WT_SESSION* engine = session_.get();
  WT_CURSOR* cursor = nullptr;  // lives as long as the session
  int code = engine->open_cursor(engine, "backup:", nullptr, nullptr, &cursor);
  if (code == WT_PANIC) wt_fatal(code, "begin a backup");
  if (code != 0) return fail("could not begin a backup of {}: {}", folder, wt_error(code));
  while ((code = cursor->next(cursor)) == 0) {
    const char* name = nullptr;
    wt_check(cursor->get_key(cursor, &name), "list the files of a backup");
    files_.push_back({name, 0});
  }
  if (code != WT_NOTFOUND) wt_fatal(code, "list the files of a backup");
  // Without its record of the files, a copy is refused by open().
  std::stable_partition(files_.begin(), files_.end(),
                        [](const File& file) { return file.name != kBackupRecord; });
  return ok();
}

Status StoreBackup::open_files(const std::string& folder) {
  for (File& file : files_) {
    const std::string path = std::filesystem::path(folder) / file.name;
    auto opened = std::make_unique<Descriptor>(path, O_RDONLY);
    struct stat info {};
    if (!opened->ok() || ::fstat(opened->number(), &info) != 0) {
      return fail("could not open {}: {}", path, std::strerror(errno));
    }
    // A file may grow later; what the checkpoint needs of it is there.
    file.bytes = static_cast<uint64_t>(info.st_size);
    descriptors_.push_back(std::move(opened));
  }
  return ok();
}

namespace {

Status copy_file(BackupSource& source, size_t file, const std::string& path) {
  constexpr size_t kChunk = size_t{1} << 20;
  Descriptor target(path, O_WRONLY | O_CREAT | O_EXCL);
  if (!target.ok()) return fail("could not make {}: {}", path, std::strerror(errno));
  std::vector<char> chunk(kChunk);
  for (uint64_t offset = 0;;) {
    Result<size_t> got = source.read(file, offset, chunk);
    if (!got) return tl::unexpected(got.error());
    if (*got == 0) break;
    for (size_t done = 0; done < *got;) {
      ssize_t written = ::write(target.number(), chunk.data() + done, *got - done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return fail("could not write {}: {}", path, std::strerror(errno));
      done += static_cast<size_t>(written);
    }
    offset += *got;
  }
  if (::fsync(target.number()) != 0) {
    return fail("could not sync {}: {}", path, std::strerror(errno));
  }
  return ok();
}

}  // namespace

Status copy_backup(BackupSource& source, const std::string& to) {
  if (Status made = make_folder(to); !made) return made;
  auto present = names_in(to);
  if (!present) return tl::unexpected(present.error());
  if (!present->empty()) return fail("the folder {} is not empty", to);
  for (size_t file = 0; file < source.files().size(); ++file) {
    const std::string path = std::filesystem::path(to) / source.files()[file].name;
    if (Status copied = copy_file(source, file, path); !copied) return copied;
  }
  if (Status synced = sync_path(to); !synced) return synced;
  return sync_path(parent_folder(to));
}

Result<size_t> StoreBackup::read(size_t file, uint64_t offset, std::span<char> into) {
  CHECK(file < files_.size());
  if (offset >= files_[file].bytes) return 0;
  const size_t wanted = std::min<uint64_t>(into.size(), files_[file].bytes - offset);
  for (size_t done = 0; done < wanted;) {
    ssize_t count = ::pread(descriptors_[file]->number(), into.data() + done, wanted - done,
                            static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail("could not read {}: {}", files_[file].name, std::strerror(errno));
    if (count == 0) return fail("could not read {}: it became shorter", files_[file].name);
    done += static_cast<size_t>(count);
  }
  return wanted;
}

}  // namespace kvorum::storage
