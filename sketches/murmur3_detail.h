// MurmurHash3's steps, for one word or for several at once; for the sources here, not for users.
// Memory: none. Cost: inline. Threads: pure functions. Errors: none. Source: murmur3.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weir::murmur3_detail {

// Words that are hashed side by side. AVX2 has no 64-bit multiplication, yet its three 32-bit ones
// and all the shifts for four words take half the instructions of four times one word. SSE2 and NEON
// gain nothing: one word there.
#if defined(__AVX2__)
using Words = std::uint64_t __attribute__((vector_size(32)));
#else
using Words = std::uint64_t;
#endif
inline constexpr std::size_t lanes = sizeof(Words) / sizeof(std::uint64_t);

inline constexpr std::uint64_t c1 = 0x87C37B91114253D5ULL;
inline constexpr std::uint64_t c2 = 0x4CF5AD432745937FULL;

template <typename W>
constexpr W rotated(W word, int by) {
    return word << by | word >> (64 - by);
}
template <typename W>
constexpr W mix_k1(W k1) {
    return rotated(k1 * c1, 31) * c2;
}
template <typename W>
constexpr W mix_k2(W k2) {
    return rotated(k2 * c2, 33) * c1;
}

template <typename W>
constexpr W avalanche(W k) {
    k ^= k >> 33;
    k *= 0xFF51AFD7ED558CCDULL;
    k ^= k >> 33;
    k *= 0xC4CEB9FE1A85EC53ULL;
    return k ^ (k >> 33);
}

// What follows the last byte. The length is in both halves already.
template <typename W>
constexpr void finish(W& h1, W& h2) {
    h1 += h2;
    h2 += h1;
    h1 = avalanche(h1);
    h2 = avalanche(h2);
    h1 += h2;
    h2 += h1;
}

// The first half of the hash of 8 bytes, from mix_k1 of them: rows of Count-Min share that.
template <typename W>
constexpr W half_of_word(W mixed, std::uint64_t seed) {
    W h1 = mixed ^ (seed ^ 8);
    W h2 = h1 + (seed ^ 8);
    const W sum = h2 + (seed ^ 8);
    h1 = avalanche(h2);
    h2 = avalanche(sum);
    return h1 + h2;
}

// mix_k1 of what is hashed of each value. REQUIRES: mixed has values.size() places.
void mix_column(std::span<const std::int64_t> values, std::uint64_t* mixed);
void mix_column(std::span<const double> values, std::uint64_t* mixed);

// each(item) for all of a column. Four at a time, for the loop's own three instructions count where an
// item takes ten. each is to be always_inline.
template <typename Items, typename Each>
[[gnu::always_inline]] inline void for_all(const Items& items, Each each) {
    const auto* item = items.data();
    const auto* const end = item + items.size();
    for (; end - item >= 4; item += 4) {
        each(item[0]);
        each(item[1]);
        each(item[2]);
        each(item[3]);
    }
    for (; item != end; ++item) each(*item);
}

}  // namespace weir::murmur3_detail
