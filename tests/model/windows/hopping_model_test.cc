// Hopping windows against their twin, on random streams with late, duplicate, reordered, future and silent
// stretches. WEIR_MODEL_STREAMS says how many (2,000 unless told).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/model/windows/hopping_twin.h"
#include "tests/model/windows/random_stream.h"
#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

struct HoppingStream : Stream {
    std::int64_t every = 0;
};
struct Produced {
    std::uint64_t rows = 0, messages = 0, ticks = 0, duplicates = 0, on_boundary = 0, leaps = 0;
} produced;

HoppingStream random_windows(Random& random) {
    HoppingStream stream;
    TwinSpec& spec = stream.spec;
    spec.lateness = below(random, 4) * 700;
    spec.idle = 5000 + below(random, 20000);
    spec.max_future = 10000;
    spec.step_max = 60000;
    constexpr std::int64_t hops[] = {500, 1000, 3000, 700};
    constexpr std::int64_t panes[] = {2, 3, 5, 12};
    stream.every = hops[below(random, 4)];
    spec.size = stream.every * panes[below(random, 4)];
    spec.allow = chance(random, 50) ? 0 : 1000 + below(random, 10000);
    spec.max_groups = static_cast<std::size_t>(chance(random, 60) ? 25 : 1 + below(random, 4));
    spec.by_site = chance(random, 40);
    spec.by_both = !spec.by_site && chance(random, 50);
    spec.filter = chance(random, 30);
    return stream;
}

TwinRow random_row(Random& random, std::int64_t now, std::int64_t sites, std::int64_t lanes, int late, std::int64_t every) {
    TwinRow row;
    row.site = "s" + std::to_string(below(random, sites));
    row.lane = below(random, lanes) - 1;
    row.at = now - below(random, 1000);
    if (chance(random, late)) row.at -= below(random, chance(random, 50) ? 3000 : 30000);
    if (chance(random, 2)) row.at += below(random, 20000);
    if (chance(random, 10)) row.at -= row.at % every;
    if (chance(random, 1)) row.at = -row.at;
    if (!chance(random, 10)) row.speed = static_cast<double>(below(random, 2000)) / 17.0 * (chance(random, 5) ? 1e9 : 1);
    if (!chance(random, 10)) row.n = below(random, 1000) - 500;
    row.vid = "v" + std::to_string(below(random, 300));
    return row;
}

HoppingStream random_stream(Random& random) {
    HoppingStream stream = random_windows(random);
    std::int64_t now = 100000 + below(random, 10000);
    bool trusted = true;
    const std::int64_t sites = 1 + below(random, 6), lanes = 1 + below(random, 4);
    const int late = static_cast<int>(below(random, 30)), duplicate = static_cast<int>(below(random, 15));
    std::vector<TwinRow> recent;
    const std::int64_t steps = 20 + below(random, 70);
    for (std::int64_t i = 0; i < steps; ++i) {
        const bool leaps = chance(random, 3);
        now += leaps ? below(random, 60000) : below(random, 1000);
        produced.leaps += leaps;
        if (chance(random, 1)) trusted = !trusted;
        if (chance(random, 1)) now -= below(random, 5000);
        Step step;
        step.trusted = trusted;
        if (chance(random, 12)) {
            step.tick = now;
            ++produced.ticks;
            stream.steps.push_back(step);
            continue;
        }
        const std::int64_t rows = chance(random, 70) ? 1 : 1 + below(random, 12);
        for (std::int64_t r = 0; r < rows; ++r) {
            TwinRow row;
            if (!recent.empty() && chance(random, duplicate)) {
                row = recent[static_cast<std::size_t>(below(random, static_cast<std::int64_t>(recent.size())))];
                ++produced.duplicates;
            } else {
                row = random_row(random, now, sites, lanes, late, stream.every);
            }
            row.arrival = now;
            row.trusted = trusted;
            produced.on_boundary += row.at % stream.every == 0;
            recent.push_back(row);
            if (recent.size() > 20) recent.erase(recent.begin());
            step.rows.push_back(row);
        }
        ++produced.messages;
        stream.steps.push_back(step);
    }
    return stream;
}

EngineSpec spec_of(const HoppingStream& stream) {
    const TwinSpec& twin = stream.spec;
    SourceSpec source = road();
    source.lateness = Duration::millis(twin.lateness);
    source.idle = Duration::millis(twin.idle);
    source.max_future = Duration::millis(twin.max_future);
    source.max_partitions = 16;
    WindowSpec window = minute({{"n", "count()"}, {"c", "count(speed)"}, {"fast", "count(speed > 50.0)"}, {"sum", "sum(n)"}, {"rs", "sum(speed)"},
                                {"mi", "min(speed)"}, {"ma", "max(n)"}, {"fi", "first(n)"}, {"la", "last(speed)"}, {"lv", "last(vid)"},
                                {"var", "variance(speed)"}, {"p", "quantile(speed, 0.5)"}, {"u", "distinct(vid)"}, {"top", "top(vid, 3)"}});
    window.by = twin.by_site ? std::vector<std::string>{"site"} : twin.by_both ? std::vector<std::string>{"site", "lane"} : std::vector<std::string>{"lane"};
    window.size = Duration::millis(twin.size);
    window.every = Duration::millis(stream.every);
    window.late_allow = Duration::millis(twin.allow);
    window.late_then = twin.allow > 0 ? LateThen::revise : LateThen::drop;
    window.max_groups = twin.max_groups;
    window.max_open = 200;  // the twin evicts nothing
    if (twin.filter) window.where = "speed > 10.0";
    return engine_of(window, source);
}

void check_numbers(std::vector<double> speeds, const Emitted& seen) {
    const auto n = static_cast<double>(speeds.size());
    const double u = 0x1p-53;
    long double exact = 0, magnitude = 0, squares = 0;
    for (double speed : speeds) {
        exact += speed;
        magnitude += std::fabs(speed);
    }
    for (double speed : speeds) squares += (speed - exact / speeds.size()) * (speed - exact / speeds.size());
    const double bound = 2 * u * std::fabs(static_cast<double>(exact)) + n * n * u * u * static_cast<double>(magnitude);
    CHECK(std::fabs(static_cast<double>(static_cast<long double>(seen.real("rs")) - exact)) <= bound);
    std::sort(speeds.begin(), speeds.end());
    DOUBLES_EQUAL(speeds.front(), seen.real("mi"), 0);
    if (speeds.size() > 1) {
        const auto variance = static_cast<double>(squares / static_cast<long double>(speeds.size() - 1));
        CHECK(std::fabs(variance - seen.real("var")) <= 1e-9 * variance + 1e-9);
    }
    const std::size_t at = static_cast<std::size_t>(std::ceil(0.5 * n)) - 1;
    if (speeds.size() < 150) DOUBLES_EQUAL(speeds[at], seen.real("p"), 0);
    CHECK(seen.values.at("p").lower <= speeds[at] && speeds[at] <= seen.values.at("p").upper);
}

void check_values(const HoppingResult& expected, const Emitted& seen) {
    std::int64_t fast = 0, sum = 0, ns = 0, most = INT64_MIN;
    std::vector<double> speeds;
    std::set<std::string> vids;
    bool untrusted = false;
    const TwinRow* first = nullptr;
    const TwinRow* last = nullptr;
    const TwinRow* last_vid = nullptr;
    for (const TwinRow& row : expected.rows) {
        vids.insert(row.vid);
        untrusted |= !row.trusted;
        if (!last_vid || row.at >= last_vid->at) last_vid = &row;
        if (row.speed) {
            speeds.push_back(*row.speed);
            fast += *row.speed > 50.0;
            if (!last || row.at >= last->at) last = &row;
        }
        if (!row.n) continue;
        ++ns;
        sum += *row.n;
        most = std::max(most, *row.n);
        if (!first || row.at < first->at) first = &row;
    }
    LONGS_EQUAL(expected.rows.size(), seen.integer("n"));
    LONGS_EQUAL(speeds.size(), seen.integer("c"));
    LONGS_EQUAL(fast, seen.integer("fast"));
    STRCMP_EQUAL(last_vid->vid.c_str(), seen.texts.at("lv").c_str());
    CHECK_EQUAL(ns == 0, seen.null("sum"));
    if (ns > 0) {
        LONGS_EQUAL(sum, seen.integer("sum"));
        LONGS_EQUAL(most, seen.integer("ma"));
        LONGS_EQUAL(*first->n, seen.integer("fi"));
    }
    CHECK_EQUAL(speeds.empty(), seen.null("rs"));
    if (!speeds.empty()) {
        DOUBLES_EQUAL(*last->speed, seen.real("la"), 0);
        check_numbers(speeds, seen);
    }
    DOUBLES_EQUAL(static_cast<double>(vids.size()), seen.real("u"), 0);
    CHECK_EQUAL(expected.other, (seen.flags & record_other) != 0);
    CHECK_EQUAL(expected.partial, (seen.flags & record_partial) != 0);
    CHECK_EQUAL(untrusted, (seen.flags & record_clock_untrusted) != 0);
    if (expected.other) DOUBLES_EQUAL(static_cast<double>(expected.folded.size()), seen.real("folded_keys"), 0);
}

void check_counts(const HoppingTwin& twin, Harness& h) {
    LONGS_EQUAL(twin.counts.rows, h.count(WindowCounter::rows));
    LONGS_EQUAL(twin.counts.counted, h.count(WindowCounter::counted));
    LONGS_EQUAL(twin.counts.filtered, h.count(WindowCounter::filtered));
    LONGS_EQUAL(twin.counts.where_null, h.count(WindowCounter::where_null));
    LONGS_EQUAL(twin.counts.late, h.count(WindowCounter::late));
    LONGS_EQUAL(twin.counts.quarantined, h.count(WindowCounter::quarantined));
    LONGS_EQUAL(twin.counts.revised, h.count(WindowCounter::revised));
    LONGS_EQUAL(twin.counts.folded, h.count(WindowCounter::folded));
    LONGS_EQUAL(twin.late_in_part, h.count(WindowCounter::late_in_part));
    LONGS_EQUAL(0, h.count(WindowCounter::evicted));
    CHECK(h.adds_up());
}

// A second hopping window, tight, and little room for sketches.
EngineSpec tight(const HoppingStream& stream) {
    EngineSpec spec = spec_of(stream);
    spec.sources[0].max_partitions = 3;
    spec.sketch_bytes = 20000;
    spec.windows[0].max_groups = 3;
    spec.windows[0].max_open = static_cast<std::size_t>(stream.spec.size / stream.every) + 2;
    spec.windows.push_back(spec.windows[0]);
    spec.windows[1].name = "second";
    spec.windows[1].max_open = 11;
    spec.windows[1].size = Duration::millis(900);
    spec.windows[1].every = Duration::millis(90);
    return spec;
}

}  // namespace

TEST_GROUP(HoppingModel) {};

TEST(HoppingModel, engine_says_what_its_twin_says) {
    std::uint64_t streams = 0, records = 0, revisions = 0, others = 0, partial = 0, in_part = 0;
    TwinCounts counts;
    for (int seed = 0; seed < streams_wanted(); ++seed) {
        Random random(static_cast<std::uint64_t>(seed));
        const HoppingStream stream = random_stream(random);
        HoppingTwin twin(stream.spec, stream.every);
        Harness h(spec_of(stream), seed % 3 == 0 ? 1 : seed % 3 == 1 ? 7 : 1024);
        for (const Step& step : stream.steps) {
            step.tick >= 0 ? twin.tick(step.tick, step.trusted) : twin.message(step.rows);
            play(h, step);
        }
        twin.close();
        h.close();
        // Which keys fold when the pool of cells is used up is beyond the twin.
        if (h.count(WindowCounter::pool_exhausted) > 0) continue;
        const std::string name = "seed " + std::to_string(seed);
        for (std::size_t i = 0; i < std::min(twin.hops.size(), h.out.results.size()); ++i) {
            const HoppingResult& expected = twin.hops[i];
            const Emitted& seen = h.out.results[i];
            STRCMP_EQUAL_TEXT(expected.key.c_str(), seen.key.c_str(), name.c_str());
            LONGS_EQUAL_TEXT(expected.start, seen.start_ms, name.c_str());
            LONGS_EQUAL_TEXT(expected.end, seen.end_ms, name.c_str());
            LONGS_EQUAL_TEXT(expected.revision, seen.revision, name.c_str());
            LONGS_EQUAL(i + 1, seen.sequence);
            check_values(expected, seen);
            revisions += seen.revision > 0;
            others += expected.other;
            partial += expected.partial;
        }
        LONGS_EQUAL_TEXT(twin.hops.size(), h.out.results.size(), name.c_str());
        check_counts(twin, h);
        ++streams;
        records += twin.hops.size();
        in_part += twin.late_in_part;
        counts.rows += twin.counts.rows;
        counts.late += twin.counts.late;
        counts.revised += twin.counts.revised;
        counts.quarantined += twin.counts.quarantined;
        counts.folded += twin.counts.folded;
    }
    const auto share = [&](std::uint64_t part) { return 100.0 * static_cast<double>(part) / static_cast<double>(counts.rows); };
    std::printf("\nmodel: %llu streams compared of %d, %llu rows in %llu messages, %llu ticks, %llu leaps of up to a minute; late %.1f %%, late in part %.1f %%, "
                "counted as revision %.1f %%, duplicate %.1f %%, quarantined %.1f %%, folded %.1f %%, on a boundary %.1f %%; %llu records, %llu revisions, "
                "%llu of (other), %llu partial\n",
                static_cast<unsigned long long>(streams), streams_wanted(), static_cast<unsigned long long>(counts.rows),
                static_cast<unsigned long long>(produced.messages), static_cast<unsigned long long>(produced.ticks),
                static_cast<unsigned long long>(produced.leaps), share(counts.late), share(in_part), share(counts.revised), share(produced.duplicates),
                share(counts.quarantined), share(counts.folded), share(produced.on_boundary), static_cast<unsigned long long>(records),
                static_cast<unsigned long long>(revisions), static_cast<unsigned long long>(others), static_cast<unsigned long long>(partial));
    CHECK(streams * 10 >= static_cast<std::uint64_t>(streams_wanted()) * 8);
    CHECK(revisions > 0 && others > 0 && partial > 0 && in_part > 0);
}

TEST(HoppingModel, output_is_the_same_for_every_batch_limit) {
    for (int seed = 0; seed < streams_wanted() / 20; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 1000000);
        const HoppingStream stream = random_stream(random);
        const EngineSpec spec = seed % 2 ? tight(stream) : spec_of(stream);
        const std::string one = run_with(stream, spec, 1);
        STRCMP_EQUAL(one.c_str(), run_with(stream, spec, 7).c_str());
        STRCMP_EQUAL(one.c_str(), run_with(stream, spec, 1024).c_str());
    }
}

// Rows of one key are in all the records that hold their pane, whatever had to go for lack of room.
TEST(HoppingModel, no_window_of_a_key_is_said_twice_when_panes_have_to_go) {
    for (int seed = 0; seed < streams_wanted() / 20; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 2000000);
        const HoppingStream stream = random_stream(random);
        Harness h(tight(stream), 7);
        for (const Step& step : stream.steps) play(h, step);
        h.close();
        CHECK(h.adds_up(0) && h.adds_up(1));
        std::map<std::string, std::uint32_t> said;
        for (const Emitted& e : h.out.results) {
            const std::string id = e.window + " " + e.key + " " + std::to_string(e.start_ms);
            const auto known = said.find(id);
            LONGS_EQUAL_TEXT(known == said.end() ? 0 : known->second + 1, e.revision, id.c_str());
            said[id] = e.revision;
        }
    }
}

TEST(HoppingModel, output_goes_on_the_same_after_save_and_load) {
    for (int seed = 0; seed < streams_wanted() / 20; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 3000000);
        const HoppingStream stream = random_stream(random);
        const EngineSpec spec = seed % 2 ? tight(stream) : spec_of(stream);
        check_reloads(random, stream, spec);
    }
}
