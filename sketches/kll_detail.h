// Shared by kll.cc and kll_format.cc; not for users of the sketch.
// Memory: none. Cost: inline. Threads: pure functions. Errors: none. Source: README.md.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "agent/base/bytes.h"

namespace weir::kll_detail {

inline constexpr std::uint8_t m = 8;  // no level holds fewer before it is compacted
inline constexpr std::uint8_t m_settled = 2;  // the same once precision has shrunk to the room
inline constexpr std::uint64_t n_max_limit = std::uint64_t{1} << 56;
inline constexpr std::uint32_t levels_limit = 55;  // what k 8 needs for n_max_limit

// Levels for n_max values: a level is added only when the top one holds k.
constexpr std::uint32_t levels_for(std::uint16_t k, std::uint64_t n_max) {
    return n_max < k ? 1 : 1 + static_cast<std::uint32_t>(std::bit_width(n_max / k));
}

inline constexpr auto powers_of_3 = [] {
    std::array<std::uint64_t, 31> powers{1};
    for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = 3 * powers[i - 1];
    return powers;
}();

// k (2/3)^depth, rounded, where the top level has depth 0; in two steps where 3^depth would
// overflow.
constexpr std::uint32_t scaled(std::uint64_t k, std::uint32_t depth) {
    if (depth > 30) return scaled(scaled(k, depth / 2), depth - depth / 2);
    return static_cast<std::uint32_t>(((k << (depth + 1)) / powers_of_3[depth] + 1) / 2);
}

constexpr std::uint32_t level_capacity(std::uint16_t k, std::uint32_t depth, std::uint8_t least = m) {
    return std::max<std::uint32_t>(least, scaled(k, depth));
}

constexpr std::uint32_t total_capacity(std::uint16_t k, std::uint32_t levels, std::uint8_t least = m) {
    std::uint32_t sum = 0;
    for (std::uint32_t depth = 0; depth < levels; ++depth) sum += level_capacity(k, depth, least);
    return sum;
}

// Levels until the capacity has come down to 2: a sketch short of room holds these above its sampler.
constexpr std::uint32_t settled_levels(std::uint16_t k) {
    std::uint32_t levels = 1;
    while (scaled(k, levels) >= m_settled) ++levels;
    return levels;
}

constexpr std::uint32_t settled_items(std::uint16_t k) {
    return total_capacity(k, settled_levels(k), m_settled);
}

// Forward merge of two sorted runs, a of any alignment; b may lie in out, na items or more after
// its start.
template <typename T>
void merge_sorted(const void* a, std::uint32_t na, const T* b, std::uint32_t nb, T* out) {
    const auto* from = static_cast<const std::byte*>(a);
    std::uint32_t ia = 0;
    std::uint32_t ib = 0;
    while (ia < na && ib < nb) {
        const T first = load_le<T>(from + ia * sizeof(T));
        const T second = b[ib];
        *out++ = second < first ? second : first;  // a minimum, not a branch
        const bool b_first = second < first;
        ib += b_first;
        ia += !b_first;
    }
    for (; ia < na; ++ia) *out++ = load_le<T>(from + ia * sizeof(T));
    if (out != b + ib) std::memmove(out, b + ib, (nb - ib) * sizeof(T));
}

}  // namespace weir::kll_detail
