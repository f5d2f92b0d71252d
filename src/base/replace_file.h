// Writes a small file as one step.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace kvorum {

// The file at `path` holds `text`, durably, or what it held before, also after a crash: new file,
// sync, rename, sync of the folder. Keeps permissions and, where it may, the owner; a new file is
// for its owner alone. A symbolic link stays one.
Status replace_file(const std::string& path, std::string_view text);

}  // namespace kvorum
