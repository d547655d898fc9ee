#include "sketches/kll.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "sketches/kll_detail.h"
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
    CHECK_EQUAL(5968, Doubles::need({}));
    CHECK_EQUAL(3080, Floats::need({}));
    CHECK_EQUAL(368, Doubles::need_min({}));
    CHECK_EQUAL(280, Floats::need_min({}));
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

TEST(Kll, values_beyond_n_max_settle_the_sketch_and_none_is_lost) {
    for (std::uint64_t n_max : {1, 8, 1000}) {
        Owned<Doubles> sketch({.k = 8, .n_max = n_max});
        add(*sketch, 0, 100000);
        CHECK_EQUAL(100000, sketch->n());
        CHECK(sketch->settled());
        DOUBLES_EQUAL(99999, sketch->max(), 0);
        DOUBLES_EQUAL(0.5, sketch->rank(50000), 2 * sketch->rank_error());
    }
}

TEST(Kll, small_block_says_when_it_needs_room_and_how_much) {
    std::vector<std::byte> memory(Doubles::need({}));
    std::vector<std::byte> larger(Doubles::need({}));
    Doubles* sketch = Doubles::create(MutableByteSpan(memory).first(Doubles::need_min({}) + 7), {});
    CHECK_EQUAL(Doubles::need_min({}), sketch->room());
    double next = 0;
    int moves = 0;
    while (next < 1e6) {
        if (sketch->offer(next)) {
            next += 1;
            continue;
        }
        const auto before = bytes_of(*sketch);
        CHECK(!sketch->offer(next));
        CHECK(bytes_of(*sketch) == before);
        CHECK(sketch->wanted() > sketch->room());
        CHECK(sketch->wanted() <= Doubles::need({}));
        const Bytes wanted = sketch->wanted();
        sketch = sketch->move_to(MutableByteSpan(larger).first(wanted));
        std::swap(memory, larger);
        CHECK_EQUAL(wanted, sketch->room());
        CHECK(bytes_of(*sketch) == before);
        ++moves;
    }
    CHECK_EQUAL(1000000, sketch->n());
    CHECK(moves > 10 && moves < 25);
    CHECK(sketch->room() < Doubles::need({}));
    CHECK(!sketch->settled());
}

TEST(Kll, settled_sketch_takes_everything_within_its_error) {
    for (const Bytes size : {368, 600, 1000, 2000, 4000}) {
        std::vector<std::byte> memory(size);
        Doubles* sketch = Doubles::create(memory, {.seed = 4});
        add(*sketch, 0, 200000);
        CHECK(sketch->settled());
        CHECK(sketch->room() <= size);
        CHECK_EQUAL(sketch->room(), sketch->wanted());
        CHECK_EQUAL(200000, sketch->n());
        CHECK(sketch->effective_k() < 200);
        DOUBLES_EQUAL(2.296 / std::pow(sketch->effective_k(), 0.9723), sketch->rank_error(), 1e-9);
        for (double rank : {0.1, 0.5, 0.9}) {
            DOUBLES_EQUAL(rank, sketch->quantile(rank) / 200000, 1.2 * sketch->rank_error());
            DOUBLES_EQUAL(rank, sketch->rank(rank * 200000), 1.2 * sketch->rank_error());
        }
        DOUBLES_EQUAL(1, sketch->rank(199999), 0);
        Owned<Doubles> read(Doubles::params_of(bytes_of(*sketch)).value());
        CHECK(read->load(bytes_of(*sketch)).ok());
        CHECK(bytes_of(*read) == bytes_of(*sketch));
        sketch->reset();
        CHECK(!sketch->settled());
        CHECK_EQUAL(200, sketch->k());
    }
}

TEST(Kll, settled_sketch_reads_its_own_bytes) {
    const KllSketch<float>::Params params{.k = 107, .n_max = 3000, .seed = 25395};
    std::vector<std::byte> memory(KllSketch<float>::need_min(params));
    auto* sketch = KllSketch<float>::create(memory, params);
    for (int i = 0; i < 2900; ++i) {
        sketch->update(static_cast<float>(i * 7 % 1000));
        if (i % 10 != 0) continue;
        const auto bytes = bytes_of(*sketch);
        const std::uint16_t k = sketch->effective_k();
        CHECK(sketch->load(bytes).ok());
        CHECK_EQUAL(i + 1, sketch->n());
        if (!sketch->is_exact()) CHECK_EQUAL(k, sketch->effective_k());
        Owned<KllSketch<float>> whole(params);
        CHECK(whole->load(bytes).ok());
        if (!whole->is_exact()) CHECK_EQUAL(k, whole->effective_k());
    }
}

TEST(Kll, empty_levels_on_top_of_bytes_cost_nothing) {
    Owned<Doubles> sketch;
    add(*sketch, 0, 100);
    const auto good = bytes_of(*sketch);
    std::vector<std::byte> bytes(good.begin(), good.begin() + 20);
    bytes[18] = std::byte{55};
    bytes.resize(20 + 55 * 4);
    constexpr std::uint32_t capacity = kll_detail::total_capacity(200, 55);
    for (std::uint32_t level = 0; level < 55; ++level)
        store_le(&bytes[20 + 4 * level], level == 0 ? capacity - 100 : capacity);
    bytes.insert(bytes.end(), good.begin() + 24, good.end());
    CHECK(sketch->load(bytes).ok());
    CHECK(!sketch->settled());
    CHECK_EQUAL(200, sketch->effective_k());
    CHECK_EQUAL(100, sketch->retained());
    DOUBLES_EQUAL(49, sketch->quantile(0.5), 0);
}

TEST(Kll, settling_few_values_keeps_them_exact) {
    std::vector<std::byte> memory(Doubles::need_min({}));
    Doubles* sketch = Doubles::create(memory, {});
    add(*sketch, 0, 8);
    sketch->settle();
    CHECK(sketch->is_exact());
    DOUBLES_EQUAL(3, sketch->quantile(0.5), 0);
    CHECK(sketch->k() < 12);
}

TEST(Kll, settled_sketches_merge_with_each_other_and_with_full_ones) {
    std::vector<std::byte> memory_a(500);
    std::vector<std::byte> memory_b(900);
    Doubles* a = Doubles::create(memory_a, {.seed = 1});
    Doubles* b = Doubles::create(memory_b, {.seed = 2});
    Owned<Doubles> full({.seed = 3});
    add(*a, 0, 50001);
    add(*b, 50001, 30002);
    add(*full, 80003, 20000);
    CHECK(full->wanted(*a) <= full->room());
    CHECK(full->merge(*a).ok());
    CHECK(!full->settled());
    CHECK(full->merge(*b).ok());
    CHECK_EQUAL(100003, full->n());
    CHECK_EQUAL(std::min(a->effective_k(), b->effective_k()), full->effective_k());
    DOUBLES_EQUAL(0.5, full->rank(50001), full->rank_error());
    CHECK(a->merge(*full).ok());
    CHECK_EQUAL(150004, a->n());
    DOUBLES_EQUAL(1, a->rank(100002), 0);
    DOUBLES_EQUAL(2.0 / 3, a->rank(50000), 2 * a->rank_error());
}

TEST(Kll, merge_into_the_block_it_wants_does_not_settle) {
    for (const int n : {1, 150, 1000, 50000}) {
        std::vector<std::byte> memory(Doubles::need_min({}));
        Doubles* sketch = Doubles::create(memory, {.seed = 1});
        Owned<Doubles> other({.seed = 2});
        Owned<Doubles> full({.seed = 1});
        add(*sketch, 0, 20);
        add(*full, 0, 20);
        add(*other, 20, n);
        std::vector<std::byte> larger(sketch->wanted(*other));
        CHECK(larger.size() <= Doubles::need({}));
        CHECK(n < 100 || larger.size() > memory.size());
        Doubles* moved = sketch->move_to(larger);
        CHECK(moved->merge(*other).ok());
        CHECK(full->merge(*other).ok());
        CHECK(!moved->settled());
        CHECK(bytes_of(*moved) == bytes_of(*full));
        CHECK(sketch->merge(*other).ok());
        CHECK_EQUAL(n > 1, sketch->settled());
        CHECK_EQUAL(n + 20, sketch->n());
    }
}

TEST(Kll, shrinks_to_a_smaller_k_and_its_error) {
    Owned<Doubles> sketch({.k = 400, .seed = 6});
    add(*sketch, 0, 100000);
    const std::uint32_t before = sketch->retained();
    sketch->shrink(100);
    CHECK_EQUAL(100, sketch->k());
    CHECK_EQUAL(100, sketch->effective_k());
    CHECK(!sketch->settled());
    CHECK(sketch->retained() < before / 2);
    DOUBLES_EQUAL(2.296 / std::pow(100, 0.9723), sketch->rank_error(), 1e-9);
    CHECK(sketch->serialized_size() <= Doubles::serialized_size_max({.k = 100}));
    add(*sketch, 100000, 100000);
    CHECK_EQUAL(200000, sketch->n());
    for (double rank : {0.1, 0.5, 0.9}) DOUBLES_EQUAL(rank, sketch->rank(rank * 200000), sketch->rank_error());
    Owned<Doubles> few({.k = 400});
    add(*few, 0, 50);
    few->shrink(50);
    CHECK(few->is_exact());
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

TEST(Kll, quantile_with_bounds_is_the_three_questions_in_one) {
    const double ranks[] = {-1, 0, 1e-9, 0.01, 0.3, 0.5, 0.95, 0.999, 1, 2};
    const auto check = [&](const Doubles& sketch) {
        for (const double rank : ranks)
            for (const auto confidence : {RankConfidence::percent_95, RankConfidence::percent_99}) {
                const auto found = sketch.quantile_with_bounds(rank, confidence);
                DOUBLES_EQUAL(sketch.quantile(rank), found.value, 0);
                DOUBLES_EQUAL(sketch.quantile_lower_bound(rank, confidence), found.lower, 0);
                DOUBLES_EQUAL(sketch.quantile_upper_bound(rank, confidence), found.upper, 0);
            }
    };
    for (const int count : {1, 2, 10, 199, 200, 201, 999, 5000, 100000}) {
        Owned<Doubles> sketch;
        add(*sketch, -count / 2, count);
        check(*sketch);
        sketch->shrink(8);
        check(*sketch);
    }
    Owned<Doubles> wide({.k = 4000, .n_max = 100000});
    add(*wide, 0, 3999);
    check(*wide);
    add(*wide, 0, 50000);
    check(*wide);
    Owned<Doubles> same;
    for (int i = 0; i < 1000; ++i) same->update(i % 3);
    check(*same);
}

TEST(Kll, a_seeded_copy_of_an_empty_sketch_is_one_created_with_that_seed) {
    Owned<Doubles> copy({.seed = 1});
    Owned<Doubles> made({.seed = 2});
    copy->seed(2);
    add(*copy, 0, 3000);
    add(*made, 0, 3000);
    MEMCMP_EQUAL(&*made, &*copy, Doubles::need({}));
}
