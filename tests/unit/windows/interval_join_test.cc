#include "windows/interval_join.h"

#include "tests/unit/windows/tables.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

// entry and exit: vid, n; on time.
SourceSpec gate(const std::string& name) {
    SourceSpec source;
    source.name = name;
    source.schema = Schema({{"vid", ColumnType::text}, {"n", ColumnType::integer}, {"speed", ColumnType::real}});
    source.lateness = Duration();
    source.max_future = Duration::minutes(60);
    return source;
}

EngineSpec passages(std::int64_t after_ms, std::int64_t within_ms) {
    EngineSpec spec;
    spec.sources = {gate("entry"), gate("exit")};
    JoinSpec join;
    join.name = "passage";
    join.left = "entry";
    join.right = "exit";
    join.on = {{"vid", "vid"}};
    join.after = Duration::millis(after_ms);
    join.within = Duration::millis(within_ms);
    join.columns = {{"l", "entry.n"}, {"r", "exit.n"}, {"travel", "exit.time - entry.time"}};
    join.max_rows = 16;
    spec.joins = {join};
    // A result a pair.
    PatternSpec pairs;
    pairs.name = "pairs";
    pairs.from = "passage";
    pairs.match = "A";
    pairs.measures = {{"l", "last(l)"}, {"r", "last(r)"}, {"travel", "last(travel)"}, {"vid", "last(vid)"}};
    spec.patterns = {pairs};
    return spec;
}

struct Join {
    explicit Join(EngineSpec spec, std::size_t batch_rows = batch_rows_max) : harness(std::move(spec), batch_rows) {}

    void send(std::size_t side, std::int64_t at_ms, std::int64_t n, const Datum& vid = std::string("v"), const Datum& speed = {}) {
        harness.send({{at_ms, 0, false, {vid, n, speed}}}, side);
        harness.flush(side);
    }
    // Both watermarks, by rows that join nothing.
    void watermark(std::int64_t ms) {
        send(0, ms, 0, {});
        send(1, ms, 0, {});
    }
    std::uint64_t count(JoinCounter counter) { return harness.engine.join_status(0).counters[static_cast<std::size_t>(counter)]; }
    std::size_t kept(std::size_t side) { return harness.engine.join_status(0).kept[side]; }
    bool adds_up() {
        std::uint64_t sum = 0;
        for (auto reason : {JoinCounter::taken, JoinCounter::late, JoinCounter::key_null, JoinCounter::quarantined}) sum += count(reason);
        return sum == count(JoinCounter::left_rows) + count(JoinCounter::right_rows);
    }
    // "1,2 1,3": what came out so far.
    std::string pairs() const {
        std::string text;
        for (const Emitted& result : harness.out.results)
            text += (text.empty() ? "" : " ") + std::to_string(result.integer("l")) + "," + std::to_string(result.integer("r"));
        return text;
    }
    std::string all_pairs() {
        harness.close();
        return pairs();
    }

    Harness harness;
};

SpecProblem problem_of(EngineSpec spec) {
    SpecProblem problem;
    CHECK(!EnginePlan::compile(std::move(spec), problem).has_value());
    return problem;
}

// What processElementsAndWatermarks(1, 4) of Flink's IntervalJoinOperatorTest does: an element each side at 1, 2, 3, 4; a
// second for its millisecond. The pairs, by the later time and then as they came.
std::string flink(std::int64_t lower, std::int64_t upper) {
    Join join(passages(lower * 1000, upper * 1000));
    for (std::int64_t t = 1; t <= 4; ++t) {
        join.send(0, t * 1000, t);
        join.send(1, t * 1000, t);
    }
    const std::string pairs = join.all_pairs();
    CHECK_EQUAL(0U, join.count(JoinCounter::late));
    CHECK(join.adds_up());
    return pairs;
}

}  // namespace

TEST_GROUP(IntervalJoin) {};

// Flink, DataStream API, Joining, Interval Join: orange.ts - 2 <= green.ts <= orange.ts + 1.
TEST(IntervalJoin, flink_documentation_orange_and_green) {
    Join join(passages(-2000, 1000));
    for (std::int64_t t = 0; t <= 7; ++t) {
        if (t == 0 || (t >= 2 && t != 6)) join.send(0, 10000 + t * 1000, t);
        if (t <= 1 || t >= 6) join.send(1, 10000 + t * 1000, t);
    }
    STRCMP_EQUAL("0,0 0,1 2,0 2,1 3,1 5,6 7,6 7,7", join.all_pairs().c_str());
}

TEST(IntervalJoin, flink_testNegativeInclusiveAndNegativeInclusive) { STRCMP_EQUAL("2,1 3,1 3,2 4,2 4,3", flink(-2, -1).c_str()); }
TEST(IntervalJoin, flink_testNegativeInclusiveAndPositiveInclusive) {
    STRCMP_EQUAL("1,1 2,1 1,2 2,2 3,2 2,3 3,3 4,3 3,4 4,4", flink(-1, 1).c_str());
}
TEST(IntervalJoin, flink_testPositiveInclusiveAndPositiveInclusive) { STRCMP_EQUAL("1,2 1,3 2,3 2,4 3,4", flink(1, 2).c_str()); }
TEST(IntervalJoin, flink_testImplementationMirrorsCorrectly) {
    STRCMP_EQUAL("1,2 1,3 2,3 2,4 3,4", flink(1, 2).c_str());
    STRCMP_EQUAL("2,1 3,1 3,2 4,2 4,3", flink(-2, -1).c_str());
}

// As testStateCleanup...InclusiveInclusive, when nothing up to 4 comes any more, and then nothing up to 6.
TEST(IntervalJoin, flink_testStateCleanup) {
    const struct {
        std::int64_t lower, upper;
        std::size_t left, right;  // kept
    } cases[] = {{-1, 0, 1, 2}, {0, 1, 2, 1}};
    for (const auto& each : cases) {
        Join join(passages(each.lower * 1000, each.upper * 1000));
        join.send(1, 500, 0, {});  // holds the watermark back
        Message right;
        for (std::int64_t t = 1; t <= 5; ++t) {
            join.send(0, t * 1000, t);
            right.push_back({t * 1000, 0, false, {std::string("v"), t, Datum()}});
        }
        join.harness.send(right, 1);
        join.harness.flush(1);
        CHECK_EQUAL(10U, join.count(JoinCounter::taken));
        CHECK_EQUAL(each.left, join.kept(0));
        CHECK_EQUAL(each.right, join.kept(1));
        join.watermark(6100);
        CHECK_EQUAL(0U, join.kept(0) + join.kept(1));
    }
}

TEST(IntervalJoin, flink_testReturnsCorrectTimestamp_the_later_of_both) {
    Join join(passages(-5000, 5000));
    join.send(0, 3000, 1);
    join.send(1, 1000 + 3000, 2);
    join.send(1, 7000, 3);
    STRCMP_EQUAL("1,2 1,3", join.all_pairs().c_str());
    CHECK_EQUAL(4000, join.harness.out.results[0].start_ms);
    DOUBLES_EQUAL(1.0, join.harness.out.results[0].real("travel"), 0);
    CHECK_EQUAL(7000, join.harness.out.results[1].start_ms);
    DOUBLES_EQUAL(4.0, join.harness.out.results[1].real("travel"), 0);
}

TEST(IntervalJoin, flink_testRestoreFromSnapshot) {
    Join first(passages(-1000, 1000));
    for (std::int64_t t = 1; t <= 3; ++t) {
        first.send(0, t * 1000, t);
        first.send(1, t * 1000, t);
    }
    const auto saved = first.harness.save();
    CHECK(saved.size() <= first.harness.plan.save_size_max());
    Join second(passages(-1000, 1000));
    CHECK(second.harness.load(saved).ok());
    CHECK(second.harness.save() == saved);
    second.send(0, 4000, 4);
    second.send(1, 4000, 4);
    const std::string before = first.pairs();
    STRCMP_EQUAL("1,1 2,1 1,2 2,2 3,2 2,3 3,3 4,3 3,4 4,4", (before + " " + second.all_pairs()).c_str());
}

// As testDiscardsLateData: what comes behind the lesser watermark joins nothing.
TEST(IntervalJoin, a_row_behind_both_watermarks_is_late) {
    Join join(passages(-1000, 1000));
    join.send(0, 1000, 1);
    join.send(1, 3000, 3);
    join.send(0, 3000, 3);
    join.send(0, 1500, 9);
    join.send(1, 2500, 9);
    STRCMP_EQUAL("3,3", join.all_pairs().c_str());
    CHECK_EQUAL(2U, join.count(JoinCounter::late));
    CHECK(join.adds_up());
}

TEST(IntervalJoin, a_row_behind_its_own_watermark_is_taken_while_the_other_side_waits) {
    Join join(passages(0, 5000));
    join.send(1, 1000, 0, {});
    join.send(0, 9000, 9);
    join.send(0, 2000, 2);
    join.send(1, 4000, 4);
    STRCMP_EQUAL("2,4", join.all_pairs().c_str());
}

TEST(IntervalJoin, keys_must_be_equal_and_null_equals_nothing) {
    Join join(passages(0, 5000));
    join.send(0, 1000, 1, std::string("a"));
    join.send(0, 1000, 2, {});
    join.send(0, 1000, 3, std::string(100, 'x') + "1");
    join.send(1, 2000, 4, {});
    join.send(1, 2000, 5, std::string("b"));
    join.send(1, 2000, 6, std::string(100, 'x') + "2");
    join.send(1, 2000, 7, std::string(100, 'x') + "1");
    STRCMP_EQUAL("3,7", join.all_pairs().c_str());
    CHECK_EQUAL(2U, join.count(JoinCounter::key_null));
    CHECK_EQUAL(3U, join.count(JoinCounter::unmatched));
}

TEST(IntervalJoin, beyond_max_rows_the_earliest_of_a_side_goes) {
    EngineSpec spec = passages(0, 60000);
    spec.joins[0].max_rows = 2;
    Join join(spec);
    join.send(0, 3000, 3);
    join.send(0, 1000, 1);
    join.send(0, 2000, 2);  // 1 goes
    join.send(0, 500, 0);   // goes itself
    join.send(1, 5000, 9);
    STRCMP_EQUAL("2,9 3,9", join.all_pairs().c_str());
    CHECK_EQUAL(2U, join.count(JoinCounter::evicted));
    CHECK_EQUAL(2U, join.count(JoinCounter::unmatched));
    CHECK(join.adds_up());
}

TEST(IntervalJoin, duplicates_make_pairs_each) {
    Join join(passages(0, 1000));
    join.send(0, 1000, 1);
    join.send(0, 1000, 1);
    join.send(1, 1000, 2);
    join.send(1, 1000, 2);
    STRCMP_EQUAL("1,2 1,2 1,2 1,2", join.all_pairs().c_str());
}

TEST(IntervalJoin, a_window_over_pairs_closes_by_both_watermarks_and_calls_nothing_late) {
    EngineSpec spec = passages(0, 300000);
    WindowSpec window;
    window.name = "travel";
    window.from = "passage";
    window.by = {"vid"};
    window.size = Duration::seconds(60);
    window.where = "travel > 1.0";
    window.select = {{"n", "count()"}, {"mean", "mean(travel)"}};
    spec.windows = {window};
    spec.patterns.clear();
    Join join(spec);
    join.send(0, 10000, 1);
    join.send(0, 50000, 2);
    join.send(1, 55000, 3);
    join.send(0, 130000, 4);  // the exits lag behind: nothing closes
    CHECK_EQUAL(0U, join.harness.out.results.size());
    join.send(1, 59000, 5);
    join.send(1, 60000, 6);
    CHECK_EQUAL(1U, join.harness.out.results.size());
    CHECK_EQUAL(4, join.harness.out.results[0].integer("n"));
    DOUBLES_EQUAL((45 + 5 + 49 + 9) / 4.0, join.harness.out.results[0].real("mean"), 1e-12);
    join.harness.close();
    CHECK_EQUAL(0U, join.harness.count(WindowCounter::late));
    CHECK(join.harness.adds_up());
}

TEST(IntervalJoin, more_pairs_than_a_batch_come_out_in_order) {
    EngineSpec spec = passages(0, 1000);
    spec.joins[0].max_rows = 1000;
    spec.patterns[0].max_pending = 100000;
    Join join(spec);
    for (std::int64_t i = 0; i < 40; ++i) join.send(0, 1000 + i, i);
    join.send(1, 1500, 1);
    Message many;
    for (std::int64_t i = 0; i < 40; ++i) many.push_back({1500 + i, 0, false, {std::string("v"), 100 + i, Datum()}});
    join.harness.send(many, 1);
    join.harness.close();
    CHECK_EQUAL(41U * 40U, join.harness.out.results.size());
    std::int64_t before = 0;
    for (const Emitted& result : join.harness.out.results) {
        CHECK(result.start_ms >= before);
        before = result.start_ms;
    }
}

TEST(IntervalJoin, columns_of_tables_may_be_joined_too) {
    EngineSpec spec = passages(0, 10000);
    spec.tables = {sites()};
    spec.sources[0].enrich = {{"sites", "vid"}};
    spec.joins[0].columns.push_back({"road", "left.sites.road + ''"});
    STRCMP_EQUAL("columns.road", problem_of(spec).key.c_str());  // no joining of strings in this language
    spec.joins[0].columns.back().second = "entry.sites.road";
    spec.patterns[0].measures.push_back({"road", "last(road)"});
    Join join(spec);
    const std::string image = image_of(sites(), {{"v", 50.0, "A1"}});
    CHECK(join.harness.engine.load_table(0, as_byte_span(image), 0, image.size()).ok());
    join.send(0, 1000, 1);
    join.send(1, 2000, 2);
    join.harness.close();
    STRCMP_EQUAL("A1", join.harness.out.results.at(0).texts.at("road").c_str());
}

TEST(IntervalJoin, parts_sum_to_what_the_engine_takes) {
    Join join(passages(0, 1000));
    Bytes sum = 0;
    bool named = false;
    for (const auto& part : join.harness.plan.parts()) {
        sum += part.bytes;
        named |= part.name == "join passage";
    }
    CHECK(named);
    CHECK_EQUAL(sum, join.harness.plan.need());
    CHECK_EQUAL(join.harness.plan.need(), join.harness.arena_used());
}

TEST(IntervalJoin, hostile_states_are_refused) {
    Join join(passages(0, 10000));
    join.send(0, 1000, 1);
    const auto saved = join.harness.save();
    for (std::size_t at = 0; at < saved.size(); at += 3) {
        auto damaged = saved;
        damaged[at] ^= std::byte{0x10};
        Join other(passages(0, 10000));
        CHECK(!other.harness.load(damaged).ok());
    }
}

TEST(IntervalJoin, problems_name_the_join_and_the_key) {
    const auto with = [](auto change) {
        EngineSpec spec = passages(0, 1000);
        change(spec.joins[0]);
        const SpecProblem problem = problem_of(spec);
        STRCMP_EQUAL(spec.joins[0].name.c_str(), problem.join.c_str());
        return problem.key + ": " + problem.problem.what;
    };
    const auto has = [](const char* part, const std::string& text) { STRCMP_CONTAINS(part, text.c_str()); };
    has("left: no source is called entri; did you mean entry?", with([](JoinSpec& j) { j.left = "entri"; }));
    has("right: is left, too", with([](JoinSpec& j) { j.right = "entry"; }));
    has("name: a source or another join is called exit", with([](JoinSpec& j) { j.name = "exit"; }));
    has("on: a join needs at least one", with([](JoinSpec& j) { j.on.clear(); }));
    has("on: entry has no column vd", with([](JoinSpec& j) { j.on = {{"vd", "vid"}}; }));
    has("on: speed is float", with([](JoinSpec& j) { j.on = {{"speed", "speed"}}; }));
    has("on: vid is string in entry, and n is int in exit", with([](JoinSpec& j) { j.on = {{"vid", "n"}}; }));
    has("within: must be at least", with([](JoinSpec& j) { j.within = Duration::seconds(-1); }));
    has("max_rows: must be from 1", with([](JoinSpec& j) { j.max_rows = 0; }));
    has("columns.l: say whose n: entry.n or exit.n", with([](JoinSpec& j) { j.columns = {{"l", "n"}}; }));
    has("columns.l: neither side has entry.m", with([](JoinSpec& j) { j.columns = {{"l", "entry.m"}}; }));
    has("columns.l: is a time", with([](JoinSpec& j) { j.columns = {{"l", "entry.time"}}; }));
    has("columns.vid: on has a column of that name", with([](JoinSpec& j) { j.columns = {{"vid", "entry.n"}}; }));
}

TEST(IntervalJoin, a_definition_of_a_window_follows_the_join_it_reads) {
    const auto definition = [](auto change) {
        EngineSpec spec = passages(0, 1000);
        change(spec.joins[0]);
        return compiled(spec).pattern_definition(0);
    };
    const std::uint64_t same = definition([](JoinSpec&) {});
    CHECK_EQUAL(same, definition([](JoinSpec& j) { j.columns[0].second = "(left.n)"; j.columns[0].second = "entry.n"; }));
    CHECK(same != definition([](JoinSpec& j) { j.within = Duration::seconds(2); }));
    CHECK(same != definition([](JoinSpec& j) { j.columns[2].second = "entry.time - exit.time"; }));
}

// After an edit of the configuration that leaves the join as it is.
TEST(IntervalJoin, an_engine_of_another_plan_takes_over_what_a_join_keeps) {
    Join before(passages(0, 60000));
    before.send(0, 1000, 1);
    EngineSpec edited = passages(0, 60000);
    WindowSpec window;
    window.name = "new";
    window.from = "entry";
    window.size = Duration::seconds(10);
    window.select = {{"n", "count()"}};
    edited.windows = {window};
    Join after(edited);
    (void)after.harness.engine.adopt(before.harness.engine);
    after.send(1, 2000, 2);
    after.harness.close();
    CHECK_EQUAL(1U, after.count(JoinCounter::joined));

    Join other(passages(0, 50000));
    (void)other.harness.engine.adopt(before.harness.engine);
    other.send(1, 2000, 2);
    CHECK_EQUAL(0U, other.count(JoinCounter::joined));
}
