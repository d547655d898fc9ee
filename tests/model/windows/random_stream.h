// Random streams for the twins of windows that are not cut by the clock, with late, duplicate, reordered, future and silent
// stretches; playing them to an engine; and what its aggregates must say of the rows of a window.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/model/windows/twin.h"
#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

namespace weir::test {

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
inline std::int64_t below(Random& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }
inline bool chance(Random& random, int percent) { return below(random, 100) < percent; }

inline Stream random_stream(Random& random, const TwinSpec& spec) {
    Stream stream;
    stream.spec = spec;
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

// Of the aggregates that check_values() knows.
inline std::vector<std::pair<std::string, std::string>> all_kinds() {
    return {{"n", "count()"},       {"c", "count(speed)"}, {"fast", "count(speed > 50.0)"}, {"sum", "sum(n)"},
            {"rs", "sum(speed)"},   {"mi", "min(speed)"},  {"ma", "max(n)"},                {"fi", "first(n)"},
            {"la", "last(speed)"},  {"lv", "last(vid)"},   {"var", "variance(speed)"},      {"p", "quantile(speed, 0.5)"},
            {"u", "distinct(vid)"}, {"t", "top(vid, 3)"}};
}

inline SourceSpec source_of(const TwinSpec& twin) {
    SourceSpec source = road();
    source.lateness = Duration::millis(twin.lateness);
    source.idle = Duration::millis(twin.idle);
    source.max_future = Duration::millis(twin.max_future);
    return source;
}

inline void play(Harness& h, const Step& step) {
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

inline std::string run_with(const Stream& stream, const EngineSpec& spec, std::size_t batch_rows) {
    Harness h(spec, batch_rows);
    for (const Step& step : stream.steps) play(h, step);
    h.close();
    for (std::size_t i = 0; i < spec.windows.size(); ++i) CHECK(h.adds_up(i));
    return h.out.all();
}

// Saved and loaded at random points, into engines with other limits of a batch, the output is the same.
inline void check_reloads(Random& random, const Stream& stream, const EngineSpec& spec) {
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

inline void check_values(const std::vector<TwinRow>& rows, const Emitted& seen) {
    std::int64_t sum = 0, most = 0, fast = 0, ns = 0;
    const TwinRow* first = nullptr;
    const TwinRow* last = nullptr;
    const TwinRow* last_vid = nullptr;
    std::set<std::string> vids;
    std::vector<double> speeds;
    long double exact = 0, magnitude = 0;
    for (const TwinRow& row : rows) {
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
    LONGS_EQUAL(rows.size(), seen.integer("n"));
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

inline int streams_wanted() {
    const char* text = std::getenv("WEIR_MODEL_STREAMS");
    return text ? std::atoi(text) : 2000;
}

}  // namespace weir::test
