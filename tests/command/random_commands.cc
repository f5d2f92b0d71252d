#include "random_commands.h"

#include <random>

namespace kvorum::command::testing {

std::vector<Words> random_commands(uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return random() % n; };
  const auto key = [&] { return "k" + std::to_string(below(20)); };
  const auto number = [&] { return std::to_string(below(100)); };
  std::vector<Words> commands;
  for (int i = 0; i < count; ++i) {
    switch (below(18)) {
      case 0:
        commands.push_back({"SET", key(), number()});
        break;
      case 1:
        commands.push_back({"SET", key(), number(), "PX", std::to_string(1 + below(30))});
        break;
      case 2:
        commands.push_back({"SET", key(), number(), below(2) == 0 ? "NX" : "XX", "GET"});
        break;
      case 3:
        commands.push_back({"MSET", key(), number(), key(), number()});
        break;
      case 4:
        commands.push_back({"MSETNX", key(), number(), key(), number()});
        break;
      case 5:
        commands.push_back({"INCRBY", key(), number()});
        break;
      case 6:
        commands.push_back({"INCRBYFLOAT", key(), "0." + number()});
        break;
      case 7:
        commands.push_back({"APPEND", key(), number()});
        break;
      case 8:
        commands.push_back({"SETRANGE", key(), std::to_string(below(8)), number()});
        break;
      case 9:
        commands.push_back({"DEL", key(), key()});
        break;
      case 10:
        commands.push_back({"PEXPIRE", key(), std::to_string(below(40))});
        break;
      case 11:
        commands.push_back({"PERSIST", key()});
        break;
      case 12:
        commands.push_back({"RENAME", key(), key()});
        break;
      case 13:
        commands.push_back({"COPY", key(), key() + "x", "REPLACE"});
        break;
      case 14:
        commands.push_back({"GETEX", key(), "PX", std::to_string(1 + below(40))});
        break;
      case 15:
        commands.push_back({"GETDEL", key()});
        break;
      case 16:
        commands.push_back({"DELIFEQ", key(), number()});
        break;
      default:
        commands.push_back(below(12) == 0 ? Words{"FLUSHALL"} : Words{"GET", key()});
    }
  }
  return commands;
}

}  // namespace kvorum::command::testing
