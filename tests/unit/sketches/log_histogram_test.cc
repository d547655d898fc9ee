#include "sketches/log_histogram.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(LogHistogramTest) {};

TEST(LogHistogramTest, memory_is_as_the_contract_says) {
    CHECK_EQUAL(16424, LogHistogram::need({}));
    Owned<LogHistogram> histogram({.sub_bits = 2, .lowest_exponent = 0, .octaves = 3});
    CHECK_EQUAL(32 + 8 * 13, histogram->memory_bytes());
    CHECK(!LogHistogram::valid({.sub_bits = 13}));
    CHECK(!LogHistogram::valid({.octaves = 0}));
    CHECK(!LogHistogram::valid({.lowest_exponent = 1000, .octaves = 24}));
    CHECK(LogHistogram::valid({.sub_bits = 0, .lowest_exponent = -1022, .octaves = 2045}));
}

TEST(LogHistogramTest, every_value_comes_back_within_the_relative_error) {
    for (std::uint8_t bits : {0, 3, 5, 12}) {
        Owned<LogHistogram> histogram({.sub_bits = bits});
        DOUBLES_EQUAL(std::ldexp(1.0, -bits - 1), histogram->relative_error(), 0);
        Random random(bits);
        for (int i = 0; i < 300; ++i) {
            const double value = std::ldexp(1 + random.unit(), static_cast<int>(random.below(64)) - 20);
            histogram->reset();
            histogram->update(value);
            DOUBLES_EQUAL(value, histogram->quantile(0.5), value * histogram->relative_error());
            DOUBLES_EQUAL(1, histogram->rank(value), 0);
        }
    }
}

TEST(LogHistogramTest, values_outside_the_range_go_to_its_ends) {
    Owned<LogHistogram> histogram({.sub_bits = 2, .lowest_exponent = 0, .octaves = 4});
    const double infinity = std::numeric_limits<double>::infinity();
    for (double value : {0.0, -0.0, -5.0, -infinity, std::nan("")}) histogram->update(value);
    DOUBLES_EQUAL(0, histogram->quantile(1), 0);
    for (double value : {1e-300, 0.5}) histogram->update(value);
    for (double value : {16.0, 1e300, infinity}) histogram->update(value);
    CHECK_EQUAL(10, histogram->n());
    DOUBLES_EQUAL(0.5, histogram->rank(0), 0);
    DOUBLES_EQUAL(0.7, histogram->rank(1), 0);
    DOUBLES_EQUAL(0.7, histogram->rank(13.9), 0);
    DOUBLES_EQUAL(1.125, histogram->quantile(0.7), 0);
    DOUBLES_EQUAL(15, histogram->quantile(1), 0);
}

TEST(LogHistogramTest, a_column_of_odd_values_counts_as_they_do) {
    const double infinity = std::numeric_limits<double>::infinity();
    const std::vector<double> values = {0.0, -0.0, -5.0, -infinity, infinity, std::nan(""), -std::nan(""), 1e-310, -1e-310, 1e-300, 0.999, 1.0,
                                        1.1, 15.99, std::nextafter(16.0, 0.0), 16.0, 1e300, std::numeric_limits<double>::max()};
    for (const LogHistogram::Params params : {LogHistogram::Params{.sub_bits = 2, .lowest_exponent = 0, .octaves = 4},
                                              LogHistogram::Params{.sub_bits = 0, .lowest_exponent = -1022, .octaves = 2045}, LogHistogram::Params{}}) {
        Owned<LogHistogram> one(params);
        Owned<LogHistogram> column(params);
        for (double value : values) one->update(value);
        column->update_column(values);
        CHECK(std::memcmp(one.memory().data(), column.memory().data(), one.memory().size()) == 0);
    }
}

TEST(LogHistogramTest, columns_merges_and_subtractions_count_as_their_values) {
    Owned<LogHistogram> whole;
    Owned<LogHistogram> first;
    Owned<LogHistogram> second;
    std::vector<double> values;
    for (int i = 0; i < 2000; ++i) values.push_back(i * i / 7.0);
    whole->update_column(values);
    for (int i = 0; i < 2000; ++i) (i < 500 ? *first : *second).update(values[static_cast<std::size_t>(i)]);
    const std::vector<std::byte> before(first.memory().begin(), first.memory().end());
    CHECK(first->merge(*second).ok());
    CHECK(std::memcmp(first.memory().data(), whole.memory().data(), before.size()) == 0);
    CHECK(first->subtract(*second).ok());
    CHECK(std::memcmp(first.memory().data(), before.data(), before.size()) == 0);
    CHECK(first->subtract(*whole).error() == Error::invalid);
    CHECK(std::memcmp(first.memory().data(), before.data(), before.size()) == 0);
    Owned<LogHistogram> other({.lowest_exponent = -10});
    CHECK(first->merge(*other).error() == Error::wrong_type);
    CHECK(first->subtract(*other).error() == Error::wrong_type);
    first->reset();
    CHECK(first->empty());
}

TEST(LogHistogramTest, copied_bytes_are_the_histogram) {
    Owned<LogHistogram> histogram;
    Owned<LogHistogram> other;
    histogram->update(12);
    std::memcpy(other.memory().data(), histogram.memory().data(), histogram.memory().size());
    LogHistogram* copy = LogHistogram::at(other.memory().data());
    copy->update(1000);
    CHECK_EQUAL(2, copy->n());
    DOUBLES_EQUAL(1000, copy->quantile(0.9), 1000 / 64.0);
}
