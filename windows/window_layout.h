// What the parts of window.h share. Not for others.
// Memory: none. Cost: O(1). Threads: pure functions. Errors: none.
#pragma once

#include <cstdint>

namespace weir {

inline std::uint64_t cell_hash(std::uint64_t key, std::int64_t start) {
    std::uint64_t x = key ^ (static_cast<std::uint64_t>(start) * 0x9e3779b97f4a7c15ULL);
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ULL;
    return x ^ (x >> 32);
}

}  // namespace weir
