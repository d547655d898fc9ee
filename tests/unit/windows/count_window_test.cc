#include "windows/count_window.h"

#include <string>
#include <vector>

#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

WindowSpec batches(std::uint64_t count, Duration max_wait = {}, std::vector<std::string> by = {"site"}) {
    WindowSpec window;
    window.name = "batches";
    window.from = "loops";
    window.by = std::move(by);
    window.count = count;
    window.max_wait = max_wait;
    window.max_groups = 16;
    window.select = {{"n", "count()"}, {"sum", "sum(n)"}, {"u", "distinct(vid)"}, {"p", "quantile(speed, 0.5)"}};
    return window;
}
EngineSpec strict(WindowSpec window) {
    SourceSpec source = road();
    source.lateness = Duration();
    return engine_of(std::move(window), std::move(source));
}
std::vector<Datum> number(const std::string& site, std::int64_t n) { return {site, std::int64_t{1}, 50.0, n, true, "v"}; }

// "a[1000,4000)=2" a record; "!" behind a partial one, "*" behind "(other)" how many keys.
std::string said(const Harness& h) {
    std::string text;
    for (const Emitted& e : h.out.results) {
        if (!text.empty()) text += " ";
        text += e.key + "[" + std::to_string(e.start_ms) + "," + std::to_string(e.end_ms) + ")=" + std::to_string(e.integer("n"));
        if (e.flags & record_other) text += "*" + std::to_string(static_cast<int>(e.values.at("folded_keys").real + 0.5));
        if (e.flags & record_partial) text += "!";
    }
    return text;
}

}  // namespace

TEST_GROUP(CountWindow) {};

// Keys, values and times of WindowOperatorTest.testCountTrigger, a purging CountTrigger as countWindow(4) makes it: the
// times do not matter, and the state is saved and restored in between.
TEST(CountWindow, flink_count_window) {
    Harness before(strict(batches(4)));
    const std::pair<const char*, std::int64_t> first[] = {{"key2", 3000}, {"key2", 3999}, {"key1", 20}, {"key1", 0},
                                                          {"key1", 999},  {"key2", 1998}, {"key2", 1999}};
    for (const auto& [key, time] : first) before.send(time, number(key, 1));
    before.flush_all();
    STRCMP_EQUAL("key2[1998,4000)=4", said(before).c_str());
    Harness h(strict(batches(4)));
    CHECK(h.load(before.save()).ok());
    h.send(1000, number("key2", 1));
    h.flush_all();
    STRCMP_EQUAL("", said(h).c_str());
    h.send(10999, number("key1", 1));
    h.send(1000, number("key2", 1));
    h.send(1000, number("key2", 1));
    h.send(1000, number("key2", 1));
    h.flush_all();
    STRCMP_EQUAL("key1[0,11000)=4 key2[1000,4001)=4", said(h).c_str());
    LONGS_EQUAL(4, h.out.results[0].integer("sum"));
    LONGS_EQUAL(4, h.out.results[1].integer("sum"));
}

// CountTriggerTest: what is left over at the end does not fire; here it is said, and said to be partial.
TEST(CountWindow, what_is_not_full_at_the_end_is_partial) {
    Harness h(strict(batches(3)));
    for (int i = 0; i < 7; ++i) h.send(1000 + i, car("a", 50));
    h.close();
    STRCMP_EQUAL("a[1000,1003)=3 a[1003,1006)=3 a[1006,1007)=1!", said(h).c_str());
    LONGS_EQUAL(7, h.count(WindowCounter::counted));
    h.send(2000, car("a", 50));
    LONGS_EQUAL(1, h.count(WindowCounter::late));
    CHECK(h.adds_up());
}

TEST(CountWindow, a_message_may_fill_it_several_times) {
    Harness h(strict(batches(2)));
    Message message;
    for (int i = 0; i < 5; ++i) message.push_back({1000 + i, 1000, true, car(i == 2 ? "b" : "a", 10.0 * i, 1, "v" + std::to_string(i))});
    h.send(message);
    h.flush_all();
    STRCMP_EQUAL("a[1000,1002)=2 a[1003,1005)=2", said(h).c_str());
    DOUBLES_EQUAL(2, h.out.results[1].real("u"), 0);
    DOUBLES_EQUAL(30, h.out.results[1].real("p"), 0);
}

TEST(CountWindow, rows_that_where_leaves_out_do_not_fill_it) {
    WindowSpec window = batches(2);
    window.where = "speed > 10.0";
    Harness h(strict(std::move(window)));
    for (double speed : {5.0, 50.0, 5.0, 5.0, 60.0, 5.0}) h.send(1000, car("a", speed));
    h.flush_all();
    STRCMP_EQUAL("a[1000,1001)=2", said(h).c_str());
    LONGS_EQUAL(4, h.count(WindowCounter::filtered));
}

TEST(CountWindow, no_row_is_late) {
    Harness h(strict(batches(2)));
    h.send(50000, car("b", 50));
    h.send(100000, car("a", 50));
    h.send(3000, car("a", 50));
    h.send(2000, car("a", 50));
    h.send(1000, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("a[3000,100001)=2 a[1000,100002)=2", said(h).c_str());
    LONGS_EQUAL(0, h.count(WindowCounter::late));
}

TEST(CountWindow, duplicate_times_do_not_give_the_same_identity) {
    Harness h(strict(batches(1)));
    for (int i = 0; i < 3; ++i) h.send(1000, car("a", 50));
    h.flush_all();
    LONGS_EQUAL(3, h.out.results.size());
    for (int i = 0; i < 3; ++i) LONGS_EQUAL(1001000 + 1000 * i, h.out.results[static_cast<std::size_t>(i)].end_us);
}

TEST(CountWindow, adaptive_closes_at_so_many_rows_or_after_so_long) {
    Harness h(strict(batches(3, Duration::seconds(5))));
    for (std::int64_t at : {1000, 2000, 3000, 4000}) h.send(at, car("a", 50));
    h.send(8000, car("a", 50));   // its first row is at 4000
    h.flush_all();
    STRCMP_EQUAL("a[1000,3001)=3", said(h).c_str());
    h.send(9000, car("a", 50));   // fills it
    h.send(10000, car("a", 50));
    h.send(14900, car("b", 50));  // another partition: closes nobody
    h.send(14999, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("a[1000,3001)=3 a[4000,9001)=3", said(h).c_str());
    h.send(15000, car("a", 50));  // fills it, too, and the watermark closes nothing more
    h.send(15000, car("a", 50));
    h.send(20000, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("a[1000,3001)=3 a[4000,9001)=3 a[10000,15001)=3 a[15000,20001)=2", said(h).c_str());
    for (const Emitted& e : h.out.results) CHECK((e.flags & record_partial) == 0);
}

TEST(CountWindow, ticks_close_an_adaptive_one_in_silence) {
    Harness h(strict(batches(100, Duration::seconds(5))));
    h.send(1000, car("a", 50));
    h.send(1500, car("a", 50));
    for (std::int64_t ms = 1500; ms <= 40000; ms += 500) h.tick(ms);
    STRCMP_EQUAL("a[1000,1501)=2", said(h).c_str());
    LONGS_EQUAL(0, h.engine.window_status(0).cells);
}

TEST(CountWindow, what_comes_late_waits_as_long_as_what_does_not) {
    Harness h(strict(batches(100, Duration::seconds(5))));
    h.send(60000, car("a", 50));
    h.send(66000, car("a", 50));  // closes the first
    h.send(1000, car("a", 50));   // begins another one, at a watermark of 66 s
    h.send(70000, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("a[60000,66001)=2", said(h).c_str());
    h.send(71000, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("a[60000,66001)=2 a[1000,71001)=3", said(h).c_str());
}

TEST(CountWindow, what_closes_together_is_in_the_order_of_end_and_key) {
    Harness h(strict(batches(100, Duration::seconds(5), {"lane"})));
    h.send({{3000, 3000, true, car("a", 50, 3)}, {1000, 3000, true, car("a", 50, 2)}, {3000, 3000, true, car("a", 50, 1)}});
    h.send(20000, car("a", 50, 7));
    h.flush_all();
    STRCMP_EQUAL("2[1000,1001)=1 1[3000,3001)=1 3[3000,3001)=1", said(h).c_str());
}

TEST(CountWindow, keys_beyond_max_groups_share_a_window) {
    WindowSpec window = batches(3);
    window.max_groups = 2;
    Harness h(strict(std::move(window)));
    for (const char* key : {"a", "b", "c", "a", "d", "a"}) h.send(1000, car(key, 50));
    h.flush_all();
    STRCMP_EQUAL("a[1000,1001)=3", said(h).c_str());
    h.send(2000, car("e", 50));  // a waits, but c and d must stay where they are, and nobody knows them
    h.flush_all();
    STRCMP_EQUAL("a[1000,1001)=3 (other)[1000,2001)=3*3", said(h).c_str());
    h.send(3000, car("c", 50));  // takes the place of a
    h.send(3000, car("a", 50));
    h.close();
    STRCMP_EQUAL("a[1000,1001)=3 (other)[1000,2001)=3*3 b[1000,1001)=1! c[3000,3001)=1! (other)[3000,3001)=1*1!", said(h).c_str());
    LONGS_EQUAL(4, h.count(WindowCounter::folded));
    LONGS_EQUAL(9, h.count(WindowCounter::counted));
    CHECK(h.adds_up());
}

TEST(CountWindow, a_key_keeps_its_place_after_its_window) {
    WindowSpec window = batches(1);
    window.max_groups = 2;
    Harness h(strict(std::move(window)));
    for (const char* key : {"a", "b", "a", "c", "b"}) h.send(1000, car(key, 50));  // c takes that of b, b that of a
    h.flush_all();
    STRCMP_EQUAL("a[1000,1001)=1 b[1000,1001)=1 a[1000,1002)=1 c[1000,1001)=1 b[1000,1003)=1", said(h).c_str());
    LONGS_EQUAL(0, h.count(WindowCounter::folded));
    for (const Emitted& a : h.out.results)
        for (const Emitted& b : h.out.results) CHECK(&a == &b || a.key != b.key || a.end_us != b.end_us);
}

TEST(CountWindow, after_a_power_cut_nothing_at_or_below_the_frontier_counts_again) {
    Harness h(strict(batches(3)));
    h.send(1000, car("a", 50));
    h.send(1000, car("c", 50));
    h.flush_all();
    const auto restored = h.save();
    h.send(2000, car("a", 50));
    h.send(3000, car("a", 50));
    h.flush_all();
    STRCMP_EQUAL("a[1000,3001)=3", said(h).c_str());
    const Emitted first = h.out.results.at(0);
    Harness again(strict(batches(3)));
    CHECK(again.load(restored).ok());
    CHECK(again.engine.set_frontier(first.definition, first.partition, Timestamp::micros(first.end_us)).ok());
    again.send(2000, car("a", 50));
    again.send(3000, car("a", 50));
    again.send(4000, car("a", 50));  // the row that waited was emitted, too
    again.send(2000, car("c", 50));
    again.close();
    STRCMP_EQUAL("c[1000,2001)=2! a[4000,4001)=1!", said(again).c_str());
    LONGS_EQUAL(2, again.count(WindowCounter::late_after_power_cut));
    LONGS_EQUAL(1, again.count(WindowCounter::suppressed));
    CHECK(again.adds_up());
}

TEST(CountWindow, what_waited_in_a_window_that_was_emitted_is_not_said_at_the_end) {
    Harness h(strict(batches(3)));
    h.send(1000, car("a", 50));
    h.flush_all();
    const auto restored = h.save();
    h.send(2000, car("a", 50));
    h.send(3000, car("a", 50));
    h.flush_all();
    const Emitted first = h.out.results.at(0);
    Harness again(strict(batches(3)));
    CHECK(again.load(restored).ok());
    CHECK(again.engine.set_frontier(first.definition, first.partition, Timestamp::micros(first.end_us)).ok());
    again.close();
    STRCMP_EQUAL("", said(again).c_str());
    LONGS_EQUAL(1, again.count(WindowCounter::suppressed));
}

TEST(CountWindow, there_are_as_many_frontiers_as_it_may_emit_for) {
    WindowSpec window = batches(1);
    window.max_groups = 2;
    const EngineSpec spec = strict(std::move(window));
    Harness h(spec);
    for (int i = 0; i < 100; ++i) h.send(1000 + i, car("s" + std::to_string(i % 7), 50));
    h.flush_all();
    Harness again(spec);
    for (const Emitted& e : h.out.results)
        CHECK(again.engine.set_frontier(e.definition, e.partition, Timestamp::micros(e.end_us)).ok());
    for (int i = 0; i < 100; ++i) again.send(1000 + i, car("s" + std::to_string(i % 7), 50));
    again.close();
    STRCMP_EQUAL("", said(again).c_str());
    LONGS_EQUAL(100, again.count(WindowCounter::late_after_power_cut));
}

TEST(CountWindow, takes_the_memory_its_plan_says_and_what_it_is_is_part_of_its_definition) {
    std::vector<std::uint64_t> definitions;
    for (const WindowSpec& window : {batches(3), batches(4), batches(3, Duration::seconds(1)), batches(3, {}, {}), batches(3, {}, {"lane"})}) {
        Harness h(strict(window));
        LONGS_EQUAL(h.plan.need(), h.arena_used());
        for (std::uint64_t other : definitions) CHECK(other != h.plan.definition(0));
        definitions.push_back(h.plan.definition(0));
    }
}

TEST(CountWindow, what_does_not_fit_together_is_refused) {
    const auto refused = [](WindowSpec window) {
        SpecProblem problem;
        return EnginePlan::compile(strict(std::move(window)), problem) ? std::string("taken") : problem.key;
    };
    WindowSpec window = batches(3);
    window.size = Duration::seconds(1);
    STRCMP_EQUAL("count", refused(window).c_str());
    window = batches(3);
    window.session = Duration::seconds(1);
    STRCMP_EQUAL("session", refused(window).c_str());
    window = batches(0, Duration::seconds(1));
    STRCMP_EQUAL("count", refused(window).c_str());
    STRCMP_EQUAL("count", refused(batches(2'000'000'000)).c_str());
    STRCMP_EQUAL("max_wait", refused(batches(3, Duration::micros(1))).c_str());
    window = batches(3);
    window.late_allow = Duration::seconds(1);
    STRCMP_EQUAL("late.allow", refused(window).c_str());
    window = batches(0);
    window.size = Duration::seconds(10);
    window.max_wait = Duration::seconds(1);
    STRCMP_EQUAL("count", refused(window).c_str());
}

TEST(CountWindow, refuses_a_state_that_is_cut_off) {
    WindowSpec window = batches(3);
    window.max_groups = 3;
    const EngineSpec spec = strict(std::move(window));
    Harness h(spec);
    for (int i = 0; i < 12; ++i) h.send(1000 + i, car("s" + std::to_string(i % 5), 50));
    h.flush_all();
    const auto bytes = h.save();
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
        Harness other(spec);
        ByteReader in(ByteSpan(bytes).first(size));
        CHECK(!other.engine.load(in).ok());
    }
}
