#include "windows/detector_forecast.h"

#include <cmath>
#include <random>

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

constexpr Duration day = Duration::seconds(86400);

struct Fed {
    // How wrong the forecast of this value was.
    double next(double value) {
        ValueGrid::Move move;
        if (grid.make_room(value, rows % 64 == 0, move)) forecaster.move(move);
        const double error = value - forecaster.next();
        covered = std::fabs(error) <= forecaster.half_width();
        forecaster.learn(Timestamp::seconds(600 * rows++), value, day, grid);
        if (grid.started()) grid.mark(value);
        return error;
    }
    ValueGrid grid;
    Forecaster forecaster;
    std::int64_t rows = 0;
    bool covered = false;
};

}  // namespace

TEST_GROUP(DetectorForecast) {};

TEST(DetectorForecast, a_constant_is_forecast_exactly_and_surely) {
    Fed fed;
    for (int i = 0; i < 50; ++i) fed.next(7);
    CHECK_EQUAL(7.0, fed.forecaster.next());
    CHECK_EQUAL(0.0, fed.forecaster.half_width());
}

TEST(DetectorForecast, a_season_is_forecast_better_than_by_the_last_value) {
    Fed fed;
    double errors = 0;
    double naive = 0;
    double before = 0;
    for (int i = 0; i < 144 * 20; ++i) {
        const double value = 100 + 50 * std::sin(i * 6.283185307 / 144);
        const double error = fed.next(value);
        if (i >= 144 * 10) {
            errors += std::fabs(error);
            naive += std::fabs(value - before);
        }
        before = value;
    }
    CHECK(errors < naive / 2);
}

TEST(DetectorForecast, noise_about_a_level_is_forecast_by_the_level) {
    Fed fed;
    std::mt19937_64 random(5);
    double squares = 0;
    double naive = 0;
    double before = 0;
    for (int i = 0; i < 5000; ++i) {
        const double value = static_cast<double>(random() % 1000);
        const double error = fed.next(value);
        squares += error * error;
        naive += (value - before) * (value - before);
        before = value;
    }
    CHECK(squares < 0.75 * naive);
}

TEST(DetectorForecast, the_interval_holds_most_of_what_comes) {
    Fed fed;
    std::mt19937_64 random(6);
    int held = 0;
    for (int i = 0; i < 6000; ++i) {
        fed.next(static_cast<double>(random() % 1000 + random() % 1000));
        if (i >= 1000) held += fed.covered;
    }
    CHECK(held > 4600 && held < 4900);  // of 5,000: 95 %
}

TEST(DetectorForecast, time_that_steps_back_or_leaps_is_borne) {
    Fed fed;
    for (int i = 0; i < 100; ++i) fed.next(i % 7);
    fed.forecaster.learn(Timestamp::min(), 3, day, fed.grid);
    fed.forecaster.learn(Timestamp::max(), 4, day, fed.grid);
    CHECK(fed.forecaster.sound());
    CHECK(std::isfinite(fed.forecaster.next()));
}
