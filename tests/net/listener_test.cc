#include "net/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <fstream>

#include "tests/net/testing.h"

namespace kvorum::net {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Fd connect_to(const Address& address) {
  auto target = resolve(address, true);
  if (!target) return {};
  Fd fd(socket(target->front().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), target->front().get(), target->front().size) != 0) fd.reset();
  return fd;
}

class ListenerTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Listener>> open(const std::string& text, ListenOptions options = {}) {
    return Listener::open(
        test.loop, *parse_address(text),
        [this](Fd fd) { test.loop.connections().add(std::move(fd), handler); },
        [this](const std::string& error) { errors.push_back(error); }, options);
  }
  Connection& accepted(size_t count = 1) {
    test.run_until([&] { return test.loop.connections().size() == count; });
    return *test.loop.connections().all().back();
  }

  TestLoop test;
  TestHandler handler;
  std::vector<std::string> errors;
  TempFolder folder;
};

TEST_F(ListenerTest, AcceptsOnAFreeIpv4Port) {
  auto listener = open("127.0.0.1:0");
  ASSERT_TRUE(listener);
  uint16_t port = (*listener)->port();
  ASSERT_NE(port, 0);
  EXPECT_EQ((*listener)->text(), fmt::format("127.0.0.1:{}", port));
  Fd client = connect_to({"127.0.0.1", port, ""});
  Connection& connection = accepted();
  EXPECT_EQ(connection.peer(), fmt::format("127.0.0.1:{}", local_port(client.get())));
  EXPECT_EQ(connection.local(), fmt::format("127.0.0.1:{}", port));
  EXPECT_TRUE(connection.peer_is_loopback());
  int no_delay = 0;
  socklen_t size = sizeof(no_delay);
  ASSERT_EQ(getsockopt(connection.fd(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &no_delay, &size), 0);
  EXPECT_EQ(no_delay, 1);
}

TEST_F(ListenerTest, AcceptsOnIpv6AndLeavesIpv4Alone) {
  auto six = open("[::1]:0");
  if (!six) GTEST_SKIP() << "no IPv6 here: " << six.error().message;
  uint16_t port = (*six)->port();
  auto four = open(fmt::format("127.0.0.1:{}", port));
  EXPECT_TRUE(four);
  Fd client = connect_to({"::1", port, ""});
  EXPECT_EQ(accepted().peer(), fmt::format("[::1]:{}", local_port(client.get())));
  auto both = open("[::]:0");
  ASSERT_TRUE(both);
  EXPECT_TRUE(open(fmt::format("*:{}", (*both)->port())));
}

TEST_F(ListenerTest, LooksUpHostNames) {
  auto listener = open("localhost:0");
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_NE((*listener)->port(), 0);
  EXPECT_FALSE(open("no-such-host.invalid:0"));
}

TEST_F(ListenerTest, SaysWhoHoldsThePort) {
  auto listener = open("127.0.0.1:0");
  ASSERT_TRUE(listener);
  uint16_t port = (*listener)->port();
  auto second = open(fmt::format("127.0.0.1:{}", port));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            fmt::format("port {} on 127.0.0.1 is in use by process {} ({})", port, getpid(),
                        std::string_view(program_invocation_short_name).substr(0, 15)));
}

TEST_F(ListenerTest, AcceptsOnAUnixSocketWithItsPermissions) {
  std::string path = folder.path("k.sock");
  {
    auto listener = open("unix:" + path, {.unix_mode = 0707});
    ASSERT_TRUE(listener) << listener.error().message;
    struct stat file {};
    ASSERT_EQ(stat(path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0707u);
    Fd client = connect_to({"", 0, path});
    Connection& connection = accepted();
    EXPECT_EQ(connection.peer(), path + ":0");
    EXPECT_EQ(connection.local(), path + ":0");
    EXPECT_TRUE(connection.peer_is_loopback());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ListenerTest, TakesOverAUnixSocketThatNobodyListensOn) {
  std::string path = folder.path("k.sock");
  {
    Fd dead(socket(AF_UNIX, SOCK_STREAM, 0));
    auto address = resolve({"", 0, path}, true);
    ASSERT_EQ(bind(dead.get(), address->front().get(), address->front().size), 0);
    ASSERT_EQ(listen(dead.get(), 1), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(open(path));
}

TEST_F(ListenerTest, LeavesAUnixSocketThatIsAlive) {
  std::string path = folder.path("k.sock");
  auto listener = open(path);
  ASSERT_TRUE(listener);
  auto second = open(path);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message,
              StartsWith(fmt::format("unix socket {} is in use by process {}", path, getpid())));
  EXPECT_TRUE(connect_to({"", 0, path}).valid());
}

TEST_F(ListenerTest, LeavesAFileThatIsNoSocket) {
  std::string path = folder.path("precious");
  std::ofstream(path) << "data";
  auto listener = open(path);
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error().message, HasSubstr("is not a socket"));
  EXPECT_EQ(std::filesystem::file_size(path), 4u);
}

TEST_F(ListenerTest, RemovesOnlyItsOwnUnixSocket) {
  std::string path = folder.path("k.sock");
  auto first = open(path);
  ASSERT_TRUE(first);
  std::filesystem::rename(path, folder.path("moved.sock"));
  auto second = open(path);
  ASSERT_TRUE(second);
  first->reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

// In a child, as the limit on descriptors is the process's.
int accept_without_descriptors() {
  TestLoop test;
  TestHandler handler;
  std::vector<std::string> errors;
  auto listener = Listener::open(
      test.loop, *parse_address("127.0.0.1:0"),
      [&](Fd fd) { test.loop.connections().add(std::move(fd), handler); },
      [&](const std::string& error) { errors.push_back(error); },
      {.accept_backoff = std::chrono::milliseconds(20)});
  if (!listener) return 1;
  Fd client = connect_to({"127.0.0.1", (*listener)->port(), ""});
  if (!client.valid()) return 2;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none{3, before.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &none) != 0) return 3;
  auto start = std::chrono::steady_clock::now();
  if (!test.run_until([&] { return errors.size() >= 3; })) return 4;
  if (errors[0].find("Too many open files") == std::string::npos) return 5;
  // Two pauses lie between three errors, less what a coarse clock may take off.
  if (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(30)) return 6;
  if (setrlimit(RLIMIT_NOFILE, &before) != 0) return 7;
  if (!test.run_until([&] { return test.loop.connections().size() == 1; })) return 8;
  return 0;
}

TEST_F(ListenerTest, WaitsForDescriptorsWithoutSpinning) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(accept_without_descriptors());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace kvorum::net
