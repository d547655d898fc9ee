// Shared by kll.cc and kll_format.cc; not for users of the sketch.
// Memory: none. Cost: inline. Threads: pure functions. Errors: none. Source: README.md.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "agent/base/bytes.h"

namespace weir::kll_detail {

inline constexpr std::uint8_t m = 8;  // no level holds fewer before it is compacted
inline constexpr std::uint64_t n_max_limit = std::uint64_t{1} << 56;
inline constexpr std::uint32_t levels_limit = 55;  // what k 8 needs for n_max_limit

// Levels for n_max values: a level is added only when the top one holds k.
constexpr std::uint32_t levels_for(std::uint16_t k, std::uint64_t n_max) {
    return n_max < k ? 1 : 1 + static_cast<std::uint32_t>(std::bit_width(n_max / k));
}

// k (2/3)^depth, rounded, where the top level has depth 0; in two steps where 3^depth would
// overflow.
constexpr std::uint32_t scaled(std::uint64_t k, std::uint32_t depth) {
    if (depth > 30) return scaled(scaled(k, depth / 2), depth - depth / 2);
    std::uint64_t power = 1;
    for (std::uint32_t i = 0; i < depth; ++i) power *= 3;
    return static_cast<std::uint32_t>(((k << (depth + 1)) / power + 1) / 2);
}

constexpr std::uint32_t level_capacity(std::uint16_t k, std::uint32_t depth) {
    return std::max<std::uint32_t>(m, scaled(k, depth));
}

constexpr std::uint32_t total_capacity(std::uint16_t k, std::uint32_t levels) {
    std::uint32_t sum = 0;
    for (std::uint32_t depth = 0; depth < levels; ++depth) sum += level_capacity(k, depth);
    return sum;
}

// Forward merge of two sorted runs, a of any alignment; b may lie in out, na items or more after
// its start.
template <typename T>
void merge_sorted(const void* a, std::uint32_t na, const T* b, std::uint32_t nb, T* out) {
    const auto* from = static_cast<const std::byte*>(a);
    std::uint32_t ia = 0;
    std::uint32_t ib = 0;
    while (ia < na && ib < nb) {
        const T next = load_le<T>(from + ia * sizeof(T));
        const bool b_first = b[ib] < next;
        *out++ = b_first ? b[ib] : next;
        ib += b_first;
        ia += !b_first;
    }
    for (; ia < na; ++ia) *out++ = load_le<T>(from + ia * sizeof(T));
    for (; ib < nb; ++ib) *out++ = b[ib];
}

}  // namespace weir::kll_detail
