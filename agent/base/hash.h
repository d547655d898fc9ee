// The hashes that Weir keeps its own data by. (The sketches' hash is sketches/murmur3.h: it belongs
// to their formats.)
// Memory: none beyond 8 KiB of constant tables. Cost: crc32c about 8 bytes a 3 cycles in software and
// hardware speed where the CPU has it; hash64 about 25 ns for a short key, hash_short 5.
// Threads: pure functions. Errors: none. The same bytes give the same hash on every machine.
// Source: CRC-32C: RFC 3720 appendix B.4. SipHash: Aumasson and Bernstein, 2012 (here 1-3: one
// compression round, three finalisation rounds). Folded products: Wang Yi, wyhash.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"

namespace weir {

// Continues from seed, so that crc32c(b, crc32c(a)) is the checksum of a followed by b.
std::uint32_t crc32c(ByteSpan bytes, std::uint32_t seed = 0);

struct HashKey {
    std::uint64_t k0 = 0x5765697220666c6fULL;
    std::uint64_t k1 = 0x77732077656c6c2eULL;
};

// SipHash-1-3: keyed, so that senders cannot choose colliding keys.
std::uint64_t hash64(ByteSpan bytes, HashKey key = {});

namespace hash_detail {

// High and low half of the product, folded into one another.
constexpr std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
#ifdef __SIZEOF_INT128__
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
    const std::uint64_t low = (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF);
    const std::uint64_t middle = (a >> 32) * (b & 0xFFFFFFFF) + (low >> 32);
    const std::uint64_t other = (a & 0xFFFFFFFF) * (b >> 32) + (middle & 0xFFFFFFFF);
    return (other << 32 | (low & 0xFFFFFFFF)) ^ ((a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32));
#endif
}

}  // namespace hash_detail

// For short keys, in a fifth of hash64's time. Not keyed: whoever knows it can make texts that collide, so what it
// finds has to be compared.
inline std::uint64_t hash_short(std::string_view text) {
    constexpr std::uint64_t secret[] = {0x9e3779b97f4a7c15ULL, 0xd6e8feb86659fd93ULL, 0xa0761d6478bd642fULL};  // odd, half of the bits set
    const auto* at = reinterpret_cast<const std::byte*>(text.data());
    std::size_t left = text.size();
    std::uint64_t hash = secret[0];
    for (; left > 16; left -= 16, at += 16)
        hash = hash_detail::fold(load_le<std::uint64_t>(at) ^ secret[1], load_le<std::uint64_t>(at + 8) ^ hash);
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    if (left >= 8) {
        first = load_le<std::uint64_t>(at);
        last = load_le<std::uint64_t>(at + left - 8);
    } else if (left >= 4) {
        first = load_le<std::uint32_t>(at);
        last = load_le<std::uint32_t>(at + left - 4);
    } else if (left > 0) {
        const auto byte = [at](std::size_t i) { return std::to_integer<std::uint64_t>(at[i]); };
        first = byte(0) << 16 | byte(left / 2) << 8 | byte(left - 1);
    }
    return hash_detail::fold(secret[2] ^ text.size(), hash_detail::fold(first ^ secret[1], last ^ hash));
}

}  // namespace weir
