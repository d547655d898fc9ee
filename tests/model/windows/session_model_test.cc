// Session windows against their twin, on random streams with late, duplicate, reordered, future and silent
// stretches. WEIR_MODEL_STREAMS says how many (2,000 unless told).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/model/windows/session_twin.h"
#include "tests/unit/windows/harness.h"
#include "windows/compiled_plan.h"

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

using Random = std::mt19937_64;
std::int64_t below(Random& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }
bool chance(Random& random, int percent) { return below(random, 100) < percent; }

TwinSpec random_spec(Random& random) {
    TwinSpec spec;
    spec.lateness = below(random, 4) * 700;
    spec.idle = 5000 + below(random, 20000);
    spec.max_future = 10000;
    spec.step_max = 60000;
    constexpr std::int64_t gaps[] = {200, 1000, 2500, 7001};
    spec.size = gaps[below(random, 4)];
    spec.allow = chance(random, 40) ? 0 : 1000 + below(random, 20000);
    spec.by_site = chance(random, 40);
    spec.by_both = !spec.by_site && chance(random, 50);
    spec.filter = chance(random, 40);
    return spec;
}

Stream random_stream(Random& random) {
    Stream stream;
    stream.spec = random_spec(random);
    std::int64_t now = 100000 + below(random, 10000);
    bool trusted = true;
    const std::int64_t sites = 1 + below(random, 4), lanes = 1 + below(random, 3);
    const int late = static_cast<int>(below(random, 40)), duplicate = static_cast<int>(below(random, 15));
    std::vector<TwinRow> recent;
    const std::int64_t steps = 40 + below(random, 160);
    for (std::int64_t i = 0; i < steps; ++i) {
        now += chance(random, 3) ? below(random, 60000) : below(random, chance(random, 20) ? 4000 : 500);
        if (chance(random, 1)) trusted = !trusted;
        if (chance(random, 1)) now -= below(random, 5000);
        Step step;
        step.trusted = trusted;
        if (chance(random, 10)) {
            step.tick = now;
            stream.steps.push_back(step);
            continue;
        }
        const std::int64_t rows = chance(random, 70) ? 1 : 1 + below(random, 12);
        for (std::int64_t r = 0; r < rows; ++r) {
            TwinRow row;
            if (!recent.empty() && chance(random, duplicate)) {
                row = recent[static_cast<std::size_t>(below(random, static_cast<std::int64_t>(recent.size())))];
            } else {
                row.site = "s" + std::to_string(below(random, sites));
                row.lane = below(random, lanes) - 1;
                row.at = now - below(random, 1000);
                if (chance(random, late)) row.at -= below(random, 30000);
                if (chance(random, 2)) row.at += below(random, 20000);
                if (chance(random, 5)) row.at -= row.at % 100;
                // Exactly a gap from another.
                if (!recent.empty() && chance(random, 5)) row.at = recent.back().at + (chance(random, 50) ? stream.spec.size : -stream.spec.size);
                if (chance(random, 1)) row.at = -row.at;
                if (!chance(random, 10)) row.speed = static_cast<double>(below(random, 2000)) / 17.0 * (chance(random, 5) ? 1e9 : 1);
                if (!chance(random, 10)) row.n = below(random, 1000) - 500;
                row.vid = "v" + std::to_string(below(random, 300));
            }
            row.arrival = now;
            row.trusted = trusted;
            recent.push_back(row);
            if (recent.size() > 20) recent.erase(recent.begin());
            step.rows.push_back(row);
        }
        stream.steps.push_back(step);
    }
    return stream;
}

EngineSpec spec_of(const TwinSpec& twin, std::size_t max_groups) {
    SourceSpec source = road();
    source.lateness = Duration::millis(twin.lateness);
    source.idle = Duration::millis(twin.idle);
    source.max_future = Duration::millis(twin.max_future);
    WindowSpec window;
    window.name = "visits";
    window.from = "loops";
    window.session = Duration::millis(twin.size);
    window.max_groups = max_groups;
    window.late_allow = Duration::millis(twin.allow);
    window.late_then = twin.allow > 0 ? LateThen::revise : LateThen::drop;
    if (twin.filter) window.where = "speed > 10.0";
    if (twin.by_site || twin.by_both) window.by.push_back("site");
    if (!twin.by_site) window.by.push_back("lane");
    window.select = {{"n", "count()"},         {"c", "count(speed)"},  {"fast", "count(speed > 50.0)"},   {"sum", "sum(n)"},
                     {"rs", "sum(speed)"},     {"mi", "min(speed)"},   {"ma", "max(n)"},                  {"fi", "first(n)"},
                     {"la", "last(speed)"},    {"lv", "last(vid)"},    {"var", "variance(speed)"},        {"p", "quantile(speed, 0.5)"},
                     {"u", "distinct(vid)"},   {"t", "top(vid, 3)"}};
    return engine_of(std::move(window), std::move(source));
}

void play(Harness& h, const Step& step) {
    if (step.tick >= 0) return h.tick(step.tick, step.trusted);
    Message message;
    for (const TwinRow& row : step.rows) {
        Event event;
        event.at_ms = row.at;
        event.arrival_ms = row.arrival;
        event.trusted = row.trusted;
        event.cells = {row.site, row.lane, row.speed ? Datum(*row.speed) : Datum(), row.n ? Datum(*row.n) : Datum(), Datum(), row.vid};
        message.push_back(event);
    }
    h.send(message);
}

void check_values(const SessionResult& expected, const Emitted& seen) {
    std::int64_t sum = 0, most = 0, fast = 0, ns = 0;
    const TwinRow* first = nullptr;
    const TwinRow* last = nullptr;
    const TwinRow* last_vid = nullptr;
    std::set<std::string> vids;
    std::vector<double> speeds;
    long double exact = 0, magnitude = 0;
    for (const TwinRow& row : expected.rows) {
        vids.insert(row.vid);
        if (!last_vid || row.at >= last_vid->at) last_vid = &row;
        if (row.speed) {
            speeds.push_back(*row.speed);
            exact += *row.speed;
            magnitude += std::fabs(*row.speed);
            fast += *row.speed > 50 ? 1 : 0;
            if (!last || row.at >= last->at) last = &row;
        }
        if (row.n) {
            sum += *row.n;
            most = ns == 0 ? *row.n : std::max(most, *row.n);
            ++ns;
            if (!first || row.at < first->at) first = &row;
        }
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
    DOUBLES_EQUAL(static_cast<double>(vids.size()), seen.real("u"), 0);
    if (speeds.empty()) return;
    const auto n = static_cast<double>(speeds.size());
    const double u = 0x1p-53;
    const double bound = 2 * u * std::fabs(static_cast<double>(exact)) + n * n * u * u * static_cast<double>(magnitude);
    CHECK(std::fabs(static_cast<double>(static_cast<long double>(seen.real("rs")) - exact)) <= bound);
    DOUBLES_EQUAL(*last->speed, seen.real("la"), 0);
    std::sort(speeds.begin(), speeds.end());
    DOUBLES_EQUAL(speeds.front(), seen.real("mi"), 0);
    long double squares = 0;
    for (double speed : speeds) squares += (speed - exact / speeds.size()) * (speed - exact / speeds.size());
    if (speeds.size() > 1) {
        const auto variance = static_cast<double>(squares / static_cast<long double>(speeds.size() - 1));
        CHECK(std::fabs(variance - seen.real("var")) <= 1e-9 * variance + 1e-9);
    }
    const std::size_t at = static_cast<std::size_t>(std::ceil(0.5 * n)) - 1;
    if (speeds.size() < 150) DOUBLES_EQUAL(speeds[at], seen.real("p"), 0);
    CHECK(seen.values.at("p").lower <= speeds[at] && speeds[at] <= seen.values.at("p").upper);
}

int streams_wanted() {
    const char* text = std::getenv("WEIR_MODEL_STREAMS");
    return text ? std::atoi(text) : 2000;
}

std::string run_with(const Stream& stream, const EngineSpec& spec, std::size_t batch_rows) {
    Harness h(spec, batch_rows);
    for (const Step& step : stream.steps) play(h, step);
    h.close();
    for (std::size_t i = 0; i < spec.windows.size(); ++i) CHECK(h.adds_up(i));
    return h.out.all();
}

// An identity stands once, or after the one that is the same was taken back.
void check_identities(const Harness& h) {
    std::map<std::string, std::pair<bool, std::uint32_t>> stands;
    for (const Emitted& e : h.out.results) {
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
    std::uint64_t records = 0, retractions = 0, revisions = 0, joined = 0;
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
        for (std::size_t i = 0; i < std::min(twin.sessions.size(), h.out.results.size()); ++i) {
            const SessionResult& expected = twin.sessions[i];
            const Emitted& seen = h.out.results[i];
            STRCMP_EQUAL_TEXT(expected.key.c_str(), seen.key.c_str(), name.c_str());
            LONGS_EQUAL_TEXT(expected.start, seen.start_ms, name.c_str());
            LONGS_EQUAL_TEXT(expected.end, seen.end_ms, name.c_str());
            LONGS_EQUAL_TEXT(expected.revision, seen.revision, name.c_str());
            CHECK_EQUAL_TEXT(expected.retracted, seen.kind == RecordKind::retraction, name.c_str());
            LONGS_EQUAL(i + 1, seen.sequence);
            if (!expected.retracted) check_values(expected, seen);
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
        LONGS_EQUAL(0, h.count(WindowCounter::evicted));
        CHECK(h.adds_up());
        records += twin.sessions.size();
        joined += twin.joined;
        counts.rows += twin.counts.rows;
        counts.late += twin.counts.late;
        counts.revised += twin.counts.revised;
    }
    std::printf("\nmodel: %d streams, %llu rows, %llu late, %llu counted as revision; %llu records, %llu revisions, %llu retractions, "
                "%llu sessions joined\n",
                streams_wanted(), static_cast<unsigned long long>(counts.rows), static_cast<unsigned long long>(counts.late),
                static_cast<unsigned long long>(counts.revised), static_cast<unsigned long long>(records),
                static_cast<unsigned long long>(revisions), static_cast<unsigned long long>(retractions), static_cast<unsigned long long>(joined));
    CHECK(retractions > 0 && revisions > 0 && joined > 0);
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
        const std::string whole = run_with(stream, spec, 1024);
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
        STRCMP_EQUAL(whole.c_str(), text.c_str());
    }
}
