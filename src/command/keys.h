// What the files of the key family ("generic" in Redis' words) share.
#pragma once

#include "command/keyspace.h"
#include "command/parse.h"
#include "command/spec.h"

namespace kvorum::command {

// What TYPE calls it.
std::string_view type_name(storage::ValueType type);

namespace keys_family {
using resp::ReplyWriter;

// key_basic.cc
void del(Keyspace& keys, Args args, ReplyWriter& reply);
void exists(Keyspace& keys, Args args, ReplyWriter& reply);
void type(Keyspace& keys, Args args, ReplyWriter& reply);
void dbsize(Keyspace& keys, Args args, ReplyWriter& reply);
void rename(Keyspace& keys, Args args, ReplyWriter& reply);
void renamenx(Keyspace& keys, Args args, ReplyWriter& reply);
void copy(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_copy(Args args, ReplyWriter& reply);
void flush(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_flush(Args args, ReplyWriter& reply);

// key_expiry.cc
void expire(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_expire(Args args, ReplyWriter& reply);
void pexpire(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_pexpire(Args args, ReplyWriter& reply);
void expireat(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_expireat(Args args, ReplyWriter& reply);
void pexpireat(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_pexpireat(Args args, ReplyWriter& reply);
void ttl(Keyspace& keys, Args args, ReplyWriter& reply);
void pttl(Keyspace& keys, Args args, ReplyWriter& reply);
void expiretime(Keyspace& keys, Args args, ReplyWriter& reply);
void pexpiretime(Keyspace& keys, Args args, ReplyWriter& reply);
void persist(Keyspace& keys, Args args, ReplyWriter& reply);

// key_walks.cc
void keys_matching(Keyspace& keys, Args args, ReplyWriter& reply);
void scan(Keyspace& keys, Args args, ReplyWriter& reply);
void randomkey(Keyspace& keys, Args args, ReplyWriter& reply);

// key_inspection.cc
void object_encoding(Keyspace& keys, Args args, ReplyWriter& reply);
void object_freq(Keyspace& keys, Args args, ReplyWriter& reply);
void object_idletime(Keyspace& keys, Args args, ReplyWriter& reply);
void object_refcount(Keyspace& keys, Args args, ReplyWriter& reply);
void object_help(Keyspace& keys, Args args, ReplyWriter& reply);
void memory_usage(Keyspace& keys, Args args, ReplyWriter& reply);
void memory_help(Keyspace& keys, Args args, ReplyWriter& reply);
void dump_key(Keyspace& keys, Args args, ReplyWriter& reply);
void restore(Keyspace& keys, Args args, ReplyWriter& reply);
bool check_restore(Args args, ReplyWriter& reply);
}  // namespace keys_family

}  // namespace kvorum::command
