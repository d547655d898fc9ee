#include "windows/sampled_spans.h"

#include "tests/unit/windows/lanes_harness.h"
#include "tests/unit/windows/tables.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

EngineSpec counting() { return engine_of(minute({{"n", "count()"}}, {"site"})); }

void sample(Harness& h, unsigned level, std::size_t source = 0) {
    h.flush_all();
    h.engine.sample(source, level);
}

}  // namespace

TEST_GROUP(Sampling) {};

TEST(Sampling, flags_of_two_results_together_are_those_of_the_lesser_share) {
    DOUBLES_EQUAL(1, sampled_share(record_partial | record_other), 0);
    DOUBLES_EQUAL(0.5, sampled_share(sampled_flags(1) | record_partial), 0);
    DOUBLES_EQUAL(1.0 / 256, sampled_share(sampled_flags(sampled_level_max)), 0);
    DOUBLES_EQUAL(0.125, sampled_share(static_cast<std::uint16_t>(sampled_flags(1) | sampled_flags(3))), 0);
    CHECK_EQUAL(record_sampled, sampled_flags(sampled_level_max));
}

TEST(Sampling, results_whose_time_was_thinned_out_say_what_share_was_kept) {
    Harness h(counting());
    h.send(1000, car("a", 1));     // watermark -1 s
    h.send(61000, car("a", 1));    // 59 s: the first minute is open
    sample(h, 2);
    h.send(62500, car("a", 1));
    sample(h, 0);
    h.send(121000, car("a", 1));
    h.send(181000, car("a", 1));
    h.close();
    DOUBLES_EQUAL(0.25, sampled_share(h.out.find("a", 0)->flags), 0);
    DOUBLES_EQUAL(0.25, sampled_share(h.out.find("a", 60000)->flags), 0);
    CHECK(h.out.find("a", 60000)->json.find("\"sampled\":0.25") != std::string::npos);
    CHECK_EQUAL(0, h.out.find("a", 120000)->flags);
    CHECK(h.out.find("a", 120000)->json.find("sampled") == std::string::npos);
}

TEST(Sampling, what_had_closed_before_is_not_touched_but_where_late_rows_still_count) {
    for (bool allows : {false, true}) {
        WindowSpec window = minute({{"n", "count()"}}, {"site"});
        if (allows) {
            window.late_allow = Duration::minutes(2);
            window.late_then = LateThen::revise;
        }
        Harness h(engine_of(window));
        h.send(1000, car("a", 1));
        h.send(63000, car("a", 1));
        sample(h, 1);
        if (allows) h.send(2000, car("a", 1));
        h.close();
        const Emitted* first = h.out.find("a", 0);
        CHECK_EQUAL(allows ? 2 : 1, first->integer("n"));
        CHECK_EQUAL(allows ? 1U : 0U, first->revision);
        DOUBLES_EQUAL(allows ? 0.5 : 1, sampled_share(first->flags), 0);
        DOUBLES_EQUAL(0.5, sampled_share(h.out.find("a", 60000)->flags), 0);
    }
}

TEST(Sampling, the_least_share_counts_and_nine_stretches_become_eight_by_joining_the_oldest) {
    SampledSpans spans;
    for (int i = 0; i < 9; ++i) {
        spans.change(i == 1 ? 3 : 1, i * 100, i * 100);
        spans.change(0, i * 100, i * 100 + 10);
    }
    DOUBLES_EQUAL(0.125, sampled_share(spans.flags(0, 1)), 0);      // of the second, with which the first was joined
    DOUBLES_EQUAL(0.125, sampled_share(spans.flags(50, 60)), 0);    // between the two
    DOUBLES_EQUAL(1, sampled_share(spans.flags(150, 200)), 0);
    DOUBLES_EQUAL(0.5, sampled_share(spans.flags(810, 811)), 0);    // the newest event itself
    DOUBLES_EQUAL(1, sampled_share(spans.flags(811, 900)), 0);
    spans.change(4, 900, 900);
    spans.change(1, 950, 990);  // to another share without a pause
    DOUBLES_EQUAL(1.0 / 16, sampled_share(spans.flags(900, 1000)), 0);
    DOUBLES_EQUAL(0.5, sampled_share(spans.flags(991, 1000)), 0);
}

TEST(Sampling, state_outlives_save_and_load_and_hostile_bytes_are_refused) {
    Harness first(counting());
    first.send(1000, car("a", 1));
    sample(first, 3);
    Harness second(counting());
    CHECK(second.load(first.save()).ok());
    second.send(2000, car("a", 1));
    second.close();
    DOUBLES_EQUAL(0.125, sampled_share(second.out.find("a", 0)->flags), 0);

    SampledSpans good;
    good.change(2, 1, 2);
    std::array<std::byte, SampledSpans::save_size_max()> bytes{};
    ByteWriter out(bytes);
    good.save(out);
    for (const std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{18}}) {  // level, count, a stretch's level
        auto bad = bytes;
        bad[at] = std::byte{200};
        SampledSpans loaded;
        ByteReader in(bad);
        CHECK_FALSE(loaded.load(in));
    }
    SampledSpans loaded;
    ByteReader in(ByteSpan(bytes).first(5));
    CHECK_FALSE(loaded.load(in));
}

TEST(Sampling, a_lane_tells_the_merger_by_its_partials) {
    LanesHarness lanes(counting(), 2);
    lanes.lane[0]->send(1000, car("a", 1));
    lanes.lane[1]->send(1000, car("a", 1));
    lanes.lane[1]->flush_all();
    lanes.lane[1]->engine.sample(0, 2);
    lanes.finish();
    CHECK_EQUAL(1U, lanes.out.results.size());
    CHECK_EQUAL(2, lanes.out.results[0].integer("n"));
    DOUBLES_EQUAL(0.25, sampled_share(lanes.out.results[0].flags), 0);
}

TEST(Sampling, a_join_keeps_what_both_of_its_sides_kept) {
    EngineSpec spec;
    for (const char* name : {"entry", "exit"}) {
        SourceSpec source;
        source.name = name;
        source.schema = Schema({{"vid", ColumnType::text}, {"n", ColumnType::integer}});
        source.lateness = Duration();
        spec.sources.push_back(source);
    }
    JoinSpec join;
    join.name = "passage";
    join.left = "entry";
    join.right = "exit";
    join.on = {{"vid", "vid"}};
    join.within = Duration::seconds(10);
    join.columns = {{"l", "entry.n"}};
    join.max_rows = 16;
    spec.joins = {join};
    WindowSpec window = minute({{"n", "count()"}}, {});
    window.from = "passage";
    spec.windows = {window};
    Harness h(spec);
    sample(h, 1, 0);
    sample(h, 2, 1);
    h.send(1000, {std::string("v"), std::int64_t{1}}, 0);
    h.flush(0);
    h.send(2000, {std::string("v"), std::int64_t{1}}, 1);
    h.close();
    CHECK_EQUAL(1U, h.out.results.size());
    DOUBLES_EQUAL(0.125, sampled_share(h.out.results[0].flags), 0);
}
