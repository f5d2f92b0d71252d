// Work that may take its time and must not take it from others.
#pragma once

namespace kvorum {

// The calling thread gives way to others from now on: where all processors are busy it gets about a
// tenth of what another thread gets, so it still comes to an end.
void yield_to_others();

}  // namespace kvorum
