// Count and adaptive windows against their twin, on random streams with late, duplicate, reordered, future and silent
// stretches. WEIR_MODEL_STREAMS says how many (2,000 unless told).
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/model/windows/count_twin.h"
#include "windows/compiled_plan.h"
#include "windows/key.h"
#include "tests/model/windows/random_stream.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

Stream random_stream(Random& random) {
    TwinSpec spec;
    spec.lateness = below(random, 4) * 700;
    spec.idle = 5000 + below(random, 20000);
    spec.max_future = 10000;
    spec.step_max = 60000;
    spec.size = 1000;  // what the generator puts between some rows
    spec.count = static_cast<std::uint64_t>(chance(random, 30) ? 1 + below(random, 3) : 1 + below(random, 40));
    spec.max_wait = chance(random, 40) ? 0 : 100 + below(random, 20000);
    spec.by_site = chance(random, 40);
    spec.by_both = !spec.by_site && chance(random, 50);
    spec.filter = chance(random, 40);
    spec.max_groups = static_cast<std::size_t>(chance(random, 50) ? 500 : 1 + below(random, 5));
    return weir::test::random_stream(random, spec);
}

EngineSpec spec_of(const TwinSpec& twin) {
    WindowSpec window;
    window.name = "batches";
    window.from = "loops";
    window.count = twin.count;
    window.max_wait = Duration::millis(twin.max_wait);
    window.max_groups = twin.max_groups;
    if (twin.filter) window.where = "speed > 10.0";
    if (twin.by_site || twin.by_both) window.by.push_back("site");
    if (!twin.by_site) window.by.push_back("lane");
    window.select = all_kinds();
    return engine_of(std::move(window), source_of(twin));
}

// A second count window and a tumbling one beside it, all with few places.
EngineSpec crowded(const Stream& stream, Random& random) {
    EngineSpec spec = spec_of(stream.spec);
    spec.sources[0].max_partitions = 3;
    spec.sketch_bytes = 20000;
    spec.windows.push_back(spec.windows[0]);
    spec.windows[1].name = "second";
    spec.windows[1].by = {};
    spec.windows[1].count = 3;
    if (chance(random, 50)) {
        spec.windows.push_back(minute({{"n", "count()"}}));
        spec.windows[2].size = Duration::seconds(2);
        spec.windows[2].max_open = static_cast<std::size_t>(1 + below(random, 3));
    }
    return spec;
}

// Of a key each window ends later than the one before; nothing is revised.
void check_identities(const Harness& h) {
    std::map<std::string, std::int64_t> ended;
    for (const Emitted& e : h.out.results) {
        const auto [last, is_new] = ended.try_emplace(e.key, e.end_us);
        CHECK_TEXT(is_new || e.end_us > last->second, e.key.c_str());
        last->second = e.end_us;
        LONGS_EQUAL(0, e.revision);
    }
}

// As the engine groups keys.
CountTwin::Group group_of(std::size_t max_groups) {
    return [groups = std::min<std::size_t>(max_groups, 256)](const auto& site, const auto& lane) {
        std::uint64_t hash = 0;
        Column cell;
        cell.present.set(0);
        if (site) {
            std::string_view text = *site;
            cell.type = ColumnType::text;
            cell.texts = &text;
            hash = hash_with(hash, hash_cell(cell, 0));
        }
        if (lane) {
            std::int64_t integer = *lane;
            cell.type = ColumnType::integer;
            cell.integers = &integer;
            hash = hash_with(hash, hash_cell(cell, 0));
        }
        return static_cast<std::size_t>(hash % groups);
    };
}

struct Seen {
    std::uint64_t streams = 0, rows = 0, records = 0, full = 0, by_time = 0, folded = 0, gave_up = 0, partial = 0;
};

void compare(const Stream& stream, std::size_t batch_rows, const char* name, Seen& seen_all) {
    CountTwin twin(stream.spec, session_step_us / 1000, group_of(stream.spec.max_groups));
    Harness h(spec_of(stream.spec), batch_rows);
    for (const Step& step : stream.steps) {
        step.tick >= 0 ? twin.tick(step.tick, step.trusted) : twin.message(step.rows);
        play(h, step);
    }
    twin.close();
    h.close();
    for (std::size_t i = 0; i < std::min(twin.windows.size(), h.out.results.size()); ++i) {
        const CountResult& expected = twin.windows[i];
        const Emitted& seen = h.out.results[i];
        STRCMP_EQUAL_TEXT(expected.key.c_str(), seen.key.c_str(), name);
        LONGS_EQUAL_TEXT(expected.start, seen.start_ms, name);
        LONGS_EQUAL_TEXT(expected.end * 1000, seen.end_us, name);
        CHECK_EQUAL_TEXT(expected.partial, (seen.flags & record_partial) != 0, name);
        CHECK_EQUAL_TEXT(expected.other, (seen.flags & record_other) != 0, name);
        LONGS_EQUAL(i + 1, seen.sequence);
        if (expected.other) DOUBLES_EQUAL(static_cast<double>(expected.folded.size()), seen.real("folded_keys"), 0.01);
        check_values(expected.rows, seen);
        seen_all.full += expected.rows.size() == stream.spec.count;
        seen_all.by_time += expected.by_time && !expected.partial;
        seen_all.partial += expected.partial;
    }
    LONGS_EQUAL_TEXT(twin.windows.size(), h.out.results.size(), name);
    check_identities(h);
    LONGS_EQUAL(twin.counts.rows, h.count(WindowCounter::rows));
    LONGS_EQUAL(twin.counts.counted, h.count(WindowCounter::counted));
    LONGS_EQUAL(twin.counts.filtered, h.count(WindowCounter::filtered));
    LONGS_EQUAL(twin.counts.where_null, h.count(WindowCounter::where_null));
    LONGS_EQUAL(twin.counts.quarantined, h.count(WindowCounter::quarantined));
    LONGS_EQUAL(twin.counts.folded, h.count(WindowCounter::folded));
    CHECK(h.adds_up());
    ++seen_all.streams;
    seen_all.rows += twin.counts.rows;
    seen_all.folded += twin.counts.folded;
    seen_all.gave_up += twin.gave_up;
    seen_all.records += twin.windows.size();
}

}  // namespace

TEST_GROUP(CountModel) {};

TEST(CountModel, engine_says_what_its_twin_says) {
    Seen seen;
    for (int seed = 0; seed < streams_wanted(); ++seed) {
        Random random(static_cast<std::uint64_t>(seed));
        const Stream stream = random_stream(random);
        compare(stream, seed % 3 == 0 ? 1 : seed % 3 == 1 ? 7 : 1024, ("seed " + std::to_string(seed)).c_str(), seen);
    }
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("\nmodel: %llu streams, %llu rows; %llu windows, %llu full, %llu closed by time, %llu at the end; %llu rows in "
                "(other), %llu places given up\n",
                number(seen.streams), number(seen.rows), number(seen.records), number(seen.full), number(seen.by_time),
                number(seen.partial), number(seen.folded), number(seen.gave_up));
    CHECK(seen.full > 0 && seen.by_time > 0 && seen.partial > 0 && seen.folded > 0 && seen.gave_up > 0);
}

TEST(CountModel, output_is_the_same_for_every_batch_limit) {
    for (int seed = 0; seed < streams_wanted() / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 1000000);
        const Stream stream = random_stream(random);
        const EngineSpec spec = seed % 2 ? crowded(stream, random) : spec_of(stream.spec);
        const std::string one = run_with(stream, spec, 1);
        STRCMP_EQUAL(one.c_str(), run_with(stream, spec, 7).c_str());
        STRCMP_EQUAL(one.c_str(), run_with(stream, spec, 1024).c_str());
    }
}

TEST(CountModel, output_goes_on_the_same_after_save_and_load) {
    for (int seed = 0; seed < streams_wanted() / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 3000000);
        const Stream stream = random_stream(random);
        const EngineSpec spec = seed % 2 ? crowded(stream, random) : spec_of(stream.spec);
        check_reloads(random, stream, spec);
    }
}

// Of what was emitted before the power cut nothing comes out again, wherever the state that was left stems from.
TEST(CountModel, no_identity_is_said_twice_after_a_power_cut) {
    std::uint64_t again = 0;
    for (int seed = 0; seed < streams_wanted() / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 4000000);
        const Stream stream = random_stream(random);
        const EngineSpec spec = spec_of(stream.spec);
        Harness before(spec);
        std::vector<std::byte> left = before.save();
        const auto checkpoint = static_cast<std::size_t>(below(random, static_cast<std::int64_t>(stream.steps.size())));
        const auto cut = checkpoint + static_cast<std::size_t>(below(random, static_cast<std::int64_t>(stream.steps.size() - checkpoint)));
        for (std::size_t i = 0; i < cut; ++i) {
            if (i == checkpoint) {
                before.flush_all();
                left = before.save();
            }
            play(before, stream.steps[i]);
        }
        before.flush_all();
        std::set<std::string> said;
        const auto identity = [](const Emitted& e) { return e.key + " " + std::to_string(e.start_ms) + " " + std::to_string(e.end_us); };
        Harness h(spec);
        CHECK(h.load(left).ok());
        for (const Emitted& e : before.out.results) {
            said.insert(identity(e));
            CHECK(h.engine.set_frontier(e.definition, e.partition, Timestamp::micros(e.end_us)).ok());
        }
        const bool lost = chance(random, 50);  // or the journal was on disk
        for (std::size_t i = lost ? cut : checkpoint; i < stream.steps.size(); ++i) play(h, stream.steps[i]);
        h.close();
        for (const Emitted& e : h.out.results) CHECK_TEXT(said.insert(identity(e)).second, identity(e).c_str());
        CHECK(h.adds_up());
        again += h.count(WindowCounter::late_after_power_cut);
    }
    CHECK(again > 0);
}
