#include "command/command_introspection.h"
#include "command/syntax.h"
#include "command_fixture.h"

namespace kvorum::command::testing {

using Views = std::vector<std::string_view>;
using Function = void (*)(const CommandTable&, Args, resp::ReplyWriter&);

std::string call(Function function, const Views& args,
                 resp::Protocol protocol = resp::Protocol::kResp3) {
  std::string out;
  resp::ReplyWriter reply(out, protocol);
  function(test_table(), args, reply);
  return readable(out);
}

// One line for an argument: "name:type(flags)token{nested}".
std::string described(const std::vector<Argument>& arguments) {
  std::string text;
  for (const Argument& argument : arguments) {
    if (!text.empty()) text += ' ';
    text += argument.name + ":" + std::string(argument_type_name(argument.type));
    if (argument.optional) text += '?';
    if (argument.multiple) text += '*';
    if (!argument.token.empty()) text += "=" + argument.token;
    if (!argument.arguments.empty()) text += "{" + described(argument.arguments) + "}";
  }
  return text;
}

TEST(Syntax, ReadsWhatDocumentationWrites) {
  const auto read = [](std::string_view syntax) { return described(parse_syntax(syntax)); };
  EXPECT_EQ(read(""), "");
  EXPECT_EQ(read("key"), "key:key");
  EXPECT_EQ(read("key [key ...]"), "key:key*");
  EXPECT_EQ(read("key value [key value ...]"), "key_value:block*{key:key value:string}");
  EXPECT_EQ(read("[MATCH pattern] [COUNT count]"), "pattern:pattern?=MATCH count:integer?=COUNT");
  EXPECT_EQ(read("key [NX | XX | IFEQ comparison-value] [GET]"),
            "key:key option:oneof?{nx:pure-token=NX xx:pure-token=XX "
            "comparison-value:string=IFEQ} get:pure-token?=GET");
  EXPECT_EQ(read("<YES | NO>"), "option:oneof{yes:pure-token=YES no:pure-token=NO}");
  EXPECT_EQ(read("[command-name [command-name ...]]"), "command-name:string?*");
  EXPECT_EQ(read("[seconds [count]]"), "seconds_count:block?{seconds:integer count:integer?}");
  EXPECT_EQ(read("key increment:double"), "key:key increment:double");
  EXPECT_EQ(read("[unix-time-seconds]"), "unix-time-seconds:unix-time?");
  EXPECT_EQ(read("[arg ...]"), "arg:string?*");
  EXPECT_EQ(read("[[x"), "x:string?");
}

TEST(Introspection, InfoDescribesRowsAsRedisDoes) {
  EXPECT_EQ(call(command_info, {"COMMAND", "INFO", "getex", "nope"}, resp::Protocol::kResp2),
            "[[\"getex\", -2, [write, fast], 1, 1, 1, [@write, @string, @fast], [], "
            "[[\"flags\", [RW, access, update], \"begin_search\", [\"type\", \"index\", \"spec\", "
            "[\"index\", 1]], \"find_keys\", [\"type\", \"range\", \"spec\", [\"lastkey\", 0, "
            "\"keystep\", 1, \"limit\", 0]]]], []], (nil)]");
}

TEST(Introspection, DocsDescribeArguments) {
  EXPECT_EQ(call(command_docs, {"COMMAND", "DOCS", "rename", "nope"}),
            "{\"rename\": {\"summary\": \"Gives a key another name, replacing what has it\", "
            "\"since\": \"1.0.0\", \"group\": \"generic\", \"complexity\": \"O(N) where N is the "
            "length of the value\", \"arguments\": [{\"name\": \"key\", \"type\": \"key\", "
            "\"key_spec_index\": 0}, {\"name\": \"newkey\", \"type\": \"key\", "
            "\"key_spec_index\": 1}]}}");
  const std::string memory = call(command_docs, {"COMMAND", "DOCS", "memory"});
  EXPECT_NE(memory.find("\"subcommands\": {\"memory|help\": {"), std::string::npos);
  EXPECT_NE(memory.find("\"token\": \"SAMPLES\", \"flags\": set[optional]"), std::string::npos);
}

TEST(Introspection, WithoutNamesAllRowsAreDescribed) {
  const std::string count = std::to_string(test_table().rows().size());
  for (Function function : {command_info, command_docs}) {
    std::string out;
    resp::ReplyWriter reply(out, resp::Protocol::kResp3);
    function(test_table(), Views{"COMMAND", "X"}, reply);
    EXPECT_EQ(out.substr(1, count.size() + 2), count + "\r\n");
    EXPECT_FALSE(readable(out).starts_with("(malformed)"));
  }
  std::string out;
  resp::ReplyWriter reply(out, resp::Protocol::kResp2);
  command_count(test_table(), reply);
  EXPECT_EQ(out, ":" + count + "\r\n");
  out.clear();
  command_all(test_table(), reply);
  EXPECT_EQ(out.substr(0, count.size() + 3), "*" + count + "\r\n");
}

TEST(Introspection, ListFilters) {
  EXPECT_EQ(call(command_list, {"COMMAND", "LIST", "FILTERBY", "PATTERN", "GETE*"}), "[\"getex\"]");
  EXPECT_EQ(call(command_list, {"COMMAND", "LIST", "filterby", "aclcat", "dangerous"}),
            "[\"flushall\", \"flushdb\", \"keys\", \"restore\"]");
  EXPECT_EQ(call(command_list, {"COMMAND", "LIST", "FILTERBY", "PATTERN", "memory*"}),
            "[\"memory\", \"memory|help\", \"memory|usage\"]");
  EXPECT_EQ(call(command_list, {"COMMAND", "LIST", "FILTERBY", "MODULE", "x"}), "[]");
  EXPECT_EQ(call(command_list, {"COMMAND", "LIST", "FILTERBY", "FOO", "x"}),
            "(error) ERR syntax error");
  EXPECT_EQ(call(command_list, {"COMMAND", "LIST", "x"}), "(error) ERR syntax error");
  EXPECT_EQ(words(call(command_list, {"COMMAND", "LIST"})).size(), test_table().rows().size() + 7);
}

TEST(Introspection, GetKeysNamesTheKeysOfACall) {
  EXPECT_EQ(call(command_getkeys, {"COMMAND", "GETKEYS", "mset", "a", "1", "b", "2"}),
            "[\"a\", \"b\"]");
  EXPECT_EQ(call(command_getkeys, {"COMMAND", "GETKEYS", "nope", "a"}),
            "(error) ERR Invalid command specified");
  EXPECT_EQ(call(command_getkeys, {"COMMAND", "GETKEYS", "keys", "a"}),
            "(error) ERR The command has no key arguments");
  EXPECT_EQ(call(command_getkeys, {"COMMAND", "GETKEYS", "get", "a", "b"}),
            "(error) ERR Invalid number of arguments specified for command");
  EXPECT_EQ(call(command_getkeysandflags, {"COMMAND", "GETKEYSANDFLAGS", "rename", "a", "b"}),
            "[[\"a\", set[RW, access, delete]], [\"b\", set[OW, update]]]");
  EXPECT_EQ(call(command_getkeysandflags, {"COMMAND", "GETKEYSANDFLAGS", "del", "a", "b"}),
            "[[\"a\", set[RM, delete]], [\"b\", set[RM, delete]]]");
}

}  // namespace kvorum::command::testing
