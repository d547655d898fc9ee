#include "tests/unit/windows/lanes_harness.h"
#include "windows/lane_merger.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

std::vector<std::pair<std::string, std::string>> values() {
    return {{"n", "count()"}, {"sum", "sum(n)"}, {"low", "min(speed)"}, {"high", "max(speed)"}, {"mean", "mean(speed)"},
            {"p50", "quantile(speed, 0.5)"}, {"vids", "distinct(vid)"}, {"common", "top(vid, 3)"}, {"last", "last(vid)"}};
}
EngineSpec per_kind() { return engine_of(minute(values(), {"lane"})); }

}  // namespace

TEST_GROUP(LaneMerger) {};

TEST(LaneMerger, a_group_that_spans_lanes_is_one_record_when_the_last_lane_has_passed) {
    LanesHarness lanes(per_kind(), 2);
    lanes.lane[0]->send(10'000, car("a", 10, 1, "x"));
    lanes.lane[1]->send(20'000, car("b", 30, 1, "y"));
    lanes.lane[0]->send(70'000, car("a", 1, 1));
    lanes.end_round();
    lanes.give_all();
    LONGS_EQUAL(0, lanes.out.results.size());
    lanes.lane[1]->send(70'000, car("b", 1, 1));
    lanes.end_round();
    lanes.give_all();
    LONGS_EQUAL(1, lanes.out.results.size());
    const Emitted& one = lanes.out.results[0];
    STRCMP_EQUAL("1", one.key.c_str());
    LONGS_EQUAL(60'000, one.end_ms);
    LONGS_EQUAL(2, one.integer("n"));
    LONGS_EQUAL(2, one.integer("sum"));
    DOUBLES_EQUAL(10, one.real("low"), 0);
    DOUBLES_EQUAL(30, one.real("high"), 0);
    DOUBLES_EQUAL(20, one.real("mean"), 1e-12);
    DOUBLES_EQUAL(2, one.real("vids"), 1e-9);
    STRCMP_EQUAL("y", one.texts.at("last").c_str());
    LONGS_EQUAL(0, one.flags);
    LONGS_EQUAL(1, one.sequence);
}

TEST(LaneMerger, the_identity_is_that_of_one_lane) {
    Harness one(per_kind());
    one.send(10'000, car("a", 10));
    one.close();
    LanesHarness lanes(per_kind(), 2);
    lanes.lane[1]->send(10'000, car("a", 10));
    lanes.finish();
    LONGS_EQUAL(1, lanes.out.results.size());
    STRCMP_EQUAL(one.out.results[0].json.c_str(), lanes.out.results[0].json.c_str());
    // A key with the partition closes at other times when lanes share the source: that is part of what it means.
    Harness site(engine_of(minute(values())));
    LanesHarness split_site(engine_of(minute(values())), 2);
    CHECK(site.plan.definition(0) != split_site.plan.definition(0));
}

TEST(LaneMerger, a_lane_without_rows_holds_until_it_would_be_idle) {
    LanesHarness lanes(per_kind(), 2);
    lanes.tick(0);
    lanes.lane[0]->send({{10'000, 1'000, true, car("a", 10)}});
    lanes.lane[0]->send({{62'000, 2'000, true, car("a", 10)}});
    for (std::int64_t at = 1'000; at < 30'000; at += 1'000) lanes.tick(at);
    lanes.give_all();
    LONGS_EQUAL(0, lanes.out.results.size());
    lanes.tick(30'000);
    lanes.give_all();
    LONGS_EQUAL(1, lanes.out.results.size());
    // A file without times of arrival has no ticks: there a lane holds nothing up before its first row.
    LanesHarness still(per_kind(), 2);
    still.lane[0]->send(10'000, car("a", 10));
    still.lane[0]->send(70'000, car("a", 10));
    still.end_round();
    still.give_all();
    LONGS_EQUAL(1, still.out.results.size());
}

TEST(LaneMerger, records_come_in_the_order_of_end_window_key) {
    EngineSpec spec = per_kind();
    spec.windows.push_back(spec.windows[0]);
    spec.windows[1].name = "half";
    spec.windows[1].size = Duration::seconds(30);
    LanesHarness lanes(spec, 3);
    for (std::size_t lane = 0; lane < 3; ++lane)
        for (std::int64_t key : {5, 1, 3}) lanes.lane[lane]->send(5'000 + 30'000 * static_cast<std::int64_t>(lane), car("a", 1, key + static_cast<std::int64_t>(lane)));
    lanes.finish();
    for (std::size_t i = 1; i < lanes.out.results.size(); ++i) {
        const Emitted& a = lanes.out.results[i - 1];
        const Emitted& b = lanes.out.results[i];
        CHECK(std::tuple(a.end_ms, a.window != "minute", a.key) < std::tuple(b.end_ms, b.window != "minute", b.key));
        LONGS_EQUAL(a.sequence + 1, b.sequence);
    }
}

TEST(LaneMerger, what_comes_within_late_allow_makes_a_revision_of_all_lanes) {
    EngineSpec spec = per_kind();
    spec.windows[0].late_then = LateThen::revise;
    spec.windows[0].late_allow = Duration::seconds(60);
    LanesHarness lanes(spec, 2);
    for (auto& lane : lanes.lane) {
        lane->send(10'000, car("a", 10));
        lane->send(70'000, car("a", 10));
    }
    lanes.end_round();
    lanes.give_all();
    LONGS_EQUAL(1, lanes.out.results.size());
    lanes.lane[0]->send(20'000, car("a", 90));
    lanes.end_round();
    lanes.give_all();
    LONGS_EQUAL(2, lanes.out.results.size());
    const Emitted& revised = lanes.out.results[1];
    LONGS_EQUAL(1, revised.revision);
    LONGS_EQUAL(3, revised.integer("n"));
    DOUBLES_EQUAL(90, revised.real("high"), 0);
}

TEST(LaneMerger, other_adds_what_lanes_folded_and_what_has_no_place_here) {
    EngineSpec spec = per_kind();
    spec.windows[0].max_groups = 2;
    LanesHarness lanes(spec, 2);
    for (std::int64_t key : {1, 2, 3, 4}) lanes.lane[0]->send(10'000, car("a", 10, key));  // 3 and 4 folded
    for (std::int64_t key : {1, 5}) lanes.lane[1]->send(10'000, car("a", 10, key));        // 5 has no place here
    lanes.finish();
    LONGS_EQUAL(3, lanes.out.results.size());
    LONGS_EQUAL(2, lanes.out.results[0].integer("n"));
    LONGS_EQUAL(1, lanes.out.results[1].integer("n"));
    LONGS_EQUAL(3, lanes.out.results[2].integer("n"));
    CHECK(lanes.out.results[2].flags & record_other);
    DOUBLES_EQUAL(3, lanes.out.results[2].real("folded_keys"), 1e-6);
    LONGS_EQUAL(1, lanes.count(WindowCounter::folded));
}

TEST(LaneMerger, too_many_waiting_intervals_evict_the_oldest_and_what_follows_is_counted) {
    EngineSpec spec = per_kind();
    LanesHarness lanes(spec, 2);
    const std::size_t places = lanes.plan.compiled().windows[0].merged->intervals_max;
    for (std::size_t i = 0; i < places + 3; ++i) lanes.lane[0]->send(static_cast<std::int64_t>(i) * 60'000, car("a", 1));
    lanes.lane[1]->send(0, car("a", 1));  // it holds
    lanes.end_round();
    while (lanes.give_one(0)) {
    }
    CHECK(lanes.count(WindowCounter::evicted) > 0);
    CHECK(lanes.out.results[0].flags & record_partial);
    LONGS_EQUAL(0, lanes.out.results[0].start_ms);
    lanes.lane[1]->close();
    while (lanes.give_one(1)) {
    }
    LONGS_EQUAL(1, lanes.count(WindowCounter::late_after_eviction));
    LONGS_EQUAL(lanes.count(WindowCounter::rows), lanes.count(WindowCounter::counted) + lanes.count(WindowCounter::late) +
                                                      lanes.count(WindowCounter::late_after_eviction));
}

TEST(LaneMerger, nothing_at_or_below_the_frontier_is_emitted_and_gaps_mark_records) {
    LanesHarness lanes(per_kind(), 2);
    CHECK(lanes.merger.set_frontier(lanes.plan.definition(0), Timestamp::millis(60'000)).ok());
    CHECK(lanes.merger.set_frontier(17, Timestamp::millis(60'000)).error() == Error::missing);
    lanes.merger.mark_gap(Timestamp::millis(100'000), Timestamp::millis(130'000));
    for (std::int64_t at : {10'000, 70'000, 200'000}) lanes.lane[0]->send(at, car("a", 1));
    lanes.finish();
    LONGS_EQUAL(2, lanes.out.results.size());
    LONGS_EQUAL(120'000, lanes.out.results[0].end_ms);
    CHECK(lanes.out.results[0].flags & record_partial);
    CHECK(!(lanes.out.results[1].flags & record_partial));
    LONGS_EQUAL(1, lanes.count(WindowCounter::suppressed));
}

TEST(LaneMerger, memory_is_what_need_says_and_a_lane_needs_room_for_what_it_leaves) {
    LanesHarness lanes(per_kind(), 2);
    LONGS_EQUAL(LaneMerger::need(lanes.plan, 2), lanes.arena_used());
    for (const auto& lane : lanes.lane) LONGS_EQUAL(lane->plan.need(), lane->arena_used());
    CHECK(lanes.plan.partial_size_max() > 0);
}

TEST(LaneMerger, a_saved_state_goes_on_and_a_damaged_one_is_refused) {
    const auto rows = [](LanesHarness& lanes) {
        for (std::int64_t i = 0; i < 400; ++i) lanes.lane[static_cast<std::size_t>(i % 2)]->send(i * 500, car("a", static_cast<double>(i), i % 5, std::to_string(i % 7)));
        lanes.end_round();
    };
    LanesHarness lanes(per_kind(), 2);
    rows(lanes);
    for (int i = 0; i < 9; ++i) lanes.give_one(0);
    for (int i = 0; i < 5; ++i) lanes.give_one(1);
    std::vector<std::byte> saved = lanes.save();
    const std::size_t before = lanes.out.results.size();
    LanesHarness other(per_kind(), 2);
    CHECK(other.load(saved).ok());
    other.said[0]->items = lanes.said[0]->items;
    other.said[1]->items = lanes.said[1]->items;
    lanes.give_all();
    lanes.merger.finish();
    other.give_all();
    other.merger.finish();
    LONGS_EQUAL(lanes.out.results.size() - before, other.out.results.size());
    for (std::size_t i = 0; i < other.out.results.size(); ++i) {
        LONGS_EQUAL(lanes.out.results[before + i].integer("n"), other.out.results[i].integer("n"));
        STRCMP_EQUAL(lanes.out.results[before + i].key.c_str(), other.out.results[i].key.c_str());
    }
    LanesHarness three(per_kind(), 3);
    CHECK(!three.load(saved).ok());
    for (std::size_t at = 0; at < saved.size(); at += 37) {
        saved[at] ^= std::byte{0x40};
        CHECK(!other.load(saved).ok());
        saved[at] ^= std::byte{0x40};
        CHECK(!other.load({saved.begin(), saved.begin() + static_cast<std::ptrdiff_t>(at)}).ok());
    }
    CHECK(other.load(saved).ok());
}

TEST(LaneMerger, a_partial_that_cannot_be_one_is_refused) {
    LanesHarness lanes(per_kind(), 2);
    lanes.lane[0]->send(10'000, car("a", 10));
    lanes.lane[0]->close();
    std::vector<std::byte> bytes = lanes.said[0]->items.back().partial;
    CHECK(!bytes.empty());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        lanes.merger.reset();
        CHECK(!lanes.merger.absorb(ByteSpan(bytes).first(size)).ok());
    }
    lanes.merger.reset();
    bytes[0] = std::byte{9};
    CHECK(!lanes.merger.absorb(bytes).ok());
}

TEST(LaneMerger, sessions_counts_and_patterns_of_a_split_source_are_refused_with_the_reason) {
    EngineSpec spec = split(per_kind());
    spec.windows[0].size = {};
    spec.windows[0].session = Duration::seconds(5);
    SpecProblem problem;
    CHECK(!EnginePlan::compile(spec, problem));
    STRCMP_EQUAL("session", problem.key.c_str());
    STRCMP_CONTAINS("lane", problem.problem.what.c_str());
    spec = split(per_kind());
    spec.windows[0].size = {};
    spec.windows[0].count = 10;
    CHECK(!EnginePlan::compile(spec, problem));
    STRCMP_EQUAL("count", problem.key.c_str());
    spec = split(per_kind());
    spec.windows[0].select = {{"r", "rate(n)"}};
    CHECK(!EnginePlan::compile(spec, problem));
    STRCMP_CONTAINS("lane", problem.problem.what.c_str());
    spec = split(per_kind());
    PatternSpec pattern;
    pattern.name = "p";
    pattern.from = "loops";
    pattern.match = "A";
    pattern.measures = {{"x", "last(A.speed)"}};
    pattern.within = Duration::seconds(5);
    spec.patterns = {pattern};
    CHECK(!EnginePlan::compile(spec, problem));
    STRCMP_CONTAINS("lane", problem.problem.what.c_str());
}
