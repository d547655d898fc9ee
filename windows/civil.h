// Dates and clock times of the proleptic Gregorian calendar, and the texts of timestamps and durations as
// CEL writes them. All in microseconds since the epoch, without leap seconds.
// Memory: none. Cost: some tens of instructions a date, O(bytes) a text. Threads: pure functions.
// Errors: nullopt for texts that are none, or out of range: years 1 to 9999, 10,000 years either way.
// Source: the calendar's rule of 400 years, counted from 1 March; RFC 3339; durations as in Go's
// time.ParseDuration, which CEL refers to (github.com/google/cel-spec, doc/langdef.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir {

inline constexpr std::int64_t second_us = 1'000'000;
inline constexpr std::int64_t minute_us = 60 * second_us;
inline constexpr std::int64_t hour_us = 60 * minute_us;
inline constexpr std::int64_t day_us = 24 * hour_us;

// 0001-01-01T00:00:00Z, and the last microsecond of the year 9999.
inline constexpr std::int64_t timestamp_least_us = -62'135'596'800 * second_us;
inline constexpr std::int64_t timestamp_greatest_us = 253'402'300'800 * second_us - 1;
inline constexpr std::int64_t duration_greatest_us = 315'576'000'000 * second_us;

constexpr bool is_timestamp(std::int64_t us) { return us >= timestamp_least_us && us <= timestamp_greatest_us; }
constexpr bool is_duration(std::int64_t us) { return us >= -duration_greatest_us && us <= duration_greatest_us; }

// Rounded toward minus infinity. REQUIRES: b > 0.
constexpr std::int64_t floor_divide(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
constexpr std::int64_t floor_modulo(std::int64_t a, std::int64_t b) { return a % b + (a % b < 0 ? b : 0); }

struct CivilDate {
    std::int64_t year = 1970;
    int month = 1;  // 1 to 12
    int day = 1;    // 1 to 31
};
CivilDate civil_date(std::int64_t days);  // since the epoch
std::int64_t days_of(const CivilDate& date);
constexpr int weekday(std::int64_t days) { return static_cast<int>(floor_modulo(days + 4, 7)); }  // 0 is Sunday

// "2026-11-22T06:30:00.25+01:00". What is finer than a microsecond is cut off.
std::optional<std::int64_t> parse_timestamp(std::string_view text);
// "90s", "1h30m", "-1.5h", "250ms": units h, m, s, ms, us, ns. What is finer than a microsecond is cut off.
std::optional<std::int64_t> parse_span(std::string_view text);
// "+05:30", "-02:30", "02:00", "Z" or "UTC": the offset from UTC.
std::optional<std::int64_t> parse_offset(std::string_view text);

}  // namespace weir
