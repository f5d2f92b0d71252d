// Runs a fuzz target without libFuzzer: each file given (or in a folder given) once, then mutations
// of it that are the same in every run. When the target crashes, the input is kept in `--failed`.
//
//   <target> [--mutations=<n for each file>] [--failed=<file>] <file or folder>...
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;

struct Seed {
  std::string name;
  std::string bytes;
};

struct Options {
  uint64_t mutations = 0;
  std::string failed;
  std::vector<Seed> seeds;
};

// What runs now: a signal handler can look at nothing else.
struct Running {
  const char* input = nullptr;
  size_t size = 0;
  const char* failed_path = nullptr;
} running;

void keep_failed_input(int signal_number) {
  std::signal(signal_number, SIG_DFL);
  const int file = open(running.failed_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file >= 0) {
    const ssize_t written = write(file, running.input, running.size);
    constexpr std::string_view kSaid = "the failed input was kept: see --failed\n";
    if (written >= 0 && write(STDERR_FILENO, kSaid.data(), kSaid.size()) < 0) _exit(2);
    close(file);
  }
  std::raise(signal_number);
}

void run(const std::string& input) {
  running.input = input.data();
  running.size = input.size();
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

class Mutator {
 public:
  Mutator(const std::vector<Seed>& seeds, uint64_t stream) : seeds_(seeds), random_(stream) {}

  std::string mutate(const std::string& from) {
    std::string bytes = from;
    for (size_t steps = 1 + below(6); steps > 0; --steps) step(bytes);
    return bytes;
  }

 private:
  size_t below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void step(std::string& bytes) {
    const size_t at = below(bytes.size() + 1);
    switch (below(8)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random_());
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.insert(at, 1, static_cast<char>(random_()));
        break;
      case 3:
        bytes.erase(at, 1 + below(8));
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5:
        bytes.insert(at, bytes.substr(below(bytes.size() + 1), 1 + below(64)));
        break;
      case 6:
        bytes.insert(at, kTokens[below(std::size(kTokens))]);
        break;
      default: {
        const std::string& other = seeds_[below(seeds_.size())].bytes;
        bytes.resize(at);
        bytes.append(other, below(other.size() + 1), std::string::npos);
        break;
      }
    }
  }

  static constexpr std::string_view kTokens[] = {"\r\n",
                                                 "\n",
                                                 "-1",
                                                 "0",
                                                 "1",
                                                 "4294967296",
                                                 "9223372036854775807",
                                                 "18446744073709551616",
                                                 " ",
                                                 "\"",
                                                 "'",
                                                 "\\x0",
                                                 ":",
                                                 "\xff\xff\xff\xff"};

  const std::vector<Seed>& seeds_;
  std::mt19937_64 random_;
};

bool read_seed(const fs::path& path, std::vector<Seed>& seeds) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "can't read %s\n", path.c_str());
    return false;
  }
  seeds.push_back(
      {path.filename().string(), std::string(std::istreambuf_iterator<char>(file), {})});
  return true;
}

bool read_seeds(const fs::path& path, std::vector<Seed>& seeds) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return read_seed(path, seeds);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  // A folder lists its files in any order; the mutations must not depend on it.
  std::sort(files.begin(), files.end());
  return std::all_of(files.begin(), files.end(),
                     [&](const fs::path& file) { return read_seed(file, seeds); });
}

bool parse_arguments(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    constexpr std::string_view kMutations = "--mutations=";
    constexpr std::string_view kFailed = "--failed=";
    if (argument.starts_with(kMutations)) {
      const std::string_view number = argument.substr(kMutations.size());
      const auto [end, error] =
          std::from_chars(number.data(), number.data() + number.size(), options.mutations);
      if (error != std::errc{} || end != number.data() + number.size()) return false;
    } else if (argument.starts_with(kFailed)) {
      options.failed = argument.substr(kFailed.size());
    } else if (!read_seeds(fs::path(argument), options.seeds)) {
      return false;
    }
  }
  return !options.seeds.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse_arguments(argc, argv, options)) {
    std::fprintf(stderr, "usage: %s [--mutations=<n>] [--failed=<file>] <file or folder>...\n",
                 argv[0]);
    return 2;
  }
  if (!options.failed.empty()) {
    running.failed_path = options.failed.c_str();
    for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) {
      std::signal(number, keep_failed_input);
    }
  }
  uint64_t runs = 0;
  for (size_t i = 0; i < options.seeds.size(); ++i) {
    const Seed& seed = options.seeds[i];
    run(seed.bytes);
    Mutator mutator(options.seeds, i);
    std::string bytes = seed.bytes;
    for (uint64_t n = 0; n < options.mutations; ++n) {
      // Now and then on from what was made, so that inputs also grow away from their seed.
      bytes = mutator.mutate(n % 4 == 0 || bytes.size() > 4096 ? seed.bytes : bytes);
      run(bytes);
    }
    runs += 1 + options.mutations;
  }
  std::printf("%zu seeds, %llu runs\n", options.seeds.size(),
              static_cast<unsigned long long>(runs));
  return 0;
}
