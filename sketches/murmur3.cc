#include "sketches/murmur3.h"

#include "agent/base/assert.h"

namespace weir {

namespace {

// 1 to 8 bytes as a little-endian word, by loads that overlap instead of a copy of unknown length.
std::uint64_t load_tail(const std::byte* from, Bytes count) {
    if (count >= 4) {
        const std::uint64_t high = load_le<std::uint32_t>(from + count - 4);
        return load_le<std::uint32_t>(from) | high << (8 * (count - 4));
    }
    const auto byte_at = [&](Bytes i) { return std::to_integer<std::uint64_t>(from[i]) << (8 * i); };
    return byte_at(0) | byte_at(count / 2) | byte_at(count - 1);
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

void hash_column(std::span<const std::int64_t> values, std::span<Hash128> hashes,
                 std::uint64_t seed) {
    WEIR_ASSERT(hashes.size() >= values.size());
    for (std::size_t i = 0; i < values.size(); ++i) hashes[i] = hash_integer(values[i], seed);
}

void hash_column(std::span<const double> values, std::span<Hash128> hashes, std::uint64_t seed) {
    WEIR_ASSERT(hashes.size() >= values.size());
    for (std::size_t i = 0; i < values.size(); ++i) hashes[i] = hash_real(values[i], seed);
}

std::size_t hash_column(std::span<const std::string_view> texts, std::span<Hash128> hashes,
                        std::uint64_t seed) {
    WEIR_ASSERT(hashes.size() >= texts.size());
    std::size_t empty = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        hashes[i] = hash_text(texts[i], seed);
        empty += texts[i].empty();
    }
    return empty;
}

}  // namespace weir
