// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): the next
// number of a sequence that its caller's 64 bits of state determine. Not for secrets.
#pragma once

#include <cstdint>

namespace kvorum {

inline uint64_t splitmix64(uint64_t& state) {
  uint64_t mixed = state += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

}  // namespace kvorum
