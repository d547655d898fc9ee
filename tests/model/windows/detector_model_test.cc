// The members of the detector against slow twins that keep every row: on walks, spikes, seasons, steps
// and constants, with times that jump. WEIR_MODEL_STREAMS says how many streams (a twentieth of it; 100 unless told).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include "windows/detector_grid.h"
#include "windows/detector_neighbours.h"
#include "windows/detector_season.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

using Random = std::mt19937_64;

std::size_t streams() {
    const char* told = std::getenv("WEIR_MODEL_STREAMS");
    return told != nullptr ? std::strtoul(told, nullptr, 10) / 20 : 100;
}

std::vector<double> random_values(Random& random) {
    const auto length = 500 + random() % 6000;
    const int kind = static_cast<int>(random() % 5);
    const double scale = std::ldexp(1.0, static_cast<int>(random() % 40) - 20);
    std::normal_distribution<double> normal;
    std::vector<double> values;
    double walk = 0;
    for (std::size_t i = 0; i < length; ++i) {
        walk += normal(random);
        double value = 0;
        if (kind == 0) value = walk;
        if (kind == 1) value = normal(random) + (random() % 300 == 0 ? 50 * normal(random) : 0);
        if (kind == 2) value = std::sin(static_cast<double>(i) / 30) + 0.1 * normal(random);
        if (kind == 3) value = static_cast<double>(random() % 7) + (i > length / 2 ? 20 : 0);
        if (kind == 4) value = i < length / 3 ? 5 : std::round(walk);
        values.push_back(scale * value + scale * 100);
    }
    return values;
}

}  // namespace

TEST_GROUP(DetectorModel) {};

// Every value with the row it was last seen in; a gap is that of the nearest value still remembered.
TEST(DetectorModel, gaps_are_those_to_the_nearest_of_the_remembered_values_within_five_bins) {
    Random random(1);
    std::uint64_t rows = 0;
    std::uint64_t laid = 0;
    double worst = 0;
    for (std::size_t stream = 0; stream < streams(); ++stream) {
        ValueGrid grid;
        std::map<double, std::size_t> last_seen;
        const std::vector<double> values = random_values(random);
        for (std::size_t row = 0; row < values.size(); ++row) {
            const double value = values[row];
            ValueGrid::Move move;
            laid += grid.make_room(value, row % 64 == 0, move);
            if (grid.started()) {
                // Bins live from 3,487 to 3,500 rows: the twin brackets.
                double longest = 1e300;
                double shortest = 1e300;
                for (const auto& [known, seen] : last_seen) {
                    const double away = std::fabs(value - known);
                    if (row - seen <= 3501) longest = std::min(longest, away);
                    if (row - seen <= 3485) shortest = std::min(shortest, away);
                }
                const double gap = grid.gap(value);
                worst = std::max({worst, (longest - gap) / grid.step(), (gap - shortest) / grid.step()});
                grid.mark(value);
                if (row % ValueGrid::rows_per_age == 0) grid.age();
                ++rows;
            }
            last_seen[value] = row;
            if (last_seen.size() > 4000 && row % 500 == 0)
                std::erase_if(last_seen, [&](const auto& entry) { return row - entry.second > 3600; });
        }
    }
    std::printf("\ngrid: %zu streams, %llu rows, laid anew %llu times, worst error %.2f bins\n", streams(),
                static_cast<unsigned long long>(rows), static_cast<unsigned long long>(laid), worst);
    CHECK(worst <= 5);
}

// Each visit to each part, in order; the extremes are worked out from the start at every question.
TEST(DetectorModel, season_envelopes_are_those_of_a_twin_that_keeps_every_visit) {
    struct Visit {
        std::int64_t now;
        int part;
        int lower = 255;
        int upper = 0;
    };
    Random random(2);
    for (std::size_t stream = 0; stream < streams() / 2; ++stream) {
        DayEnvelope envelope;
        std::vector<Visit> visits;
        std::int64_t seconds = static_cast<std::int64_t>(random() % 2000000) - 1000000;
        for (int row = 0; row < 600; ++row) {
            seconds += static_cast<std::int64_t>(random() % 7200);
            if (random() % 50 == 0) seconds -= 20000;
            const int value = static_cast<int>(random() % 60) + (random() % 20 == 0 ? 150 : 0);
            const auto now = static_cast<std::int64_t>(std::floor(static_cast<double>(seconds) / 7200));
            const int part = static_cast<int>(((now % 12) + 12) % 12);
            if (visits.empty() || visits.back().now != now) visits.push_back({now, part});
            int least = 999;
            for (int away : {-1, 0, 1}) {
                int lower = 255;
                int upper = 0;
                for (std::size_t i = 0; i + 2 < visits.size(); ++i) {  // the last two are not learnt yet
                    if (visits[i].part != (part + away + 12) % 12) continue;
                    if (lower <= upper) {
                        const int closer = static_cast<int>((upper - lower) * 0.05 / 2 + 0.5);
                        lower += closer;
                        upper -= closer;
                    }
                    lower = std::min(lower, visits[i].lower);
                    upper = std::max(upper, visits[i].upper);
                }
                if (lower <= upper) least = std::min(least, value < lower ? lower - value : value > upper ? value - upper : 0);
            }
            const double told = envelope.outside(Timestamp::seconds(seconds), Duration::seconds(86400), static_cast<std::uint8_t>(value));
            CHECK_EQUAL(least == 999 ? 0.0 : least, told);
            visits.back().lower = std::min(visits.back().lower, value);
            visits.back().upper = std::max(visits.back().upper, value);
        }
    }
}

// A list of shapes with ages, searched one by one.
TEST(DetectorModel, neighbours_are_those_of_a_list_searched_one_by_one) {
    struct Remembered {
        std::array<int, 4> shape;
        int life;
    };
    Random random(3);
    for (std::size_t stream = 0; stream < streams() / 2; ++stream) {
        ValueGrid grid;
        LagNeighbours neighbours;
        ValueGrid::Move move;
        grid.make_room(0, false, move);
        grid.make_room(1000, false, move);
        grid.mark(1000);
        std::vector<Remembered> list;
        std::deque<std::array<int, 4>> queue;
        std::vector<double> past;
        float radius = 0;
        const auto nearest = [&](const std::array<int, 4>& shape) {
            std::pair<int, int> found = {999, -1};
            for (std::size_t i = 0; i < list.size(); ++i) {
                int largest = 0;
                for (std::size_t k = 0; k < 4; ++k) largest = std::max(largest, std::abs(shape[k] - list[i].shape[k]));
                if (list[i].life > 0 && largest < found.first) found = {largest, static_cast<int>(i)};
            }
            return found;
        };
        for (int row = 0; row < 2000; ++row) {
            const double value = row % 100 < 70 ? row % 12 * 80.0 : static_cast<double>(random() % 1000);
            past.insert(past.begin(), value);
            double expected = 0;
            if (past.size() >= 8) {
                const std::array<int, 4> shape = {grid.coordinate(past[0]), grid.coordinate(past[1]),
                                                  grid.coordinate((past[2] + past[3]) / 2),
                                                  grid.coordinate((past[4] + past[5] + past[6] + past[7]) / 4)};
                const auto found = nearest(shape);
                expected = found.second < 0 ? 0 : found.first;
                if (queue.size() == 4) {
                    const auto near = nearest(queue.front());
                    if (near.second >= 0 && static_cast<float>(near.first) <= radius) {
                        list[static_cast<std::size_t>(near.second)].life = 250;
                        radius = std::max(0.0F, radius - static_cast<float>(0.5 * 0.05));
                    } else {
                        if (list.size() < 32) {
                            list.push_back({queue.front(), 250});
                        } else {
                            *std::min_element(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.life < b.life; }) = {queue.front(), 250};
                        }
                        radius += static_cast<float>(0.5 * 0.95);
                    }
                    queue.pop_front();
                }
                queue.push_back(shape);
            }
            CHECK_EQUAL(expected, neighbours.distance(value, grid));
            if (row % 14 != 0) continue;
            neighbours.age();
            for (Remembered& each : list) each.life = std::max(0, each.life - 1);
        }
    }
}

// The measures themselves, compared class by class.
TEST(DetectorModel, ranks_are_those_of_a_sorted_list) {
    Random random(4);
    const auto class_of = [](double measure) {
        return measure < 1.0 / 256 ? 0 : std::min(15, 1 + static_cast<int>(std::floor(std::log(measure * 256) / std::log(1.5))));
    };
    for (std::size_t stream = 0; stream < streams() / 2; ++stream) {
        ConformalRank rank;
        std::vector<int> past;
        for (int row = 0; row < 3000; ++row) {
            const double measure = std::pow(static_cast<double>(random() % 10000 + 1) / 10000, 3) * 1.3;
            const auto as_large = std::count_if(past.begin(), past.end(), [&](int c) { return c >= class_of(measure); });
            DOUBLES_EQUAL((static_cast<double>(as_large) + 1) / (static_cast<double>(past.size()) + 1), rank.rank(measure), 1e-12);
            past.push_back(class_of(measure));
        }
    }
}
