// MurmurHash3 x64 128, and the canonical forms of items before they are hashed: the hash is part of
// the sketches' formats, so every key that sketches shall share has to pass through here.
// Memory: none. Cost: about 25 instructions for an 8-byte key, 20 + 25 per 16 bytes for text.
// Threads: pure functions. Errors: none; not keyed, so a sender can choose colliding keys.
// Source: Austin Appleby, MurmurHash3 (public domain); forms: DataSketches, as in README.md.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"

namespace weir {

struct Hash128 {
    std::uint64_t h1 = 0;
    std::uint64_t h2 = 0;

    bool operator==(const Hash128&) const = default;
};

inline constexpr std::uint64_t hash_seed_default = 9001;

namespace murmur3_detail {

inline constexpr std::uint64_t c1 = 0x87C37B91114253D5ULL;
inline constexpr std::uint64_t c2 = 0x4CF5AD432745937FULL;

constexpr std::uint64_t mix_k1(std::uint64_t k1) { return std::rotl(k1 * c1, 31) * c2; }
constexpr std::uint64_t mix_k2(std::uint64_t k2) { return std::rotl(k2 * c2, 33) * c1; }

constexpr std::uint64_t finish(std::uint64_t k) {
    k ^= k >> 33;
    k *= 0xFF51AFD7ED558CCDULL;
    k ^= k >> 33;
    k *= 0xC4CEB9FE1A85EC53ULL;
    return k ^ (k >> 33);
}

constexpr Hash128 finish(std::uint64_t h1, std::uint64_t h2, std::uint64_t length) {
    h1 ^= length;
    h2 ^= length;
    h1 += h2;
    h2 += h1;
    h1 = finish(h1);
    h2 = finish(h2);
    h1 += h2;
    h2 += h1;
    return {h1, h2};
}

}  // namespace murmur3_detail

// Any bytes, any length.
Hash128 murmur3(ByteSpan bytes, std::uint64_t seed = hash_seed_default);

// The same for exactly 8 bytes, given as a little-endian word.
constexpr Hash128 murmur3_word(std::uint64_t word, std::uint64_t seed = hash_seed_default) {
    return murmur3_detail::finish(seed ^ murmur3_detail::mix_k1(word), seed, 8);
}

// Signed and unsigned integers hash as the 64-bit integer of their bits, sign-extended.
constexpr Hash128 hash_integer(std::int64_t value, std::uint64_t seed = hash_seed_default) {
    return murmur3_word(static_cast<std::uint64_t>(value), seed);
}

// What is hashed of a real: -0.0 counts as 0.0 and every NaN as one NaN.
constexpr std::uint64_t canonical_bits(double value) {
    if (value == 0.0) return 0;
    if (value != value) return 0x7FF8000000000000ULL;
    return std::bit_cast<std::uint64_t>(value);
}

// 1.0 and the integer 1 are different items.
constexpr Hash128 hash_real(double value, std::uint64_t seed = hash_seed_default) {
    return murmur3_word(canonical_bits(value), seed);
}

// UTF-8 bytes. The reference's sketches ignore an empty string; whoever hashes ahead must skip it.
inline Hash128 hash_text(std::string_view text, std::uint64_t seed = hash_seed_default) {
    return murmur3(as_byte_span(text), seed);
}

}  // namespace weir
