// The engine against its twin, on random streams with late, duplicate, reordered, future and silent
// stretches. WEIR_MODEL_STREAMS says how many (2,000 unless told).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/model/windows/twin.h"
#include "tests/unit/windows/harness.h"
#include "tests/unit/windows/places.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

struct Step {
    std::vector<TwinRow> rows;  // a message, or
    std::int64_t tick = -1;     // a tick
    bool trusted = true;
};
struct Stream {
    TwinSpec spec;
    std::vector<Step> steps;
};
struct Produced {
    std::uint64_t streams = 0, calendars = 0, rows = 0, messages = 0, ticks = 0, duplicates = 0, on_boundary = 0, nulls = 0, records = 0, revisions = 0, others = 0, early = 0, aside = 0;
    TwinCounts counts;
} produced;

using Random = std::mt19937_64;
std::int64_t below(Random& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }
bool chance(Random& random, int percent) { return below(random, 100) < percent; }

TwinSpec random_spec(Random& random) {
    TwinSpec spec;
    spec.lateness = below(random, 4) * 700;
    if (spec.lateness > 0 && chance(random, 40)) {
        spec.adaptive = true;
        spec.floor = chance(random, 50) ? 0 : 300;
        spec.late_share = chance(random, 50) ? 0.01 : 0.2;
    }
    spec.idle = 5000 + below(random, 20000);
    spec.max_future = 10000;
    spec.step_max = 60000;
    constexpr std::int64_t sizes[] = {1000, 5000, 10000, 7000};
    spec.size = sizes[below(random, 4)];
    spec.allow = chance(random, 50) ? 0 : 1000 + below(random, 10000);
    spec.aside = spec.allow > 0 && chance(random, 40);
    spec.early = chance(random, 60) ? 0 : spec.size / (2 + below(random, 4));
    spec.max_groups = static_cast<std::size_t>(chance(random, 50) ? 100 : 2 + below(random, 4));
    spec.by_site = chance(random, 40);
    spec.by_both = !spec.by_site && chance(random, 50);
    spec.filter = chance(random, 40);
    return spec;
}

const Places places;

struct Place {
    const char* name;
    std::vector<TwinClock> clock;  // as in places.h
    std::int64_t change;           // one of its changes, ms
};
std::vector<Place> clocks() {
    constexpr std::int64_t minute = 60'000;
    const std::int64_t spring = utc("2026-03-29T01:00:00Z").ms(), autumn = utc("2026-10-25T01:00:00Z").ms();
    const std::int64_t april = utc("2026-04-04T15:00:00Z").ms(), october = utc("2026-10-03T15:30:00Z").ms();
    const std::int64_t apia = utc("2011-12-30T10:00:00Z").ms(), st_johns = utc("2009-11-01T02:31:00Z").ms();
    return {
        {"Europe/Amsterdam", {{0, 60 * minute}, {spring, 120 * minute}, {autumn, 60 * minute}}, spring},
        {"Europe/Amsterdam", {{0, 60 * minute}, {spring, 120 * minute}, {autumn, 60 * minute}}, autumn},
        {"Australia/Lord_Howe", {{0, 660 * minute}, {april, 630 * minute}, {october, 660 * minute}}, april},
        {"Pacific/Apia", {{0, -600 * minute}, {apia, 840 * minute}}, apia},
        {"America/St_Johns", {{0, -150 * minute}, {st_johns, -210 * minute}}, st_johns},
    };
}

// The stream at 3,600 times its speed, around a change of a place's clocks.
void make_calendar(Stream& stream, Random& random) {
    constexpr std::int64_t faster = 3600;
    constexpr std::int64_t day = 86'400'000;
    const std::vector<Place> all = clocks();
    const Place& place = all[static_cast<std::size_t>(below(random, static_cast<std::int64_t>(all.size())))];
    TwinSpec& spec = stream.spec;
    spec.zone = place.name;
    spec.hours = chance(random, 50);
    spec.size = 0;
    if (spec.early > 0) spec.early = (spec.hours ? 3'600'000 : 86'400'000) / (2 + below(random, 4));
    spec.lateness *= faster;
    spec.floor *= faster;
    spec.allow *= faster;
    spec.max_future *= faster;
    spec.idle = 60'000 * (1 + below(random, 20));  // of arrival time no more than a minute a step counts
    const std::int64_t base = place.change - below(random, 4 * day);
    const auto moved = [&](std::int64_t at) { return at < 0 ? at : base + (at - 100'000) * faster; };
    std::int64_t least = base, most = base;
    for (Step& step : stream.steps) {
        if (step.tick >= 0) step.tick = moved(step.tick);
        for (TwinRow& row : step.rows) {
            row.at = moved(row.at);
            row.arrival = moved(row.arrival);
            if (row.at >= 0) least = std::min(least, row.at);
            most = std::max(most, row.at);
        }
    }
    spec.cuts = twin_cuts(place.clock, spec.hours, least - 3 * day, most + 3 * day);
}

Stream random_times(Random& random);

Stream random_stream(Random& random) {
    Stream stream = random_times(random);
    if (chance(random, 25)) make_calendar(stream, random);
    return stream;
}

Stream random_times(Random& random) {
    Stream stream;
    stream.spec = random_spec(random);
    std::int64_t now = 100000 + below(random, 10000);
    bool trusted = true;
    const std::int64_t sites = 1 + below(random, 6), lanes = 1 + below(random, 4);
    const int late = static_cast<int>(below(random, 30)), duplicate = static_cast<int>(below(random, 15));
    std::vector<TwinRow> recent;
    std::int64_t silent_site = -1;
    const std::int64_t steps = (below(random, 200) == 0 ? 3000 : 40) + below(random, 160);
    for (std::int64_t i = 0; i < steps; ++i) {
        if (chance(random, 3)) silent_site = below(random, sites + 1) - 1;
        now += chance(random, 3) ? below(random, 60000) : below(random, 1500);
        if (chance(random, 1)) trusted = !trusted;
        if (chance(random, 1)) now -= below(random, 5000);
        Step step;
        step.trusted = trusted;
        if (chance(random, 15)) {
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
                std::int64_t site = below(random, sites);
                if (site == silent_site) site = (site + 1) % sites;
                row.site = "s" + std::to_string(site);
                row.lane = below(random, lanes) - 1;
                row.at = now - below(random, 1000);
                if (chance(random, late)) row.at -= below(random, 30000);
                if (chance(random, 2)) row.at += below(random, 20000);
                if (chance(random, 5)) row.at -= row.at % stream.spec.size;
                if (chance(random, 1)) row.at = -row.at;
                if (!chance(random, 10)) row.speed = static_cast<double>(below(random, 2000)) / 17.0 * (chance(random, 5) ? 1e9 : 1);
                if (!chance(random, 10)) row.n = below(random, 1000) - 500;
                row.vid = "v" + std::to_string(below(random, 300));
            }
            row.arrival = now;
            row.trusted = trusted;
            if (row.at % stream.spec.size == 0) ++produced.on_boundary;
            if (!row.speed) ++produced.nulls;
            recent.push_back(row);
            if (recent.size() > 20) recent.erase(recent.begin());
            step.rows.push_back(row);
        }
        ++produced.messages;
        stream.steps.push_back(step);
    }
    return stream;
}

EngineSpec spec_of(const TwinSpec& twin) {
    SourceSpec source = road();
    source.lateness = Duration::millis(twin.lateness);
    source.lateness.adaptive = twin.adaptive;
    source.lateness.floor = Duration::millis(twin.floor);
    source.lateness.ceiling = Duration::millis(twin.lateness);
    source.lateness.late_share = twin.late_share;
    source.idle = Duration::millis(twin.idle);
    source.max_future = Duration::millis(twin.max_future);
    WindowSpec window = minute({{"n", "count()"}, {"c", "count(speed)"}, {"fast", "count(speed > 50.0)"}, {"sum", "sum(n)"}, {"rs", "sum(speed)"},
                                {"mean", "mean(speed)"}, {"mi", "min(speed)"}, {"ma", "max(n)"}, {"fi", "first(n)"}, {"la", "last(speed)"}, {"var", "variance(speed)"},
                                {"p", "quantile(speed, 0.5)"}, {"u", "distinct(vid)"}, {"top", "top(vid, 3)"}, {"share", "count(speed > 50.0) / count()"}});
    window.by = twin.by_site ? std::vector<std::string>{"site"} : twin.by_both ? std::vector<std::string>{"site", "lane"} : std::vector<std::string>{"lane"};
    if (twin.cuts.empty()) {
        window.size = Duration::millis(twin.size);
    } else {
        window.size = Duration();
        window.calendar = twin.hours ? CalendarUnit::hour : CalendarUnit::day;
        window.zone = twin.zone;
    }
    window.late_allow = Duration::millis(twin.allow);
    window.late_then = twin.aside ? LateThen::side : twin.allow > 0 ? LateThen::revise : LateThen::drop;
    window.early = Duration::millis(twin.early);
    window.max_groups = twin.max_groups;
    window.max_open = 200;  // the twin evicts nothing
    if (twin.filter) window.where = "speed > 10.0";
    EngineSpec spec = engine_of(window, source);
    spec.zones = &places;
    return spec;
}

void play(Harness& h, const Step& step) {
    if (step.tick >= 0) return h.tick(step.tick, step.trusted);
    Message message;
    for (const TwinRow& row : step.rows) {
        Event event;
        event.at_ms = row.at;
        event.arrival_ms = row.arrival;
        event.trusted = row.trusted;
        event.cells = {row.site, row.lane, std::monostate(), std::monostate(), true, row.vid};
        if (row.speed) event.cells[2] = *row.speed;
        if (row.n) event.cells[3] = *row.n;
        message.push_back(event);
    }
    h.send(message);
}

// What the engine must have said of these rows.
void check_values(const TwinResult& expected, const Emitted& seen) {
    std::int64_t fast = 0, sum = 0, ns = 0, most = INT64_MIN;
    std::vector<double> speeds;
    std::set<std::string> vids;
    const TwinRow* first = nullptr;
    const TwinRow* last = nullptr;
    long double exact = 0, magnitude = 0;
    for (const TwinRow& row : expected.rows) {
        vids.insert(row.vid);
        if (row.speed) {
            speeds.push_back(*row.speed);
            exact += *row.speed;
            magnitude += std::fabs(*row.speed);
            fast += *row.speed > 50.0;
            if (!last || row.at >= last->at) last = &row;
        }
        if (row.n) {
            ++ns;
            sum += *row.n;
            most = std::max(most, *row.n);
            if (!first || row.at < first->at) first = &row;
        }
    }
    const auto n = static_cast<double>(expected.rows.size());
    LONGS_EQUAL(expected.rows.size(), seen.integer("n"));
    LONGS_EQUAL(speeds.size(), seen.integer("c"));
    LONGS_EQUAL(fast, seen.integer("fast"));
    DOUBLES_EQUAL(static_cast<double>(fast) / n, seen.real("share"), 0);
    CHECK_EQUAL(ns == 0, seen.null("sum"));
    if (ns > 0) {
        LONGS_EQUAL(sum, seen.integer("sum"));
        LONGS_EQUAL(most, seen.integer("ma"));
        LONGS_EQUAL(*first->n, seen.integer("fi"));
    }
    CHECK_EQUAL(speeds.empty(), seen.null("rs"));
    if (!speeds.empty()) {
        const double u = 0x1p-53;
        const double bound = 2 * u * std::fabs(static_cast<double>(exact)) + n * n * u * u * static_cast<double>(magnitude);
        CHECK(std::fabs(static_cast<double>(static_cast<long double>(seen.real("rs")) - exact)) <= bound);
        const long double mean = exact / static_cast<long double>(speeds.size());
        CHECK(std::fabs(static_cast<double>(static_cast<long double>(seen.real("mean")) - mean)) <= 4 * u * std::fabs(static_cast<double>(mean)) + bound);
        std::sort(speeds.begin(), speeds.end());
        DOUBLES_EQUAL(speeds.front(), seen.real("mi"), 0);
        DOUBLES_EQUAL(*last->speed, seen.real("la"), 0);
        long double squares = 0;
        for (double speed : speeds) squares += (speed - mean) * (speed - mean);
        if (speeds.size() > 1) {
            const auto variance = static_cast<double>(squares / static_cast<long double>(speeds.size() - 1));
            CHECK(std::fabs(variance - seen.real("var")) <= 1e-9 * variance + 1e-9);
        }
        // Fewer than k values: the sketch is exact.
        const std::size_t at = static_cast<std::size_t>(std::ceil(0.5 * static_cast<double>(speeds.size()))) - 1;
        if (speeds.size() < 200) DOUBLES_EQUAL(speeds[at], seen.real("p"), 0);
        CHECK(seen.values.at("p").lower <= speeds[at] && speeds[at] <= seen.values.at("p").upper);
    }
    DOUBLES_EQUAL(static_cast<double>(vids.size()), seen.real("u"), 0);
    CHECK_EQUAL(expected.other, (seen.flags & record_other) != 0);
    if (expected.other) DOUBLES_EQUAL(static_cast<double>(expected.folded.size()), seen.real("folded_keys"), 0);
}

void check_counts(const TwinCounts& expected, Harness& h) {
    LONGS_EQUAL(expected.rows, h.count(WindowCounter::rows));
    LONGS_EQUAL(expected.counted, h.count(WindowCounter::counted));
    LONGS_EQUAL(expected.filtered, h.count(WindowCounter::filtered));
    LONGS_EQUAL(expected.where_null, h.count(WindowCounter::where_null));
    LONGS_EQUAL(expected.late, h.count(WindowCounter::late));
    LONGS_EQUAL(expected.quarantined, h.count(WindowCounter::quarantined));
    LONGS_EQUAL(expected.revised, h.count(WindowCounter::revised));
    LONGS_EQUAL(expected.aside, h.count(WindowCounter::late_aside));
    CHECK(h.adds_up());
}

void add(TwinCounts& to, const TwinCounts& from) {
    to.rows += from.rows;
    to.counted += from.counted;
    to.filtered += from.filtered;
    to.where_null += from.where_null;
    to.late += from.late;
    to.quarantined += from.quarantined;
    to.revised += from.revised;
    to.aside += from.aside;
    to.folded += from.folded;
}

int streams_wanted(int fallback) {
    const char* text = std::getenv("WEIR_MODEL_STREAMS");
    return text ? std::atoi(text) : fallback;
}

std::string run_with(const Stream& stream, std::size_t batch_rows) {
    Harness h(spec_of(stream.spec), batch_rows);
    for (const Step& step : stream.steps) play(h, step);
    h.close();
    return h.out.all();
}

}  // namespace

TEST_GROUP(WindowsModel) {};

TEST(WindowsModel, engine_says_what_its_twin_says) {
    const int wanted = streams_wanted(2000);
    for (int seed = 0; seed < wanted; ++seed) {
        Random random(static_cast<std::uint64_t>(seed));
        const Stream stream = random_stream(random);
        Twin twin(stream.spec);
        Harness h(spec_of(stream.spec), seed % 3 == 0 ? 1 : seed % 3 == 1 ? 7 : 1024);
        for (const Step& step : stream.steps) {
            step.tick >= 0 ? twin.tick(step.tick, step.trusted) : twin.message(step.rows);
            play(h, step);
        }
        twin.close();
        h.close();
        // Which keys fold when the pool of cells is used up is beyond the twin; it is rare and has a test of its own.
        if (h.count(WindowCounter::pool_exhausted) > 0) continue;
        const std::string name = "seed " + std::to_string(seed);
        LONGS_EQUAL_TEXT(twin.results.size(), h.out.results.size(), name.c_str());
        std::uint64_t sequence = 0;
        for (std::size_t i = 0; i < twin.results.size(); ++i) {
            const TwinResult& expected = twin.results[i];
            const Emitted& seen = h.out.results[i];
            STRCMP_EQUAL_TEXT(expected.key.c_str(), seen.key.c_str(), name.c_str());
            LONGS_EQUAL_TEXT(expected.start, seen.start_ms, name.c_str());
            LONGS_EQUAL_TEXT(expected.end, seen.end_ms, name.c_str());
            LONGS_EQUAL_TEXT(expected.revision, seen.revision, name.c_str());
            LONGS_EQUAL_TEXT(expected.early, seen.early, name.c_str());
            CHECK_EQUAL_TEXT(expected.early > 0, (seen.flags & record_provisional) != 0, name.c_str());
            CHECK_TEXT(seen.kind == (expected.late ? RecordKind::late : RecordKind::result), name.c_str());
            LONGS_EQUAL(expected.early > 0 ? 0 : ++sequence, seen.sequence);
            check_values(expected, seen);
            produced.early += expected.early > 0;
            produced.aside += expected.late;
            produced.revisions += seen.revision > 0;
            produced.others += expected.other;
        }
        check_counts(twin.counts, h);
        produced.records += twin.results.size();
        ++produced.streams;
        produced.calendars += !stream.spec.cuts.empty();
        add(produced.counts, twin.counts);
    }
    const auto share = [](std::uint64_t part) { return 100.0 * static_cast<double>(part) / static_cast<double>(produced.counts.rows); };
    std::printf("\nmodel: %llu streams compared of %d, %llu by a calendar, %llu rows in %llu messages, %llu ticks; late %.1f %%, counted as revision %.1f %%, apart %.1f %%, duplicate %.1f %%, "
                "quarantined %.1f %%, folded %.1f %%, on a boundary %.1f %%, null %.1f %%; %llu records, %llu revisions, %llu early, %llu of late rows, %llu of (other)\n",
                static_cast<unsigned long long>(produced.streams), wanted, static_cast<unsigned long long>(produced.calendars), static_cast<unsigned long long>(produced.counts.rows),
                static_cast<unsigned long long>(produced.messages), static_cast<unsigned long long>(produced.ticks), share(produced.counts.late),
                share(produced.counts.revised), share(produced.counts.aside), share(produced.duplicates), share(produced.counts.quarantined), share(produced.counts.folded),
                share(produced.on_boundary), share(produced.nulls), static_cast<unsigned long long>(produced.records),
                static_cast<unsigned long long>(produced.revisions), static_cast<unsigned long long>(produced.early),
                static_cast<unsigned long long>(produced.aside), static_cast<unsigned long long>(produced.others));
    CHECK(produced.early > 0 && produced.aside > 0);
    CHECK(produced.streams * 10 >= static_cast<std::uint64_t>(wanted) * 7);
}

TEST(WindowsModel, output_is_the_same_for_every_batch_limit) {
    for (int seed = 0; seed < streams_wanted(2000) / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 1000000);
        const Stream stream = random_stream(random);
        const std::string one = run_with(stream, 1);
        STRCMP_EQUAL(one.c_str(), run_with(stream, 7).c_str());
        STRCMP_EQUAL(one.c_str(), run_with(stream, 1024).c_str());
    }
}

TEST(WindowsModel, output_is_the_same_when_bounds_are_tight) {
    for (int seed = 0; seed < streams_wanted(2000) / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 2000000);
        const Stream stream = random_stream(random);
        EngineSpec spec = spec_of(stream.spec);
        spec.sources[0].max_partitions = 3;
        spec.windows[0].max_open = 2;
        spec.windows[0].max_groups = 3;
        spec.windows.push_back(spec.windows[0]);
        spec.windows[1].name = "second";
        spec.windows[1].max_open = 3;
        spec.windows[1].size = Duration::millis(900);
        spec.windows[1].calendar = CalendarUnit::none;
        if (stream.spec.early > 0) spec.windows[1].early = Duration::millis(170);
        std::string texts[3];
        for (std::size_t i = 0; i < 3; ++i) {
            Harness h(spec, i == 0 ? 1 : i == 1 ? 7 : 1024);
            for (const Step& step : stream.steps) play(h, step);
            h.close();
            CHECK(h.adds_up(0) && h.adds_up(1));
            texts[i] = h.out.all();
        }
        STRCMP_EQUAL(texts[0].c_str(), texts[1].c_str());
        STRCMP_EQUAL(texts[0].c_str(), texts[2].c_str());
    }
}

TEST(WindowsModel, output_goes_on_the_same_after_save_and_load) {
    for (int seed = 0; seed < streams_wanted(2000) / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 3000000);
        const Stream stream = random_stream(random);
        EngineSpec spec = spec_of(stream.spec);
        if (seed % 2) spec.windows[0].max_open = 3;
        Harness whole(spec);
        for (const Step& step : stream.steps) play(whole, step);
        whole.close();
        auto h = std::make_unique<Harness>(spec, 1 + static_cast<std::size_t>(below(random, 5)));
        std::string text;
        for (const Step& step : stream.steps) {
            play(*h, step);
            if (!chance(random, 5)) continue;
            h->flush_all();
            const auto bytes = h->save();
            text += h->out.all();
            h = std::make_unique<Harness>(spec, 1 + static_cast<std::size_t>(below(random, 5)));
            CHECK(h->load(bytes).ok());
            CHECK(h->save() == bytes);
        }
        h->close();
        text += h->out.all();
        STRCMP_EQUAL(whole.out.all().c_str(), text.c_str());
    }
}
