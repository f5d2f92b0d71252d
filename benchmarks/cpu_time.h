// How much CPU this process has used.
#pragma once

namespace kvorum::benchmarks {

// Of all its threads, in user and kernel mode.
double cpu_seconds();

}  // namespace kvorum::benchmarks
