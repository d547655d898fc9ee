#include "windows/engine.h"

#include <cmath>
#include <cstdlib>
#include <new>

#include "agent/base/hash.h"
#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

EngineSpec counting(std::vector<std::string> by = {"site"}) { return engine_of(minute({{"n", "count()"}, {"m", "mean(speed)"}}, std::move(by))); }
constexpr std::int64_t minute_ms = 60000;

}  // namespace

TEST_GROUP(Engine) {};

TEST(Engine, interval_is_half_open_and_aligned) {
    Harness h(counting());
    h.send(0, car("a", 1));
    h.send(59999, car("a", 2));
    h.send(60000, car("a", 3));
    h.close();
    CHECK_EQUAL(2U, h.out.results.size());
    CHECK_EQUAL(0, h.out.results[0].start_ms);
    CHECK_EQUAL(60000, h.out.results[0].end_ms);
    CHECK_EQUAL(2, h.out.results[0].integer("n"));
    DOUBLES_EQUAL(1.5, h.out.results[0].real("m"), 0);
    CHECK_EQUAL(1, h.out.results[1].integer("n"));
    CHECK_EQUAL(1U, h.out.results[0].sequence);
    CHECK_EQUAL(2U, h.out.results[1].sequence);
}

// What stands behind a first word that multiplies to nothing is hidden from the hash.
TEST(Engine, keys_of_equal_hash_are_groups_of_their_own) {
    const std::string nothing = "\x93\xfd\x59\x66\xb8\xfe\xe8\xd6";
    const std::string one = nothing + "11111111x";
    const std::string other = nothing + "22222222x";
    CHECK(hash_short(one) == hash_short(other));
    Harness h(counting());
    h.send(1000, car(one, 1));
    h.send(1000, car(other, 2));
    h.send({{2000, 2000, true, car(one, 1)}, {2000, 2000, true, car(other, 2)}, {2000, 2000, true, car(one, 1)}});
    h.close();
    CHECK_EQUAL(2U, h.out.results.size());
    CHECK_EQUAL(5, h.out.results[0].integer("n") + h.out.results[1].integer("n"));
    CHECK_EQUAL(6, h.out.results[0].integer("n") * h.out.results[1].integer("n"));
}

TEST(Engine, window_closes_when_watermark_reaches_its_end) {
    Harness h(counting());
    h.send(1000, car("a", 1));
    h.send(61999, car("a", 1));
    h.flush();
    CHECK_EQUAL(0U, h.out.results.size());
    h.send(62000, car("a", 1));
    h.flush();
    CHECK_EQUAL(1U, h.out.results.size());
}

TEST(Engine, event_within_lateness_is_counted_and_later_ones_are_late) {
    Harness h(counting());
    h.send(1000, car("a", 1));
    h.send(61000, car("a", 1));
    h.send(59000, car("a", 1));
    h.send(62000, car("a", 1));
    h.send(59000, car("a", 1));
    h.flush();
    CHECK_EQUAL(2, h.out.results.at(0).integer("n"));
    CHECK_EQUAL(1U, h.count(WindowCounter::late));
    CHECK(h.adds_up());
}

TEST(Engine, row_is_judged_by_the_watermark_before_its_message) {
    Harness h(counting());
    h.send(1000, car("a", 1));
    h.send({{70000, 70000, true, car("a", 1)}, {2000, 70000, true, car("a", 1)}});
    h.flush();
    CHECK_EQUAL(2, h.out.results.at(0).integer("n"));
    CHECK_EQUAL(0U, h.count(WindowCounter::late));
}

TEST(Engine, first_message_keeps_its_old_rows_and_closes_their_windows) {
    for (std::size_t rows : {std::size_t{1}, std::size_t{1024}}) {
        Harness h(counting(), rows);
        h.send({{1000, 200000, true, car("a", 1)}, {200000, 200000, true, car("a", 1)}, {70000, 200000, true, car("a", 1)}});
        h.flush();
        CHECK_EQUAL(2U, h.out.results.size());
        CHECK_EQUAL(0U, h.count(WindowCounter::late));
    }
}

TEST(Engine, keys_with_the_partition_close_by_their_own_watermark) {
    Harness h(counting());
    h.send(1000, car("slow", 1));
    h.send(1000, car("fast", 1));
    h.send(100000, car("fast", 1));
    h.flush();
    CHECK_EQUAL(1U, h.out.results.size());
    STRCMP_EQUAL("fast", h.out.results[0].key.c_str());
    CHECK(h.out.results[0].partition != 0);
}

TEST(Engine, keys_without_the_partition_wait_for_the_slowest) {
    SourceSpec source = road();
    source.max_future = Duration::minutes(60);
    Harness h(engine_of(counting({"lane"}).windows[0], source));
    h.send(1000, car("slow", 1));
    h.send(1000, car("fast", 1));
    h.send({{100000, 2000, true, car("fast", 1)}});
    h.flush();
    CHECK_EQUAL(0U, h.out.results.size());
    h.send({{90000, 2000, true, car("slow", 1)}});
    h.flush();
    CHECK_EQUAL(1U, h.out.results.size());
    CHECK_EQUAL(0U, h.out.results[0].partition);
    CHECK_EQUAL(2, h.out.results[0].integer("n"));
}

TEST(Engine, idle_partition_holds_nobody_back_and_never_moves_the_watermark_back) {
    SourceSpec source = road();
    source.max_future = Duration::minutes(60);
    Harness h(engine_of(counting({"lane"}).windows[0], source));
    h.send(1000, car("slow", 1));
    h.send({{100000, 1000, true, car("fast", 1)}});
    h.tick(20000);
    CHECK_EQUAL(0U, h.out.results.size());
    h.send({{110000, 32000, true, car("fast", 1)}});
    h.tick(40000);
    CHECK_EQUAL(1U, h.out.results.size());
    const Timestamp before = h.engine.source_status(0).watermark;
    h.send({{2000, 41000, true, car("slow", 1)}});
    h.flush();
    CHECK(h.engine.source_status(0).watermark == before);
    CHECK_EQUAL(1U, h.count(WindowCounter::late));
    CHECK(h.adds_up());
}

TEST(Engine, ticks_close_windows_when_all_is_silent) {
    Harness h(counting({"lane"}));
    h.send(30000, car("a", 1));
    for (std::int64_t t = 31000; t <= 61000; t += 1000) h.tick(t);
    CHECK_EQUAL(0U, h.out.results.size());
    h.tick(62000);
    CHECK_EQUAL(1U, h.out.results.size());
}

TEST(Engine, silence_moves_old_event_times_by_elapsed_time_only) {
    Harness h(counting({"lane"}));
    h.send({{30000, 9000000, true, car("a", 1)}});
    for (std::int64_t t = 9001000; t <= 9031000; t += 1000) h.tick(t);
    CHECK_EQUAL(0U, h.out.results.size());
    h.tick(9032000);
    CHECK_EQUAL(1U, h.out.results.size());
}

TEST(Engine, clock_that_leaps_or_is_set_closes_nothing) {
    Harness h(counting({"lane"}));
    h.send({{1000000, 5000, false, car("a", 1)}});
    h.tick(6000, false);
    h.tick(1763700000000, true);
    h.tick(1763700001000, true);
    h.tick(5000, true);
    h.flush();
    CHECK_EQUAL(0U, h.out.results.size());
    CHECK(h.engine.source_status(0).watermark == Timestamp::millis(998000));
}

TEST(Engine, future_events_are_quarantined_when_the_clock_is_trusted) {
    Harness h(counting());
    h.send({{200000, 1000, true, car("a", 1)}});
    h.send({{-5, 1000, true, car("a", 1)}});
    h.send({{400000000000000, 1000, false, car("a", 1)}});
    h.send({{61000, 1000, true, car("a", 1)}});
    CHECK_EQUAL(1U, h.count(SourceCounter::future));
    CHECK_EQUAL(2U, h.count(SourceCounter::absurd_time));
    CHECK_EQUAL(3U, h.count(WindowCounter::quarantined));
    CHECK(h.engine.source_status(0).watermark == Timestamp::millis(59000));
    h.send({{2000000, 1000, false, car("a", 1)}});
    CHECK_EQUAL(1U, h.count(SourceCounter::future));
    h.close();
    CHECK_EQUAL(record_clock_untrusted, h.out.results.back().flags);
    CHECK(h.adds_up());
}

TEST(Engine, partitions_beyond_the_table_share_one) {
    SourceSpec source = road();
    source.max_partitions = 2;
    Harness h(engine_of(minute({{"n", "count()"}}), source));
    for (const char* site : {"a", "b", "c", "d"}) h.send(1000, car(site, 1));
    CHECK_EQUAL(2U, h.count(SourceCounter::partition_overflow));
    h.send(100000, car("d", 1));
    h.flush();
    CHECK_EQUAL(2U, h.out.results.size());
    STRCMP_EQUAL("c", h.out.results[0].key.c_str());
    STRCMP_EQUAL("d", h.out.results[1].key.c_str());
}

TEST(Engine, revision_replaces_and_state_goes_after_the_allowance) {
    WindowSpec window = minute({{"n", "count()"}});
    window.late_then = LateThen::revise;
    window.late_allow = Duration::seconds(30);
    Harness h(engine_of(window));
    h.send(1000, car("a", 1));
    h.send(70000, car("a", 1));
    h.send({{2000, 70000, true, car("a", 1)}, {3000, 70000, true, car("a", 1)}});
    h.flush();
    CHECK_EQUAL(2U, h.out.results.size());
    CHECK_EQUAL(0U, h.out.results[0].revision);
    CHECK_EQUAL(1, h.out.results[0].integer("n"));
    CHECK_EQUAL(1U, h.out.results[1].revision);
    CHECK_EQUAL(3, h.out.results[1].integer("n"));
    CHECK_EQUAL(2U, h.count(WindowCounter::revised));
    h.send(91999, car("a", 1));
    h.send({{2500, 92000, true, car("a", 1)}});
    h.send(92000, car("a", 1));
    h.send({{2600, 92000, true, car("a", 1)}});
    h.flush();
    CHECK_EQUAL(3U, h.out.results.size());
    CHECK_EQUAL(2U, h.out.results[2].revision);
    CHECK_EQUAL(1U, h.count(WindowCounter::late));
    CHECK_EQUAL(1U, h.engine.window_status(0).open_intervals);
    CHECK(h.adds_up());
}

TEST(Engine, keys_beyond_max_groups_fold_and_totals_stay_exact) {
    WindowSpec window = minute({{"n", "count()"}, {"s", "sum(n)"}}, {"lane"});
    window.max_groups = 3;
    Harness h(engine_of(window));
    for (std::int64_t lane = 0; lane < 10; ++lane)
        for (int i = 0; i <= lane; ++i) h.send(1000, car("a", 1, lane));
    h.send(2000, car("a", 1, 0));
    h.close();
    CHECK_EQUAL(4U, h.out.results.size());
    STRCMP_EQUAL("0", h.out.results[0].key.c_str());
    CHECK_EQUAL(2, h.out.results[0].integer("n"));
    const Emitted& other = h.out.results[3];
    STRCMP_EQUAL("(other)", other.key.c_str());
    CHECK_EQUAL(record_other, other.flags);
    CHECK_EQUAL(4 + 5 + 6 + 7 + 8 + 9 + 10, other.integer("n"));
    CHECK_EQUAL(other.integer("n"), other.integer("s"));
    DOUBLES_EQUAL(7, other.real("folded_keys"), 0);
    CHECK(h.out.results[0].values.count("folded_keys") == 0);
    CHECK(h.adds_up());
}

TEST(Engine, too_many_intervals_close_the_oldest_as_partial) {
    WindowSpec window = minute({{"n", "count()"}});
    window.max_open = 2;
    Harness h(engine_of(window));
    Message message;
    for (std::int64_t i = 0; i < 4; ++i) message.push_back({i * minute_ms, 4 * minute_ms, true, car("a", 1)});
    message.push_back({0, 4 * minute_ms, true, car("a", 1)});
    h.send(message);
    h.close();
    CHECK_EQUAL(4U, h.out.results.size());
    CHECK_EQUAL(record_partial, h.out.results[0].flags);
    CHECK_EQUAL(record_partial, h.out.results[1].flags);
    CHECK_EQUAL(0, h.out.results[2].flags);
    CHECK_EQUAL(2U, h.count(WindowCounter::evicted));
    CHECK_EQUAL(1U, h.count(WindowCounter::late_after_eviction));
    CHECK(h.adds_up());
}

TEST(Engine, simultaneous_results_are_ordered_by_end_window_key) {
    EngineSpec spec = counting({"lane"});
    spec.windows.push_back(spec.windows[0]);
    spec.windows[1].name = "half";
    spec.windows[1].size = Duration::seconds(30);
    Harness h(spec);
    h.send(1000, car("a", 1, 10));
    h.send(2000, car("a", 1, 9));
    h.send(3000, {std::string("a"), std::monostate(), 1.0, std::monostate(), std::monostate(), std::monostate()});
    h.send(31000, car("a", 1, 9));
    h.close();
    std::string order;
    for (const Emitted& r : h.out.results) order += r.window + ":" + r.key + ":" + std::to_string(r.end_ms / 1000) + " ";
    STRCMP_EQUAL("half:null:30 half:9:30 half:10:30 minute:null:60 minute:9:60 minute:10:60 half:9:60 ",
                 order.substr(0, order.size()).c_str());
}

TEST(Engine, nulls_are_skipped_and_counted_in_where) {
    WindowSpec window = minute({{"n", "count()"}, {"c", "count(speed)"}, {"m", "mean(speed)"}, {"mi", "min(speed)"}});
    window.where = "n > 0";
    Harness h(engine_of(window));
    h.send(1000, {std::string("a"), std::int64_t{1}, std::monostate(), std::int64_t{1}, true, std::string("x")});
    h.send(1000, {std::string("a"), std::int64_t{1}, 5.0, std::monostate(), true, std::string("x")});
    h.send(1000, {std::string("a"), std::int64_t{1}, 5.0, std::int64_t{0}, true, std::string("x")});
    h.close();
    CHECK_EQUAL(1, h.out.results[0].integer("n"));
    CHECK_EQUAL(0, h.out.results[0].integer("c"));
    CHECK(h.out.results[0].null("m"));
    CHECK(h.out.results[0].null("mi"));
    CHECK_EQUAL(1U, h.count(WindowCounter::where_null));
    CHECK_EQUAL(1U, h.count(WindowCounter::filtered));
    CHECK(h.adds_up());
}

TEST(Engine, aggregates_and_expressions_over_them) {
    Harness h(engine_of(minute({{"sum", "sum(n)"}, {"first", "first(vid)"}, {"last", "last(vid)"}, {"var", "variance(speed)"}, {"sd", "stddev(speed)"},
                                {"share", "count(speed > 15.0) / count()"}, {"range", "max(speed) - min(speed)"}, {"u", "distinct(vid)"},
                                {"p", "quantile(speed, 0.5)"}, {"spread", "quantile(speed, 1.0) - quantile(speed, 0.0)"}, {"top", "top(vid, 1)"},
                                {"any", "count(ok) > 2"}, {"word", "count() > 2 ? 'many' : 'few'"}})));
    h.send(3000, car("a", 10, 1, "x"));
    h.send(2000, car("a", 20, 1, "y"));
    h.send(4000, car("a", 30, 1, "y"));
    h.close();
    const Emitted& r = h.out.results.at(0);
    CHECK_EQUAL(3, r.integer("sum"));
    STRCMP_EQUAL("y", r.texts.at("first").c_str());
    STRCMP_EQUAL("y", r.texts.at("last").c_str());
    DOUBLES_EQUAL(100, r.real("var"), 1e-12);
    DOUBLES_EQUAL(10, r.real("sd"), 1e-12);
    DOUBLES_EQUAL(2.0 / 3.0, r.real("share"), 0);
    DOUBLES_EQUAL(20, r.real("range"), 0);
    DOUBLES_EQUAL(2, r.real("u"), 0);
    DOUBLES_EQUAL(2, r.values.at("u").lower, 0);
    DOUBLES_EQUAL(2, r.values.at("u").upper, 0);
    DOUBLES_EQUAL(20, r.real("p"), 0);
    DOUBLES_EQUAL(20, r.real("spread"), 0);
    CHECK(r.values.at("any").boolean);
    STRCMP_EQUAL("many", r.texts.at("word").c_str());
    STRCMP_CONTAINS("\"y\"", r.json.c_str());
    CHECK(h.out.largest <= h.plan.record_size_max());
}

TEST(Engine, int_sums_are_exact_beyond_64_bits) {
    Harness h(engine_of(minute({{"s", "sum(n)"}, {"m", "mean(n)"}})));
    const std::int64_t big = 9223372036854775807;
    for (std::int64_t n : {big, big, -big}) h.send(1000, {std::string("a"), std::int64_t{1}, 1.0, n, true, std::string("")});
    for (int i = 0; i < 2; ++i) h.send(1000, {std::string("b"), std::int64_t{1}, 1.0, big, true, std::string("")});
    h.close();
    CHECK_EQUAL(big, h.out.find("a", 0)->integer("s"));
    CHECK(h.out.find("b", 0)->values.at("s").kind == ValueKind::real);
    DOUBLES_EQUAL(18446744073709551614.0, h.out.find("b", 0)->real("s"), 0);
    DOUBLES_EQUAL(9223372036854775807.0, h.out.find("b", 0)->real("m"), 0);
}

TEST(Engine, long_keys_are_cut_and_stay_different) {
    Harness h(counting());
    h.send(1000, car(std::string(100, 'x') + "1", 1));
    h.send(1000, car(std::string(100, 'x') + "2", 1));
    h.send(1000, car(std::string(100, 'x') + "1", 1));
    h.close();
    CHECK_EQUAL(2U, h.out.results.size());
    CHECK_EQUAL(64U, h.out.results[0].key.size());
    CHECK(h.out.results[0].key != h.out.results[1].key);
    CHECK_EQUAL(2U, h.count(WindowCounter::key_cut));
}

TEST(Engine, nothing_at_or_below_the_frontier_is_emitted) {
    Harness first(counting());
    first.send(1000, car("a", 1));
    first.close();
    Harness h(counting());
    const Emitted& done = first.out.results.at(0);
    CHECK(h.engine.set_frontier(done.definition, done.partition, Timestamp::millis(done.end_ms)).ok());
    CHECK(h.engine.set_frontier(1, 0, Timestamp::millis(1)).error() == Error::missing);
    h.engine.mark_gap(Timestamp::millis(50000), Timestamp::millis(70000));
    h.send(2000, car("a", 1));
    h.send(2000, car("b", 1));
    h.send(61000, car("a", 1));
    h.send(121000, car("a", 1));
    h.close();
    CHECK_EQUAL(1U, h.count(WindowCounter::late_after_power_cut));
    CHECK(h.out.find("a", 0) == nullptr);
    CHECK_EQUAL(record_partial, h.out.find("b", 0)->flags);
    CHECK_EQUAL(record_partial, h.out.find("a", 60000)->flags);
    CHECK_EQUAL(0, h.out.find("a", 120000)->flags);
    CHECK(h.adds_up());
}

TEST(Engine, state_that_is_hostile_is_refused) {
    Harness h(engine_of(minute({{"p", "quantile(speed, 0.5)"}, {"u", "distinct(vid)"}})));
    for (int i = 0; i < 500; ++i) h.send(1000 + i, car("s" + std::to_string(i % 5), i, 1, std::to_string(i)));
    h.flush();
    const auto good = h.save();
    Harness other(counting());
    CHECK(other.load(good).error() == Error::refused);
    std::uint32_t random = 1;
    for (int i = 0; i < 2000; ++i) {
        auto bad = good;
        random = random * 1664525 + 1013904223;
        const std::size_t at = (random >> 4) % bad.size();
        bad[at] ^= static_cast<std::byte>(1 << (random & 7));
        if (i % 3 == 0) bad.resize(at);
        CHECK(!h.load(bad).ok());
    }
    CHECK(h.load(good).ok());
    CHECK(h.save() == good);
}

TEST(Engine, nothing_is_allocated_after_construction) {
    WindowSpec window = minute({{"n", "count()"}, {"p", "quantile(speed, 0.5)"}, {"u", "distinct(vid)"}, {"t", "top(vid, 3)"}, {"x", "mean(speed) / 2"}}, {"site", "lane"});
    window.where = "speed > 0.0 && vid != 'x'";
    window.late_then = LateThen::revise;
    window.late_allow = Duration::seconds(30);
    Harness h(engine_of(window));
    h.out.keep = false;
    std::vector<Message> messages;
    for (int i = 0; i < 20000; ++i) messages.push_back({{i * 100 - (i % 7) * 9000 + 100000, i * 100 + 100000, true, car("site" + std::to_string(i % 13), i % 90, i % 5, "v" + std::to_string(i % 977))}});
    const std::size_t before = h.engine.next_sequence();
    std::vector<std::byte> bytes(h.plan.save_size_max());
    extern std::size_t allocations_seen();
    for (const Message& message : messages) h.send(message);
    h.flush();
    const std::size_t start = allocations_seen();
    for (const Message& message : messages) h.send(message);
    h.tick(3000000);
    ByteWriter writer(bytes);
    CHECK(h.engine.save(writer).ok());
    h.close();
    CHECK_EQUAL(start, allocations_seen());
    CHECK(h.engine.next_sequence() > before + 100);
}

TEST(Engine, records_without_sketches_say_the_same_otherwise) {
    const auto run = [](bool sketches) {
        Harness h(engine_of(minute({{"p95", "quantile(speed, 0.95)"}, {"sites", "distinct(site)"}, {"top", "top(site, 2)"}}, {"lane"})));
        if (!sketches) h.engine.leave_out_sketches();
        for (int i = 0; i < 3000; ++i) h.send(i, car("s" + std::to_string(i % 700), i % 89, i % 3));
        h.close();
        return h.out.results;
    };
    const auto with = run(true);
    const auto without = run(false);
    CHECK_EQUAL(3U, with.size());
    CHECK_EQUAL(with.size(), without.size());
    for (std::size_t i = 0; i < with.size(); ++i) {
        CHECK(with[i].json.find("\"sketch\":") != std::string::npos);
        CHECK(without[i].json.find("\"sketch\":") == std::string::npos);
        for (const auto& [name, value] : with[i].values) {
            const Value& other = without[i].values.at(name);
            CHECK(value.kind == other.kind && value.lower == other.lower && value.real == other.real && value.upper == other.upper);
        }
    }
}
