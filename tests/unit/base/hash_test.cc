#include "agent/base/hash.h"

#include <array>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::uint32_t crc_bit_by_bit(ByteSpan bytes) {
    std::uint32_t crc = ~0u;
    for (const std::byte b : bytes) {
        crc ^= static_cast<std::uint32_t>(b);
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    }
    return ~crc;
}

// SipHash-c-d as the paper writes it, a byte at a time.
std::uint64_t sip_hash(unsigned c, unsigned d, std::uint64_t k0, std::uint64_t k1, ByteSpan in) {
    std::array<std::uint64_t, 4> v = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                                      k1 ^ 0x7465646279746573u};
    const auto rotate = [](std::uint64_t x, int by) { return x << by | x >> (64 - by); };
    const auto rounds = [&](unsigned count) {
        while (count-- > 0) {
            v[0] += v[1];
            v[2] += v[3];
            v[1] = rotate(v[1], 13);
            v[3] = rotate(v[3], 16);
            v[1] ^= v[0];
            v[3] ^= v[2];
            v[0] = rotate(v[0], 32);
            v[2] += v[1];
            v[0] += v[3];
            v[1] = rotate(v[1], 17);
            v[3] = rotate(v[3], 21);
            v[1] ^= v[2];
            v[3] ^= v[0];
            v[2] = rotate(v[2], 32);
        }
    };
    std::vector<unsigned> padded;
    for (const std::byte b : in) padded.push_back(static_cast<unsigned>(b));
    while (padded.size() % 8 != 7) padded.push_back(0);
    padded.push_back(in.size() & 0xFF);
    for (std::size_t at = 0; at < padded.size(); at += 8) {
        std::uint64_t word = 0;
        for (int i = 7; i >= 0; --i) word = word << 8 | padded[at + static_cast<std::size_t>(i)];
        v[3] ^= word;
        rounds(c);
        v[0] ^= word;
    }
    v[2] ^= 0xFF;
    rounds(d);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

}  // namespace

TEST_GROUP(Hash){};

TEST(Hash, crc32c_agrees_with_rfc_3720) {
    std::array<std::byte, 32> bytes{};
    UNSIGNED_LONGS_EQUAL(0x8A9136AA, crc32c(bytes));
    bytes.fill(std::byte{0xFF});
    UNSIGNED_LONGS_EQUAL(0x62A8AB43, crc32c(bytes));
    for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(i);
    UNSIGNED_LONGS_EQUAL(0x46DD794E, crc32c(bytes));
    for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(31 - i);
    UNSIGNED_LONGS_EQUAL(0x113FDB5C, crc32c(bytes));
    UNSIGNED_LONGS_EQUAL(0xE3069283, crc32c(as_byte_span("123456789")));
    UNSIGNED_LONGS_EQUAL(0, crc32c({}));
}

TEST(Hash, crc32c_agrees_with_the_definition_at_every_length_and_alignment) {
    SeededEntropy random(1);
    std::array<std::byte, 300> bytes;
    random.fill(bytes);
    for (Bytes from = 0; from < 9; ++from)
        for (Bytes count = 0; count < 290; ++count) {
            const ByteSpan part = std::span(bytes).subspan(from, count);
            CHECK_EQUAL(crc_bit_by_bit(part), crc32c(part));
        }
}

TEST(Hash, crc32c_continues_from_its_seed) {
    SeededEntropy random(2);
    std::array<std::byte, 100> bytes;
    random.fill(bytes);
    const ByteSpan all = bytes;
    for (Bytes cut = 0; cut <= all.size(); ++cut)
        CHECK_EQUAL(crc32c(all), crc32c(all.subspan(cut), crc32c(all.first(cut))));
}

TEST(Hash, twin_is_siphash) {
    std::array<std::byte, 15> message;
    for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::byte>(i);
    // The vector of the paper's appendix A, for 2-4 and the key 00 01 .. 0f.
    CHECK(sip_hash(2, 4, 0x0706050403020100u, 0x0f0e0d0c0b0a0908u, message) == 0xa129ca6149be45e5u);
}

TEST(Hash, hash64_is_siphash_1_3) {
    SeededEntropy random(3);
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::byte> bytes(random.word() % 300);
        random.fill(bytes);
        const HashKey key{random.word(), random.word()};
        CHECK(hash64(bytes, key) == sip_hash(1, 3, key.k0, key.k1, bytes));
    }
}

namespace {

// The product of two words in 16 pieces of 16 by 16 bits.
std::uint64_t slow_fold(std::uint64_t a, std::uint64_t b) {
    std::uint64_t digits[8] = {};
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) {
            std::uint64_t carry = ((a >> (16 * i)) & 0xFFFF) * ((b >> (16 * j)) & 0xFFFF);
            for (int at = i + j; carry != 0; ++at) {
                carry += digits[at];
                digits[at] = carry & 0xFFFF;
                carry >>= 16;
            }
        }
    std::uint64_t folded = 0;
    for (int i = 0; i < 4; ++i) folded |= (digits[i] ^ digits[i + 4]) << (16 * i);
    return folded;
}

}  // namespace

TEST(Hash, a_folded_product_is_what_16_small_ones_give) {
    std::mt19937_64 random(3);
    for (int i = 0; i < 10'000; ++i) {
        const std::uint64_t a = random() >> (random() % 64);
        const std::uint64_t b = random() >> (random() % 64);
        CHECK(hash_detail::fold(a, b) == slow_fold(a, b));
    }
    CHECK(hash_detail::fold(~std::uint64_t{0}, ~std::uint64_t{0}) == slow_fold(~std::uint64_t{0}, ~std::uint64_t{0}));
}

TEST(Hash, hash_short_tells_texts_apart_by_every_byte_and_their_length) {
    std::mt19937_64 random(4);
    std::set<std::uint64_t> seen;
    std::set<std::string> texts;
    for (std::size_t length = 0; length <= 40; ++length) {
        std::string text(length, 'a');
        for (int round = 0; round < 2; ++round) {
            for (char& c : text) c = static_cast<char>(random());
            seen.insert(hash_short(text));
            texts.insert(text);
            for (std::size_t at = 0; at < length; ++at) {
                std::string other = text;
                other[at] = static_cast<char>(other[at] ^ 1);
                seen.insert(hash_short(other));
                texts.insert(other);
            }
            if (length == 0) break;
        }
        CHECK(hash_short(std::string(length, '\0')) != hash_short(std::string(length + 1, '\0')));
    }
    CHECK_EQUAL(texts.size(), seen.size());
}

TEST(Hash, hash_short_spreads_over_every_bit) {
    int ones[64] = {};
    for (int i = 0; i < 4000; ++i) {
        const std::uint64_t hash = hash_short("s" + std::to_string(i));
        for (int bit = 0; bit < 64; ++bit) ones[bit] += hash >> bit & 1;
    }
    for (const int each : ones) CHECK(each > 1800 && each < 2200);  // six deviations
}
