// Reading points in time out of payloads: ISO 8601 text, and decimal numbers in a unit.
// Memory: none. Cost: one pass over the text. Threads: pure functions.
// Accuracy: exact integer arithmetic; what is finer than a microsecond is cut off toward the past.
// Errors: invalid (not a time at all), out_of_range (before 1970 or from 2200 on: such a time is a
// wrong unit or a broken clock, and is refused).
// Source: ISO 8601:2004 calendar dates in the profile of RFC 3339, widened: 'T', 't' or a blank between
// date and time, seconds and zone optional ("2015-09-01 11:30:00" is UTC), fractions of any length,
// offsets as Z, +hh, +hhmm or +hh:mm. A leap second (:60) is the first of the next minute.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

enum class TimeUnit : std::uint8_t { seconds, milliseconds, microseconds, nanoseconds };

inline constexpr Timestamp time_least = Timestamp::micros(0);
inline constexpr Timestamp time_limit = Timestamp::seconds(7258118400);  // 2200-01-01, exclusive

Result<Timestamp> parse_iso8601(std::string_view text);

// A decimal number as in JSON: sign, digits, fraction, exponent; exact, never through a double.
Result<Timestamp> parse_decimal_time(std::string_view number, TimeUnit unit);

// Text that may be either; a number only if numbers_too.
Result<Timestamp> parse_text_time(std::string_view text, TimeUnit unit, bool numbers_too);

}  // namespace weir
