// Session windows against their twin, on random streams with late, duplicate, reordered, future and silent
// stretches. WEIR_MODEL_STREAMS says how many (2,000 unless told).
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "tests/model/windows/session_twin.h"
#include "windows/compiled_plan.h"
#include "tests/model/windows/random_stream.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

TwinSpec random_spec(Random& random) {
    TwinSpec spec;
    spec.lateness = below(random, 4) * 700;
    spec.idle = 5000 + below(random, 20000);
    spec.max_future = 10000;
    spec.step_max = 60000;
    constexpr std::int64_t gaps[] = {200, 1000, 2500, 7001};
    spec.size = gaps[below(random, 4)];
    spec.gap = static_cast<int>(std::max<std::int64_t>(0, below(random, 6) - 2));
    spec.gap_max = chance(random, 50) ? 20000 : 7000;
    spec.allow = chance(random, 40) ? 0 : 1000 + below(random, 20000);
    spec.aside = spec.allow > 0 && chance(random, 40);
    spec.early = chance(random, 60) ? 0 : 100 + below(random, 2000);
    spec.by_site = chance(random, 40);
    spec.by_both = !spec.by_site && chance(random, 50);
    spec.filter = chance(random, 40);
    return spec;
}

Stream random_stream(Random& random) {
    const TwinSpec spec = random_spec(random);
    return weir::test::random_stream(random, spec);
}

EngineSpec spec_of(const TwinSpec& twin, std::size_t max_groups) {
    SourceSpec source = source_of(twin);
    WindowSpec window;
    window.name = "visits";
    window.from = "loops";
    if (twin.gap == 0) window.session = Duration::millis(twin.size);
    window.session_gap = gap_texts[twin.gap];
    if (twin.gap > 0) window.session_max = Duration::millis(twin.gap_max);
    window.max_groups = max_groups;
    window.late_allow = Duration::millis(twin.allow);
    window.late_then = twin.aside ? LateThen::side : twin.allow > 0 ? LateThen::revise : LateThen::drop;
    window.early = Duration::millis(twin.early);
    if (twin.filter) window.where = "speed > 10.0";
    if (twin.by_site || twin.by_both) window.by.push_back("site");
    if (!twin.by_site) window.by.push_back("lane");
    window.select = all_kinds();
    return engine_of(std::move(window), std::move(source));
}

// An identity stands once, or after the one that is the same was taken back.
void check_identities(const Harness& h) {
    std::map<std::string, std::pair<bool, std::uint32_t>> stands;
    for (const Emitted& e : h.out.results) {
        if (e.kind == RecordKind::late || (e.flags & record_provisional)) continue;
        const std::string id = e.window + " " + e.key + " " + std::to_string(e.start_ms) + " " + std::to_string(e.end_ms);
        const auto known = stands.find(id);
        if (known == stands.end()) {
            LONGS_EQUAL_TEXT(0, e.revision, id.c_str());
            CHECK_TEXT(e.kind == RecordKind::result, id.c_str());
        } else {
            CHECK_TEXT(known->second.first, id.c_str());
            LONGS_EQUAL_TEXT(known->second.second + 1, e.revision, id.c_str());
        }
        stands[id] = {e.kind == RecordKind::result, e.revision};
    }
}

}  // namespace

TEST_GROUP(SessionModel) {};

TEST(SessionModel, engine_says_what_its_twin_says) {
    std::uint64_t records = 0, retractions = 0, revisions = 0, joined = 0, joined_many = 0, early = 0, late = 0;
    TwinCounts counts;
    for (int seed = 0; seed < streams_wanted(); ++seed) {
        Random random(static_cast<std::uint64_t>(seed));
        const Stream stream = random_stream(random);
        SessionTwin twin(stream.spec, session_step_us / 1000);
        Harness h(spec_of(stream.spec, 500), seed % 3 == 0 ? 1 : seed % 3 == 1 ? 7 : 1024);
        for (const Step& step : stream.steps) {
            step.tick >= 0 ? twin.tick(step.tick, step.trusted) : twin.message(step.rows);
            play(h, step);
        }
        twin.close();
        h.close();
        const std::string name = "seed " + std::to_string(seed);
        std::uint64_t sequence = 0;
        for (std::size_t i = 0; i < std::min(twin.sessions.size(), h.out.results.size()); ++i) {
            const SessionResult& expected = twin.sessions[i];
            const Emitted& seen = h.out.results[i];
            STRCMP_EQUAL_TEXT(expected.key.c_str(), seen.key.c_str(), name.c_str());
            LONGS_EQUAL_TEXT(expected.start, seen.start_ms, name.c_str());
            LONGS_EQUAL_TEXT(expected.end, seen.end_ms, name.c_str());
            LONGS_EQUAL_TEXT(expected.revision, seen.revision, name.c_str());
            CHECK_EQUAL_TEXT(expected.retracted, seen.kind == RecordKind::retraction, name.c_str());
            LONGS_EQUAL_TEXT(expected.early, seen.early, name.c_str());
            CHECK_EQUAL_TEXT(expected.early > 0, (seen.flags & record_provisional) != 0, name.c_str());
            CHECK_EQUAL_TEXT(expected.late, seen.kind == RecordKind::late, name.c_str());
            LONGS_EQUAL(expected.early > 0 ? 0 : ++sequence, seen.sequence);
            early += expected.early > 0;
            late += expected.late;
            if (!expected.retracted) check_values(expected.rows, seen);
            retractions += expected.retracted;
            revisions += !expected.retracted && expected.revision > 0;
        }
        LONGS_EQUAL_TEXT(twin.sessions.size(), h.out.results.size(), name.c_str());
        check_identities(h);
        LONGS_EQUAL(twin.counts.rows, h.count(WindowCounter::rows));
        LONGS_EQUAL(twin.counts.counted, h.count(WindowCounter::counted));
        LONGS_EQUAL(twin.counts.filtered, h.count(WindowCounter::filtered));
        LONGS_EQUAL(twin.counts.where_null, h.count(WindowCounter::where_null));
        LONGS_EQUAL(twin.counts.late, h.count(WindowCounter::late));
        LONGS_EQUAL(twin.counts.quarantined, h.count(WindowCounter::quarantined));
        LONGS_EQUAL(twin.counts.revised, h.count(WindowCounter::revised));
        LONGS_EQUAL(twin.counts.gap_invalid, h.count(WindowCounter::gap_invalid));
        LONGS_EQUAL(twin.counts.aside, h.count(WindowCounter::late_aside));
        LONGS_EQUAL(0, h.count(WindowCounter::evicted));
        CHECK(h.adds_up());
        records += twin.sessions.size();
        joined += twin.joined;
        joined_many += twin.joined_many;
        counts.gap_invalid += twin.counts.gap_invalid;
        counts.rows += twin.counts.rows;
        counts.late += twin.counts.late;
        counts.revised += twin.counts.revised;
    }
    std::printf("\nmodel: %d streams, %llu rows, %llu late, %llu counted as revision; %llu records, %llu revisions, %llu retractions, "
                "%llu early, %llu of late rows, %llu rows joined sessions, %llu more than two; %llu rows without a gap\n",
                streams_wanted(), static_cast<unsigned long long>(counts.rows), static_cast<unsigned long long>(counts.late),
                static_cast<unsigned long long>(counts.revised), static_cast<unsigned long long>(records),
                static_cast<unsigned long long>(revisions), static_cast<unsigned long long>(retractions), static_cast<unsigned long long>(early),
                static_cast<unsigned long long>(late), static_cast<unsigned long long>(joined),
                static_cast<unsigned long long>(joined_many), static_cast<unsigned long long>(counts.gap_invalid));
    CHECK(retractions > 0 && revisions > 0 && joined > 0 && joined_many > 0 && counts.gap_invalid > 0 && early > 0 && late > 0);
}

TEST(SessionModel, output_is_the_same_for_every_batch_limit_when_bounds_are_tight) {
    for (int seed = 0; seed < streams_wanted() / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 1000000);
        const Stream stream = random_stream(random);
        EngineSpec spec = spec_of(stream.spec, 1 + static_cast<std::size_t>(below(random, 6)));
        spec.sources[0].max_partitions = 3;
        spec.sketch_bytes = 20000;
        spec.windows.push_back(spec.windows[0]);
        spec.windows[1].name = "second";
        spec.windows[1].max_groups = 500;
        spec.windows[1].session = Duration::millis(900);
        spec.windows[1].session_gap.clear();
        const std::string one = run_with(stream, spec, 1);
        STRCMP_EQUAL(one.c_str(), run_with(stream, spec, 7).c_str());
        STRCMP_EQUAL(one.c_str(), run_with(stream, spec, 1024).c_str());
    }
}

TEST(SessionModel, no_identity_is_said_twice_when_sessions_have_to_go) {
    for (int seed = 0; seed < streams_wanted() / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 2000000);
        const Stream stream = random_stream(random);
        Harness h(spec_of(stream.spec, 1 + static_cast<std::size_t>(below(random, 6))));
        for (const Step& step : stream.steps) play(h, step);
        h.close();
        check_identities(h);
        CHECK(h.adds_up());
    }
}

TEST(SessionModel, output_goes_on_the_same_after_save_and_load) {
    for (int seed = 0; seed < streams_wanted() / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 3000000);
        const Stream stream = random_stream(random);
        const EngineSpec spec = spec_of(stream.spec, seed % 2 ? 3 : 500);
        check_reloads(random, stream, spec);
    }
}
