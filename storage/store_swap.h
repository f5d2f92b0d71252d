// One store in the place of another, as renames of folders: <store> becomes <store>.old, the new
// folder becomes <store>, <store>.old is removed. A crash between two steps leaves a state that
// settle_swap() tells from the others by the names alone.
#pragma once

#include <string>

#include "base/result.h"

namespace kvorum::storage {

// Before anything else is done in the folder. When only the old store is there, it is taken back.
// True: both are, the new one is whole, and the old one is to be removed once the new one is open.
Result<bool> settle_swap(const std::string& folder);

// What would make the swap fail is said while it is still refused without harm. Removes what an
// earlier one left.
Status prepare_swap(const std::string& folder, const std::string& replacement);

// Both folders are whole, synced, and not in use. An error leaves what settle_swap() settles.
Status swap_store_folders(const std::string& folder, const std::string& replacement);

Status remove_swapped(const std::string& folder);

}  // namespace kvorum::storage
