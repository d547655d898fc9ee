#include "drivers/digits.h"

#include <cstdio>
#include <cstring>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Digits){};

TEST(Digits, eight_digits_are_read_at_once) {
    for (std::uint32_t number : {0u, 1u, 12345678u, 99999999u, 10000000u, 1000u, 87654321u}) {
        char text[16];
        std::snprintf(text, sizeof text, "%08u", number);
        const std::uint64_t word = digit_word(text);
        UNSIGNED_LONGS_EQUAL(0, digit_stops(word));
        UNSIGNED_LONGS_EQUAL(number, digit_value(word));
    }
}

TEST(Digits, what_is_no_digit_stops) {
    for (int c = 0; c < 256; ++c)
        for (unsigned at = 0; at < 8; ++at) {
            std::string text = "31415926";
            text[at] = static_cast<char>(c);
            const std::uint64_t stops = digit_stops(digit_word(text.data()));
            CHECK((stops == 0) == (c >= '0' && c <= '9'));
            if (stops == 0) continue;
            UNSIGNED_LONGS_EQUAL(8 * at, digit_bits(stops));
            if (at > 0) UNSIGNED_LONGS_EQUAL(std::stoul(text.substr(0, at)), digit_value(digit_word(text.data()), 8 * at));
        }
}

TEST(Digits, behind_a_point_the_next_stop_is_exact) {
    const std::uint64_t stops = digit_stops(digit_word("99.9999,"));
    UNSIGNED_LONGS_EQUAL(16, digit_bits(stops));
    UNSIGNED_LONGS_EQUAL(56, digit_bits(stops & (stops - 1)));
}
