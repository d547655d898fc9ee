#include "windows/session_window.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

WindowSpec sessions(Duration gap, std::vector<std::string> by = {"site"}) {
    WindowSpec window;
    window.name = "visits";
    window.from = "loops";
    window.by = std::move(by);
    window.session = gap;
    window.max_groups = 16;
    window.select = {{"n", "count()"}, {"sum", "sum(n)"}, {"u", "distinct(vid)"}, {"p", "quantile(speed, 0.5)"}};
    return window;
}
EngineSpec strict(WindowSpec window) {
    SourceSpec source = road();
    source.lateness = Duration();
    return engine_of(std::move(window), std::move(source));
}
EngineSpec revising(Duration gap, Duration allow) {
    WindowSpec window = sessions(gap);
    window.late_allow = allow;
    window.late_then = LateThen::revise;
    return strict(std::move(window));
}
EngineSpec patient(WindowSpec window) {
    SourceSpec source = road();
    source.lateness = Duration::minutes(60);
    return engine_of(std::move(window), std::move(source));
}

// "a[1000,4000)=2" a record, "-" before a retraction, "+r" behind a revision r, "!" behind a partial one.
std::string said(const Harness& h) {
    std::string text;
    for (const Emitted& e : h.out.results) {
        if (!text.empty()) text += " ";
        if (e.kind == RecordKind::retraction) text += "-";
        text += e.key + "[" + std::to_string(e.start_ms) + "," + std::to_string(e.end_ms) + ")";
        if (e.kind == RecordKind::result) text += "=" + std::to_string(e.integer("n"));
        if (e.revision > 0) text += "+" + std::to_string(e.revision);
        if (e.flags & record_partial) text += "!";
    }
    return text;
}
std::vector<Datum> number(const std::string& site, std::int64_t n) { return {site, std::int64_t{1}, 50.0, n, true, "v"}; }

std::string beam(Duration gap, const std::vector<std::int64_t>& times) {
    Harness h(patient(sessions(gap)));
    for (std::int64_t time : times) h.send(time, car("a", 50));
    h.close();
    std::sort(h.out.results.begin(), h.out.results.end(), [](const Emitted& a, const Emitted& b) { return a.start_ms < b.start_ms; });
    return said(h);
}

}  // namespace

TEST_GROUP(SessionWindow) {};

TEST(SessionWindow, beam_simple) { STRCMP_EQUAL("a[0,10)=1 a[10,20)=1 a[101,111)=1", beam(Duration::millis(10), {0, 10, 101}).c_str()); }

TEST(SessionWindow, beam_consecutive) {
    STRCMP_EQUAL("a[1,19)=4 a[100,111)=2", beam(Duration::millis(10), {1, 2, 5, 9, 100, 101}).c_str());
}

TEST(SessionWindow, beam_merging) {
    STRCMP_EQUAL("a[1,40)=5 a[95,111)=3", beam(Duration::millis(10), {1, 15, 30, 100, 101, 95, 22, 10}).c_str());
}

TEST(SessionWindow, beam_time_unit) {
    STRCMP_EQUAL("a[1,2000)=3 a[5000,6001)=2 a[10000,11000)=1",
                 beam(Duration::seconds(1), {1, 2, 1000, 5000, 5001, 10000}).c_str());
}

// Keys and sums of WindowOperatorTest.testSessionWindows.
TEST(SessionWindow, flink_session_windows) {
    WindowSpec window = sessions(Duration::seconds(3));
    Harness h(patient(window));
    const std::vector<std::pair<std::int64_t, std::vector<Datum>>> rows = {
        {0, number("key2", 1)},    {1000, number("key2", 2)}, {2500, number("key2", 3)}, {10, number("key1", 1)},
        {1000, number("key1", 2)}, {2500, number("key1", 3)}, {5501, number("key2", 4)}, {6000, number("key2", 5)},
        {6000, number("key2", 5)}, {6050, number("key2", 6)}, {15000, number("key2", 10)}, {15000, number("key2", 20)}};
    for (const auto& [time, cells] : rows) h.send(time, cells);
    h.close();
    STRCMP_EQUAL("key1[10,5500)=3 key2[0,5500)=3 key2[5501,9050)=4 key2[15000,18000)=2", said(h).c_str());
    const std::int64_t sums[] = {6, 6, 20, 30};
    for (std::size_t i = 0; i < 4; ++i) LONGS_EQUAL(sums[i], h.out.results[i].integer("sum"));
}

// Keys, values, gaps and times of WindowOperatorTest.testDynamicEventTimeSessionWindows, where watermarks close them.
TEST(SessionWindow, flink_dynamic_event_time_session_windows) {
    WindowSpec window = sessions({});
    window.session_gap = "site == 'key1' ? 3 : n == 10 ? 1 : 2";
    SourceSpec source = road();
    source.partition.clear();
    source.lateness = Duration();
    Harness h(engine_of(std::move(window), std::move(source)));
    const auto watermark = [&](std::int64_t time) { h.send(time, number("key3", 10)); };
    h.send({{10, 10, true, number("key1", 3)}, {5000, 5000, true, number("key2", 4)}, {6000, 6000, true, number("key2", 5)}});
    watermark(8999);
    h.send({{9000, 9000, true, number("key2", 1)}, {10000, 10000, true, number("key2", 2)}, {10500, 10500, true, number("key2", 10)}});
    watermark(12999);
    h.send({{13000, 13000, true, number("key2", 10)}, {13500, 13500, true, number("key2", 10)}, {14000, 14000, true, number("key2", 1)}});
    watermark(16999);
    h.flush_all();
    std::erase_if(h.out.results, [](const Emitted& e) { return e.key == "key3"; });
    STRCMP_EQUAL("key1[10,3010)=1 key2[5000,8000)=2 key2[9000,12000)=3 key2[13000,16000)=3", said(h).c_str());
    const std::int64_t sums[] = {3, 9, 13, 21};
    for (std::size_t i = 0; i < 4; ++i) LONGS_EQUAL(sums[i], h.out.results[i].integer("sum"));
}

TEST(SessionWindow, a_row_with_a_long_gap_joins_all_that_it_touches) {
    WindowSpec window = sessions({});
    window.session_gap = "duration('1s') * n";
    SpecProblem problem;
    CHECK(!EnginePlan::compile(strict(window), problem));  // CEL multiplies no durations
    STRCMP_EQUAL("session", problem.key.c_str());
    window.session_gap = "n";
    window.late_allow = Duration::seconds(60);
    window.late_then = LateThen::revise;
    Harness h(strict(window));
    for (std::int64_t at : {1000, 3000, 5000, 7000, 9000, 11000}) h.send(at, number("a", 1));
    h.send(12500, number("a", 1));
    h.flush_all();
    STRCMP_EQUAL("a[1000,2000)=1 a[3000,4000)=1 a[5000,6000)=1 a[7000,8000)=1 a[9000,10000)=1 a[11000,12000)=1", said(h).c_str());
    h.out.results.clear();
    h.send(3500, number("a", 6));  // [3500, 9500): four of them
    h.flush_all();
    STRCMP_EQUAL("-a[3000,4000)+1 -a[5000,6000)+1 -a[7000,8000)+1 -a[9000,10000)+1 a[3000,10000)=5", said(h).c_str());
    LONGS_EQUAL(10, h.out.results.back().integer("sum"));
    LONGS_EQUAL(1, h.count(WindowCounter::revised));
}

TEST(SessionWindow, a_row_without_a_gap_is_counted) {
    WindowSpec window = sessions({});
    window.session_gap = "speed";
    window.session_max = Duration::seconds(60);
    Harness h(strict(window));
    for (double gap : {0.0, -1.0, 60.000001, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1e300, 1e-7})
        h.send(1000, car("a", gap));
    h.send(1000, {"a", std::int64_t{1}, Datum(), std::int64_t{1}, true, "v"});
    LONGS_EQUAL(8, h.count(WindowCounter::gap_invalid));
    h.send(1000, car("a", 60));
    h.send(2000, car("a", 0.5));
    h.close();
    STRCMP_EQUAL("a[1000,61000)=2", said(h).c_str());
    LONGS_EQUAL(8, h.count(WindowCounter::gap_invalid));
    CHECK(h.adds_up());
}

TEST(SessionWindow, a_row_is_late_by_its_own_gap) {
    WindowSpec window = sessions({});
    window.session_gap = "n";
    Harness h(strict(window));
    h.send(100000, number("a", 1));
    h.send(50000, number("a", 49));
    h.send(50000, number("a", 51));
    LONGS_EQUAL(1, h.count(WindowCounter::late));
    h.close();
    STRCMP_EQUAL("a[50000,101000)=2", said(h).c_str());
}

TEST(SessionWindow, a_gap_is_a_duration_or_a_number) {
    const auto refused = [](std::string gap, Duration most = Duration::seconds(60)) {
        WindowSpec window = sessions({});
        window.session_gap = std::move(gap);
        window.session_max = most;
        SpecProblem problem;
        return EnginePlan::compile(strict(std::move(window)), problem) ? std::string("taken") : problem.key + ": " + problem.problem.what;
    };
    STRCMP_EQUAL("taken", refused("speed / 2").c_str());
    STRCMP_EQUAL("taken", refused("duration('5s')").c_str());
    STRCMP_EQUAL("taken", refused("n > 5 ? duration('5s') : duration(n)").c_str());
    STRCMP_EQUAL("session: a gap is a duration, or a number of seconds, and vid is string", refused("vid").c_str());
    STRCMP_EQUAL("session: a gap is a duration, or a number of seconds, and time is a timestamp", refused("time").c_str());
    CHECK(refused("gap_s").starts_with("session: "));
    CHECK(refused("speed", Duration()).starts_with("session_max: "));
}

TEST(SessionWindow, gaps_are_part_of_the_definition) {
    WindowSpec window = sessions({});
    window.session_gap = "n";
    const std::uint64_t by_n = compiled(strict(window)).definition(0);
    window.session_max = Duration::seconds(1);
    CHECK(compiled(strict(window)).definition(0) != by_n);
    window = sessions({});
    window.session_gap = "lane";
    CHECK(compiled(strict(window)).definition(0) != by_n);
}

TEST(SessionWindow, closes_when_the_watermark_of_its_partition_has_passed_its_end) {
    Harness h(strict(sessions(Duration::seconds(10))));
    h.send(1000, car("a", 50));
    h.send(4000, car("a", 50));
    h.send(100000, car("b", 50));  // another partition: holds nobody and closes nobody
    h.send(13999, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("", said(h).c_str());
    h.send(23999, car("a", 50));  // exactly a gap later: another session; the watermark is short of a step
    h.flush_all();
    STRCMP_EQUAL("", said(h).c_str());
    h.send(24000, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("a[1000,23999)=3", said(h).c_str());
}

TEST(SessionWindow, a_key_without_the_partition_waits_for_the_source) {
    Harness h(strict(sessions(Duration::seconds(10), {"lane"})));
    h.send(1000, car("a", 50));
    h.send(2000, car("b", 50));
    h.send(25000, car("a", 50, 2));
    h.flush_all();
    STRCMP_EQUAL("", said(h).c_str());
    h.send(20000, car("b", 50, 3));
    h.flush_all();
    STRCMP_EQUAL("1[1000,12000)=2", said(h).c_str());
}

TEST(SessionWindow, ticks_close_it_when_all_is_silent) {
    Harness h(strict(sessions(Duration::seconds(10))));
    h.send(1000, car("a", 50));
    for (std::int64_t ms = 1000; ms <= 60000; ms += 1000) h.tick(ms);
    STRCMP_EQUAL("a[1000,11000)=1", said(h).c_str());
    LONGS_EQUAL(0, h.engine.window_status(0).cells);
}

TEST(SessionWindow, a_late_row_that_joins_two_takes_both_back) {
    Harness h(revising(Duration::seconds(10), Duration::seconds(60)));
    h.send(1000, car("a", 10, 1, "x"));
    h.send(15000, car("a", 30, 1, "y"));
    h.send(40000, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("a[1000,11000)=1 a[15000,25000)=1", said(h).c_str());
    h.send(8000, car("a", 20, 1, "z"));
    h.flush_all();
    STRCMP_EQUAL("a[1000,11000)=1 a[15000,25000)=1 -a[1000,11000)+1 -a[15000,25000)+1 a[1000,25000)=3", said(h).c_str());
    const Emitted& joined = h.out.results.back();
    LONGS_EQUAL(3, joined.integer("sum"));
    DOUBLES_EQUAL(3, joined.real("u"), 0);
    DOUBLES_EQUAL(20, joined.real("p"), 0);
    CHECK(h.out.results[2].values.empty());
    LONGS_EQUAL(1, h.count(WindowCounter::revised));
    CHECK(h.adds_up());
}

TEST(SessionWindow, a_late_row_inside_is_a_revision_and_one_at_the_edge_another_identity) {
    Harness h(revising(Duration::seconds(10), Duration::seconds(60)));
    h.send(10000, car("a", 50));
    h.send(14000, car("a", 50));
    h.send(40000, car("a", 50));
    h.send(12000, car("a", 50));
    h.send(9000, car("a", 50));
    h.send(16000, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("a[10000,24000)=2 a[10000,24000)=3+1 -a[10000,24000)+2 a[9000,24000)=4 -a[9000,24000)+1 a[9000,26000)=5", said(h).c_str());
    LONGS_EQUAL(3, h.count(WindowCounter::revised));
}

TEST(SessionWindow, a_session_taken_back_may_be_open_again) {
    Harness h(revising(Duration::seconds(10), Duration::seconds(60)));
    h.send(10000, car("a", 50));
    h.send(20100, car("a", 50));  // another session, and the watermark closes the first
    h.flush_all();
    STRCMP_EQUAL("a[10000,20000)=1", said(h).c_str());
    h.send(19000, car("a", 50));  // joins them
    h.flush_all();
    STRCMP_EQUAL("a[10000,20000)=1 -a[10000,20000)+1", said(h).c_str());
    h.close();
    STRCMP_EQUAL("a[10000,20000)=1 -a[10000,20000)+1 a[10000,30100)=3", said(h).c_str());
}

TEST(SessionWindow, what_was_due_and_grows_in_the_same_message_is_said_when_it_is_due_again) {
    Harness h(revising(Duration::seconds(10), Duration::seconds(60)));
    h.send(10000, car("a", 50));
    h.send(30000, car("a", 50));
    h.send({{8000, 30000, true, car("a", 50)}, {18000, 30000, true, car("a", 50)}, {21000, 30000, true, car("a", 50)}});
    h.flush_all();
    STRCMP_EQUAL("a[10000,20000)=1 -a[10000,20000)+1", said(h).c_str());
    h.close();
    STRCMP_EQUAL("a[10000,20000)=1 -a[10000,20000)+1 a[8000,40000)=5", said(h).c_str());
    LONGS_EQUAL(2, h.count(WindowCounter::revised));
}

TEST(SessionWindow, without_revision_what_is_late_for_all_sessions_is_counted) {
    Harness h(strict(sessions(Duration::seconds(10))));
    h.send(10000, car("a", 50));
    h.send(40000, car("a", 50));
    h.send(12000, car("a", 50));  // its session is gone
    h.send(29999, car("a", 50));
    h.send(30001, car("a", 50));  // behind the watermark, in a session that is not
    h.close();
    STRCMP_EQUAL("a[10000,20000)=1 a[30001,50000)=2", said(h).c_str());
    LONGS_EQUAL(2, h.count(WindowCounter::late));
    CHECK(h.adds_up());
}

TEST(SessionWindow, beyond_max_groups_the_one_that_ends_first_goes_partial) {
    WindowSpec window = sessions(Duration::seconds(10));
    window.max_groups = 2;
    Harness h(patient(window));
    h.send(2000, car("b", 50));
    h.send(1000, car("a", 50));
    h.send(3000, car("c", 50));
    h.send(900, car("a", 50));  // could be the identity that went
    h.send(1500, car("a", 50));
    h.close();
    STRCMP_EQUAL("a[1000,11000)=1! b[2000,12000)=1! a[1500,11500)=1 c[3000,13000)=1", said(h).c_str());
    LONGS_EQUAL(2, h.count(WindowCounter::evicted));
    LONGS_EQUAL(1, h.count(WindowCounter::late_after_eviction));
    CHECK(h.adds_up());
}

TEST(SessionWindow, after_a_power_cut_nothing_at_or_below_the_frontier_is_said_again) {
    Harness h(revising(Duration::seconds(10), Duration::seconds(60)));
    h.send(1000, car("a", 50));
    h.flush_all();
    const auto restored = h.save();
    h.send(30000, car("a", 50));
    h.flush_all();
    const Emitted first = h.out.results.at(0);
    Harness again(revising(Duration::seconds(10), Duration::seconds(60)));
    CHECK(again.load(restored).ok());
    CHECK(again.engine.set_frontier(first.definition, first.partition, Timestamp::millis(first.end_ms)).ok());
    again.send(5000, car("a", 50));   // would be said again with the session it was in
    again.send(500, car("a", 50));
    again.send(25000, car("a", 50));
    again.close();
    STRCMP_EQUAL("a[25000,35000)=1", said(again).c_str());
    LONGS_EQUAL(2, again.count(WindowCounter::late_after_power_cut));
    LONGS_EQUAL(1, again.count(WindowCounter::suppressed));
    CHECK(again.adds_up());
}

TEST(SessionWindow, takes_the_memory_its_plan_says_and_a_kind_is_part_of_its_definition) {
    for (const EngineSpec& spec : {strict(sessions(Duration::seconds(10))), patient(sessions(Duration::seconds(10), {}))}) {
        Harness h(spec);
        LONGS_EQUAL(h.plan.need(), h.arena_used());
    }
    WindowSpec tumbling = sessions(Duration());
    tumbling.size = Duration::seconds(10);
    CHECK(compiled(strict(tumbling)).definition(0) != compiled(strict(sessions(Duration::seconds(10)))).definition(0));
    CHECK(compiled(strict(sessions(Duration::seconds(11)))).definition(0) !=
          compiled(strict(sessions(Duration::seconds(10)))).definition(0));
}

TEST(SessionWindow, a_gap_beside_a_size_is_refused) {
    WindowSpec window = sessions(Duration::seconds(10));
    window.size = Duration::seconds(10);
    SpecProblem problem;
    CHECK(!EnginePlan::compile(strict(window), problem));
    STRCMP_EQUAL("session", problem.key.c_str());
    CHECK(!EnginePlan::compile(strict(sessions(Duration::micros(1))), problem));
    STRCMP_EQUAL("session", problem.key.c_str());
}

TEST(SessionWindow, refuses_a_state_that_is_cut_off) {
    Harness h(strict(sessions(Duration::seconds(10))));
    for (int i = 0; i < 5; ++i) h.send(1000 + i, car("s" + std::to_string(i), 50));
    h.flush_all();
    const auto bytes = h.save();
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
        Harness other(strict(sessions(Duration::seconds(10))));
        ByteReader in(ByteSpan(bytes).first(size));
        CHECK(!other.engine.load(in).ok());
    }
}
