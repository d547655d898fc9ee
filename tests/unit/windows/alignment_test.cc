// Sources that wait for each other (time.align), and partitions that fall silent: Flink's documented behaviour of watermark
// alignment (FLIP-182, FLIP-471) and idleness (StatusWatermarkValveTest), and what is Weir's own.
#include <algorithm>
#include <string>

#include "tests/unit/windows/harness.h"
#include "windows/watermark.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

constexpr std::int64_t second = 1000;
constexpr std::size_t loops = 0, cameras = 1;

SourceSpec source_called(const std::string& name) {
    SourceSpec source = road();
    source.name = name;
    source.partition.clear();
    source.lateness = Duration();
    source.align = "junction";
    source.ahead = Duration::seconds(30);
    return source;
}
EngineSpec two_sources() {
    EngineSpec spec;
    spec.sources = {source_called("loops"), source_called("cameras")};
    for (const char* const name : {"loops", "cameras"}) {
        WindowSpec window = minute({{"n", "count()"}}, {});
        window.name = name;
        window.from = name;
        window.size = Duration::seconds(10);
        window.max_open = 60;
        spec.windows.push_back(window);
    }
    return spec;
}

class Pair {
public:
    explicit Pair(EngineSpec spec = two_sources(), std::size_t batch_rows = batch_rows_max) : h(std::move(spec), batch_rows) {}

    void event(std::size_t source, std::int64_t at_s, const std::string& site = "a") {
        if (source != last_) h.flush(last_);
        last_ = source;
        clock_ = std::max(clock_, at_s * second);
        h.send({{at_s * second, clock_, true, car(site, 50)}}, source);
    }
    std::string said() {
        h.flush_all();
        std::string text;
        for (const Emitted& e : h.out.results)
            text += (text.empty() ? "" : " ") + e.window.substr(0, 1) + std::to_string(e.start_ms / second) + (e.flags & record_partial ? "!" : "");
        h.out.results.clear();
        return text;
    }
    std::int64_t watermark(std::size_t source) {
        h.flush_all();
        return h.engine.source_status(source).watermark.ms() / second;
    }
    bool waits(std::size_t source) {
        h.flush_all();
        return h.engine.source_status(source).waits;
    }

    Harness h;

private:
    std::size_t last_ = 0;
    std::int64_t clock_ = 0;
};

}  // namespace

TEST_GROUP(Alignment) {};

// FLIP-471: A at 1042 s, B at 1000 s, a drift of 30 s is allowed.
TEST(Alignment, flink_source_beyond_the_drift_waits_until_the_other_has_come) {
    Pair pair;
    pair.event(cameras, 1000);
    pair.event(loops, 1005);
    pair.event(loops, 1042);
    LONGS_EQUAL(1030, pair.watermark(loops));
    LONGS_EQUAL(1000, pair.watermark(cameras));
    CHECK(pair.waits(loops));
    CHECK_FALSE(pair.waits(cameras));
    STRCMP_EQUAL("l1000", pair.said().c_str());
    pair.event(cameras, 1011);
    LONGS_EQUAL(1041, pair.watermark(loops));
    pair.event(cameras, 1012);
    LONGS_EQUAL(1042, pair.watermark(loops));
    CHECK_FALSE(pair.waits(loops));
}

// What a row of one source lets the other close comes out at that row, in one order.
TEST(Alignment, windows_of_the_source_ahead_close_as_the_other_comes) {
    Pair pair;
    pair.event(cameras, 0);
    for (std::int64_t at : {0, 10, 20, 30, 40, 50}) pair.event(loops, at);
    STRCMP_EQUAL("l0 l10 l20", pair.said().c_str());
    pair.event(cameras, 9);
    STRCMP_EQUAL("", pair.said().c_str());
    pair.event(cameras, 10);
    STRCMP_EQUAL("c0 l30", pair.said().c_str());
    pair.event(cameras, 20);
    STRCMP_EQUAL("c10 l40", pair.said().c_str());
    pair.h.close();
    STRCMP_EQUAL("c20 l50", pair.said().c_str());
}

TEST(Alignment, rows_that_would_be_late_without_it_are_counted) {
    Pair pair;
    pair.event(cameras, 0);
    pair.event(loops, 100);
    pair.event(loops, 35);  // the loops' watermark stands at 30
    pair.event(loops, 29);
    pair.h.close();
    LONGS_EQUAL(1, pair.h.count(WindowCounter::late, loops));
    LONGS_EQUAL(2, pair.h.count(WindowCounter::counted, loops));
}

TEST(Alignment, flink_idle_source_does_not_hold_others_back) {
    EngineSpec spec = two_sources();
    spec.sources[cameras].idle = Duration::seconds(20);
    Pair pair(spec);
    pair.event(cameras, 0);
    for (std::int64_t at = 0; at <= 60; at += 5) pair.event(loops, at);
    LONGS_EQUAL(30, pair.watermark(loops));
    pair.h.tick(60 * second);
    LONGS_EQUAL(60, pair.watermark(loops));
    // Ticks have moved its own watermark on. It comes back far behind: no watermark goes back, and the others wait again.
    pair.event(cameras, 10);
    LONGS_EQUAL(1, pair.h.count(WindowCounter::late, cameras));
    pair.event(loops, 95);
    LONGS_EQUAL(90, pair.watermark(loops));
    pair.event(cameras, 70);
    LONGS_EQUAL(95, pair.watermark(loops));
}

TEST(Alignment, a_source_that_has_not_come_yet_holds_nobody_back) {
    Pair pair;
    pair.event(loops, 100);
    LONGS_EQUAL(100, pair.watermark(loops));
    pair.event(cameras, 20);
    LONGS_EQUAL(100, pair.watermark(loops));
    LONGS_EQUAL(20, pair.watermark(cameras));
    pair.event(loops, 130);
    LONGS_EQUAL(100, pair.watermark(loops));
}

TEST(Alignment, partitions_of_the_source_ahead_wait_too) {
    EngineSpec spec = two_sources();
    spec.sources[loops].partition = "site";
    spec.windows[loops].by = {"site"};
    Pair pair(spec);
    pair.event(cameras, 0);
    for (std::int64_t at : {5, 15, 25, 35, 45}) {
        pair.event(loops, at, "a");
        pair.event(loops, at - 1, "b");
    }
    STRCMP_EQUAL("l0 l0 l10 l10 l20 l20", pair.said().c_str());
    pair.event(cameras, 10);
    STRCMP_EQUAL("c0 l30 l30", pair.said().c_str());
}

TEST(Alignment, each_source_has_its_own_bound_and_groups_are_apart) {
    EngineSpec spec = two_sources();
    spec.sources[loops].ahead = Duration();
    spec.sources.push_back(source_called("buses"));
    spec.sources.back().align.clear();
    Pair pair(spec);
    pair.event(cameras, 7);
    pair.event(loops, 100);
    pair.event(2, 100);
    LONGS_EQUAL(7, pair.watermark(loops));
    LONGS_EQUAL(100, pair.watermark(2));
    pair.event(cameras, 200);
    LONGS_EQUAL(100, pair.watermark(loops));
    LONGS_EQUAL(130, pair.watermark(cameras));
}

// There is room for what a live source leaves open: its lateness and the time after which it counts as idle.
TEST(Alignment, waiting_is_bounded_by_the_intervals_planned) {
    EngineSpec spec = two_sources();
    for (WindowSpec& window : spec.windows) window.max_open = 0;
    EngineSpec alone = spec;
    for (SourceSpec& source : alone.sources) source.align.clear();
    CHECK(compiled(spec).need() > compiled(alone).need());
    spec.windows[loops].max_open = 3;
    Pair pair(spec);
    pair.event(cameras, 0);
    for (std::int64_t at = 0; at < 90; at += 10) pair.event(loops, at);
    STRCMP_EQUAL("l0 l10 l20 l30! l40! l50!", pair.said().c_str());
    LONGS_EQUAL(3, pair.h.count(WindowCounter::evicted, loops));
}

TEST(Alignment, what_is_refused) {
    SpecProblem problem;
    EngineSpec spec = two_sources();
    spec.sources[cameras].align = "other";
    CHECK_FALSE(EnginePlan::compile(spec, problem).has_value());
    STRCMP_EQUAL("time.align", problem.key.c_str());
    STRCMP_EQUAL("loops", problem.source.c_str());
    spec = two_sources();
    spec.sources[cameras].ahead = Duration::micros(-1);
    CHECK_FALSE(EnginePlan::compile(spec, problem).has_value());
    STRCMP_EQUAL("time.ahead", problem.key.c_str());
}

TEST(Alignment, is_part_of_the_definition) {
    EngineSpec spec = two_sources();
    const std::uint64_t aligned = compiled(spec).definition(0);
    spec.sources[loops].ahead = Duration::seconds(31);
    CHECK(compiled(spec).definition(0) != aligned);
    for (SourceSpec& source : spec.sources) source.align.clear();
    CHECK(compiled(spec).definition(0) != aligned);
}

TEST_GROUP(FlinkIdleness) {};

// StatusWatermarkValveTest, testMultipleInputWatermarkAdvancingAsChannelsIndividuallyBecomeIdle: of 25, 10 and 17 the least
// holds, until it is idle.
TEST(FlinkIdleness, watermark_advances_as_channels_individually_become_idle) {
    const Boundary step{second * 1000};
    Watermarks::Params params;
    params.partitions_max = 4;
    params.lateness = Duration();
    params.idle = Duration::seconds(10);
    params.arrival_step_max = Duration::minutes(1);
    params.partition_boundaries = params.source_boundaries = std::span(&step, 1);
    ArenaBlock block(Watermarks::need(params));
    Arena arena(block.memory());
    Watermarks watermarks(arena, params);
    const auto event = [&](std::uint64_t channel, std::int64_t at_s, std::int64_t arrival_s) {
        (void)watermarks.arrive(Timestamp::seconds(arrival_s), true);
        watermarks.event(watermarks.partition(channel, "x"), at_s * second * 1000);
        (void)watermarks.propose();
        watermarks.adopt();
        watermarks.clear_passed();
        return watermarks.watermark() / 1000 / second;
    };
    event(11, 25, 100);
    event(12, 10, 100);
    LONGS_EQUAL(25, event(13, 17, 100));  // the first had come alone, and a watermark does not go back
    LONGS_EQUAL(25, event(13, 17, 109));
    LONGS_EQUAL(3, watermarks.active());
    event(13, 30, 111);  // the others are idle now
    LONGS_EQUAL(1, watermarks.active());
    LONGS_EQUAL(30, watermarks.watermark() / 1000 / second);
}
