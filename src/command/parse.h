// Arguments of commands as numbers and options, as strictly as Redis takes them, and the error
// sentences that several commands share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "command/spec.h"

namespace kvorum::command {

namespace errors {
inline constexpr std::string_view kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr std::string_view kNotInteger = "ERR value is not an integer or out of range";
inline constexpr std::string_view kNotFloat = "ERR value is not a valid float";
inline constexpr std::string_view kSyntax = "ERR syntax error";
inline constexpr std::string_view kNoSuchKey = "ERR no such key";
inline constexpr std::string_view kSameObject = "ERR source and destination objects are the same";
inline constexpr std::string_view kTooLong =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
}  // namespace errors

// Lower case ASCII in `word`; `text` in any case.
bool is_word(std::string_view text, std::string_view word);

// A decimal integer in its one canonical form: no spaces, plus sign, leading zeros or "-0".
std::optional<int64_t> parse_integer(std::string_view text);
// Writes kNotInteger when there is none.
std::optional<int64_t> parse_integer(std::string_view text, resp::ReplyWriter& reply);
// The same within 32 bits, with a sentence of its own for what is not.
std::optional<int32_t> parse_int(std::string_view text, resp::ReplyWriter& reply);

// What strtold takes whole, infinities included; no leading space, no NaN.
std::optional<long double> parse_real(std::string_view text);
// 17 digits after the point, less the zeros at the end.
std::string format_real(long double value);

enum class TimeUnit : uint8_t { kSeconds, kMilliseconds };
enum class TimeBase : uint8_t { kNow, kEpoch };

// "invalid expire time in '<command>' command", named as the row is.
void write_invalid_expire(std::string_view command, resp::ReplyWriter& reply);

// A time to live that must be positive, as SET and its kin take it. Nothing after an error is
// written. `now` is ignored for TimeBase::kEpoch.
std::optional<UnixMillis> parse_deadline(std::string_view text, TimeUnit unit, TimeBase base,
                                         UnixMillis now, std::string_view command,
                                         resp::ReplyWriter& reply);

}  // namespace kvorum::command
