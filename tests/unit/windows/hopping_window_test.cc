#include "windows/hopping_window.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

WindowSpec hopping(Duration size, Duration every, std::vector<std::string> by = {"site"}) {
    WindowSpec window;
    window.name = "hops";
    window.from = "loops";
    window.by = std::move(by);
    window.size = size;
    window.every = every;
    window.max_groups = 16;
    window.select = {{"n", "count()"}, {"sum", "sum(n)"}, {"total", "sum(speed)"}, {"la", "last(speed)"}, {"u", "distinct(vid)"}, {"p", "quantile(speed, 0.5)"}};
    return window;
}
WindowSpec seconds(std::int64_t size, std::int64_t every, std::vector<std::string> by = {"site"}) {
    return hopping(Duration::seconds(size), Duration::seconds(every), std::move(by));
}
EngineSpec strict(WindowSpec window) {
    SourceSpec source = road();
    source.lateness = Duration();
    source.max_future = Duration::minutes(60);
    return engine_of(std::move(window), std::move(source));
}
EngineSpec revising(WindowSpec window, Duration allow) {
    window.late_allow = allow;
    window.late_then = LateThen::revise;
    return strict(std::move(window));
}
EngineSpec patient(WindowSpec window) {
    EngineSpec spec = strict(std::move(window));
    spec.sources[0].lateness = Duration::minutes(60);
    return spec;
}

// "a[-5000,5000)=2" a record, "+r" behind a revision r, "!" behind a partial one.
std::string said(const Harness& h) {
    std::string text;
    for (const Emitted& e : h.out.results) {
        if (!text.empty()) text += " ";
        text += e.key + "[" + std::to_string(e.start_ms) + "," + std::to_string(e.end_ms) + ")=" + std::to_string(e.integer("n"));
        if (e.revision > 0) text += "+" + std::to_string(e.revision);
        if (e.flags & record_partial) text += "!";
    }
    return text;
}
std::string of(Duration size, Duration every, const std::vector<std::int64_t>& times) {
    Harness h(patient(hopping(size, every)));
    for (std::int64_t time : times) h.send(time, car("a", 50));
    h.close();
    return said(h);
}
std::string refusal(Duration size, Duration every, std::string& key) {
    SpecProblem problem;
    CHECK(!EnginePlan::compile(strict(hopping(size, every)), problem));
    key = problem.key;
    return problem.problem.what;
}

}  // namespace

TEST_GROUP(HoppingWindow) {};

// SlidingWindowsTest of Beam's Java SDK.
TEST(HoppingWindow, beam_simple) {
    STRCMP_EQUAL("a[-5,5)=2 a[0,10)=4 a[5,15)=4 a[10,20)=2", of(Duration::millis(10), Duration::millis(5), {1, 2, 5, 9, 10, 11}).c_str());
}

TEST(HoppingWindow, beam_equal_size) {
    STRCMP_EQUAL("a[0,3)=2 a[3,6)=2 a[6,9)=1 a[9,12)=1", of(Duration::millis(3), Duration::millis(3), {1, 2, 3, 4, 7, 10}).c_str());
}

// SlidingEventTimeWindowsTest of Flink: 5 s long, every second.
TEST(HoppingWindow, flink_window_assignment) {
    const auto five = [](std::int64_t at) { return of(Duration::seconds(5), Duration::seconds(1), {at}); };
    STRCMP_EQUAL("a[-4000,1000)=1 a[-3000,2000)=1 a[-2000,3000)=1 a[-1000,4000)=1 a[0,5000)=1", five(0).c_str());
    STRCMP_EQUAL("a[0,5000)=1 a[1000,6000)=1 a[2000,7000)=1 a[3000,8000)=1 a[4000,9000)=1", five(4999).c_str());
    STRCMP_EQUAL("a[1000,6000)=1 a[2000,7000)=1 a[3000,8000)=1 a[4000,9000)=1 a[5000,10000)=1", five(5000).c_str());
}

// Windowing TVF, HOP: bids of an hour summed over 10 minutes every 5.
TEST(HoppingWindow, flink_hop_of_bids) {
    Harness h(patient(hopping(Duration::minutes(10), Duration::minutes(5), {})));
    const std::pair<int, double> bids[] = {{5, 4}, {7, 2}, {9, 5}, {11, 3}, {13, 1}, {17, 6}};
    constexpr std::int64_t eight = 1586937600000;  // 2020-04-15 08:00
    for (const auto& [minute, price] : bids) h.send(eight + minute * 60000, car("bid", price));
    h.close();
    const double totals[] = {11, 15, 10, 6};
    LONGS_EQUAL(4, h.out.results.size());
    for (int i = 0; i < 4; ++i) {
        LONGS_EQUAL(eight + i * 300000, h.out.results[static_cast<std::size_t>(i)].start_ms);
        DOUBLES_EQUAL(totals[i], h.out.results[static_cast<std::size_t>(i)].real("total"), 0);
    }
}

TEST(HoppingWindow, a_result_comes_when_the_watermark_of_its_partition_reaches_the_end) {
    Harness h(strict(seconds(4, 2)));
    h.send(1000, car("a", 1));
    h.send(1500, car("b", 1));
    h.send(1999, car("a", 1));
    h.flush_all();
    STRCMP_EQUAL("", said(h).c_str());
    h.send(2000, car("a", 1));
    h.flush_all();
    STRCMP_EQUAL("a[-2000,2000)=2", said(h).c_str());
    h.send(4000, car("b", 1));
    h.flush_all();
    STRCMP_EQUAL("a[-2000,2000)=2 b[-2000,2000)=1 b[0,4000)=1", said(h).c_str());
}

TEST(HoppingWindow, records_that_are_due_together_go_by_end_and_key) {
    Harness h(strict(seconds(4, 2, {"lane"})));
    h.send(1000, car("a", 1, 2));
    h.send(1000, car("a", 1, 1));
    h.send(3000, car("a", 1, 1));
    h.send(100000, car("a", 1, 3));
    h.flush_all();
    STRCMP_EQUAL("1[-2000,2000)=1 2[-2000,2000)=1 1[0,4000)=2 2[0,4000)=1 1[2000,6000)=1", said(h).c_str());
}

TEST(HoppingWindow, windows_without_rows_are_not_there_however_long_the_silence) {
    Harness h(strict(hopping(Duration::millis(2), Duration::millis(1))));
    h.send(1000, car("a", 1));
    h.send(std::int64_t{400} * 86400 * 1000, car("a", 1));  // at every millisecond a window would have ended: 3.5e10 of them
    h.close();
    STRCMP_EQUAL("a[999,1001)=1 a[1000,1002)=1 a[34559999999,34560000001)=1 a[34560000000,34560000002)=1", said(h).c_str());
}

TEST(HoppingWindow, a_late_row_counts_in_the_windows_that_are_open) {
    Harness h(strict(seconds(6, 2)));
    h.send(1000, car("a", 1));
    h.send(2500, car("a", 2));
    h.send(500, car("a", 4));   // its first window has been said, two have not
    h.send(6000, car("a", 8));
    h.send(1500, car("a", 16)); // all have
    h.close();
    STRCMP_EQUAL("a[-4000,2000)=1 a[-2000,4000)=3 a[0,6000)=3 a[2000,8000)=2 a[4000,10000)=1 a[6000,12000)=1", said(h).c_str());
    LONGS_EQUAL(1, h.count(WindowCounter::late_in_part));
    LONGS_EQUAL(1, h.count(WindowCounter::late));
    CHECK(h.adds_up());
}

TEST(HoppingWindow, a_late_row_finds_its_place_among_panes_that_are_merged) {
    // With panes at every second, and the rows of 2 and 4 coming late, whenever that is.
    for (std::int64_t when = 5; when < 12; ++when) {
        Harness h(strict(seconds(12, 1)));
        for (std::int64_t at = 0; at < 14; ++at) {
            if (at != 2 && at != 4) h.send(at * 1000, car("a", static_cast<double>(at)));
            if (at != when) continue;
            h.send(4000, car("a", 4));
            h.send(2000, car("a", 2));
            h.send(2000, car("a", 2));
        }
        h.close();
        for (const Emitted& e : h.out.results) {
            std::int64_t n = 0, last = 0;
            for (std::int64_t at = 0; at < 14; ++at) {
                const bool late = at == 2 || at == 4;
                const bool in = at * 1000 >= e.start_ms && at * 1000 < e.end_ms;
                if (!in || (late && e.end_ms <= when * 1000)) continue;
                n += at == 2 ? 2 : 1;
                last = at;
            }
            LONGS_EQUAL(n, e.integer("n"));
            DOUBLES_EQUAL(static_cast<double>(last), e.real("la"), 0);
        }
    }
}

TEST(HoppingWindow, a_late_row_revises_the_windows_that_were_said) {
    Harness h(revising(seconds(4, 2), Duration::seconds(3)));
    h.send(1000, car("a", 1));
    h.send(6000, car("a", 1));
    h.send(1500, car("a", 1));  // of [-2,2) too, which can no longer be revised
    h.send(3500, car("a", 1));
    h.flush_all();
    STRCMP_EQUAL("a[-2000,2000)=1 a[0,4000)=1 a[0,4000)=2+1 a[0,4000)=3+2 a[2000,6000)=1", said(h).c_str());
    LONGS_EQUAL(2, h.count(WindowCounter::revised));
    LONGS_EQUAL(1, h.count(WindowCounter::late_in_part));
    CHECK(h.adds_up());
}

TEST(HoppingWindow, a_key_keeps_its_place_as_long_as_it_has_panes) {
    WindowSpec window = seconds(4, 2, {"lane"});
    window.max_groups = 1;
    Harness h(strict(window));
    h.send(1000, car("a", 1, 1));
    h.send(1000, car("a", 1, 2));  // folded
    h.send(3000, car("a", 1, 1));
    h.send(5000, car("a", 1, 2));
    h.send(7000, car("a", 1, 2));  // 1 still has the pane of 3
    h.send(9000, car("a", 1, 2));  // its own from here; what windows from before 10 hold of it lies in "(other)", too
    h.send(11000, car("a", 1, 2));
    h.close();
    STRCMP_EQUAL(
        "1[-2000,2000)=1 (other)[-2000,2000)=1 1[0,4000)=2 (other)[0,4000)=1 1[2000,6000)=1 (other)[2000,6000)=1 "
        "(other)[4000,8000)=2 2[6000,10000)=1! (other)[6000,10000)=1 2[8000,12000)=2! 2[10000,14000)=1",
        said(h).c_str());
    LONGS_EQUAL(3, h.count(WindowCounter::folded));
    CHECK(h.adds_up());
}

TEST(HoppingWindow, other_counts_the_keys_of_all_its_panes) {
    WindowSpec window = seconds(4, 2, {"lane"});
    window.max_groups = 1;
    Harness h(strict(window));
    for (std::int64_t lane = 0; lane < 10; ++lane) h.send(1000, car("a", 1, lane));
    for (std::int64_t lane = 5; lane < 15; ++lane) h.send(2000, car("a", 1, lane));
    h.close();
    const Emitted* both = h.out.find("(other)", 0);
    LONGS_EQUAL(19, both->integer("n"));
    DOUBLES_EQUAL(14, both->real("folded_keys"), 0);
}

TEST(HoppingWindow, when_too_many_panes_are_open_the_windows_of_the_oldest_go_partial) {
    WindowSpec window = seconds(4, 2);
    window.max_open = 3;
    EngineSpec spec = patient(window);
    for (std::size_t batch : {std::size_t{1}, std::size_t{1024}}) {
        Harness h(spec, batch);
        for (std::int64_t at : {1, 3, 5, 7, 2, 0}) h.send(at * 1000, car("a", 1));
        h.close();
        STRCMP_EQUAL("a[-2000,2000)=1! a[0,4000)=2! a[2000,6000)=3 a[4000,8000)=2 a[6000,10000)=1", said(h).c_str());
        LONGS_EQUAL(1, h.count(WindowCounter::evicted));
        LONGS_EQUAL(1, h.count(WindowCounter::late_after_eviction));
        LONGS_EQUAL(1, h.count(WindowCounter::late_in_part));
        CHECK(h.adds_up());
    }
}

TEST(HoppingWindow, after_a_power_cut_nothing_at_or_below_the_frontier_is_said_again) {
    const EngineSpec spec = revising(seconds(4, 2), Duration::seconds(30));
    Harness h(spec);
    h.send(1000, car("a", 1));
    h.flush_all();
    const auto restored = h.save();
    h.send(2000, car("a", 1));
    h.flush_all();
    const Emitted first = h.out.results.at(0);
    Harness again(spec);
    CHECK(again.load(restored).ok());
    CHECK(again.engine.set_frontier(first.definition, first.partition, Timestamp::millis(first.end_ms)).ok());
    again.send(2000, car("a", 1));
    again.send(1500, car("a", 1));
    again.close();
    STRCMP_EQUAL("a[0,4000)=3 a[2000,6000)=1", said(again).c_str());
    LONGS_EQUAL(1, again.count(WindowCounter::suppressed));
    CHECK(again.adds_up());
}

TEST(HoppingWindow, a_gap_marks_the_windows_it_touches_and_an_unset_clock_those_of_its_rows) {
    Harness h(strict(seconds(4, 2)));
    h.send({{1000, 1000, false, car("a", 1)}});
    h.send(3000, car("a", 1));
    h.engine.mark_gap(Timestamp::millis(4000), Timestamp::millis(4500));
    h.send(5000, car("a", 1));
    h.close();
    STRCMP_EQUAL("a[-2000,2000)=1 a[0,4000)=2 a[2000,6000)=2! a[4000,8000)=1!", said(h).c_str());
    for (const Emitted& e : h.out.results) CHECK_EQUAL(e.start_ms <= 1000 && e.end_ms > 1000, (e.flags & record_clock_untrusted) != 0);
}

TEST(HoppingWindow, takes_the_memory_its_plan_says_and_every_is_part_of_its_definition) {
    for (const EngineSpec& spec : {strict(seconds(10, 1)), patient(seconds(60, 1, {})), revising(seconds(10, 2), Duration::seconds(60))}) {
        Harness h(spec);
        LONGS_EQUAL(h.plan.need(), h.arena_used());
    }
    CHECK(compiled(strict(seconds(10, 1))).definition(0) != compiled(strict(seconds(10, 2))).definition(0));
    CHECK(compiled(strict(seconds(10, 1))).definition(0) != compiled(strict(seconds(10, 10))).definition(0));
    WindowSpec tumbling = seconds(10, 10);
    tumbling.every = Duration();
    CHECK(compiled(strict(seconds(10, 10))).definition(0) == compiled(strict(tumbling)).definition(0));
}

TEST(HoppingWindow, its_plan_says_how_many_panes_and_groups) {
    bool found = false;
    const EnginePlan plan = compiled(strict(seconds(60, 1)));
    for (const EnginePlan::Part& part : plan.parts()) found |= part.name == "window hops: 16 groups x 60 panes";
    CHECK(found);
}

TEST(HoppingWindow, refuses_what_is_no_multiple_and_names_the_nearest) {
    std::string key;
    STRCMP_EQUAL("1m is no multiple of every = 7s; the nearest that are: 56s and 63s", refusal(Duration::seconds(60), Duration::seconds(7), key).c_str());
    STRCMP_EQUAL("size", key.c_str());
    STRCMP_CONTAINS("longer than size", refusal(Duration::seconds(60), Duration::seconds(61), key).c_str());
    STRCMP_EQUAL("every", key.c_str());
    STRCMP_CONTAINS("more than 4096 panes", refusal(Duration::minutes(60), Duration::millis(500), key).c_str());
    WindowSpec many = seconds(3600, 1);
    many.max_groups = 10000;
    SpecProblem problem;
    CHECK(!EnginePlan::compile(strict(many), problem));
    STRCMP_EQUAL("max_groups", problem.key.c_str());
    STRCMP_CONTAINS("10000 groups x 3600 panes", problem.problem.what.c_str());
}

TEST(HoppingWindow, refuses_a_state_that_is_cut_off) {
    const EngineSpec spec = revising(seconds(6, 2), Duration::seconds(30));
    Harness h(spec);
    for (int i = 0; i < 40; ++i) h.send(1000 + i * 300, car("s" + std::to_string(i % 3), 50));
    h.flush_all();
    const auto bytes = h.save();
    for (std::size_t size = 0; size < bytes.size(); size += 13) {
        Harness other(spec);
        ByteReader in(ByteSpan(bytes).first(size));
        CHECK(!other.engine.load(in).ok());
    }
}
