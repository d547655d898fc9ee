#include "sketches/murmur3.h"

#include <cmath>
#include <limits>
#include <string>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

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
