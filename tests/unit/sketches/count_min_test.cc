#include "sketches/count_min.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

using Integers = CountMinIntegers;
using Reals = CountMinReals;

namespace {

template <typename Sketch>
void add(Sketch& sketch, std::uint64_t from, std::uint64_t count) {
    for (std::uint64_t i = from; i < from + count; ++i) sketch.update(skewed_item(i));
}

constexpr Integers::Params local{.hashes = 4, .buckets = 2048, .mode = CountMinMode::local};

}  // namespace

TEST_GROUP(CountMinTest) {};

TEST(CountMinTest, memory_is_as_the_contract_says) {
    CHECK_EQUAL(32 + 8 * 4 * 2049, Integers::need({}));
    Owned<Reals> sketch({.hashes = 3, .buckets = 7});
    CHECK_EQUAL(Reals::need({.hashes = 3, .buckets = 7}), sketch->memory_bytes());
    CHECK(!Integers::valid({.hashes = 0}));
    CHECK(!Integers::valid({.buckets = 2}));
    CHECK(!Integers::valid({.hashes = 255, .buckets = 1 << 26}));
}

TEST(CountMinTest, estimates_are_those_of_the_reference) {
    Owned<Integers> sketch;
    add(*sketch, 0, 10000);
    const std::uint64_t figures[] = {2502, 1250, 625, 314, 158, 78, 40, 21, 11, 7};
    for (int i = 0; i < 10; ++i) CHECK_EQUAL(figures[i], sketch->estimate(i));
    DOUBLES_EQUAL(13.272860490522681, sketch->error_bound(), 1e-9);
    CHECK_EQUAL(10000, sketch->total_weight());
}

TEST(CountMinTest, weights_add_up_and_useless_ones_are_ignored) {
    Owned<Reals> sketch;
    sketch->update("a", 1.5);
    sketch->update("a", 2);
    for (double weight : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) sketch->update("a", weight);
    sketch->update("", 4);
    DOUBLES_EQUAL(3.5, sketch->estimate("a"), 0);
    DOUBLES_EQUAL(3.5, sketch->total_weight(), 0);
    DOUBLES_EQUAL(0, sketch->estimate(""), 0);
    DOUBLES_EQUAL(0, sketch->estimate("b"), 0);
}

TEST(CountMinTest, integers_reals_and_texts_are_different_items) {
    for (CountMinMode mode : {CountMinMode::compatible, CountMinMode::local}) {
        Owned<Integers> sketch({.mode = mode});
        sketch->update(1, 10);
        sketch->update(true, 10);
        sketch->update(1.0, 100);
        sketch->update("1", 1000);
        sketch->update(-0.0, 5);
        CHECK_EQUAL(20, sketch->estimate(1U));
        CHECK_EQUAL(100, sketch->estimate(1.0));
        CHECK_EQUAL(1000, sketch->estimate("1"));
        CHECK_EQUAL(5, sketch->estimate(0.0));
    }
}

TEST(CountMinTest, columns_count_as_their_values) {
    for (CountMinMode mode : {CountMinMode::compatible, CountMinMode::local})
        for (std::uint32_t buckets : {64U, 100U}) {
            const Integers::Params params{.hashes = 3, .buckets = buckets, .mode = mode};
            Owned<Integers> one(params);
            Owned<Integers> column(params);
            std::vector<std::int64_t> integers;
            std::vector<double> reals;
            std::vector<std::string> texts;
            for (int i = 0; i < 300; ++i) {
                integers.push_back(i % 17 - 5);
                reals.push_back(i % 13 / 4.0);
                texts.push_back(std::to_string(i % 5));
            }
            const std::vector<std::string_view> views(texts.begin(), texts.end());
            for (auto value : integers) one->update(value);
            for (auto value : reals) one->update(value);
            for (auto value : views) one->update(value);
            column->update_column(integers);
            column->update_column(reals);
            column->update_column(views);
            CHECK(std::memcmp(one.memory().data(), column.memory().data(), one.memory().size()) == 0);
        }
}

TEST(CountMinTest, columns_of_any_length_and_number_of_buckets_count_as_their_values) {
    std::vector<std::int64_t> integers;
    for (int i = 0; i < 600; ++i) integers.push_back(i * 1000003);
    for (std::uint32_t buckets : {3U, 4U, 7U, 100U, 641U, 1023U, 1024U, 999983U}) {
        const Reals::Params params{.hashes = 2, .buckets = buckets};
        Owned<Reals> one(params);
        Owned<Reals> column(params);
        for (std::size_t length : {0, 1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 600}) {
            const auto some = std::span<const std::int64_t>(integers).first(length);
            for (std::int64_t value : some) one->update(value);
            column->update_column(some);
            CHECK(std::memcmp(one.memory().data(), column.memory().data(), one.memory().size()) == 0);
        }
    }
}

TEST(CountMinTest, a_column_stops_where_the_total_is_full) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    const std::vector<std::int64_t> values = {1, 2, 3, 4, 5};
    const std::vector<Hash128> hashes = {hash_integer(1), hash_integer(2), hash_integer(3)};
    Owned<Integers> sketch;
    sketch->update(1, most - 2);
    sketch->update_column(values);
    CHECK(sketch->total_weight() == most);
    CHECK_EQUAL(1, sketch->estimate(2));
    CHECK_EQUAL(0, sketch->estimate(3));
    Owned<Integers> hashed(local);
    hashed->update(1, most - 2);
    hashed->update_column(hashes);
    CHECK(hashed->total_weight() == most);
    CHECK_EQUAL(0, hashed->estimate(3));
}

TEST(CountMinTest, local_takes_hashes_that_others_share) {
    Owned<Integers> one(local);
    Owned<Integers> hashed(local);
    std::vector<Hash128> hashes;
    for (int i = 0; i < 500; ++i) {
        one->update(i % 20);
        hashes.push_back(hash_integer(i % 20));
    }
    hashed->update_column(std::span<const Hash128>(hashes).first(250));
    for (std::size_t i = 250; i < 500; ++i) hashed->update(hashes[i]);
    CHECK(std::memcmp(one.memory().data(), hashed.memory().data(), one.memory().size()) == 0);
}

TEST(CountMinTest, local_refuses_to_pose_as_the_other) {
    Owned<Integers> sketch(local);
    add(*sketch, 0, 100);
    CHECK_EQUAL(0, sketch->serialized_size());
    std::vector<std::byte> bytes(100000);
    ByteWriter out(bytes);
    CHECK(sketch->serialize(out).error() == Error::unsupported);
    CHECK_EQUAL(0, out.size());
    Owned<Integers> compatible;
    add(*compatible, 0, 100);
    CHECK(sketch->merge(*compatible).error() == Error::wrong_type);
    CHECK(compatible->merge(*sketch).error() == Error::wrong_type);
    CHECK_EQUAL(100, compatible->total_weight());
    CHECK(sketch->load(bytes_of(*compatible)).error() == Error::unsupported);
}

TEST(CountMinTest, merged_and_subtracted_is_as_before) {
    Owned<Integers> whole;
    Owned<Integers> first;
    Owned<Integers> second;
    add(*whole, 0, 9000);
    add(*first, 0, 4000);
    add(*second, 4000, 5000);
    const auto before = bytes_of(*first);
    CHECK(first->merge(*second).ok());
    CHECK(bytes_of(*first) == bytes_of(*whole));
    CHECK(first->subtract(*second).ok());
    CHECK(bytes_of(*first) == before);
    CHECK(first->subtract(*whole).error() == Error::invalid);
    second->update(123456);
    CHECK(whole->subtract(*second).error() == Error::invalid);
    CHECK_EQUAL(9000, whole->total_weight());
    Owned<Integers> other({.seed = 12345});
    CHECK(whole->merge(*other).error() == Error::wrong_type);
}

TEST(CountMinTest, row_seeds_are_those_of_the_reference) {
    Owned<Integers> sketch({.hashes = 6, .buckets = 1 << 16});
    Owned<Integers> other({.hashes = 4, .buckets = 1 << 16, .seed = 12345});
    sketch->update(7);
    other->update(7);
    const auto row_of = [](Integers& from, std::size_t row) {
        const auto bytes = bytes_of(from);
        for (std::size_t i = 0; i < (1 << 16); ++i)
            if (load_le<std::uint64_t>(&bytes[24 + 8 * ((row << 16) + i)]) != 0) return i;
        return std::size_t{0};
    };
    const std::uint64_t seeds[] = {4480857443237086988U, 6631161516192699342U, 11350819014790094519U,
                                   4160660749069251172U, 10069924727803572716U, 5184791504480112213U};
    const std::uint64_t others[] = {3846121357080122618U, 53245847795123723U, 16532570326501192286U, 15371425599737335699U};
    for (std::size_t row = 0; row < 6; ++row) CHECK_EQUAL(hash_integer(7, seeds[row]).h1 & 0xFFFF, row_of(*sketch, row));
    for (std::size_t row = 0; row < 4; ++row) CHECK_EQUAL(hash_integer(7, others[row]).h1 & 0xFFFF, row_of(*other, row));
}

TEST(CountMinTest, every_size_reads_back_to_the_same_bytes) {
    for (std::uint64_t n : {0, 1, 5000}) {
        Owned<Integers> sketch({.hashes = 5, .buckets = 31});
        add(*sketch, 0, n);
        const auto bytes = bytes_of(*sketch);
        CHECK(bytes.size() <= Integers::serialized_size_max({.hashes = 5, .buckets = 31}));
        Owned<Integers> other(*Integers::params_of(bytes));
        other->update(99);
        CHECK(other->load(bytes).ok());
        CHECK(bytes_of(*other) == bytes);
    }
}

TEST(CountMinTest, made_up_bytes_are_refused) {
    Owned<Integers> sketch({.hashes = 2, .buckets = 5});
    add(*sketch, 0, 50);
    const auto good = bytes_of(*sketch);
    const auto with = [&](std::size_t at, int value) {
        auto bytes = good;
        bytes[at] = static_cast<std::byte>(value);
        Owned<Integers> other({.hashes = 2, .buckets = 5});
        const Error error = other->load(bytes).error();
        CHECK(other->empty());
        return error;
    };
    CHECK(with(0, 1) == Error::invalid);
    CHECK(with(1, 9) == Error::unsupported);
    CHECK(with(2, 15) == Error::invalid);
    CHECK(with(3, 1) == Error::invalid);  // says empty, and goes on
    CHECK(with(8, 6) == Error::wrong_type);
    CHECK(with(12, 3) == Error::wrong_type);
    CHECK(with(13, 3) == Error::wrong_type);
    CHECK(with(16, 51) == Error::invalid);
    CHECK(with(24 + 7, 0xFF) == Error::invalid);
    CHECK(sketch->load(ByteSpan(good).first(good.size() - 1)).error() == Error::truncated);
    Owned<Reals> reals({.hashes = 2, .buckets = 5});
    reals->update(1);
    auto nan = bytes_of(*reals);
    nan[24 + 7] = nan[24 + 6] = std::byte{0xFF};
    CHECK(reals->load(nan).error() == Error::invalid);
    CHECK(reals->empty());
}

TEST(CountMinTest, copied_bytes_are_the_sketch_and_reset_empties) {
    Owned<Integers> sketch;
    Owned<Integers> other;
    add(*sketch, 0, 500);
    std::memcpy(other.memory().data(), sketch.memory().data(), sketch.memory().size());
    Integers* copy = Integers::at(other.memory().data());
    add(*sketch, 500, 500);
    add(*copy, 500, 500);
    CHECK(bytes_of(*copy) == bytes_of(*sketch));
    copy->reset();
    CHECK(copy->empty());
    CHECK_EQUAL(16, copy->serialized_size());
    CHECK_EQUAL(0, copy->estimate(0));
}

TEST(CountMinTest, too_small_output_is_refused) {
    Owned<Integers> sketch({.hashes = 1, .buckets = 3});
    sketch->update(1);
    std::vector<std::byte> bytes(sketch->serialized_size() - 1);
    ByteWriter out(bytes);
    CHECK(sketch->serialize(out).error() == Error::full);
}
