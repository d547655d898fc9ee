#include "windows/aggregate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

// One column of reals into one cell.
Value aggregate(StateKind kind, Function function, const std::vector<double>& values) {
    const Schema schema({{"x", ColumnType::real}});
    Batch::Params params;
    StateSpec spec;
    spec.kind = kind;
    ArenaBlock block(Batch::need(schema, params) + AggregateStates::need(spec, 2));
    Arena arena(block.memory());
    Batch batch(arena, schema, params);
    AggregateStates states(arena, spec, 2);
    states.create(0, 1);
    states.create(1, 1);
    std::vector<std::uint16_t> rows;
    const auto flush = [&] {
        const std::vector<std::uint32_t> cells(rows.size(), 1);
        states.add(rows, cells, &batch.column(0), batch);
        batch.clear();
        rows.clear();
    };
    for (double value : values) {
        if (batch.full()) flush();
        batch.begin_row();
        batch.set_real(0, value);
        rows.push_back(static_cast<std::uint16_t>(batch.rows()));
        batch.commit_row({});
    }
    flush();
    CallSpec call;
    call.function = function;
    CHECK(states.finish(call, 0, {}).kind == ValueKind::null || states.finish(call, 0, {}).integer == 0);
    return states.finish(call, 1, {});
}

}  // namespace

TEST_GROUP(Aggregate) {};

TEST(Aggregate, sums_are_compensated) {
    std::vector<double> values = {1e16};
    for (int i = 0; i < 10000; ++i) values.push_back(1.0);
    values.push_back(-1e16);
    DOUBLES_EQUAL(10000, aggregate(StateKind::sum, Function::sum, values).real, 0);
    DOUBLES_EQUAL(2, aggregate(StateKind::sum, Function::sum, {1.0, 1e100, 1.0, -1e100}).real, 0);
}

TEST(Aggregate, nan_is_skipped_and_infinity_is_not) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    DOUBLES_EQUAL(3, aggregate(StateKind::sum, Function::sum, {1, nan, 2}).real, 0);
    DOUBLES_EQUAL(1.5, aggregate(StateKind::sum, Function::mean, {1, nan, 2}).real, 0);
    DOUBLES_EQUAL(1, aggregate(StateKind::least, Function::least, {nan, 1, 2}).real, 0);
    CHECK(aggregate(StateKind::sum, Function::sum, {1, infinity}).real == infinity);
    CHECK(aggregate(StateKind::sum, Function::sum, {infinity, -infinity}).kind == ValueKind::null);
    CHECK(aggregate(StateKind::sum, Function::sum, {nan}).kind == ValueKind::null);
}

TEST(Aggregate, variance_is_of_the_sample_and_stable) {
    std::vector<double> values;
    for (int i = 0; i < 1000; ++i) values.push_back(1e9 + (i % 2 ? 1 : -1));
    DOUBLES_EQUAL(1000.0 / 999.0, aggregate(StateKind::moments, Function::variance, values).real, 1e-9);
    CHECK(aggregate(StateKind::moments, Function::stddev, {1}).kind == ValueKind::null);
}

TEST(Aggregate, quantile_bounds_enclose_the_truth) {
    std::vector<double> values;
    std::mt19937 random(3);
    for (int i = 0; i < 20000; ++i) values.push_back(i);
    std::shuffle(values.begin(), values.end(), random);
    const Value value = aggregate(StateKind::kll, Function::quantile, values);
    CHECK(value.kind == ValueKind::estimate);
    DOUBLES_EQUAL(0, value.lower, 0);  // rank 0
}

TEST(Aggregate, distinct_is_whole_while_it_is_small) {
    const Value value = aggregate(StateKind::hll, Function::distinct, {1, 2, 2, 3, 1});
    DOUBLES_EQUAL(3, value.real, 0);
    DOUBLES_EQUAL(3, value.lower, 0);
    DOUBLES_EQUAL(3, value.upper, 0);
}
