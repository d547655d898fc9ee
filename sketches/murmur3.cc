#include "sketches/murmur3.h"

#include "agent/base/assert.h"

namespace weir {

using namespace murmur3_detail;

namespace {

// The first count bytes of a word that has others above them. REQUIRES: 1 <= count <= 8, as below.
std::uint64_t load_before(const std::byte* end, Bytes count) {
    return load_le<std::uint64_t>(end - 8) >> (64 - 8 * count);
}

// 1 to 8 bytes with nothing to read around them, by loads that overlap.
std::uint64_t load_alone(const std::byte* from, Bytes count) {
    if (count >= 4) {
        const std::uint64_t high = load_le<std::uint32_t>(from + count - 4);
        return load_le<std::uint32_t>(from) | high << (8 * (count - 4));
    }
    const auto byte_at = [&](Bytes i) { return std::to_integer<std::uint64_t>(from[i]) << (8 * i); };
    return byte_at(0) | byte_at(count / 2) | byte_at(count - 1);
}

// All but finish(), of 0 to 8 bytes, and of 16 and more.
Hash128 begun_rare(const std::byte* at, Bytes size, std::uint64_t seed) {
    Hash128 hash{seed, seed};
    if (size <= 8) {
        if (size > 0) hash.h1 ^= mix_k1(load_alone(at, size));
    } else {
        const std::byte* const end = at + size;
        for (; end - at >= 16; at += 16) {
            hash.h1 ^= mix_k1(load_le<std::uint64_t>(at));
            hash.h1 = (rotated(hash.h1, 27) + hash.h2) * 5 + 0x52DCE729;
            hash.h2 ^= mix_k2(load_le<std::uint64_t>(at + 8));
            hash.h2 = (rotated(hash.h2, 31) + hash.h1) * 5 + 0x38495AB5;
        }
        const auto left = static_cast<Bytes>(end - at);
        if (left > 8) hash.h2 ^= mix_k2(load_before(end, left - 8));
        if (left >= 8)
            hash.h1 ^= mix_k1(load_le<std::uint64_t>(at));
        else if (left > 0)
            hash.h1 ^= mix_k1(load_before(end, left));
    }
    return {hash.h1 ^ size, hash.h2 ^ size};
}

// Names and identifiers are often of 9 to 15 bytes, or of 4 to 8: two loads, no loop.
constexpr bool is_usual(Bytes size) { return size - 9 <= 15 - 9; }
constexpr bool is_short(Bytes size) { return size - 4 <= 8 - 4; }

inline Hash128 begun_short(const std::byte* at, Bytes size, std::uint64_t seed) {
    const std::uint64_t high = load_le<std::uint32_t>(at + size - 4);
    const std::uint64_t start = seed ^ size;
    return {mix_k1(load_le<std::uint32_t>(at) | high << (8 * (size - 4))) ^ start, start};
}

inline Hash128 begun_usual(const std::byte* at, Bytes size, std::uint64_t seed) {
    const Bytes bytes_before = (size - 9) ^ 7;  // 16 - size, for 9 to 15, from what is_usual() has
    const std::uint64_t k1 = load_le<std::uint64_t>(at);
    const std::uint64_t k2 = load_le<std::uint64_t>(at + size - 8) >> (8 * bytes_before);
    const std::uint64_t start = seed ^ size;
    return {mix_k1(k1) ^ start, mix_k2(k2) ^ start};
}

std::uint64_t canonical(std::uint64_t bits) { return canonical_bits(std::bit_cast<double>(bits)); }

#if defined(__AVX2__)

Words canonical(Words bits) {
    using Reals = double __attribute__((vector_size(sizeof(Words))));
    const auto values = std::bit_cast<Reals>(bits);
    bits = values == 0.0 ? Words{} : bits;
    return values != values ? Words{} + canonical_bits(__builtin_nan("")) : bits;
}

// Halves of four hashes, those of the second and the third exchanged, as AVX2 has them cheaply.
struct Halves {
    Words h1;
    Words h2;
};

Halves load(const Hash128* from) {
    const auto low = load_le<Words>(from);
    const auto high = load_le<Words>(from + 2);
    return {__builtin_shufflevector(low, high, 0, 4, 2, 6), __builtin_shufflevector(low, high, 1, 5, 3, 7)};
}

void finish_and_store(Halves halves, Hash128* to) {
    finish(halves.h1, halves.h2);
    store_le<Words>(to, __builtin_shufflevector(halves.h1, halves.h2, 0, 4, 2, 6));
    store_le<Words>(to + 2, __builtin_shufflevector(halves.h1, halves.h2, 1, 5, 3, 7));
}

#endif

void finish_column(std::span<Hash128> hashes) {
    std::size_t i = 0;
#if defined(__AVX2__)
    for (; i + lanes <= hashes.size(); i += lanes) finish_and_store(load(&hashes[i]), &hashes[i]);
#endif
    for (; i < hashes.size(); ++i) finish(hashes[i].h1, hashes[i].h2);
}

// form: from the bytes of a value, or of four, to those that are hashed.
template <typename Form>
void hash_words(const void* values, std::size_t count, std::span<Hash128> hashes, std::uint64_t seed, Form form) {
    WEIR_ASSERT(hashes.size() >= count);
    const auto* from = static_cast<const std::byte*>(values);
    std::size_t i = 0;
#if defined(__AVX2__)
    const Words other_half = Words{} + (seed ^ 8);
    for (; i + lanes <= count; i += lanes, from += sizeof(Words)) {
        const Words mixed = mix_k1(form(load_le<Words>(from)));
        finish_and_store({__builtin_shufflevector(mixed, mixed, 0, 2, 1, 3) ^ (seed ^ 8), other_half}, &hashes[i]);
    }
#endif
    for (; i < count; ++i, from += 8) hashes[i] = murmur3_word(form(load_le<std::uint64_t>(from)), seed);
}

template <typename Form>
void mix_words(const void* values, std::size_t count, std::uint64_t* mixed, Form form) {
    const auto* from = static_cast<const std::byte*>(values);
    std::size_t i = 0;
    if constexpr (lanes > 1)
        for (; i + lanes <= count; i += lanes, from += sizeof(Words))
            store_le(mixed + i, mix_k1(form(load_le<Words>(from))));
    for (; i < count; ++i, from += 8) mixed[i] = mix_k1(form(load_le<std::uint64_t>(from)));
}

}  // namespace

void murmur3_detail::mix_column(std::span<const std::int64_t> values, std::uint64_t* mixed) {
    mix_words(values.data(), values.size(), mixed, [](auto words) { return words; });
}

void murmur3_detail::mix_column(std::span<const double> values, std::uint64_t* mixed) {
    mix_words(values.data(), values.size(), mixed, [](auto words) { return canonical(words); });
}

Hash128 murmur3(ByteSpan bytes, std::uint64_t seed) {
    Hash128 hash = is_usual(bytes.size()) ? begun_usual(bytes.data(), bytes.size(), seed)
                                          : begun_rare(bytes.data(), bytes.size(), seed);
    finish(hash.h1, hash.h2);
    return hash;
}

void hash_column(std::span<const std::int64_t> values, std::span<Hash128> hashes, std::uint64_t seed) {
    hash_words(values.data(), values.size(), hashes, seed, [](auto words) { return words; });
}

void hash_column(std::span<const double> values, std::span<Hash128> hashes, std::uint64_t seed) {
    hash_words(values.data(), values.size(), hashes, seed, [](auto words) { return canonical(words); });
}

std::size_t hash_column(std::span<const std::string_view> texts, std::span<Hash128> hashes, std::uint64_t seed) {
    WEIR_ASSERT(hashes.size() >= texts.size());
    std::size_t empty = 0;
    Hash128* to = hashes.data();
    for_all(texts, [&](const std::string_view& text) __attribute__((always_inline)) {
        const auto* at = reinterpret_cast<const std::byte*>(text.data());
        Hash128 hash;
        if (is_usual(text.size())) [[likely]] {
            hash = begun_usual(at, text.size(), seed);
        } else if (is_short(text.size())) {
            hash = begun_short(at, text.size(), seed);
        } else {
            hash = begun_rare(at, text.size(), seed);
            empty += text.empty();
        }
        if constexpr (lanes == 1) finish(hash.h1, hash.h2);
        *to++ = hash;
    });
    if constexpr (lanes > 1) finish_column(hashes.first(texts.size()));
    return empty;
}

}  // namespace weir
