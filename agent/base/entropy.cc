#include "agent/base/entropy.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "agent/base/assert.h"

namespace weir {

std::uint64_t Entropy::word() {
    std::byte bytes[8];
    fill(bytes);
    return load_le<std::uint64_t>(bytes);
}

double Entropy::unit() { return static_cast<double>(word() >> 11) * 0x1p-53; }

void SystemEntropy::fill(MutableByteSpan out) {
    while (!out.empty()) {
        const ssize_t got = ::getrandom(out.data(), out.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        WEIR_ASSERT(got > 0);
        out = out.subspan(static_cast<Bytes>(got));
    }
}

// Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014.
void SeededEntropy::fill(MutableByteSpan out) {
    while (!out.empty()) {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        z ^= z >> 31;
        const Bytes count = out.size() < 8 ? out.size() : 8;
        std::memcpy(out.data(), &z, count);
        out = out.subspan(count);
    }
}

}  // namespace weir
