#include "drivers/numbers.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// strtod rounds correctly in glibc: the slow twin.
void check_against_strtod(const std::string& text) {
    const Number number = parse_number(text);
    const double expected = std::strtod(text.c_str(), nullptr);
    if (std::isinf(expected)) {
        CHECK(number.kind == Number::Kind::beyond);
        return;
    }
    CHECK(number.kind == Number::Kind::integer || number.kind == Number::Kind::real);
    if (!same_bits(expected, number.real)) FAIL(text.c_str());
}

}  // namespace

TEST_GROUP(Numbers){};

TEST(Numbers, integers_keep_every_digit) {
    LONGLONGS_EQUAL(std::numeric_limits<std::int64_t>::max(), parse_number("9223372036854775807").integer);
    LONGLONGS_EQUAL(std::numeric_limits<std::int64_t>::min(), parse_number("-9223372036854775808").integer);
    CHECK(parse_number("9223372036854775807").kind == Number::Kind::integer);
    CHECK(parse_number("9223372036854775808").kind == Number::Kind::real);
    CHECK(parse_number("-9223372036854775809").kind == Number::Kind::real);
    CHECK(parse_number("100000000000000000000").kind == Number::Kind::real);
    CHECK(parse_number("1.0").kind == Number::Kind::real);
    CHECK(std::signbit(parse_number("-0").real));
}

TEST(Numbers, only_the_grammar_of_json_is_a_number) {
    for (const char* bad : {"", "-", "+1", "01", "-01", ".5", "5.", "1e", "1e+", "1e5.", "0x1", "1 ", " 1", "nan", "inf", "Infinity", "1_000", "--1", "1,5"})
        CHECK(parse_number(bad).kind == Number::Kind::none);
}

TEST(Numbers, the_ends_of_double) {
    for (const char* text : {"1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1e309", "-1e400", "4.9e-324", "2.4703282292062327e-324",
                             "2.4703282292062328e-324", "2.2250738585072011e-308", "2.2250738585072014e-308", "1e-400", "0e999999999999", "-0.0",
                             "9007199254740993", "9007199254740993.0", "9007199254740992.9999999999999999999", "1e22", "1e23", "123456789012345678901234567890",
                             "0.000000000000000000000000000000000001e36", "179769313486231580793e289"})
        check_against_strtod(text);
}

TEST(Numbers, a_million_digits_are_read_in_one_pass) {
    check_against_strtod("0." + std::string(200000, '0') + "123e200000");
    check_against_strtod("1" + std::string(200000, '0') + "e-200000");
    check_against_strtod(std::string(400, '9'));
}

TEST(Numbers, agrees_with_strtod_on_random_numbers) {
    SeededEntropy random(11);
    for (int i = 0; i < 100000; ++i) {
        char text[80];
        const std::uint64_t bits = random.word();
        double value;
        std::memcpy(&value, &bits, sizeof value);
        switch (i % 4) {
            case 0: if (!std::isfinite(value)) continue; std::snprintf(text, sizeof text, "%.17g", value); break;
            case 1: std::snprintf(text, sizeof text, "%.*f", static_cast<int>(bits % 8), static_cast<double>(bits % 100000000) / 1000); break;
            case 2: std::snprintf(text, sizeof text, "%llue%d", static_cast<unsigned long long>(bits), static_cast<int>(bits % 700) - 350); break;
            default: std::snprintf(text, sizeof text, "%lld.%llu", static_cast<long long>(bits), static_cast<unsigned long long>(random.word())); break;
        }
        std::string clean(text);
        if (const std::size_t plus = clean.find("e+"); plus != std::string::npos) clean.erase(plus + 1, 1);
        if (const std::size_t zero = clean.find("e0"); zero != std::string::npos && clean.size() > zero + 2) clean.erase(zero + 1, 1);
        check_against_strtod(clean);
    }
}
