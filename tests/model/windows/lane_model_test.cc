// Lanes against one engine: rows of random streams go to 1, 2 or 3 lanes at random, what the lanes say goes to the merger in
// a random order, and the results are those of one engine that saw all rows. Where rows are late the lanes judge by
// themselves: there the totals are held against what the lanes counted.
// WEIR_MODEL_STREAMS: how many streams (default 600).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include "tests/unit/windows/lanes_harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

int streams() {
    const char* const text = std::getenv("WEIR_MODEL_STREAMS");
    return text ? std::max(1, std::atoi(text)) : 600;
}

using Random = std::mt19937_64;
std::int64_t below(Random& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }

struct Shape {
    std::size_t lanes = 1;
    bool by_site = false;      // each row to the lane of its site; else to any
    bool late = false;         // some rows come later than the lateness
    bool revises = false;
    std::int64_t silent = 0;   // per mille, of a step
};

EngineSpec spec_of(Random& random, const Shape& shape) {
    WindowSpec window = minute({{"n", "count()"}, {"n_speed", "count(speed)"}, {"sum", "sum(n)"}, {"total", "sum(speed)"}, {"low", "min(speed)"},
                                {"high", "max(n)"}, {"mean", "mean(speed)"}, {"var", "variance(speed)"}, {"p50", "quantile(speed, 0.5)"},
                                {"vids", "distinct(vid)"}, {"common", "top(vid, 3)"}, {"first", "first(speed)"}, {"ratio", "sum(n) * 2 + count()"}},
                               {});
    switch (below(random, 3)) {
        case 0: break;
        case 1: window.by = {"lane"}; break;
        default: window.by = {"site", "lane"};
    }
    window.size = Duration::seconds(5 + below(random, 4) * 7);
    window.max_groups = 24;
    if (below(random, 3) == 0) window.where = "ok";
    if (shape.revises) {
        window.late_then = LateThen::revise;
        window.late_allow = Duration::seconds(20);
    }
    EngineSpec spec = engine_of(window);
    spec.sources[0].lateness = Duration::seconds(3);
    spec.sources[0].idle = Duration::seconds(15);
    spec.sources[0].max_partitions = 8;
    spec.sources[0].max_future = Duration::seconds(20);
    spec.sketch_bytes = Bytes{256} << 10;
    if (below(random, 4) == 0) {
        spec.windows.push_back(minute({{"n", "count()"}, {"p90", "quantile(speed, 0.9)"}}, {"ok"}));
        spec.windows.back().name = "other";
    }
    if (below(random, 2) == 0) spec.sources[0].partition = "";
    return spec;
}

// What the generator made.
struct Made {
    std::uint64_t rows = 0, late = 0, duplicate = 0, future = 0, boundary = 0, silent = 0;
} made;

struct Step {
    Event event;
    std::size_t lane = 0;
    bool tick = false;
};

std::vector<Step> stream(Random& random, const Shape& shape) {
    std::vector<Step> steps;
    std::set<std::int64_t> times;
    std::int64_t now = 1'700'000'000'000;
    steps.push_back({{0, now, true, {}}, 0, true});
    const std::int64_t rows = 50 + below(random, 150);
    for (std::int64_t i = 0; i < rows; ++i) {
        now += below(random, 500);
        if (below(random, 1000) < shape.silent) {
            for (std::int64_t end = now + below(random, 90'000); now < end; now += 1'000) steps.push_back({{0, now, true, {}}, 0, true});
            ++made.silent;
        }
        Event event;
        event.arrival_ms = now;
        event.at_ms = now - below(random, 3'000);
        if (shape.late && below(random, 10) == 0) event.at_ms -= 3'000 + below(random, 40'000);
        if (below(random, 20) == 0) event.at_ms -= event.at_ms % 1'000;
        if (!shape.late) event.at_ms = std::max(event.at_ms, now - 2'999);
        if (shape.late && below(random, 50) == 0) event.at_ms = now + 100'000;
        while (!times.insert(event.at_ms).second) ++event.at_ms;  // ties go by the order of lanes
        made.late += event.at_ms < now - 3'000;
        made.future += event.at_ms > now;
        made.boundary += event.at_ms % 1'000 == 0;
        const std::int64_t site = below(random, 6);
        event.cells = {"s" + std::to_string(site), below(random, 4), static_cast<double>(below(random, 2'000)) / 7.0, below(random, 1'000) - 500,
                       below(random, 3) > 0, "v" + std::to_string(below(random, 12))};
        if (below(random, 9) == 0) event.cells[2] = std::monostate{};
        const auto lane = static_cast<std::size_t>(shape.by_site ? site : below(random, 1'000)) % shape.lanes;
        steps.push_back({event, lane, false});
        ++made.rows;
        if (below(random, 30) == 0) {
            steps.push_back({event, static_cast<std::size_t>(below(random, static_cast<std::int64_t>(shape.lanes))), false});
            ++made.duplicate;
        }
        if (below(random, 10) == 0) steps.push_back({{0, now, true, {}}, 0, true});
    }
    return steps;
}

void run_one(Harness& one, const std::vector<Step>& steps) {
    for (const Step& step : steps) {
        if (step.tick)
            one.tick(step.event.arrival_ms);
        else
            one.send(Message{step.event});
    }
    one.close();
}

// Items reach the merger in any order that keeps each lane's own.
void give_some(Random& random, LanesHarness& lanes) {
    for (std::int64_t n = below(random, 20); n > 0; --n) lanes.give_one(static_cast<std::size_t>(below(random, static_cast<std::int64_t>(lanes.lane.size()))));
}

void run_lanes(Random& random, LanesHarness& lanes, const std::vector<Step>& steps) {
    for (const Step& step : steps) {
        if (step.tick)
            lanes.tick(step.event.arrival_ms);
        else
            lanes.lane[step.lane]->send(Message{step.event});
        give_some(random, lanes);
        if (below(random, 40) == 0) {
            const std::vector<std::byte> saved = lanes.save();
            lanes.merger.reset();
            CHECK(lanes.load(saved).ok());
        }
    }
    for (auto& lane : lanes.lane) lane->close();
    bool more = true;
    while (more) {
        give_some(random, lanes);
        more = std::any_of(lanes.said.begin(), lanes.said.end(), [](const auto& said) { return !said->items.empty(); });
    }
    lanes.merger.settle();
    lanes.merger.finish();
}

using Identity = std::tuple<std::string, std::int64_t, std::int64_t, std::string>;
std::map<Identity, Emitted> last_of(const std::vector<Emitted>& all) {
    std::map<Identity, Emitted> last;
    for (const Emitted& e : all) last[{e.window, e.end_ms, e.start_ms, e.key}] = e;
    return last;
}

bool near(double a, double b, double scale) { return std::abs(a - b) <= 1e-9 * std::max(1.0, scale); }

void same(const Emitted& a, const Emitted& b) {
    CHECK_EQUAL(a.values.size(), b.values.size());
    for (const auto& [name, x] : a.values) {
        const Value& y = b.values.at(name);
        CHECK_TRUE(x.kind == y.kind);
        switch (x.kind) {
            case ValueKind::integer: CHECK_TRUE(x.integer == y.integer); break;
            case ValueKind::real:
                if (name == "low") CHECK_TRUE(x.real == y.real);
                CHECK_TRUE(near(x.real, y.real, name == "var" ? 1e5 : 1e4));
                break;
            case ValueKind::estimate: CHECK_TRUE(x.upper >= y.lower && y.upper >= x.lower); break;
            default: break;
        }
    }
}

void in_order(const std::vector<Emitted>& all, const EngineSpec& spec) {
    const auto number = [&](const std::string& name) { return name == spec.windows[0].name ? 0 : 1; };
    for (std::size_t i = 1; i < all.size(); ++i) {
        const Emitted& a = all[i - 1];
        const Emitted& b = all[i];
        CHECK_TRUE(a.sequence + 1 == b.sequence);
        CHECK_TRUE(std::tuple(a.end_ms, number(a.window)) <= std::tuple(b.end_ms, number(b.window)));
    }
}

}  // namespace

TEST_GROUP(LaneModel) {};

TEST(LaneModel, any_number_of_lanes_in_any_order_gives_the_results_of_one) {
    Random random(20260);
    std::uint64_t results = 0;
    for (int i = 0; i < streams(); ++i) {
        Shape shape;
        shape.lanes = 1 + static_cast<std::size_t>(i % 3);
        shape.by_site = below(random, 2) == 0;
        const EngineSpec spec = spec_of(random, shape);
        const std::vector<Step> steps = stream(random, shape);
        Harness one(spec);
        LanesHarness lanes(spec, shape.lanes, i % 2 == 0 ? batch_rows_max : 7);
        run_one(one, steps);
        run_lanes(random, lanes, steps);
        CHECK_EQUAL(0U, lanes.count(WindowCounter::late) + lanes.count(WindowCounter::late_after_eviction) + lanes.count(WindowCounter::evicted));
        const auto expected = last_of(one.out.results);
        const auto got = last_of(lanes.out.results);
        CHECK_EQUAL(one.out.results.size(), lanes.out.results.size());
        CHECK_EQUAL(expected.size(), got.size());
        for (const auto& [identity, record] : expected) {
            const auto found = got.find(identity);
            CHECK_TRUE(found != got.end());
            same(record, found->second);
        }
        in_order(lanes.out.results, spec);
        results += got.size();
    }
    std::printf("\nLaneModel: %llu rows, %llu duplicates, %llu on a boundary; %llu results equal\n", static_cast<unsigned long long>(made.rows),
                static_cast<unsigned long long>(made.duplicate), static_cast<unsigned long long>(made.boundary), static_cast<unsigned long long>(results));
}

TEST(LaneModel, whatever_is_late_silent_or_in_the_future_totals_are_what_lanes_counted) {
    Random random(20261);
    made = {};
    for (int i = 0; i < streams(); ++i) {
        Shape shape;
        shape.lanes = 1 + static_cast<std::size_t>(i % 3);
        shape.late = true;
        shape.revises = below(random, 2) == 0;
        shape.silent = 30;
        const EngineSpec spec = spec_of(random, shape);
        const std::vector<Step> steps = stream(random, shape);
        LanesHarness lanes(spec, shape.lanes);
        run_lanes(random, lanes, steps);
        std::uint64_t counted = 0;
        for (auto& lane : lanes.lane) {
            CHECK_TRUE(lane->adds_up());
            counted += lane->count(WindowCounter::counted);
        }
        CHECK_EQUAL(lanes.count(WindowCounter::rows), lanes.count(WindowCounter::counted) + lanes.count(WindowCounter::late) +
                                                          lanes.count(WindowCounter::late_after_eviction));
        std::uint64_t said = 0;
        for (const auto& [identity, record] : last_of(lanes.out.results))
            if (record.window == "minute") said += static_cast<std::uint64_t>(record.integer("n"));
        if (lanes.count(WindowCounter::late) + lanes.count(WindowCounter::late_after_eviction) == 0)
            CHECK_EQUAL(counted, said);
        else
            CHECK_TRUE(said < counted);
    }
    std::printf("\nLaneModel: %llu rows, %llu late, %llu duplicates, %llu future, %llu on a boundary, %llu silent stretches\n",
                static_cast<unsigned long long>(made.rows), static_cast<unsigned long long>(made.late), static_cast<unsigned long long>(made.duplicate),
                static_cast<unsigned long long>(made.future), static_cast<unsigned long long>(made.boundary), static_cast<unsigned long long>(made.silent));
}
