// Script: runs one command of an interaction test and says in words what happened. The commands
// stand above the class.
#pragma once

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/raft/cluster.h"

namespace kvorum::raft::test {

//   nodes 1 2 3 [learners 4]      option election=10 heartbeat=2 lease=8 tail=0 append=1
//   tick <id> [<n>]               elect <id>
//   deliver [<from> <to>]         drop [<from> <to>]         all, or those from one to another
//   hold <id>                     persist <id> [<n>]         release <id>
//   cut <from> <to>               isolate <id>               heal
//   stop <id>                     restart <id>               add <id>
//   propose <id> <text>           read <id> <context> [lease]
//   transfer <id> [<target>]      change <id> <voters...> [learners <ids...>]
//   log <id> <terms...>           (what is on its disk; before it is restarted)
//   status [<id>...]
class Script {
 public:
  // Lines without their line ends.
  std::vector<std::string> run(const std::string& command);

 private:
  void say(std::string line) { lines_.push_back(std::move(line)); }
  bool run_network(const std::string& verb, std::istringstream& arguments);
  bool run_node(const std::string& verb, std::istringstream& arguments);
  void make_nodes(std::istringstream& arguments);
  void set_option(std::istringstream& arguments);
  void deliver(std::istringstream& arguments);
  void drop(std::istringstream& arguments);
  void change(uint64_t id, std::istringstream& arguments);
  void set_log(uint64_t id, std::istringstream& arguments);
  void propose(uint64_t id, std::istringstream& arguments);
  void transfer(uint64_t id, std::istringstream& arguments);
  void describe(uint64_t id);
  void observe(uint64_t id, const Ready& ready);
  void note_roles();

  CoreOptions options_;
  std::unique_ptr<Cluster> cluster_;
  std::map<uint64_t, std::string> roles_;
  std::vector<std::string> lines_;
};

}  // namespace kvorum::raft::test
