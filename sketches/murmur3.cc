#include "sketches/murmur3.h"

namespace weir {

namespace {

// Up to 8 bytes as a little-endian word.
std::uint64_t load_tail(const std::byte* from, Bytes count) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, count);
    return word;
}

}  // namespace

Hash128 murmur3(ByteSpan bytes, std::uint64_t seed) {
    using namespace murmur3_detail;
    std::uint64_t h1 = seed;
    std::uint64_t h2 = seed;
    const std::byte* at = bytes.data();
    Bytes left = bytes.size();
    for (; left >= 16; left -= 16, at += 16) {
        h1 ^= mix_k1(load_le<std::uint64_t>(at));
        h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52DCE729;
        h2 ^= mix_k2(load_le<std::uint64_t>(at + 8));
        h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495AB5;
    }
    if (left > 8) {
        h2 ^= mix_k2(load_tail(at + 8, left - 8));
        left = 8;
    }
    if (left > 0) h1 ^= mix_k1(load_tail(at, left));
    return finish(h1, h2, bytes.size());
}

}  // namespace weir
