#include "storage/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "storage/async_sync.h"

namespace kvorum::storage {

namespace {

tl::unexpected<IoError> failed(std::string_view operation, const std::string& path,
                               int number = errno) {
  return tl::unexpected<IoError>(
      IoError{number, fmt::format("{} {}: {}", operation, path, std::strerror(number))});
}

// A system call again for as long as a signal interrupts it.
template <class Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path, AsyncSync& async_sync)
      : descriptor_(descriptor), path_(std::move(path)), async_sync_(async_sync) {}
  ~PosixFile() override { ::close(descriptor_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  IoResult<uint64_t> size() override {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) return failed("stat", path_);
    return static_cast<uint64_t>(status.st_size);
  }

  IoResult<std::string> read(uint64_t offset, size_t bytes) override {
    std::string out(bytes, '\0');
    size_t have = 0;
    while (have < bytes) {
      ssize_t count = uninterrupted([&] {
        return ::pread(descriptor_, out.data() + have, bytes - have,
                       static_cast<off_t>(offset + have));
      });
      if (count < 0) return failed("read", path_);
      if (count == 0) break;
      have += static_cast<size_t>(count);
    }
    out.resize(have);
    return out;
  }

  IoResult<uint64_t> next_data(uint64_t offset) override {
    off_t found = ::lseek(descriptor_, static_cast<off_t>(offset), SEEK_DATA);
    if (found >= 0) return static_cast<uint64_t>(found);
    if (errno == ENXIO) return size();
    // A file system that can't tell.
    return offset;
  }

  IoStatus write(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      ssize_t count = uninterrupted([&] {
        return ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      });
      if (count < 0) return failed("write", path_);
      if (count == 0) return failed("write", path_, EIO);
      bytes.remove_prefix(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    }
    return {};
  }

  IoStatus allocate(uint64_t bytes) override {
    int result =
        uninterrupted([&] { return ::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)); });
    if (result == 0) return {};
    if (errno != EOPNOTSUPP && errno != ENOSYS) return failed("allocate", path_);
    return fill_with_zeros(bytes);
  }

  IoStatus truncate(uint64_t bytes) override {
    int result = uninterrupted([&] { return ::ftruncate(descriptor_, static_cast<off_t>(bytes)); });
    if (result != 0) return failed("truncate", path_);
    return {};
  }

  IoStatus sync_data() override {
    if (::fdatasync(descriptor_) != 0) return failed("fdatasync", path_);
    return {};
  }

  void begin_sync_data() override { syncing_ = async_sync_.begin(descriptor_); }

  IoStatus finish_sync_data() override {
    if (!std::exchange(syncing_, false)) return sync_data();
    if (int number = async_sync_.finish(); number != 0) return failed("fdatasync", path_, number);
    return {};
  }

 private:
  IoStatus fill_with_zeros(uint64_t bytes) {
    auto from = size();
    if (!from) return tl::unexpected<IoError>(std::move(from.error()));
    return write_zeros(*this, *from, bytes);
  }

  const int descriptor_;
  const std::string path_;
  AsyncSync& async_sync_;
  bool syncing_ = false;
};

class PosixFileSystem final : public FileSystem {
 public:
  IoResult<std::unique_ptr<File>> open(const std::string& path, Mode mode) override {
    int flags = O_RDWR | O_CLOEXEC;
    if (mode == Mode::kCreateNew) flags |= O_CREAT | O_EXCL;
    int descriptor = uninterrupted([&] { return ::open(path.c_str(), flags, 0640); });
    if (descriptor < 0) return failed(mode == Mode::kCreateNew ? "create" : "open", path);
    // Readers bring their own large blocks. The kernel's read-ahead would only fill the cache with
    // pages of unwritten space, which next_data could then not skip any more.
    (void)::posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
    return std::make_unique<PosixFile>(descriptor, path, async_sync_);
  }

  IoResult<std::vector<std::string>> list(const std::string& folder) override {
    DIR* stream = ::opendir(folder.c_str());
    if (stream == nullptr) return failed("list", folder);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    int number = errno;
    ::closedir(stream);
    if (number != 0) return failed("list", folder, number);
    std::sort(names.begin(), names.end());
    return names;
  }

  IoStatus make_folder(const std::string& folder) override {
    if (::mkdir(folder.c_str(), 0750) == 0) return {};
    int number = errno;
    struct stat status {};
    if (number == EEXIST && ::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
      return {};
    }
    return failed("make folder", folder, number);
  }

  IoStatus rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) {
      return failed("rename", fmt::format("{} to {}", from, to));
    }
    return {};
  }

  IoStatus remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return failed("remove", path);
    return {};
  }

  IoStatus sync_folder(const std::string& folder) override {
    int descriptor =
        uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (descriptor < 0) return failed("open folder", folder);
    int result = ::fsync(descriptor);
    int number = errno;
    ::close(descriptor);
    // Some file systems keep folders durable by themselves and say so this way.
    if (result != 0 && number != EINVAL) return failed("sync folder", folder, number);
    return {};
  }

 private:
  AsyncSync async_sync_;
};

}  // namespace

std::unique_ptr<FileSystem> make_posix_file_system() {
  return std::make_unique<PosixFileSystem>();
}

IoStatus write_zeros(File& file, uint64_t from, uint64_t to) {
  if (from >= to) return {};
  const std::string zeros(std::min<uint64_t>(to - from, 1 << 20), '\0');
  while (from < to) {
    const uint64_t count = std::min<uint64_t>(zeros.size(), to - from);
    IoStatus written = file.write(from, std::string_view(zeros).substr(0, count));
    if (!written) return written;
    from += count;
  }
  return {};
}

}  // namespace kvorum::storage
