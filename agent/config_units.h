// How a configuration spells spans of time, sizes and rates, and how near two words are.
// Memory: strings that are returned. Cost: O(length); distance() O(length x length).
// Threads: pure functions. Errors: invalid (not this spelling), out_of_range (beyond 64 bits).
// Source: IEC 80000-13 for KiB; distance: Damerau-Levenshtein in its restricted form (Boytsov,
// 2011).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

// A whole number and one of us, ms, s, m, h, d: "500ms", "30s", "1m".
Result<Duration> parse_duration(std::string_view text);
// A whole number and one of B, KB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024).
Result<std::uint64_t> parse_size(std::string_view text);
// A size, "/" and one of s, min, h, day: as bytes in one period. Rounded down.
Result<std::uint64_t> parse_rate(std::string_view text, Duration period);

// The shortest spelling that is read back to the same value.
std::string format_duration(Duration duration);
std::string format_size(std::uint64_t bytes);
std::string format_rate(std::uint64_t bytes, std::string_view period);  // "64KiB/s"

}  // namespace weir
