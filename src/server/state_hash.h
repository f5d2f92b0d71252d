// What two nodes compare to find out whether they hold the same state.
#pragma once

#include <cstdint>

#include "storage/store.h"

namespace kvorum::server {

// Of every key with its header and value in order, of the history, and of the applied state. Walks
// the whole view.
uint64_t state_hash(storage::View& view);

}  // namespace kvorum::server
