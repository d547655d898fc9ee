#include "windows/engine.h"

#include <algorithm>

#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

extern std::size_t allocations_seen();

namespace {

// The incident of DESIGN.md, beside a window of the same source.
EngineSpec incidents() {
    EngineSpec spec = engine_of(minute({{"n", "count()"}}));
    PatternSpec pattern;
    pattern.name = "incident";
    pattern.from = "loops";
    pattern.by = {"site", "lane"};
    pattern.define = {{"A", "speed > 60.0"}, {"B", "speed < 15.0"}, {"C", "speed < 5.0"}};
    pattern.match = "A B* C";
    pattern.within = Duration::seconds(90);
    pattern.measures = {{"lost", "first(A.speed) - last(C.speed)"}, {"n", "count()"}, {"first", "A.vid"}};
    pattern.max_groups = 32;
    spec.patterns = {pattern};
    return spec;
}

std::uint64_t count(Harness& h, PatternCounter counter) {
    h.flush_all();
    return h.engine.pattern_status(0).counters[static_cast<std::size_t>(counter)];
}

// Messages of several rows, out of order, some far too late or from the future.
std::vector<Message> traffic() {
    std::vector<Message> out;
    std::uint64_t dice = 7;
    const auto below = [&dice](std::uint64_t most) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::int64_t>((dice >> 33) % most);
    };
    for (std::int64_t i = 0; i < 3000; ++i) {
        Message message;
        for (std::int64_t rows = 1 + below(4); rows > 0; --rows) {
            const double speeds[] = {70, 80, 12, 10, 4, 3, 30};
            Event event;
            event.arrival_ms = 1000000 + i * 40;
            event.at_ms = event.arrival_ms - below(1500) - (below(50) == 0 ? 5000 : 0) + (below(200) == 0 ? 500000 : 0);
            event.cells = car("s" + std::to_string(below(3)), speeds[below(7)], below(2), "v" + std::to_string(below(9)));
            message.push_back(event);
        }
        out.push_back(message);
    }
    return out;
}

}  // namespace

TEST_GROUP(EnginePattern) {};

TEST(EnginePattern, matches_are_records_among_those_of_windows) {
    Harness h(incidents());
    h.send(1000, car("a", 70, 2, "x"));
    h.send(2000, car("a", 12, 2));
    h.send(3000, car("a", 11, 2));
    h.send(4000, car("a", 3, 2));
    h.send(5000, car("a", 50, 1));
    h.close();
    CHECK_EQUAL(2U, h.out.results.size());
    const Emitted& match = h.out.results[1];
    STRCMP_EQUAL("incident", match.window.c_str());
    STRCMP_EQUAL("a|2", match.key.c_str());
    CHECK_EQUAL(1000, match.start_ms);
    CHECK_EQUAL(4000, match.end_ms);
    DOUBLES_EQUAL(67, match.real("lost"), 0);
    CHECK_EQUAL(4, match.integer("n"));
    STRCMP_EQUAL("x", match.texts.at("first").c_str());
    CHECK_EQUAL(h.plan.pattern_definition(0), match.definition);
    CHECK_EQUAL(2U, match.sequence);
    CHECK_EQUAL(0U, match.revision);
}

TEST(EnginePattern, a_match_comes_out_when_the_watermark_has_passed_it) {
    Harness h(incidents());
    h.send(1000, car("a", 70));
    h.send(2000, car("a", 3));
    h.send(2500, car("a", 50));  // fits neither B nor C, so that nothing longer can come
    h.send(4200, car("a", 50));
    h.flush();
    CHECK_EQUAL(0U, h.out.results.size());
    h.send(4700, car("a", 50));
    h.flush();
    CHECK_EQUAL(1U, h.out.results.size());
}

TEST(EnginePattern, silence_ends_it_by_ticks) {
    Harness h(incidents());
    h.send(1000, car("a", 70));
    h.send(2000, car("a", 3));
    // Another C could make it longer until 90 s after its beginning; the partition is idle after 30 s.
    for (std::int64_t ms = 2000; ms < 200000; ms += 1000) h.tick(ms);
    const auto& results = h.out.results;
    CHECK_EQUAL(1, std::count_if(results.begin(), results.end(), [](const Emitted& e) { return e.window == "incident"; }));
}

TEST(EnginePattern, how_rows_are_cut_into_batches_changes_nothing) {
    std::string expected;
    for (std::size_t limit : {std::size_t{1}, std::size_t{7}, std::size_t{1024}}) {
        Harness h(incidents(), limit);
        for (const Message& message : traffic()) h.send(message);
        h.close();
        if (expected.empty()) {
            expected = h.out.all();
            CHECK(count(h, PatternCounter::emitted) > 100);
            CHECK(count(h, PatternCounter::late) > 10);
            CHECK(count(h, PatternCounter::quarantined) > 10);
            std::uint64_t sum = 0;
            for (auto reason : {PatternCounter::counted, PatternCounter::filtered, PatternCounter::where_null, PatternCounter::late,
                                PatternCounter::quarantined, PatternCounter::groups_full, PatternCounter::pending_full})
                sum += count(h, reason);
            CHECK_EQUAL(count(h, PatternCounter::rows), sum);
        }
        CHECK(expected == h.out.all());
    }
}

TEST(EnginePattern, a_saved_state_goes_on_as_if_nothing_had_happened) {
    const std::vector<Message> messages = traffic();
    Harness whole(incidents());
    for (const Message& message : messages) whole.send(message);
    whole.close();
    auto h = std::make_unique<Harness>(incidents());
    std::string out;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        h->send(messages[i]);
        if (i % 500 != 250) continue;
        h->flush_all();
        const std::vector<std::byte> bytes = h->save();
        out += h->out.all();
        h = std::make_unique<Harness>(incidents());
        CHECK(h->load(bytes).ok());
    }
    h->close();
    CHECK(whole.out.all() == out + h->out.all());
}

TEST(EnginePattern, memory_is_what_the_plan_says_and_nothing_is_allocated) {
    Harness h(incidents());
    CHECK_EQUAL(h.plan.need(), h.arena_used());
    bool named = false;
    for (const EnginePlan::Part& part : h.plan.parts()) named |= part.name == "pattern incident" && part.bytes > 0;
    CHECK(named);
    const std::vector<Message> messages = traffic();
    h.out.keep = false;
    const std::size_t start = allocations_seen();
    for (const Message& message : messages) h.send(message);
    h.close();
    CHECK_EQUAL(start, allocations_seen());
}

TEST(EnginePattern, the_largest_record_is_foreseen) {
    Harness h(incidents());
    for (const Message& message : traffic()) h.send(message);
    h.close();
    CHECK(h.out.largest <= h.plan.record_size_max());
    CHECK(h.plan.pattern_record_size_max(0) <= h.plan.record_size_max());
}

TEST(EnginePattern, a_frontier_suppresses_what_had_been_emitted) {
    const auto drive = [](Harness& h) {
        h.send(1000, car("a", 70));
        h.send(2000, car("a", 3));
        h.send(3000, car("a", 70));
        h.send(4000, car("a", 3));
        h.close();
    };
    Harness before(incidents());
    drive(before);
    const Emitted& done = before.out.results[1];
    STRCMP_EQUAL("incident", done.window.c_str());
    Harness h(incidents());
    CHECK(h.engine.set_frontier(done.definition, done.partition, Timestamp::millis(done.end_ms)).ok());
    drive(h);
    CHECK_EQUAL(1U, count(h, PatternCounter::suppressed));
    CHECK_EQUAL(1U, count(h, PatternCounter::emitted));
}

TEST(EnginePattern, problems_name_the_pattern) {
    const auto problem_of = [](EngineSpec spec) {
        SpecProblem problem;
        CHECK(!EnginePlan::compile(std::move(spec), problem).has_value());
        return problem.pattern + "." + problem.key + ": " + problem.problem.what;
    };
    EngineSpec spec = incidents();
    spec.patterns[0].define[1].second = "sped < 3";
    STRCMP_EQUAL("incident.define.B: no column is called sped; did you mean speed?", problem_of(spec).c_str());
    spec = incidents();
    spec.patterns[0].from = "loop";
    STRCMP_EQUAL("incident.from: no source is called loop; did you mean loops?", problem_of(spec).c_str());
    spec = incidents();
    spec.patterns[0].name = "minute";
    STRCMP_CONTAINS("a window is called minute, too", problem_of(spec).c_str());
    spec = incidents();
    spec.patterns[0].max_groups = 1000000;
    spec.patterns[0].max_runs = 4096;
    STRCMP_CONTAINS("more than any plan may", problem_of(spec).c_str());
}

TEST(EnginePattern, definitions_change_with_what_they_depend_on) {
    const auto definition = [](EngineSpec spec) { return compiled(std::move(spec)).pattern_definition(0); };
    const std::uint64_t known = definition(incidents());
    CHECK(known == definition(incidents()));
    EngineSpec spec = incidents();
    spec.patterns[0].match = "A (B)* C";
    CHECK(known == definition(spec));
    spec.patterns[0].match = "A B*? C";
    CHECK(known != definition(spec));
    spec = incidents();
    spec.patterns[0].contiguity = Contiguity::next;
    CHECK(known != definition(spec));
    spec = incidents();
    spec.sources[0].lateness = Duration::seconds(3);
    CHECK(known != definition(spec));
}
