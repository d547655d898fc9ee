// When a window says something: early results, late rows that revise or are told apart, by the documented examples of
// Apache Beam (LeaderBoardTest, the programming guide's section on accumulation) and Flink (WindowOperatorTest).
#include <string>
#include <vector>

#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

constexpr std::int64_t second = 1000, minute_ms = 60 * second;

// The watermark stays behind the rows: it comes to a time by a row of "clock" so much later, which counts nowhere.
constexpr std::int64_t slack = 60 * minute_ms;

EngineSpec spec_of(Duration size, LateThen then = LateThen::drop, Duration allow = {}, Duration early = {}) {
    SourceSpec source = road();
    source.partition.clear();
    source.lateness = Duration::millis(slack);
    WindowSpec window = minute({{"sum", "sum(n)"}, {"rows", "count()"}, {"u", "distinct(vid)"}});
    window.where = "site != 'clock'";
    window.size = size;
    window.late_then = then;
    window.late_allow = allow;
    window.early = early;
    return engine_of(std::move(window), std::move(source));
}
EngineSpec sessions_of(Duration gap, LateThen then = LateThen::drop, Duration allow = {}, Duration early = {}) {
    EngineSpec spec = spec_of(Duration(), then, allow, early);
    spec.windows[0].session = gap;
    return spec;
}
EngineSpec team_scores() { return spec_of(Duration::minutes(20), LateThen::revise, Duration::minutes(60), Duration::minutes(5)); }

Event score(const std::string& team, std::int64_t n, std::int64_t at) { return {at, at, true, {team, std::int64_t{1}, 1.0, n, true, "v"}}; }
void watermark(Harness& h, std::int64_t at) { h.send({score("clock", 0, at + slack)}); }

// "red=7" a result, "~2" behind an early one that is the second, "+1" a revision, "late" before one of late rows alone.
std::string said(Harness& h, bool times = false) {
    h.flush_all();
    std::string text;
    for (const Emitted& e : h.out.results) {
        if (!text.empty()) text += " ";
        if (e.kind == RecordKind::late) text += "late ";
        if (e.kind == RecordKind::retraction) text += "-";
        text += e.key;
        if (times) text += "[" + std::to_string(e.start_ms) + "," + std::to_string(e.end_ms) + ")";
        if (e.kind != RecordKind::retraction) text += "=" + std::to_string(e.integer("sum"));
        if (e.flags & record_provisional) text += "~" + std::to_string(e.early);
        if (e.revision > 0) text += "+" + std::to_string(e.revision);
        if (e.flags & record_partial) text += "!";
    }
    h.out.results.clear();
    return text;
}

}  // namespace

TEST_GROUP(BeamTriggers) {};

TEST(BeamTriggers, team_scores_on_time) {
    Harness h(team_scores());
    h.send({score("blue", 3, 3 * second), score("blue", 2, minute_ms), score("red", 3, 22 * second), score("blue", 5, 3 * minute_ms)});
    h.send({score("red", 1, 4 * minute_ms), score("blue", 2, 270 * second)});
    h.close();
    STRCMP_EQUAL("blue=12 red=4", said(h).c_str());
}

// Speculative panes of processing time are early results of event time here.
TEST(BeamTriggers, team_scores_speculative) {
    Harness h(team_scores());
    h.send({score("blue", 3, 3 * second), score("blue", 2, minute_ms)});
    watermark(h, 5 * minute_ms);
    STRCMP_EQUAL("blue=5~1", said(h).c_str());
    h.send({score("red", 5, 3 * minute_ms)});
    watermark(h, 10 * minute_ms);
    STRCMP_EQUAL("red=5~2", said(h).c_str());
    h.send({score("blue", 3, 22 * second)});
    watermark(h, 15 * minute_ms);
    STRCMP_EQUAL("blue=8~3", said(h).c_str());
    h.send({score("red", 4, 4 * minute_ms), score("blue", 2, 2 * minute_ms)});
    h.close();
    STRCMP_EQUAL("blue=10 red=9", said(h).c_str());
}

TEST(BeamTriggers, team_scores_unobservably_late) {
    EngineSpec spec = team_scores();
    spec.windows[0].early = Duration();
    Harness h(spec);
    h.send({score("blue", 3, 3 * second), score("blue", 5, 8 * minute_ms), score("red", 4, 2 * minute_ms), score("blue", 3, 5 * minute_ms)});
    watermark(h, 19 * minute_ms);
    h.send({score("red", 2, 0), score("red", 5, minute_ms), score("blue", 2, 90 * second), score("red", 3, 3 * minute_ms)});
    watermark(h, 21 * minute_ms);
    STRCMP_EQUAL("blue=13 red=14", said(h).c_str());
    h.close();
    STRCMP_EQUAL("", said(h).c_str());
}

TEST(BeamTriggers, team_scores_observably_late) {
    EngineSpec spec = team_scores();
    spec.windows[0].early = Duration();
    Harness h(spec);
    h.send({score("blue", 3, 3 * second), score("blue", 5, 8 * minute_ms)});
    watermark(h, 3 * minute_ms);
    h.send({score("red", 3, minute_ms), score("red", 4, 2 * minute_ms), score("blue", 3, 5 * minute_ms)});
    watermark(h, 79 * minute_ms);
    STRCMP_EQUAL("blue=11 red=7", said(h).c_str());
    h.send({score("red", 2, 0), score("red", 5, minute_ms), score("red", 3, 3 * minute_ms)});
    STRCMP_EQUAL("red=17+1", said(h).c_str());
    h.send({score("red", 9, minute_ms), score("red", 1, 3 * minute_ms)});
    STRCMP_EQUAL("red=27+2", said(h).c_str());
    h.close();
    STRCMP_EQUAL("", said(h).c_str());
}

TEST(BeamTriggers, team_scores_droppably_late) {
    for (const LateThen then : {LateThen::revise, LateThen::side}) {
        EngineSpec spec = spec_of(Duration::minutes(20), then, Duration::minutes(60));
        Harness h(spec);
        h.send({score("blue", 12, 0), score("red", 3, 0)});
        watermark(h, 20 * minute_ms - 1);
        h.send({score("red", 4, 2 * minute_ms), score("blue", 3, 0), score("blue", 3, 3 * minute_ms)});
        watermark(h, 20 * minute_ms);
        watermark(h, 81 * minute_ms);
        h.send({score("blue", 3, 20 * minute_ms - 5 * second), score("red", 7, 4 * minute_ms)});
        h.close();
        STRCMP_EQUAL("blue=18 red=7", said(h).c_str());
        LONGS_EQUAL(2, h.count(WindowCounter::late));
        CHECK(h.adds_up());
    }
}

// "Accumulating mode": each firing has all values so far.
TEST(BeamTriggers, accumulating_mode) {
    Harness h(spec_of(Duration::minutes(4), LateThen::drop, {}, Duration::minutes(1)));
    h.send({score("k", 5, 0), score("k", 8, 1), score("k", 3, 2)});
    watermark(h, minute_ms);
    h.send({score("k", 15, minute_ms), score("k", 19, minute_ms), score("k", 23, minute_ms)});
    watermark(h, 2 * minute_ms);
    watermark(h, 3 * minute_ms);  // nothing new: no firing
    h.send({score("k", 9, 3 * minute_ms), score("k", 13, 3 * minute_ms), score("k", 10, 3 * minute_ms)});
    watermark(h, 4 * minute_ms);
    STRCMP_EQUAL("k=16~1 k=73~2 k=105", said(h).c_str());
}

TEST_GROUP(FlinkLateness) {};

// A Flink watermark of t says that t itself has come, ours that all before t has.
TEST(FlinkLateness, side_output_due_to_lateness_tumbling) {
    Harness h(spec_of(Duration::seconds(2), LateThen::side, Duration::minutes(1)));
    h.send({score("key2", 1, 1000)});
    watermark(h, 1986);
    h.send({score("key2", 1, 1980)});
    watermark(h, 2000);
    STRCMP_EQUAL("key2[0,2000)=2", said(h, true).c_str());
    h.send({score("key2", 1, 1998)});
    h.send({score("key2", 1, 2001)});
    watermark(h, 3000);
    watermark(h, 4000);
    STRCMP_EQUAL("key2[2000,4000)=1", said(h, true).c_str());
    watermark(h, 62 * second);
    STRCMP_EQUAL("late key2[0,2000)=1", said(h, true).c_str());
    LONGS_EQUAL(1, h.count(WindowCounter::late_aside));
    LONGS_EQUAL(0, h.count(WindowCounter::late));
    CHECK(h.adds_up());
}

TEST(FlinkLateness, side_output_due_to_lateness_session_zero_lateness) {
    Harness h(sessions_of(Duration::seconds(3), LateThen::side, Duration::minutes(1)));
    h.send({score("key2", 1, 1000)});
    watermark(h, 2000);
    h.send({score("key2", 1, 2000)});
    watermark(h, 4999);
    h.send({score("key2", 1, 4500)});
    h.send({score("key2", 1, 8500)});
    watermark(h, 7401);
    h.send({score("key2", 1, 7000)});
    watermark(h, 11502);
    STRCMP_EQUAL("key2[1000,11500)=5", said(h, true).c_str());
    h.send({score("key2", 1, 11600)});
    watermark(h, 14600);
    STRCMP_EQUAL("key2[11600,14600)=1", said(h, true).c_str());
    h.send({score("key2", 1, 10000)});
    h.send({score("key2", 1, 14500)});
    watermark(h, 20001);
    STRCMP_EQUAL("key2[14500,17500)=1", said(h, true).c_str());
    watermark(h, 80 * second);
    STRCMP_EQUAL("late key2[10000,13000)=1", said(h, true).c_str());
}

TEST(FlinkLateness, drop_due_to_lateness_tumbling) {
    Harness h(spec_of(Duration::seconds(2)));
    h.send({score("key2", 1, 1000)});
    watermark(h, 1986);
    h.send({score("key2", 1, 1980)});
    watermark(h, 2000);
    h.send({score("key2", 1, 1998)});
    h.send({score("key2", 1, 2001)});
    watermark(h, 4000);
    STRCMP_EQUAL("key2[0,2000)=2 key2[2000,4000)=1", said(h, true).c_str());
    LONGS_EQUAL(1, h.count(WindowCounter::late));
}

TEST_GROUP(EarlyResults) {};

TEST(EarlyResults, take_no_sequence_number_and_no_revision_and_keep_the_identity) {
    Harness h(spec_of(Duration::minutes(1), LateThen::revise, Duration::minutes(1), Duration::seconds(20)));
    h.send({score("a", 1, 0)});
    watermark(h, 20 * second);
    h.send({score("a", 2, 21 * second)});
    watermark(h, 45 * second);
    watermark(h, 60 * second);
    h.send({score("a", 4, 30 * second)});
    h.flush_all();
    LONGS_EQUAL(4, h.out.results.size());
    const std::uint32_t early[] = {1, 2, 0, 0};
    const std::uint32_t revision[] = {0, 0, 0, 1};
    const std::uint64_t sequence[] = {0, 0, 1, 2};
    for (std::size_t i = 0; i < 4; ++i) {
        const Emitted& e = h.out.results[i];
        LONGS_EQUAL(early[i], e.early);
        LONGS_EQUAL(revision[i], e.revision);
        LONGS_EQUAL(sequence[i], e.sequence);
        CHECK_EQUAL(i < 2, (e.flags & record_provisional) != 0);
        LONGS_EQUAL(0, e.start_ms);
        LONGS_EQUAL(60 * second, e.end_ms);
        CHECK(e.definition == h.out.results[3].definition);
    }
    STRCMP_CONTAINS("\"provisional\":true,\"early\":2}", h.out.results[1].json.c_str());
    LONGS_EQUAL(2, h.count(WindowCounter::early));
    LONGS_EQUAL(2, h.count(WindowCounter::emitted));
}

TEST(EarlyResults, of_several_instants_that_pass_at_once_the_last_one_speaks) {
    Harness h(spec_of(Duration::minutes(1), LateThen::drop, {}, Duration::seconds(10)));
    h.send({score("a", 1, 0)});
    watermark(h, 39 * second);
    STRCMP_EQUAL("a=1~3", said(h).c_str());
    h.send({score("a", 1, 5 * second)});
    watermark(h, 60 * second);  // the result comes in place of the fifth
    STRCMP_EQUAL("a=2", said(h).c_str());
}

TEST(EarlyResults, do_not_change_the_definition_nor_what_comes_behind_them) {
    EngineSpec spec = spec_of(Duration::minutes(1), LateThen::revise, Duration::minutes(1));
    spec.sources[0].lateness = Duration::seconds(20);
    Harness without(spec);
    spec.windows[0].early = Duration::seconds(7);
    Harness with(spec);
    CHECK(with.plan.definition(0) == without.plan.definition(0));
    CHECK(with.plan.fingerprint() != without.plan.fingerprint());
    CHECK(with.plan.need() > without.plan.need());
    for (std::int64_t at = 0; at < 300; ++at)
        for (Harness* h : {&with, &without}) h->send({score(at % 3 ? "a" : "b", at, at * second - (at % 7) * 15 * second + 100 * second)});
    with.close();
    without.close();
    std::erase_if(with.out.results, [](const Emitted& e) { return (e.flags & record_provisional) != 0; });
    STRCMP_EQUAL(without.out.all().c_str(), with.out.all().c_str());
}

TEST(EarlyResults, of_a_session_count_from_its_start) {
    Harness h(sessions_of(Duration::seconds(10), LateThen::drop, {}, Duration::seconds(4)));
    h.send({score("a", 1, 1000)});
    watermark(h, 4999);
    STRCMP_EQUAL("", said(h).c_str());
    watermark(h, 5000);
    STRCMP_EQUAL("a[1000,11000)=1~1", said(h, true).c_str());
    h.send({score("a", 2, 6000)});
    watermark(h, 9000);
    STRCMP_EQUAL("a[1000,16000)=3~2", said(h, true).c_str());
    h.close();
    STRCMP_EQUAL("a[1000,16000)=3", said(h, true).c_str());
}

TEST(EarlyResults, of_other_come_by_the_watermark_of_the_source) {
    EngineSpec spec = engine_of(minute({{"sum", "sum(n)"}}));
    spec.sources[0].lateness = Duration();
    spec.windows[0].max_groups = 1;
    spec.windows[0].early = Duration::seconds(20);
    Harness h(spec);
    h.send({score("a", 1, 0)});
    h.send({score("b", 2, 0)});
    h.send({score("a", 1, 25 * second)});
    STRCMP_EQUAL("a=2~1", said(h).c_str());
    h.send({score("b", 2, 26 * second)});
    STRCMP_EQUAL("(other)=4~1", said(h).c_str());
}

// The definition is the same, so a restart under an edited configuration takes the open windows over.
TEST(EarlyResults, can_be_switched_on_and_off_while_windows_are_open) {
    for (const bool session : {false, true}) {
        EngineSpec spec = session ? sessions_of(Duration::seconds(30)) : spec_of(Duration::minutes(1));
        Harness plain(spec);
        spec.windows[0].early = Duration::seconds(10);
        Harness early(spec);
        plain.send({score("a", 1, 0)});
        watermark(plain, 5 * second);
        plain.flush_all();
        LONGS_EQUAL(1, early.engine.adopt(plain.engine).size());
        early.send({score("a", 2, 3 * second)});
        watermark(early, 12 * second);
        STRCMP_EQUAL("a=3~1", said(early).c_str());
        spec.windows[0].early = Duration();
        Harness again(spec);
        LONGS_EQUAL(1, again.engine.adopt(early.engine).size());
        again.close();
        STRCMP_EQUAL("a=3", said(again).c_str());
    }
}

TEST(EarlyResults, what_is_refused) {
    SpecProblem problem;
    for (const Duration early : {Duration::minutes(1), Duration::millis(99), Duration::seconds(-1)}) {
        EngineSpec spec = spec_of(Duration::minutes(1));
        spec.windows[0].early = early;
        CHECK_FALSE(EnginePlan::compile(spec, problem).has_value());
        STRCMP_EQUAL("early", problem.key.c_str());
    }
    EngineSpec hops = spec_of(Duration::minutes(1), LateThen::drop, {}, Duration::seconds(1));
    hops.windows[0].every = Duration::seconds(10);
    CHECK_FALSE(EnginePlan::compile(hops, problem).has_value());
    STRCMP_EQUAL("early", problem.key.c_str());
    hops.windows[0].early = Duration();
    hops.windows[0].late_then = LateThen::side;
    hops.windows[0].late_allow = Duration::seconds(10);
    CHECK_FALSE(EnginePlan::compile(hops, problem).has_value());
    STRCMP_EQUAL("late.then", problem.key.c_str());
    EngineSpec spec = spec_of(Duration(), LateThen::drop, {}, Duration::seconds(1));
    spec.windows[0].count = 10;
    CHECK_FALSE(EnginePlan::compile(spec, problem).has_value());
    STRCMP_EQUAL("early", problem.key.c_str());
}

TEST_GROUP(LateAside) {};

TEST(LateAside, result_and_late_record_together_hold_every_row) {
    Harness h(spec_of(Duration::minutes(1), LateThen::side, Duration::minutes(2)));
    h.send({score("a", 1, 10 * second), score("b", 8, 10 * second)});
    watermark(h, 60 * second);
    h.send({score("a", 2, 11 * second), score("c", 16, 12 * second)});
    h.send({score("a", 4, 59 * second), score("a", 32, 61 * second)});
    STRCMP_EQUAL("a=1 b=8", said(h).c_str());
    watermark(h, 180 * second);
    h.flush_all();
    LONGS_EQUAL(3, h.out.results.size());
    LONGS_EQUAL(0, h.out.results[0].revision);
    STRCMP_CONTAINS("\"late\":true", h.out.results[0].json.c_str());
    STRCMP_EQUAL("late a[0,60000)=6 late c[0,60000)=16 a[60000,120000)=32", said(h, true).c_str());
    h.send({score("a", 1, 12 * second)});
    h.close();
    STRCMP_EQUAL("", said(h).c_str());
    LONGS_EQUAL(1, h.count(WindowCounter::late));
    LONGS_EQUAL(3, h.count(WindowCounter::late_aside));
    LONGS_EQUAL(0, h.count(WindowCounter::revised));
    CHECK(h.adds_up());
}

TEST(LateAside, other_tells_its_late_keys_apart) {
    EngineSpec spec = spec_of(Duration::minutes(1), LateThen::side, Duration::minutes(2));
    spec.windows[0].max_groups = 1;
    Harness h(spec);
    h.send({score("a", 1, 0), score("b", 2, 0), score("c", 4, 0)});
    watermark(h, 60 * second);
    h.send({score("d", 8, 0), score("a", 16, 0)});
    watermark(h, 180 * second);
    h.flush_all();
    LONGS_EQUAL(4, h.out.results.size());
    DOUBLES_EQUAL(2, h.out.results[1].real("folded_keys"), 0);
    DOUBLES_EQUAL(1, h.out.results[3].real("folded_keys"), 0);
    STRCMP_EQUAL("a=1 (other)=6 late a=16 late (other)=8", said(h).c_str());
}

TEST(LateAside, eviction_tells_what_was_late_and_says_partial) {
    EngineSpec spec = spec_of(Duration::minutes(1), LateThen::side, Duration::minutes(10));
    spec.windows[0].max_open = 2;
    Harness h(spec);
    h.send({score("a", 1, 0)});
    watermark(h, 60 * second);
    h.send({score("a", 2, 60 * second)});
    h.send({score("a", 4, 0)});
    h.send({score("a", 8, 120 * second)});
    STRCMP_EQUAL("a=1 late a=4!", said(h).c_str());
    LONGS_EQUAL(1, h.count(WindowCounter::evicted));
    CHECK(h.adds_up());
}

TEST(LateAside, sessions_of_late_rows_join_among_themselves) {
    Harness h(sessions_of(Duration::seconds(5), LateThen::side, Duration::seconds(30)));
    h.send({score("a", 1, 10 * second)});
    watermark(h, 15 * second);
    STRCMP_EQUAL("a[10000,15000)=1", said(h, true).c_str());
    h.send({score("a", 2, 2 * second), score("a", 4, 8 * second)});
    h.send({score("a", 8, 5 * second)});
    h.send({score("a", 16, 9 * second)});
    watermark(h, 43 * second);
    STRCMP_EQUAL("", said(h).c_str());
    watermark(h, 44 * second);
    STRCMP_EQUAL("late a[2000,14000)=30", said(h, true).c_str());
    CHECK(h.adds_up());
}

TEST(LateAside, a_row_that_touches_an_open_session_is_not_late) {
    Harness h(sessions_of(Duration::seconds(5), LateThen::side, Duration::seconds(30)));
    h.send({score("a", 1, 10 * second)});
    h.send({score("a", 2, 17 * second)});
    watermark(h, 17 * second);
    STRCMP_EQUAL("a[10000,15000)=1", said(h, true).c_str());
    h.send({score("a", 4, 13 * second)});
    h.close();
    STRCMP_EQUAL("a[13000,22000)=6", said(h, true).c_str());
    LONGS_EQUAL(0, h.count(WindowCounter::late_aside));
}
