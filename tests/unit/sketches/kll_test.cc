#include "sketches/kll.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

using Doubles = KllSketch<double>;
using Floats = KllSketch<float>;

TEST_GROUP(Kll) {
    static void add(Doubles& sketch, int from, int count) {
        for (int i = 0; i < count; ++i) sketch.update(from + static_cast<int>(i * 7919LL % count));
    }
};

TEST(Kll, memory_is_as_the_contract_says) {
    CHECK_EQUAL(6056, Doubles::need({}));
    CHECK_EQUAL(3168, Floats::need({}));
    Owned<Doubles> sketch({.k = 60, .n_max = 1000});
    CHECK_EQUAL(Doubles::need({.k = 60, .n_max = 1000}), sketch->memory_bytes());
}

TEST(Kll, few_values_are_exact) {
    Owned<Doubles> sketch;
    for (int i = 100; i >= 1; --i) sketch->update(i);
    CHECK(sketch->is_exact());
    DOUBLES_EQUAL(0, sketch->rank_error(), 0);
    DOUBLES_EQUAL(1, sketch->quantile(0), 0);
    DOUBLES_EQUAL(1, sketch->quantile(0.01), 0);
    DOUBLES_EQUAL(50, sketch->quantile(0.5), 0);
    DOUBLES_EQUAL(51, sketch->quantile(0.501), 0);
    DOUBLES_EQUAL(100, sketch->quantile(1), 0);
    DOUBLES_EQUAL(0.25, sketch->rank(25.5), 0);
    DOUBLES_EQUAL(0.25, sketch->rank(25), 0);
}

TEST(Kll, nan_is_ignored_and_infinities_are_values) {
    Owned<Doubles> sketch;
    sketch->update(std::numeric_limits<double>::quiet_NaN());
    CHECK(sketch->empty());
    sketch->update(std::numeric_limits<double>::infinity());
    sketch->update(-std::numeric_limits<double>::infinity());
    sketch->update(0);
    DOUBLES_EQUAL(0, sketch->quantile(0.5), 0);
    CHECK(std::isinf(sketch->min()) && sketch->min() < 0);
    CHECK(std::isinf(sketch->max()) && sketch->max() > 0);
}

TEST(Kll, equal_and_negative_values_and_both_zeros) {
    Owned<Doubles> sketch;
    for (int i = 0; i < 5000; ++i) sketch->update(i % 5 == 0 ? -1.5 : i % 2 == 0 ? -0.0 : 0.0);
    DOUBLES_EQUAL(-1.5, sketch->quantile(0.15), 0);
    DOUBLES_EQUAL(0, sketch->quantile(0.5), 0);
    DOUBLES_EQUAL(0.2, sketch->rank(-1), 0.0133);
    DOUBLES_EQUAL(1, sketch->rank(0), 0);
}

TEST(Kll, ranks_are_within_the_error_and_extremes_exact) {
    Owned<Doubles> sketch({.seed = 3});
    const int n = 100000;
    add(*sketch, 0, n);
    CHECK_EQUAL(n, sketch->n());
    DOUBLES_EQUAL(0, sketch->min(), 0);
    DOUBLES_EQUAL(n - 1, sketch->max(), 0);
    for (double rank : {0.01, 0.1, 0.5, 0.9, 0.99}) {
        DOUBLES_EQUAL(rank, sketch->quantile(rank) / n, 0.0133 * 1.5);
        CHECK(sketch->quantile_lower_bound(rank) <= sketch->quantile(rank));
        CHECK(sketch->quantile_upper_bound(rank) >= sketch->quantile(rank));
    }
}

TEST(Kll, quantile_is_the_smallest_held_value_of_that_rank) {
    Owned<Doubles> sketch({.k = 20, .seed = 8});
    add(*sketch, -500, 3001);
    for (int i = 1; i < 1000; ++i) {
        const double value = sketch->quantile(i / 1000.0);
        CHECK(sketch->rank(value) >= i / 1000.0);
        CHECK(sketch->rank(std::nextafter(value, -1e9)) < i / 1000.0);
    }
}

TEST(Kll, error_figures_follow_from_k) {
    Owned<Doubles> sketch({.k = 200});
    add(*sketch, 0, 1000);
    DOUBLES_EQUAL(0.01329, sketch->rank_error(RankConfidence::percent_99), 0.00001);
    DOUBLES_EQUAL(0.01012, sketch->rank_error(RankConfidence::percent_95), 0.00001);
}

TEST(Kll, seeds_decide_and_the_same_seed_gives_the_same_bytes) {
    Owned<Doubles> a({.seed = 1});
    Owned<Doubles> b({.seed = 1});
    Owned<Doubles> c({.seed = 2});
    for (Doubles* sketch : {&*a, &*b, &*c}) add(*sketch, 0, 20000);
    CHECK(bytes_of(*a) == bytes_of(*b));
    CHECK(bytes_of(*a) != bytes_of(*c));
    a->reset(7);
    c->reset(7);
    add(*a, 0, 20000);
    add(*c, 0, 20000);
    CHECK(bytes_of(*a) == bytes_of(*c));
}

TEST(Kll, columns_count_as_their_values) {
    Owned<Floats> one;
    Owned<Floats> column;
    std::vector<float> values;
    for (int i = 0; i < 5000; ++i) values.push_back(static_cast<float>(i * 31 % 5000));
    for (float value : values) one->update(value);
    column->update_column(values);
    CHECK(bytes_of(*one) == bytes_of(*column));
}

TEST(Kll, merge_counts_both_sides_and_full_changes_nothing) {
    Owned<Doubles> a({.n_max = 5000, .seed = 1});
    Owned<Doubles> b({.n_max = 1 << 20, .seed = 2});
    add(*a, 0, 3000);
    add(*b, 3000, 2000);
    CHECK(a->merge(*b).ok());
    CHECK_EQUAL(5000, a->n());
    DOUBLES_EQUAL(4999, a->max(), 0);
    DOUBLES_EQUAL(0.5, a->rank(2500), 0.02);
    add(*b, 0, 100000);
    const auto before = bytes_of(*a);
    CHECK(a->merge(*b).error() == Error::full);
    CHECK(bytes_of(*a) == before);
}

TEST(Kll, merge_remembers_the_smallest_k) {
    Owned<Doubles> a({.k = 400});
    Owned<Doubles> b({.k = 50});
    add(*a, 0, 1000);
    add(*b, 0, 10);
    CHECK(a->merge(*b).ok());
    const double error = a->rank_error();
    add(*b, 0, 1000);
    CHECK(a->merge(*b).ok());
    CHECK(a->rank_error() > 5 * error);
    CHECK_EQUAL(400, a->k());
}

TEST(Kll, values_beyond_the_memory_are_refused_and_counted) {
    Owned<Doubles> sketch({.k = 8, .n_max = 8});
    for (int i = 0; i < 1000; ++i) sketch->update(i);
    CHECK(sketch->refused() > 0);
    CHECK(sketch->n() >= 8);
    CHECK_EQUAL(1000, sketch->n() + sketch->refused());
    Owned<Doubles> tiny({.k = 8, .n_max = 1});
    for (int i = 0; i < 100; ++i) tiny->update(i);
    CHECK_EQUAL(100, tiny->n() + tiny->refused());
}

TEST(Kll, every_size_reads_back_to_the_same_bytes) {
    for (int n : {0, 1, 2, 7, 200, 201, 1000, 50000}) {
        Owned<Doubles> sketch({.seed = 5});
        add(*sketch, 0, n);
        Owned<Doubles> other;
        CHECK(other->load(bytes_of(*sketch)).ok());
        CHECK(bytes_of(*other) == bytes_of(*sketch));
        CHECK_EQUAL(sketch->n(), other->n());
        const auto params = Doubles::params_of(bytes_of(*sketch));
        Owned<Doubles> fitted(*params);
        CHECK(fitted->load(bytes_of(*sketch)).ok());
        CHECK(bytes_of(*fitted) == bytes_of(*sketch));
    }
}

TEST(Kll, bytes_of_another_k_are_taken_at_the_larger_error) {
    for (std::uint16_t k : {50, 800}) {
        Owned<Doubles> sketch({.k = k, .seed = 5});
        add(*sketch, 0, 50000);
        Owned<Doubles> other({.k = 200, .seed = 6});
        CHECK(other->load(bytes_of(*sketch)).ok());
        CHECK_EQUAL(50000, other->n());
        CHECK(other->rank_error() >= 0.0132);
        DOUBLES_EQUAL(0.5, other->rank(25000), 0.08);
        add(*other, 50000, 50000);
        DOUBLES_EQUAL(0.5, other->rank(50000), 0.08);
    }
}

TEST(Kll, too_many_values_in_bytes_are_out_of_range) {
    Owned<Doubles> sketch;
    add(*sketch, 0, 50000);
    Owned<Doubles> small({.n_max = 1000});
    CHECK(small->load(bytes_of(*sketch)).error() == Error::out_of_range);
    CHECK(small->empty());
}

TEST(Kll, copied_bytes_are_the_sketch) {
    Owned<Doubles> sketch({.seed = 9});
    Owned<Doubles> other;
    add(*sketch, 0, 10000);
    std::memcpy(other.memory().data(), sketch.memory().data(), sketch.memory().size());
    Doubles* copy = Doubles::at(other.memory().data());
    add(*sketch, 0, 10000);
    add(*copy, 0, 10000);
    CHECK(bytes_of(*copy) == bytes_of(*sketch));
}

TEST(Kll, serialized_size_stays_below_its_maximum) {
    CHECK_EQUAL(5092, Doubles::serialized_size_max({.n_max = (1 << 20) - 1}));
    CHECK_EQUAL(2584, Floats::serialized_size_max({.n_max = (1 << 20) - 1}));
    Owned<Doubles> sketch({.n_max = 30000});
    for (int i = 0; i < 30000; ++i) {
        sketch->update(i);
        if (i % 97 == 0) CHECK(sketch->serialized_size() <= Doubles::serialized_size_max({.n_max = 30000}));
    }
    std::vector<std::byte> bytes(sketch->serialized_size() - 1);
    ByteWriter out(bytes);
    CHECK(sketch->serialize(out).error() == Error::full);
}
