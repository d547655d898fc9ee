// rate, increase, time_mean, slope, decayed_sum, decayed_count, histogram, distinct by Theta, and where() behind an
// aggregate, through the engine.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "sketches/theta.h"
#include "tests/unit/windows/harness.h"
#include "windows/compiled_plan.h"
#include "windows/time_aggregates.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

struct Reading {
    std::int64_t at_ms;
    double speed;
    std::int64_t n;
};

// One window of a minute over these, in this order; what it says.
struct Minute {
    Minute(std::vector<std::pair<std::string, std::string>> select, const std::vector<Reading>& readings, Duration lateness = Duration::minutes(1))
        : h(engine_of(minute(std::move(select)), late(lateness))) {
        for (const Reading& r : readings)
            h.send({{r.at_ms, 60000, true, {std::string("s1"), std::int64_t{r.n % 2}, r.speed, r.n, r.n % 2 == 0, "v" + std::to_string(r.n)}}});
        h.close();
    }
    static SourceSpec late(Duration lateness) {
        SourceSpec source = road();
        source.lateness = lateness;
        return source;
    }
    const Emitted& out() const { return h.out.results.at(0); }
    double real(const char* name) const { return out().real(name); }
    Harness h;
};

std::string refused(const std::string& text) {
    SpecProblem problem;
    if (EnginePlan::compile(engine_of(minute({{"v", text}})), problem)) return "";
    return problem.key + ": " + problem.problem.what;
}

}  // namespace

TEST_GROUP(TimeAggregate) {};

TEST(TimeAggregate, rate_is_the_increase_by_the_time_from_first_to_last_row) {
    const Minute m({{"r", "rate(n)"}, {"i", "increase(n)"}, {"rs", "rate(speed)"}, {"is", "increase(speed)"}},
                   {{1000, 0.5, 100}, {3000, 2.5, 150}, {2000, 1.5, 120}, {6000, 1, 20}});
    DOUBLES_EQUAL(70.0 / 5, m.real("r"), 0);
    CHECK(m.out().values.at("i").kind == ValueKind::integer);
    LONGS_EQUAL(70, m.out().integer("i"));
    DOUBLES_EQUAL(3.0 / 5, m.real("rs"), 0);
    DOUBLES_EQUAL(3, m.real("is"), 0);
    UNSIGNED_LONGS_EQUAL(2, m.h.plan.compiled().windows[0].states.size());  // rate and increase share
}

TEST(TimeAggregate, below_two_rows_there_is_no_rate_and_at_one_time_none_either) {
    const Minute one({{"r", "rate(n)"}, {"i", "increase(n)"}, {"s", "slope(n)"}, {"m", "time_mean(speed)"}}, {{1000, 7, 5}});
    CHECK(one.out().null("r") && one.out().null("i") && one.out().null("s"));
    DOUBLES_EQUAL(7, one.real("m"), 0);
    const Minute two({{"r", "rate(n)"}, {"i", "increase(n)"}, {"s", "slope(n)"}, {"m", "time_mean(speed)"}}, {{1000, 7, 5}, {1000, 8, 9}});
    CHECK(two.out().null("r") && two.out().null("s"));
    LONGS_EQUAL(4, two.out().integer("i"));
    DOUBLES_EQUAL(8, two.real("m"), 0);  // the one that stood in the end
}

TEST(TimeAggregate, rows_too_far_out_of_order_are_left_out_and_counted) {
    std::vector<Reading> readings;
    for (int i = 0; i < 20; ++i) readings.push_back({1000 + 1000 * i, 1, 10 * i});
    readings.push_back({1500, 5, 1000});
    Minute m({{"i", "increase(n)"}, {"m", "time_mean(speed)"}, {"n", "count()"}}, readings);
    LONGS_EQUAL(190, m.out().integer("i"));
    DOUBLES_EQUAL(1, m.real("m"), 0);
    LONGS_EQUAL(21, m.out().integer("n"));
    LONGS_EQUAL(2, m.h.count(WindowCounter::out_of_order));
    CHECK(m.h.adds_up());
}

TEST(TimeAggregate, time_mean_weighs_a_value_by_how_long_it_held) {
    const Minute m({{"m", "time_mean(speed)"}, {"plain", "mean(speed)"}}, {{0, 10, 0}, {9000, 110, 0}, {10000, 55, 0}});
    DOUBLES_EQUAL(20, m.real("m"), 0);
    DOUBLES_EQUAL(175.0 / 3, m.real("plain"), 1e-12);
}

TEST(TimeAggregate, slope_is_of_least_squares_a_second) {
    const Minute line({{"s", "slope(speed)"}, {"back", "slope(0.0 - speed)"}}, {{1000, 3, 0}, {5000, 13, 0}, {3000, 8, 0}, {59000, 148, 0}});
    DOUBLES_EQUAL(2.5, line.real("s"), 1e-12);
    DOUBLES_EQUAL(-2.5, line.real("back"), 1e-12);
    // Around a value that is large beside what changes.
    std::vector<Reading> readings;
    for (int i = 0; i < 50; ++i) readings.push_back({1000 * i, 1e9 + i * 0.5 + (i % 2 ? 0.25 : -0.25), 0});
    double mt = 24.5, mx = 0, tt = 0, tx = 0;
    for (const Reading& r : readings) mx += (r.speed - 1e9) / 50;
    for (const Reading& r : readings) {
        const double t = static_cast<double>(r.at_ms) / 1000 - mt;
        tt += t * t;
        tx += t * (r.speed - 1e9 - mx);
    }
    DOUBLES_EQUAL(tx / tt, Minute({{"s", "slope(speed)"}}, readings).real("s"), 1e-6);
}

TEST(TimeAggregate, what_is_a_half_life_old_counts_half) {
    const Minute m({{"s", "decayed_sum(speed, \"10s\")"}, {"n", "decayed_count(\"10s\")"}, {"big", "decayed_count('100h')"}},
                   {{50000, 8, 1}, {40000, 8, 1}, {30000, 8, 1}});
    DOUBLES_EQUAL(4 + 2 + 1, m.real("s"), 1e-12);
    DOUBLES_EQUAL(0.875, m.real("n"), 1e-13);
    DOUBLES_EQUAL(3, m.real("big"), 0.001);
}

TEST(TimeAggregate, decay_neither_overflows_nor_depends_on_the_order_of_rows) {
    std::vector<Reading> readings;
    for (int i = 0; i < 60; ++i) readings.push_back({1000 * i, 1e300, 1});
    const Minute up({{"s", "decayed_sum(speed, '1ms')"}, {"n", "decayed_count('1ms')"}}, readings);
    CHECK(up.real("n") > 0 && up.real("n") < 1e-300);
    std::reverse(readings.begin(), readings.end());
    const Minute down({{"s", "decayed_sum(speed, '1ms')"}, {"n", "decayed_count('1ms')"}}, readings);
    DOUBLES_EQUAL(up.real("n"), down.real("n"), 0);
    const Minute none({{"s", "decayed_sum(speed, '1s').where(n > 5)"}, {"n", "decayed_count('1s').where(n > 5)"}}, {{1000, 1, 1}});
    CHECK(none.out().null("s"));
    DOUBLES_EQUAL(0, none.real("n"), 0);
}

TEST(TimeAggregate, a_bucket_holds_its_lower_bound_and_not_its_upper) {
    const Minute m({{"h", "histogram(speed, -5, 10, 20.5)"}, {"again", "histogram(n, 1)"}},
                   {{0, -5.5, 0}, {1, -5, 0}, {2, 9.99, 1}, {3, 10, 1}, {4, 20.5, 1}, {5, 1e300, 2}, {6, std::nan(""), 2}});
    STRCMP_CONTAINS("\"h\":{\"bounds\":[-5,10,20.5],\"counts\":[1,2,1,2]},\"again\":{\"bounds\":[1],\"counts\":[2,5]}", m.out().json.c_str());
}

TEST(TimeAggregate, where_behind_an_aggregate_picks_its_rows) {
    const Minute m({{"n", "count().where(ok)"},
                    {"high", "mean(speed).where(n >= 2)"},
                    {"share", "count().where(n > 2) / count()"},
                    {"both", "count(ok).where(n > 1)"},
                    {"last", "last(vid).where(n < 3)"},
                    {"u", "distinct(vid).where(n < 3)"},
                    {"q", "quantile(speed, 0.5).where(n == 4)"},
                    {"t", "top(vid, 2).where(n == 4)"},
                    {"i", "increase(n).where(n != 2)"},
                    {"h", "histogram(speed, 25).where(n < 3)"},
                    {"never", "max(n).where(speed > 1000.0)"}},
                   {{0, 10, 1}, {1000, 20, 2}, {2000, 30, 3}, {3000, 40, 4}});
    LONGS_EQUAL(2, m.out().integer("n"));
    DOUBLES_EQUAL(30, m.real("high"), 0);
    DOUBLES_EQUAL(0.5, m.real("share"), 0);
    LONGS_EQUAL(2, m.out().integer("both"));
    STRCMP_EQUAL("v2", m.out().texts.at("last").c_str());
    DOUBLES_EQUAL(2, m.real("u"), 0);
    DOUBLES_EQUAL(40, m.real("q"), 0);
    LONGS_EQUAL(3, m.out().integer("i"));
    CHECK(m.out().null("never"));
    STRCMP_CONTAINS("\"item\":\"v4\",\"estimate\":1", m.out().json.c_str());
    STRCMP_CONTAINS("\"h\":{\"bounds\":[25],\"counts\":[2,0]}", m.out().json.c_str());
    bool named = false;
    for (const EnginePlan::Part& part : m.h.plan.parts()) named |= part.name == "window minute: mean(speed).where((n >= 2))";
    CHECK(named);
}

TEST(TimeAggregate, distinct_by_theta_brings_a_sketch_in_the_compact_form) {
    std::vector<Reading> readings;
    for (int i = 0; i < 300; ++i) readings.push_back({i * 100, 1, i % 100});
    EngineSpec spec = engine_of(minute({{"u", "distinct(vid, \"theta\")"}, {"h", "distinct(vid)"}}), Minute::late(Duration::minutes(1)));
    struct Sink final : RecordSink {
        void emit(const Record& record) override {
            const Value& value = record.values[0].value;
            estimate = value.real;
            lower = value.lower;
            kind = value.sketch.kind;
            bytes.assign(value.sketch.bytes.begin(), value.sketch.bytes.end());
        }
        double estimate = 0, lower = 0;
        SketchKind kind = SketchKind::none;
        std::vector<std::byte> bytes;
    } sink;
    const EnginePlan plan = compiled(spec);
    ArenaBlock block(plan.need() + Batch::need(plan.source(0).schema, {}));
    Arena arena(block.memory());
    Engine engine(arena, plan, sink);
    Batch batch(arena, plan.source(0).schema, {});
    for (const Reading& r : readings) {
        batch.begin_row();
        batch.set_text(5, batch.keep_text("v" + std::to_string(r.n)).value());
        batch.commit_row({Timestamp::millis(r.at_ms), Timestamp::millis(r.at_ms), true});
    }
    batch.end_message();
    engine.push(0, batch);
    engine.close_all();
    DOUBLES_EQUAL(100, sink.estimate, 0);
    DOUBLES_EQUAL(100, sink.lower, 0);
    CHECK(sink.kind == SketchKind::theta);
    const auto params = ThetaSketch::params_of(sink.bytes);
    CHECK(params.ok());
    std::vector<std::uint64_t> memory(ThetaSketch::need(*params) / 8 + 1);
    ThetaSketch* back = ThetaSketch::create(std::as_writable_bytes(std::span(memory)), *params);
    CHECK(back->load(sink.bytes).ok());
    UNSIGNED_LONGS_EQUAL(100, back->retained());
}

TEST(TimeAggregate, states_that_none_of_them_has_written_are_refused) {
    std::vector<std::uint64_t> memory(64);
    auto* const state = reinterpret_cast<std::byte*>(memory.data());
    StateSpec spec;
    for (const StateKind kind : {StateKind::counter, StateKind::held, StateKind::line, StateKind::decayed}) {
        spec.kind = kind;
        CHECK(timed_state_bytes(spec) <= memory.size() * 8);
        std::fill(memory.begin(), memory.end(), 0);
        CHECK(is_timed_state(spec, state));
        std::fill(memory.begin(), memory.end(), ~std::uint64_t{0});
        CHECK_FALSE(is_timed_state(spec, state));
        std::fill(memory.begin(), memory.end(), ~std::uint64_t{0} >> 1);
        CHECK_FALSE(is_timed_state(spec, state));
    }
}

TEST(TimeAggregate, what_is_wrong_is_said_with_what_would_be_right) {
    STRCMP_CONTAINS("select.v: the bounds of histogram() are numbers, each greater than the one before", refused("histogram(speed, 3, 3)").c_str());
    STRCMP_CONTAINS("1 to 64 bounds", refused("histogram(speed)").c_str());
    STRCMP_CONTAINS("half-life", refused("decayed_sum(speed)").c_str());
    STRCMP_CONTAINS("half-life", refused("decayed_sum(speed, 5)").c_str());
    STRCMP_CONTAINS("half-life", refused("decayed_count('0s')").c_str());
    STRCMP_CONTAINS("half-life", refused("decayed_count(speed, '5s')").c_str());
    STRCMP_CONTAINS("as in distinct(vid, \"theta\")", refused("distinct(vid, 'cpc')").c_str());
    STRCMP_CONTAINS("rate() takes numbers, and vid is string", refused("rate(vid)").c_str());
    STRCMP_CONTAINS("slope() takes one value", refused("slope(speed, 3)").c_str());
    STRCMP_CONTAINS("histogram() is a list", refused("histogram(speed, 3) == 1").c_str());
    STRCMP_CONTAINS("where() takes a condition, and speed is float", refused("mean(speed).where(speed)").c_str());
    STRCMP_CONTAINS("where() stands behind an aggregate", refused("where(speed, ok)").c_str());
    STRCMP_CONTAINS("where() stands behind an aggregate", refused("mean(speed).where(ok).where(ok)").c_str());
    STRCMP_CONTAINS("stands inside where()", refused("mean(speed).where(max(speed) > 3.0)").c_str());
    STRCMP_CONTAINS("aggregates do not nest", refused("mean(max(speed)).where(ok)").c_str());
    SpecProblem problem;
    EngineSpec lanes = engine_of(minute({{"v", "slope(n)"}, {"r", "rate(n)"}}));
    lanes.sources[0].split = true;
    CHECK_FALSE(EnginePlan::compile(lanes, problem).has_value());
    STRCMP_CONTAINS("rate(n) goes by the order of rows", problem.problem.what.c_str());
    lanes.windows[0].select.pop_back();
    CHECK(EnginePlan::compile(lanes, problem).has_value());
    STRCMP_CONTAINS("no column is called spede", refused("mean(speed).where(spede > 1.0)").c_str());
}
