#include "windows/aggregate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
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
    spec.spare = static_cast<Bytes>(AggregateStates::spare_max(spec, 2));
    ArenaBlock block(Batch::need(schema, params) + AggregateStates::need(spec, 2));
    Arena arena(block.memory());
    Batch batch(arena, schema, params);
    AggregateStates states(arena, spec, 2);
    states.create(0, 1);
    states.create(1, 1);
    std::vector<std::uint16_t> rows;
    const auto flush = [&] {
        const std::vector<std::uint32_t> cells(rows.size(), 1);
        std::vector<Hash128> hashes(batch.rows());
        hash_column(std::span<const double>(batch.column(0).reals, batch.rows()), hashes);
        LONGS_EQUAL(0, states.add({rows, cells}, &batch.column(0), hashes, batch));
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

namespace {

// Cells of one kind of sketch over ints, with so much to grow in.
struct Sketches {
    Sketches(StateKind kind, std::size_t cells, Bytes spare) : count(cells) {
        spec.kind = kind;
        spec.type = kind == StateKind::kll ? ColumnType::real : ColumnType::integer;
        spec.spare = spare;
        block = std::make_unique<ArenaBlock>(AggregateStates::need(spec, cells) + Batch::need(schema, params));
        arena = std::make_unique<Arena>(block->memory());
        states = std::make_unique<AggregateStates>(*arena, spec, cells);
        batch = std::make_unique<Batch>(*arena, schema, params);
        LONGS_EQUAL(block->memory().size(), arena->used());
    }
    // Values into a cell; how many sketches were refused room.
    std::size_t add(std::size_t cell, const std::vector<std::int64_t>& values) {
        std::size_t refused = 0;
        for (std::size_t begin = 0; begin < values.size();) {
            batch->clear();
            std::vector<std::uint16_t> rows;
            for (; begin < values.size() && !batch->full(); ++begin) {
                batch->begin_row();
                batch->set_integer(0, values[begin]);
                batch->set_real(1, static_cast<double>(values[begin]));
                rows.push_back(static_cast<std::uint16_t>(batch->rows()));
                batch->commit_row({});
            }
            std::vector<Hash128> hashes(rows.size());
            hash_column(std::span<const std::int64_t>(batch->column(0).integers, rows.size()), hashes);
            const std::vector<std::uint32_t> cells(rows.size(), static_cast<std::uint32_t>(cell));
            refused += states->add({rows, cells}, &batch->column(spec.type == ColumnType::real ? 1 : 0), hashes, *batch);
        }
        return refused;
    }
    std::vector<std::byte> saved(std::size_t cell) const {
        std::vector<std::byte> bytes(AggregateStates::save_size_max(spec, count));
        ByteWriter out(bytes);
        states->save(cell, out);
        CHECK(out.ok());
        bytes.resize(out.size());
        return bytes;
    }
    std::string result(std::size_t cell) const {
        std::vector<std::byte> bytes(AggregateStates::sketch_size_max(spec));
        ByteWriter out(bytes);
        const SketchView view = states->sketch(cell, out);
        return {reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size()};
    }
    Value finish(std::size_t cell, std::span<TopItem> items = {}) const {
        CallSpec call;
        call.function = spec.kind == StateKind::kll ? Function::quantile : spec.kind == StateKind::frequent ? Function::top : Function::distinct;
        call.rank = 0.5;
        call.items = items.size();
        return states->finish(call, cell, items);
    }

    const Schema schema{{{"i", ColumnType::integer}, {"x", ColumnType::real}}};
    const Batch::Params params{};
    std::size_t count;
    StateSpec spec;
    std::unique_ptr<ArenaBlock> block;
    std::unique_ptr<Arena> arena;
    std::unique_ptr<AggregateStates> states;
    std::unique_ptr<Batch> batch;
};

Bytes ample(StateKind kind, std::size_t cells) {
    StateSpec spec;
    spec.kind = kind;
    spec.type = kind == StateKind::kll ? ColumnType::real : ColumnType::integer;
    return static_cast<Bytes>(AggregateStates::spare_max(spec, cells));
}

std::vector<std::int64_t> numbers(std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> values;
    for (std::int64_t i = from; i < to; ++i) values.push_back(i * 7919 % 1000003);
    return values;
}

constexpr StateKind sketch_kinds[] = {StateKind::kll, StateKind::hll, StateKind::theta, StateKind::frequent};

}  // namespace

TEST(Aggregate, sketches_begin_small_and_grow_until_the_pool_is_used_up) {
    for (StateKind kind : sketch_kinds) {
        Sketches small(kind, 10, 0);
        for (std::size_t cell = 0; cell < 10; ++cell) small.states->create(cell, cell);
        // Each asks once for more, and goes on with what it has.
        for (std::size_t cell = 0; cell < 10; ++cell) LONGS_EQUAL(1, small.add(cell, numbers(0, 5000)));
        for (std::size_t cell = 0; cell < 10; ++cell) LONGS_EQUAL(0, small.add(cell, numbers(5000, 10000)));
        LONGS_EQUAL(small.saved(0).size(), small.saved(9).size());

        Sketches large(kind, 10, ample(kind, 10));
        for (std::size_t cell = 0; cell < 10; ++cell) large.states->create(cell, cell);
        for (std::size_t cell = 0; cell < 10; ++cell) LONGS_EQUAL(0, large.add(cell, numbers(0, 10000)));
        CHECK(small.saved(0).size() * 4 < large.saved(0).size());
    }
}

TEST(Aggregate, what_is_refused_room_says_how_much_less_it_knows) {
    const auto width = [](const Value& value) { return value.upper - value.lower; };
    for (StateKind kind : {StateKind::kll, StateKind::hll, StateKind::theta}) {
        Sketches small(kind, 1, 0);
        Sketches large(kind, 1, ample(kind, 1));
        for (Sketches* of : {&small, &large}) {
            of->states->create(0, 5);
            of->add(0, numbers(0, 20000));
            const Value value = of->finish(0);
            const double truth = kind == StateKind::kll ? 500000 : 20000;
            CHECK(value.lower <= truth * 1.02 && truth * 0.98 <= value.upper);
        }
        CHECK(width(small.finish(0)) > 2 * width(large.finish(0)));
    }
    TopItem items[4];
    Sketches small(StateKind::frequent, 1, 0);
    small.states->create(0, 5);
    std::vector<std::int64_t> values = numbers(0, 5000);
    for (std::size_t i = 0; i < values.size(); i += 2) values[i] = 3;
    LONGS_EQUAL(1, small.add(0, values));
    const Value top = small.finish(0, items);
    CHECK(!top.top.empty());
    LONGS_EQUAL(3, top.top[0].integer);
    CHECK(top.top[0].lower <= 2500 && 2500 <= top.top[0].upper && top.top[0].lower < top.top[0].upper);
}

TEST(Aggregate, room_that_a_cell_gives_back_is_there_for_others) {
    for (StateKind kind : sketch_kinds) {
        Sketches pool(kind, 50, 2 * ample(kind, 1));
        for (std::size_t cell = 0; cell < 50; ++cell) {
            pool.states->create(cell, 1);
            LONGS_EQUAL(0, pool.add(cell, numbers(0, 3000)));
            pool.states->release(cell);
        }
        for (std::size_t cell = 0; cell < 50; ++cell) pool.states->create(cell, 1);
        std::size_t refused = 0;
        for (std::size_t cell = 0; cell < 50; ++cell) refused += pool.add(cell, numbers(0, 3000));
        CHECK(refused > 40 && refused < 50);
    }
}

TEST(Aggregate, a_restored_cell_goes_on_as_the_saved_one) {
    for (StateKind kind : sketch_kinds)
        for (Bytes spare : {Bytes{0}, ample(kind, 1), ample(kind, 8)}) {
            Sketches first(kind, 8, spare);
            for (std::size_t cell = 0; cell < 8; ++cell) {
                first.states->create(cell, cell);
                first.add(cell, numbers(0, static_cast<std::int64_t>(cell) * 300));
            }
            first.states->release(3);
            Sketches second(kind, 8, spare);
            for (std::size_t cell = 8; cell-- > 0;) {
                if (cell == 3) continue;
                const auto bytes = first.saved(cell);
                ByteReader in(bytes);
                CHECK(second.states->load(cell, in) && in.remaining() == 0);
                CHECK(second.saved(cell) == bytes);
            }
            for (Sketches* of : {&first, &second}) of->states->create(3, 77);
            for (std::size_t cell = 0; cell < 8; ++cell) {
                LONGS_EQUAL(first.add(cell, numbers(1000, 4000)), second.add(cell, numbers(1000, 4000)));
                CHECK(first.result(cell) == second.result(cell));
            }
        }
}

TEST(Aggregate, lengths_that_no_cell_has_are_not_loaded) {
    for (StateKind kind : sketch_kinds) {
        Sketches saved(kind, 2, ample(kind, 2));
        saved.states->create(0, 1);
        saved.add(0, numbers(0, 3000));
        const auto bytes = saved.saved(0);
        for (std::uint32_t length : {0U, 1U, 79U, static_cast<std::uint32_t>(bytes.size()) - 5, 0xffffffffU}) {
            Sketches other(kind, 2, ample(kind, 2));
            auto wrong = bytes;
            store_le(wrong.data(), length);
            ByteReader in(wrong);
            CHECK_FALSE(other.states->load(1, in));
        }
        Sketches tight(kind, 2, 0);
        ByteReader in(bytes);
        CHECK_FALSE(tight.states->load(1, in));
    }
}

namespace {

// Two cells, the second merged into the first, and a third that saw all of it.
struct Merged {
    Merged(StateKind kind, ColumnType type) : schema({{"x", type}}) {
        spec.kind = kind;
        spec.type = type;
        block = std::make_unique<ArenaBlock>(Batch::need(schema, {}) + AggregateStates::need(spec, 3));
        Arena arena(block->memory());
        batch = std::make_unique<Batch>(arena, schema, Batch::Params{});
        states = std::make_unique<AggregateStates>(arena, spec, 3);
        for (std::size_t cell = 0; cell < 3; ++cell) states->create(cell, cell);
    }
    template <typename Set>
    void add(std::uint32_t cell, std::int64_t time, Set set) {
        batch->clear();
        batch->begin_row();
        set(*batch);
        batch->commit_row({Timestamp::micros(time), Timestamp::micros(time), true});
        const std::uint16_t row = 0;
        for (std::uint32_t to : {cell, 2U}) LONGS_EQUAL(0, states->add({{&row, 1}, {&to, 1}}, &batch->column(0), {}, *batch));
    }
    void integer(std::uint32_t cell, std::int64_t value, std::int64_t time = 0) {
        add(cell, time, [=](Batch& b) { b.set_integer(0, value); });
    }
    void real(std::uint32_t cell, double value, std::int64_t time = 0) {
        add(cell, time, [=](Batch& b) { b.set_real(0, value); });
    }
    void text(std::uint32_t cell, std::string_view value, std::int64_t time) {
        add(cell, time, [=](Batch& b) { b.set_text(0, value); });
    }
    Value finish(Function function, std::size_t cell) const {
        CallSpec call;
        call.function = function;
        return states->finish(call, cell, {});
    }
    void merge() { LONGS_EQUAL(0, states->merge(0, 1)); }

    Schema schema;
    StateSpec spec;
    std::unique_ptr<ArenaBlock> block;
    std::unique_ptr<Batch> batch;
    std::unique_ptr<AggregateStates> states;
};

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST(Aggregate, merged_int_sums_are_exact_beyond_64_bits) {
    Merged of(StateKind::sum, ColumnType::integer);
    for (std::int64_t value : {largest, largest, std::int64_t{-5}}) of.integer(0, value);
    for (std::int64_t value : {-largest, -largest, std::int64_t{12}}) of.integer(1, value);
    of.merge();
    LONGS_EQUAL(7, of.finish(Function::sum, 0).integer);
    DOUBLES_EQUAL(7.0 / 6, of.finish(Function::mean, 0).real, 1e-15);
    Merged carries(StateKind::sum, ColumnType::integer);
    for (int i = 0; i < 3; ++i) carries.integer(0, largest);
    for (int i = 0; i < 3; ++i) carries.integer(1, largest);
    carries.merge();
    CHECK(carries.finish(Function::sum, 0).real == carries.finish(Function::sum, 2).real);
}

TEST(Aggregate, merged_real_sums_keep_what_both_had_compensated) {
    Merged of(StateKind::sum, ColumnType::real);
    for (double value : {1e100, 1.0, 3.0}) of.real(0, value);
    for (double value : {-1e100, 2.0, 0.5}) of.real(1, value);
    of.merge();
    DOUBLES_EQUAL(6.5, of.finish(Function::sum, 0).real, 0);
    DOUBLES_EQUAL(6.5 / 6, of.finish(Function::mean, 0).real, 1e-15);
}

TEST(Aggregate, merged_counts_and_extremes_are_those_of_all_rows) {
    for (StateKind kind : {StateKind::least, StateKind::greatest}) {
        const Function function = kind == StateKind::least ? Function::least : Function::greatest;
        Merged of(kind, ColumnType::integer);
        of.merge();
        CHECK(of.finish(function, 0).kind == ValueKind::null);
        of.integer(1, -7);  // into an empty one
        of.merge();
        LONGS_EQUAL(-7, of.finish(function, 0).integer);
        Merged reals(kind, ColumnType::real);
        for (double value : {2.5, -1.5, 9.0}) reals.real(0, value);
        for (double value : {4.0, -3.5, 8.0}) reals.real(1, value);
        reals.merge();
        DOUBLES_EQUAL(reals.finish(function, 2).real, reals.finish(function, 0).real, 0);
    }
    Merged count(StateKind::present, ColumnType::integer);
    for (int i = 0; i < 5; ++i) count.integer(i % 2 ? 1 : 0, i);
    count.merge();
    LONGS_EQUAL(5, count.finish(Function::count, 0).integer);
    LONGS_EQUAL(2, count.finish(Function::count, 1).integer);  // stays as it is
}

TEST(Aggregate, merged_first_and_last_go_by_event_time_then_by_who_came_first) {
    for (StateKind kind : {StateKind::first, StateKind::last}) {
        const Function function = kind == StateKind::first ? Function::first : Function::last;
        Merged of(kind, ColumnType::text);
        of.text(0, "early", 10);
        of.text(0, "middle", 20);
        of.text(1, "before", 5);
        of.text(1, "after", 30);
        of.merge();
        CHECK(of.finish(function, 0).text == (kind == StateKind::first ? "before" : "after"));
        Merged tie(kind, ColumnType::integer);
        tie.integer(0, 1, 10);
        tie.integer(1, 2, 10);
        tie.merge();
        LONGS_EQUAL(kind == StateKind::first ? 1 : 2, tie.finish(function, 0).integer);
        LONGS_EQUAL(tie.finish(function, 2).integer, tie.finish(function, 0).integer);
    }
}

TEST(Aggregate, merged_variance_is_that_of_all_rows) {
    Merged of(StateKind::moments, ColumnType::real);
    of.merge();
    CHECK(of.finish(Function::variance, 0).kind == ValueKind::null);
    for (int i = 0; i < 100; ++i) of.real(i < 30 ? 0 : 1, 1e9 + i * i % 37);
    of.merge();
    DOUBLES_EQUAL(of.finish(Function::variance, 2).real, of.finish(Function::variance, 0).real, 1e-6);
    Merged one(StateKind::moments, ColumnType::real);
    for (double value : {1.0, 2.0, 4.0}) one.real(1, value);
    one.merge();
    CHECK(one.finish(Function::variance, 0).real == one.finish(Function::variance, 2).real);
}

TEST(Aggregate, merged_sketches_know_what_both_saw) {
    for (StateKind kind : sketch_kinds)
        for (std::int64_t size : {0, 5, 200, 20000}) {
            Sketches of(kind, 3, ample(kind, 3));
            for (std::size_t cell = 0; cell < 3; ++cell) of.states->create(cell, cell);
            of.add(0, numbers(0, 1000));
            of.add(1, numbers(1000 - std::min<std::int64_t>(size, 1000), 1000 + size));
            LONGS_EQUAL(0, of.states->merge(0, 1));
            TopItem items[4];
            const Value value = of.finish(0, items);
            const double seen = 1000 + static_cast<double>(size);
            if (kind == StateKind::hll) CHECK(value.lower <= seen && seen <= value.upper);
            if (kind == StateKind::kll) {
                of.add(2, numbers(0, 1000));
                of.add(2, numbers(1000 - std::min<std::int64_t>(size, 1000), 1000 + size));
                CHECK(value.lower <= of.finish(2).upper && of.finish(2).lower <= value.upper);
            }
            if (kind == StateKind::frequent) CHECK(!value.top.empty());
        }
}

TEST(Aggregate, a_merge_that_finds_no_room_settles_and_says_so) {
    for (StateKind kind : sketch_kinds) {
        Sketches of(kind, 2, 0);
        of.states->create(0, 1);
        of.states->create(1, 2);
        // Each fits its first block, both together do not.
        const std::int64_t fits = kind == StateKind::kll ? 16 : kind == StateKind::theta ? 12 : 5;
        LONGS_EQUAL(0, of.add(0, numbers(0, fits)));
        LONGS_EQUAL(0, of.add(1, numbers(fits, 2 * fits)));
        LONGS_EQUAL(1, of.states->merge(0, 1));
        const Value value = of.finish(0);
        if (kind == StateKind::hll) CHECK(value.lower <= 10 && 10 <= value.upper);
        LONGS_EQUAL(0, of.states->merge(0, 1));  // asks once
    }
}
