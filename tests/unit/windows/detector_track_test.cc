#include "windows/detector_track.h"

#include <random>

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

constexpr Calibration::Params by_largest = {Calibration::Usual::near_largest, 0.01, 1000, 10};
constexpr Calibration::Params by_mean = {Calibration::Usual::mean, 0.01, 1000, 0};

}  // namespace

TEST_GROUP(DetectorTrack) {};

TEST(DetectorTrack, a_quantile_comes_to_rest_where_its_share_lies_below) {
    std::mt19937_64 random(1);
    QuantileTracker median;
    QuantileTracker high;
    for (int i = 0; i < 20000; ++i) {
        const double value = static_cast<double>(random() % 1000);
        median.see(value, 0.5, 5);
        high.see(value, 0.95, 5);
    }
    DOUBLES_EQUAL(500, median.value(), 60);
    DOUBLES_EQUAL(950, high.value(), 30);
}

TEST(DetectorTrack, a_quantile_stays_where_values_equal_it) {
    QuantileTracker tracker;
    tracker.set(7);
    for (int i = 0; i < 100; ++i) tracker.see(7, 0.5, 1);
    CHECK_EQUAL(7.0, tracker.value());
}

TEST(DetectorTrack, forgetting_is_the_plain_mean_first) {
    CHECK_EQUAL(1.0, forgetting(0, 4));
    CHECK_EQUAL(0.5, forgetting(1, 4));
    CHECK_EQUAL(0.25, forgetting(3, 4));
    CHECK_EQUAL(0.25, forgetting(1000, 4));
}

TEST(DetectorTrack, times_usual_by_the_mean) {
    Calibration calibration;
    for (int i = 0; i < 100; ++i) calibration.times_usual(0.5, by_mean);
    DOUBLES_EQUAL(1.0 / 0.51, calibration.times_usual(1, by_mean), 1e-6);
}

TEST(DetectorTrack, near_largest_stands_near_the_largest_of_the_recent_measures) {
    Calibration calibration;
    for (int i = 0; i < 1000; ++i) calibration.times_usual(i % 10 == 0 ? 1.0 : 0.001, by_largest);
    const double times = calibration.times_usual(1, by_largest);  // usual: (1/10)^(1/4) = 0.56, where the mean is 0.1
    DOUBLES_EQUAL(1 / 0.572, times, 0.05);
}

TEST(DetectorTrack, zeros_before_the_first_measure_teach_nothing) {
    Calibration with;
    Calibration without;
    for (int i = 0; i < 500; ++i) CHECK_EQUAL(0.0, with.times_usual(0, by_largest));
    for (int i = 0; i < 50; ++i)
        CHECK_EQUAL(without.times_usual(0.25, by_largest), with.times_usual(0.25, by_largest));
}

TEST(DetectorTrack, the_first_measures_are_silent) {
    Calibration calibration;
    for (int i = 0; i < 10; ++i) CHECK_EQUAL(0.0, calibration.times_usual(5, by_largest));
    CHECK(calibration.times_usual(5, by_largest) > 0.9);
}
