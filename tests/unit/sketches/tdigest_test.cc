#include "sketches/tdigest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(TDigestTest) {
    static void add(TDigest& sketch, int from, int count) {
        for (int i = 0; i < count; ++i) sketch.update(from + static_cast<int>(i * 7919LL % count));
    }
    static std::vector<std::byte> bytes_of(TDigest& sketch) {
        std::vector<std::byte> bytes(sketch.serialized_size());
        ByteWriter out(bytes);
        CHECK(sketch.serialize(out).ok());
        CHECK_EQUAL(0, out.remaining());
        return bytes;
    }
};

TEST(TDigestTest, quantiles_ascend_between_neighbouring_numbers_too) {
    Random random(3);
    for (int round = 0; round < 200; ++round) {
        double low = 1 + random.unit();
        Owned<TDigest> sketch({.k = 10});
        for (int i = 0; i < 8; ++i) {
            for (int j = 0; j < 200; ++j) sketch->update(low);
            low = std::nextafter(low, 3.0);
        }
        double before = sketch->min();
        for (int i = 0; i <= 500; ++i) {
            const double value = sketch->quantile(i / 500.0);
            CHECK(value >= before);
            before = value;
        }
    }
}

TEST(TDigestTest, memory_is_as_the_contract_says) {
    CHECK_EQUAL(13504, TDigest::need({}));
    CHECK_EQUAL(64 + 32 * 50 + 8 * 16, TDigest::need({.k = 10, .buffer_values = 16}));
    Owned<TDigest> sketch({.k = 20, .buffer_values = 100});
    CHECK_EQUAL(TDigest::need({.k = 20, .buffer_values = 100}), sketch->memory_bytes());
    CHECK(!TDigest::valid({.k = 9}));
    CHECK(!TDigest::valid({.k = 10, .buffer_values = 15}));
}

TEST(TDigestTest, few_values_are_exact) {
    Owned<TDigest> sketch;
    for (int i = 20; i >= 1; --i) sketch->update(i);
    CHECK_EQUAL(20, sketch->centroids());
    DOUBLES_EQUAL(1, sketch->quantile(0), 0);
    DOUBLES_EQUAL(1, sketch->quantile(0.04), 0);
    DOUBLES_EQUAL(11, sketch->quantile(0.5), 0);
    DOUBLES_EQUAL(10, sketch->quantile(0.49), 0);
    DOUBLES_EQUAL(20, sketch->quantile(1), 0);
    DOUBLES_EQUAL(0.475, sketch->rank(10), 1e-15);
    DOUBLES_EQUAL(0.5, sketch->rank(10.5), 1e-15);
    DOUBLES_EQUAL(0, sketch->rank(0.5), 0);
    DOUBLES_EQUAL(1, sketch->rank(20.5), 0);
}

TEST(TDigestTest, one_value_is_every_quantile) {
    Owned<TDigest> sketch;
    sketch->update(-3.5);
    for (double rank : {0.0, 0.3, 0.5, 1.0}) DOUBLES_EQUAL(-3.5, sketch->quantile(rank), 0);
    DOUBLES_EQUAL(0.5, sketch->rank(-3.5), 0);
    CHECK_EQUAL(16, sketch->serialized_size());
}

TEST(TDigestTest, what_is_no_number_is_ignored) {
    Owned<TDigest> sketch;
    for (double value : {std::nan(""), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()})
        sketch->update(value);
    CHECK(sketch->empty());
    CHECK_EQUAL(8, sketch->serialized_size());
}

TEST(TDigestTest, quantiles_and_ranks_of_many_are_close_and_extremes_exact) {
    for (std::uint32_t buffer : {0U, 16U, 2000U}) {
        Owned<TDigest> sketch({.k = 100, .buffer_values = buffer});
        add(*sketch, 0, 100000);
        CHECK_EQUAL(100000, sketch->n());
        DOUBLES_EQUAL(0, sketch->min(), 0);
        DOUBLES_EQUAL(99999, sketch->max(), 0);
        DOUBLES_EQUAL(100, sketch->quantile(0.001), 40);
        DOUBLES_EQUAL(1000, sketch->quantile(0.01), 150);
        DOUBLES_EQUAL(50000, sketch->quantile(0.5), 1000);
        DOUBLES_EQUAL(99900, sketch->quantile(0.999), 40);
        for (double rank : {0.001, 0.01, 0.1, 0.5, 0.9, 0.99}) DOUBLES_EQUAL(rank, sketch->rank(sketch->quantile(rank)), 1e-9);
    }
}

TEST(TDigestTest, huge_equal_and_negative_values_keep_their_order) {
    Owned<TDigest> sketch({.k = 10});
    const double huge = std::numeric_limits<double>::max();
    for (int i = 0; i < 3000; ++i) sketch->update(i % 3 == 0 ? -huge : i % 3 == 1 ? huge : 7);
    double before = -huge;
    for (int i = 0; i <= 100; ++i) {
        const double value = sketch->quantile(i / 100.0);
        CHECK(value >= before && value <= huge);
        before = value;
    }
    DOUBLES_EQUAL(0.5, sketch->rank(7), 0.1);
}

TEST(TDigestTest, columns_count_as_their_values) {
    Owned<TDigest> one;
    Owned<TDigest> column;
    std::vector<double> values;
    for (int i = 0; i < 5000; ++i) values.push_back(i * 31 % 5000);
    for (double value : values) one->update(value);
    column->update_column(values);
    CHECK(bytes_of(*one) == bytes_of(*column));
}

TEST(TDigestTest, merge_counts_both_sides) {
    Owned<TDigest> a;
    Owned<TDigest> b({.k = 50});
    add(*a, 0, 30000);
    add(*b, 30000, 30100);
    CHECK(a->merge(*b).ok());
    CHECK_EQUAL(60100, a->n());
    DOUBLES_EQUAL(60099, a->max(), 0);
    DOUBLES_EQUAL(30000, a->quantile(0.5), 1500);
    Owned<TDigest> nothing;
    const auto before = bytes_of(*a);
    CHECK(a->merge(*nothing).ok());
    CHECK(bytes_of(*a) == before);
    CHECK(nothing->merge(*a).ok());
    CHECK_EQUAL(60100, nothing->n());
}

TEST(TDigestTest, merge_beyond_the_count_changes_nothing) {
    Owned<TDigest> sketch;
    add(*sketch, 0, 10);
    auto bytes = bytes_of(*sketch);
    store_le(&bytes[32 + 8], std::uint64_t{1} << 52);
    CHECK(sketch->load(bytes).ok());
    Owned<TDigest> other;
    CHECK(other->load(bytes).ok());
    CHECK(other->merge(*sketch).error() == Error::full);
    CHECK(bytes_of(*other) == bytes);
    store_le(&bytes[32 + 8], std::uint64_t{1} << 53);
    CHECK(other->load(bytes).error() == Error::out_of_range);
}

TEST(TDigestTest, every_size_reads_back_to_the_same_bytes) {
    for (int n : {0, 1, 2, 100, 840, 841, 100000}) {
        Owned<TDigest> sketch;
        add(*sketch, 0, n);
        const auto bytes = bytes_of(*sketch);
        CHECK(bytes.size() <= TDigest::serialized_size_max({}));
        Owned<TDigest> other(*TDigest::params_of(bytes));
        other->update(5);
        CHECK(other->load(bytes).ok());
        CHECK(bytes_of(*other) == bytes);
        CHECK_EQUAL(sketch->n(), other->n());
        add(*sketch, n, 1000);
        add(*other, n, 1000);
        CHECK(bytes_of(*sketch) == bytes_of(*other));
    }
}

TEST(TDigestTest, values_that_their_writer_did_not_merge_are_read) {
    Owned<TDigest> sketch;
    add(*sketch, 0, 10);
    auto bytes = bytes_of(*sketch);
    store_le(&bytes[12], std::uint32_t{2});
    bytes.resize(bytes.size() + 16);
    store_le(&bytes[bytes.size() - 16], 3.5);
    store_le(&bytes[bytes.size() - 8], 4.5);
    CHECK(sketch->load(bytes).ok());
    CHECK_EQUAL(12, sketch->n());
    DOUBLES_EQUAL(4.5 / 12, sketch->rank(3.5), 1e-15);
}

TEST(TDigestTest, made_up_bytes_are_refused) {
    Owned<TDigest> sketch;
    add(*sketch, 0, 10);
    const auto good = bytes_of(*sketch);
    const auto with = [&](std::size_t at, auto value) {
        auto bytes = good;
        store_le(&bytes[at], value);
        Owned<TDigest> other;
        const Error error = other->load(bytes).error();
        CHECK(other->empty());
        return error;
    };
    CHECK(with(0, std::uint8_t{1}) == Error::invalid);
    CHECK(with(1, std::uint8_t{2}) == Error::unsupported);
    CHECK(with(2, std::uint8_t{15}) == Error::invalid);
    CHECK(with(3, std::uint16_t{9}) == Error::invalid);
    CHECK(with(5, std::uint8_t{1}) == Error::invalid);
    CHECK(with(8, std::uint32_t{11}) == Error::truncated);
    CHECK(with(8, std::uint32_t{9}) == Error::invalid);
    CHECK(with(16, std::nan("")) == Error::invalid);
    CHECK(with(16, 0.5) == Error::invalid);   // the least mean is below
    CHECK(with(24, 8.5) == Error::invalid);   // the last is above
    CHECK(with(32, 1.5) == Error::invalid);   // above the next
    CHECK(with(40, std::uint64_t{0}) == Error::invalid);
    Owned<TDigest> small({.k = 10});
    add(*sketch, 0, 100000);
    CHECK(small->load(bytes_of(*sketch)).error() == Error::out_of_range);
}

TEST(TDigestTest, copied_bytes_are_the_sketch_and_reset_empties) {
    Owned<TDigest> sketch;
    Owned<TDigest> other;
    add(*sketch, 0, 10000);
    std::memcpy(other.memory().data(), sketch.memory().data(), sketch.memory().size());
    TDigest* copy = TDigest::at(other.memory().data());
    add(*sketch, 0, 1000);
    add(*copy, 0, 1000);
    CHECK(bytes_of(*copy) == bytes_of(*sketch));
    copy->reset();
    CHECK(copy->empty());
    Owned<TDigest> fresh;
    add(*fresh, 0, 2000);
    add(*copy, 0, 2000);
    CHECK(bytes_of(*copy) == bytes_of(*fresh));
}

TEST(TDigestTest, too_small_output_is_refused) {
    Owned<TDigest> sketch;
    add(*sketch, 0, 100);
    std::vector<std::byte> bytes(sketch->serialized_size() - 1);
    ByteWriter out(bytes);
    CHECK(sketch->serialize(out).error() == Error::full);
}
