#include "command/table.h"

#include <set>

#include "command/key_specs.h"
#include "command_fixture.h"

namespace kvorum::command::testing {

using Views = std::vector<std::string_view>;

std::string refusal(const Views& args) {
  return test_table().refusal(test_table().find(args), args);
}

TEST(Table, FindsRowsInAnyCase) {
  const CommandTable& table = test_table();
  ASSERT_NE(table.find(Views{"GET", "k"}), nullptr);
  EXPECT_EQ(table.find(Views{"GeT", "k"}), table.find_name("get"));
  EXPECT_EQ(table.find(Views{"Object", "EnCoding", "k"})->name, "object|encoding");
  EXPECT_EQ(table.find_name("OBJECT|ENCODING")->name, "object|encoding");
  EXPECT_EQ(table.find(Views{"object"})->name, "object");
  EXPECT_EQ(table.find(Views{"object|encoding", "k"}), nullptr);
  EXPECT_EQ(table.find(Views{}), nullptr);
  EXPECT_EQ(table.find(Views{""}), nullptr);
  EXPECT_EQ(table.find(Views{std::string(1000, 'g')}), nullptr);
  EXPECT_EQ(table.find(Views{"object", std::string(1000, 'g')}), nullptr);
}

TEST(Table, RefusesInRedisWords) {
  EXPECT_EQ(refusal({"get", "k"}), "");
  EXPECT_EQ(refusal({"get"}), "ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(refusal({"GET", "a", "b"}), "ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(refusal({"mget"}), "ERR wrong number of arguments for 'mget' command");
  EXPECT_EQ(refusal({"foo"}), "ERR unknown command 'foo', with args beginning with: ");
  EXPECT_EQ(refusal({"Foo", "a", "b"}),
            "ERR unknown command 'Foo', with args beginning with: 'a' 'b' ");
  EXPECT_EQ(refusal({"object"}), "ERR wrong number of arguments for 'object' command");
  EXPECT_EQ(refusal({"Object", "Nope", "k"}), "ERR unknown subcommand 'Nope'. Try OBJECT HELP.");
  EXPECT_EQ(refusal({"object", "freq"}), "ERR wrong number of arguments for 'object|freq' command");
}

TEST(Table, CutsWhatAnUnknownCommandShows) {
  const std::string longest(200, 'x');
  EXPECT_EQ(refusal({longest, longest, "b"}), "ERR unknown command '" + longest.substr(0, 128) +
                                                  "', with args beginning with: '" +
                                                  longest.substr(0, 128) + "' ");
  EXPECT_EQ(refusal({std::string_view("f\0o", 3), std::string_view("a\0b", 3)}),
            "ERR unknown command 'f', with args beginning with: 'a' ");
}

TEST(Table, ListsRowsByName) {
  const std::vector<const CommandSpec*> rows = test_table().rows();
  ASSERT_GE(rows.size(), 50U);
  for (size_t i = 1; i < rows.size(); ++i) EXPECT_LT(rows[i - 1]->name, rows[i]->name);
  std::vector<std::string_view> names;
  for (const auto* row : test_table().subcommands(*test_table().find_name("object"))) {
    names.push_back(row->name);
  }
  EXPECT_EQ(names, Views({"object|encoding", "object|freq", "object|help", "object|idletime",
                          "object|refcount"}));
}

TEST(Table, FindsTheKeysOfACall) {
  const auto keys = [](const Views& args) { return keys_of(*test_table().find(args), args); };
  EXPECT_EQ(keys({"get", "a"}), Views({"a"}));
  EXPECT_EQ(keys({"mset", "a", "1", "b", "2"}), Views({"a", "b"}));
  EXPECT_EQ(keys({"del", "a", "b", "c"}), Views({"a", "b", "c"}));
  EXPECT_EQ(keys({"rename", "a", "b"}), Views({"a", "b"}));
  EXPECT_EQ(keys({"object", "encoding", "a"}), Views({"a"}));
  EXPECT_EQ(keys({"scan", "0"}), Views());
  EXPECT_EQ(keys({"copy", "a"}), Views({"a"}));
}

TEST(Table, EveryRowIsComplete) {
  const auto expect_complete = [](const CommandSpec& row) {
    EXPECT_NE(row.arity, 0) << row.name;
    for (std::string_view text :
         {row.group, row.categories, row.since, row.complexity, row.summary}) {
      EXPECT_FALSE(text.empty()) << row.name;
    }
    const bool write = std::holds_alternative<Write>(row.handler);
    EXPECT_EQ((row.flags & kFlagWrite) != 0, write) << row.name;
    EXPECT_EQ(row.categories.find("@write") != std::string_view::npos, write) << row.name;
    EXPECT_EQ(row.keys.first != 0, !key_specs_of(row).empty()) << row.name;
  };
  for (const CommandSpec* row : test_table().rows()) {
    expect_complete(*row);
    for (const CommandSpec* subcommand : test_table().subcommands(*row)) {
      expect_complete(*subcommand);
    }
  }
}

}  // namespace kvorum::command::testing
