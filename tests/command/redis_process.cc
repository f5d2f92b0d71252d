#include "redis_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/check.h"
#include "resp/reply_parser.h"

namespace kvorum::command::testing {

namespace {

int try_connect(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

std::optional<std::string> RedisProcess::find() {
  for (const char* path : {"/usr/bin/redis-server", "/usr/local/bin/redis-server"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return std::nullopt;
}

bool RedisProcess::available() {
  return find().has_value();
}

RedisProcess::RedisProcess() {
  std::string pattern = (std::filesystem::temp_directory_path() / "kvorum-redis.XXXXXX").string();
  CHECK(::mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  const std::string binary = *find();
  const std::string path = folder_ + "/socket";
  pid_ = ::fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) {
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    ::execl(binary.c_str(), binary.c_str(), "--port", "0", "--unixsocket", path.c_str(), "--save",
            "", "--appendonly", "no", "--databases", "1", "--dir", folder_.c_str(),
            static_cast<char*>(nullptr));
    ::_exit(127);
  }
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while ((socket_ = try_connect(path)) < 0) {
    CHECK(std::chrono::steady_clock::now() < give_up, "redis-server does not listen");
    CHECK(::waitpid(pid_, nullptr, WNOHANG) == 0, "redis-server ended");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

RedisProcess::~RedisProcess() {
  if (socket_ >= 0) ::close(socket_);
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  std::filesystem::remove_all(folder_);
}

std::string RedisProcess::ask(const std::vector<std::string>& args) {
  std::string request = fmt::format("*{}\r\n", args.size());
  for (const std::string& arg : args) request += fmt::format("${}\r\n{}\r\n", arg.size(), arg);
  for (size_t sent = 0; sent < request.size();) {
    const ssize_t n = ::write(socket_, request.data() + sent, request.size() - sent);
    CHECK(n > 0);
    sent += static_cast<size_t>(n);
  }
  resp::ReplyParser parser;
  std::string reply;
  while (true) {
    char buffer[16384];
    const ssize_t n = ::read(socket_, buffer, sizeof(buffer));
    CHECK(n > 0);
    reply.append(buffer, static_cast<size_t>(n));
    parser.feed({buffer, static_cast<size_t>(n)});
    auto value = parser.next();
    CHECK(value.has_value());
    if (*value) return reply;
  }
}

}  // namespace kvorum::command::testing
