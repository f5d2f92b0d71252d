#include "config/notify_flags.h"

namespace kvorum {

namespace {

struct Letter {
  char letter;
  NotifyFlags::Bit bit;
};

// In the order in which Redis writes them; those that A stands for come first.
constexpr Letter kLetters[] = {
    {'g', NotifyFlags::kGeneric},  {'$', NotifyFlags::kString},  {'l', NotifyFlags::kList},
    {'s', NotifyFlags::kSet},      {'h', NotifyFlags::kHash},    {'z', NotifyFlags::kZset},
    {'x', NotifyFlags::kExpired},  {'e', NotifyFlags::kEvicted}, {'t', NotifyFlags::kStream},
    {'d', NotifyFlags::kModule},   {'n', NotifyFlags::kNewKey},  {'K', NotifyFlags::kKeyspace},
    {'E', NotifyFlags::kKeyevent}, {'m', NotifyFlags::kKeyMiss},
};

uint32_t bits_of(char letter) {
  if (letter == 'A') return NotifyFlags::kAll;
  for (const Letter& known : kLetters) {
    if (known.letter == letter) return known.bit;
  }
  return 0;
}

}  // namespace

std::optional<NotifyFlags> NotifyFlags::parse(std::string_view letters) {
  uint32_t bits = 0;
  for (char letter : letters) {
    uint32_t added = bits_of(letter);
    if (added == 0) return std::nullopt;
    bits |= added;
  }
  return NotifyFlags(bits);
}

std::string NotifyFlags::to_string() const {
  const bool all = (bits_ & kAll) == kAll;
  std::string letters = all ? "A" : "";
  for (const Letter& known : kLetters) {
    if (all && (known.bit & kAll) != 0) continue;
    if (has(known.bit)) letters += known.letter;
  }
  return letters;
}

}  // namespace kvorum
