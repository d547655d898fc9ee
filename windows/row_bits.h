// What the parts of the engine ask of the bits of rows. Internal to windows.
// Memory: none. Cost: O(rows / 64). Threads: pure functions. Errors: none.
#pragma once

#include "agent/base/batch.h"

namespace weir {

// Whether none of the rows from first to last, both included, is null.
inline bool is_full(const RowBits& present, std::size_t first, std::size_t last) {
    const auto& words = present.words();
    const std::uint64_t head = ~std::uint64_t{0} << (first % 64);
    const std::uint64_t tail = ~std::uint64_t{0} >> (63 - last % 64);
    if (first / 64 == last / 64) return (~words[first / 64] & head & tail) == 0;
    std::uint64_t missing = (~words[first / 64] & head) | (~words[last / 64] & tail);
    for (std::size_t word = first / 64 + 1; word < last / 64; ++word) missing |= ~words[word];
    return missing == 0;
}

}  // namespace weir
