#include "windows/detector.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <span>

#include "agent/base/hash.h"
#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

constexpr int rows_a_day = 144;
constexpr Timestamp row_time(int row) { return Timestamp::seconds(1750000000 + 600 * static_cast<std::int64_t>(row)); }

struct Watched {
    explicit Watched(DetectorMethod method = DetectorMethod::ensemble) : detector(Detector::create(memory, {method, Duration::seconds(86400)})) {}
    Detector::Verdict next(double value) {
        const Detector::Verdict verdict = detector->step(row_time(row++), value);
        CHECK(verdict.score >= 0 && verdict.score <= 1);
        CHECK(verdict.low <= verdict.forecast && verdict.forecast <= verdict.high);
        return verdict;
    }
    // Rows of series(row) up to `end`; how many were worth an alert.
    int alerts(int end, const std::function<double(int)>& series) {
        int count = 0;
        while (row < end) {
            const int at = row;
            const Detector::Verdict verdict = next(series(at));
            if (verdict.score < Detector::score_shipped) continue;
            ++count;
            first = count == 1 ? at : first;
            member = count == 1 ? verdict.member : member;
        }
        return count;
    }
    alignas(8) std::byte memory[sizeof(Detector)]{};
    Detector* detector;
    int row = 0;
    int first = -1;  // row of the first alert of the last alerts()
    DetectorMethod member = DetectorMethod::ensemble;
};

double noise(int row, double size) {
    const std::uint64_t bits = 0x9E3779B97F4A7C15ULL * static_cast<std::uint64_t>(row + 1);
    return size * (static_cast<double>((bits ^ (bits >> 29)) * 0xBF58476D1CE4E5B9ULL >> 40) / 16777216.0 - 0.5);
}
double daily(int row) { return 100 + 50 * std::sin(row * 6.283185307 / rows_a_day) + noise(row, 8); }

}  // namespace

TEST_GROUP(Detector) {};

TEST(Detector, fits_in_a_kibibyte) {
    CHECK_EQUAL(Detector::need({}), sizeof(Detector));
    CHECK(sizeof(Detector) <= 1024);
}

TEST(Detector, is_silent_about_constants_noise_and_seasons) {
    Watched constant;
    CHECK_EQUAL(0, constant.alerts(3000, [](int) { return 5.0; }));
    Watched noisy;
    CHECK_EQUAL(0, noisy.alerts(3000, [](int row) { return noise(row, 10); }));
    Watched seasonal;
    CHECK_EQUAL(0, seasonal.alerts(4000, daily));
}

TEST(Detector, a_spike_is_told_once) {
    Watched watched;
    CHECK_EQUAL(0, watched.alerts(2000, daily));
    CHECK_EQUAL(1, watched.alerts(2300, [](int row) { return row >= 2010 && row < 2014 ? 400 : daily(row); }));
    CHECK_EQUAL(2010, watched.first);
    CHECK(watched.member == DetectorMethod::novelty);
}

TEST(Detector, a_constant_that_changes_is_told) {
    Watched watched;
    watched.alerts(500, [](int) { return 5.0; });
    CHECK_EQUAL(1, watched.alerts(700, [](int row) { return row >= 600 ? 9.0 : 5.0; }));
    CHECK_EQUAL(600, watched.first);
}

TEST(Detector, a_new_level_is_told_and_then_is_the_level) {
    Watched watched;
    CHECK_EQUAL(0, watched.alerts(2000, [](int row) { return noise(row, 10); }));
    CHECK(watched.alerts(2200, [](int row) { return 30 + noise(row, 10); }) >= 1);
    CHECK_EQUAL(2000, watched.first);
    CHECK_EQUAL(0, watched.alerts(4000, [](int row) { return 30 + noise(row, 10); }));
}

TEST(Detector, a_day_without_its_peak_is_told_though_every_value_is_known) {
    for (const DetectorMethod method : {DetectorMethod::season, DetectorMethod::ensemble}) {
        Watched watched(method);
        CHECK_EQUAL(0, watched.alerts(14 * rows_a_day, daily));
        CHECK(watched.alerts(15 * rows_a_day, [](int row) { return 55 + noise(row, 8); }) >= 1);
        CHECK(watched.member == DetectorMethod::season);
    }
}

TEST(Detector, a_change_of_pattern_within_the_range_is_told_by_the_neighbours) {
    // A saw tooth that climbs; then one that falls: the same values, the same hours.
    Watched watched(DetectorMethod::neighbours);
    CHECK_EQUAL(0, watched.alerts(3000, [](int row) { return row % 12 * 10.0; }));
    CHECK(watched.alerts(3030, [](int row) { return 110 - row % 12 * 10.0; }) >= 1);
}

TEST(Detector, the_z_score_and_the_forecast_tell_a_spike_alone) {
    for (const DetectorMethod method : {DetectorMethod::zscore, DetectorMethod::forecast, DetectorMethod::novelty}) {
        Watched watched(method);
        CHECK_EQUAL(0, watched.alerts(2000, [](int row) { return noise(row, 10); }));
        CHECK(watched.alerts(2010, [](int row) { return row == 2005 ? 100 : noise(row, 10); }) >= 1);
        CHECK_EQUAL(2005, watched.first);
        CHECK(watched.member == method);
    }
}

TEST(Detector, a_second_event_during_the_quiet_time_is_told_if_it_is_larger) {
    Watched watched;
    watched.alerts(2000, [](int row) { return noise(row, 10); });
    CHECK_EQUAL(1, watched.alerts(2020, [](int row) { return row == 2000 ? 30 : noise(row, 10); }));
    CHECK_EQUAL(0, watched.alerts(2040, [](int row) { return row == 2020 ? 33 : noise(row, 10); }));
    CHECK_EQUAL(1, watched.alerts(2060, [](int row) { return row == 2040 ? 300 : noise(row, 10); }));
}

TEST(Detector, scale_and_offset_do_not_matter) {
    Watched plain;
    Watched scaled;
    for (int i = 0; i < 3000; ++i) {
        const double value = i == 2500 ? 300 : daily(i);
        const double a = plain.next(value).score;
        const double b = scaled.next(value * 1024).score;  // a power of two: exactly the same
        CHECK_EQUAL(a, b);
    }
    Watched shifted;
    shifted.alerts(2500, [](int row) { return 1e6 - daily(row); });
    CHECK_EQUAL(1, shifted.alerts(2510, [](int row) { return row == 2500 ? 1e6 - 300 : 1e6 - daily(row); }));
}

TEST(Detector, values_that_are_none_change_nothing) {
    Watched with;
    Watched without;
    const double none[] = {std::nan(""), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), 2e150};
    for (int i = 0; i < 1000; ++i) {
        const Detector::Verdict told = with.detector->step(row_time(i), daily(i));
        const Detector::Verdict nothing = with.detector->step(row_time(i), none[i % 4]);
        CHECK_EQUAL(0.0, nothing.score);
        CHECK_EQUAL(told.forecast, nothing.forecast);
        without.next(daily(i));
    }
    MEMCMP_EQUAL(without.memory, with.memory, sizeof with.memory);
}

TEST(Detector, extremes_never_leave_zero_to_one_and_never_make_a_damaged_state) {
    std::mt19937_64 random(9);
    const double values[] = {0, -0.0, 1e150, -1e150, 1e-300, 5e-324, 1, -1, 1e15, 1e15 + 1, 12345.678};
    for (int round = 0; round < 20; ++round) {
        Watched watched;
        for (int i = 0; i < 600; ++i) {
            const double value = random() % 3 == 0 ? values[random() % std::size(values)] : noise(i, 10);
            const auto time = Timestamp::micros(random() % 5 == 0 ? static_cast<std::int64_t>(random()) : row_time(i).us());
            const Detector::Verdict verdict = watched.detector->step(time, value);
            CHECK(verdict.score >= 0 && verdict.score <= 1);
            CHECK(std::isfinite(verdict.forecast));
        }
        CHECK(Detector::adopt(watched.memory) == watched.detector);
    }
}

TEST(Detector, a_copy_of_its_bytes_goes_on_as_it_does) {
    Watched first;
    first.alerts(1777, daily);
    Watched second;
    std::memcpy(second.memory, first.memory, sizeof first.memory);
    second.detector = Detector::adopt(second.memory);
    CHECK(second.detector != nullptr);
    second.row = first.row;
    for (int i = 1777; i < 4000; ++i) {
        const double value = i == 3000 ? 500 : daily(i);
        CHECK_EQUAL(first.next(value).score, second.next(value).score);
    }
    MEMCMP_EQUAL(first.memory, second.memory, sizeof first.memory);
}

TEST(Detector, damaged_bytes_are_refused) {
    Watched watched;
    watched.alerts(500, daily);
    CHECK(Detector::adopt(MutableByteSpan(watched.memory).first(100)) == nullptr);
    const double nan = std::nan("");
    for (const std::size_t place : {0, 8, 16, 24, 32, 64, 72}) {  // season, method, extremes, a percentile, the grid
        Watched damaged;
        std::memcpy(damaged.memory, watched.memory, sizeof watched.memory);
        const std::int64_t none = place == 0 ? 0 : 200;
        std::memcpy(damaged.memory + place, place <= 8 ? static_cast<const void*>(&none) : &nan, sizeof nan);
        CHECK(Detector::adopt(damaged.memory) == nullptr);
    }
    std::mt19937_64 random(11);
    for (int i = 0; i < 20000; ++i) {  // whatever is accepted is safe to go on with
        Watched damaged;
        std::memcpy(damaged.memory, watched.memory, sizeof watched.memory);
        for (std::uint64_t k = 1 + random() % 4; k > 0; --k)
            damaged.memory[random() % sizeof damaged.memory] = static_cast<std::byte>(random());
        Detector* adopted = Detector::adopt(damaged.memory);
        if (adopted == nullptr) continue;
        for (int row = 500; row < 510; ++row) adopted->step(row_time(row), daily(row));
    }
}

// The same bytes on every machine: the sum was taken on x86-64.
TEST(Detector, bytes_are_the_same_on_every_machine) {
    Watched watched;
    std::uint32_t sum = 0;
    for (int i = 0; i < 5000; ++i) {
        const double season = i % rows_a_day < 72 ? i % rows_a_day : 144 - i % rows_a_day;  // no libm in the input
        const Detector::Verdict verdict = watched.next(i == 3333 ? 400 : season + noise(i, 9));
        const double told[] = {verdict.score, verdict.forecast, verdict.low, verdict.high};
        sum = crc32c(std::as_bytes(std::span(told)), sum);
    }
    CHECK_EQUAL(1596882698U, crc32c(watched.memory, sum));
}
