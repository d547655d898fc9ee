#include "agent/base/hash.h"

#include <array>
#include <bit>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace weir {
namespace {

constexpr std::uint32_t crc_polynomial = 0x82F63B78;  // Castagnoli, bit-reversed

using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_crc_tables() {
    CrcTables tables{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? crc_polynomial : 0);
        tables[0][i] = crc;
    }
    for (std::size_t slice = 1; slice < 8; ++slice)
        for (std::size_t i = 0; i < 256; ++i) {
            const std::uint32_t before = tables[slice - 1][i];
            tables[slice][i] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    return tables;
}

constexpr CrcTables crc_tables = make_crc_tables();

// Slicing by eight: one table look-up a byte, eight of them independent of each other.
std::uint32_t crc32c_software(const std::byte* at, Bytes count, std::uint32_t crc) {
    for (; count >= 8; count -= 8, at += 8) {
        const std::uint64_t word = load_le<std::uint64_t>(at) ^ crc;
        crc = 0;
        for (std::size_t i = 0; i < 8; ++i) crc ^= crc_tables[7 - i][(word >> (8 * i)) & 0xFF];
    }
    for (; count > 0; --count, ++at)
        crc = (crc >> 8) ^ crc_tables[0][(crc ^ static_cast<std::uint32_t>(*at)) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
[[gnu::target("sse4.2")]] std::uint32_t crc32c_hardware(const std::byte* at, Bytes count, std::uint32_t crc) {
    std::uint64_t wide = crc;
    for (; count >= 8; count -= 8, at += 8) wide = _mm_crc32_u64(wide, load_le<std::uint64_t>(at));
    crc = static_cast<std::uint32_t>(wide);
    for (; count > 0; --count, ++at) crc = _mm_crc32_u8(crc, static_cast<std::uint8_t>(*at));
    return crc;
}
#elif defined(__ARM_FEATURE_CRC32)
std::uint32_t crc32c_hardware(const std::byte* at, Bytes count, std::uint32_t crc) {
    for (; count >= 8; count -= 8, at += 8) crc = __crc32cd(crc, load_le<std::uint64_t>(at));
    for (; count > 0; --count, ++at) crc = __crc32cb(crc, static_cast<std::uint8_t>(*at));
    return crc;
}
#endif

struct SipState {
    std::uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }
    void absorb(std::uint64_t word) {
        v3 ^= word;
        round();
        v0 ^= word;
    }
};

// The bytes beyond the last whole word, without a loop over them: by words that overlap.
std::uint64_t tail(ByteSpan bytes) {
    const Bytes count = bytes.size() % 8;
    const std::byte* const end = bytes.data() + bytes.size();
    if (count == 0) return 0;
    if (bytes.size() >= 8) return load_le<std::uint64_t>(end - 8) >> (64 - 8 * count);
    if (count >= 4) {
        const std::uint64_t high = load_le<std::uint32_t>(end - 4);
        return load_le<std::uint32_t>(bytes.data()) | high << (8 * count - 32);
    }
    const auto byte = [&](Bytes at) { return std::to_integer<std::uint64_t>(bytes[at]) << (8 * at); };
    return byte(0) | byte(count / 2) | byte(count - 1);
}

}  // namespace

std::uint32_t crc32c(ByteSpan bytes, std::uint32_t seed) {
    const std::uint32_t crc = ~seed;
#if defined(__x86_64__)
    static const bool hardware = __builtin_cpu_supports("sse4.2");
    if (hardware) return ~crc32c_hardware(bytes.data(), bytes.size(), crc);
    return ~crc32c_software(bytes.data(), bytes.size(), crc);
#elif defined(__ARM_FEATURE_CRC32)
    return ~crc32c_hardware(bytes.data(), bytes.size(), crc);
#else
    return ~crc32c_software(bytes.data(), bytes.size(), crc);
#endif
}

std::uint64_t hash64(ByteSpan bytes, HashKey key) {
    SipState state{key.k0 ^ 0x736f6d6570736575ULL, key.k1 ^ 0x646f72616e646f6dULL,
                   key.k0 ^ 0x6c7967656e657261ULL, key.k1 ^ 0x7465646279746573ULL};
    const Bytes whole = bytes.size() / 8 * 8;
    for (Bytes at = 0; at < whole; at += 8) state.absorb(load_le<std::uint64_t>(bytes.data() + at));

    state.absorb(static_cast<std::uint64_t>(bytes.size()) << 56 | tail(bytes));

    state.v2 ^= 0xFF;
    state.round();
    state.round();
    state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace weir
