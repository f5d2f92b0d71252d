// CLIENT, over one loop and over three: what is gathered is the same.

#include <regex>
#include <set>

#include "node_harness.h"

namespace kvorum::server {
namespace {

class ClientCommands : public ::testing::TestWithParam<uint32_t> {
 protected:
  NodeHarness harness_{GetParam()};
  TestClient client_{harness_};
};

INSTANTIATE_TEST_SUITE_P(Loops, ClientCommands, ::testing::Values(1u, 3u));

int64_t id_of(TestClient& client) {
  return client.run("CLIENT", "ID").integer;
}

// The value of a field in the first line of a CLIENT LIST.
std::string field(const std::string& line, const std::string& name) {
  std::smatch match;
  std::regex pattern("(^| )" + name + "=([^ \n]*)");
  return std::regex_search(line, match, pattern) ? match[2].str() : "no " + name;
}

std::string list_of(TestClient& asker, TestClient& other) {
  return asker.run("CLIENT", "LIST", "ID", std::to_string(id_of(other))).text;
}

size_t lines(const std::string& text) {
  return static_cast<size_t>(std::ranges::count(text, '\n'));
}

TEST_P(ClientCommands, DescribesAConnectionInRedisFields) {
  EXPECT_EQ(client_.text("CLIENT", "SETNAME", "me"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "SETINFO", "LIB-NAME", "lib"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "SETINFO", "lib-ver", "1.2"), "OK");
  const std::string line = client_.run("CLIENT", "INFO").text;
  const std::regex expected(
      "id=\\d+ addr=127\\.0\\.0\\.1:\\d+ laddr=127\\.0\\.0\\.1:\\d+ fd=\\d+ name=me age=\\d+ "
      "idle=0 "
      "flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=\\d+ qbuf-free=0 argv-mem=10 "
      "multi-mem=0 rbs=0 rbp=0 obl=\\d+ oll=0 omem=\\d+ tot-mem=\\d+ events=rw? cmd=client\\|info "
      "user=default redir=-1 resp=2 lib-name=lib lib-ver=1.2\n");
  EXPECT_TRUE(std::regex_match(line, expected)) << line;
  EXPECT_EQ(field(line, "addr"), client_.address());
  EXPECT_EQ(field(line, "laddr"), "127.0.0.1:" + std::to_string(harness_.port()));
  EXPECT_EQ(field(line, "id"), std::to_string(id_of(client_)));
}

TEST_P(ClientCommands, ShowsWhatAConnectionIsIn) {
  TestClient other(harness_);
  const std::string id = std::to_string(id_of(other));
  EXPECT_EQ(other.text("WATCH", "a", "b"), "OK");
  EXPECT_EQ(other.text("MULTI"), "OK");
  EXPECT_EQ(other.text("SET", "k", "v"), "QUEUED");
  std::string line = client_.run("CLIENT", "LIST", "ID", id).text;
  EXPECT_EQ(field(line, "flags"), "x");
  EXPECT_EQ(field(line, "multi"), "1");
  EXPECT_EQ(field(line, "watch"), "2");
  EXPECT_NE(field(line, "multi-mem"), "0");
  EXPECT_EQ(field(line, "cmd"), "set");
  EXPECT_EQ(other.text("EXEC"), "[OK]");
  EXPECT_EQ(other.run("HELLO", "3").elements.size(), 14u);
  EXPECT_EQ(other.text("READONLY"), "OK");
  EXPECT_EQ(other.text("CLIENT", "NO-EVICT", "on"), "OK");
  EXPECT_EQ(other.text("CLIENT", "NO-TOUCH", "on"), "OK");
  EXPECT_EQ(other.run("SUBSCRIBE", "c").elements.size(), 3u);
  EXPECT_EQ(other.run("PSUBSCRIBE", "p*").elements.size(), 3u);
  EXPECT_EQ(other.run("PSUBSCRIBE", "q*").elements.size(), 3u);
  EXPECT_EQ(other.run("SSUBSCRIBE", "s").elements.size(), 3u);
  line = client_.run("CLIENT", "LIST", "ID", id).text;
  EXPECT_EQ(field(line, "flags"), "PreT");
  EXPECT_EQ(field(line, "multi"), "-1");
  EXPECT_EQ(field(line, "sub"), "1");
  EXPECT_EQ(field(line, "psub"), "2");
  EXPECT_EQ(field(line, "ssub"), "1");
  EXPECT_EQ(field(line, "resp"), "3");
  EXPECT_EQ(field(line, "cmd"), "ssubscribe");
}

TEST_P(ClientCommands, ListsAllConnectionsInTheOrderTheyCame) {
  std::vector<std::unique_ptr<TestClient>> clients;
  std::vector<std::string> ids = {std::to_string(id_of(client_))};
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<TestClient>(harness_));
    ids.push_back(std::to_string(id_of(*clients.back())));
  }
  const std::string list = client_.run("CLIENT", "LIST").text;
  ASSERT_EQ(lines(list), 6u);
  std::string rest = list;
  for (const std::string& id : ids) {
    EXPECT_EQ(field(rest, "id"), id);
    rest.erase(0, rest.find('\n') + 1);
  }
  EXPECT_EQ(field(list, "cmd"), "client|list");
  EXPECT_EQ(field(list, "flags"), "N");

  const std::string two = client_.run("CLIENT", "LIST", "ID", ids[4], "999999", ids[2]).text;
  ASSERT_EQ(lines(two), 2u);
  EXPECT_EQ(field(two, "id"), ids[4]);
}

TEST_P(ClientCommands, ListsByType) {
  TestClient subscriber(harness_);
  EXPECT_FALSE(subscriber.run("SUBSCRIBE", "c").is_error());
  EXPECT_EQ(lines(client_.run("CLIENT", "LIST", "TYPE", "pubsub").text), 1u);
  EXPECT_EQ(lines(client_.run("CLIENT", "LIST", "TYPE", "NORMAL").text), 1u);
  EXPECT_EQ(client_.text("CLIENT", "LIST", "TYPE", "master"), "\"\"");
  EXPECT_EQ(client_.text("CLIENT", "LIST", "TYPE", "replica"), "\"\"");
}

TEST_P(ClientCommands, RefusesWhatRedisRefusesInItsWords) {
  struct Case {
    std::vector<std::string_view> args;
    std::string_view error;
  };
  const Case cases[] = {
      {{"LIST", "foo"}, "ERR syntax error"},
      {{"LIST", "TYPE"}, "ERR syntax error"},
      {{"LIST", "TYPE", "foo"}, "ERR Unknown client type 'foo'"},
      {{"LIST", "ID", "x"}, "ERR Invalid client ID"},
      {{"KILL"}, "ERR wrong number of arguments for 'client|kill' command"},
      {{"KILL", "1.2.3.4:5"}, "ERR No such client"},
      {{"KILL", "ID", "0"}, "ERR client-id should be greater than 0"},
      {{"KILL", "ID", "3", "ADDR"}, "ERR syntax error"},
      {{"KILL", "USER", "nobody"}, "ERR No such user 'nobody'"},
      {{"KILL", "TYPE", "foo"}, "ERR Unknown client type 'foo'"},
      {{"KILL", "SKIPME", "maybe"}, "ERR syntax error"},
      {{"KILL", "MAXAGE", "x"}, "ERR maxage is not an integer or out of range"},
      {{"KILL", "MAXAGE", "0"}, "ERR maxage should be greater than 0"},
      {{"PAUSE", "x"}, "ERR timeout is not an integer or out of range"},
      {{"PAUSE", "-1"}, "ERR timeout is negative"},
      {{"PAUSE", "1", "foo"}, "ERR CLIENT PAUSE mode must be WRITE or ALL"},
      {{"PAUSE", "1", "ALL", "x"},
       "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP."},
      {{"REPLY", "foo"}, "ERR syntax error"},
      {{"NO-EVICT", "x"}, "ERR syntax error"},
      {{"NO-TOUCH", "x"}, "ERR syntax error"},
      {{"SETNAME", "a b"},
       "ERR Client names cannot contain spaces, newlines or special characters."},
      {{"SETINFO", "foo", "x"}, "ERR Unrecognized option 'foo'"},
      {{"SETINFO", "lib-name", "a b"},
       "ERR lib-name cannot contain spaces, newlines or special characters."},
      {{"NOSUCH"}, "ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."},
      {{"CONSISTENCY", "strong"},
       "ERR consistency is LINEARIZABLE, LEASE or EVENTUAL [MAXSTALE milliseconds]"},
      {{"CONSISTENCY", "LEASE", "MAXSTALE", "5"},
       "ERR only EVENTUAL takes an option, which is MAXSTALE milliseconds"},
      {{"CONSISTENCY", "EVENTUAL", "MAXSTALE"},
       "ERR only EVENTUAL takes an option, which is MAXSTALE milliseconds"},
      {{"CONSISTENCY", "EVENTUAL", "MAXSTALE", "0"},
       "ERR MAXSTALE must be a positive number of milliseconds"},
  };
  for (Case refused : cases) {
    refused.args.insert(refused.args.begin(), "CLIENT");
    client_.send_args(TestClient::Args(refused.args));
    const resp::Value reply = client_.receive();
    EXPECT_TRUE(reply.is_error());
    EXPECT_EQ(reply.text, refused.error);
  }
}

TEST_P(ClientCommands, NamesAreShownAndForgotten) {
  EXPECT_EQ(client_.text("CLIENT", "GETNAME"), "(nil)");
  EXPECT_EQ(client_.text("CLIENT", "SETNAME", "me"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "GETNAME"), "\"me\"");
  EXPECT_EQ(client_.text("CLIENT", "SETNAME", ""), "OK");
  EXPECT_EQ(client_.text("CLIENT", "GETNAME"), "(nil)");
}

TEST_P(ClientCommands, KillsByAddressIdAndType) {
  TestClient by_address(harness_);
  TestClient by_id(harness_);
  TestClient by_type(harness_);
  by_type.run("SUBSCRIBE", "c");
  EXPECT_EQ(by_address.text("PING"), "PONG");
  EXPECT_EQ(client_.text("CLIENT", "KILL", by_address.address()), "OK");
  EXPECT_TRUE(by_address.closed_by_server());
  const std::string id = std::to_string(id_of(by_id));
  EXPECT_EQ(client_.text("CLIENT", "KILL", "ID", id, "TYPE", "pubsub"), "0");
  EXPECT_EQ(client_.text("CLIENT", "KILL", "ID", id, "TYPE", "normal"), "1");
  EXPECT_TRUE(by_id.closed_by_server());
  EXPECT_EQ(client_.text("CLIENT", "KILL", "TYPE", "pubsub"), "1");
  EXPECT_TRUE(by_type.closed_by_server());
  EXPECT_EQ(client_.text("CLIENT", "KILL", "MAXAGE", "100000"), "0");
  EXPECT_EQ(client_.text("CLIENT", "KILL", "USER", "default"), "0");
  EXPECT_EQ(client_.text("PING"), "PONG");
}

TEST_P(ClientCommands, KillsAllOthersAndThenItself) {
  TestClient first(harness_);
  TestClient second(harness_);
  EXPECT_EQ(first.text("PING"), "PONG");
  EXPECT_EQ(second.text("PING"), "PONG");
  const std::string local = "127.0.0.1:" + std::to_string(harness_.port());
  EXPECT_EQ(client_.text("CLIENT", "KILL", "LADDR", local), "2");
  EXPECT_TRUE(first.closed_by_server());
  EXPECT_TRUE(second.closed_by_server());
  EXPECT_EQ(client_.text("CLIENT", "KILL", "LADDR", local, "SKIPME", "no"), "1");
  EXPECT_TRUE(client_.closed_by_server());
}

TEST_P(ClientCommands, AnswersBeforeItEndsItsOwnConnection) {
  client_.send("CLIENT", "KILL", client_.address());
  client_.send("PING");
  EXPECT_EQ(client_.receive_text(), "OK");
  EXPECT_TRUE(client_.closed_by_server());

  TestClient in_transaction(harness_);
  EXPECT_EQ(in_transaction.text("MULTI"), "OK");
  EXPECT_EQ(in_transaction.text("CLIENT", "KILL", in_transaction.address()), "QUEUED");
  EXPECT_EQ(in_transaction.text("CLIENT", "GETNAME"), "QUEUED");
  EXPECT_EQ(in_transaction.text("EXEC"), "[OK, (nil)]");
  EXPECT_TRUE(in_transaction.closed_by_server());
}

TEST_P(ClientCommands, WorkInsideATransaction) {
  EXPECT_EQ(client_.text("MULTI"), "OK");
  EXPECT_EQ(client_.text("SET", "k", "v"), "QUEUED");
  EXPECT_EQ(client_.text("CLIENT", "LIST"), "QUEUED");
  EXPECT_EQ(client_.text("GET", "k"), "QUEUED");
  EXPECT_EQ(client_.text("CLIENT", "REPLY", "ON"),
            "(error) ERR Command not allowed inside a transaction");
  EXPECT_EQ(client_.text("DISCARD"), "OK");
  EXPECT_EQ(client_.text("MULTI"), "OK");
  EXPECT_EQ(client_.text("SET", "k", "v"), "QUEUED");
  EXPECT_EQ(client_.text("CLIENT", "LIST"), "QUEUED");
  EXPECT_EQ(client_.text("GET", "k"), "QUEUED");
  const resp::Value reply = client_.run("EXEC");
  ASSERT_EQ(reply.elements.size(), 3u);
  EXPECT_EQ(field(reply.elements[1].text, "cmd"), "exec");
  EXPECT_EQ(resp::to_string(reply.elements[2]), "\"v\"");
}

TEST_P(ClientCommands, RepliesOnlyWhenAskedTo) {
  client_.send("CLIENT", "REPLY", "OFF");
  client_.send("SET", "k", "1");
  client_.send("GET", "k");
  client_.send("CLIENT", "LIST");
  client_.send("CLIENT", "REPLY", "SKIP");
  client_.send("GET", "k");
  EXPECT_EQ(client_.text("CLIENT", "REPLY", "ON"), "OK");
  client_.send("CLIENT", "REPLY", "SKIP");
  client_.send("INCR", "k");
  EXPECT_EQ(client_.text("GET", "k"), "\"2\"");
  client_.send("CLIENT", "REPLY", "SKIP");
  client_.send("CLIENT", "LIST");
  EXPECT_EQ(client_.text("CLIENT", "REPLY", "ON"), "OK");
}

TEST_P(ClientCommands, HoldsPausedCommandsBackUntilUnpaused) {
  TestClient other(harness_);
  EXPECT_EQ(other.text("SET", "k", "1"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "PAUSE", "100000", "WRITE"), "OK");
  EXPECT_EQ(other.text("GET", "k"), "\"1\"");
  other.send("SET", "k", "2");
  other.send("GET", "k");
  EXPECT_EQ(client_.text("GET", "k"), "\"1\"");
  EXPECT_EQ(client_.text("CLIENT", "PAUSE", "1", "ALL"), "OK");
  TestClient third(harness_);
  third.send("GET", "k");
  EXPECT_EQ(client_.text("CLIENT", "UNPAUSE"), "OK");
  EXPECT_EQ(other.receive_text(), "OK");
  EXPECT_EQ(other.receive_text(), "\"2\"");
  EXPECT_FALSE(third.receive().is_error());
}

TEST_P(ClientCommands, APauseEndsByItself) {
  EXPECT_EQ(client_.text("CLIENT", "PAUSE", "50"), "OK");
  EXPECT_EQ(client_.text("SET", "k", "1"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "PAUSE", "9223372036854775807"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "UNPAUSE"), "OK");
  EXPECT_EQ(client_.text("GET", "k"), "\"1\"");
}

TEST_P(ClientCommands, ChooseTheConsistencyOfReads) {
  EXPECT_EQ(client_.text("CLIENT", "CONSISTENCY"), "\"LEASE\"");
  EXPECT_EQ(client_.text("SET", "k", "v"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "CONSISTENCY", "linearizable"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "CONSISTENCY"), "\"LINEARIZABLE\"");
  EXPECT_EQ(client_.text("GET", "k"), "\"v\"");
  EXPECT_EQ(client_.text("CLIENT", "CONSISTENCY", "EVENTUAL", "maxstale", "100"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "CONSISTENCY"), "\"EVENTUAL MAXSTALE 100\"");
  EXPECT_EQ(client_.text("READONLY"), "OK");
  EXPECT_EQ(client_.text("CLIENT", "CONSISTENCY"), "\"EVENTUAL\"");
  EXPECT_EQ(client_.text("RESET"), "RESET");
  EXPECT_EQ(client_.text("CLIENT", "CONSISTENCY"), "\"LEASE\"");
}

TEST_P(ClientCommands, HelpListsTheSubcommands) {
  const resp::Value help = client_.run("CLIENT", "HELP");
  ASSERT_GT(help.elements.size(), 20u);
  EXPECT_EQ(help.elements[0].text,
            "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
}

TEST_P(ClientCommands, ShowsAClientsLineByItsId) {
  TestClient other(harness_);
  EXPECT_EQ(other.text("CLIENT", "SETNAME", "there"), "OK");
  EXPECT_EQ(field(list_of(client_, other), "name"), "there");
}

}  // namespace
}  // namespace kvorum::server
