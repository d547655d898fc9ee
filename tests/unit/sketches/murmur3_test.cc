#include "sketches/murmur3.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

// The definition, byte by byte.
Hash128 slow_murmur3(ByteSpan bytes, std::uint64_t seed) {
    const auto rotated = [](std::uint64_t x, int by) { return x << by | x >> (64 - by); };
    const auto mixed = [](std::uint64_t k) {
        k = (k ^ k >> 33) * 0xFF51AFD7ED558CCD;
        k = (k ^ k >> 33) * 0xC4CEB9FE1A85EC53;
        return k ^ k >> 33;
    };
    constexpr std::uint64_t c1 = 0x87C37B91114253D5;
    constexpr std::uint64_t c2 = 0x4CF5AD432745937F;
    std::uint64_t h1 = seed;
    std::uint64_t h2 = seed;
    for (std::size_t at = 0; at < bytes.size(); at += 16) {
        std::uint64_t k[2] = {0, 0};
        const std::size_t count = std::min<std::size_t>(16, bytes.size() - at);
        for (std::size_t i = 0; i < count; ++i) k[i / 8] |= std::to_integer<std::uint64_t>(bytes[at + i]) << (i % 8 * 8);
        h1 ^= rotated(k[0] * c1, 31) * c2;
        if (count == 16) h1 = (rotated(h1, 27) + h2) * 5 + 0x52DCE729;
        h2 ^= rotated(k[1] * c2, 33) * c1;
        if (count == 16) h2 = (rotated(h2, 31) + h1) * 5 + 0x38495AB5;
    }
    h1 ^= bytes.size();
    h2 ^= bytes.size();
    h1 += h2;
    h2 += h1;
    h1 = mixed(h1);
    h2 = mixed(h2);
    h1 += h2;
    return {h1, h2 + h1};
}

std::string random_text(Random& random, std::size_t length) {
    std::string text(length, ' ');
    for (char& c : text) c = static_cast<char>(random.next());
    return text;
}

}  // namespace

TEST_GROUP(Murmur3) {};

TEST(Murmur3, agrees_with_the_values_in_the_format_text) {
    CHECK((hash_integer(0) == Hash128{0x40890191dcc2d7cb, 0x9a7acdbe1b80efb2}));
    CHECK((hash_integer(1) == Hash128{0x0b430d7b96fbf22b, 0xe8ea0960d4246765}));
    CHECK((hash_real(0.5) == Hash128{0xea3dcf1fc3001c73, 0x04737fcc8784bdeb}));
    CHECK((hash_text("vid-0") == Hash128{0x2fb7b827edda93e2, 0x0a7478c814bd09d3}));
    CHECK((hash_text("vid-00000001-abcdefghij") == Hash128{0x5df16675f168ae9c, 0x05234f785c42c071}));
}

TEST(Murmur3, seed_hashes_are_the_known_ones) {
    CHECK_EQUAL(0x93CC, murmur3_word(9001, 0).h1 & 0xFFFF);
    CHECK_EQUAL(0x2997, murmur3_word(12345, 0).h1 & 0xFFFF);
    CHECK_EQUAL(0xC44A, murmur3_word(1, 0).h1 & 0xFFFF);
}

TEST(Murmur3, special_form_for_8_bytes_equals_the_general_one) {
    Random random(1);
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t word = random.next();
        const std::uint64_t seed = random.next();
        CHECK(murmur3_word(word, seed) == murmur3(std::as_bytes(std::span(&word, 1)), seed));
    }
}

TEST(Murmur3, every_length_of_tail_counts_every_byte) {
    for (std::size_t length = 1; length <= 48; ++length) {
        std::string text(length, 'a');
        const Hash128 before = hash_text(text);
        for (std::size_t at = 0; at < length; ++at) {
            text[at] = 'b';
            CHECK(hash_text(text) != before);
            text[at] = 'a';
        }
    }
}

TEST(Murmur3, zeros_and_nans_have_one_form) {
    CHECK(hash_real(-0.0) == hash_real(0.0));
    CHECK(hash_real(0.0) == hash_integer(0));
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(hash_real(nan) == hash_real(-nan));
    CHECK_EQUAL(0x7FF8000000000000ULL, canonical_bits(-nan));
}

TEST(Murmur3, a_real_is_another_item_than_the_integer) { CHECK(hash_real(1.0) != hash_integer(1)); }

TEST(Murmur3, every_length_agrees_with_the_definition) {
    Random random(7);
    for (std::size_t length = 0; length <= 100; ++length)
        for (int round = 0; round < 5; ++round) {
            const std::string text = random_text(random, length);
            const std::vector<std::byte> bytes(as_byte_span(text).begin(), as_byte_span(text).end());  // exactly so long, for the sanitizer
            const std::uint64_t seed = random.next();
            CHECK(murmur3(bytes, seed) == slow_murmur3(bytes, seed));
        }
}

TEST(Murmur3, columns_have_the_hashes_of_their_items) {
    Random random(8);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double special[] = {0.0, -0.0, nan, -nan, 1.0, std::numeric_limits<double>::infinity(), 5e-324};
    for (std::size_t length = 0; length <= 40; ++length) {
        std::vector<std::int64_t> integers;
        std::vector<double> reals;
        std::vector<std::string> texts;
        std::size_t empty = 0;
        for (std::size_t i = 0; i < length; ++i) {
            integers.push_back(static_cast<std::int64_t>(random.next()));
            reals.push_back(random.below(2) ? special[random.below(7)] : random.unit());
            texts.push_back(random_text(random, random.below(3) ? 9 + random.below(7) : random.below(40)));
            empty += texts.back().empty();
        }
        const std::vector<std::string_view> views(texts.begin(), texts.end());
        const std::uint64_t seed = length % 2 ? hash_seed_default : random.next();
        std::vector<Hash128> hashes(length);
        hash_column(integers, hashes, seed);
        for (std::size_t i = 0; i < length; ++i) CHECK(hashes[i] == hash_integer(integers[i], seed));
        hash_column(reals, hashes, seed);
        for (std::size_t i = 0; i < length; ++i) CHECK(hashes[i] == hash_real(reals[i], seed));
        CHECK_EQUAL(empty, hash_column(views, hashes, seed));
        for (std::size_t i = 0; i < length; ++i) CHECK(hashes[i] == slow_murmur3(as_byte_span(texts[i]), seed));
    }
}

TEST(Murmur3, blocks_stop_where_an_item_is_not_taken) {
    std::vector<std::string> names(700);
    for (std::size_t i = 0; i < names.size(); ++i)
        if (i % 3 != 0) names[i] = std::to_string(i);
    const std::vector<std::string_view> texts(names.begin(), names.end());
    for (std::size_t limit : {0, 1, 255, 256, 257, 300, 466, 1000}) {
        std::size_t left = limit;
        std::size_t expected = 0;
        for (std::size_t room = limit; expected < texts.size(); ++expected)
            if (!texts[expected].empty() && room-- == 0) break;
        const std::size_t taken =
            in_hashed_blocks(std::span<const std::string_view>(texts), hash_seed_default, [&](std::span<const Hash128> hashes) {
                const std::size_t some = std::min(left, hashes.size());
                left -= some;
                return some;
            });
        CHECK_EQUAL(expected, taken);
    }
}
