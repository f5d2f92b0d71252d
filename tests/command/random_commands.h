// Commands of all kinds on few keys, the same for the same seed.
#pragma once

#include <cstdint>
#include <vector>

#include "command_fixture.h"

namespace kvorum::command::testing {

std::vector<Words> random_commands(uint64_t seed, int count);

}  // namespace kvorum::command::testing
