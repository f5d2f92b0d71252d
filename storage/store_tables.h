// From a folder to the engine open on it, with the store's tables in it.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "storage/store.h"
#include "storage/wt_session.h"

namespace kvorum::storage {

// Makes the store if there is none, unless it is `must_exist`.
enum class Presence : uint8_t { kMakeIfMissing, kMustExist };
Result<std::unique_ptr<WtConnection>> open_engine(const StoreOptions& options, Presence presence);

// What the last checkpoint holds.
Result<AppliedState> read_checkpointed_state(WtConnection& connection, const std::string& folder);

// Reads all of every table of the store in `folder`, which nobody has open.
Result<AppliedState> verify_store(const StoreOptions& options);

Status take_checkpoint(WtSession& session, const std::string& folder);

}  // namespace kvorum::storage
