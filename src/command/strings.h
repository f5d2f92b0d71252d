// What the files of the string family share.
#pragma once

#include <optional>
#include <string_view>

#include "command/keyspace.h"
#include "command/parse.h"
#include "command/spec.h"

namespace kvorum::command {

// Looks a string up; false after the key turned out to be of another type and the error is written.
[[nodiscard]] inline bool is_string(const std::optional<storage::Record>& record,
                                    resp::ReplyWriter& reply) {
  if (!record || record->header.type == storage::ValueType::kString) return true;
  reply.error(errors::kWrongType);
  return false;
}

namespace strings {
using resp::ReplyWriter;

// string_basic.cc
void get(Keyspace& keys, Args args, ReplyWriter& reply);
void set(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_set(Args args, ReplyWriter& reply);
void setnx(Keyspace& keys, Args args, ReplyWriter& reply);
void setex(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_setex(Args args, ReplyWriter& reply);
void psetex(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_psetex(Args args, ReplyWriter& reply);
void getset(Keyspace& keys, Args args, ReplyWriter& reply);
void getdel(Keyspace& keys, Args args, ReplyWriter& reply);
void getex(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_getex(Args args, ReplyWriter& reply);
void delifeq(Keyspace& keys, Args args, ReplyWriter& reply);
void mget(Keyspace& keys, Args args, ReplyWriter& reply);
void mset(Keyspace& keys, Args args, ReplyWriter& reply);
void msetnx(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_mset(Args args, ReplyWriter& reply);
bool check_msetnx(Args args, ReplyWriter& reply);

// string_ranges.cc
void append(Keyspace& keys, Args args, ReplyWriter& reply);
void strlen(Keyspace& keys, Args args, ReplyWriter& reply);
void getrange(Keyspace& keys, Args args, ReplyWriter& reply);
void setrange(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_setrange(Args args, ReplyWriter& reply);
void lcs(Keyspace& keys, Args args, ReplyWriter& reply);

// string_numbers.cc
void incr(Keyspace& keys, Args args, ReplyWriter& reply);
void decr(Keyspace& keys, Args args, ReplyWriter& reply);
void incrby(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_incrby(Args args, ReplyWriter& reply);
void decrby(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_decrby(Args args, ReplyWriter& reply);
void incrbyfloat(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_incrbyfloat(Args args, ReplyWriter& reply);
}  // namespace strings

}  // namespace kvorum::command
