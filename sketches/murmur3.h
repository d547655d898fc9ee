// MurmurHash3 x64 128, and the canonical forms of items before they are hashed: the hash is part of
// the sketches' formats, so every key that sketches shall share has to pass through here.
// Memory: none. Cost: about 35 instructions for an 8-byte key, 50 for text of up to 15 bytes, and 20 for
// each 16 bytes more; of columns, compiled for AVX2, 20 and 40.
// Threads: pure functions. Errors: none; not keyed, so a sender can choose colliding keys.
// Source: Austin Appleby, MurmurHash3 (public domain); forms: DataSketches, as in README.md.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "agent/base/bytes.h"
#include "sketches/murmur3_detail.h"

namespace weir {

struct Hash128 {
    std::uint64_t h1 = 0;
    std::uint64_t h2 = 0;

    bool operator==(const Hash128&) const = default;
};

inline constexpr std::uint64_t hash_seed_default = 9001;

// Any bytes, any length.
Hash128 murmur3(ByteSpan bytes, std::uint64_t seed = hash_seed_default);

// The same for exactly 8 bytes, given as a little-endian word.
constexpr Hash128 murmur3_word(std::uint64_t word, std::uint64_t seed = hash_seed_default) {
    Hash128 hash{seed ^ murmur3_detail::mix_k1(word) ^ 8, seed ^ 8};
    murmur3_detail::finish(hash.h1, hash.h2);
    return hash;
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

// One name for what an item hashes as, for all that sketches take. A narrow integer extends its sign,
// even an unsigned one, as in the reference.
template <std::integral T>
constexpr Hash128 hash_item(T value, std::uint64_t seed = hash_seed_default) {
    if constexpr (std::same_as<T, bool>)
        return hash_integer(value, seed);
    else
        return hash_integer(static_cast<std::make_signed_t<T>>(value), seed);
}
constexpr Hash128 hash_item(double value, std::uint64_t seed = hash_seed_default) { return hash_real(value, seed); }
inline Hash128 hash_item(std::string_view text, std::uint64_t seed = hash_seed_default) {
    return hash_text(text, seed);
}

// Whether HLL, Theta and Count-Min ignore the item.
template <typename Item>
constexpr bool is_ignored(const Item& item) {
    if constexpr (std::is_convertible_v<const Item&, std::string_view>)
        return std::string_view(item).empty();
    else
        return false;
}

// Hashes of a column, once for all the sketches that take Hash128. Gives the number of empty texts:
// they are hashed too, for frequent items, but must not reach HLL, Theta and Count-Min.
// REQUIRES: hashes has as many places as there are items, or more.
void hash_column(std::span<const std::int64_t> values, std::span<Hash128> hashes,
                 std::uint64_t seed = hash_seed_default);
void hash_column(std::span<const double> values, std::span<Hash128> hashes,
                 std::uint64_t seed = hash_seed_default);
std::size_t hash_column(std::span<const std::string_view> texts, std::span<Hash128> hashes,
                        std::uint64_t seed = hash_seed_default);

// Hands a column over in blocks of hashes. take(span of hashes) says how many it took from the front;
// fewer than all end it. Gives the number of items taken; an ignored item is taken.
template <typename Item, typename Take>
std::size_t in_hashed_blocks(std::span<const Item> items, std::uint64_t seed, Take take) {
    std::array<Hash128, 256> block;  // 4 KiB of stack
    std::size_t taken = 0;
    while (taken < items.size()) {
        const auto some = items.subspan(taken, std::min(block.size(), items.size() - taken));
        if constexpr (std::same_as<Item, std::string_view>) {
            if (hash_column(some, block, seed) != 0) {
                for (std::size_t i = 0; i < some.size(); ++i, ++taken)
                    if (!some[i].empty() && take(std::span<const Hash128>(&block[i], 1)) == 0) return taken;
                continue;
            }
        } else {
            hash_column(some, block, seed);
        }
        const std::size_t count = take(std::span<const Hash128>(block.data(), some.size()));
        taken += count;
        if (count < some.size()) break;
    }
    return taken;
}

}  // namespace weir
