// Shared by hll.cc and hll_format.cc; not for users of the sketch.
// Memory: none. Cost: inline. Threads: pure functions. Errors: none. Source: README.md.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "sketches/hll.h"

namespace weir {

namespace hll_detail {

inline constexpr std::uint32_t slot_mask = 0x3FFFFFF;  // of a coupon; the value is above it
inline constexpr std::uint32_t list_ints = 8;          // reaching it ends the list
inline constexpr std::uint8_t lg_set_min = 5;
inline constexpr std::uint8_t lg_k_set_min = 8;  // below, the list becomes registers at once
inline constexpr std::uint8_t value_max = 63;

// 2^-value, exactly. REQUIRES: value <= 63.
inline double inverse_power(std::uint32_t value) {
    return std::bit_cast<double>((std::uint64_t{1023} - value) << 52);
}

}  // namespace hll_detail

// What the format keeps about the registers. All sums are exact: multiples of 2^-31 below 2^21, and
// of 2^-63 below 2^-11.
struct HllSketch::Sums {
    std::array<std::uint32_t, hll_detail::value_max + 1> counts{};  // registers by value
    double low = 0;
    double high = 0;
};

}  // namespace weir
