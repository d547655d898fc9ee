// Decimal digits eight at a time, in a 64-bit word. Internal to drivers.
// Memory: none. Cost: some ten instructions a word, however many of its bytes are digits: no branch to guess wrong.
// Threads: pure functions. Errors: none; the caller has looked at where digits end.
// Source: Lemire, Number Parsing at a Gigabyte per Second, 2021, section 5.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "agent/base/bytes.h"

namespace weir {

inline constexpr std::uint64_t every_byte = 0x0101010101010101;

// Eight characters, digits as their values: '0' is 0. Reads eight bytes.
inline std::uint64_t digit_word(const char* text) { return load_le<std::uint64_t>(text) ^ ('0' * every_byte); }

// The top bit of each byte that is no digit. Exact up to the first such byte; behind it, too, if that is '.',
// since the addition then carries nothing on.
inline std::uint64_t digit_stops(std::uint64_t word) { return (word | (word + 0x76 * every_byte)) & (0x80 * every_byte); }

// The bits before the first stop: eight a digit. REQUIRES: stops is not 0.
inline unsigned digit_bits(std::uint64_t stops) { return static_cast<unsigned>(std::countr_zero(stops)) - 7; }

// The number that a word of digits says, the first of them in its lowest byte.
constexpr std::uint64_t digit_value(std::uint64_t word) {
    word = (word * (10 * 256 + 1)) >> 8 & 0x00FF00FF00FF00FF;
    word = (word * (100 * 65536 + 1)) >> 16 & 0x0000FFFF0000FFFF;
    return (word * (10000 * (std::uint64_t{1} << 32) + 1)) >> 32;
}

// The same for its first `bits` / 8 characters alone. REQUIRES: 8 <= bits <= 64.
constexpr std::uint64_t digit_value(std::uint64_t word, unsigned bits) { return digit_value(word << (64 - bits)); }

inline constexpr std::array<std::uint32_t, 9> digit_scale = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

}  // namespace weir
