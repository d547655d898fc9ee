#include "sketches/portable_math.h"

#include <bit>
#include <cmath>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(PortableMath) {};

TEST(PortableMath, logarithm_agrees_with_libm) {
    Random random(2);
    for (int i = 0; i < 10000; ++i) {
        const double x = 1 + random.unit() * std::ldexp(1.0, static_cast<int>(random.below(60)));
        DOUBLES_EQUAL(std::log(x), portable_log(x), 1e-14 * (1 + std::log(x)));
    }
    for (int i = 1; i < 1000; ++i) DOUBLES_EQUAL(std::log(i / 1000.0), portable_log(i / 1000.0), 1e-14);
    DOUBLES_EQUAL(0, portable_log(1), 0);
}

TEST(PortableMath, exponential_agrees_with_libm) {
    Random random(3);
    for (int i = 0; i < 10000; ++i) {
        const double y = (random.unit() - 0.5) * 128;
        DOUBLES_EQUAL(1, portable_exp(y) / std::exp(y), 1e-13);
    }
}

TEST(PortableMath, power_agrees_with_libm) {
    for (int k = 8; k <= 65535; k += 7) DOUBLES_EQUAL(1, portable_power(k, 0.9723) / std::pow(k, 0.9723), 1e-13);
}

TEST(PortableMath, bits_are_the_same_everywhere) {
    // x86-64; other machines run this test too.
    CHECK_EQUAL(4640280345412626707ULL, std::bit_cast<std::uint64_t>(portable_power(200, 0.9723)));
}
