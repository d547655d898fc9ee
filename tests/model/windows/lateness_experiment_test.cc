// Adaptive lateness against fixed ones, on streams whose delays change: the fixed one of the same mean latency, and the
// fixed one of the same share of late events, both chosen with knowledge of the whole stream. Latency is how far the
// watermark stays behind the greatest event, on average over events. Prints a table:
// `windows_model_test -g LatenessExperiment`.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numbers>
#include <random>
#include <vector>

#include "windows/watermark.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

constexpr double events_per_second = 100;
constexpr int events = 200'000;

// How long an event that happens at `second` is on its way, on average, in seconds.
using MeanDelay = double (*)(double second);
double steady(double) { return 0.3; }
double rush_hours(double second) { return static_cast<int>(second / 300) % 4 == 3 ? 2.0 : 0.1; }
double rare_disturbance(double second) { return static_cast<int>(second / 150) % 12 == 5 ? 3.0 : 0.15; }
double slow_swell(double second) {
    return 0.1 * std::exp2(2.5 * (1 - std::cos(2 * std::numbers::pi * second / 900)));
}

// Event times in order of arrival, in microseconds.
std::vector<std::int64_t> arrivals(MeanDelay mean, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto exponential = [&] { return -std::log(1 - std::generate_canonical<double, 53>(random)); };
    std::vector<std::pair<double, std::int64_t>> events_by_arrival;
    double now = 0;
    for (int i = 0; i < events; ++i) {
        now += exponential() / events_per_second;
        events_by_arrival.emplace_back(now + exponential() * mean(now), static_cast<std::int64_t>(now * 1e6));
    }
    std::sort(events_by_arrival.begin(), events_by_arrival.end());
    std::vector<std::int64_t> out;
    for (const auto& [arrival, event] : events_by_arrival) out.push_back(event);
    return out;
}

struct Outcome {
    double late_share = 0;
    double latency = 0;  // seconds
};

Outcome measure(const std::vector<std::int64_t>& stream, const LatenessParams& lateness) {
    const Watermarks::Params params{1, lateness, Duration::minutes(60), Duration::minutes(1), {}, {}};
    ArenaBlock block(Watermarks::need(params));
    Arena arena(block.memory());
    Watermarks marks(arena, params);
    std::int64_t late = 0;
    std::int64_t greatest = stream.front();
    double behind = 0;
    for (const std::int64_t event : stream) {
        const std::uint32_t partition = marks.partition(0, {});
        late += event < marks.watermark();
        marks.event(partition, event);
        marks.propose();
        marks.adopt();
        marks.clear_passed();
        greatest = std::max(greatest, event);
        behind += static_cast<double>(greatest - marks.watermark()) / 1e6;
    }
    const auto n = static_cast<double>(stream.size());
    return {static_cast<double>(late) / n, behind / n};
}

// The fixed lateness of this share of late events, or of this latency: both fall, or rise, with it.
Outcome fixed_that(const std::vector<std::int64_t>& stream, const std::function<bool(const Outcome&)>& is_too_short) {
    std::int64_t least = 0;
    std::int64_t most = 120'000'000;
    while (most - least > 1000) {
        const std::int64_t middle = (least + most) / 2;
        (is_too_short(measure(stream, Duration::micros(middle))) ? least : most) = middle;
    }
    return measure(stream, Duration::micros(most));
}

}  // namespace

TEST_GROUP(LatenessExperiment) {};

TEST(LatenessExperiment, adaptive_beats_the_best_fixed_one_where_delays_change) {
    const struct {
        const char* name;
        MeanDelay mean;
        bool changes;
    } streams[] = {{"steady", steady, false}, {"rush hours", rush_hours, true}, {"rare disturbance", rare_disturbance, true}, {"slow swell", slow_swell, true}};
    std::printf("\n%-17s %7s | %9s %9s | %-31s | %s\n", "stream", "target", "late", "latency", "fixed of the same latency: late", "fixed of the same late share: latency");
    for (const auto& each : streams)
        for (const double target : {0.01, 0.001}) {
            const std::vector<std::int64_t> stream = arrivals(each.mean, 7);
            LatenessParams params;
            params.adaptive = true;
            params.ceiling = Duration::minutes(2);
            params.late_share = target;
            const Outcome adaptive = measure(stream, params);
            const Outcome as_quick = fixed_that(stream, [&](const Outcome& o) { return o.latency < adaptive.latency; });
            const Outcome as_complete = fixed_that(stream, [&](const Outcome& o) { return o.late_share > adaptive.late_share; });
            const double fewer = as_quick.late_share / adaptive.late_share;
            const double quicker = 1 - adaptive.latency / as_complete.latency;
            std::printf("%-17s %6.1f%% | %8.3f%% %8.2fs | %8.3f%%, %5.1f times as many  | %6.2fs, adaptive takes %.0f %% less\n", each.name, target * 100,
                        adaptive.late_share * 100, adaptive.latency, as_quick.late_share * 100, fewer, as_complete.latency, quicker * 100);
            CHECK(adaptive.late_share <= target * 1.5);
            if (each.changes) {
                CHECK(fewer >= 2);
                CHECK(quicker >= 0.4);
            } else {
                CHECK(fewer >= 0.5);  // learning costs little where there is nothing to learn
                CHECK(quicker >= -0.15);
            }
        }
}
